"""What torch_ref computes at given parameters on one batch, with everything in between."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

import torch_ref

Array = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Convention:
    """Another documented definition of the same network; the default is PyTorch's.

    Attributes
    ----------
    relu_at_zero : {0, 1}
        The derivative that ReLU is given at exactly 0.
    epsilon : float
        Keeps the log of the loss from 0: log(y + epsilon), or log(max(y, epsilon)), or
        log(clip(y, epsilon, 1 - epsilon)).
    form : {'add', 'max', 'clip'}
        Which of them.
    epsilon_in_gradient : bool
        Whether the gradient knows of the epsilon. The book's does not.
    mean : bool
        Mean over the batch in loss and gradient, else the sum.
    decay_factor : float
        What lambda sum(W^2) is multiplied with: 1/2, as in the book, or 1.
    """

    relu_at_zero: int = 0
    epsilon: float = 0.0
    form: str = "add"
    epsilon_in_gradient: bool = False
    mean: bool = True
    decay_factor: float = 0.5


PYTORCH = Convention()


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the reference; every array is float64, in the book's layout.

    Attributes
    ----------
    params : dict
        W1 (fan_in, fan_out), b1, ...
    x, t : ndarray (B, features), (B,)
        The batch.
    activation : str
        Of the hidden layers.
    z : list of ndarray (B, fan_out)
        Pre-activations of each layer; the last are the logits.
    a : list of ndarray (B, fan_in)
        What each layer is given; the first is `x`.
    loss : float
        Mean over the batch, weight decay included.
    dz, da : list of ndarray
        Gradients of the loss by `z` and `a`; da[0], by the data, is not computed and empty.
    grads : dict
        Gradients by `params`, under the same names.
    weight_decay_lambda, convention
        What was computed, as given.
    """

    params: dict[str, Float64]
    x: Float64
    t: NDArray[np.int64]
    activation: str
    weight_decay_lambda: float
    convention: Convention
    z: list[Float64]
    a: list[Float64]
    loss: float
    dz: list[Float64]
    da: list[Float64]
    grads: dict[str, Float64]

    @cached_property
    def log_y(self) -> Float64:
        """The logarithm of the softmax of the logits, (B, classes)."""
        with np.errstate(all="ignore"):  # logits that are not finite are found elsewhere
            shifted = self.z[-1] - self.z[-1].max(axis=1, keepdims=True)
            return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))

    @property
    def y(self) -> Float64:
        """The softmax of the logits, (B, classes)."""
        with np.errstate(under="ignore"):
            return np.asarray(np.exp(self.log_y))

    @property
    def is_finite(self) -> bool:
        """Whether the loss and every gradient are finite."""
        return bool(
            np.isfinite(self.loss) and all(np.isfinite(grad).all() for grad in self.grads.values())
        )

    @property
    def longest_sum(self) -> int:
        """The number of terms of the longest sum anywhere: rows, inputs or outputs of a layer."""
        return max(len(self.x), int(max(max(W.shape) for W in self.weights)))

    @property
    def weights(self) -> list[Float64]:
        """W1, W2, ... in network order."""
        return [value for key, value in self.params.items() if key.startswith("W")]

    @property
    def decay(self) -> float:
        """The factor of W in its gradient."""
        return 2 * self.convention.decay_factor * self.weight_decay_lambda

    @property
    def scale(self) -> float:
        """The factor of a row's loss in the batch's: 1 / B, or 1 for a summed loss."""
        return 1 / len(self.x) if self.convention.mean else 1.0


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
