"""Everything of torch's private parts that the reference uses, in one place."""

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import torch
from torch import _VF, Tensor
from torch._C import _disabled_torch_function_impl
from torch._decomp import decomposition_table
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_map_only, tree_unflatten

__all__ = [
    "RECURRENT",
    "DispatchMode",
    "OpOverload",
    "decompose",
    "functional",
    "is_random",
    "no_torch_function",
    "operation_of",
    "tree_flatten",
    "tree_map",
    "tree_map_only",
    "tree_unflatten",
    "with_names",
    "wrapper",
]

RECURRENT = {
    name: getattr(_VF, name)
    for kind in ("rnn_tanh", "rnn_relu", "lstm", "gru")
    for name in (kind, f"{kind}_cell")
}
"""What nn.RNN, nn.LSTM, nn.GRU and their cells call, by name."""


def with_names(function: Any, **names: Any) -> Callable[..., Any]:
    """Return a copy of `function`, a function in Python, for which `names` mean something else."""
    for name in names:
        if name not in function.__code__.co_names:
            raise LookupError(f"{function.__name__} does not use {name}")
    copied = FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's
    """A mode that torch's compiler need not know of.

    Else torch wraps `__torch_dispatch__` by what imports its compiler, and sympy with it, which
    takes a second.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


no_torch_function = _disabled_torch_function_impl


def wrapper(cls: type[Tensor], like: Tensor) -> Any:
    """Return a tensor of `cls` without data, of the shape, strides, dtype and device of `like`."""
    make: Callable[..., Any] = Tensor._make_wrapper_subclass
    return make(
        cls,
        like.shape,
        strides=like.stride(),
        storage_offset=like.storage_offset(),
        dtype=like.dtype,
        device=like.device,
    )


@cache
def operation_of(func: OpOverload) -> str:
    """Return the name of an ATen operation without namespace, overload and in-place mark."""
    name = func._schema.name.split("::")[1]
    return name.removesuffix("_") if is_in_place(func) else name


@cache
def is_in_place(func: OpOverload) -> bool:
    """Return whether `func` writes into its first argument and returns it."""
    arguments = func._schema.arguments
    name = func._schema.name
    return bool(
        name.endswith("_")
        and not name.endswith("__")
        and arguments
        and arguments[0].alias_info is not None
        and arguments[0].alias_info.is_write
    )


@cache
def written(func: OpOverload) -> tuple[int | str, ...]:
    """Return which arguments `func` writes into: positions, or names of keyword arguments."""
    return tuple(
        argument.name if argument.kwarg_only else i
        for i, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )


def functional(func: OpOverload) -> OpOverload | None:
    """Return the operation that computes what `func` writes, if there is one."""
    packet = getattr(getattr(torch.ops, func.namespace), operation_of(func), None)
    places = () if is_in_place(func) else written(func)
    wanted = [str(a.type) for a in func._schema.arguments if a.name not in places]
    for overload in packet.overloads() if packet is not None else ():
        other: OpOverload = getattr(packet, overload)
        if not written(other) and [str(a.type) for a in other._schema.arguments] == wanted:
            return other
    return None


@cache
def numeric(func: OpOverload) -> frozenset[int | str]:
    """Return which arguments of `func` are tensors or numbers, of a tensor's elements' kind."""
    return frozenset(
        argument.name if argument.kwarg_only else i
        for i, argument in enumerate(func._schema.arguments)
        if str(argument.type) in ("Tensor", "Optional[Tensor]", "number", "Optional[number]")
    )


def argument_names(func: OpOverload) -> list[str]:
    """Return the names of the arguments of `func`."""
    return [argument.name for argument in func._schema.arguments]


def storage(x: Tensor) -> tuple[int, int]:
    """Return where the numbers of `x` lie, and how often they were written to."""
    return x.untyped_storage().data_ptr(), x._version


@cache
def is_random(func: OpOverload) -> bool:
    """Return whether `func` draws random numbers."""
    return torch.Tag.nondeterministic_seeded in func.tags


def decompose(func: OpOverload, args: Any, kwargs: Any) -> Any:
    """Return what `func` gives by simpler operations, or NotImplemented."""
    form = decomposition_table.get(func)
    if form is not None:
        return form(*args, **kwargs)
    if func._can_decompose():
        return func.decompose(*args, **kwargs)
    return NotImplemented
