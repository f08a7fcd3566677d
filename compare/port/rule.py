"""How far a value may be off that was evaluated with its error: a Rule for one value."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compare.judgement import Extent, norm
from compare.reference.allowed import allowed
from compare.reference.evaluate import Evaluated

Array = NDArray[Any]


class ByModule:
    """C u ||E||, of the whole tensor and of each slice along each axis."""

    def __init__(self, value: Evaluated, u: float) -> None:
        self.e2 = torch.zeros_like(value.v) if value.e2 is None else value.e2
        self.u = u

    def allowed(self, name: str) -> float:
        """Return the L2 norm of the error that is allowed to the whole, whatever its name."""
        del name
        return float(allowed(self.e2, self.u))

    def extent(self, name: str, error: Array, expected: Array) -> Extent:
        """Return the extent of `error` in the whole or, if it alone is off, in a slice."""
        whole = Extent(float(norm(error)), self.allowed(name), float(norm(expected)))
        if whole.error > whole.allowed:
            return whole
        for axis in range(error.ndim):
            others = tuple(a for a in range(error.ndim) if a != axis)
            errors = np.sqrt(np.square(error).sum(others))
            limits = allowed(self.e2, self.u, axis).numpy()
            if (errors > limits).any():
                with np.errstate(divide="ignore", invalid="ignore"):
                    i = int(np.nanargmax(errors / limits))
                size = float(np.sqrt(np.square(np.take(expected, i, axis)).sum()))
                part = f"the size of its slice {i} along axis {axis}"
                return Extent(float(errors[i]), float(limits[i]), size, part)
        return whole
