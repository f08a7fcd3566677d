"""What one evaluation of the reference consists of; torch is not needed to hold it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from compare.activations import NEGATIVE_SLOPE

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


class Errors(NamedTuple):
    """The rounding errors that are to be expected of an Evaluation in one number format.

    Attributes
    ----------
    named : dict of str to compare.reference.evaluate.Evaluated
        Every value with its E^2.
    on_edge : ndarray of bool (B,)
        Rows of which an operation selects by a margin that rounding may turn over.
    u : float
        Unit roundoff of the format.
    """

    named: Mapping[str, Any]
    on_edge: NDArray[np.bool_]
    u: float


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the reference; every array is float64, in the book's layout.

    Attributes
    ----------
    params : dict
        W1 (fan_in, fan_out), b1, ...
    x, t : ndarray (B, features), (B,)
        The batch.
    convention, mode
        What was computed, as given.
    named : dict
        z1, a1, ..., logits, probabilities, log-probabilities, loss (mean over the batch, weight
        decay included), gradients W2, b2, W1, b1, running statistics after training: causes before
        effects. With BatchNorm, n1 is its output; with dropout, d1 is what it leaves of a1.
    derive : callable
        Makes the Errors in a dtype.
    """

    params: dict[str, Float64]
    x: Float64
    t: NDArray[np.int64]
    convention: Convention
    mode: Mode
    named: dict[str, Float64 | float]
    derive: Callable[["Evaluation", DTypeLike], Errors] = field(repr=False, compare=False)
    _errors: dict[str, Errors] = field(default_factory=dict, repr=False, compare=False)

    def values(self) -> dict[str, Float64 | float]:
        """Return every value by name, in causal order."""
        return self.named

    def errors(self, dtype: DTypeLike) -> Errors:
        """Return the errors that are to be expected in `dtype`, derived where they are asked for.

        Raises
        ------
        UnsupportedError
            It is not known how `dtype` rounds.
        """
        key = np.dtype(dtype).name
        if key not in self._errors:
            self._errors[key] = self.derive(self, dtype)
        return self._errors[key]

    @property
    def loss(self) -> float:
        """The loss."""
        return float(self.named["loss"])

    @cached_property
    def grads(self) -> dict[str, Float64]:
        """Gradients by `params`, under the same names."""
        return {key: np.asarray(self.named[key]) for key in self.params if key in self.named}

    @property
    def is_finite(self) -> bool:
        """Whether the loss and every gradient are finite."""
        return bool(
            np.isfinite(self.loss) and all(np.isfinite(grad).all() for grad in self.grads.values())
        )

    @property
    def longest_sum(self) -> int:
        """The number of terms of the longest sum anywhere: rows, inputs or outputs of a layer."""
        weights = (value for key, value in self.params.items() if key.startswith("W"))
        return int(max(len(self.x), *(size for W in weights for size in W.shape)))


def probe_of(name: str) -> str:
    """Return the probe that looks at the quantity `name` of an evaluation."""
    if name.startswith("running"):
        return "state"
    return "loss" if name == "loss" else "gradient" if name[0] in "Wbg" else "forward"


def layer_of(name: str) -> int:
    """Return the layer of a quantity, counted from 1; 0 for what is of the last or of all."""
    digits = name.lstrip("abcdefghijklmnopqrstuvwxyzW_-")
    return int(digits) if digits else 0
