"""What a network with BatchNorm or dropout has beside its parameters, found and kept in hand.

It computes otherwise in training than afterwards, remembers statistics, and draws at random. So
that a call can be judged, and repeated, each is made in a mode that is said, from running
statistics that were written, and with the random numbers of the call before.
"""

import copy
import inspect
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Found:
    """What was found of a network beside Affine and activations.

    Attributes
    ----------
    normalization : {'', 'batch', 'layer'}
        What has gamma and beta: BatchNorm, or LayerNorm.
    remembers : bool
        Whether the layers with the running statistics of BatchNorm were found.
    ratio : float or None
        Share of units that dropout drops; None where there is none, or none is judged.
    can_switch : bool
        Whether it can be told that it is in training, or is not.
    remarks : tuple of str
        For the report.
    """

    normalization: str = ""
    remembers: bool = False
    ratio: float | None = None
    can_switch: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def batchnorm(self) -> bool:
        """Whether a row depends on those beside it, in training."""
        return self.normalization == "batch"

    @property
    def has_modes(self) -> bool:
        """Whether it computes otherwise in training than afterwards."""
        return self.batchnorm or self.ratio is not None

    def __bool__(self) -> bool:
        return bool(self.normalization) or self.ratio is not None


class Extended:
    """The layers of a network that are neither Affine nor activation, and its modes.

    Parameters
    ----------
    net
        Layers are looked for in its `layers`, a dict or a list: those with `running_mean` and
        `running_var`, and those that are called dropout, or have a ratio that is.
    hidden : int
        Hidden layers that it has.
    batchnorm : bool
        Whether it has gamma and beta.

    Raises
    ------
    TypeError
        It has a dropout of which the ratio is not known.
    """

    def __init__(self, net: Any, hidden: int, *, batchnorm: bool) -> None:
        self.net = net
        self._layers = _layers(net)
        self._own = [
            (owner, name, value, copy.copy(value))
            for owner in (net, *self._layers)
            for name, value in _own(owner).items()
            if name in (*RUNNING, *RATIOS, *FLAGS)
        ]
        self._generators = [
            (value, value.bit_generator.state)
            for owner in (net, *self._layers)
            for value in _own(owner).values()
            if isinstance(value, np.random.Generator)
        ]
        normalizations = [v for v in self._layers if all(hasattr(v, name) for name in RUNNING)]
        self.normalizations = normalizations if len(normalizations) == hidden else []
        self.dropouts = [v for v in self._layers if _is_dropout(v)]
        self._running = self.read_running()
        flags = [flag_of(getattr(net, method, None)) for method in ("loss", "predict")]
        can_switch = any(flags) or bool(self._switches())
        kind = "batch" if batchnorm else ""
        self.found = Found(kind, bool(self.normalizations), None, can_switch)
        self._look_at_dropout(hidden)

    def call(self, function: Callable[..., Any], *arguments: Any, training: bool) -> Any:
        """Call from what was written, in a mode; as often as wanted, with the same result."""
        self.begin(training=training)
        return self.told(function, *arguments, training=training)

    def begin(self, *, training: bool) -> None:
        """Put the network where a call is to start from."""
        if not self.found:
            return
        self.write_running(self._running)
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

    def told(self, function: Callable[..., Any], *arguments: Any, training: bool) -> Any:
        """Call with the mode as an argument where there is one."""
        flag = flag_of(function) if self.found else ""
        return function(*arguments, **({flag: training} if flag else {}))

    def masks(self) -> list[NDArray[np.bool_]]:
        """Return what dropout kept in the last call, a mask for each hidden layer."""
        return [np.array(layer.mask) != 0 for layer in self.dropouts]

    def write_running(self, running: Mapping[str, Any]) -> None:
        """Give BatchNorm copies of running_mean1, running_var1, ...; each call starts from them."""
        self._running = dict(running)
        for i, layer in enumerate(self.normalizations, start=1):
            for name in RUNNING:
                setattr(layer, name, copy.copy(running[f"{name}{i}"]))

    def read_running(self) -> dict[str, Any]:
        """Return copies of them; None where there was no batch yet, as in the book."""
        return {
            f"{name}{i}": copy.copy(getattr(layer, name))
            for i, layer in enumerate(self.normalizations, start=1)
            for name in RUNNING
        }

    def without_dropout(self, reason: str) -> None:
        """Set the ratio of every dropout to 0, and say why."""
        for layer in self.dropouts:
            setattr(layer, _ratio_of(layer), 0.0)
        remark = f"dropout is judged with ratio 0: {reason}"
        self.found = replace(self.found, ratio=None, remarks=(*self.found.remarks, remark))
        self.dropouts = []

    def with_layernorm(self) -> None:
        """Take gamma and beta for those of LayerNorm, which remembers nothing."""
        self.found = replace(self.found, normalization="layer", remembers=False)

    @contextmanager
    def no_dropout(self) -> Iterator[None]:
        """Let nothing be dropped for a while."""
        kept = [(layer, _ratio_of(layer)) for layer in self.dropouts]
        values = [getattr(layer, name) for layer, name in kept]
        try:
            for layer, name in kept:
                setattr(layer, name, 0.0)
            yield
        finally:
            for (layer, name), value in zip(kept, values, strict=True):
                setattr(layer, name, value)

    def restore(self) -> None:
        """Put back what the network came with."""
        for owner, name, value, kept in self._own:
            if isinstance(value, np.ndarray):
                value[...] = kept
            setattr(owner, name, value)
        for generator, state in self._generators:
            generator.bit_generator.state = state

    def _look_at_dropout(self, hidden: int) -> None:
        if self.dropouts:
            ratios = {float(getattr(layer, _ratio_of(layer))) for layer in self.dropouts}
            if len(self.dropouts) != hidden or len(ratios) > 1 or not 0 <= min(ratios) < 1:
                self.without_dropout("not every hidden layer has the same")
            else:
                self.found = replace(self.found, ratio=ratios.pop())
        for name in RATIOS[:3]:
            value = _own(self.net).get(name)
            if _is_number(value) and value and not self.dropouts:
                setattr(self.net, name, 0.0)
                remark = f"dropout is judged with {name} 0: no layers of it are found"
                self.found = replace(self.found, remarks=(*self.found.remarks, remark))

    def _switches(self) -> list[tuple[Any, str]]:
        """Return the attributes, or the methods train and eval, that set the mode."""
        found: list[tuple[Any, str]] = []
        for owner in (self.net, *self._layers):
            if all(callable(getattr(owner, name, None)) for name in ("train", "eval")):
                found += [(owner, "train"), (owner, "eval")]
            found += [(owner, name) for name in FLAGS if isinstance(_own(owner).get(name), bool)]
        return found


def flag_of(function: Any) -> str:
    """Return the argument by which `function` is told that the network is in training, or ''."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return ""
    return next((name for name in FLAGS if name in parameters), "")


def _own(owner: Any) -> dict[str, Any]:
    """Return the attributes of an instance, apart from those of its class."""
    return dict(getattr(owner, "__dict__", {}))


def _layers(net: Any) -> list[Any]:
    layers: Any = getattr(net, "layers", ())
    layers = layers.values() if isinstance(layers, Mapping) else layers
    several = isinstance(layers, Iterable)
    return [layer for layer in layers if hasattr(layer, "__dict__")] if several else []


def _is_dropout(layer: Any) -> bool:
    return "dropout" in type(layer).__name__.lower() or any(
        name in _own(layer) for name in RATIOS if "drop" in name
    )


def _ratio_of(layer: Any) -> str:
    for name in RATIOS:
        if _is_number(_own(layer).get(name)):
            return name
    raise TypeError(
        f"{type(layer).__name__} has none of {', '.join(RATIOS)}: a dropout is judged by the share "
        "of units that it drops"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
