"""The layers of the book, chapter 5: each keeps in `forward` what its `backward` needs.

Shapes: a batch has B rows; `x` is (B, fan_in), `dout` has the shape of what `forward` returned.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Targets = NDArray[Any]


class Affine:
    """out = x W + b (book, section 5.6).

    Parameters
    ----------
    W : ndarray (fan_in, fan_out)
        Weights; kept by reference, so that an optimiser that changes them in place is seen here.
    b : ndarray (fan_out,)
        Biases, likewise.
    needs_dx : bool
        False for the first layer of a network: nobody asks for the gradient of the images, and
        leaving it out saves a third of that layer's work.
    """

    def __init__(self, W: Array, b: Array, *, needs_dx: bool = True) -> None:
        self.W = W
        self.b = b
        self.needs_dx = needs_dx
        self.x: Array
        self.dW: Array
        self.db: Array

    def forward(self, x: Array) -> Array:
        """Return x W + b, (B, fan_out)."""
        self.x = x
        return x @ self.W + self.b  # (B, fan_out)

    def backward(self, dout: Array) -> Array | None:
        """Set `dW` and `db`; return dx, (B, fan_in), or None where `needs_dx` is False."""
        self.dW = self.x.T @ dout  # (fan_in, fan_out)
        self.db = dout.sum(axis=0)  # (fan_out,)
        return dout @ self.W.T if self.needs_dx else None  # (B, fan_in)


class Relu:
    """out = max(x, 0), with derivative 0 at x = 0 (book, section 5.5.1)."""

    def __init__(self) -> None:
        self.mask: NDArray[np.bool_]

    def forward(self, x: Array) -> Array:
        """Return max(x, 0), the shape of x."""
        self.mask = x <= 0
        return np.maximum(x, 0)

    def backward(self, dout: Array) -> Array:
        """Return dout where x was positive, else 0."""
        return np.where(self.mask, 0, dout)


class Sigmoid:
    """out = 1 / (1 + exp(-x)) (book, section 5.5.2).

    For negative x the equal form exp(x) / (1 + exp(x)) is used: exp never sees a positive number
    and so never overflows.
    """

    def __init__(self) -> None:
        self.out: Array

    def forward(self, x: Array) -> Array:
        """Return the sigmoid of x, the shape of x."""
        e = np.exp(-np.abs(x))
        self.out = np.where(x >= 0, 1, e) / (1 + e)
        return self.out

    def backward(self, dout: Array) -> Array:
        """Return dout * out * (1 - out)."""
        return dout * (1.0 - self.out) * self.out


class Tanh:
    """out = tanh(x), with derivative 1 - out^2."""

    def __init__(self) -> None:
        self.out: Array

    def forward(self, x: Array) -> Array:
        """Return tanh(x), the shape of x."""
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout: Array) -> Array:
        """Return dout * (1 - out^2)."""
        return dout * (1.0 - self.out**2)


class SoftmaxWithLoss:
    """Mean cross-entropy of a softmax (book, section 5.6.3), exact for any finite logits.

    The book adds 1e-7 inside the log; this is the function without it: with the row's maximum m,
    log y = (x - m) - log(sum(exp(x - m))), so that log never sees 0. One softmax serves the loss
    and its gradient.
    """

    def __init__(self) -> None:
        self.y: Array
        self.t: Targets

    def forward(self, x: Array, t: Targets) -> float:
        """Return the mean over the batch of -log y at the target.

        Parameters
        ----------
        x : ndarray (B, classes)
            Logits.
        t : ndarray (B,) or (B, classes)
            Integer targets, or the same as one-hot rows.
        """
        self.t = t.argmax(axis=1) if t.ndim == 2 else t
        shifted = x - x.max(axis=1, keepdims=True)
        log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (B, classes)
        self.y = np.exp(log_y)
        return float(-log_y[np.arange(len(x)), self.t].mean())

    def backward(self) -> Array:
        """Return the gradient of the loss by the logits, (y - onehot(t)) / B."""
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx / len(dx)  # (B, classes)
