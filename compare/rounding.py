"""How far correct code may be off where no module is evaluated: updates, replays, differences.

u is the unit roundoff of the candidate's dtype (2^-53 in float64, 2^-24 in float32). What a network
computes is allowed C u ||E||: see `compare.reference.allowed`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from compare.evaluation import Evaluation
from compare.optimiser import Optimiser
from compare.reference.allowed import C

Array = NDArray[np.float64]

KINK_SHARE = 2.0
"""A ReLU that switches within a finite difference shows in the difference of two step lengths at
least once; twice leaves room for a second one."""

REPLAYS = 4
"""Times that a replay is run with everything given to it moved by u: see `replay_allowed`."""

FUSED = 2.0
"""float64 updates are judged in float64, whose own rounding doubles the bound."""


def replay_allowed(noise: float, n: int) -> float:
    """Return the error that is allowed to a value of which a replay with a mistake is the model.

    No E is derived for a wrong function. `noise` is by how much it scatters where everything that
    it is given scatters by u, the largest of REPLAYS draws, and stands for u ||E|| but for the sums
    of up to `n` terms, that err by sqrt(n) u (Higham and Mary 2019); the factor is that of every
    other value.
    """
    return C * math.sqrt(n) * noise


def unit_roundoff(dtype: DTypeLike) -> float:
    """Return u, half the distance from 1 to the next number of `dtype`."""
    return float(np.finfo(dtype).eps) / 2


def keeps_half(off: float, size: float, dtype: DTypeLike) -> bool:
    """Whether half of the digits agree.

    Where they do not, rounding does not explain it, or the value is all but noise: what is looked
    for among many need not be judged then.
    """
    return off <= math.sqrt(unit_roundoff(dtype)) * size


@dataclass(frozen=True)
class Step:
    """One parameter before an update, its gradient and its state; `t` counts updates from 1, and
    `decay` is the lambda of its weight decay.
    """

    W: NDArray[np.floating[Any]]
    g: Array
    state: Mapping[str, Array]
    t: int
    decay: float = 0.0


def update_allowed(
    optimiser: Optimiser, step: Step, after: NDArray[np.floating[Any]], dtype: DTypeLike
) -> dict[str, Array]:
    """Return the error allowed to each element of W' = fl(W - d) and of the state, elementwise.

    One rounding of the difference, ulp(W') / 2 (in Nesterov, whose book form takes two steps, two,
    each of what W may be in between), and that of d, by first-order error analysis of the formula
    (Higham 2002, section 3.1): u times the sum over the operations of what each rounds.
    With s = lr g, m the momentum and r the decay rate,

        sgd         d = s                       Ed = 2 |s|
        momentum    d = s + lr m v              Ed = 5 (|s| + |lr m v|)
        nesterov    d = (1 + m) s + lr m^2 v    Ed = 7 ((1 + m) |s| + |lr m^2 v|)
        adagrad     h' = h + g^2                Eh = 2 (h + g^2)
        rmsprop     h' = r h + (1 - r) g^2      Eh = 4 (r h + (1 - r) g^2)
        adam        m' = b m + (1 - b) g        Em = 4 (|m| + (1 - b) (|g| + |m|))
                    v' = b v + (1 - b) g^2      Ev = 5 (v + (1 - b) (g^2 + v))

    Coupled weight decay puts g' = g + lambda W in the place of g, with Eg = |lambda W| + |g'|; it
    adds lr Eg to Ed, (1 + m) lr Eg in Nesterov, Eg or lr Eg to Ev, 2 |g'| Eg to Eh, each times the
    factor that g or g^2 has above. Decoupled, W (1 - lr lambda) errs by 2 |W| (1 + lr lambda).

    And everywhere the least normal number, below which digits are lost (ibid., equation 2.8). Where
    d is a quotient n / q, q = sqrt(h') + eps, Ed = En / q + |n| Eq / q^2 + 6 |d| and
    Eq = Eh / (2 sqrt(h')) + 3 q. The corrections 1 - b^t of Adam are of Python floats, and lose
    b^t / (1 - b^t) of float64's u. Evaluated in float64, a float64 update needs it doubled: a fused
    multiply-add rounds elsewhere than numpy does, and the evaluation rounds too.

    Parameters
    ----------
    optimiser : Optimiser
        Its numbers.
    step : Step
        What it is given.
    after : ndarray
        W', in float64.
    dtype
        Of the candidate.

    Returns
    -------
    dict of str to ndarray
        Under W, and under each part of the state.
    """
    numbers = np.finfo(dtype)
    u, tiny = unit_roundoff(dtype), float(numbers.tiny)
    with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
        W = np.asarray(step.W, np.float64)
        Eg, shrunk = np.zeros_like(W), np.zeros_like(W)
        if step.decay and optimiser.decoupled:
            shrunk = 2 * u * np.abs(W) * (1 + optimiser.lr * step.decay)
        elif step.decay:
            g = step.g + step.decay * W
            Eg = u * (np.abs(step.decay * W) + np.abs(g)) + tiny
            step = replace(step, g=g)
        E, Ed = _moving(optimiser, step, Eg, u, tiny)
        Ed = Ed + shrunk
    size = np.abs(after)
    if optimiser.name == "nesterov":  # the book adds v, then g: W is rounded twice
        size = 2 * (
            np.maximum(size, np.abs(W)) + (1 + optimiser.momentum) * np.abs(step.g) * optimiser.lr
        )
    ulp = np.spacing(np.minimum(size, float(numbers.max)).astype(dtype)).astype(np.float64)
    factor = FUSED if numbers.eps == np.finfo(np.float64).eps else 1.0
    return {name: factor * value for name, value in {**E, "W": ulp / 2 + Ed}.items()}


def _moving(
    optimiser: Optimiser, step: Step, Eg: Array, u: float, tiny: float
) -> tuple[dict[str, Array], Array]:
    """Return the errors of the state and of d, by the formulas of `update_allowed`."""
    g, lr, state = np.abs(step.g), optimiser.lr, step.state
    if optimiser.name == "sgd":
        return {}, 2 * u * lr * g + lr * Eg + tiny
    if optimiser.name in ("momentum", "nesterov"):
        m, v = optimiser.momentum, np.abs(state["v"])
        unit = 1.0 if optimiser.lr_inside else lr
        moved = m * unit * v + lr * g
        Ev = (4 * u * moved + lr * Eg) / (1.0 if optimiser.lr_inside else lr or 1.0) + tiny
        if optimiser.name == "momentum":
            return {"v": Ev}, 5 * u * moved + lr * Eg + tiny
        ahead = (1 + m) * lr
        return {"v": Ev}, 7 * u * (ahead * g + m * m * unit * v) + ahead * Eg + tiny
    if optimiser.name == "adam":
        b1, b2 = optimiser.betas
        h = state["v"]
        Em = 4 * u * (np.abs(state["m"]) * (2 - b1) + (1 - b1) * g) + (1 - b1) * Eg + tiny
        Eh = 5 * u * (h + (1 - b2) * (g * g + h)) + 2 * (1 - b2) * g * Eg + tiny
        first, second = 1 - b1**step.t, math.sqrt(1 - b2**step.t)
        n = b1 * state["m"] + (1 - b1) * step.g
        root = np.sqrt(b2 * h + (1 - b2) * g * g)
        scale, eps = lr * second / first, optimiser.eps * (1.0 if optimiser.eps_hat else second)
        lost = unit_roundoff(np.float64) * (b1**step.t / first + b2**step.t / second**2)
        Ed = _quotient(scale * n, scale * Em + tiny, root, Eh, eps, u) + tiny
        return {"m": Em, "v": Eh}, Ed + lost * np.abs(scale * n / (root + eps))
    h, r = state["h"], optimiser.decay_rate
    if optimiser.name == "adagrad":
        h = h + g * g
        Eh = 2 * u * h + 2 * g * Eg + tiny
    else:
        h = r * h + (1 - r) * g * g
        Eh = 4 * u * h + 2 * (1 - r) * g * Eg + tiny
    root, Eroot2, eps = np.sqrt(h), Eh, optimiser.eps
    if optimiser.eps_inside:
        root, Eroot2, eps = np.sqrt(h + eps), Eh + u * eps, 0.0
    return {"h": Eh}, _quotient(lr * g, lr * Eg + tiny, root, Eroot2, eps, u) + tiny


def _quotient(n: Array, En: Array | float, root: Array, Eh: Array, eps: float, u: float) -> Array:
    """Return the error of n / (root + eps), where root^2 has the error Eh."""
    q = root + eps
    Eroot = np.minimum(Eh / (2 * root), np.sqrt(Eh))  # near 0, |sqrt(a) - sqrt(b)| <= sqrt(|a - b|)
    Eq = np.where(root > 0, Eroot, np.sqrt(Eh)) + 3 * u * q
    safe = np.maximum(q, np.finfo(np.float64).tiny)
    return np.asarray(En / safe + np.abs(n) * Eq / safe**2 + 6 * u * np.abs(n) / safe)


def slope_allowed(
    losses: Sequence[float], step: float, n: int, dtype: DTypeLike = np.float64
) -> float:
    """Return how far (L(step/2) - L(-step/2)) / step may be from the slope of L at 0.

    Central differences leave out f''' step^2 / 24, a third of how far they move from twice the
    step. Where a ReLU switches at c < step / 2, they are off by s (1/2 - c / step), s the change of
    slope, and move by s c / (2 step); the difference of the slopes on both sides, which should
    halve with the step, misses that by s |1 - 3 c / step|: both together cover it.

    Parameters
    ----------
    losses : sequence of float
        L at -step, -step/2, 0, step/2, step; of order 1, as are the values before it.
    step : float
        The distance.
    n : int
        The longest sum in the network.
    dtype
        In which the network computes.
    """
    far_left, left, middle, right, far_right = losses
    moved = (right - left) / step - (far_right - far_left) / (2 * step)
    bend = (right - 2 * middle + left) / (step / 2)
    far_bend = (far_right - 2 * middle + far_left) / step
    u = unit_roundoff(dtype)
    rounding = C * math.sqrt(n) * u * max(1.0, abs(middle)) / step
    return KINK_SHARE * (abs(moved) + abs(far_bend - 2 * bend)) + rounding


def quotient_allowed(of_loss: float, divisor: float) -> float:
    """Return what is allowed to a difference of two losses by `divisor`.

    Each loss may be off by `of_loss`, in which C makes the rounding of the difference
    and of the quotient negligible. The same numbers are moved by the same step, so that what the
    difference leaves out of the derivative is left out by both.
    """
    return 2 * of_loss / divisor


def subnormal_allowed(e: Evaluation, dtype: DTypeLike) -> float:
    """Return by how much log(softmax) may be off where softmax of a target is subnormal.

    Such a number y is known to the spacing s of the subnormal numbers, and so log(y) to s / y; the
    exponential and the quotient round once each. 0 where every target is a normal number, and where
    one is below s, of which the log is infinite.
    """
    numbers = np.finfo(dtype)
    log_y = np.asarray(e.named["log-probabilities"])[np.arange(len(e.t)), e.t]
    log_s = math.log(numbers.smallest_subnormal)
    log_y = log_y[log_y < math.log(numbers.tiny)]
    if (log_y < log_s).any():
        return 0.0
    share = 1 / len(e.x) if e.convention.mean else 1.0
    return float(2 * share * np.exp(log_s - log_y).sum())
