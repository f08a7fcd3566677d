"""What torch_ref computes at given parameters on one batch, with everything in between."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn

import torch_ref
from compare.evaluation import PYTORCH, TRAINING, Convention, Evaluation, Hidden, Mode

Array = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]


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

MODULES: dict[str, Callable[[Convention], nn.Module]] = {
    "leaky_relu": lambda c: nn.LeakyReLU(c.negative_slope),
    "elu": lambda _: nn.ELU(),
    "gelu": lambda _: nn.GELU(),
    "gelu_tanh": lambda _: nn.GELU(approximate="tanh"),
    "silu": lambda _: nn.SiLU(),
    "softplus": lambda _: nn.Softplus(threshold=EXACT),
    "identity": lambda _: nn.Identity(),
}
"""Activations that take the place of a ReLU of torch_ref, which has the book's."""


class Reference:
    """A torch_ref network that is evaluated at anybody's parameters.

    Parameters
    ----------
    sizes : sequence of int
        Features, units of each hidden layer, classes.
    activation : str
        One of `compare.activations.KNOWN`.
    weight_decay_lambda : float
        Likewise.
    extras : Extras
        As in torch_ref.MultiLayerNetExtend.
    dtype, device
        What it computes in, and where.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        activation: str,
        weight_decay_lambda: float = 0.0,
        extras: Extras = PLAIN,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.sizes = sizes
        self.activation = activation
        self.weight_decay_lambda = weight_decay_lambda
        self.extras = extras
        self.dtype = dtype
        self.device = torch.device(device)
        self.net = _Net(
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
        if activation in MODULES:
            self._replace(torch.nn.ReLU, lambda _: MODULES[activation](PYTORCH))
        if extras.layernorm:
            self._replace(
                torch.nn.BatchNorm1d,
                lambda layer: nn.LayerNorm(layer.num_features, dtype=dtype, device=device),
            )

    def _replace(self, kind: type[nn.Module], made: Callable[[Any], nn.Module]) -> None:
        """Put other modules into the places of those of a kind."""
        layers = self.net.layers
        for i, layer in enumerate(layers):
            if isinstance(layer, kind):
                layers[i] = made(layer)

    def in_dtype(self, dtype: DTypeLike) -> "Reference":
        """Return the same network, computing in another dtype on the same device."""
        kind = getattr(torch, np.dtype(dtype).name)
        network = self.sizes, self.activation, self.weight_decay_lambda, self.extras
        return Reference(*network, dtype=kind, device=self.device)

    def evaluate(
        self,
        params: Mapping[str, Array],
        x: Array,
        t: NDArray[np.int64],
        convention: Convention = PYTORCH,
        mode: Mode = TRAINING,
        *,
        gradients: bool = True,
    ) -> Evaluation:
        """Return loss, gradients and all values in between at `params` on the batch (x, t).

        Without `gradients`, `dz` and `grads` stay empty, and so do dn and dh.
        """
        torch_ref.load_params(self.net, params)
        self._follow(convention, mode)
        targets = torch.tensor(t, device=self.device)
        walk = _Walk(convention, self.net)
        walk.forward(torch.tensor(x, dtype=self.dtype, device=self.device))
        penalty = self.net.weight_penalty()
        loss = self._mean_loss(walk.z[-1], targets, convention) + penalty
        differentiated = loss
        if convention.epsilon and not convention.epsilon_in_gradient:
            exact = replace(convention, epsilon=0.0)
            differentiated = self._mean_loss(walk.z[-1], targets, exact) + penalty
        if gradients:
            walk.backward(differentiated)
        arrays = walk.arrays
        z = [arrays(value) for value in walk.z]
        return Evaluation(
            params={key: np.asarray(value, np.float64) for key, value in params.items()},
            x=np.asarray(x, np.float64),
            t=np.asarray(t),
            activation=self.activation,
            weight_decay_lambda=self.weight_decay_lambda,
            convention=convention,
            mode=mode,
            z=z,
            a=[arrays(value) for value in walk.a],
            hidden=[
                self._hidden(i, z[i - 1], walk, convention, mode)
                for i in range(1, len(self.sizes) - 1)
            ],
            loss=loss.item(),
            dz=[walk.gradient_by(value) for value in walk.z] if gradients else [],
            grads={
                key: np.asarray(value, np.float64)
                for key, value in (torch_ref.to_grads(self.net) if gradients else {}).items()
            },
            running=self._running(z, convention, mode),
        )

    def _follow(self, convention: Convention, mode: Mode) -> None:
        """Set up the network for a convention, in a mode."""
        # This half of lambda is what torch_ref multiplies sum(W^2) with.
        self.net.weight_decay_lambda = 2 * convention.decay_factor * self.weight_decay_lambda
        self.net.train(mode.training)
        masks = iter(mode.masks)
        for layer in self.net.layers:
            if isinstance(layer, torch_ref.Dropout):
                layer.inverted = convention.inverted
                if mode.training:
                    layer.given = torch.tensor(next(masks), device=self.device)
            elif isinstance(layer, torch.nn.BatchNorm1d):
                layer.eps, layer.momentum = convention.variance_epsilon, convention.share
            elif isinstance(layer, nn.LayerNorm):
                layer.eps = convention.variance_epsilon
            elif isinstance(layer, nn.LeakyReLU):
                layer.negative_slope = convention.negative_slope
        if mode.running and self.extras.batchnorm:
            torch_ref.load_running(self.net, mode.running)

    def _hidden(
        self, i: int, z: Float64, walk: "_Walk", convention: Convention, mode: Mode
    ) -> Hidden:
        n, h = walk.hidden[i - 1]
        mean = var = std = None
        factor: Float64 | float | None = None
        if self.extras.batchnorm:
            mean, var = z.mean(axis=0), z.var(axis=0)
            if not mode.training:
                mean = np.asarray(mode.running[f"running_mean{i}"], np.float64)
                var = np.asarray(mode.running[f"running_var{i}"], np.float64)
            std = np.sqrt(var + convention.variance_epsilon)
        elif self.extras.layernorm:
            mean, var = z.mean(axis=1, keepdims=True), z.var(axis=1, keepdims=True)
            std = np.sqrt(var + convention.variance_epsilon)
        if (ratio := self.extras.dropout) is not None:
            kept = 1 / (1 - ratio) if convention.inverted else 1.0
            after = 1.0 if convention.inverted else 1 - ratio
            factor = np.asarray(kept * mode.masks[i - 1], np.float64) if mode.training else after
        return Hidden(
            walk.arrays(n), walk.arrays(h), walk.gradient_by(n), walk.gradient_by(h),
            mean, var, std, factor,
        )  # fmt: skip  # values and gradients, then what made them

    def _running(self, z: list[Float64], convention: Convention, mode: Mode) -> dict[str, Float64]:
        """Return the running statistics after a batch in training."""
        if not (mode.training and mode.running and self.extras.batchnorm):
            return {}
        after = {
            key: np.asarray(value, np.float64)
            for key, value in torch_ref.to_running(self.net).items()
        }
        if not convention.unbiased:
            for i, value in enumerate(z[:-1], start=1):
                key, k = f"running_var{i}", convention.share
                after[key] = (1 - k) * np.asarray(mode.running[key]) + k * value.var(axis=0)
        return after

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


class _Net(torch_ref.MultiLayerNetExtend):
    """That of torch_ref, whose normalizations may be LayerNorm."""

    def normalizations(self) -> list[Any]:
        return [v for v in self.layers if isinstance(v, nn.BatchNorm1d | nn.LayerNorm)]


class _Walk:
    """One pass through a network, every tensor on the way kept.

    Where there is no BatchNorm or no dropout, n is z and the next a is h: one tensor, one array.
    """

    def __init__(self, convention: Convention, net: torch_ref.MultiLayerNet) -> None:
        self.relu_at_zero = convention.relu_at_zero
        self.net = net
        self.a: list[Tensor] = []
        self.z: list[Tensor] = []
        self.hidden: list[tuple[Tensor, Tensor]] = []
        self._arrays: dict[int, Float64] = {}
        self._gradients: dict[int, Float64] = {}

    def forward(self, value: Tensor) -> None:
        for layer in self.net.layers:
            if isinstance(layer, torch.nn.Linear):
                self.a.append(value)
                value = layer(value)
                self.z.append(value)
            elif isinstance(layer, torch.nn.BatchNorm1d | nn.LayerNorm | torch_ref.Dropout):
                value = layer(value)
            else:
                n = value
                if self.relu_at_zero and isinstance(layer, nn.ReLU | nn.LeakyReLU):
                    # max(z, 0) written so that autograd takes the branch of z at z = 0
                    value = torch.where(n >= 0, n, getattr(layer, "negative_slope", 0.0) * n)
                else:
                    value = layer(n)
                self.hidden.append((n, value))

    def backward(self, loss: Tensor) -> None:
        """Leave the gradients in the parameters, and keep those of everything on the way."""
        parameters = list(self.net.parameters())
        between = {id(value): value for value in (*self.z, *itertools.chain(*self.hidden))}
        grads = torch.autograd.grad(loss, [*between.values(), *parameters])
        for key, grad in zip(between, grads, strict=False):
            self._gradients[key] = _array(grad)
        for parameter, grad in zip(parameters, grads[len(between) :], strict=True):
            parameter.grad = grad

    def arrays(self, value: Tensor) -> Float64:
        if id(value) not in self._arrays:
            self._arrays[id(value)] = _array(value)
        return self._arrays[id(value)]

    def gradient_by(self, value: Tensor) -> Float64:
        return self._gradients.get(id(value), np.empty(0))


def _array(value: Tensor) -> Float64:
    return np.array(value.detach().cpu().numpy(), np.float64)
