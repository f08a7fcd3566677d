"""One call that judges a network in the book's style."""

import math
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    from compare.cli import main

    sys.exit(main(["check", *sys.argv[1:]]))

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compare.activations import KNOWN
from compare.any_network import look_at_any
from compare.baseline import accepted_conventions, see_accepted
from compare.broken_off import broken_off
from compare.candidate import LABELS, ONE_HOT, Candidate, Network
from compare.containment import contained
from compare.errors import InputError
from compare.evaluation import layer_of
from compare.examination import Examination
from compare.judgement import Verdict
from compare.port.check import check_against
from compare.remote import RemoteCandidate
from compare.report import Report
from compare.stimuli import Stimulus
from compare.switches import other_values
from compare.threads import one_thread_each
from compare.user_frame import CandidateError

Array = NDArray[np.floating[Any]]


def check_network(
    net: Network,
    x: ArrayLike | None = None,
    t: ArrayLike | None = None,
    *,
    activation: str | None = None,
    weight_decay_lambda: float | None = None,
    targets: str | None = None,
    init: str | float | None = None,
    seed: int = 0,
    explain: bool = True,
    reference: Any = None,
    loss: Callable[..., Any] | None = None,
    names: Mapping[str, str | tuple[str, str]] | None = None,
    stimuli: bool = True,
) -> Report:
    """Judge whether `net` computes what PyTorch computes.

    The network is run at parameters and on batches of our own, chosen so that mistakes show, and
    is left with the parameters that it came with. Nothing has to be passed but the network.
    What PyTorch gives is kept for the next check of this process, in at most 256 MB.

    Parameters
    ----------
    net
        An instance with `params` (W1 (fan_in, fan_out), b1 (fan_out,), W2, ... as float64 or
        float32 arrays), `gradient(x, t)`, which returns a dict of the same names, and
        `loss(x, t)`: affine layers, one activation in all hidden layers, softmax and mean
        cross-entropy. `predict(x)`, logits or probabilities, is judged where there is one.
    x, t : array_like (B, features), (B,) or (B, classes), optional
        A batch of your own, judged as well, at the parameters that the network has.
    activation : str, optional
        'relu', 'sigmoid', 'tanh', 'leaky_relu' (the slope is found), 'elu', 'gelu', 'gelu_tanh',
        'silu', 'softplus' or 'identity'. Found by the forward pass if not given; a network of
        another one that is consistent with itself is INCONCLUSIVE then, and never DIFFERENT.
    weight_decay_lambda : float, optional
        lambda of lambda / 2 * sum(W^2) in the loss; taken from the attribute of `net` with this
        name if not given, else found where it is in loss and gradient alike.
    targets : {'labels', 'one-hot'}, optional
        What `net` takes as `t`; found by trying if not given, both being judged if both are taken.
    init : {'he', 'xavier'} or float, optional
        The rule, or the standard deviation, by which the weights that `net` has were drawn; judged
        at six standard errors of the sample.
    seed : int
        Of the generator behind all stimuli.
    explain : bool
        Whether to find out why it differs, where it does: known mistakes are replayed until one
        fits to rounding, which may take as long as judging.
    reference : torch.nn.Module, optional
        What `net` is meant to compute, of any architecture, in the mode in which it is meant. It is
        judged against this, then, on `x` and `t` of any shape, samples along axis 0, and on
        batches made of them; `params` may have any names and shapes, and what is said above of the
        book's networks does not hold. `predict(x)` is what the module returns.
    loss : callable, optional
        Of (output, t), or of (output, t, module) where it needs parameters, with a reference;
        torch's mean cross-entropy if not given.
    names : mapping, optional
        With a reference: {'W1': 'fc1.weight'}, or ('fc1.weight', 'T') where it is transposed. What
        is missing is matched by equality of names, then by shape and order, and proved by the
        forward pass. Outputs of layers and buffers that `net` shows have names, too.
    stimuli : bool
        With a reference: whether batches are made of x and t, too; False where the network is meant
        for this batch alone. Its parameters are varied in any case.

    Returns
    -------
    Report
        The verdict, every judged quantity with its error and what is allowed, the first
        divergence. Print it.

    Raises
    ------
    TypeError, ValueError
        `net` is no such network, an argument is not one of the above, or the network's first plain
        call fails.
    """
    if reference is not None:
        if any(value is not None for value in (activation, weight_decay_lambda, targets, init)):
            raise ValueError(
                "activation, weight_decay_lambda, targets and init are of the book's networks: "
                "a reference says itself what is meant"
            )
        with contained():
            return check_against(net, x, t, reference, loss, names, seed, stimuli=stimuli)
    if loss is not None or names is not None or not stimuli:
        raise ValueError(
            "loss, names and stimuli=False need a reference: the torch module that is meant"
        )
    try:
        candidate = Candidate(net)
    except (TypeError, ValueError) as error:
        with contained():
            seen = look_at_any(net)
        raise type(error)(f"{error}{f'. Seen all the same: {seen}' * bool(seen)}") from error
    candidate.not_exercised = other_values(net)
    declared = _declared(candidate, activation, targets, weight_decay_lambda)
    _see_rule(init)
    own = candidate.read()
    batch = None if x is None and t is None else _own_batch(candidate, own, x, t)
    first = ONE_HOT if t is not None and np.ndim(t) == 2 else LABELS
    try:
        with contained():
            report = _examine(candidate, declared, seed, batch, init, first, explain=explain)[1]
            return report
    finally:
        candidate.write(own)


class Declared(NamedTuple):
    """What is said of a network, and need not be found."""

    activation: str | None = None
    targets: str | None = None
    weight_decay_lambda: float | None = None


def check_candidate(
    candidate: RemoteCandidate,
    *,
    activation: str | None = None,
    targets: str | None = None,
    weight_decay_lambda: float | None = None,
    init: str | float | None = None,
    seed: int = 0,
) -> Report:
    """Judge the network of a file, in its own process, as `check_network` does."""
    declared = _declared(candidate, activation, targets, weight_decay_lambda)
    _see_rule(init)
    return _examine(candidate, declared, seed, init=init)[1]


def examined(candidate: RemoteCandidate) -> tuple[Examination, Report]:
    """Return what was found out about the network of a file, and the report."""
    return _examine(candidate, _declared(candidate), 0)


def _examine(
    candidate: Candidate,
    declared: Declared,
    seed: int,
    batch: Stimulus | None = None,
    init: str | float | None = None,
    first: str = LABELS,
    *,
    explain: bool = True,
) -> tuple[Examination, Report]:
    """Examine a network; where its targets run in two forms that have nothing in common, and the
    likelier one gives no SAME, in the other one, too.
    """

    def examine(targets: str | None) -> tuple[Examination, Report]:
        rng = np.random.default_rng(seed)
        decay = declared.weight_decay_lambda
        examination = Examination(candidate, decay, rng, explain=explain)
        try:
            report = examination.run(declared.activation, targets, batch, init, first)
        except CandidateError as error:
            report = broken_off(candidate, error)
        return examination, replace(report, seed=seed)

    try:
        with one_thread_each():
            found = examine(declared.targets)
            if (other := found[0].forms.apart) and found[1].verdict is not Verdict.SAME:
                candidate.restore()
                second = examine(other)
                found = second if second[1].verdict is Verdict.SAME else found
            return found
    finally:
        with suppress(RuntimeError):  # of a process that is lost
            candidate.restore()


def assert_parity(
    net: Network,
    x: ArrayLike | None = None,
    t: ArrayLike | None = None,
    *,
    strict: bool = False,
    accept: Collection[str] = (),
    **options: Any,
) -> None:
    """Raise AssertionError, with the report as its text, unless check_network says SAME.

    Parameters
    ----------
    net, x, t, options
        As for `check_network`.
    strict : bool
        Raise also where a convention other than PyTorch's, or a limit of range, was met.
    accept : collection of str
        Conventions, in the words of the report, that `strict` is not to refuse, beside those that
        the project lists: in the pyproject.toml of the folder of the file that calls this, or of
        the folder above that has one. Where no file does, as in a notebook, the current folder's.

    Raises
    ------
    AssertionError
        The verdict is not SAME.
    TypeError, ValueError
        As `check_network` does, or `accept` names what is no convention.
    InputError
        The pyproject.toml cannot be used.
    """
    __tracebackhide__ = True
    try:
        caller = Path(sys._getframe(1).f_code.co_filename)
        of_project = accepted_conventions(
            caller.resolve().parent if caller.is_file() else Path.cwd()
        )
        report = check_network(net, x, t, **options)
        see_accepted(accept, report.conventions)
    except (TypeError, ValueError, InputError) as error:
        raise error.with_traceback(None) from None  # where it came from is ours, and no help
    report = replace(report, accepted=(*of_project, *accept))
    if report.exit_code(strict=strict):
        raise AssertionError(report.text(strict=strict))


def _see_rule(init: str | float | None) -> None:
    """Raise ValueError where `init` is no rule."""
    if init not in (None, "he", "xavier") and not (
        isinstance(init, Real) and math.isfinite(init) and float(init) > 0
    ):
        raise ValueError(f"init must be 'he', 'xavier' or a number above 0, not {init!r}")


def _declared(
    candidate: Candidate,
    activation: str | None = None,
    targets: str | None = None,
    weight_decay_lambda: float | None = None,
) -> Declared:
    """Return what is declared; lambda is also what the network's own attribute says."""
    if activation not in (None, *KNOWN):
        raise ValueError(f"activation must be one of {', '.join(KNOWN)}, not {activation!r}")
    if targets not in (None, LABELS, ONE_HOT):
        raise ValueError(f"targets must be {LABELS!r} or {ONE_HOT!r}, not {targets!r}")
    given = weight_decay_lambda
    value = candidate.weight_decay_lambda if given is None else given
    if value is not None and (
        not isinstance(value, Real) or not (math.isfinite(value) and float(value) >= 0)
    ):
        raise ValueError(f"weight_decay_lambda must be finite and at least 0, not {value!r}")
    return Declared(activation, targets, None if value is None else float(value))


def _own_batch(
    candidate: Candidate, own: dict[str, Array], x: ArrayLike | None, t: ArrayLike | None
) -> Stimulus:
    if x is None or t is None:
        raise ValueError("x and t come together: pass both or neither")
    for name, value in own.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} has values that are not finite: no batch can be judged there")
    features, classes = candidate.sizes[0], candidate.sizes[-1]
    with np.errstate(over="ignore"):  # what float32 cannot hold is not finite, and said below
        data, target = np.array(x, dtype=candidate.dtype), np.array(t)
    if data.ndim != 2 or data.shape[1] != features or not len(data):
        raise ValueError(f"x has shape {data.shape}; expected (B, {features}), B at least 1")
    if not np.isfinite(data).all():
        raise ValueError(f"x has values that are not finite, as {candidate.dtype}")
    if target.shape == (len(data), classes):
        if not (np.isin(target, (0, 1)).all() and (target.sum(axis=1) == 1).all()):
            raise ValueError("t has rows that are not one-hot: one 1 and else 0")
        target = target.argmax(axis=1)
    if target.shape != (len(data),) or not np.issubdtype(target.dtype, np.integer):
        raise ValueError(
            f"t is {target.dtype} of shape {target.shape}; expected integers ({len(data)},) "
            f"or one-hot ({len(data)}, {classes})"
        )
    if target.min() < 0 or target.max() >= classes:
        raise ValueError(f"t has targets outside 0 to {classes - 1}")
    # Before the first batch, the book's running statistics are None: those of no batch, then.
    running = {
        key: np.full_like(own[f"b{layer_of(key)}"], float("var" in key)) if value is None else value
        for key, value in candidate.read_running().items()
    }
    name, labels = f"your batch of {len(data)} rows", target.astype(np.int64)
    return Stimulus(name, own, data, labels, running)
