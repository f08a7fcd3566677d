"""The mistakes in a network, of all parts."""

from compare.causes.extended import EXTENDED
from compare.causes.forward import FORWARD
from compare.causes.gradient import GRADIENT
from compare.causes.loss import LOSS
from compare.causes.mistake import Mistake
from compare.causes.numerics import NUMERICS
from compare.causes.state import STATE

NETWORK: tuple[Mistake, ...] = (*FORWARD, *EXTENDED, *LOSS, *GRADIENT, *STATE, *NUMERICS)
"""The mistakes in a network, those that explain most first."""
