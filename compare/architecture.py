"""What a book's network is meant to be: torch_ref's module, with what it has no option for."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

import torch_ref


@dataclass(frozen=True)
class Extras:
    """What the hidden layers have beside Affine and activation.

    Attributes
    ----------
    batchnorm : bool
        Between them.
    dropout : float or None
        After them, with this share dropped; None for none.
    layernorm : bool
        Between them, in the place of BatchNorm.
    """

    batchnorm: bool = False
    dropout: float | None = None
    layernorm: bool = False

    @property
    def ties_rows(self) -> bool:
        """Whether no row of a batch can be left out: they depend on each other, or on masks."""
        return self.batchnorm or self.dropout is not None

    def __bool__(self) -> bool:
        return self.batchnorm or self.layernorm or self.dropout is not None


PLAIN = Extras()

EXACT = 40.0
"""From where softplus is taken for linear: exp(-40) is lost beside 40 in float64. From 20 on, which
is PyTorch's default, 1e-10 of it is left out."""

MODULES: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "softplus": lambda: nn.Softplus(threshold=EXACT),
    "identity": nn.Identity,
}
"""Activations that take the place of a ReLU of torch_ref, which has the book's."""


class Net(torch_ref.MultiLayerNetExtend):
    """That of torch_ref, whose normalizations may be LayerNorm."""

    def normalizations(self) -> list[Any]:
        """Return the layers of BatchNorm or LayerNorm, in network order."""
        return [v for v in self.layers if isinstance(v, nn.BatchNorm1d | nn.LayerNorm)]


def built(
    sizes: tuple[int, ...],
    activation: str,
    extras: Extras,
    dtype: torch.dtype,
    device: torch.device | str,
) -> Net:
    """Return the module, with weights of 0.

    Parameters
    ----------
    sizes : tuple of int
        Features, units of each hidden layer, classes.
    activation : str
        One of `compare.activations.KNOWN`.
    extras, dtype, device
        What the hidden layers have, and of what numbers it is, where.
    """
    net = Net(
        sizes[0],
        sizes[1:-1],
        sizes[-1],
        "relu" if activation in MODULES else activation,
        0.0,
        batchnorm=extras.batchnorm or extras.layernorm,
        dropout=extras.dropout,
        draws=[np.zeros(shape) for shape in pairwise(sizes)],
        dtype=dtype,
        device=device,
    )
    for i, layer in enumerate(net.layers):
        if activation in MODULES and isinstance(layer, nn.ReLU):
            net.layers[i] = MODULES[activation]()
        elif extras.layernorm and isinstance(layer, nn.BatchNorm1d):
            net.layers[i] = nn.LayerNorm(layer.num_features, dtype=dtype, device=device)
    return net


def names_of(net: Net) -> list[str]:
    """Return what the output of each layer is called: z1, n1, a1, d1, ..., logits."""
    names, i, last = list[str](), 0, len(net.linears())
    for layer in net.layers:
        if isinstance(layer, nn.Linear):
            i += 1
            names.append(f"z{i}" if i < last else "logits")
        elif isinstance(layer, nn.BatchNorm1d | nn.LayerNorm):
            names.append(f"n{i}")
        else:
            names.append(f"{'d' if isinstance(layer, torch_ref.Dropout) else 'a'}{i}")
    return names
