"""A network in the book's style, called so that neither side can spoil the other's arrays."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import combinations, pairwise, product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compare.evaluation import layer_of
from compare.extended import Extended, Found
from compare.user_frame import CandidateError, calling

Array = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]
Targets = NDArray[np.integer[Any]]
ONE_HOT, LABELS = "one-hot", "labels"
TWO, FIRST, SECOND = slice(0, 2), slice(0, 1), slice(1, 2)


class Network(Protocol):
    """What a network must have to be judged: the book's `MultiLayerNet` and most like it."""

    params: Any

    def gradient(self, x: Any, t: Any, /) -> Any:
        """Return the gradients under the names of `params`."""

    def loss(self, x: Any, t: Any, /) -> Any:
        """Return the loss of a batch."""


class Candidate:
    """The network that is judged.

    Parameters
    ----------
    net : Network
        `params` holds W1 (fan_in, fan_out), b1 (fan_out,), W2, ... as numpy arrays of one dtype.

    Raises
    ------
    TypeError, ValueError
        Not such a network; the message says what is missing.

    Attributes
    ----------
    sizes : tuple of int
        Features, hidden units, classes.
    absent : tuple of str
        Biases that it does not have: zeros stand in for them, and are never written.
    targets : {'labels', 'one-hot'}
        What it takes as `t`.
    after_loss : bool
        Whether its gradient goes back from the loss before it.
    not_exercised : tuple of str
        Other values of arguments of its constructor that would make another network.
    asked_after_loss : set of str
        The forms of targets with which that was seen, at a first call.
    """

    def __init__(self, net: Network) -> None:
        for attribute in ("params", "gradient", "loss"):
            if not hasattr(net, attribute):
                raise TypeError(
                    f"{type(net).__name__} has no `{attribute}`: a network to be judged has "
                    "`params`, `gradient(x, t)` and `loss(x, t)`"
                )
        self.net = net
        self.weight_decay_lambda = getattr(net, "weight_decay_lambda", None)
        self.params, self.absent, self._shapes = _network_order(net.params)
        self.sizes = _sizes(self.params)
        self.dtype = next(iter(self.params.values())).dtype
        hidden = len(self.sizes) - 2
        self._extended = Extended(net, hidden, batchnorm="gamma1" in self.params)
        self.targets = LABELS
        self.after_loss = False
        self.asked_after_loss: set[str] = set()
        self.spoiled: list[str] = []
        self.not_judged = ""
        self.not_exercised: tuple[str, ...] = ()
        self.output = "logits"  # what predict returns

    @property
    def name(self) -> str:
        """The class of the network."""
        return type(self.net).__name__

    def write(self, params: Mapping[str, Array]) -> None:
        """Write values into the arrays of the network, in place."""
        for key, value in params.items():
            if key not in self.absent:
                self.params[key][...] = value

    def read(self) -> dict[str, Array]:
        """Return copies of the parameters."""
        return {key: value.copy() for key, value in self.params.items()}

    @property
    def found(self) -> Found:
        """What the network has beside Affine and activations."""
        return self._extended.found

    def write_running(self, running: Mapping[str, Any]) -> None:
        """Give BatchNorm running_mean1, running_var1, ..., from which each call then starts."""
        self._extended.write_running(running)

    def read_running(self) -> dict[str, Any]:
        """Return copies of what BatchNorm remembers now."""
        return self._extended.read_running()

    def masks(self) -> list[NDArray[np.bool_]]:
        """Return what dropout kept in the last call, a mask for each hidden layer."""
        return self._extended.masks()

    def without_dropout(self, reason: str) -> dict[str, Any]:
        """Set the ratio of dropout to 0; return the fields of `found`."""
        self._extended.without_dropout(reason)
        return asdict(self.found)

    def see_normalization(self, x: Array, t: Targets) -> dict[str, Any]:
        """Find whether gamma and beta are those of LayerNorm; return the fields of `found`.

        Its gradient of two rows is the sum, or the mean, of those of each; with BatchNorm, in which
        rows depend on each other, it is not; what has running statistics is meant to be that.
        Gradients of W may have weight decay in them, and those by finite differences have half of
        their digits, half of which tell apart what they leave out and BatchNorm: u^(1/4).
        """
        if self.found.batchnorm and not self.found.remembers:
            with self._extended.no_dropout():
                try:
                    both, *single = (self.gradient(x[i], t[i]) for i in (TWO, FIRST, SECOND))
                except (Exception, SystemExit):  # as a batch of one row does to BatchNorm
                    return asdict(self.found)
            nearly = float(np.finfo(self.dtype).eps) ** 0.25
            both = {key: grad for key, grad in both.items() if key[0] != "W"}
            sums = {key: single[0][key] + single[1][key] for key in both}
            size = sum(float(np.abs(grad).sum()) for grad in sums.values())
            for scale in (2, 1):  # of a mean, of a sum
                off = sum(float(np.abs(scale * both[key] - sums[key]).sum()) for key in both)
                if off <= nearly * size:
                    self._extended.with_layernorm()
        return asdict(self.found)

    def write_decay(self, value: float) -> None:
        """Give the network another weight_decay_lambda."""
        self.net.weight_decay_lambda = value  # type: ignore[attr-defined]  # where it has one

    def restore(self) -> None:
        """Put back what weight decay, BatchNorm, dropout and their modes came with."""
        if self.weight_decay_lambda is not None:
            self.write_decay(self.weight_decay_lambda)
        self._extended.restore()

    def loss(self, x: Array, t: Targets, *, training: bool = True) -> float:
        """Return the loss of the batch, as a float."""
        return number(self._call("loss", x, t, training=training))

    def gradient(self, x: Array, t: Targets) -> dict[str, Float64]:
        """Return copies of the gradients, by the names of the parameters."""
        return self._grads(self._call("gradient", x, t))

    def shared_params(self) -> list[tuple[str, str]]:
        """Return the pairs of parameters that share memory."""
        pairs = combinations(self.params.items(), 2)
        return [(a, b) for (a, one), (b, other) in pairs if np.shares_memory(one, other)]

    def shared_gradients(self, x: Array, t: Targets) -> list[tuple[str, str]]:
        """Return the pairs of a parameter and a gradient that share memory."""
        grads = self._call("gradient", x, t)
        pairs = product(self.params.items(), _items(grads))
        return [(a, b) for (a, one), (b, other) in pairs if np.shares_memory(one, other)]

    def changed_since(self, params: Mapping[str, Array]) -> list[str]:
        """Return the parameters that are no longer what was written."""
        there = [key for key in params if key not in self.absent]
        return [key for key in there if not np.array_equal(self.params[key], params[key])]

    def after_other(self, before: str, other: Array, method: str, x: Array, t: Targets) -> Any:
        """Return loss or gradient of `x`, in the array in which `before` was just given `other`."""
        held, targets = other.copy(), self.given(t)
        self._ask_net(before, held, targets)
        held[...] = x
        result = self._ask_net(method, held, targets)
        return number(result) if method == "loss" else self._grads(result)

    def given(self, t: Targets) -> Targets:
        """Return a copy of the targets in the form that the network takes."""
        return np.eye(self.sizes[-1], dtype=int)[t] if self.targets == ONE_HOT else t.copy()

    def outputs(self, x: Array, *, training: bool = False) -> dict[str, Array]:
        """Return what can be seen of the forward pass: z1, a1, ..., and what `predict` returns.

        The layers in between are visible in networks that keep them as the book does, in a dict
        `layers` of objects with `forward`, of which `predict` is the composition.
        """
        predict = getattr(self.net, "predict", None)
        if predict is None:
            return {}
        copy = x.copy()
        returned = self._ask_net("predict", copy, training=training)
        self._look("predict", x, copy)
        if not _is_numbers(returned, (len(x), self.sizes[-1])):
            kind = _kind(returned)
            self.not_judged = f"predict is not judged: it returns {kind}, not (B, classes)"
            return {}
        predicted = np.array(returned, dtype=np.float64)
        if np.isin(predicted, (0, 1)).all() and (predicted.sum(axis=1) == 1).all():
            self.not_judged = "predict is not judged: it returns answers, as 0 and 1"
            return {}
        layers = list(getattr(self.net, "layers", {}).values()) if self._has_book_layers() else []
        seen: dict[str, Array] = {}
        found = self.found
        kinds = f"z{'n' * bool(found.normalization)}a{'d' * (found.ratio is not None)}"
        if len(layers) == len(kinds) * (len(self.sizes) - 2) + 1:
            value: Any = x.copy()
            self._extended.begin(training=training)
            for i, layer in enumerate(layers):
                with calling("forward", layer.forward, value):
                    value = quietly(self._extended.told, layer.forward, value, training=training)
                name = f"{kinds[i % len(kinds)]}{i // len(kinds) + 1}"
                seen[name] = np.array(value, dtype=np.float64)
            last = seen.popitem()[1]
            if not np.array_equal(last, predicted, equal_nan=True):
                seen = {}
        return {**seen, self.output: predicted}

    def _has_book_layers(self) -> bool:
        layers = getattr(self.net, "layers", None)
        return isinstance(layers, Mapping) and all(hasattr(v, "forward") for v in layers.values())

    def _ask_net(self, method: str, *arguments: Any, training: bool = True) -> Any:
        if method == "gradient" and self.after_loss:
            self._ask_net("loss", *arguments, training=training)
        function = getattr(self.net, method)
        with calling(method, function, *arguments):
            return quietly(self._extended.call, function, *arguments, training=training)

    def _call(self, method: str, x: Array, t: Targets, *, training: bool = True) -> Any:
        given = x, self.given(t)
        copies = tuple(array.copy() for array in given)
        result = self._ask_net(method, *copies, training=training)
        for before, after in zip(given, copies, strict=True):
            self._look(method, before, after)
        return result

    def _look(self, method: str, before: NDArray[Any], after: NDArray[Any]) -> None:
        if not np.array_equal(before, after):
            self.spoiled.append(f"{method} changed an array that was passed to it")

    def _grads(self, grads: Any) -> dict[str, Float64]:
        names = [key for key in self.params if key not in self.absent]
        if not isinstance(grads, Mapping) or set(grads) != set(names):
            got = ", ".join(map(str, grads)) if isinstance(grads, Mapping) else type(grads).__name__
            expected = ", ".join(names)
            raise CandidateError(f"gradient(x, t) returned {got}; expected a dict of {expected}")
        arrays = {key: np.array(grads[key], dtype=np.float64) for key in names}
        for key, shape in self._shapes.items():  # a bias that is a row, or a column
            if arrays[key].shape == shape:
                arrays[key] = arrays[key].reshape(-1)
        return arrays


def number(returned: Any) -> float:
    """Return a loss as a float; CandidateError where it is none."""
    if not _is_numbers(returned, np.shape(returned)) or np.size(returned) != 1:
        raise CandidateError(f"loss(x, t) returned {_kind(returned)}, not a number")
    return float(np.reshape(returned, ()))


def _is_numbers(value: Any, shape: tuple[int, ...]) -> bool:
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        return False
    return array.shape == shape and array.dtype.kind in "fiu"


def _kind(value: Any) -> str:
    """Return how to call a value in a message."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return type(value).__name__


def quietly(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call; overflow in somebody's network is for the judge to find, not for the console."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **options)


def _items(grads: Any) -> list[tuple[Any, NDArray[Any]]]:
    """Return what gradient(x, t) returned, as far as it is a dict."""
    return [(k, np.asarray(v)) for k, v in grads.items()] if isinstance(grads, Mapping) else []


def _network_order(
    params: Any,
) -> tuple[dict[str, Array], tuple[str, ...], dict[str, tuple[int, ...]]]:
    """Return `params` as W1, b1, W2, ..., which of these are absent, and the shapes of biases that
    are rows or columns; TypeError or ValueError where that cannot be.

    Biases become arrays of one axis that share the memory of those of the network.
    """
    if not isinstance(params, Mapping) or not params:
        raise TypeError(f"params is {type(params).__name__}; expected a dict with W1, b1, W2, ...")
    layers = sum(str(key).startswith("W") for key in params)
    names = [f"{letter}{i}" for i in range(1, layers + 1) for letter in "Wb"]
    absent = tuple(name for name in names if name[0] == "b" and name not in params)
    if "gamma1" in params:
        names += [f"{letter}{i}" for i in range(1, layers) for letter in ("gamma", "beta")]
    if not layers or set(names) - set(absent) != set(params):
        raise ValueError(
            f"params has {', '.join(map(str, params))}; expected W1, b1, W2, b2, ...; with "
            "BatchNorm or LayerNorm gamma1, beta1, ... for each hidden layer"
        )
    arrays = {name: _array(name, params[name]) for name in names if name not in absent}
    dtypes = {str(value.dtype) for value in arrays.values()}
    if len(dtypes) > 1:
        raise TypeError(f"params mixes {' and '.join(sorted(dtypes))}; expected one dtype")
    if dtypes - {"float32", "float64"}:
        raise TypeError(f"params is {dtypes.pop()}; expected float64 or float32")
    shapes = {}
    for name, value in arrays.items():
        if name[0] != "W" and value.ndim == 2 and 1 in value.shape:
            shapes[name], arrays[name] = value.shape, value.reshape(-1)
            if not np.shares_memory(arrays[name], value):
                raise ValueError(f"params[{name!r}] is not contiguous; np.ascontiguousarray helps")
    for name in absent:
        W = arrays[f"W{name[1:]}"]
        arrays[name] = np.zeros(W.shape[1:], W.dtype)
    return {name: arrays[name] for name in names}, absent, shapes


def _array(name: str, value: Any) -> Array:
    """Return a parameter as an array that shares its memory."""
    if not isinstance(value, np.ndarray) or not np.issubdtype(value.dtype, np.floating):
        kind = getattr(value, "dtype", type(value).__name__)
        raise TypeError(f"params[{name!r}] is {kind}; expected a numpy array of floats")
    if not value.flags.writeable:
        raise ValueError(f"params[{name!r}] is read-only; the judge writes its stimuli into it")
    return np.asarray(value)  # of a np.matrix, too


def _sizes(params: Mapping[str, Array]) -> tuple[int, ...]:
    """Return features, hidden units and classes; ValueError where the shapes do not chain."""
    weights = [value for key, value in params.items() if key.startswith("W")]
    for name in (key for key in params if key.startswith(("gamma", "beta"))):
        expected = params[f"b{layer_of(name)}"].shape
        if params[name].shape != expected:
            raise ValueError(f"{name} has shape {params[name].shape}; expected {expected}")
    for i, W in enumerate(weights, start=1):
        if W.ndim != 2 or 0 in W.shape:
            raise ValueError(f"W{i} has shape {W.shape}; expected (fan_in, fan_out)")
        if params[f"b{i}"].shape != W.shape[1:]:
            raise ValueError(
                f"b{i} has shape {params[f'b{i}'].shape} beside W{i} {W.shape}; "
                f"expected {W.shape[1:]}"
            )
    for i, (W, following) in enumerate(pairwise(weights), start=1):
        if W.shape[1] != following.shape[0]:
            raise ValueError(
                f"W{i} {W.shape} does not lead into W{i + 1} {following.shape}: "
                "expected (fan_in, fan_out) each"
            )
    sizes = (weights[0].shape[0], *(W.shape[1] for W in weights))
    if sizes[-1] < 2:
        raise ValueError(f"W{len(weights)} has {sizes[-1]} output; a softmax needs 2 or more")
    return sizes
