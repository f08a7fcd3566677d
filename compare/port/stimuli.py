"""What a network is judged on: the batch that was passed, and others that are made of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FEW = 9
"""Samples of the batches that are made."""

SPREAD, BIAS_SPREAD = 0.1, 0.5
"""Standard deviations of what is added to weights, and to biases and the like: so much that none is
0, and so little that a network as it was initialised is one still."""

SMALL = 0.02
"""What weights are multiplied with for a variance of 4e-4, of which an epsilon of 1e-5 is 1/40."""


@dataclass(frozen=True)
class Batch:
    """Parameters and buffers, by the network's names, and a batch.

    With `is_stress`, training visits no such state: not to be finite there is a limit of range, and
    no mistake.
    """

    name: str
    params: Mapping[str, Array]
    x: Array
    t: Array
    buffers: Mapping[str, Array] = field(default_factory=dict)
    is_stress: bool = False

    def rows(self, name: str, picked: Any) -> "Batch":
        """Return these samples of it."""
        return replace(self, name=name, x=self.x[picked], t=self.t[picked])


def batches(yours: Batch, rng: np.random.Generator, *, is_varied: bool) -> Iterator[Batch]:
    """Yield your batch, and then others: at random parameters, of fewer samples, that repeat, are
    blank, or alone.

    What is no batch of samples along axis 0 stays whole; nothing but the parameters is varied.
    """
    yield yours
    drawn = replace(
        yours,
        name="your batch, random parameters",
        params={k: _drawn(v, rng) for k, v in yours.params.items()},
        buffers={k: _remembered(k, v, rng) for k, v in yours.buffers.items()},
    )
    yield drawn
    if not is_varied:
        return
    few, size = drawn, "your batch"
    x, t = yours.x, yours.t
    has_samples = x.ndim > 0 and t.ndim > 0 and len(x) == len(t) > 1
    if has_samples:
        order = rng.permutation(len(x))[: min(len(x) - 1, FEW)]
        size = f"{len(order)} of its samples" if len(order) > 1 else "1 of its samples"
        few = drawn.rows(size, order)
        yield few
    doubled = {k: (2 * v).astype(v.dtype) for k, v in drawn.params.items()}
    yield replace(few, name=f"{size}, parameters doubled", params=doubled, is_stress=True)
    small = {k: (SMALL * v).astype(v.dtype) if _is_matrix(v) else v
             for k, v in drawn.params.items()}  # fmt: skip  # a condition
    yield replace(few, name=f"{size}, small weights", params=small)
    if x.dtype.kind in "iu" and len(np.unique(few.x)) > 2:
        ids = np.unique(few.x)[:2]
        again = np.where(np.arange(few.x.size).reshape(few.x.shape) % 3, ids[0], ids[1])
        yield replace(few, name=f"{size}, two ids that repeat", x=again.astype(x.dtype))
    if not has_samples:
        return
    if x.dtype.kind == "f" and len(few.x) > 1:
        blank = few.x.copy()
        blank[::2] = 0
        yield replace(few, name=f"{size}, {len(blank[::2])} blank", x=blank)
    if len(x) > 2:
        yield drawn.rows("5 samples, 3 of them equal", order[[0, 0, 0, 1, 1]])
    yield drawn.rows("1 sample", order[:1])


def _is_matrix(value: Array) -> bool:
    return len([n for n in value.shape if n > 1]) > 1


def _drawn(value: Array, rng: np.random.Generator) -> Array:
    spread = SPREAD if _is_matrix(value) else BIAS_SPREAD
    return np.asarray(value + spread * rng.standard_normal(value.shape)).astype(value.dtype)


def _remembered(name: str, value: Array, rng: np.random.Generator) -> Array:
    """Draw what is remembered: a variance is above 0."""
    if "var" in name:
        return rng.uniform(0.3, 3, value.shape).astype(value.dtype)
    return np.asarray(rng.standard_normal(value.shape) / 2).astype(value.dtype)
