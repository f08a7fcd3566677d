"""What one evaluation of the reference consists of; torch is not needed to hold it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

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
    """

    relu_at_zero: int = 0
    epsilon: float = 0.0
    form: str = "add"
    epsilon_in_gradient: bool = False
    mean: bool = True
    decay_factor: float = 0.5


PYTORCH = Convention()


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
    loss : float
        Mean over the batch, weight decay included.
    dz, da : list of ndarray
        Gradients of the loss by `z` and `a`; da[0], by the data, is not computed and empty.
    grads : dict
        Gradients by `params`, under the same names.
    weight_decay_lambda, convention
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
    loss: float
    dz: list[Float64]
    da: list[Float64]
    grads: dict[str, Float64]

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
        """Return z1, a1, ..., logits, ..., loss, W2, b2, W1, b1: causes before effects."""
        return by_name(self.z, self.a, self.y, self.log_y, self.loss, self.grads)

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


def by_name(
    z: list[Float64], a: list[Float64], y: Float64, log_y: Float64, loss: float,
    grads: Mapping[str, Float64],
) -> dict[str, Float64 | float]:  # fmt: skip  # a signature
    """Return the parts of an evaluation by the names of its quantities, in causal order."""
    named: dict[str, Float64 | float] = {}
    for i in range(1, len(z)):
        named |= {f"z{i}": z[i - 1], f"a{i}": a[i]}
    named |= {"logits": z[-1], "probabilities": y, "log-probabilities": log_y, "loss": loss}
    for i in range(len(z) if grads else 0, 0, -1):
        named |= {name: grads[name] for name in (f"W{i}", f"b{i}")}
    return named


def probe_of(name: str) -> str:
    """Return the probe that looks at the quantity `name` of an evaluation."""
    return "loss" if name == "loss" else "gradient" if name[0] in "Wb" else "forward"
