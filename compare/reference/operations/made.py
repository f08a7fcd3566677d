"""Tensors that are made, cast or read."""

from typing import Any

import torch
from torch import Tensor

from compare.reference.context import current
from compare.reference.problems import UnsupportedError
from compare.reference.rounded import Rounded, constant, value
from compare.reference.rules import form

ops = torch.ops.aten


def _made(name: str) -> None:
    """Enter a factory: what is made is exact, and can be written to."""

    @form(name)
    def make(like: Any, *args: Any, **kwargs: Any) -> Any:
        packet = getattr(ops, name)
        made = packet(value(like), *map(value, args), **_double(kwargs))
        return constant(made) if made.is_floating_point() else made


def _double(kwargs: dict[str, Any]) -> dict[str, Any]:
    dtype = kwargs.get("dtype")
    return (
        {**kwargs, "dtype": torch.float64}
        if dtype is not None and dtype.is_floating_point
        else kwargs
    )


for _name in (
    "zeros_like",
    "ones_like",
    "empty_like",
    "full_like",
    "new_zeros",
    "new_ones",
    "new_empty",
    "new_full",
    "new_empty_strided",
    "lift_fresh",
):
    _made(_name)


@form("_to_copy")
def _to_copy(x: Tensor, *, dtype: torch.dtype | None = None, **kwargs: Any) -> Any:
    """Cast: to another floating-point dtype not at all, which is noted if it is a smaller one."""
    if dtype is None or dtype.is_floating_point:
        if dtype in (torch.float32, torch.float16, torch.bfloat16) and isinstance(x, Rounded):
            current().casts[current().here(str(dtype).removeprefix("torch."))] = None
        if not isinstance(x, Rounded):
            copy = ops._to_copy(x, dtype=dtype, **kwargs)
            return constant(copy) if copy.is_floating_point() else copy
        moved = ops._to_copy(x.v, dtype=torch.float64, **kwargs)
        errors = None if x.e2 is None else ops._to_copy(x.e2, dtype=torch.float64, **kwargs)
        return Rounded(moved, errors, is_weight=x.is_weight)
    if dtype.is_complex:
        raise UnsupportedError("complex numbers", current().modules[-1])
    return ops._to_copy(value(x), dtype=dtype, **kwargs)


@form("_local_scalar_dense")
def _read(x: Tensor) -> Any:
    """Read a number: what has an error loses it, which is noted."""
    if isinstance(x, Rounded) and x.e2 is not None and bool(x.e2.any()):
        current().read[current().here("item")] = None
    return value(x).item()


def _mask(shape: Any) -> Tensor:
    """Return the next mask of dropout that was handed over, as 0 and 1."""
    context = current()
    if context.masks is None:
        raise UnsupportedError(
            "dropout draws random numbers: evaluate in eval mode, or hand its masks over",
            context.modules[-1],
        )
    if not context.masks:
        raise UnsupportedError(
            "more dropouts than masks that were handed over", context.modules[-1]
        )
    mask = context.masks.pop(0)
    if mask.shape != shape:
        wanted, given = tuple(shape), tuple(mask.shape)
        raise UnsupportedError(
            f"a dropout of shape {wanted} is handed a mask of shape {given}", context.modules[-1]
        )
    return (mask != 0).double()


@form("bernoulli")
def _bernoulli(x: Tensor, *_: Any, **__: Any) -> Any:
    """Take a mask, which torch's dropout divides by 1 - p and multiplies with."""
    return constant(_mask(x.shape))


@form("native_dropout")
def _native_dropout(x: Any, p: float, train: bool | None) -> Any:
    """x mask / (1 - p), and the mask."""
    if not train:
        return x, torch.ones(x.shape, dtype=torch.bool)
    mask = _mask(x.shape)
    return x * (mask / (1 - p)), mask.bool()


@form("native_dropout_backward")
def _native_dropout_backward(g: Any, mask: Tensor, scale: float) -> Any:
    """g mask / (1 - p)."""
    return g * (mask.double() * scale)


@form("normal", "uniform", "randn", "rand", "randperm", "randint")
def _random(*args: Any, **kwargs: Any) -> Any:
    """Refuse: two runs would be two functions."""
    raise UnsupportedError("draws random numbers", current().modules[-1])
