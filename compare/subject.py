"""What is trained beside torch: the networks of scratch, or those of a user's file."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scratch
from compare.check import examined
from compare.errors import InputError
from compare.evaluation import PYTORCH, Convention
from compare.lockstep import CandidateStack, ScratchStack
from compare.options import HIDDEN, Options
from compare.progress import say
from compare.remote import CandidateError, RemoteCandidate, file_and_name


@dataclass(frozen=True)
class Subject:
    """The networks of scratch, one for each initialisation.

    Attributes
    ----------
    name : str
        As printed and drawn.
    sizes : tuple of int
        Features, hidden units, classes.
    activation, weight_decay_lambda, convention
        What torch is given to compute the same.
    """

    name: str
    sizes: tuple[int, ...]
    activation: str
    weight_decay_lambda: float = 0.0
    convention: Convention = PYTORCH

    def stack(
        self, std: float | str, rng: np.random.Generator, options: Options
    ) -> ScratchStack | CandidateStack:
        """Return a network with weights by the rule `std`, and its optimiser."""
        return ScratchStack(self._net(std, rng, options), scratch.SGD(options.lr))

    def _net(
        self, std: float | str, rng: np.random.Generator, options: Options
    ) -> scratch.MultiLayerNet:
        first, *hidden, last = self.sizes
        dtype: Any = np.dtype(options.dtype)
        return scratch.MultiLayerNet(
            first, hidden, last, self.activation, std, rng=rng, dtype=dtype
        )


@dataclass(frozen=True)
class Guest(Subject):
    """The network of a user's file, in a process for each initialisation."""

    candidates: Iterator[RemoteCandidate] = field(kw_only=True)

    def stack(self, std: float | str, rng: np.random.Generator, options: Options) -> CandidateStack:
        """Return the user's network with the weights that scratch would have."""
        params: dict[str, NDArray[Any]] = self._net(std, rng, options).params
        return CandidateStack(next(self.candidates), params, options.lr)


def scratch_subject(options: Options, features: int, classes: int) -> Subject:
    """Return the networks of scratch as the options say."""
    return Subject("scratch", (features, *options.hidden, classes), options.activation)


@contextmanager
def subject_of(options: Options, features: int, classes: int) -> Iterator[Subject]:
    """Give what is trained, and end its processes afterwards.

    Raises
    ------
    InputError
        The file of --candidate cannot be used, or its network fails while it is trained.
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
        if options.hidden not in (HIDDEN, first.sizes[1:-1]):
            asked, built = (" ".join(map(str, s)) for s in (options.hidden, first.sizes[1:-1]))
            raise InputError(f"{where}: builds hidden layers of {built}, and --hidden is {asked}")
        if first.dtype != np.dtype(options.dtype):
            raise InputError(f"{where}: computes in {first.dtype}; choose --dtype {first.dtype}")
        try:
            examination, report = examined(first)
        except (TypeError, ValueError) as error:
            raise InputError(f"{where}: {error}") from error
        if options.activation not in ("relu", report.activation):
            raise InputError(
                f"{where}: computes {report.activation}, and --activation is {options.activation}"
            )
        say(f"{first.call}: {report.verdict} by itself, {report.activation}")
        for candidate in candidates:
            candidate.targets, candidate.output = first.targets, first.output
        try:
            yield Guest(
                first.name,
                first.sizes,
                report.activation,
                examination.weight_decay_lambda,
                examination.convention,
                candidates=iter(candidates),
            )
        except CandidateError as error:
            raise InputError(f"{where}: {type(error).__name__}: {error}") from error
