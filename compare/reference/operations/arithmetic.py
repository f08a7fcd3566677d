"""Operations of each element by itself: sums, products, powers, elementary functions."""

import math
from typing import Any

import torch
from torch import Tensor

from compare.reference.rules import Squares, errors
from compare.reference.values import ONE, Value, own, through

ELEMENTARY = 4.0
"""E^2 of an elementary function, per o^2: libraries of functions promise 1 ulp, which is up to 2 u
(numpy's own for float32 up to 4 ulp, mostly below 1; numpy documentation, "Floating point
accuracy")."""


@errors("add")
def _add(o: Tensor, x: Value, y: Value, alpha: Value = ONE) -> Squares:
    """E^2 = Ex^2 + (alpha Ey)^2 + o^2."""
    return through(1, x) + through(alpha.v, y) + own(o)


@errors("sub")
def _sub(o: Tensor, x: Value, y: Value, alpha: Value = ONE) -> Squares:
    """E^2 = Ex^2 + (alpha Ey)^2 + o^2."""
    return through(1, x) + through(alpha.v, y) + own(o)


@errors("rsub")
def _rsub(o: Tensor, x: Value, y: Value, alpha: Value = ONE) -> Squares:
    """E^2 = (alpha Ex)^2 + Ey^2 + o^2."""
    return through(alpha.v, x) + through(1, y) + own(o)


@errors("mul")
def _mul(o: Tensor, x: Value, y: Value) -> Squares:
    """E^2 = (y Ex)^2 + (x Ey)^2 + o^2; of x by itself (2 x Ex)^2 + o^2."""
    if x.v is y.v:
        return through(2 * x.v, x) + own(o)
    return through(y.v, x) + through(x.v, y) + own(o)


@errors("div")
def _div(o: Tensor, x: Value, y: Value, rounding_mode: str | None = None) -> Squares:
    """E^2 = (Ex / y)^2 + (o Ey / y)^2 + o^2."""
    if rounding_mode is not None:
        return 0.0 * o
    inverse = 1.0 / y.v
    return through(inverse, x) + through(o * inverse, y) + own(o)


@errors("neg")
def _neg(o: Tensor, x: Value) -> Squares:
    """E = Ex."""
    return through(1, x)


@errors("pow")
def _pow(o: Tensor, x: Value, p: Value) -> Squares:
    """E^2 = (p x^(p-1) Ex)^2 + (o log x Ep)^2 + own; x^n by |n| - 1 products or a function."""
    arriving: Squares = 0.0
    if x.e2 is not None:
        arriving = through(p.v * torch.as_tensor(x.v) ** (p.v - 1), x)
    if p.e2 is not None:
        arriving = arriving + through(o * torch.as_tensor(x.v).abs().log(), p)
    if not isinstance(p.v, Tensor) and float(p.v) in (0.0, 1.0):
        return arriving + 0.0 * o
    whole = not isinstance(p.v, Tensor) and float(p.v).is_integer()
    return arriving + (max(abs(p.v) - 1, 1) if whole else ELEMENTARY) * own(o)


def _elementary(name: str, derivative: Any, rounds: float = ELEMENTARY) -> None:
    """Enter a function with its derivative of (x, o): E^2 = (f' Ex)^2 + rounds o^2."""

    @errors(name)
    def rule(o: Tensor, x: Value) -> Squares:
        return (through(derivative(x.v, o), x) if x.e2 is not None else 0.0) + rounds * own(o)


_elementary("sqrt", lambda x, o: 0.5 / o, 1.0)
_elementary("rsqrt", lambda x, o: -0.5 * o / x, 2.0)  # a root and a quotient
_elementary("reciprocal", lambda x, o: -o * o, 1.0)
_elementary("exp", lambda x, o: o)
_elementary("exp2", lambda x, o: o * math.log(2))
_elementary("expm1", lambda x, o: o + 1)
_elementary("log", lambda x, o: 1 / x)
_elementary("log2", lambda x, o: 1 / (x * math.log(2)))
_elementary("log10", lambda x, o: 1 / (x * math.log(10)))
_elementary("log1p", lambda x, o: 1 / (1 + x))
_elementary("sin", lambda x, o: torch.cos(x))
_elementary("cos", lambda x, o: -torch.sin(x))
_elementary("tan", lambda x, o: 1 + o * o)
_elementary("asin", lambda x, o: (1 - x * x).rsqrt())
_elementary("acos", lambda x, o: -(1 - x * x).rsqrt())
_elementary("atan", lambda x, o: 1 / (1 + x * x))
_elementary("sinh", lambda x, o: torch.cosh(x))
_elementary("cosh", lambda x, o: torch.sinh(x))
_elementary("asinh", lambda x, o: (1 + x * x).rsqrt())
_elementary("erf", lambda x, o: 2 / math.sqrt(math.pi) * torch.exp(-x * x))
_elementary("erfc", lambda x, o: -2 / math.sqrt(math.pi) * torch.exp(-x * x))


@errors("lerp")
def _lerp(o: Tensor, x: Value, y: Value, weight: Value) -> Squares:
    """x + w (y - x): E^2 = ((1 - w) Ex)^2 + (w Ey)^2 + ((y - x) Ew)^2 + (w (y - x))^2 2 + o^2."""
    d, w = y.v - x.v, weight.v
    moved = w * d
    return through(1 - w, x) + through(w, y) + through(d, weight) + 2 * moved * moved + own(o)


@errors("addcmul")
def _addcmul(o: Tensor, x: Value, y: Value, z: Value, value: Value = ONE) -> Squares:
    """x + c y z: E^2 = Ex^2 + (c z Ey)^2 + (c y Ez)^2 + 2 (c y z)^2 + o^2."""
    product, c = value.v * y.v * z.v, value.v
    return through(1, x) + through(c * z.v, y) + through(c * y.v, z) + 2 * product**2 + own(o)


@errors("addcdiv")
def _addcdiv(o: Tensor, x: Value, y: Value, z: Value, value: Value = ONE) -> Squares:
    """x + c y / z: E^2 = Ex^2 + (c Ey / z)^2 + (c y Ez / z^2)^2 + 2 (c y / z)^2 + o^2."""
    quotient, c = value.v * y.v / z.v, value.v
    return (
        through(1, x) + through(c / z.v, y) + through(quotient / z.v, z) + 2 * quotient**2 + own(o)
    )


@errors("atan2")
def _atan2(o: Tensor, y: Value, x: Value) -> Squares:
    """E^2 = ((x Ey)^2 + (y Ex)^2) / (x^2 + y^2)^2 + own."""
    r2 = x.v * x.v + y.v * y.v
    return through(x.v / r2, y) + through(y.v / r2, x) + ELEMENTARY * own(o)


@errors("linspace", "logspace")
def _spaced(o: Tensor, *_: Any, **__: Any) -> Squares:
    """Made of a product and a sum."""
    return 2 * own(o)
