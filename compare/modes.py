"""What a network with BatchNorm or dropout has beside its parameters, found and kept in hand.

It computes otherwise in training than afterwards, remembers statistics, and draws at random. So
that a call can be judged, and repeated, each is made in a mode that is said, from running
statistics that were written, and with the random numbers of the call before.
"""

import copy
import inspect
import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

RUNNING = ("running_mean", "running_var")
"""What BatchNorm remembers, under the names of the book and of PyTorch."""

FLAGS = ("train_flg", "train_flag", "training", "is_training", "is_train", "train")
"""What an argument, or an attribute, is called that says whether the network is in training."""

RATIOS = ("dropout_ratio", "dropout_ration", "dropout_rate", "drop_ratio", "ratio", "rate", "p")
"""What the share of dropped units is called."""

SEED = 0


class Modes:
    """The layers of a network, and what it computes otherwise in training than afterwards.

    Parameters
    ----------
    net
        Its layers are in its `layers`, a dict or a list, where it has them.
    """

    def __init__(self, net: Any) -> None:
        self.net = net
        self.layers = layers_of(net)
        self._own = [
            (owner, name, value, copy.copy(value))
            for owner in (net, *self.layers)
            for name, value in own_attributes(owner).items()
            if name in (*RUNNING, *RATIOS, *FLAGS)
        ]
        self._generators = [
            (value, value.bit_generator.state)
            for owner in (net, *self.layers)
            for value in own_attributes(owner).values()
            if isinstance(value, np.random.Generator)
        ]
        self.dropouts = [v for v in self.layers if is_dropout(v)]

    @property
    def has_modes(self) -> bool:
        """Whether it can be told that it is in training, or is not."""
        flags = (flag_of(getattr(self.net, method, None)) for method in ("loss", "predict"))
        return any(flags) or bool(self._switches())

    def switch(self, *, training: bool) -> None:
        """Draw in training what was drawn before, and set the mode where it is kept."""
        if training:
            random.seed(SEED)
            np.random.seed(SEED)  # noqa: NPY002  # the global one is what networks draw from
            for generator, state in self._generators:
                generator.bit_generator.state = state
        for owner, name in self._switches():
            if not callable(getattr(owner, name)):
                setattr(owner, name, training)
            elif name == ("train" if training else "eval"):
                getattr(owner, name)()

    def masks(self) -> list[NDArray[np.bool_]]:
        """Return what dropout kept in the last call, a mask for each layer of it."""
        return [np.array(layer.mask) != 0 for layer in self.dropouts]

    def restore(self) -> None:
        """Put back what the network came with."""
        for owner, name, value, kept in self._own:
            if isinstance(value, np.ndarray):
                value[...] = kept
            setattr(owner, name, value)
        for generator, state in self._generators:
            generator.bit_generator.state = state

    def _switches(self) -> list[tuple[Any, str]]:
        """Return the attributes, or the methods train and eval, that set the mode."""
        found: list[tuple[Any, str]] = []
        for owner in (self.net, *self.layers):
            if all(_sets_mode(getattr(owner, name, None)) for name in ("train", "eval")):
                found += [(owner, "train"), (owner, "eval")]
            found += [
                (owner, name) for name in FLAGS if isinstance(own_attributes(owner).get(name), bool)
            ]
        return found


def _sets_mode(method: Any) -> bool:
    """Return whether it can be called without arguments, and takes a mode at most: no training."""
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return False
    return not parameters or (len(parameters) == 1 and isinstance(parameters[0].default, bool))


def flag_of(function: Any) -> str:
    """Return the argument by which `function` is told that the network is in training, or ''."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return ""
    return next((name for name in FLAGS if name in parameters), "")


def own_attributes(owner: Any) -> dict[str, Any]:
    """Return the attributes of an instance, apart from those of its class."""
    return dict(getattr(owner, "__dict__", {}))


def layers_of(net: Any) -> list[Any]:
    """Return the objects in its `layers`, in order."""
    layers: Any = getattr(net, "layers", ())
    layers = layers.values() if isinstance(layers, Mapping) else layers
    several = isinstance(layers, Iterable)
    return [layer for layer in layers if hasattr(layer, "__dict__")] if several else []


def is_dropout(layer: Any) -> bool:
    """Return whether it is called so, or has a share that is."""
    return "dropout" in type(layer).__name__.lower() or any(
        name in own_attributes(layer) for name in RATIOS if "drop" in name
    )


def ratio_of(layer: Any) -> str:
    """Return how the share of units is called that a dropout drops; TypeError where it has none."""
    for name in RATIOS:
        if is_number(own_attributes(layer).get(name)):
            return name
    raise TypeError(
        f"{type(layer).__name__} has none of {', '.join(RATIOS)}: a dropout is judged by the share "
        "of units that it drops"
    )


def is_number(value: Any) -> bool:
    """Return whether it is a number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)
