"""Rounding noise, measured: how far the reference scatters when it computes the same otherwise.

A twin is the reference in the candidate's dtype with rows, features, hidden units and classes in
another order, which changes no value but every rounding. The referee H is the reference in float64.
Of a value with twins T_k and an expected rounding error E (of `compare.rounding`, in units of u),

    noise^2 = mean_k (T_k - H)^2 + (u E / 2)^2.

The second term speaks where an order has nothing to change: batches of one row, layers of one unit.
What is allowed is a factor times the noise; the factors are in `compare.rounding`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compare.evaluation import Evaluation
from compare.reference import Reference

Array = NDArray[np.float64]

TWINS = 8
"""The noise of 8 twins differs from that of many by 5 to 10 %."""


@dataclass(frozen=True)
class Score:
    """One statistic of an error: by how much it exceeds its noise.

    Attributes
    ----------
    statistic : str
        norm, loss, element, or along g, along W, ...
    error, noise : float
        In the units of the value.
    size : float
        Of what `error` is part of.
    """

    statistic: str
    error: float
    noise: float
    size: float

    @property
    def kind(self) -> str:
        """The statistic, all directions being one: norm, loss, element or direction."""
        return "direction" if self.statistic.startswith("along ") else self.statistic

    @property
    def part(self) -> str:
        """What `size` is, in words."""
        return {"element": "the size of a typical element"}.get(
            self.kind, f"its size {self.statistic}" if self.kind == "direction" else "its size"
        )

    @property
    def ratio(self) -> float:
        """error / noise."""
        return self.error / self.noise if self.error else 0.0


def twin_errors(
    twin: Reference, e: Evaluation, rng: np.random.Generator, count: int = TWINS
) -> dict[str, Array]:
    """Return T_k - H of every value of `e`, stacked, (count, ...); `twin` is evaluated anew.

    Parameters
    ----------
    twin : Reference
        In the candidate's dtype.
    e : Evaluation
        The referee's, in float64.
    rng : numpy.random.Generator
        Of the orders.
    """
    values = [_twin(twin, e, rng).values() for _ in range(count)]
    return {
        name: np.stack([np.asarray(value[name]) for value in values]) - np.asarray(expected)
        for name, expected in e.values().items()
    }


def _twin(twin: Reference, e: Evaluation, rng: np.random.Generator) -> Evaluation:
    """Evaluate in a random order of everything that has one, and put the values back in order."""
    rows = rng.permutation(len(e.x))
    orders = [rng.permutation(size) for size in twin.sizes]
    back = [np.argsort(order) for order in orders]
    rows_back = np.argsort(rows)
    mixed = twin.evaluate(
        _reordered(e.params, orders),
        e.x[np.ix_(rows, orders[0])],
        back[-1][e.t[rows]],
        e.convention,
        gradients=bool(e.grads),
    )
    z = [value[np.ix_(rows_back, back[i])] for i, value in enumerate(mixed.z, start=1)]
    a = [value[np.ix_(rows_back, back[i])] for i, value in enumerate(mixed.a)]
    return Evaluation(
        e.params, e.x, e.t, e.activation, e.weight_decay_lambda, e.convention,
        z, a, mixed.loss, [], [], _reordered(mixed.grads, back),
    )  # fmt: skip  # what was given, what came out


def _reordered(params: dict[str, Array], orders: list[NDArray[np.int64]]) -> dict[str, Array]:
    """Return W1, b1, ... with inputs and outputs of every layer in other orders."""
    reordered = {}
    for name, value in params.items():
        layer = int(name[1:])
        axes = orders[layer - 1 : layer + 1] if value.ndim == 2 else orders[layer : layer + 1]
        reordered[name] = value[np.ix_(*axes)]
    return reordered


def scores(
    error: Array, twins: Array, own: Array, value: Array, u: float, param: Array | None
) -> Iterator[Score]:
    """Yield the statistics of an error.

    Parameters
    ----------
    error : ndarray
        actual - H.
    twins : ndarray (count, ...)
        T_k - H.
    own : ndarray
        u E.
    value : ndarray
        H.
    u : float
        Unit roundoff.
    param : ndarray or None
        The parameter, of whose gradient these are; directions are for gradients only.
    """
    between = np.square(twins).mean(axis=0)
    noise = float(np.sqrt(between.sum() + np.square(own / 2).sum()))
    if not error.ndim:
        yield Score("loss", float(abs(error)), noise, float(abs(value)))
        return
    size = float(np.linalg.norm(value))
    yield Score("norm", float(np.linalg.norm(error)), noise, size)
    element_noise = _element_noise(between, twins, own, u * value)
    worst = int(np.argmax(np.abs(error) / element_noise))
    yield Score(
        "element", float(np.abs(error).flat[worst]), float(element_noise.flat[worst]),
        size / np.sqrt(value.size),
    )  # fmt: skip  # as Score
    for name, direction in {} if param is None else _directions(value, param).items():
        along = float(np.linalg.norm(direction))
        if along:
            p = direction / along
            parts = np.tensordot(twins, p, p.ndim)
            noise = float(np.sqrt(np.square(parts).mean() + np.square(own / 2 * p).sum()))
            yield Score(f"along {name}", abs(float(np.vdot(error, p))), noise, size)


def _directions(grad: Array, param: Array) -> dict[str, Array]:
    """Return the directions in which mistakes lie: a factor, weight decay, L1 decay, a shift."""
    letter = "W" if param.ndim == 2 else "b"
    return {"g": grad, letter: param, f"sign {letter}": np.sign(param), "1": np.ones_like(grad)}


def _element_noise(between: Array, twins: Array, own: Array, ulps: Array) -> Array:
    """Return the noise of each element.

    Of 8 twins, the variance v of one element says little by itself: it is taken together with
    that of its row and column (row mean x column mean / mean), and with E times the ratio that
    twins and E have over the whole tensor. (u H)^2 / 12 is the rounding of the value itself.
    """
    smooth = between
    if between.ndim == 2 and between.any():
        rows, columns = between.mean(axis=1, keepdims=True), between.mean(axis=0, keepdims=True)
        smooth = np.maximum(between, rows * columns / between.mean())
    ratio2 = np.square(twins / own).mean()
    derived = max(float(ratio2), 0.25) * np.square(own)
    return np.asarray(np.sqrt(np.maximum(smooth, derived) + np.square(ulps) / 12))
