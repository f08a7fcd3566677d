"""One quantity of the candidate held against the reference, and the verdicts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]


class Verdict(StrEnum):
    """What is said of a quantity, and of a network."""

    SAME = "SAME"
    DIFFERENT = "DIFFERENT"
    UNSTABLE = "UNSTABLE"
    INCONCLUSIVE = "INCONCLUSIVE"


EXIT = {Verdict.SAME: 0, Verdict.DIFFERENT: 1, Verdict.UNSTABLE: 1, Verdict.INCONCLUSIVE: 3}


ALL = "its size"
"""The part that an error is of, where it is of the whole."""

DIFFERENCES = "differences"
"""What gradients are called that are finite differences."""


@dataclass(frozen=True)
class Judgement:
    """How far one quantity is from the reference, and how far it may be.

    Attributes
    ----------
    probe : str
        aliasing, init, data, forward, loss, gradient, state, update, purity.
    name : str
        W1, b1, logits, ...
    where : str
        The stimulus or the step.
    verdict : Verdict
        Of this quantity.
    error, allowed, norm : float
        L2 norms of actual - expected, of what is allowed for it, and of expected; of the whole
        tensor, or of that part of it in which it is off.
    part : str
        What `norm` is: its size, the size of its column 3, ...
    index, actual, expected
        The element that is furthest off, and its two values.
    ratio : float or None
        k, where the tensor is off and yet k times the expected one, to rounding.
    detail : str
        What else there is to say.
    stack : str
        'torch' where the reference's own training loop is judged, else empty.
    is_limit : bool
        Whether it fails only because the network leaves the range of its numbers in a state that
        training never visits: listed, and no mistake.
    """

    probe: str
    name: str
    where: str
    verdict: Verdict
    error: float = 0.0
    allowed: float = 0.0
    norm: float = 0.0
    part: str = ALL
    index: tuple[int, ...] = ()
    actual: float = 0.0
    expected: float = 0.0
    ratio: float | None = None
    detail: str = ""
    stack: str = ""
    is_limit: bool = False

    @property
    def fails(self) -> bool:
        """Whether this is a mistake."""
        return self.verdict in (Verdict.DIFFERENT, Verdict.UNSTABLE) and not self.is_limit

    @property
    def quantity(self) -> str:
        """The name to print: `gradient W1`, but `logits`, `loss`; `torch gradient W1`."""
        name = self.name if self.probe in ("forward", "loss") else f"{self.probe} {self.name}"
        return f"{self.stack} {name}".strip()

    @property
    def relative_error(self) -> float:
        """norm(actual - expected) / norm(expected); 0 where both are 0."""
        return _ratio(self.error, self.norm)

    @property
    def relative_allowed(self) -> float:
        """The allowed error as a share of norm(expected)."""
        return _ratio(self.allowed, self.norm)

    @property
    def score(self) -> float:
        """error / allowed: at most 1 in correct code."""
        return _ratio(self.error, self.allowed)

    def rank(self) -> tuple[bool, bool, float]:
        """Order by weight: failing, then judged, then not judged; in each by the score."""
        return self.fails, self.verdict is not Verdict.INCONCLUSIVE, self.score

    @property
    def has_power(self) -> bool:
        """Whether a quantity that is wrong by its whole size would have been seen."""
        return self.allowed < self.norm


def _ratio(a: float, b: float) -> float:
    return 0.0 if a == 0 else a / b if b else math.inf


class Extent(NamedTuple):
    """How much error there is in a part of a tensor, how much is allowed, and of what size."""

    error: float
    allowed: float
    size: float
    part: str = ALL


class Rule(Protocol):
    """What says how far a value may be off: see `compare.rules`."""

    def allowed(self, name: str) -> float:
        """Return the L2 norm of the error that is allowed to all of the quantity `name`."""

    def extent(self, name: str, error: Float64, expected: Float64) -> Extent:
        """Return the extent of `error`, of the quantity `name`, where it is furthest off."""


def judge_tensor(
    probe: str,
    name: str,
    where: str,
    actual: Array | float,
    expected: Float64 | float,
    rule: Rule,
) -> Judgement:
    """Judge a whole tensor, and whatever parts of it the rule looks at."""
    a, e = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if odd := _not_comparable(probe, name, where, a, e):
        return odd
    d = a - e
    error, allowed, size, part = rule.extent(name, d, e)
    if not math.isfinite(allowed):
        detail = "values too large to say what rounding does to them"
        return Judgement(probe, name, where, Verdict.INCONCLUSIVE, error, detail=detail)
    verdict = Verdict.SAME if error <= allowed else Verdict.DIFFERENT
    index = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(d)), d.shape))
    ratio = None
    if verdict is Verdict.DIFFERENT and e.size > 1:
        ratio = _constant_ratio(a, e, rule.allowed(name))
    return Judgement(
        probe, name, where, verdict, error, allowed, size, part,
        index, float(a[index]), float(e[index]), ratio,
    )  # fmt: skip  # one line a group: what, how far, where


def judge_elements(
    probe: str, name: str, where: str, actual: Array, expected: Array, allowed: Array | float
) -> Judgement:
    """Judge each element by itself; the Judgement is that of the worst element."""
    a, e = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if odd := _not_comparable(probe, name, where, a, e):
        return odd
    error, allowed = np.abs(a - e), np.broadcast_to(np.asarray(allowed), a.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(error == 0, 0.0, error / allowed)
    worst = np.argmax(score) if score.any() else np.argmax(np.abs(e))
    index = tuple(int(i) for i in np.unravel_index(worst, score.shape))
    return Judgement(
        probe, name, where, Verdict.SAME if score[index] <= 1 else Verdict.DIFFERENT,
        float(error[index]), float(allowed[index]), abs(float(e[index])), ALL,
        index, float(a[index]), float(e[index]),
    )  # fmt: skip  # as above


def judge_fact(probe: str, name: str, where: str, holds: bool, detail: str) -> Judgement:
    """Judge something that is so or is not; `detail` says what is wrong if it is not."""
    if holds:
        return Judgement(probe, name, where, Verdict.SAME)
    return Judgement(probe, name, where, Verdict.DIFFERENT, math.inf, detail=detail)


def first_failing(judgements: Iterable[Judgement]) -> Judgement | None:
    """Return the first of `judgements`, which are in causal order, that fails."""
    return next((judgement for judgement in judgements if judgement.fails), None)


def overall(judgements: Iterable[Judgement]) -> Verdict:
    """Return the verdict on all: the worst of them.

    SAME needs a gradient in which a mistake would have been seen; without one it is INCONCLUSIVE.
    """
    judgements = list(judgements)
    failing = {judgement.verdict for judgement in judgements if judgement.fails}
    for verdict in (Verdict.DIFFERENT, Verdict.UNSTABLE):
        if verdict in failing:
            return verdict
    gradients = [j for j in judgements if j.probe == "gradient" and j.verdict is Verdict.SAME]
    return Verdict.SAME if any(j.has_power for j in gradients) else Verdict.INCONCLUSIVE


def _not_comparable(probe: str, name: str, where: str, a: Float64, e: Float64) -> Judgement | None:
    """Return the Judgement where shape or range forbid to subtract."""
    if a.shape != e.shape:
        detail = f"has shape {a.shape}, not {e.shape}"
        return Judgement(probe, name, where, Verdict.DIFFERENT, math.inf, detail=detail)
    if not np.isfinite(e).all():
        detail = "the reference is not finite"
        return Judgement(probe, name, where, Verdict.INCONCLUSIVE, detail=detail)
    if np.isfinite(a).all():
        return None
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(a))[0])
    return Judgement(
        probe, name, where, Verdict.UNSTABLE, math.inf, norm=float(norm(e)), index=index,
        actual=float(a[index]), expected=float(e[index]),
        detail="is not finite, and the reference is",
    )  # fmt: skip  # as above


def _constant_ratio(a: Array, e: Array, allowed: float) -> float | None:
    """Return k if a = k e to rounding."""
    with np.errstate(over="ignore", under="ignore"):
        square = float(np.vdot(e, e))
        if not 0 < square < math.inf:
            return None
        k = float(np.vdot(a, e)) / square
    return k if norm(a - k * e) <= max(1.0, abs(k)) * allowed else None


SQUARES = 1e-200, 1e200
"""Sums of squares in which neither overflow nor underflow had a share that counts."""


def norm(x: Array, axis: int | tuple[int, ...] | None = None) -> Any:
    """L2 norm, of values near overflow too."""
    if axis is None and x.dtype == np.float64:
        flat = x.ravel(order="K")
        square = float(flat @ flat)
        if SQUARES[0] < square < SQUARES[1]:
            return math.sqrt(square)
    largest = float(np.abs(x).max(initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return np.abs(x).sum(axis=axis)
    with np.errstate(under="ignore"):
        return largest * np.sqrt(np.square(x / largest).sum(axis=axis))
