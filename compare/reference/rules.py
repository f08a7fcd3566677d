"""The table of rules, and the words that they are written in.

A rule says what rounding does in one operation, in units of u. Three kinds, each by ATen's name:

- `errors`: E^2 of the result, from the result and the operands;
- `form`: the operation written out in simpler ones, or with a value of its own;
- `moves`: elements are only copied, and errors are copied alike.

An error that arrives is multiplied by the derivative; errors that are independent add as squares
(Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.3, in the probabilistic
form of Higham and Mary 2019).
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from compare.reference.context import current

Squares = Any
"""E^2: a Tensor of each element, or 0.0 where all are exact."""


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

    def sqrt(self) -> "Value":
        """Of each element."""
        return _computed("sqrt", torch.sqrt, self)

    def rsqrt(self) -> "Value":
        """1 / sqrt of each element."""
        return _computed("rsqrt", torch.rsqrt, self)

    def sum(self, dims: Any = None, keepdim: bool = False) -> "Value":
        """Over `dims`, all for None."""
        total: Value = FORMS["sum"](self, dims, keepdim)
        return total

    def mean(self, dims: Any = None, keepdim: bool = False) -> "Value":
        """Over `dims`, all for None."""
        made: Value = FORMS["mean"](self, dims, keepdim)
        return made

    def reshape(self, *shape: Any) -> "Value":
        """The same elements in another shape."""
        return Value(
            self.v.reshape(*shape),
            None if self.e2 is None else self.e2.reshape(*shape),
            self.is_weight,
        )


ONE = Value(1, None)

ERRORS: dict[str, Callable[..., Squares]] = {}
FORMS: dict[str, Callable[..., Any]] = {}
OF_VALUES: set[str] = set()
"""The forms that are written in Value."""
MOVES: dict[str, str | None] = {}
"""Of each operation that copies, the argument that it fills with, which is exact."""


def errors(*names: str) -> Callable[[Callable[..., Squares]], Callable[..., Squares]]:
    """Enter a function (o, *operands) -> E^2 of o under `names`.

    Tensors and numbers come as Value, anything else as it is.
    """

    def enter(rule: Callable[..., Squares]) -> Callable[..., Squares]:
        ERRORS.update(dict.fromkeys(names, rule))
        return rule

    return enter


def form(
    *names: str, of_values: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function of the operation's own arguments that returns Rounded tensors.

    With `of_values` tensors come as Value, and results are.
    """

    def enter(rule: Callable[..., Any]) -> Callable[..., Any]:
        FORMS.update(dict.fromkeys(names, rule))
        OF_VALUES.update(names if of_values else ())
        return rule

    return enter


def moves(*names: str, fills: str | None = None) -> None:
    """Enter operations that copy elements, and fill with the argument `fills`."""
    MOVES.update(dict.fromkeys(names, fills))


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


def _computed(name: str, f: Callable[..., Any], *given: Any) -> Value:
    """Return `f`, with its errors by the rule of `name`."""
    operands = [x if isinstance(x, Value) else of_number(x) for x in given]
    o = f(*(x.v for x in operands))
    e2 = ERRORS[name](o, *operands)
    weight = all(x.is_weight for x in given if isinstance(x, Value))
    return Value(o, e2 if isinstance(e2, Tensor) else None, weight)


def through(derivative: Any, x: Value) -> Squares:
    """(derivative Ex)^2, what arrives of the error of an operand."""
    return 0.0 if x.e2 is None else derivative * derivative * x.e2


def largest(*forms: Squares) -> Squares:
    """Return the largest E^2, element by element, of several forms that are right."""
    worst = forms[0]
    for other in forms[1:]:
        worst = torch.maximum(torch.as_tensor(worst), torch.as_tensor(other))
    return worst
