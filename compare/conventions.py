"""Other documented definitions of the same network, recognised by replaying them."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from compare.evaluation import PYTORCH, Convention, Evaluation, Float64
from compare.judgement import Judgement, Verdict

NOTHING = "all"
"""The name of the judgement on a stimulus of which nothing can be judged."""

PLACES = 2
"""Stimuli on which one of these is tried before all: where most is off."""

ANY = "any"
"""Where a convention shows that is one of the forward pass, or of what is remembered."""

Off = set[tuple[str, str, str]]
"""Stimulus, probe and quantity of what is not SAME."""

Judge = Callable[[Convention, str | None], list[Judgement]]
Nearer = Callable[[Convention, Convention, Off], bool]
"""Whether the reference under the second comes nearer to something that is off under the first."""


class Entry(NamedTuple):
    """One row of the catalogue: how it reads in a report, where it shows, what it changes."""

    text: str
    probe: str
    change: dict[str, Any]


RELU_AT_ZERO = "ReLU'(0) is 1; PyTorch's is 0"

EPSILONS = (
    1e-7,  # the book's
    *(float(f"1e-{power}") for power in (4, 5, 6, *range(8, 17))),
    float(np.finfo(np.float64).eps),
    float(np.finfo(np.float32).eps),
)
"""What people add to y; others are read off the loss where it reaches its cap: see `capped`."""

FORMS = {
    "add": "log(y + {0})",
    "max": "log(max(y, {0}))",
    "clip": "log(clip(y, {0}, 1 - {0}))",
}


VARIANCE_EPSILONS = (1e-6, 1e-7, 1e-8, 1e-3, 1e-4, 1e-9, 1e-10, 1e-12)
"""What people add to a variance; the first is the book's 10e-7."""

MISTAKEN = (1 - PYTORCH.share, 1 - (1 - PYTORCH.share) ** 2)
"""What running statistics take of a batch where PyTorch's number is taken the other way, or they
move twice a step: mistakes, and no convention."""


def catalogue(
    epsilons: Iterable[float] = EPSILONS,
    shares: Iterable[float] = (),
    *,
    batchnorm: bool = False,
    dropout: bool = False,
    layernorm: bool = False,
) -> Iterator[Entry]:
    """Yield the conventions: of the log with each of `epsilons`, of running statistics with each of
    `shares`.
    """
    # First what changes all: in float32 a smaller change may make some of it agree by chance.
    text = "loss and gradient are sums over the batch, not means"
    yield Entry(text, "loss", {"mean": False})
    for epsilon in VARIANCE_EPSILONS if batchnorm or layernorm else ():
        source = ", as in the book" if epsilon == VARIANCE_EPSILONS[0] and batchnorm else ""
        who = "BatchNorm" if batchnorm else "LayerNorm"
        text = f"{who} adds {short(epsilon)} to the variance{source}; PyTorch's is 1e-5"
        yield Entry(text, ANY, {"variance_epsilon": epsilon})
    if batchnorm:
        text = "the running variance is that of B rows, as in the book; PyTorch's of B - 1"
        yield Entry(text, ANY, {"unbiased": False})
    for share in shares if batchnorm else ():
        text = f"running statistics take {share:.6g} of each batch; PyTorch's {PYTORCH.share:g}"
        yield Entry(text, ANY, {"share": share})
    if dropout:
        text = "dropout scales by 1 - ratio afterwards, as in the book; PyTorch's in training"
        yield Entry(text, ANY, {"inverted": False})
    yield Entry(RELU_AT_ZERO, "gradient", {"relu_at_zero": 1})
    yield Entry("weight decay is lambda sum(W^2), without the half", "loss", {"decay_factor": 1.0})
    for epsilon, (form, log), in_gradient in product(epsilons, FORMS.items(), (False, True)):
        side = "loss and gradient" if in_gradient else "the loss"
        source = " as in the book" if epsilon == EPSILONS[0] and form == "add" else ""
        change = {"epsilon": epsilon, "form": form, "epsilon_in_gradient": in_gradient}
        yield Entry(f"{log.format(short(epsilon))} in {side}{source}", "loss", change)


def decay_text(decay: float) -> str:
    """Return how weight decay is called that a network declares nowhere."""
    return f"weight decay {decay:g} in loss and gradient"


def numerical_text(step: float, *, is_central: bool) -> str:
    """Return how gradients are called that are finite differences."""
    formula = "(L(w + h) - L(w - h)) / 2h" if is_central else "(L(w + h) - L(w)) / h"
    return f"gradients are numerical: {formula} with h = {short(step)}"


def short(number: float) -> str:
    """Return 1e-7 for 1e-07."""
    return f"{number:.3g}".replace("e-0", "e-")


def capped(loss: float, e: Evaluation) -> list[float]:
    """Return which epsilons would cap `loss` where y of the target underflows to 0.

    Such a row costs -log(epsilon), and the others of a batch of huge logits nothing. The loss may
    be a mean or a sum.
    """
    y = np.asarray(e.named["probabilities"])
    rows = int(np.sum(y[np.arange(len(e.t)), e.t] == 0))
    if not rows or not loss > 0:
        return []
    found = [math.exp(-loss * len(e.t) / rows), math.exp(-loss / rows)]
    return [_rounded(epsilon) for epsilon in found if 0 < epsilon < 1]


def shares_taken(moves: Iterable[tuple[Float64, Float64, Float64]]) -> list[float]:
    """Return what running statistics may take of a batch: (after - before) / (new - before), as a
    short decimal or as measured; nothing where they did not move that way, or as by a mistake.

    Parameters
    ----------
    moves : iterable of (after, before, new)
        Running statistics after and before batches, and the statistics of these.
    """
    measured = []
    with np.errstate(all="ignore"):
        for after, before, new in moves:
            step = new - before
            measured.append(float(np.vdot(after - before, step) / np.vdot(step, step)))
    share = float(np.median(measured)) if measured else 0.0
    if not 0 < share < 1 or f"{share:.3g}" in {f"{mistaken:.3g}" for mistaken in MISTAKEN}:
        return []
    return [*dict.fromkeys((*(float(f"{share:.{digits}g}") for digits in (1, 2, 3)), share))]


def _rounded(epsilon: float) -> float:
    """Return the decimal of one or two digits, or the known number, that `epsilon` must be."""
    for known in (float(f"{epsilon:.0e}"), float(f"{epsilon:.1e}"), *EPSILONS):
        if math.isclose(math.log(known), math.log(epsilon), rel_tol=1e-4):
            return known
    return epsilon


def recognise(
    judge: Judge,
    nearer: Nearer,
    epsilons: Iterable[float] = (),
    shares: Iterable[float] = (),
    *,
    start: Convention = PYTORCH,
    stress: Collection[str] = (),
    batchnorm: bool = False,
    dropout: bool = False,
    layernorm: bool = False,
) -> tuple[list[Judgement], list[str], Convention]:
    """Return the judgements under the conventions that the candidate follows, their names, and all
    of them as one Convention.

    A convention is taken where replaying it in the reference makes some of what was off agree to
    rounding and nothing else worse. Of loss and gradient both must therefore follow it: what is a
    convention in both is a mistake in one.

    Parameters
    ----------
    judge : callable
        Takes a Convention and the name of a stimulus, or None for all; returns the judgements.
    nearer : callable
        Tells at less cost which conventions can mend nothing.
    epsilons : sequence of float
        To be tried beside those of the catalogue, and before them.
    shares : sequence of float
        That running statistics seem to take: see `share_taken`.
    start : Convention
        Under which the forward pass is right by itself: in float32 two conventions may all but
        cancel in some value, and each alone seem to make it worse.
    stress : set of str
        Stimuli on which two conventions may make worse what each alone mends.
    batchnorm, dropout, layernorm : bool
        What the network has.
    """
    known, has = dict.fromkeys((*epsilons, *EPSILONS)), (batchnorm, dropout, layernorm)
    names = ("batchnorm", "dropout", "layernorm")
    entries = [*catalogue(known, dict.fromkeys(shares), **dict(zip(names, has, strict=True)))]
    convention, changes = start, list[dict[str, Any]]()
    judgements = judge(convention, None)
    while entry := _next(entries, judge, nearer, convention, judgements, stress):
        convention = replace(convention, **entry.change)
        judgements = judge(convention, None)
        changes.append(entry.change)
    return judgements, _names(entries, convention, changes), convention


def _names(
    entries: list[Entry], convention: Convention, changes: list[dict[str, Any]]
) -> list[str]:
    """Return what `convention` is called: what it started with, then what was found, in order."""
    ours = [entry for entry in entries if _is_in(entry, convention)]
    first = [entry for entry in ours if entry.change not in changes]
    found = [entry for change in changes for entry in ours if entry.change == change]
    return [entry.text for entry in (*first, *found)]


def _is_in(entry: Entry, convention: Convention) -> bool:
    values = {key: getattr(convention, key) for key in entry.change}
    return values == entry.change and replace(PYTORCH, **entry.change) != PYTORCH


def _next(
    entries: list[Entry],
    judge: Judge,
    nearer: Nearer,
    convention: Convention,
    judgements: list[Judgement],
    stress: Collection[str],
) -> Entry | None:
    """Return the first entry that explains something more."""
    # What is not finite is made finite by no convention.
    off = _off([j for j in judgements if j.verdict is not Verdict.UNSTABLE])
    # A convention of loss and gradient shows where the forward pass is right.
    spoilt = {where for where, probe, _ in off if probe == "forward"}
    for entry in entries:
        trial = replace(convention, **entry.change)
        if trial == convention:
            continue
        if entry.probe == ANY:
            count = Counter(where for where, _, _ in off)
            places = sorted(count, key=lambda where: (-count[where], where))[:PLACES]
        else:
            right_before = (w for w, probe, _ in off if probe == entry.probe and w not in spoilt)
            places = sorted(right_before)[:1]
        if any(
            nearer(convention, trial, {item for item in off if item[0] == place})
            and _explains(judge(trial, place), [j for j in judgements if j.where == place], stress)
            for place in places
        ) and _explains(judge(trial, None), judgements, stress):
            return entry
    return None


def _explains(after: list[Judgement], before: list[Judgement], stress: Collection[str]) -> bool:
    """Whether less is off in `after`, and nothing that was not; of what was judged in both, and
    under stress only where nothing else tells.
    """
    blind = {j.where for j in (*after, *before) if j.name == NOTHING}
    still, was = (
        {item for item in _off(judgements) if item[0] not in blind}
        for judgements in (after, before)
    )
    ordinary = [{item for item in off if item[0] not in stress} for off in (still, was)]
    return ordinary[0] < ordinary[1] if ordinary[0] != ordinary[1] else still < was


def _off(judgements: list[Judgement]) -> Off:
    """Return what is not SAME."""
    return {(j.where, j.probe, j.name) for j in judgements if j.verdict is not Verdict.SAME}
