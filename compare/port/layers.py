"""Other documented definitions of layers: normalizations, dropout, and ReLU at 0."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compare.conventions import RELU_AT_ZERO, VARIANCE_EPSILONS, short
from compare.port.conventions import Definition, Replacement


def layers() -> list[Definition]:
    """Return other definitions: of dropout, of a variance and what is added to it, of ReLU at 0."""
    afterwards = Definition(
        "dropout scales by 1 - p afterwards, as in the book; torch's in training",
        {F.dropout: _afterwards},
    )
    return [afterwards, BIASED, ONE_AT_ZERO] + [
        Definition(
            f"the normalization adds {short(epsilon)} to the variance; the module's eps differs",
            dict.fromkeys((F.batch_norm, F.layer_norm, F.group_norm), _with_eps(epsilon)),
        )
        for epsilon in (*VARIANCE_EPSILONS, 1e-5)
    ]


def _afterwards(
    func: Any, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    """Compute dropout without a scale in training, and with 1 - p afterwards."""
    return func(input, p, training, inplace) * (1 - p)


def _with_eps(epsilon: float) -> Replacement:
    def normalize(func: Any, *args: Any, **options: Any) -> Any:
        if "eps" in options:
            return func(*args, **{**options, "eps": epsilon})
        return func(*args[:-1], epsilon, **options)  # it comes last in all of them

    return normalize


def _biased(
    func: Any, input: Tensor, mean: Tensor | None, var: Tensor | None, weight: Any = None,
    bias: Any = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip  # F.batch_norm's
    """Compute batch_norm, and let the running variance move by the variance of B, not B - 1."""
    if not training or mean is None or var is None:
        return func(input, mean, var, weight, bias, training, momentum, eps)
    moved, count = (mean.clone(), var.clone()), input.numel() // input.shape[1]
    output = func(input, *moved, weight, bias, training, momentum, eps)
    mean.copy_(moved[0])
    kept = (1 - momentum) * var
    var.copy_(kept + (moved[1] - kept) * ((count - 1) / count))
    return output


def _one_at_zero(
    _func: Any,
    input: Tensor,
    negative_slope: float = 0.0,
    inplace: bool = False,  # noqa: ARG001 # torch's arguments
) -> Tensor:
    """Compute a ReLU, or a leaky one, so that autograd takes the branch of x at 0."""
    return torch.where(input >= 0, input, negative_slope * input)


BIASED = Definition(
    "the running variance is that of B samples, as in the book; torch's of B - 1",
    {F.batch_norm: _biased},
)
ONE_AT_ZERO = Definition(
    RELU_AT_ZERO,
    dict.fromkeys((F.relu, torch.relu, Tensor.relu, F.leaky_relu), _one_at_zero),
    shows_in=("gradient",),
)
