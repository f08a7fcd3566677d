"""torch_ref's module at anybody's parameters, evaluated as any other module is."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn

import torch_ref
from compare.architecture import PLAIN, Extras, built, names_of
from compare.definitions import Loss, loss_of, under
from compare.evaluation import PYTORCH, TRAINING, Convention, Errors, Evaluation, Mode
from compare.kept import Kept, digest
from compare.reference.evaluate import Evaluated, Quantity, evaluate
from compare.reference.formats import format_of

Array = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]


KINDS = ("gamma", "beta", "W", "b")
"""The parameters of a layer, as gradients are computed."""

RUNNING = ("running_mean", "running_var")


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
    kept : Kept or None
        Where evaluations are kept; without it, each is made again.
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
        kept: Kept | None = None,
    ) -> None:
        self.sizes = sizes
        self.activation = activation
        self.weight_decay_lambda = weight_decay_lambda
        self.extras = extras
        self.dtype = dtype
        self.device = torch.device(device)
        self.kept = kept
        self.net = built(sizes, activation, extras, dtype, device)
        self.names = names_of(self.net)

    def with_decay(self, weight_decay_lambda: float) -> "Reference":
        """Return the same network with another weight decay; they share the module."""
        other = copy.copy(self)
        other.weight_decay_lambda = weight_decay_lambda
        return other

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

        Without `gradients` there are none among them.
        """
        make = partial(self._evaluate, params, x, t, convention, mode, gradients=gradients)
        if self.kept is None:
            return make()
        network = self.sizes, self.activation, self.weight_decay_lambda, self.extras
        how = convention, mode.training, gradients, self.dtype, self.device
        given = digest((*params.values(), x, t, *mode.running.values(), *mode.masks))
        key = network, how, tuple(params), tuple(mode.running), given
        return self.kept.get(key, make)

    def _evaluate(
        self,
        params: Mapping[str, Array],
        x: Array,
        t: NDArray[np.int64],
        convention: Convention,
        mode: Mode,
        *,
        gradients: bool,
    ) -> Evaluation:
        stated, differentiated = self._follow(params, convention, mode)
        value, targets = self._tensor(x), torch.tensor(t, device=self.device)
        named: dict[str, Float64 | float] = {}
        with under(convention), torch.set_grad_enabled(gradients):
            for name, layer in zip(self.names, self.net.layers, strict=True):
                value = layer(value)
                named[name] = _array(value)
            loss = stated(value, targets, self.net)
            named["probabilities"] = _array(torch.softmax(value, dim=1))
            named["log-probabilities"] = _array(torch.log_softmax(value, dim=1))
            named["loss"] = loss.item()
            if gradients:
                if differentiated is not stated:
                    loss = differentiated(value, targets, self.net)
                named |= self._gradients(loss)
        if self._has_moved(mode):
            moved = torch_ref.to_running(self.net)
            named |= {key: np.asarray(after, np.float64) for key, after in moved.items()}
        own = {key: np.array(value, np.float64) for key, value in params.items()}
        batch = np.array(x, np.float64), np.array(t)
        return Evaluation(own, *batch, convention, _own(mode), named, self._errors)

    def _errors(self, e: Evaluation, dtype: DTypeLike) -> Errors:
        """Return the expected errors of `e`: the same module, in the arithmetic of errors."""
        stated, differentiated = self._follow(e.params, e.convention, e.mode)
        loss = differentiated if e.grads else stated
        also = {
            "probabilities": lambda y, _t, _net: torch.softmax(y, dim=1),
            "log-probabilities": lambda y, _t, _net: torch.log_softmax(y, dim=1),
            **({"loss": stated} if loss is not stated else {}),
        }
        form = format_of(np.dtype(dtype).name)
        targets = torch.tensor(e.t, device=self.device)
        with under(e.convention):
            found = evaluate(
                self.net, loss, {}, self._tensor(e.x), targets,
                form=form, also=also, gradients=bool(e.grads),
            )  # fmt: skip  # what, then how
        quantities = {
            "loss": Quantity("loss"),
            **self._quantities(),
            **{name: Quantity("output", name) for name in also},
        }
        on_edge = np.zeros(len(e.x), dtype=bool)
        for kink in found.kinks:
            on_edge[... if kink.samples is None else list(kink.samples)] = True
        named = {name: found.values[quantities[name]] for name in e.named}
        return Errors({k: _in_book(k, v) for k, v in named.items()}, on_edge, form.u)

    def _follow(
        self, params: Mapping[str, Array], convention: Convention, mode: Mode
    ) -> tuple[Loss, Loss]:
        """Set up the network; return the loss, and the loss that gradients are of."""
        torch_ref.load_params(self.net, params)
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
        stated = loss_of(convention)
        if convention.epsilon and not convention.epsilon_in_gradient:
            return stated, loss_of(replace(convention, epsilon=0.0))
        return stated, stated

    def _quantities(self) -> dict[str, Quantity]:
        """Return what the values are called in an evaluation of the module."""
        outputs = {name: Quantity("module", f"layers.{i}") for i, name in enumerate(self.names)}
        paths = {id(value): path for path, value in self.net.named_parameters()}
        grads = {
            name: Quantity("gradient", paths[id(value)])
            for name, value in torch_ref.by_name(self.net).items()
        }
        running = {
            f"{kind}{name[1:]}": Quantity("buffer", f"{output.name}.{kind}")
            for name, output in outputs.items()
            for kind in RUNNING
            if name.startswith("n")
        }
        return outputs | grads | running

    def _gradients(self, loss: Tensor) -> dict[str, Float64]:
        """Return the gradients, from the last layer to the first."""
        parameters = torch_ref.by_name(self.net)
        grads = torch.autograd.grad(loss, [*parameters.values()])
        found = dict(zip(parameters, grads, strict=True))
        order = [f"{kind}{i}" for i in range(len(self.sizes) - 1, 0, -1) for kind in KINDS]
        return {name: _array(_transposed(name, found[name])) for name in order if name in found}

    def _has_moved(self, mode: Mode) -> bool:
        """Whether a batch has moved running statistics that were given."""
        return mode.training and bool(mode.running) and self.extras.batchnorm

    def _tensor(self, x: Array) -> Tensor:
        return torch.tensor(x, dtype=self.dtype, device=self.device)


def _in_book(name: str, value: Evaluated) -> Evaluated:
    """Return a value on the CPU and in the book's layout."""
    e2 = None if value.e2 is None else _transposed(name, value.e2.cpu())
    return Evaluated(_transposed(name, value.v.cpu()), e2)


def _transposed(name: str, value: Tensor) -> Tensor:
    """Return a weight or its gradient as the book has it, (fan_in, fan_out)."""
    return value.T if name.startswith("W") else value


def _own(mode: Mode) -> Mode:
    """Return the same with arrays of its own."""
    running = {key: np.array(value) for key, value in mode.running.items()}
    return replace(mode, running=running, masks=[np.array(mask) for mask in mode.masks])


def _array(value: Tensor) -> Float64:
    return np.array(value.detach().cpu().numpy(), np.float64)
