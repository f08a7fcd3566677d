"""What rules and forms are written in: a value with its E^2, and what rounding does to it."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from compare.reference.context import current
from compare.reference.rules import ERRORS, FORMS, Squares


class Value:
    """An operand: `v` a tensor or a number, `e2` its E^2, None where it is exact.

    Forms of many operations are written in it: torch's dispatch takes as long as the arithmetic.
    `is_weight` says whether it was computed from parameters alone.
    """

    __slots__ = ("e2", "is_weight", "v")

    def __init__(self, v: Any, e2: Any, is_weight: bool = False) -> None:
        self.v, self.e2, self.is_weight = v, e2, is_weight

    @property
    def shape(self) -> torch.Size:
        """Of the tensor."""
        shape: torch.Size = self.v.shape
        return shape

    def __add__(self, y: Any) -> "Value":
        return _computed("add", operator.add, self, y)

    def __sub__(self, y: Any) -> "Value":
        return _computed("sub", operator.sub, self, y)

    def __mul__(self, y: Any) -> "Value":
        return _computed("mul", operator.mul, self, y)

    def __truediv__(self, y: Any) -> "Value":
        return _computed("div", operator.truediv, self, y)

    def __neg__(self) -> "Value":
        return _computed("neg", operator.neg, self)

    def __rsub__(self, y: Any) -> "Value":
        return _computed("sub", operator.sub, y, self)

    def __rmul__(self, y: Any) -> "Value":
        return _computed("mul", operator.mul, y, self)

    def __rtruediv__(self, y: Any) -> "Value":
        return _computed("div", operator.truediv, y, self)

    def map(self, name: str, *others: Any) -> "Value":
        """Return what the operation `name` makes of each element."""
        return _computed(name, getattr(torch, name), self, *others)

    def sum(self, dims: Any = None, keepdim: bool = False) -> "Value":
        """Over `dims`, all for None."""
        total: Value = FORMS["sum"](self, dims, keepdim)
        return total

    def mean(self, dims: Any = None, keepdim: bool = False) -> "Value":
        """Over `dims`, all for None."""
        made: Value = FORMS["mean"](self, dims, keepdim)
        return made

    def moved(self, move: Callable[[Tensor], Tensor]) -> "Value":
        """The same elements, in other places."""
        return Value(move(self.v), None if self.e2 is None else move(self.e2), self.is_weight)

    def reshape(self, *shape: Any) -> "Value":
        """The same elements in another shape."""
        return self.moved(lambda x: x.reshape(*shape))


ONE = Value(1, None)


def own(o: Tensor) -> Tensor:
    """o^2 and the floor of the format: a result is rounded once."""
    return torch.addcmul(current().floor2(o), o, o)


def rounding2(v: Tensor) -> Tensor | None:
    """Return E^2 of storing `v`, None if it is 0."""
    if current().format.dtype == torch.float64:
        return None
    return torch.where(current().format.holds(v), 0.0, v * v)


def of_number(x: Any) -> Value:
    """Return a number, which is rounded as it is stored."""
    kind = current().format
    if kind.dtype == torch.float64:
        return Value(x, None)
    stored = torch.tensor(float(x), dtype=torch.float64)
    return Value(x, None if bool(kind.holds(stored)) else stored * stored)


def _operand(x: Any) -> Value:
    if isinstance(x, Value):
        return x
    return Value(x, None) if isinstance(x, Tensor) else of_number(x)


def _computed(name: str, f: Callable[..., Any], *given: Any) -> Value:
    """Return `f`, with its errors by the rule of `name`."""
    operands = [_operand(x) for x in given]
    o = f(*(x.v for x in operands))
    e2 = ERRORS[name](o, *operands)
    weight = all(x.is_weight for x in given if isinstance(x, Value))
    return Value(o, e2 if isinstance(e2, Tensor) else None, weight)


def chosen(condition: Tensor, x: Value | float, y: Value | float) -> Value:
    """Return `x` where the condition holds, else `y`; unlike a comparison, this is no kink."""
    a, b = _operand(x), _operand(y)
    e2 = torch.where(condition, *(0.0 if z.e2 is None else z.e2 for z in (a, b)))
    return Value(torch.where(condition, a.v, b.v), e2)


def through(derivative: Any, x: Value) -> Squares:
    """(derivative Ex)^2, what arrives of the error of an operand."""
    return 0.0 if x.e2 is None else derivative * derivative * x.e2


def largest(*forms: Squares) -> Squares:
    """Return the largest E^2, element by element, of several forms that are right."""
    worst = forms[0]
    for other in forms[1:]:
        worst = torch.maximum(torch.as_tensor(worst), torch.as_tensor(other))
    return worst
