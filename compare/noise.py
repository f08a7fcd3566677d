"""Rounding noise, measured: how far the reference scatters when it computes the same otherwise.

A twin is the reference in the candidate's dtype with rows, features, hidden units and classes in
another order, which changes no value but every rounding. The referee H is the reference in float64.
Of a value with twins T_k and an expected rounding error E (of `compare.rounding`, in units of u),

    noise^2 = mean_k (T_k - H)^2 + (k u E)^2,    k = max(1/2, sqrt(n) / 16).

The second term speaks where an order has nothing to change (batches of one row, layers of one unit)
and for sums of n terms that are taken one by one: libraries take them in blocks, and err less.
What is allowed is a factor times the noise; the factors are in `compare.rounding`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compare.evaluation import Evaluation, layer_of
from compare.rounding import Rounding
from compare.torch_network import Reference

Array = NDArray[np.float64]

TWINS = 8
"""The noise of 8 twins differs from that of many by 5 to 10 %."""

NO_ROWS = np.empty(0, np.int64)

TINY = math.sqrt(np.finfo(np.float64).tiny)
"""The least number whose square can be divided by."""


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
    index : tuple of int or None
        Of the element, if it is one.
    """

    statistic: str
    error: float
    noise: float
    size: float
    index: tuple[int, ...] | None = None

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


@dataclass
class Noise:
    """The noise of one quantity.

    Attributes
    ----------
    value : ndarray
        H.
    own : ndarray
        k u E.
    u : float
        Unit roundoff.
    directions : dict
        Of length 1, of the shape of `value`: in which mistakes of a gradient lie.
    between : ndarray
        mean_k (T_k - H)^2.
    along : dict of str to float
        The like of the twins' components in the directions.
    """

    value: Array
    own: Array
    u: float
    directions: dict[str, Array]
    between: Array
    along: dict[str, float]

    def add(self, twin: Array | float, share: float) -> None:
        """Take in a twin, as a share of all."""
        error = np.asarray(twin) - self.value
        self.between = self.between + share * np.square(error)
        for name, p in self.directions.items():
            self.along[name] += share * float(np.vdot(error, p)) ** 2

    @property
    def is_known(self) -> bool:
        """Whether every twin stayed in the range of its numbers."""
        return bool(np.isfinite(self.between).all())

    @property
    def norm(self) -> float:
        """The noise of the whole."""
        return float(np.sqrt(self.between.sum() + np.square(self.own).sum()))

    def scores(self, error: Array) -> Iterator[Score]:
        """Yield the statistics of `error`, which is actual - H."""
        size = float(np.linalg.norm(self.value))
        if not error.ndim:
            yield Score("loss", float(abs(error)), self.norm, size)
            return
        yield Score("norm", float(np.linalg.norm(error)), self.norm, size)
        noise = self._elements()
        worst = np.unravel_index(np.argmax(np.abs(error) / noise), error.shape)
        yield Score(
            "element", float(abs(error[worst])), float(noise[worst]), size / math.sqrt(error.size),
            tuple(int(i) for i in worst),
        )  # fmt: skip  # as Score
        for name, p in self.directions.items():
            own2 = float(np.square(self.own * p).sum())
            component = abs(float(np.vdot(error, p)))
            yield Score(f"along {name}", component, math.sqrt(self.along[name] + own2), size)

    def _elements(self) -> Array:
        """Return the noise of each element.

        Of 8 twins, the variance of one element says little by itself: it is taken together with
        that of its row and column (row mean x column mean / mean), and with k u E times the ratio
        that twins have to it over the whole tensor. (u H)^2 / 12 is the rounding of the value.
        """
        smooth = self.between
        if smooth.ndim == 2 and smooth.any():
            rows, columns = smooth.mean(axis=1, keepdims=True), smooth.mean(axis=0, keepdims=True)
            smooth = np.maximum(smooth, rows * columns / smooth.mean())
        own2 = np.square(self.own)
        derived = max(float((self.between / own2).mean()), 1.0) * own2
        return np.asarray(
            np.sqrt(np.maximum(smooth, derived) + np.square(self.u * self.value) / 12)
        )


def measure(
    twin: Reference, e: Evaluation, rounding: Rounding, rng: np.random.Generator, count: int = TWINS
) -> dict[str, Noise]:
    """Return the noise of every value of `e`.

    Parameters
    ----------
    twin : Reference
        In the candidate's dtype; evaluated `count` times.
    e : Evaluation
        The referee's, in float64.
    rounding : Rounding
        Of `e`, in the candidate's dtype.
    rng : numpy.random.Generator
        Of the orders.
    """
    k = max(1 / 2, math.sqrt(rounding.n) / 16)
    noises = {}
    for (name, value), E in zip(e.values().items(), rounding.named.values(), strict=True):
        own = np.maximum(k * rounding.u * np.hypot(E, rounding.floor), TINY)
        directions = _directions(value, e.params[name]) if name in e.grads else {}
        noises[name] = Noise(
            np.asarray(value), own, rounding.u, directions,
            np.zeros_like(value), dict.fromkeys(directions, 0.0),
        )  # fmt: skip  # what is known, what is added up
    for _ in range(count):
        with np.errstate(over="ignore", invalid="ignore"):
            for name, value in _twin(twin, e, rng).items():
                noises[name].add(value, 1 / count)
    return noises


def _directions(grad: Any, param: Array) -> dict[str, Array]:
    """Return the directions in which mistakes lie: a factor, weight decay, L1 decay, a shift."""
    letter = "W" if param.ndim == 2 else "b"
    named = {"g": grad, letter: param, f"sign {letter}": np.sign(param), "1": np.ones_like(grad)}
    lengths = {name: float(np.linalg.norm(direction)) for name, direction in named.items()}
    return {name: named[name] / length for name, length in lengths.items() if length}


def _twin(twin: Reference, e: Evaluation, rng: np.random.Generator) -> dict[str, Array | float]:
    """Evaluate in a random order of everything that has one, and put the values back in order."""
    rows = rng.permutation(len(e.x))
    orders = [rng.permutation(size) for size in twin.sizes]
    back = [np.argsort(order) for order in orders]
    masks = [m[np.ix_(rows, o)] for m, o in zip(e.mode.masks, orders[1:], strict=False)]
    mixed = twin.evaluate(
        {key: value[_axes(key, orders)] for key, value in e.params.items()},
        e.x[np.ix_(rows, orders[0])],
        back[-1][e.t[rows]],
        e.convention,
        replace(e.mode, masks=masks),
        gradients=bool(e.grads),
    )
    rows_back = np.argsort(rows)
    values = {**mixed.values(), **_row_sums(mixed, twin.dtype)}
    return {
        name: value if isinstance(value, float) else value[_axes(name, back, rows_back)]
        for name, value in values.items()
    }


def _row_sums(e: Evaluation, dtype: torch.dtype) -> dict[str, Array]:
    """Return the gradients of the biases, rows added one by one as numpy does.

    torch adds them in a tree. Where the rows of a batch are alike, each addition errs in the same
    direction, and the sum by several times as much.
    """
    kind = torch.empty(0, dtype=dtype).numpy().dtype
    return {
        f"b{i}": dz.astype(kind).sum(axis=0).astype(np.float64)
        for i, dz in enumerate(e.dz, start=1)
    }


def _axes(
    name: str, orders: list[NDArray[np.int64]], rows: NDArray[np.int64] = NO_ROWS
) -> tuple[NDArray[np.int64], ...]:
    """Return the index that brings the quantity `name` into other orders of units and rows."""
    i = layer_of(name) or len(orders) - 1
    if name.startswith("W"):
        return np.ix_(orders[i - 1], orders[i])
    if name.startswith("b"):
        return np.ix_(orders[i])
    return np.ix_(rows, orders[i])
