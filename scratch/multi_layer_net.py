"""The fully connected network of the book, chapter 6 (`common/multi_layer_net.py`)."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.gradient import numerical_gradient
from scratch.layers import Affine, Array, Relu, Sigmoid, SoftmaxWithLoss, Tanh, Targets

ACTIVATIONS = {"relu": Relu, "sigmoid": Sigmoid, "tanh": Tanh}


class MultiLayerNet:
    """Affine layers with an activation between them, softmax and cross-entropy at the end.

    Parameters
    ----------
    input_size : int
        Features of a sample, 784 for MNIST.
    hidden_size_list : sequence of int
        Units of each hidden layer, such as [100, 100, 100, 100]; may be empty.
    output_size : int
        Classes.
    activation : {'relu', 'sigmoid', 'tanh'}
        The same in every hidden layer.
    weight_init_std : float or {'relu', 'he', 'sigmoid', 'xavier'}
        Standard deviation of the weights. 'relu' or 'he' is He's sqrt(2 / fan_in) (He et al. 2015,
        eq. 10); 'sigmoid' or 'xavier' is the book's Xavier, sqrt(1 / fan_in) (section 6.2.2), which
        is not the sqrt(2 / (fan_in + fan_out)) of Glorot and Bengio 2010, eq. 12.
    weight_decay_lambda : float
        lambda of the term lambda / 2 * sum(W^2) in the loss (book, section 6.4.2).
    rng : numpy.random.Generator
        Source of the weights: one standard-normal array (fan_in, fan_out) a layer, in order.
    dtype : dtype
        Of the parameters; give the data the same.

    Attributes
    ----------
    params : dict of str to ndarray
        W1 (fan_in, fan_out), b1 (fan_out,), W2, b2, ... Change them in place.
    layers : dict of str to layer
        Affine1, Activation_function1, Affine2, ... in the order of `forward`.

    Raises
    ------
    ValueError
        An unknown activation or rule, a size below 1, a std or lambda that is negative or not
        finite.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size_list: Sequence[int],
        output_size: int,
        activation: str = "relu",
        weight_init_std: float | str = "relu",
        weight_decay_lambda: float = 0,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float64,
    ) -> None:
        sizes = [input_size, *hidden_size_list, output_size]
        for size in sizes:
            if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
                raise ValueError(f"a layer size must be an integer of at least 1, not {size!r}")
        if str(activation).lower() not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}"
            )
        if not (math.isfinite(weight_decay_lambda) and weight_decay_lambda >= 0):
            raise ValueError(
                f"weight_decay_lambda must be finite and at least 0, not {weight_decay_lambda!r}"
            )
        self.weight_decay_lambda = weight_decay_lambda

        self.params: dict[str, Array] = {}
        for i, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
            std = weight_std(weight_init_std, fan_in)
            self.params[f"W{i}"] = (std * rng.standard_normal((fan_in, fan_out))).astype(dtype)
            self.params[f"b{i}"] = np.zeros(fan_out, dtype=dtype)

        self.layers: dict[str, Any] = {}
        for i in range(1, len(sizes)):
            self.layers[f"Affine{i}"] = Affine(
                self.params[f"W{i}"], self.params[f"b{i}"], needs_dx=i > 1
            )
            if i < len(sizes) - 1:
                self.layers[f"Activation_function{i}"] = ACTIVATIONS[str(activation).lower()]()
        self.last_layer = SoftmaxWithLoss()

    def predict(self, x: Array) -> Array:
        """Return the logits, (B, output_size), of `x`, (B, input_size)."""
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x: Array, t: Targets) -> float:
        """Return mean cross-entropy + lambda / 2 * sum(W^2); targets as labels or one-hot."""
        return self.last_layer.forward(self.predict(x), t) + self.weight_penalty()

    def weight_penalty(self) -> float:
        """Return lambda / 2 * sum(W^2), biases left out; 0 without weight decay."""
        if not self.weight_decay_lambda:
            return 0.0
        weights = [W for key, W in self.params.items() if key.startswith("W")]
        return 0.5 * self.weight_decay_lambda * sum(float((W**2).sum()) for W in weights)

    def accuracy(self, x: Array, t: Targets) -> float:
        """Return the share of rows whose largest logit is at the target."""
        t = t.argmax(axis=1) if t.ndim == 2 else t
        return float((self.predict(x).argmax(axis=1) == t).mean())

    def gradient(self, x: Array, t: Targets) -> dict[str, Array]:
        """Return the gradient of `loss` by every parameter, by backpropagation."""
        self.last_layer.forward(self.predict(x), t)
        return self.backward()

    def backward(self) -> dict[str, Array]:
        """Go back through the layers after a forward pass; return the gradient by W1, b1, ..."""
        dout = self.last_layer.backward()
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)

        grads = {}
        affines = [layer for layer in self.layers.values() if isinstance(layer, Affine)]
        for i, affine in enumerate(affines, start=1):
            grads[f"W{i}"] = affine.dW
            if self.weight_decay_lambda:
                grads[f"W{i}"] = affine.dW + self.weight_decay_lambda * affine.W
            grads[f"b{i}"] = affine.db
        return grads

    def numerical_gradient(self, x: Array, t: Targets) -> dict[str, Array]:
        """Return the same by finite differences: slow, and a check of `gradient` (float64 only)."""
        return self.differences(lambda: self.loss(x, t))

    def differences(self, loss: Callable[[], float]) -> dict[str, Array]:
        """Return the differences of `loss` by every element of every parameter."""
        return {key: numerical_gradient(loss, value) for key, value in self.params.items()}


def weight_std(rule: float | str, fan_in: int) -> float:
    """Return the standard deviation that `rule` (see MultiLayerNet) gives to `fan_in` inputs."""
    if isinstance(rule, str):
        if rule.lower() in ("relu", "he"):
            return math.sqrt(2 / fan_in)
        if rule.lower() in ("sigmoid", "xavier"):
            return math.sqrt(1 / fan_in)
    elif isinstance(rule, Real) and math.isfinite(rule) and rule >= 0:
        return float(rule)
    raise ValueError(
        "weight_init_std must be 'relu' or 'he', 'sigmoid' or 'xavier', "
        f"or a finite number of at least 0, not {rule!r}"
    )
