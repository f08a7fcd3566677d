"""What is trained beside torch: the networks of scratch, or those of a user's file."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import scratch
import torch_ref
from compare.activations import BOOK
from compare.architecture import PLAIN, Extras
from compare.check import examined
from compare.errors import InputError
from compare.evaluation import PYTORCH, Convention
from compare.judgement import Verdict
from compare.lockstep import CandidateStack, ScratchStack
from compare.optimiser import Optimiser
from compare.options import HIDDEN, Options
from compare.plan import Plan, dropout_rng
from compare.progress import say
from compare.remote import RemoteCandidate, file_and_name

AS_TORCH = {"eps": 1e-5, "unbiased": True, "initial_var": 1.0}
"""The arguments with which BatchNormalization of scratch computes what nn.BatchNorm1d does."""


@dataclass(frozen=True)
class Subject:
    """The networks of scratch, one for each initialisation.

    Attributes
    ----------
    name : str
        As printed and drawn.
    sizes : tuple of int
        Features, hidden units, classes.
    activation, weight_decay_lambda, convention, extras
        What torch is given to compute the same.
    """

    name: str
    sizes: tuple[int, ...]
    activation: str
    weight_decay_lambda: float = 0.0
    convention: Convention = PYTORCH
    extras: Extras = PLAIN

    def stack(
        self, std: float | str, rng: np.random.Generator, options: Options
    ) -> ScratchStack | CandidateStack:
        """Return a network with weights by the rule `std`, and its optimiser."""
        return ScratchStack(self._net(std, rng, options), scratch_optimizer(optimiser_of(options)))

    def _net(
        self, std: float | str, rng: np.random.Generator, options: Options
    ) -> scratch.MultiLayerNet:
        first, *hidden, last = self.sizes
        dtype: Any = np.dtype(options.dtype)
        plain = (first, hidden, last, self.activation, std, self.weight_decay_lambda)
        if not self.extras:
            return scratch.MultiLayerNet(*plain, rng=rng, dtype=dtype)
        ratio = self.extras.dropout
        return scratch.MultiLayerNetExtend(
            *plain, ratio is not None, ratio or 0.0, self.extras.batchnorm,
            batchnorm=AS_TORCH, inverted=True,
            rng=rng, dropout_rng=dropout_rng(options.seed), dtype=dtype,
        )  # fmt: skip  # the book's arguments, then ours


@dataclass(frozen=True)
class Guest(Subject):
    """The network of a user's file, in a process for each initialisation."""

    candidates: Iterator[RemoteCandidate] = field(kw_only=True)

    def stack(self, std: float | str, rng: np.random.Generator, options: Options) -> CandidateStack:
        """Return the user's network with the weights that scratch would have."""
        params: dict[str, NDArray[Any]] = self._net(std, rng, options).params
        optimizer = scratch_optimizer(optimiser_of(options))
        return CandidateStack(next(self.candidates), params, optimizer)


def optimiser_of(options: Options) -> Optimiser:
    """Return the optimiser that scratch has: the book's form with the numbers of torch.optim."""
    eps = 1e-10 if options.optimizer == "adagrad" else 1e-8
    inside = options.optimizer in ("momentum", "nesterov")
    return Optimiser(options.optimizer, options.lr, eps=eps, lr_inside=inside)


def scratch_optimizer(o: Optimiser) -> scratch.Optimizer:
    """Return the optimiser of scratch with these numbers, in this form."""
    decay: dict[str, Any] = {
        "weight_decay": o.weight_decay, "decoupled": o.decoupled, "decay_biases": o.decay_biases,
    }  # fmt: skip  # in every one
    inside = {"lr_inside": o.lr_inside, **decay}
    rms, adam = {"eps_inside": o.eps_inside, **decay}, {"eps_hat": o.eps_hat, **decay}
    make: dict[str, Callable[[], scratch.Optimizer]] = {
        "sgd": lambda: scratch.SGD(o.lr, **decay),
        "momentum": lambda: scratch.Momentum(o.lr, o.momentum, **inside),
        "nesterov": lambda: scratch.Nesterov(o.lr, o.momentum, **inside),
        "adagrad": lambda: scratch.AdaGrad(o.lr, eps=o.eps, **decay),
        "rmsprop": lambda: scratch.RMSProp(o.lr, o.decay_rate, eps=o.eps, **rms),
        "adam": lambda: scratch.Adam(o.lr, *o.betas, eps=o.eps, **adam),
    }
    return make[o.name]()


def torch_optimizer(o: Optimiser, params: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Return that of torch.optim with the same numbers, which has one form only."""
    numbers = {"momentum": o.momentum, "decay_rate": o.decay_rate, "eps": o.eps}
    return torch_ref.optimizer(o.name, params, o.lr, betas=o.betas, **numbers)


def scratch_subject(options: Options, features: int, classes: int) -> Subject:
    """Return the networks of scratch as the options say."""
    sizes = (features, *options.hidden, classes)
    extras = Extras(options.batchnorm, options.dropout)
    decay = options.weight_decay
    return Subject("scratch", sizes, options.activation, decay, extras=extras)


def torch_net(
    subject: Subject, std: float | str, plan: Plan, dtype: torch.dtype, device: str
) -> torch_ref.MultiLayerNet:
    """Return the network of torch_ref that computes what `subject` does, with the same weights."""
    first, *hidden, last = subject.sizes
    return torch_ref.MultiLayerNetExtend(
        first, hidden, last, subject.activation, std, subject.weight_decay_lambda,
        batchnorm=subject.extras.batchnorm, dropout=subject.extras.dropout,
        draws=plan.draws, dropout_rng=dropout_rng(plan.seed), dtype=dtype, device=device,
    )  # fmt: skip  # as scratch has them, then torch's


@contextmanager
def subject_of(options: Options, features: int, classes: int) -> Iterator[Subject]:
    """Give what is trained, and end its processes afterwards.

    Raises
    ------
    InputError
        The file of --candidate cannot be used.
    """
    if options.candidate is None:
        yield scratch_subject(options, features, classes)
        return
    sizes = (features, *options.hidden, classes)
    path, name = file_and_name(options.candidate)
    where = f"--candidate {options.candidate}"
    with ExitStack() as processes:
        candidates = [
            processes.enter_context(RemoteCandidate(path, name, {}, sizes)) for _ in options.init
        ]
        first = candidates[0]
        if (first.sizes[0], first.sizes[-1]) != (features, classes):
            shape = "-".join(map(str, first.sizes))
            raise InputError(
                f"{where}: {shape} is built, and the data need {features}-...-{classes}"
            )
        if first.found or options.batchnorm or options.dropout is not None:
            raise InputError(
                f"{where}: BatchNorm and dropout of a file are judged by netparity check, and not "
                "trained here; build it without them, or choose no --candidate"
            )
        if first.absent:
            raise InputError(
                f"{where}: has no {', '.join(first.absent)}, and the networks of a run have "
                "biases; netparity check judges it"
            )
        if options.hidden not in (HIDDEN, first.sizes[1:-1]):
            asked, built = (" ".join(map(str, s)) for s in (options.hidden, first.sizes[1:-1]))
            raise InputError(f"{where}: builds hidden layers of {built}, and --hidden is {asked}")
        if first.dtype != np.dtype(options.dtype):
            raise InputError(f"{where}: computes in {first.dtype}; choose --dtype {first.dtype}")
        try:
            examination, report = examined(first)
        except (TypeError, ValueError) as error:
            raise InputError(f"{where}: {error}") from error
        if report.verdict is Verdict.INCONCLUSIVE or report.activation not in BOOK:
            raise InputError(
                f"{where}: a run trains networks of {', '.join(BOOK)}, and this is none of them, "
                "or not known to be one; netparity check says more"
            )
        if options.weight_decay not in (0, examination.weight_decay_lambda):
            raise InputError(
                f"{where}: has a weight_decay_lambda of {examination.weight_decay_lambda:g}, and "
                f"--weight-decay is {options.weight_decay:g}"
            )
        if options.activation not in ("relu", report.activation):
            raise InputError(
                f"{where}: computes {report.activation}, and --activation is {options.activation}"
            )
        say(f"{first.call}: {report.verdict} by itself, {report.activation}")
        for candidate in candidates:
            candidate.targets, candidate.output = first.targets, first.output
            candidate.after_loss = first.after_loss
        yield Guest(
            first.name,
            first.sizes,
            report.activation,
            examination.weight_decay_lambda,
            examination.convention,
            candidates=iter(candidates),
        )
