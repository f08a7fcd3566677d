"""How far correct code may be off: the only place where the new arithmetic allows an error.

An error is allowed up to C u ||E||, of a whole tensor and of each slice along each of its axes.
"""

from torch import Tensor

C = 16.0
"""The factor. What correct networks reach of it: see docs/arithmetic.md."""


def allowed(e2: Tensor, u: float, axis: int | None = None) -> Tensor:
    """Return C u ||E||, of the whole or of each slice along `axis`."""
    if axis is None:
        return C * u * e2.sum().sqrt()
    others = [d for d in range(e2.dim()) if d != axis]
    return C * u * (e2.sum(others).sqrt() if others else e2.sqrt())
