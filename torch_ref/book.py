"""Between the book's names and layout (W1 (fan_in, fan_out), b1) and torch's; values are copied."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torch_ref.net import MultiLayerNet

Array = NDArray[np.floating[Any]]


def to_params(net: MultiLayerNet) -> dict[str, Array]:
    """Return copies of the parameters as W1 (fan_in, fan_out), b1 (fan_out,), W2, ..."""
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
    return {
        f"{letter}{i}": value
        for i, linear in enumerate(net.linears(), start=1)
        for letter, value in (("W", linear.weight), ("b", linear.bias))
    }


def _to_array(value: Tensor) -> Array:
    array = value.detach().cpu().numpy()
    return np.array(array.T, order="C")
