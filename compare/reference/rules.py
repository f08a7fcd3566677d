"""The table of rules, and the words that they are written in.

A rule says what rounding does in one operation, in units of u. Three kinds, each by ATen's name:

- `errors`: E^2 of the result, from the result and the operands;
- `form`: the operation written out in simpler ones, or with a value of its own;
- `moves`: elements are only copied, and errors are copied alike.

An error that arrives is multiplied by the derivative; errors that are independent add as squares
(Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.3, in the probabilistic
form of Higham and Mary 2019).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from compare.reference.context import current

Squares = Any
"""E^2: a Tensor of each element, or 0.0 where all are exact."""


class Value(NamedTuple):
    """An operand: `v` a tensor or a number, `e2` its E^2, None where it is exact."""

    v: Any
    e2: Tensor | None


ONE = Value(1, None)

ERRORS: dict[str, Callable[..., Squares]] = {}
FORMS: dict[str, Callable[..., Any]] = {}
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


def form(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function of the operation's own arguments that returns Rounded tensors."""

    def enter(rule: Callable[..., Any]) -> Callable[..., Any]:
        FORMS.update(dict.fromkeys(names, rule))
        return rule

    return enter


def moves(*names: str, fills: str | None = None) -> None:
    """Enter operations that copy elements, and fill with the argument `fills`."""
    MOVES.update(dict.fromkeys(names, fills))


def own(o: Tensor) -> Tensor:
    """o^2 and the floor of the format: a result is rounded once."""
    return torch.addcmul(current().floor2(o), o, o)


def through(derivative: Any, x: Value) -> Squares:
    """(derivative Ex)^2, what arrives of the error of an operand."""
    return 0.0 if x.e2 is None else derivative * derivative * x.e2


def largest(*forms: Squares) -> Squares:
    """Return the largest E^2, element by element, of several forms that are right."""
    worst = forms[0]
    for other in forms[1:]:
        worst = torch.maximum(torch.as_tensor(worst), torch.as_tensor(other))
    return worst
