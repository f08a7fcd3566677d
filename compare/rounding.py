"""How far correct code may be off: the only place where an error is allowed.

Notation. u is the unit roundoff of the candidate's dtype (2^-53 in float64, 2^-24 in float32). E is
the rounding error to be expected of a value, in units of u, carried through the network beside the
values as a root of sums of squares: a running error analysis (Wilkinson 1963; Higham, Accuracy and
Stability of Numerical Algorithms, 2002, section 3.3) in the probabilistic form of Higham and Mary
2019 ("A new approach to probabilistic rounding error analysis"), in which a sum of n terms errs by
sqrt(n) u instead of n u. An error is allowed up to

    SAFETY * sqrt(n) * u * ||E||,   n the longest sum in the network,

for a whole tensor and for each of its columns. It is made of the *terms* of each sum, not of its
result, so that a gradient that cancels to nothing (a fitted sample, a dead unit) is judged by what
was added up to get it. There is no absolute floor but that of the number format itself.

Two things are not random. Rows that are equal, or of one sign, round the same way again and again:
sums over the rows are granted what Higham 2002, equation 4.3 proves of adding them one by one
(`_row_sums`). And a matrix with one dominant direction mixes the errors of all units into one, so
that they do not average out: see `_correlation`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from compare.evaluation import Evaluation, by_name
from compare.optimiser import Optimiser

Array = NDArray[np.float64]

SAFETY = 16.0
"""The factor c. Correct networks (random depth, width, batch, weights scaled 0.01 to 30, three
activations, several numpy ways of computing the same) reach at worst 5.5 of it in float64 and 7.6
in float32."""

MEASURED = {"norm": 11.0, "loss": 9.0, "element": 41.0, "direction": 32.0}
"""Factors of measured noise (`compare.noise`), by statistic: twice the worst that twelve ways of
computing the same reached, with several kernels; each of the twelve stays below 0.66 of what the
others would have set (`make calibrate`, tests/calibration.json)."""

POWER_STEPS = 20
"""Steps of the power method for the largest singular value; one that stands out takes few."""

KINK_SAFETY = 8.0
"""A pre-activation within max(8, sqrt(fan_in)) u E of 0 may get the other sign in correct code:
8 where sums are short, sqrt(fan_in) for the longer (Higham and Mary 2019, theorem 2.4)."""

KINK_SHARE = 2.0
"""A ReLU that switches within a finite difference shows in the difference of two step lengths at
least once; twice leaves room for a second one."""

FUSED = 2.0
"""float64 updates are judged in float64, whose own rounding doubles the bound."""


@dataclass(frozen=True)
class Rounding:
    """Expected rounding errors E of everything in an Evaluation, in units of u.

    Attributes
    ----------
    z, a : list of ndarray
        Of pre-activations and of what each layer is given.
    y, log_y : ndarray (B, classes)
        Of the softmax and its logarithm.
    loss : float
        Of the loss.
    grads : dict
        Of the gradients, under the names of the parameters.
    n : int
        Terms of the longest sum.
    floor : float
        See `_floor`.
    """

    z: list[Array]
    a: list[Array]
    y: Array
    log_y: Array
    loss: float
    grads: dict[str, Array]
    n: int
    u: float
    floor: float

    def values(self) -> dict[str, Array | float]:
        """Return E of every value, under the names and in the order of `Evaluation.values`."""
        return by_name(self.z, self.a, self.y, self.log_y, self.loss, self.grads)

    def allowed(self, expected_error: Array | float, axis: int | tuple[()] | None = None) -> Array:
        """Return SAFETY sqrt(n) u ||E||, of the whole or along `axis`."""
        squares = np.square(expected_error) + self.floor**2
        return np.asarray(SAFETY * math.sqrt(self.n) * self.u * np.sqrt(squares.sum(axis=axis)))


def unit_roundoff(dtype: DTypeLike) -> float:
    """Return u, half the distance from 1 to the next number of `dtype`."""
    return float(np.finfo(dtype).eps) / 2


def expected_rounding(e: Evaluation, dtype: DTypeLike) -> Rounding:
    """Return the error to be expected of each value of `e` when it is computed in `dtype`.

    Squares overflow for values above 1e154; what is allowed is then infinite, and the judge takes
    an allowed error that is not finite for "cannot be judged".
    """
    floor = _floor(dtype)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        mixing = [1.0, *map(_correlation, e.weights[1:])]  # the data are given, without error
        z, a = _forward(e, mixing, floor)
        y, log_y, loss, dz_last = _softmax(e, z[-1], floor)
        grads = _backward(e, mixing, z, a, dz_last, floor) if e.grads else {}
    return Rounding(z, a, y, log_y, loss, grads, e.longest_sum, unit_roundoff(dtype), floor)


def _floor(dtype: DTypeLike) -> float:
    """Return the E that every value is granted by the range of its number format.

    Values below `tiny` may be flushed to zero (by a GPU, or by 1 / (1 + exp(-x)) once exp
    overflows): an error of tiny, that is tiny / u in units of u; 2e-31 in float32. In float64 this
    analysis squares, and the square of what is below sqrt(tiny) = 1.5e-154 vanishes.
    """
    tiny = float(np.finfo(dtype).tiny)
    return max(tiny / unit_roundoff(dtype), math.sqrt(np.finfo(np.float64).tiny))


def _forward(e: Evaluation, mixing: list[float], floor: float) -> tuple[list[Array], list[Array]]:
    """Ez^2 = k Ea^2 W^2 + a^2 W^2 + b^2 + z^2, k of `mixing`;  Ea^2 = (act' Ez)^2 + own^2.

    A relu has no rounding of its own, tanh that of its value; sigmoid 1, since
    (1 + tanh(z / 2)) / 2 is sigmoid too, and adds to 1.
    """
    Ez: list[Array] = []
    Ea = [np.zeros_like(e.x)]  # the data are given, without error
    for i, (a, z) in enumerate(zip(e.a, e.z, strict=True), start=1):
        W, b = e.params[f"W{i}"], e.params[f"b{i}"]
        terms = a**2 if i == 1 else mixing[i - 1] * Ea[-1] ** 2 + a**2
        Ez.append(np.sqrt(terms @ W**2 + b**2 + z**2))
        if i < len(e.z):
            own2 = {"relu": 0.0, "sigmoid": 1.0, "tanh": np.square(e.a[i]) + floor**2}[e.activation]
            Ea.append(np.sqrt(np.square(_slope(e, i) * Ez[-1]) + np.asarray(own2)))
    return Ez, Ea


def _softmax(e: Evaluation, Ez: Array, floor: float) -> tuple[Array, Array, float, Array]:
    """Ey = y sqrt(Ez^2 + sum_j (y_j Ez_j)^2 + 1 + C);  E of dz = s sqrt(Ey^2 + (y + t)^2).

    C classes are summed to normalise a row, which errs by sqrt(C) u. While logits are small that
    error is the same in every row and does not average out over the batch, so it has a term of its
    own beside the sqrt(n) of the batch: without it, correct float32 networks of 50 classes reach 13
    of SAFETY instead of 5. The loss of a row is l = -log y_t, with E^2 = (Ey / y)^2 + l^2; the
    mean adds each row's l once more. s is 1 / B, or 1 for a summed loss. The decay term is a sum
    of its own, over all weights.
    """
    rows = np.arange(len(e.t))
    y, log_y = e.y, e.log_y
    relative2 = Ez**2 + ((y * Ez) ** 2).sum(axis=1, keepdims=True) + 1 + y.shape[1]
    Ey = np.sqrt(y**2 * relative2 + floor**2)
    onehot = np.zeros_like(y)
    onehot[rows, e.t] = 1
    Edz = e.scale * np.sqrt(Ey**2 + (y + onehot) ** 2)
    Elog_y = np.sqrt(relative2 + log_y**2)
    row2 = Elog_y[rows, e.t] ** 2 + log_y[rows, e.t] ** 2
    penalty = 0.5 * e.decay * sum(float((W**2).sum()) for W in e.weights)
    longer = max(1.0, max(W.size for W in e.weights) / e.longest_sum)
    terms2 = e.scale**2 * row2.sum() + np.square(e.loss) + longer * np.square(penalty)
    terms2 += (e.scale * _row_sums(log_y[rows, e.t, None], e.longest_sum)[0, 0]) ** 2
    return Ey, Elog_y, float(np.sqrt(terms2)), Edz


def _backward(
    e: Evaluation, mixing: list[float], Ez: list[Array], Ea: list[Array], Edz: Array, floor: float
) -> dict[str, Array]:
    """EW^2 = (a^2)^T E^2 + (Ea^2)^T dz^2 + (a^2)^T dz^2 + R^2;  Eb^2 = sum_rows (E^2 + dz^2) + R^2;

    R of `_row_sums`; back, with k of `mixing`: Eh^2 = k E^2 (W^2)^T + dz^2 (W^2)^T;
    E^2 = (act' Eh)^2 + (h Eact')^2 + dz^2.
    """
    grads: dict[str, Array] = {}
    for i in range(len(e.z), 0, -1):
        W, dz2, a2 = e.params[f"W{i}"], e.dz[i - 1] ** 2, e.a[i - 1] ** 2
        sums2 = _row_sums(e.dz[i - 1], e.longest_sum, e.a[i - 1]) ** 2
        both2 = Edz**2 + dz2
        EW2 = a2.T @ both2 + (Ea[i - 1] ** 2).T @ dz2 + sums2[:-1]
        if e.decay:
            EW2 += 2 * (e.decay * W) ** 2 + e.grads[f"W{i}"] ** 2
        grads[f"W{i}"] = np.sqrt(EW2)
        grads[f"b{i}"] = np.sqrt(both2.sum(axis=0) + sums2[-1])
        if i > 1:
            Eh2 = (mixing[i - 1] * Edz**2 + dz2) @ (W**2).T
            Eslope2 = _slope_rounding(e, i - 1, Ez[i - 2], floor)
            own = e.dz[i - 2] ** 2
            Edz = np.sqrt(_slope(e, i - 1) ** 2 * Eh2 + e.da[i - 1] ** 2 * Eslope2 + own)
    return grads


def _row_sums(terms: Array, n: int, factors: Array | None = None) -> Array:
    """Return what adding the rows of `factors`^T `terms` one by one errs at most, as an E.

    u sum_k |S_k| over the partial sums S_k (Higham 2002, equation 4.3); a bound, so that SAFETY
    sqrt(n) is taken out. Within blocks of about sqrt(B) rows, |S_k| is bounded by the S before the
    block and the sum of absolute terms since.

    Returns
    -------
    ndarray (features + 1, columns)
        Of `factors`^T `terms`, and in the last row of the plain sum of `terms`.
    """
    ones = np.ones((len(terms), 1))
    factors = ones if factors is None else np.hstack([factors, ones])
    size = math.ceil(math.sqrt(len(terms)))
    bound = np.abs(factors).T @ np.abs(terms)
    before = np.zeros_like(bound)
    for start in range(size, len(terms), size):
        block = slice(start - size, start)
        before += factors[block].T @ terms[block]
        bound += np.abs(before)
    return size / (SAFETY * math.sqrt(n)) * bound


def _correlation(W: Array) -> float:
    """Return by how much E^2 grows because W mixes the errors of its inputs into few directions.

    Independent errors grow by ||W||_F / sqrt(n) as they pass a matrix of smaller side n; those in
    the direction of its largest singular value s grow by s. A random matrix has
    s = r = w (sqrt(fan_in) + sqrt(fan_out)), w the root mean square of its elements (Marchenko and
    Pastur 1967), and its errors stay independent; as far as s stands out above r, they are taken to
    lie in that direction: k = max(1, n (s^2 - r^2) / ||W||_F^2).
    """
    fan_in, fan_out = W.shape
    size = float(np.linalg.norm(W))
    if not 0 < size < math.inf:
        return 1.0
    scaled = W / size
    v = np.abs(scaled).sum(axis=0) + scaled.sum(axis=0)
    for _ in range(POWER_STEPS):
        v = scaled.T @ (scaled @ (v / np.linalg.norm(v)))
    largest2 = float(np.linalg.norm(v))  # s^2 / ||W||_F^2
    random2 = (math.sqrt(fan_in) + math.sqrt(fan_out)) ** 2 / W.size
    return max(1.0, float(min(W.shape)) * (largest2 - random2))


def _slope(e: Evaluation, i: int) -> Array:
    """act' of the hidden layer `i`, counted from 1."""
    out = e.a[i]
    if e.activation == "relu":
        positive = e.z[i - 1] >= 0 if e.convention.relu_at_zero else e.z[i - 1] > 0
        return positive.astype(np.float64)
    return out * (1 - out) if e.activation == "sigmoid" else 1 - out**2


def _slope_rounding(e: Evaluation, i: int, Ez: Array, floor: float) -> Array:
    """Eact'^2 = (act'' Ez)^2 + its own: tanh (2 a^2)^2 + 1, sigmoid (1 - 2a)^2 + act'^2.

    That of the sigmoid is the slope of a (1 - a) times the 1 that `_forward` grants a.
    """
    out, slope = e.a[i], _slope(e, i)
    if e.activation == "relu":
        return np.zeros_like(out)
    if e.activation == "sigmoid":
        return (slope * (1 - 2 * out) * Ez) ** 2 + (1 - 2 * out) ** 2 + slope**2 + floor**2
    return (2 * out * slope * Ez) ** 2 + (2 * out**2) ** 2 + 1


def kink_rows(e: Evaluation, r: Rounding) -> NDArray[np.bool_]:
    """Return which rows have a ReLU so close to 0 that correct code may take either side, (B,).

    An exact 0 with an expected error of 0 (a blank image without biases) is no kink: it tests the
    derivative at 0.
    """
    kinks = np.zeros(len(e.x), dtype=bool)
    if e.activation == "relu":
        for a, z, Ez in zip(e.a[:-1], e.z[:-1], r.z[:-1], strict=True):
            near = max(KINK_SAFETY, math.sqrt(a.shape[1])) * r.u * Ez
            kinks |= ((np.abs(z) <= near) & (near > 0)).any(axis=1)
    return kinks


@dataclass(frozen=True)
class Step:
    """One parameter before an update, its gradient and its state; `t` counts updates from 1."""

    W: NDArray[np.floating[Any]]
    g: Array
    state: Mapping[str, Array]
    t: int


def update_allowed(
    optimiser: Optimiser, step: Step, after: NDArray[np.floating[Any]], dtype: DTypeLike
) -> dict[str, Array]:
    """Return the error allowed to each element of W' = fl(W - d) and of the state, elementwise.

    One rounding of the difference, ulp(W') / 2, and that of d, by first-order error analysis of the
    formula (Higham 2002, section 3.1): u times the sum over the operations of what each rounds.
    With s = lr g, m the momentum and r the decay rate,

        sgd         d = s                       Ed = 2 |s|
        momentum    d = s + lr m v              Ed = 5 (|s| + |lr m v|)
        nesterov    d = (1 + m) s + lr m^2 v    Ed = 7 ((1 + m) |s| + |lr m^2 v|)
        adagrad     h' = h + g^2                Eh = 2 (h + g^2)
        rmsprop     h' = r h + (1 - r) g^2      Eh = 4 (r h + (1 - r) g^2)
        adam        m' = b m + (1 - b) g        Em = 4 (|m| + (1 - b) (|g| + |m|))
                    v' = b v + (1 - b) g^2      Ev = 5 (v + (1 - b) (g^2 + v))

    and everywhere the least normal number, below which digits are lost (ibid., equation 2.8). Where
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
        E, Ed = _moving(optimiser, step, u, tiny)
    ulp = np.spacing(np.minimum(np.abs(after), float(numbers.max)).astype(dtype)).astype(np.float64)
    factor = FUSED if numbers.eps == np.finfo(np.float64).eps else 1.0
    return {name: factor * value for name, value in {**E, "W": ulp / 2 + Ed}.items()}


def _moving(
    optimiser: Optimiser, step: Step, u: float, tiny: float
) -> tuple[dict[str, Array], Array]:
    """Return the errors of the state and of d, by the formulas of `update_allowed`."""
    g, lr, state = np.abs(step.g), optimiser.lr, step.state
    if optimiser.name == "sgd":
        return {}, 2 * u * lr * g + tiny
    if optimiser.name in ("momentum", "nesterov"):
        m, v = optimiser.momentum, np.abs(state["v"])
        unit = 1.0 if optimiser.lr_inside else lr
        moved = m * unit * v + lr * g
        Ev = 4 * u * moved / (1.0 if optimiser.lr_inside else lr or 1.0) + tiny
        if optimiser.name == "momentum":
            return {"v": Ev}, 5 * u * moved + tiny
        return {"v": Ev}, 7 * u * ((1 + m) * lr * g + m * m * unit * v) + tiny
    if optimiser.name == "adam":
        b1, b2 = optimiser.betas
        h = state["v"]
        Em = 4 * u * (np.abs(state["m"]) * (2 - b1) + (1 - b1) * g) + tiny
        Eh = 5 * u * (h + (1 - b2) * (g * g + h)) + tiny
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
        Eh = 2 * u * h + tiny
    else:
        h = r * h + (1 - r) * g * g
        Eh = 4 * u * h + tiny
    root, Eroot2, eps = np.sqrt(h), Eh, optimiser.eps
    if optimiser.eps_inside:
        root, Eroot2, eps = np.sqrt(h + eps), Eh + u * eps, 0.0
    return {"h": Eh}, _quotient(lr * g, tiny, root, Eroot2, eps, u) + tiny


def _quotient(n: Array, En: Array | float, root: Array, Eh: Array, eps: float, u: float) -> Array:
    """Return the error of n / (root + eps), where root^2 has the error Eh."""
    q = root + eps
    Eroot = np.minimum(Eh / (2 * root), np.sqrt(Eh))  # near 0, |sqrt(a) - sqrt(b)| <= sqrt(|a - b|)
    Eq = np.where(root > 0, Eroot, np.sqrt(Eh)) + 3 * u * q
    safe = np.maximum(q, np.finfo(np.float64).tiny)
    return np.asarray(En / safe + np.abs(n) * Eq / safe**2 + 6 * u * np.abs(n) / safe)


def slope_allowed(losses: Sequence[float], step: float, n: int) -> float:
    """Return how far (L(step/2) - L(-step/2)) / step may be from the slope of L at 0.

    Central differences leave out f''' step^2 / 24, a third of how far they move from twice the
    step. Where a ReLU switches at c < step / 2, they are off by s (1/2 - c / step), s the change of
    slope, and move by s c / (2 step); the difference of the slopes on both sides, which should
    halve with the step, misses that by s |1 - 3 c / step|: both together cover it.

    Parameters
    ----------
    losses : sequence of float
        L at -step, -step/2, 0, step/2, step, in float64; of order 1, as are the values before it.
    step : float
        The distance.
    n : int
        The longest sum in the network.
    """
    far_left, left, middle, right, far_right = losses
    moved = (right - left) / step - (far_right - far_left) / (2 * step)
    bend = (right - 2 * middle + left) / (step / 2)
    far_bend = (far_right - 2 * middle + far_left) / step
    rounding = SAFETY * math.sqrt(n) * 2.0**-53 * max(1.0, abs(middle)) / step
    return KINK_SHARE * (abs(moved) + abs(far_bend - 2 * bend)) + rounding
