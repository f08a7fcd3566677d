"""Number formats of a candidate, by what rounding does in them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from compare.reference.problems import UnsupportedError

LEAST = 2.0**-900
"""An E^2 that is nothing beside any that a value can have: an error of 1e-151 in float64."""


@dataclass(frozen=True)
class Format:
    """How a candidate rounds; every E is in units of its u.

    Attributes
    ----------
    name : str
        What people call it.
    dtype : torch.dtype
        In which values are stored.
    u : float
        Unit roundoff of a value that is stored, half the distance from 1 to the next.
    tiny : float
        Least normal number. What lies below may be flushed to zero (by a GPU, or by
        1 / (1 + exp(-x)) once exp overflows).
    accumulator : float
        Unit roundoff in which products are added up; u, where nothing else is used.
    factors : float
        Unit roundoff to which the factors of matrix products are rounded before; 0 for none.
    """

    name: str
    dtype: torch.dtype
    u: float
    tiny: float
    accumulator: float
    factors: float = 0.0

    @property
    def floor2(self) -> float:
        """E^2 that a value is granted by the range of its format: tiny, in units of u.

        E^2 is held in float64: more than LEAST, so that what it is multiplied with does not bring
        it among subnormal numbers, with which processors are slow.
        """
        return max((self.tiny / self.u) ** 2, LEAST)

    def holds(self, v: Tensor) -> Tensor:
        """Return which numbers are stored without rounding."""
        return v.to(self.dtype).to(v.dtype) == v

    @property
    def added2(self) -> float:
        """(u of the accumulator / u)^2."""
        return (self.accumulator / self.u) ** 2

    @property
    def factors2(self) -> float:
        """(u of the factors / u)^2, of each of the two."""
        return (self.factors / self.u) ** 2


def _format(name: str, dtype: torch.dtype, **others: float) -> Format:
    numbers = torch.finfo(dtype)
    u = numbers.eps / 2
    return Format(name, dtype, u, numbers.tiny, **{"accumulator": u, **others})


SINGLE = torch.finfo(torch.float32).eps / 2

FORMATS = {
    form.name: form
    for form in (
        _format("float64", torch.float64),
        _format("float32", torch.float32),
        # TF32 products: factors of 10 bits of significand, added in float32 (NVIDIA, "NVIDIA A100
        # Tensor Core GPU Architecture", 2020); numpy's and torch's own float16 add up in float32
        _format("tf32", torch.float32, factors=2.0**-11),
        _format("float16", torch.float16, accumulator=SINGLE),
        _format("bfloat16", torch.bfloat16, accumulator=SINGLE),
    )
}
"""The formats that are known, by name."""


def format_of(name: str) -> Format:
    """Return the format called `name`.

    Raises
    ------
    UnsupportedError
        Where it is not known how it rounds: nothing is judged by another's rounding.
    """
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise UnsupportedError(f"it is not known how {name} rounds, only how {known} do")
    return FORMATS[name]
