"""What torch_ref computes at given parameters on one batch, with everything in between."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

import torch_ref
from compare.evaluation import PYTORCH, Convention, Evaluation

Array = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]


class Reference:
    """A torch_ref network that is evaluated at anybody's parameters.

    Parameters
    ----------
    sizes : sequence of int
        Features, units of each hidden layer, classes.
    activation : str
        As in torch_ref.MultiLayerNet.
    weight_decay_lambda : float
        Likewise.
    dtype, device
        What it computes in, and where.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        activation: str,
        weight_decay_lambda: float = 0.0,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.sizes = sizes
        self.activation = activation
        self.weight_decay_lambda = weight_decay_lambda
        self.dtype = dtype
        self.device = torch.device(device)
        self.net = torch_ref.MultiLayerNet(
            sizes[0],
            sizes[1:-1],
            sizes[-1],
            activation,
            0.0,
            draws=[np.zeros(shape) for shape in pairwise(sizes)],
            dtype=dtype,
            device=device,
        )

    def in_dtype(self, dtype: DTypeLike) -> "Reference":
        """Return the same network, computing in another dtype on the same device."""
        kind = getattr(torch, np.dtype(dtype).name)
        sizes, decay = self.sizes, self.weight_decay_lambda
        return Reference(sizes, self.activation, decay, dtype=kind, device=self.device)

    def evaluate(
        self,
        params: Mapping[str, Array],
        x: Array,
        t: NDArray[np.int64],
        convention: Convention = PYTORCH,
        *,
        gradients: bool = True,
    ) -> Evaluation:
        """Return loss, gradients and all values in between at `params` on the batch (x, t).

        Without `gradients`, `dz`, `da` and `grads` stay empty.
        """
        torch_ref.load_params(self.net, params)
        # This half of lambda is what torch_ref multiplies sum(W^2) with.
        self.net.weight_decay_lambda = 2 * convention.decay_factor * self.weight_decay_lambda
        targets = torch.tensor(t, device=self.device)
        values = [torch.tensor(x, dtype=self.dtype, device=self.device)]
        for layer in self.net.layers:
            if convention.relu_at_zero and isinstance(layer, torch.nn.ReLU):
                # max(z, 0) written so that autograd takes the branch of z at z = 0
                values.append(torch.where(values[-1] >= 0, values[-1], 0.0))
            else:
                values.append(layer(values[-1]))
        z, a = values[1::2], values[::2]
        penalty = self.net.weight_penalty()
        loss = self._mean_loss(z[-1], targets, convention) + penalty
        differentiated = loss
        if convention.epsilon and not convention.epsilon_in_gradient:
            exact = replace(convention, epsilon=0.0)
            differentiated = self._mean_loss(z[-1], targets, exact) + penalty
        dz, da = self._backward(differentiated, z, a) if gradients else ([], [])
        return Evaluation(
            params={key: np.asarray(value, np.float64) for key, value in params.items()},
            x=np.asarray(x, np.float64),
            t=np.asarray(t),
            activation=self.activation,
            weight_decay_lambda=self.weight_decay_lambda,
            convention=convention,
            z=[_array(value) for value in z],
            a=[_array(value) for value in a],
            loss=loss.item(),
            dz=[_array(value) for value in dz],
            da=[_array(value) for value in da],
            grads={
                key: np.asarray(value, np.float64)
                for key, value in (torch_ref.to_grads(self.net) if gradients else {}).items()
            },
        )

    def _backward(
        self, loss: Tensor, z: list[Tensor], a: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Leave the gradients in the parameters; return those by z and by a, none by the data."""
        parameters = list(self.net.parameters())
        grads = torch.autograd.grad(loss, [*z, *a[1:], *parameters])
        for parameter, grad in zip(parameters, grads[-len(parameters) :], strict=True):
            parameter.grad = grad
        none = torch.empty(0)
        return list(grads[: len(z)]), [none, *grads[len(z) : -len(parameters)]]

    def _mean_loss(self, logits: Tensor, t: Tensor, convention: Convention) -> Tensor:
        reduction = "mean" if convention.mean else "sum"
        if not convention.epsilon:
            return F.cross_entropy(logits, t, reduction=reduction)
        y = torch.softmax(logits, dim=1)
        epsilon = convention.epsilon
        kept = {
            "add": lambda: y + epsilon,
            "max": lambda: y.clamp_min(epsilon),
            "clip": lambda: y.clamp(epsilon, 1 - epsilon),
        }[convention.form]()
        return F.nll_loss(kept.log(), t, reduction=reduction)


def _array(value: Tensor) -> Float64:
    return np.array(value.detach().cpu().numpy(), np.float64)
