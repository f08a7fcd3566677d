"""How far the values of a network may be off: the only place where an error of them is allowed.

u is the unit roundoff of the candidate's format. E is the rounding error to be expected of a value,
in units of u, carried through the module beside the values as a root of sums of squares: a running
error analysis (Wilkinson 1963; Higham, Accuracy and Stability of Numerical Algorithms, 2002,
section 3.3) in the probabilistic form of Higham and Mary 2019 ("A new approach to probabilistic
rounding error analysis"). An error is allowed up to

    C u ||E||,

of a whole tensor, of each slice along each of its axes and of each element. It is made of the
*terms* of each sum, not of its result, so that a gradient that cancels to nothing (a fitted sample,
a dead unit) is judged by what was added up to get it. There is no absolute floor but that of the
format itself.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whoever needs C alone needs no torch
    from torch import Tensor

C = 8.0
"""The factor: the power of two above twice the worst that correct networks reached on which it was
set, 3.0 (`make calibrate`). Half of 1,000 further networks reach 1.2 of it, and the worst 3.2.
Where terms are equal and round the same way again and again, E holds the proven bound by C, up to
which they come: 4.7 at most (docs/arithmetic.md)."""


def allowed(e2: "Tensor", u: float, axes: tuple[int, ...] = ()) -> "Tensor":
    """Return C u ||E||, of the whole, of each slice along an axis, of each element along all."""
    others = [d for d in range(e2.dim()) if d not in axes]
    return C * u * (e2.sum(others).sqrt() if others else e2.sqrt())
