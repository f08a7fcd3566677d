"""The reference with nn.BatchNorm1d, and with a dropout whose masks can be replayed."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from torch_ref.net import MultiLayerNet


class Dropout(nn.Module):
    """What nn.Dropout is, with masks that are drawn from a generator of numpy, or given.

    Parameters
    ----------
    p : float
        Share of the elements that are dropped: those whose draw from [0, 1) is not above it.
    rng : numpy.random.Generator or None
        Of one draw for each element; None where masks are given.
    inverted : bool
        Scale by 1 / (1 - p) in training, as nn.Dropout does; else by 1 - p in eval, as the book.

    Attributes
    ----------
    mask : Tensor of bool
        What was kept last; set `given` to a mask to have it used instead of a draw.
    """

    def __init__(
        self, p: float, rng: np.random.Generator | None = None, *, inverted: bool = True
    ) -> None:
        super().__init__()
        self.p = p
        self.rng = rng
        self.inverted = inverted
        self.given: Tensor | None = None
        self.mask: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return what is left of x; ValueError in training with neither a generator nor a mask."""
        if not self.training:
            return x if self.inverted else x * (1 - self.p)
        if self.given is not None:
            self.mask = self.given
        elif self.rng is not None:
            self.mask = torch.tensor(self.rng.random(tuple(x.shape)) > self.p, device=x.device)
        else:
            raise ValueError("a dropout in training needs a generator, or a mask that is given")
        kept = x * self.mask
        return kept / (1 - self.p) if self.inverted else kept


class MultiLayerNetExtend(MultiLayerNet):
    """MultiLayerNet with Linear, BatchNorm1d, activation, Dropout in each hidden layer.

    Parameters
    ----------
    input_size, hidden_size_list, output_size, activation, weight_init_std, weight_decay_lambda,
    draws, dtype, device
        As for MultiLayerNet.
    batchnorm : bool
        Whether there is an nn.BatchNorm1d, with PyTorch's defaults but for `eps`.
    dropout : float or None
        p of Dropout; None for none.
    eps : float
        Of nn.BatchNorm1d.
    inverted, dropout_rng
        Of Dropout, the generator shared by all layers.
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
        batchnorm: bool = False,
        dropout: float | None = None,
        eps: float = 1e-5,
        inverted: bool = True,
        draws: Sequence[NDArray[np.float64]],
        dropout_rng: np.random.Generator | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(
            input_size, hidden_size_list, output_size, activation, weight_init_std,
            weight_decay_lambda, draws=draws, dtype=dtype, device=device,
        )  # fmt: skip  # as there
        plain, self.layers = self.layers, nn.Sequential()
        hidden = iter(hidden_size_list)
        for layer in plain:
            if isinstance(layer, nn.Linear):
                self.layers.append(layer)
                continue
            units = next(hidden)
            if batchnorm:
                self.layers.append(nn.BatchNorm1d(units, eps=eps, dtype=dtype, device=device))
            self.layers.append(layer)
            if dropout is not None:
                self.layers.append(Dropout(dropout, dropout_rng, inverted=inverted))
