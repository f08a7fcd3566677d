"""The table of rules.

A rule says what rounding does in one operation, in units of u. Three kinds, each by ATen's name:

- `errors`: E^2 of the result, from the result and the operands;
- `form`: the operation written out in simpler ones, or with a value of its own;
- `moves`: elements are only copied, and errors are copied alike.

An error that arrives is multiplied by the derivative; errors that are independent add as squares
(Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.3, in the probabilistic
form of Higham and Mary 2019).
"""

from collections.abc import Callable
from typing import Any, TypeVar

Rule = TypeVar("Rule", bound=Callable[..., Any])

Squares = Any
"""E^2: a Tensor of each element, or 0.0 where all are exact."""


ERRORS: dict[str, Callable[..., Squares]] = {}
FORMS: dict[str, Callable[..., Any]] = {}
OF_VALUES: set[str] = set()
"""The forms that are written in Value."""
MOVES: dict[str, str | None] = {}
"""Of each operation that copies, the argument that it fills with, which is exact."""


def errors(*names: str) -> Callable[[Rule], Rule]:
    """Enter a function (o, *operands) -> E^2 of o under `names`.

    Tensors and numbers come as `compare.reference.values.Value`, anything else as it is.
    """

    def enter(rule: Rule) -> Rule:
        ERRORS.update(dict.fromkeys(names, rule))
        return rule

    return enter


def form(*names: str, of_values: bool = False) -> Callable[[Rule], Rule]:
    """Enter a function of the operation's own arguments that returns Rounded tensors.

    With `of_values` tensors come as Value, and results are.
    """

    def enter(rule: Rule) -> Rule:
        FORMS.update(dict.fromkeys(names, rule))
        OF_VALUES.update(names if of_values else ())
        return rule

    return enter


def moves(*names: str, fills: str | None = None) -> None:
    """Enter operations that copy elements, and fill with the argument `fills`."""
    MOVES.update(dict.fromkeys(names, fills))
