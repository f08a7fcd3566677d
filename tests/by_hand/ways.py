"""Ways of computing the same: how products and sums are added up, and which of two right forms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray

CHUNK = 32


@dataclass(frozen=True)
class Way:
    """One way of computing.

    Attributes
    ----------
    name : str
        Of the way.
    dtype
        In which everything is stored.
    product : callable
        (..., p, n), (..., n, q) -> (..., p, q).
    added : callable
        (terms, axis) -> their sum along one axis.
    other : bool
        Of two right forms the other one: a variance in one pass, a sigmoid by tanh, a normalization
        folded into one product and one sum, a softmax that takes no maximum off.
    """

    name: str
    dtype: Any
    product: Callable[[Array, Array], Array]
    added: Callable[[Array, int], Array]
    other: bool

    def mm(self, a: Array, b: Array) -> Array:
        """Return a @ b."""
        return self.product(a, b).astype(self.dtype, copy=False)

    def sum(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        """Return the sum along some axes, one after the other; of all for None."""
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        axes = sorted(a % x.ndim for a in axes)
        total = x
        for a in reversed(axes):
            total = self.added(total, a).astype(self.dtype, copy=False)
        return np.expand_dims(total, tuple(axes)) if keepdims else total

    def mean(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        """Return the sum by the number of terms."""
        total = self.sum(x, axis, keepdims)
        return (total / self.dtype(x.size / total.size)).astype(self.dtype, copy=False)


def _one_by_one(a: Array, b: Array) -> Array:
    total = a[..., :, :1] * b[..., :1, :]
    for k in range(1, a.shape[-1]):
        total = total + a[..., :, k : k + 1] * b[..., k : k + 1, :]
    return total


def _in_chunks(a: Array, b: Array) -> Array:
    total = a[..., :CHUNK] @ b[..., :CHUNK, :]
    for k in range(CHUNK, a.shape[-1], CHUNK):
        total = total + a[..., k : k + CHUNK] @ b[..., k : k + CHUNK, :]
    return total


def _wider(dtype: Any) -> Any:
    return np.float64 if dtype is np.float32 else np.longdouble


def way(name: str, dtype: Any) -> Way:
    """Return the way called `name`."""
    if name == "wide":
        wide = _wider(dtype)
        return Way(
            name,
            dtype,
            lambda a, b: a.astype(wide) @ b.astype(wide),
            lambda x, axis: x.astype(wide).sum(axis),
            False,
        )
    product, added, other = {
        "blas": (np.matmul, np.sum, False),
        "einsum": (lambda a, b: np.einsum("...ij,...jk->...ik", a, b), np.sum, True),
        "loops": (_one_by_one, lambda x, axis: np.add.accumulate(x, axis).take(-1, axis), True),
        "chunks": (_in_chunks, lambda x, axis: np.flip(x, axis).sum(axis), False),
    }[name]
    return Way(name, dtype, product, added, other)


WAYS = ("blas", "einsum", "loops", "chunks", "wide")
