"""A copy of a module whose parameters and buffers carry errors."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from compare.reference.private import tree_flatten
from compare.reference.rounded import Rounded, constant
from compare.reference.values import rounding2


@contextmanager
def float64_by_default() -> Iterator[None]:
    """Make float64 the default dtype, and restore what it was."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def given(x: Any) -> Any:
    """Return what is given as exact, carrying no error; what is no number as it is."""
    return constant(x.detach()) if isinstance(x, Tensor) and x.is_floating_point() else x


def instance_of(
    module: nn.Module, params: Mapping[str, Tensor], buffers: Mapping[str, Tensor]
) -> tuple[nn.Module, dict[str, Any]]:
    """Return a copy of `module` whose parameters and buffers are Rounded, and the parameters.

    Wherever the module holds one of its tensors, under however many names, the copy holds the same
    Rounded; nothing is shared with the module but what is no tensor.
    """
    memo: dict[int, Any] = {}
    leaves: dict[str, Any] = {}
    for name, parameter in module.named_parameters():
        value = params.get(name, parameter).detach().to(torch.float64)
        e2 = rounding2(value)
        e2 = None if e2 is None or not (e2.is_meta or e2.any()) else e2
        leaf = Rounded(value, e2, is_weight=True)
        leaves[name] = leaf.requires_grad_(parameter.requires_grad)
        memo[id(parameter)] = leaves[name]
    for name, buffer in module.named_buffers():
        value = buffers.get(name, buffer).detach().clone()
        memo[id(buffer)] = constant(value) if value.is_floating_point() else value
    for part in module.modules():
        for held in tree_flatten(vars(part))[0]:
            if isinstance(held, Tensor) and held.is_floating_point() and id(held) not in memo:
                memo[id(held)] = constant(held.detach().clone())
    return copy.deepcopy(module, memo), {k: v for k, v in leaves.items() if v.requires_grad}
