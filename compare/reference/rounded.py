"""A tensor that carries its expected rounding error E through everything that torch computes.

`Rounded` holds a value v in float64 and E^2, in units of the candidate's u; each ATen operation,
of the forward pass and of those that autograd runs, goes through `dispatch`, which finds its rule:
a running error analysis (Wilkinson 1963; Higham 2002, section 3.3) of any program.

E is never lost silently: a floating-point result always is Rounded, or an error is raised.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from compare.reference import private
from compare.reference.context import current
from compare.reference.problems import UnsupportedError
from compare.reference.rules import ERRORS, FORMS, MOVES, OF_VALUES
from compare.reference.unruled import measured
from compare.reference.values import Value, of_number, own, rounding2


class Rounded(Tensor):
    """A float64 tensor with its E.

    Attributes
    ----------
    v : Tensor
        The value.
    e2 : Tensor or None
        E^2 of each element, with the strides of `v`; None where all is exact and nothing may be
        written in place.
    is_weight : bool
        Whether it was computed from parameters alone.
    """

    v: Tensor
    e2: Tensor | None
    is_weight: bool
    __torch_function__ = private.no_torch_function  # type: ignore[assignment] # as torch asks

    @staticmethod
    def __new__(
        cls: type["Rounded"],
        v: Tensor,
        e2: Tensor | float | None = None,
        *,
        is_weight: bool = False,
    ) -> "Rounded":
        """Wrap `v`."""
        made: Rounded = private.wrapper(cls, v)
        made.v, made.e2, made.is_weight = v, None if e2 is None else _alike(e2, v), is_weight
        return made

    @property
    def e(self) -> Tensor:
        """E, in units of u."""
        return torch.zeros_like(self.v) if self.e2 is None else self.e2.sqrt()

    def __repr__(self, **_: Any) -> str:  # type: ignore[override] # torch hides its argument
        return f"Rounded({self.v!r})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override] # torch's stub has no names
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Find the rule of `func`."""
        return dispatch(func, args, kwargs or {})


class EverythingRounded(private.DispatchMode):
    """What is made while this is entered is Rounded, too: `torch.zeros` in a forward."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch's is not annotated

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Find the rule of `func`."""
        return dispatch(func, args, kwargs or {})


def _alike(e2: Tensor | float, v: Tensor) -> Tensor:
    """Return `e2` with the shape and strides of `v`."""
    if isinstance(e2, Tensor) and e2.shape == v.shape and e2.stride() == v.stride():
        return e2
    return torch.empty_strided(v.shape, v.stride(), dtype=v.dtype, device=v.device).copy_(
        torch.as_tensor(e2)
    )


def constant(v: Tensor) -> Rounded:
    """Return a tensor that is given, rounded once where the candidate's format does not hold it."""
    v = v if v.dtype == torch.float64 else v.double()
    e2 = rounding2(v)
    return Rounded(v, torch.zeros_like(v) if e2 is None else e2)


def value(x: Any) -> Any:
    """Return the plain tensor of a number with an error, or of less than float64; else `x`."""
    if isinstance(x, (Rounded, Value)):
        return x.v
    if isinstance(x, Tensor) and x.is_floating_point() and x.dtype != torch.float64:
        return x.double()
    return x


def dispatch(func: private.OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what `func` gives, with its errors."""
    operation = private.operation_of(func)
    rounded = [x for x in _leaves((args, kwargs)) if isinstance(x, Rounded)]
    writes = () if operation in FORMS and not private.is_in_place(func) else private.written(func)
    if private.is_random(func) and operation not in FORMS:
        raise UnsupportedError(f"{operation} draws random numbers", current().modules[-1])
    for place in writes:
        target = kwargs.get(place) if isinstance(place, str) else args[place]
        if isinstance(target, Rounded):
            return _in_place(func, place, target, args, kwargs)
        if rounded and _is_floating(target):
            raise UnsupportedError(
                f"{operation} writes into a tensor that was made outside of the forward pass "
                "and is no buffer",
                current().modules[-1],
            )
    if operation in OF_VALUES:
        return _checked(_by_values(FORMS[operation], args, kwargs), func)
    if operation in FORMS:
        return _checked(FORMS[operation](*args, **kwargs), func)
    if operation in MOVES:
        return _moved(func, rounded, args, kwargs) if rounded else func(*args, **kwargs)
    if operation in ERRORS:
        return _by_rule(func, rounded, args, kwargs)
    result = private.decompose(func, args, kwargs) if rounded else NotImplemented
    return _without_rule(func, args, kwargs) if result is NotImplemented else _checked(result, func)


def _without_rule(func: private.OpOverload, args: Any, kwargs: Any) -> Any:
    """Return what `func` gives: exact, if it was made from no such number, else measured."""
    given, structure = private.tree_flatten((args, _in_float64(kwargs)))
    plain = [value(x) for x in given]

    def call(leaves: Any) -> Any:
        called_args, called_kwargs = private.tree_unflatten(leaves, structure)
        return func(*called_args, **called_kwargs)

    o = call(plain)
    leaves, shape = private.tree_flatten(o)
    if not any(map(_is_floating, leaves)):
        return o
    if not any(map(_is_floating, given)):
        return _each(lambda x: constant(x) if _is_floating(x) else x, o)
    noted = current().here(private.operation_of(func))
    current().unruled[noted] = None
    arrived = [x.e2 if isinstance(x, Rounded) else None for x in given]
    floating = [x for x in leaves if _is_floating(x)]
    spread = iter(
        measured(lambda x: list(filter(_is_floating, _leaves(call(x)))), plain, arrived, floating)
    )
    rounded = [Rounded(x, next(spread) + own(x)) if _is_floating(x) else x for x in leaves]
    return private.tree_unflatten(rounded, shape)


NESTED = (tuple, list, dict)


def _is_floating(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def _leaves(x: Any) -> list[Any]:
    found: list[Any] = []
    _collect(x, found)
    return found


def _collect(x: Any, found: list[Any]) -> None:
    if not isinstance(x, NESTED):
        found.append(x)
        return
    for part in x.values() if isinstance(x, dict) else x:
        _collect(part, found)


def _each(f: Callable[[Any], Any], x: Any) -> Any:
    """Return `x` with `f` of each leaf."""
    if not isinstance(x, NESTED):
        return f(x)
    if isinstance(x, dict):
        return {key: _each(f, part) for key, part in x.items()}
    return type(x)([_each(f, part) for part in x])


def _in_float64(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return `kwargs` with float64 in the place of a smaller floating-point dtype."""
    dtype = kwargs.get("dtype")
    if isinstance(dtype, torch.dtype) and dtype.is_floating_point:
        return {**kwargs, "dtype": torch.float64}
    return kwargs


def operand(x: Any) -> Any:
    """Return a tensor or a number as Value; a number, too, is rounded as it is stored."""
    if isinstance(x, Rounded):
        return Value(x.v, x.e2, x.is_weight)
    if x is None:
        return x
    if isinstance(x, Tensor):
        plain = value(x)
        return Value(plain, rounding2(plain) if plain.is_floating_point() else None)
    return of_number(x)


def _by_rule(func: private.OpOverload, rounded: list[Rounded], args: Any, kwargs: Any) -> Any:
    """Return `func` of the plain values, and E^2 by its rule."""
    plain_args, plain_kwargs = _each(value, args), _each(value, _in_float64(kwargs))
    o = func(*plain_args, **plain_kwargs)
    operands, named = _operands(func, args, kwargs)
    e2 = ERRORS[private.operation_of(func)](o, *operands, **named)
    weight = _of_weights(rounded)
    if isinstance(o, Tensor):
        return Rounded(o, e2, is_weight=weight) if _is_floating(o) else o
    return type(o)(
        Rounded(x, y, is_weight=weight) if _is_floating(x) else x
        for x, y in zip(o, e2, strict=True)
    )


def _by_values(rule: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Return what a form of Value gives."""
    args, kwargs = _each(_as_value, args), _each(_as_value, kwargs)
    return _each(_as_rounded, rule(*args, **kwargs))


def _as_value(x: Any) -> Any:
    return operand(x) if _is_floating(x) else x


def _as_rounded(x: Any) -> Any:
    if not isinstance(x, Value):
        return x
    return Rounded(x.v, 0.0 if x.e2 is None else x.e2, is_weight=x.is_weight)


def _operands(
    func: private.OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    numeric = private.numeric(func)
    return (
        [operand(x) if i in numeric else x for i, x in enumerate(args)],
        {k: operand(x) if k in numeric else x for k, x in kwargs.items() if k != "dtype"},
    )


def _of_weights(rounded: list[Rounded]) -> bool:
    """Return whether every tensor with an error was computed from parameters alone."""
    return bool(rounded) and all(x.is_weight for x in rounded)


def _moved(func: private.OpOverload, rounded: list[Rounded], args: Any, kwargs: Any) -> Any:
    """Return `func` of the values and, alike, of the errors."""
    plain_args, plain_kwargs = _each(value, args), _each(value, kwargs)
    o = func(*plain_args, **plain_kwargs)
    weight = _of_weights(rounded)
    if all(x.e2 is None for x in rounded):
        e2 = _each(lambda x: None if _is_floating(x) else x, o)
    else:
        error_args, error_kwargs = _each(_error, args), _each(_error, kwargs)
        fills = MOVES[private.operation_of(func)]
        if fills is not None:
            error_args, error_kwargs = _filled(func, fills, error_args, error_kwargs)
        e2 = func(*error_args, **error_kwargs)
    if isinstance(o, Tensor):
        return Rounded(o, e2, is_weight=weight) if _is_floating(o) else o
    return [Rounded(x, y, is_weight=weight) for x, y in zip(o, e2, strict=True)]


def _error(x: Any) -> Any:
    if isinstance(x, Rounded):
        return torch.zeros_like(x.v) if x.e2 is None else x.e2
    if not _is_floating(x):
        return x
    e2 = rounding2(value(x))
    return torch.zeros_like(value(x)) if e2 is None else e2


def _filled(func: private.OpOverload, fills: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Return the arguments with the E^2 of the number that is filled in."""
    names = private.argument_names(func)
    where = names.index(fills) if fills in names else len(args)  # scatter has two overloads
    if where < len(args) and not isinstance(args[where], Tensor):
        return (*args[:where], _squared(args[where]), *args[where + 1 :]), kwargs
    if fills in kwargs:
        return args, {**kwargs, fills: _squared(kwargs[fills])}
    return args, kwargs


def _squared(x: float) -> float:
    """Return E^2 of a number as a number."""
    return 0.0 if of_number(x).e2 is None else x * x


def _in_place(
    func: private.OpOverload, place: int | str, target: Rounded, args: Any, kwargs: Any
) -> Any:
    """Compute what `func` writes, and write it with its errors."""
    operation = private.operation_of(func)
    if target.e2 is None:
        raise UnsupportedError(f"{operation} writes into a parameter", current().modules[-1])
    without = {k: x for k, x in kwargs.items() if k != place}
    instead = private.functional(func)
    if instead is None:
        raise UnsupportedError(
            f"{func} writes in place and has no other form", current().modules[-1]
        )
    result = dispatch(instead, args, without)
    copied(target, result)
    return target


def copied(target: Rounded | Value, source: Any) -> None:
    """Write `source` into `target`, value and error; one that carries none takes none."""
    target.v.copy_(value(source))
    if target.e2 is None:
        return
    if isinstance(source, (Rounded, Value)) and source.e2 is not None:
        target.e2.copy_(source.e2)
    else:
        target.e2.zero_()
    target.is_weight = False


def _checked(result: Any, func: private.OpOverload) -> Any:
    """Return `result`, or raise where a floating-point tensor lost its error."""
    for x in _leaves(result):
        if _is_floating(x) and not isinstance(x, Rounded):
            raise AssertionError(f"the rule of {func} loses the error")
    return result
