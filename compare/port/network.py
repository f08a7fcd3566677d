"""Somebody's network of any architecture, called on copies, and all that it shows of itself."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import number, quietly
from compare.modes import Modes, flag_of, own_attributes
from compare.port.arrays import as_numpy, is_array, is_number
from compare.port.shown import Shown, arrays_in, listening, named_layers, numbers, slots_of
from compare.port.stimuli import Batch
from compare.reference.formats import FORMATS
from compare.user_frame import CandidateError, calling

Array = NDArray[Any]


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
        if isinstance(net, type):
            raise TypeError(f"net is the class {net.__name__}; pass an instance, {net.__name__}()")
        for attribute in ("params", "gradient", "loss"):
            if not hasattr(net, attribute):
                raise TypeError(
                    f"{type(net).__name__} has no `{attribute}`: a network to be judged has "
                    "`params`, `gradient(x, t)` and `loss(x, t)`"
                )
        self.net, self.params, self.training = net, net.params, training
        self.form = FORMATS[_dtype(self.params)]
        self._modes = Modes(net)
        self._slots = slots_of(net)
        self.gradient_first = False
        self.spoiled: dict[str, None] = {}
        self.returned: dict[str, Any] = {}

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
        if self.has_predict:
            output = numbers(self._call("predict", batch, batch.x))
        with listening(self.net, inside):
            loss = number(self._call("loss", batch, batch.x, batch.t))
        inside |= arrays_in(getattr(self.net, "outputs", None))
        masks = self._masks()
        grads = self._gradient(batch)
        return Shown(output, loss, grads, self._buffers(), inside, masks, self._masks())

    def predicted(self, batch: Batch, *, training: bool) -> Array | None:
        """Return what predict returns in another mode, where it can be told."""
        self.write(batch.params)
        before, self.training = self.training, training
        try:
            return numbers(self._call("predict", batch, batch.x))
        finally:
            self.training = before

    @property
    def has_predict(self) -> bool:
        """Whether there is predict(x)."""
        return callable(getattr(self.net, "predict", None))

    @property
    def can_switch(self) -> bool:
        """Whether predict can be asked in either mode."""
        return self.has_predict and self._modes.has_modes

    def owners(self, keys: Mapping[str, str]) -> dict[str, set[str]]:
        """Return for each layer what `keys` says of the arrays of params that it holds."""
        found = {}
        for name, layer in named_layers(self.net).items():
            held = [v for v in own_attributes(layer).values() if isinstance(v, np.ndarray)]
            found[name] = {
                module for key, module in keys.items()
                if any(np.shares_memory(array, self.params[key]) for array in held)
            }  # fmt: skip  # a condition
        return found

    def _gradient(self, batch: Batch) -> dict[str, Array]:
        grads = self._call("gradient", batch, batch.x, batch.t)
        if not isinstance(grads, Mapping) or not set(grads) >= set(self.params):
            got = ", ".join(map(str, grads)) if isinstance(grads, Mapping) else type(grads).__name__
            raise CandidateError(
                f"gradient(x, t) returned {got}; expected a dict of {', '.join(self.params)}"
            )
        self.returned = {key: grads[key] for key in self.params}
        for key, grad in self.returned.items():
            if not is_array(grad) and not is_number(grad):
                kind = type(grad).__name__
                raise CandidateError(f"gradient(x, t) returned {kind} for {key}; expected an array")
        return {key: as_numpy(grad).astype(np.float64) for key, grad in self.returned.items()}

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
        for key in self.params:
            if not np.array_equal(self.params[key], batch.params[key]):
                self.spoiled[f"{method} changed params[{key!r}]"] = None
                self.params[key][...] = batch.params[key]
        return returned

    def _buffers(self) -> dict[str, Array]:
        kept = self.read_buffers()
        return {k: np.asarray(v, np.float64) for k, v in kept.items() if v is not None}

    def _masks(self) -> list[Array]:
        shown = getattr(self.net, "masks", None)
        if isinstance(shown, list | tuple):
            return [np.array(mask) != 0 for mask in shown]
        return [np.array(d.mask) != 0 for d in self._modes.dropouts if hasattr(d, "mask")]


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
