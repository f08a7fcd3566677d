"""What a network shows of itself beside its gradients: outputs of its layers, and buffers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.modes import RUNNING, layers_of

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


@contextmanager
def listening(net: Any, heard: dict[str, Array]) -> Iterator[None]:
    """Keep what the forward passes of layers return."""
    wrapped = []
    for name, layer in named_layers(net).items():
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


def slots_of(net: Any) -> dict[str, Slot]:
    """Return where a network keeps its buffers: in its `buffers`, else in layers of BatchNorm."""
    shown = getattr(net, "buffers", None)
    if isinstance(shown, Mapping):
        return {str(key): Slot(shown, key) for key in shown}
    return {
        f"{name}.{key}": Slot(layer, key)
        for name, layer in named_layers(net).items()
        for key in RUNNING
        if hasattr(layer, key)
    }


def named_layers(net: Any) -> dict[str, Any]:
    """Return its layers by the keys of its dict of them, or by their places in a list."""
    layers = getattr(net, "layers", None)
    if isinstance(layers, Mapping):
        return {str(k): v for k, v in layers.items() if hasattr(v, "__dict__")}
    return {f"layers[{i}]": layer for i, layer in enumerate(layers_of(net))}


def _heard(forward: Callable[..., Any], name: str, heard: dict[str, Array]) -> Callable[..., Any]:
    def listen(*args: Any, **options: Any) -> Any:
        returned = forward(*args, **options)
        calls = sum(key.split("[call")[0] == name for key in heard)
        heard.update(arrays_in({f"{name}[call {calls}]" if calls else name: returned}))
        return returned

    return listen


def arrays_in(shown: Any) -> dict[str, Array]:
    """Return copies of what of a dict is arrays of numbers."""
    if not isinstance(shown, Mapping):
        return {}
    found = {str(key): numbers(value) for key, value in shown.items()}
    return {key: value for key, value in found.items() if value is not None}


def numbers(value: Any) -> Array | None:
    """Return a copy, wide; None where it is no array of floating-point numbers."""
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        return None
    return array.astype(np.float64) if array.dtype.kind == "f" else None
