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
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from compare.activations import KNOWN
from compare.evaluation import Evaluation, Hidden, Parts, by_name, derivative, layer_of
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

REPLAYS = 4
"""Times that a replay is run with everything given to it moved by u: see `replay_allowed`."""

FUSED = 2.0
"""float64 updates are judged in float64, whose own rounding doubles the bound."""


@dataclass(frozen=True)
class Rounding:
    """Expected rounding errors E of everything in an Evaluation, in units of u.

    Attributes
    ----------
    forward : Forward
        Of the values before the softmax.
    named : dict
        Of every value, under the names and in the order of `Evaluation.values`.
    n : int
        Terms of the longest sum.
    floor : float
        See `_floor`.
    """

    forward: "Forward"
    named: dict[str, Array | float]
    n: int
    u: float
    floor: float

    def allowed(self, expected_error: Array | float, axis: int | tuple[()] | None = None) -> Array:
        """Return SAFETY sqrt(n) u ||E||, of the whole or along `axis`."""
        squares = np.square(expected_error) + self.floor**2
        return np.asarray(SAFETY * math.sqrt(self.n) * self.u * np.sqrt(squares.sum(axis=axis)))


def replay_allowed(noise: float, rounding: Rounding) -> float:
    """Return the error that is allowed to a value of which a replay with a mistake is the model.

    No E is derived for a wrong function. `noise` is by how much it scatters where everything that
    it is given scatters by u, the largest of REPLAYS draws, and stands for u ||E||, of which that
    is a part; the factor is that of every other value.
    """
    return SAFETY * math.sqrt(rounding.n) * noise


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
        forward = _forward(e, mixing, floor)
        y, log_y, loss, dz_last = _softmax(e, forward.z[-1], floor)
        grads = _backward(e, mixing, forward, dz_last, floor) if e.grads else {}
        running = _running(e, forward)
    hidden = list(zip(forward.n, forward.h, strict=True))
    parts = Parts(forward.z, hidden, forward.a[1:], y, log_y, loss)
    named = by_name(parts, e, grads, running)
    return Rounding(forward, named, e.longest_sum, unit_roundoff(dtype), floor)


@dataclass(frozen=True)
class Normalized:
    """E of what a normalization has on its way: mean, var, std as in `Hidden`, xn (B, units)."""

    mean: Array
    var: Array
    std: Array
    xn: Array


@dataclass(frozen=True)
class Forward:
    """E of what a forward pass computes, a list of the hidden layers each but for z and a."""

    z: list[Array]
    normalized: list[Normalized | None]
    n: list[Array]
    h: list[Array]
    a: list[Array]


def _floor(dtype: DTypeLike) -> float:
    """Return the E that every value is granted by the range of its number format.

    Values below `tiny` may be flushed to zero (by a GPU, or by 1 / (1 + exp(-x)) once exp
    overflows): an error of tiny, that is tiny / u in units of u; 2e-31 in float32. In float64 this
    analysis squares, and the square of what is below sqrt(tiny) = 1.5e-154 vanishes.
    """
    tiny = float(np.finfo(dtype).tiny)
    return max(tiny / unit_roundoff(dtype), math.sqrt(np.finfo(np.float64).tiny))


def _forward(e: Evaluation, mixing: list[float], floor: float) -> Forward:
    """Ez^2 = k Ea^2 W^2 + a^2 W^2 + b^2 + z^2, k of `mixing`;  Eh^2 = (act' En)^2 + own^2.

    own is what the activation rounds by itself: see `compare.activations`. Between z and n is a
    normalization, between h and a dropout, whose product with f errs by 3 a:
    Ea^2 = (f Eh)^2 + 3 a^2, if f is not 1.
    """
    E = Forward([], [], [], [], [np.zeros_like(e.x)])  # the data are given, without error
    for i, (a, z) in enumerate(zip(e.a, e.z, strict=True), start=1):
        W, b = e.params[f"W{i}"], e.params[f"b{i}"]
        terms = a**2 if i == 1 else mixing[i - 1] * E.a[-1] ** 2 + a**2
        E.z.append(np.sqrt(terms @ W**2 + b**2 + z**2))
        if i < len(e.z):
            layer = e.hidden[i - 1]
            normalized, En = None, E.z[-1]
            if layer.std is not None:
                normalized, En = _normalized(e, i, E.z[-1])
            own = KNOWN[e.activation].rounds(layer.n, e.convention.negative_slope)
            Eh = np.sqrt(np.square(derivative(e, i) * En) + _squared(own, floor))
            E.normalized.append(normalized)
            E.n.append(En)
            E.h.append(Eh)
            E.a.append(_scaled(Eh, e.a[i], layer))
    return E


def _scaled(E: Array, value: Array, layer: Hidden) -> Array:
    """Return E of `value`, which dropout made of something with the error `E`."""
    if layer.factor is None:
        return E
    return np.asarray(np.sqrt(np.square(layer.factor * E) + 3 * np.square(value)))


def _normalized(e: Evaluation, i: int, Ez: Array) -> tuple[Normalized, Array]:
    """Return the errors on the way through normalization `i`, and En.

    BatchNorm takes mean and variance over the m = B rows of each column, LayerNorm over the m units
    of each row. With R of `_row_sums` and d = z - mean:

        Emean^2 = (sum (Ez^2 + z^2) + R^2) / m^2 + mean^2
        Ed^2    = Ez^2 + Emean^2 + d^2
        Evar^2  = (sum (4 d^2 Ed^2 + z^4) + R^2) / m^2 + mean^4 + var^2

    z^4 and mean^4 being the terms of mean(z^2) - mean^2, which is the variance too. In BatchNorm
    after training Emean = Evar = 0. Then, s = sqrt(var + epsilon),

        Es^2    = (Evar / 2s)^2 + s^2
        Exn^2   = (Ed / s)^2 + (xn Es / s)^2 + xn^2
        En^2    = (gamma Exn)^2 + (gamma / s)^2 (z^2 + mean^2) + n^2

    with the terms of z (gamma / s) + (beta - mean gamma / s), which is n too.
    """
    layer, z, sums = e.hidden[i - 1], e.z[i - 1], Sums(e)
    assert layer.mean is not None and layer.var is not None and layer.std is not None
    gamma, mean, s = e.params[f"gamma{i}"], layer.mean, layer.std
    Emean2 = Evar2 = np.zeros_like(s)
    d, taken = z - mean, e.mode.training or e.of_rows
    if taken:
        Emean2 = (sums.of(Ez**2 + z**2) + sums.worst2(z)) / sums.count(z) ** 2 + mean**2
    Ed2 = Ez**2 + Emean2 + d**2
    if taken:
        terms2 = sums.of(4 * d**2 * Ed2 + z**4) + sums.worst2(z**2)
        Evar2 = terms2 / sums.count(z) ** 2 + mean**4 + layer.var**2
    Es2 = Evar2 / (2 * s) ** 2 + s**2
    xn = d / s
    Exn2 = Ed2 / s**2 + xn**2 * Es2 / s**2 + xn**2
    En2 = gamma**2 * Exn2 + (gamma / s) ** 2 * (z**2 + mean**2) + layer.n**2
    E = Normalized(np.sqrt(Emean2), np.sqrt(Evar2), np.sqrt(Es2), np.sqrt(Exn2))
    return E, np.sqrt(En2)


class Sums:
    """The sums of a normalization: over the rows in BatchNorm, over the units in LayerNorm."""

    def __init__(self, e: Evaluation) -> None:
        self.of_rows, self.n = e.of_rows, e.longest_sum

    def of(self, terms: Array) -> Array:
        """Return the sums, of the shape of mean and var."""
        return np.asarray(terms.sum(axis=1, keepdims=True) if self.of_rows else terms.sum(axis=0))

    def count(self, terms: Array) -> int:
        """Return how many are added to each."""
        return int(terms.shape[1 if self.of_rows else 0])

    def worst2(self, terms: Array) -> Array:
        """Return R^2 of `_row_sums`."""
        if self.of_rows:
            return np.asarray(_row_sums(terms.T, self.n)[0][:, None] ** 2)
        return np.asarray(_row_sums(terms, self.n)[0] ** 2)


def _running(e: Evaluation, E: Forward) -> dict[str, Array]:
    """E^2 = k^2 (Enew^2 + 3 new^2) + 3 old^2 (1 - k)^2 + r'^2 of r' = (1 - k) r + k new."""
    k, errors = e.convention.share, {}
    for name, after in e.running.items():
        i = layer_of(name) - 1
        normalized = E.normalized[i]
        assert normalized is not None
        Enew = normalized.var if name.startswith("running_var") else normalized.mean
        old = (1 - k) * np.asarray(e.mode.running[name], np.float64)
        errors[name] = np.sqrt((k * Enew) ** 2 + 3 * (after - old) ** 2 + 3 * old**2 + after**2)
    return errors


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
    e: Evaluation, mixing: list[float], E: Forward, Edz: Array, floor: float
) -> dict[str, Array]:
    """EW^2 = (a^2)^T E^2 + (Ea^2)^T dz^2 + (a^2)^T dz^2 + R^2;  Eb^2 = sum_rows (E^2 + dz^2) + R^2;

    R of `_row_sums`; back, with k of `mixing`: Eh^2 = k E^2 (W^2)^T + dz^2 (W^2)^T, through dropout
    as forward; E^2 = (act' Eh)^2 + (h Eact')^2 + dn^2 of dn, which is dz without BatchNorm.
    """
    grads: dict[str, Array] = {}
    for i in range(len(e.z), 0, -1):
        W, dz2, a2 = e.params[f"W{i}"], e.dz[i - 1] ** 2, e.a[i - 1] ** 2
        sums2 = _row_sums(e.dz[i - 1], e.longest_sum, e.a[i - 1]) ** 2
        both2 = Edz**2 + dz2
        EW2 = a2.T @ both2 + (E.a[i - 1] ** 2).T @ dz2 + sums2[:-1]
        if e.decay:
            EW2 += 2 * (e.decay * W) ** 2 + e.grads[f"W{i}"] ** 2
        grads[f"W{i}"] = np.sqrt(EW2)
        grads[f"b{i}"] = np.sqrt(both2.sum(axis=0) + sums2[-1])
        if i > 1:
            layer = e.hidden[i - 2]
            Ea = np.sqrt((mixing[i - 1] * Edz**2 + dz2) @ (W**2).T)
            Eh = _scaled(Ea, layer.dh, layer)
            Eslope2 = _slope_rounding(e, i - 1, E.n[i - 2], floor)
            Edn2 = (derivative(e, i - 1) * Eh) ** 2 + layer.dh**2 * Eslope2 + layer.dn**2
            Edz = np.sqrt(Edn2)
            if normalized := E.normalized[i - 2]:
                Edz, of_parameters = _back_through(e, i - 1, normalized, Edz)
                grads |= of_parameters
    return grads


def _back_through(
    e: Evaluation, i: int, E: Normalized, Edn: Array
) -> tuple[Array, dict[str, Array]]:
    """Return the error of dz below normalization `i`, and those of gamma and beta.

    R of `_row_sums`, dxn = gamma dn, m = mean(dxn), w = mean(dxn xn), the means over k rows or
    units as in `_normalized`, dz = (dxn - m - xn w) / s:

        Ebeta^2  = sum_rows (Edn^2 + dn^2) + R^2
        Egamma^2 = sum_rows (xn^2 Edn^2 + dn^2 Exn^2 + (dn xn)^2) + R^2
        Edxn^2   = gamma^2 (Edn^2 + dn^2)
        Em^2     = (sum (Edxn^2 + dxn^2 + (xn w)^2) + R^2) / k^2 + m^2
        Ew^2     = (sum (xn^2 Edxn^2 + dxn^2 Exn^2 + (dxn xn)^2) + R^2) / k^2 + w^2
        Edz^2    = (Edxn^2 + Em^2 + xn^2 Ew^2 + w^2 Exn^2 + dxn^2 + m^2 + (xn w)^2) / s^2
                   + (dz Es / s)^2 + dz^2

    (xn w)^2 in Em being the terms of a sum that is 0, and is added up where mean and variance are
    gone through one by one, as in the book.
    """
    layer, z, dz, sums = e.hidden[i - 1], e.z[i - 1], e.dz[i - 1], Sums(e)
    assert layer.mean is not None and layer.std is not None
    gamma, s, dn, k = e.params[f"gamma{i}"], layer.std, layer.dn, sums.count(z)
    xn = (z - layer.mean) / s
    along2 = np.square(_row_sums(dn * xn, e.longest_sum)[0])
    plain2 = np.square(_row_sums(dn, e.longest_sum)[0])
    Edn2, Exn2 = Edn**2, E.xn**2
    Ebeta2 = (Edn2 + dn**2).sum(axis=0) + plain2
    Egamma2 = (xn**2 * (Edn2 + dn**2) + dn**2 * Exn2).sum(axis=0) + along2
    dxn = gamma * dn
    Edxn2 = gamma**2 * (Edn2 + dn**2)
    m, w = sums.of(dxn) / k, sums.of(dxn * xn) / k
    Em2 = (sums.of(Edxn2 + dxn**2 + (xn * w) ** 2) + sums.worst2(dxn)) / k**2 + m**2
    terms2 = xn**2 * (Edxn2 + dxn**2) + dxn**2 * Exn2
    Ew2 = (sums.of(terms2) + sums.worst2(dxn * xn)) / k**2 + w**2
    sum2 = Edxn2 + Em2 + xn**2 * Ew2 + w**2 * Exn2 + dxn**2 + m**2 + (xn * w) ** 2
    Edz2 = sum2 / s**2 + (dz * E.std / s) ** 2 + dz**2
    return np.sqrt(Edz2), {f"gamma{i}": np.sqrt(Egamma2), f"beta{i}": np.sqrt(Ebeta2)}


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


def _slope_rounding(e: Evaluation, i: int, En: Array, floor: float) -> Array:
    """Eact'^2 = (act'' En)^2 + own^2, own of `compare.activations`."""
    known, of = KNOWN[e.activation], (e.hidden[i - 1].n, e.convention.negative_slope)
    own = known.derivative_rounds(*of)
    return np.asarray((known.curvature(*of) * En) ** 2 + _squared(own, floor))


def _squared(own: Array, floor: float) -> Array:
    """Return own^2 + floor^2, and 0 where nothing is rounded: an exact 0 stays exact."""
    return np.where(own > 0, np.square(own) + floor**2, 0.0)


def kink_rows(e: Evaluation, r: Rounding) -> NDArray[np.bool_]:
    """Return which rows have a ReLU, or a leaky one, so close to 0 that correct code may take
    either side, (B,).

    An exact 0 with an expected error of 0 (a blank image without biases) is no kink: it tests the
    derivative at 0.
    """
    kinks = np.zeros(len(e.x), dtype=bool)
    if KNOWN[e.activation].has_kink:
        for a, layer, En in zip(e.a[:-1], e.hidden, r.forward.n, strict=True):
            near = max(KINK_SAFETY, math.sqrt(a.shape[1])) * r.u * En
            kinks |= ((np.abs(layer.n) <= near) & (near > 0)).any(axis=1)
    return kinks


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
    rounding = SAFETY * math.sqrt(n) * u * max(1.0, abs(middle)) / step
    return KINK_SHARE * (abs(moved) + abs(far_bend - 2 * bend)) + rounding


def quotient_allowed(of_loss: float, divisor: float) -> float:
    """Return what is allowed to a difference of two losses by `divisor`.

    Each loss may be off by `of_loss`, in which SAFETY sqrt(n) makes the rounding of the difference
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
    log_y, log_s = e.log_y[np.arange(len(e.t)), e.t], math.log(numbers.smallest_subnormal)
    log_y = log_y[log_y < math.log(numbers.tiny)]
    if (log_y < log_s).any():
        return 0.0
    return float(2 * e.scale * np.exp(log_s - log_y).sum())
