"""Activations that a network may have, in numpy: the book's three, and those that are common."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEGATIVE_SLOPE = 0.01
"""That of nn.LeakyReLU, where nothing else is found."""

Function = Callable[[Array, float], Array]


@dataclass(frozen=True)
class Activation:
    """One elementwise function; each member takes n (B, units) and the slope of a leaky ReLU.

    Attributes
    ----------
    value, derivative : callable
        h and h'.
    """

    value: Function
    derivative: Function


def logistic(n: Array) -> Array:
    """Return 1 / (1 + exp(-n)), by no exponential that overflows."""
    e = np.exp(-np.abs(n))
    return np.asarray(np.where(n >= 0, 1, e) / (1 + e))


def _bell(n: Array) -> Array:
    """Return the derivative of the logistic function."""
    s = logistic(n)
    return s * (1 - s)


def _normal(n: Array) -> tuple[Array, Array]:
    """Return distribution and density of the standard normal."""
    erfs = np.vectorize(math.erf, otypes=[float])(n / math.sqrt(2)) if n.size else n
    return (1 + erfs) / 2, np.exp(-(n**2) / 2) / math.sqrt(2 * math.pi)


ROOT, CUBE = math.sqrt(2 / math.pi), 0.044715
"""GELU by tanh (Hendrycks and Gimpel 2016): n (1 + tanh v) / 2, v = ROOT (n + CUBE n^3)."""


def _by_tanh(n: Array) -> tuple[Array, Array]:
    """Return tanh v and v'."""
    return np.tanh(ROOT * (n + CUBE * n**3)), ROOT * (1 + 3 * CUBE * n**2)


def _tanh_gelu_derivative(n: Array, _: float) -> Array:
    t, dv = _by_tanh(n)
    return np.asarray((1 + t) / 2 + n * (1 - t**2) * dv / 2)


KNOWN = {
    "relu": Activation(lambda n, _: np.maximum(n, 0), lambda n, _: (n > 0).astype(float)),
    "sigmoid": Activation(lambda n, _: logistic(n), lambda n, _: _bell(n)),
    "tanh": Activation(lambda n, _: np.tanh(n), lambda n, _: 1 - np.tanh(n) ** 2),
    "leaky_relu": Activation(
        lambda n, s: np.asarray(np.where(n > 0, n, s * n)),
        lambda n, s: np.asarray(np.where(n > 0, 1.0, s)),
    ),
    "elu": Activation(
        lambda n, _: np.where(n > 0, n, np.expm1(np.minimum(n, 0))),
        lambda n, _: np.exp(np.minimum(n, 0)),
    ),
    "gelu": Activation(
        lambda n, _: n * _normal(n)[0], lambda n, _: _normal(n)[0] + n * _normal(n)[1]
    ),
    "gelu_tanh": Activation(lambda n, _: n * (1 + _by_tanh(n)[0]) / 2, _tanh_gelu_derivative),
    "silu": Activation(lambda n, _: n * logistic(n), lambda n, _: logistic(n) + n * _bell(n)),
    "softplus": Activation(lambda n, _: np.logaddexp(0, n), lambda n, _: logistic(n)),
    "identity": Activation(lambda n, _: n, lambda n, _: np.ones_like(n)),
}
BOOK = ("relu", "sigmoid", "tanh")
"""Those of the book, tried first."""
