"""Somebody's network of any architecture, called on copies, and all that it shows of itself."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import number, quietly
from compare.modes import RUNNING, Modes, flag_of, layers_of, own_attributes
from compare.port.stimuli import Batch
from compare.reference.formats import FORMATS
from compare.user_frame import CandidateError, calling

Array = NDArray[Any]


@dataclass
class Shown:
    """What a network shows of one batch, by its own names.

    Attributes
    ----------
    output : ndarray or None
        What predict returns.
    loss : float
        Of the batch.
    grads, buffers, inside : dict of ndarray
        Gradients; buffers after the gradient; outputs of layers in the order of their calls.
    masks : list of ndarray
        What each dropout kept while the loss was computed.
    other_masks : list of ndarray
        And while the gradient was.
    """

    output: Array | None
    loss: float
    grads: dict[str, Array]
    buffers: dict[str, Array]
    inside: dict[str, Array] = field(default_factory=dict)
    masks: list[Array] = field(default_factory=list)
    other_masks: list[Array] = field(default_factory=list)


class PortedNetwork:
    """A network, called on copies, in a mode that is said.

    Parameters
    ----------
    net
        With `params`, a dict of arrays, `gradient(x, t)` and `loss(x, t)`; `predict(x)` where there
        is one. `outputs`, a dict that the forward pass fills, or `layers`, whose `forward` is
        listened to, show it inside; `buffers`, a dict, or layers with `running_mean` and
        `running_var`, what it remembers; `masks`, a list, or layers with a `mask`, what its
        dropouts kept.
    training : bool
        Whether it is called as in training, where it can be told.

    Raises
    ------
    TypeError, ValueError
        It is no such network; the message says what is missing.
    """

    def __init__(self, net: Any, *, training: bool) -> None:
        for attribute in ("params", "gradient", "loss"):
            if not hasattr(net, attribute):
                raise TypeError(
                    f"{type(net).__name__} has no `{attribute}`: a network to be judged has "
                    "`params`, `gradient(x, t)` and `loss(x, t)`"
                )
        self.net, self.params, self.training = net, net.params, training
        self.form = FORMATS[_dtype(self.params)]
        self._modes = Modes(net)
        self._slots = _slots(net)
        self.gradient_first = False
        self.spoiled: dict[str, None] = {}

    @property
    def name(self) -> str:
        """Its class."""
        return type(self.net).__name__

    def read(self) -> dict[str, Array]:
        """Return copies of the parameters."""
        return {key: value.copy() for key, value in self.params.items()}

    def write(self, params: Mapping[str, Array]) -> None:
        """Write values into the arrays of the network, in place."""
        for key, value in params.items():
            self.params[key][...] = value

    def read_buffers(self) -> dict[str, Array | None]:
        """Return copies of what it remembers; None where there was no batch yet, as in the book."""
        kept = {key: slot.read() for key, slot in self._slots.items()}
        return {key: None if value is None else np.array(value) for key, value in kept.items()}

    def restore(self, params: Mapping[str, Array], buffers: Mapping[str, Array | None]) -> None:
        """Put back what the network came with."""
        self.write(params)
        self._modes.restore()
        for key, value in buffers.items():
            self._slots[key].write(value)

    def show(self, batch: Batch) -> Shown:
        """Return what the network computes; CandidateError where it computes nothing."""
        self.write(batch.params)
        if self.gradient_first:
            grads, masks = self._gradient(batch), self._masks()
            buffers = self._buffers()
            return Shown(None, 0.0, grads, buffers, {}, [], masks)
        output, inside = None, dict[str, Array]()
        if callable(getattr(self.net, "predict", None)):
            output = _numbers(self._call("predict", batch, batch.x))
        with self._listening(inside):
            loss = number(self._call("loss", batch, batch.x, batch.t))
        inside |= _arrays(getattr(self.net, "outputs", None))
        masks = self._masks()
        grads = self._gradient(batch)
        return Shown(output, loss, grads, self._buffers(), inside, masks, self._masks())

    def predicted(self, batch: Batch, *, training: bool) -> Array | None:
        """Return what predict returns in another mode, where it can be told."""
        self.write(batch.params)
        before, self.training = self.training, training
        try:
            return _numbers(self._call("predict", batch, batch.x))
        finally:
            self.training = before

    @property
    def can_switch(self) -> bool:
        """Whether predict can be asked in either mode."""
        return callable(getattr(self.net, "predict", None)) and self._modes.has_modes

    def owners(self, keys: Mapping[str, str]) -> dict[str, set[str]]:
        """Return for each layer what `keys` says of the arrays of params that it holds."""
        found = {}
        for name, layer in _named_layers(self.net).items():
            held = [v for v in own_attributes(layer).values() if isinstance(v, np.ndarray)]
            found[name] = {
                module for key, module in keys.items()
                if any(np.shares_memory(array, self.params[key]) for array in held)
            }  # fmt: skip  # a condition
        return found

    def _gradient(self, batch: Batch) -> dict[str, Array]:
        grads = self._call("gradient", batch, batch.x, batch.t)
        if not isinstance(grads, Mapping) or set(grads) != set(self.params):
            got = ", ".join(map(str, grads)) if isinstance(grads, Mapping) else type(grads).__name__
            raise CandidateError(
                f"gradient(x, t) returned {got}; expected a dict of {', '.join(self.params)}"
            )
        return {key: np.array(grads[key], np.float64) for key in self.params}

    def _call(self, method: str, batch: Batch, *given: Array) -> Any:
        """Call a method on copies, from the same buffers and random numbers as every time."""
        for key, value in batch.buffers.items():
            self._slots[key].write(value.copy())
        self._modes.switch(training=self.training)
        copies = [value.copy() for value in given]
        function = getattr(self.net, method)
        told = {flag: self.training} if (flag := flag_of(function)) else {}
        with calling(method, function, *copies):
            returned = quietly(function, *copies, **told)
        if any(not np.array_equal(a, b) for a, b in zip(given, copies, strict=True)):
            self.spoiled[f"{method} changed an array that was passed to it"] = None
        return returned

    def _buffers(self) -> dict[str, Array]:
        kept = self.read_buffers()
        return {k: np.asarray(v, np.float64) for k, v in kept.items() if v is not None}

    def _masks(self) -> list[Array]:
        shown = getattr(self.net, "masks", None)
        if isinstance(shown, list | tuple):
            return [np.array(mask) != 0 for mask in shown]
        return [np.array(d.mask) != 0 for d in self._modes.dropouts if hasattr(d, "mask")]

    @contextmanager
    def _listening(self, heard: dict[str, Array]) -> Iterator[None]:
        """Keep what the forward passes of layers return."""
        wrapped = []
        for name, layer in _named_layers(self.net).items():
            if callable(getattr(layer, "forward", None)) and "forward" not in vars(layer):
                layer.forward = _heard(layer.forward, name, heard)
                wrapped.append(layer)
        try:
            yield
        finally:
            for layer in wrapped:
                del layer.forward


@dataclass(frozen=True)
class Slot:
    """Where a network keeps a buffer: a key of a dict, or an attribute of a layer."""

    owner: Any
    key: str

    def read(self) -> Any:
        """Return what is kept."""
        is_dict = isinstance(self.owner, Mapping)
        return self.owner[self.key] if is_dict else getattr(self.owner, self.key)

    def write(self, value: Any) -> None:
        """Keep `value`: in the array that is there, where there is one."""
        there = self.read()
        if isinstance(there, np.ndarray) and value is not None and there.shape == value.shape:
            there[...] = value
        elif isinstance(self.owner, Mapping):
            self.owner[self.key] = value  # type: ignore[index]  # a dict
        else:
            setattr(self.owner, self.key, value)


def _slots(net: Any) -> dict[str, Slot]:
    shown = getattr(net, "buffers", None)
    if isinstance(shown, Mapping):
        return {str(key): Slot(shown, key) for key in shown}
    return {
        f"{name}.{key}": Slot(layer, key)
        for name, layer in _named_layers(net).items()
        for key in RUNNING
        if hasattr(layer, key)
    }


def _named_layers(net: Any) -> dict[str, Any]:
    layers = getattr(net, "layers", None)
    if isinstance(layers, Mapping):
        return {str(k): v for k, v in layers.items() if hasattr(v, "__dict__")}
    return {f"layers[{i}]": layer for i, layer in enumerate(layers_of(net))}


def _heard(forward: Callable[..., Any], name: str, heard: dict[str, Array]) -> Callable[..., Any]:
    def listen(*args: Any, **options: Any) -> Any:
        returned = forward(*args, **options)
        calls = sum(key.split("[call")[0] == name for key in heard)
        heard.update(_arrays({f"{name}[call {calls}]" if calls else name: returned}))
        return returned

    return listen


def _arrays(shown: Any) -> dict[str, Array]:
    """Return copies of what of a dict is arrays of numbers."""
    if not isinstance(shown, Mapping):
        return {}
    found = {str(key): _numbers(value) for key, value in shown.items()}
    return {key: value for key, value in found.items() if value is not None}


def _numbers(value: Any) -> Array | None:
    """Return a copy, wide; None where it is no array of floating-point numbers."""
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        return None
    return array.astype(np.float64) if array.dtype.kind == "f" else None


def _dtype(params: Any) -> str:
    """Return the one dtype of the parameters."""
    if not isinstance(params, Mapping) or not params:
        raise TypeError(f"params is {type(params).__name__}; expected a dict of arrays")
    for key, value in params.items():
        kind = getattr(value, "dtype", type(value).__name__)
        if not isinstance(value, np.ndarray) or str(kind) not in ("float32", "float64"):
            raise TypeError(
                f"params[{key!r}] is {kind}; expected a numpy array of float64 or float32"
            )
        if not value.flags.writeable:
            raise ValueError(f"params[{key!r}] is read-only; the judge writes into it")
    kinds = {str(value.dtype) for value in params.values()}
    if len(kinds) > 1:
        raise TypeError(f"params mixes {' and '.join(sorted(kinds))}; expected one dtype")
    return kinds.pop()
