"""The reference network: nn.Linear, an activation, F.cross_entropy."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class MultiLayerNet(nn.Module):
    """Linear layers with an activation between them.

    Parameters
    ----------
    input_size, hidden_size_list, output_size : int, sequence of int, int
        Features of a sample, units of each hidden layer, classes.
    activation : {'relu', 'sigmoid', 'tanh'}
        The same in every hidden layer.
    weight_init_std : float or {'relu', 'he', 'sigmoid', 'xavier'}
        He et al. 2015, eq. 10: std sqrt(2 / fan_in). 'sigmoid' and 'xavier' are the book's
        sqrt(1 / fan_in); `torch.nn.init.xavier_normal_` is another rule, with fan_out in it.
    weight_decay_lambda : float
        lambda of the term lambda / 2 * sum(weight^2) in `loss`.
    draws : sequence of ndarray (fan_in, fan_out)
        Standard-normal values, one array a layer in network order: what makes this network equal,
        bit for bit, to another one that is given the same.
    dtype, device
        Of the parameters.

    Raises
    ------
    KeyError, ValueError
        An unknown activation or rule, or draws of other shapes than the layers'.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size_list: Sequence[int],
        output_size: int,
        activation: str = "relu",
        weight_init_std: float | str = "relu",
        weight_decay_lambda: float = 0,
        *,
        draws: Sequence[NDArray[np.float64]],
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        sizes = [input_size, *hidden_size_list, output_size]
        self.weight_decay_lambda = weight_decay_lambda
        self.layers = nn.Sequential()
        # nn.Linear draws weights of its own from torch's global generators, which stay as they are.
        cuda = [torch.device(device)] if torch.device(device).type == "cuda" else []
        with torch.random.fork_rng(cuda):
            for (fan_in, fan_out), draw in zip(pairwise(sizes), draws, strict=True):
                if self.layers:
                    self.layers.append(ACTIVATIONS[activation]())
                linear = nn.Linear(fan_in, fan_out, dtype=dtype, device=device)
                initialise(linear, weight_init_std, torch.tensor(draw, dtype=torch.float64))
                self.layers.append(linear)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (B, output_size), of `x`, (B, input_size)."""
        logits: Tensor = self.layers(x)
        return logits

    def loss(self, x: Tensor, t: Tensor) -> Tensor:
        """Return mean cross-entropy + lambda / 2 * sum(weight^2); `t` holds integers, (B,)."""
        return F.cross_entropy(self(x), t) + self.weight_penalty()

    def weight_penalty(self) -> Tensor | float:
        """Return lambda / 2 * sum(weight^2), biases left out; 0 without weight decay."""
        if not self.weight_decay_lambda:
            return 0.0
        squares = [linear.weight.square().sum() for linear in self.linears()]
        return 0.5 * self.weight_decay_lambda * torch.stack(squares).sum()

    def linears(self) -> list[nn.Linear]:
        """Return the linear layers in network order."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def normalizations(self) -> list[nn.BatchNorm1d]:
        """Return the layers of BatchNorm, likewise; this network has none."""
        return [layer for layer in self.layers if isinstance(layer, nn.BatchNorm1d)]


def initialise(linear: nn.Linear, rule: float | str, draw: Tensor) -> None:
    """Set `linear` to std * draw, the product in float64 and rounded once, and biases to zero."""
    gains = {"relu": 2.0, "he": 2.0, "sigmoid": 1.0, "xavier": 1.0}
    if isinstance(rule, str):
        std = math.sqrt(gains[rule.lower()] / linear.in_features)
    else:
        std = float(rule)
    if draw.shape != (linear.in_features, linear.out_features):
        raise ValueError(f"a draw of shape {tuple(draw.shape)} for {linear}")
    with torch.no_grad():
        linear.weight.copy_((draw * std).T)
        linear.bias.zero_()
