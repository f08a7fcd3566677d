"""The rule that says how far a value may be off: C u ||E||, of the whole and of each part."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from compare.evaluation import Evaluation
from compare.judgement import Extent, norm
from compare.reference.allowed import allowed
from compare.reference.evaluate import Evaluated

Array = NDArray[np.float64]


class OfValue:
    """The rule for one value.

    Parameters
    ----------
    value : Evaluated
        With E^2 of each element.
    u : float
        Unit roundoff.
    """

    def __init__(self, value: Evaluated, u: float) -> None:
        self.e2 = torch.zeros_like(value.v) if value.e2 is None else value.e2
        self.u = u

    def allowed(self, name: str = "") -> float:
        """Return the L2 norm of the error that is allowed to the whole, whatever its name."""
        del name
        return float(allowed(self.e2, self.u))

    def extent(self, name: str, error: Array, expected: Array) -> Extent:
        """Return the extent of `error` in the whole or, if it alone is off, in a slice along an
        axis or in an element.
        """
        whole = Extent(float(norm(error)), self.allowed(name), float(norm(expected)))
        if whole.error > whole.allowed:
            return whole
        every = tuple(range(error.ndim))
        for kept in (*((axis,) for axis in reversed(every)), every):
            others = tuple(axis for axis in every if axis not in kept)
            errors = norm(error, others)
            limits = allowed(self.e2, self.u, kept).numpy()
            if (errors > limits).any():
                with np.errstate(divide="ignore", invalid="ignore"):
                    at = np.unravel_index(int(np.nanargmax(errors / limits)), errors.shape)
                size, part = float(norm(expected, others)[at]), _part(error.ndim, kept, at)
                return Extent(float(errors[at]), float(limits[at]), size, part)
        return whole


def _part(ndim: int, kept: tuple[int, ...], at: Sequence[Any]) -> str:
    """Return what a slice or an element is called."""
    place = ", ".join(str(int(i)) for i in at)
    if len(kept) == ndim:
        return f"the size of its element {place}"
    if ndim < 3:
        return f"the size of its {('row', 'column')[kept[0]]} {place}"
    return f"the size of its slice {place} along axis {kept[0]}"


class Derived:
    """The rule for each value of an Evaluation.

    Parameters
    ----------
    e : Evaluation
        The reference at the candidate's parameters.
    dtype : dtype
        Of the candidate.
    """

    def __init__(self, e: Evaluation, dtype: DTypeLike) -> None:
        self.e, self.dtype = e, dtype

    @property
    def on_edge(self) -> NDArray[np.bool_]:
        """Rows of which correct code may select otherwise."""
        return self.e.errors(self.dtype).on_edge

    def allowed(self, name: str) -> float:
        """Return the L2 norm of the error that is allowed to all of the quantity `name`."""
        return self._of(name).allowed()

    def extent(self, name: str, error: Array, expected: Array) -> Extent:
        """Return the extent of `error` in the whole or, if it alone is off, in a part."""
        return self._of(name).extent(name, error, expected)

    def _of(self, name: str) -> OfValue:
        errors = self.e.errors(self.dtype)
        return OfValue(errors.named[name], errors.u)
