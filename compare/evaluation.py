"""What one evaluation of the reference consists of; torch is not needed to hold it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compare.activations import KNOWN, NEGATIVE_SLOPE

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
    variance_epsilon : float
        What BatchNorm adds to the variance.
    unbiased : bool
        Whether its running variance takes that of B - 1 rows, else that of B.
    share : float
        What the running statistics take of each batch.
    inverted : bool
        Dropout scales by 1 / (1 - ratio) in training, else by 1 - ratio afterwards.
    negative_slope : float
        Of a leaky ReLU.
    """

    relu_at_zero: int = 0
    epsilon: float = 0.0
    form: str = "add"
    epsilon_in_gradient: bool = False
    mean: bool = True
    decay_factor: float = 0.5
    variance_epsilon: float = 1e-5
    unbiased: bool = True
    share: float = 0.1
    inverted: bool = True
    negative_slope: float = NEGATIVE_SLOPE


PYTORCH = Convention()


def kept_from_zero(y: Float64, epsilon: float, form: str) -> Float64:
    """Return y, away from 0 in one of the forms of a Convention."""
    if form == "add":
        return y + epsilon
    return np.asarray(np.clip(y, epsilon, 1 - epsilon if form == "clip" else np.inf))


@dataclass(frozen=True)
class Mode:
    """What values depend on beside parameters and batch, with BatchNorm or dropout.

    Attributes
    ----------
    training : bool
        Whether BatchNorm takes mean and variance of the batch, and dropout drops.
    running : mapping
        running_mean1 (units,), running_var1, ... before the evaluation.
    masks : sequence of ndarray of bool (B, units)
        What dropout keeps in each hidden layer.
    """

    training: bool = True
    running: Mapping[str, NDArray[np.floating[Any]]] = field(default_factory=dict)
    masks: Sequence[NDArray[np.bool_]] = ()


TRAINING = Mode()


@dataclass(frozen=True)
class Hidden:
    """One hidden layer after its Affine: normalization, activation, dropout.

    Attributes
    ----------
    n : ndarray (B, units)
        What the activation is given: a normalization's gamma xn + beta, or z.
    h : ndarray (B, units)
        What the activation returns.
    dn, dh : ndarray
        Gradients by both.
    mean, var, std : ndarray (units,) or (B, 1), or None
        What BatchNorm took of z, or of its past; what LayerNorm took of each row of it. std is
        sqrt(var + epsilon).
    factor : ndarray (B, units) or float or None
        What dropout multiplies with.
    """

    n: Float64
    h: Float64
    dn: Float64
    dh: Float64
    mean: Float64 | None = None
    var: Float64 | None = None
    std: Float64 | None = None
    factor: Float64 | float | None = None


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
    hidden : list of Hidden
        What is between z and the a of the next layer.
    loss : float
        Mean over the batch, weight decay included.
    dz : list of ndarray
        Gradients of the loss by `z`.
    grads : dict
        Gradients by `params`, under the same names.
    running : dict
        Running statistics after the evaluation, in training with BatchNorm.
    weight_decay_lambda, convention, mode
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
    hidden: list[Hidden]
    loss: float
    dz: list[Float64]
    grads: dict[str, Float64]
    running: dict[str, Float64] = field(default_factory=dict)
    mode: Mode = TRAINING

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

    def values(self) -> dict[str, Float64 | float]:
        """Return z1, a1, ..., logits, ..., loss, W2, b2, W1, b1: causes before effects.

        With BatchNorm, n1 is its output; with dropout, d1 is what it leaves of a1.
        """
        hidden = [(layer.n, layer.h) for layer in self.hidden]
        parts = Parts(self.z, hidden, self.a[1:], self.y, self.log_y, self.loss)
        return by_name(parts, self, self.grads, self.running)

    @property
    def of_rows(self) -> bool:
        """Whether what is normalised is each row, as in LayerNorm, and not each column."""
        return any(layer.std is not None and layer.std.ndim == 2 for layer in self.hidden)

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


class Parts(NamedTuple):
    """The values of a forward pass, or what belongs to each of them."""

    z: list[Float64]
    hidden: list[tuple[Float64, Float64]]  # n and h
    a: list[Float64]  # what the layers after the first are given
    y: Float64
    log_y: Float64
    loss: float


def by_name(
    parts: Parts, e: Evaluation, grads: Mapping[str, Float64], running: Mapping[str, Float64]
) -> dict[str, Float64 | float]:
    """Return the parts of `e`, or what belongs to them, by name and in causal order."""
    first = e.hidden[0] if e.hidden else None
    kinds = (first.std is not None, first.factor is not None) if first else (False, False)
    return layer_names(parts, *kinds, grads, running)


def layer_names(
    parts: Parts,
    batchnorm: bool,
    dropout: bool,
    grads: Mapping[str, Float64],
    running: Mapping[str, Float64],
) -> dict[str, Float64 | float]:
    """Return parts by name and in causal order, of a network with BatchNorm or dropout, or not."""
    z = parts.z
    named: dict[str, Float64 | float] = {}
    for i, ((n, h), a) in enumerate(zip(parts.hidden, parts.a, strict=True), 1):
        named[f"z{i}"] = z[i - 1]
        if batchnorm:
            named[f"n{i}"] = n
        named[f"a{i}"] = h
        if dropout:
            named[f"d{i}"] = a
    last = {"logits": z[-1], "probabilities": parts.y, "log-probabilities": parts.log_y}
    named |= {**last, "loss": parts.loss}
    for i in range(len(z) if grads else 0, 0, -1):
        names = (f"gamma{i}", f"beta{i}", f"W{i}", f"b{i}")
        named |= {name: grads[name] for name in names if name in grads}
    return {**named, **running}


def derivative(e: Evaluation, i: int) -> Float64:
    """Return the derivative of the activation of hidden layer `i`, counted from 1, (B, units)."""
    known, n = KNOWN[e.activation], e.hidden[i - 1].n
    slopes = known.derivative(n, e.convention.negative_slope)
    if known.has_kink and e.convention.relu_at_zero:
        return np.where(n == 0, 1.0, slopes)
    return slopes


def probe_of(name: str) -> str:
    """Return the probe that looks at the quantity `name` of an evaluation."""
    if name.startswith("running"):
        return "state"
    return "loss" if name == "loss" else "gradient" if name[0] in "Wbg" else "forward"


def layer_of(name: str) -> int:
    """Return the layer of a quantity, counted from 1; 0 for what is of the last or of all."""
    digits = name.lstrip("abcdefghijklmnopqrstuvwxyzW_-")
    return int(digits) if digits else 0
