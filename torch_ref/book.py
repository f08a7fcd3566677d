"""Between the book's names and layout and torch's; values are copied.

W1 (fan_in, fan_out), b1 (fan_out,), and with BatchNorm gamma1, beta1, running_mean1, running_var1.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torch_ref.net import MultiLayerNet

Array = NDArray[np.floating[Any]]


def to_params(net: MultiLayerNet) -> dict[str, Array]:
    """Return copies of the parameters as W1 (fan_in, fan_out), b1 (fan_out,), ..."""
    return {key: _to_array(value) for key, value in by_name(net).items()}


def to_grads(net: MultiLayerNet) -> dict[str, Array]:
    """Return copies of the gradients under the same names; ValueError before any backward."""
    grads = {}
    for key, value in by_name(net).items():
        if value.grad is None:
            raise ValueError(f"{key} has no gradient: call backward() first")
        grads[key] = _to_array(value.grad)
    return grads


def load_params(net: MultiLayerNet, params: Mapping[str, Array]) -> None:
    """Copy W1, b1, ... into `net`, rounding to its dtype; ValueError for other names or shapes."""
    own = by_name(net)
    if own.keys() != params.keys():
        raise ValueError(f"parameters {', '.join(params)} for a network of {', '.join(own)}")
    with torch.no_grad():
        for key, value in own.items():
            source = torch.tensor(np.asarray(params[key]).T)
            if source.shape != value.shape:
                raise ValueError(f"{key} has shape {params[key].shape}, not {value.T.shape}")
            value.copy_(source)


def by_name(net: MultiLayerNet) -> dict[str, Tensor]:
    """Return the parameters themselves under the book's names, in torch's layout."""
    named: dict[str, Tensor] = {}
    for i, linear in enumerate(net.linears(), start=1):
        named |= {f"W{i}": linear.weight, f"b{i}": linear.bias}
    for i, normalization in enumerate(net.normalizations(), start=1):
        named |= {f"gamma{i}": normalization.weight, f"beta{i}": normalization.bias}
    return named


def to_running(net: MultiLayerNet) -> dict[str, Array]:
    """Return copies of the running statistics of BatchNorm; empty without one."""
    return {key: _to_array(value) for key, value in _running(net).items()}


def load_running(net: MultiLayerNet, running: Mapping[str, Array]) -> None:
    """Copy running_mean1, running_var1, ... into `net`."""
    for key, value in _running(net).items():
        value.copy_(torch.tensor(running[key]))


def _running(net: MultiLayerNet) -> dict[str, Tensor]:
    return {
        f"{name}{i}": getattr(layer, name)
        for i, layer in enumerate(net.normalizations(), start=1)
        for name in ("running_mean", "running_var")
    }


def _to_array(value: Tensor) -> Array:
    array = value.detach().cpu().numpy()
    return np.array(array.T, order="C")
