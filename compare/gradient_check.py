"""Gradients beside the derivative of the network's own loss, by finite differences: no reference.

Along one random direction in each parameter. A network whose loss is another one than PyTorch's,
and whose gradients are the derivative of it, may follow another definition; where they are not,
one of the two is wrong, whatever is meant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import Candidate
from compare.causes.factor import factor
from compare.rounding import slope_allowed
from compare.stimuli import Stimulus

Array = NDArray[np.floating[Any]]
Loss = Callable[[Mapping[Any, Array]], float]

STEPS = {"float64": 2.0**-10, "float32": 2.0**-7}
"""How far parameters are moved. What central differences leave out then, about the square of it, is
far above rounding, so that it can be told from two step lengths."""

SEED = 0

SPREAD = 0.01
"""How far the factors in two directions may be apart that are called one: what is said of them is
no verdict."""

ABOUT = 1e-4
"""How well a factor is known: an epsilon in the loss alone moves it by so much."""

CHANCE = 0.1
"""Of a fraction to be one by chance."""


@dataclass(frozen=True)
class Derivative:
    """One parameter: what its gradient says along a direction, and what the loss does.

    Attributes
    ----------
    name : str
        Of the parameter.
    stated, measured : float
        Derivatives along the direction, by the gradient and by the loss.
    allowed : float
        How far they may be apart.
    factor : float or None
        k, where the gradient is k times the derivative, in other directions too.
    """

    name: str
    stated: float
    measured: float
    allowed: float
    factor: float | None = None

    @property
    def is_off(self) -> bool:
        """Whether the gradient is not the derivative of the loss."""
        return not abs(self.stated - self.measured) <= self.allowed

    @property
    def relative_error(self) -> float:
        """The difference by the larger of both; 1 where one is not finite."""
        largest = max(abs(self.stated), abs(self.measured))
        if not np.isfinite(largest):
            return 1.0
        return abs(self.stated - self.measured) / largest if largest else 0.0

    @property
    def text(self) -> str:
        """'W2 (2 times it)', or 'W2 (off by 9e-01)'."""
        if self.factor is None:
            return f"{self.name} (off by {self.relative_error:.0e})"
        if not self.factor:
            return f"{self.name} (0)"
        return f"{self.name} ({factor(self.factor)} times it)"


@dataclass(frozen=True)
class GradientCheck:
    """All parameters of a network, on one batch."""

    derivatives: tuple[Derivative, ...]

    @property
    def off(self) -> list[Derivative]:
        """Those that are off, the largest error first."""
        return sorted((d for d in self.derivatives if d.is_off), key=lambda d: -d.relative_error)

    @property
    def is_finite(self) -> bool:
        """Whether the loss is finite around these parameters, so that it has a derivative."""
        return all(np.isfinite(derivative.measured) for derivative in self.derivatives)

    @property
    def holds(self) -> bool:
        """Whether each gradient is the derivative of the loss, as far as can be seen."""
        return bool(self.derivatives) and not self.off

    @property
    def disagreement(self) -> float:
        """The median of the relative errors: 0 to 2."""
        return float(np.median([d.relative_error for d in self.derivatives] or [0.0]))

    @property
    def text(self) -> str:
        """What is to be said of it."""
        if not self.derivatives:
            return ""
        if not self.off:
            return "each gradient is the derivative of its own loss"
        off = ", ".join(derivative.text for derivative in self.off)
        return f"gradients that are not the derivative of their own loss: {off}"


def check_gradient(
    loss: Loss, params: Mapping[Any, Array], grads: Mapping[Any, Array], n: int
) -> GradientCheck:
    """Hold each of `grads` against finite differences of `loss`.

    Parameters
    ----------
    loss : callable
        Of the parameters.
    params, grads : mapping
        Arrays of any shape; a gradient of another shape than its parameter is left out.
    n : int
        The longest sum in the network.
    """
    rng = np.random.default_rng(SEED)
    found = []
    for name, value in params.items():
        grad = np.asarray(grads[name], np.float64) if name in grads else np.empty(0)
        if grad.shape != value.shape or not value.size:
            continue
        first, second = (_along(loss, params, name, grad, rng, n) for _ in range(2))
        found.append(_with_factor(first, second) if first.is_off else first)
    return GradientCheck(tuple(found))


def _along(
    loss: Loss, params: Mapping[Any, Array], name: Any, grad: Array, rng: Any, n: int
) -> Derivative:
    """Return the derivatives by one parameter, along a random direction."""
    value = params[name]
    direction = rng.standard_normal(value.shape)
    direction /= np.linalg.norm(direction)
    step = STEPS[str(value.dtype)]
    losses = [
        loss({**params, name: (value + k * step / 2 * direction).astype(value.dtype)})
        for k in (-2, -1, 0, 1, 2)
    ]
    with np.errstate(all="ignore"):
        stated = float((grad * direction).sum())
        measured = (losses[3] - losses[1]) / step
        allowed = slope_allowed(losses, step, n, value.dtype)
    return Derivative(str(name), stated, measured, allowed)


def _with_factor(first: Derivative, second: Derivative) -> Derivative:
    """Return `first` with the factor by which it is off, if `second` is off by the same."""
    if not (first.measured and second.measured):
        return first
    k, again = first.stated / first.measured, second.stated / second.measured
    known_to = max(abs(k) * first.allowed / abs(first.measured) + abs(k - again), ABOUT * abs(k))
    if not (k or again):
        return replace(first, factor=0.0)
    if not known_to <= SPREAD * abs(k) or abs(k - 1) <= SPREAD:
        return first
    return replace(first, factor=_simplest(k, known_to))


def _simplest(k: float, known_to: float) -> float:
    """Return the fraction that k is, or k with three digits.

    Of fractions with denominators up to n, the nearest is about 1 / n^2 away by chance: those that
    need more than a tenth of that are none.
    """
    for n in range(1, int((CHANCE / known_to) ** 0.5) + 1):
        fraction = round(k * n) / n
        if abs(fraction - k) <= known_to:
            return fraction
    return float(f"{k:.3g}")


def look_at_gradients(candidate: Candidate, plain: Stimulus) -> GradientCheck:
    """Hold the gradients of a network against finite differences of its own loss."""

    def loss(params: Mapping[str, Array]) -> float:
        candidate.write(params)
        return candidate.loss(plain.x, plain.t)

    there = {key: value for key, value in plain.params.items() if key not in candidate.absent}
    candidate.write(plain.params)
    grads = candidate.gradient(plain.x, plain.t)
    checked = check_gradient(loss, there, grads, max(len(plain.x), *candidate.sizes))
    candidate.write(plain.params)
    return checked
