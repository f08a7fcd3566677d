"""Activations that a network may have beside the book's three, and how each is rounded.

Each states its value h at n, its first two derivatives, and the rounding errors E of its own, in
units of u, of the value and of the derivative: the root of the sum of squares over what each
operation of the formula rounds, the worst of the forms that are in use. The error that n brings
along is the derivative's part, and is added where the errors are carried through the network
(`compare.rounding`).
"""

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
    value, derivative, curvature : callable
        h, h' and h''.
    rounds : callable
        E of h, with n exact.
    derivative_rounds : callable
        E of h', with n exact.
    has_kink : bool
        Whether h' jumps at 0.
    """

    value: Function
    derivative: Function
    curvature: Function
    rounds: Function
    derivative_rounds: Function
    has_kink: bool = False


def zero(n: Array, _: float = 0.0) -> Array:
    """Return an E of 0: exact operations."""
    return np.zeros_like(n)


def logistic(n: Array) -> Array:
    """Return 1 / (1 + exp(-n)), by no exponential that overflows."""
    e = np.exp(-np.abs(n))
    return np.asarray(np.where(n >= 0, 1, e) / (1 + e))


def _leaky(n: Array, slope: float, of_negative: Array | float) -> Array:
    return np.asarray(np.where(n > 0, 0.0, of_negative) * slope)


# ReLU and leaky ReLU: a comparison is exact; s n errs by the product and by s itself

RELU = Activation(
    lambda n, _: np.maximum(n, 0), lambda n, _: (n > 0).astype(float), zero, zero, zero, True
)
LEAKY = Activation(
    lambda n, s: np.asarray(np.where(n > 0, n, s * n)),
    lambda n, s: np.asarray(np.where(n > 0, 1.0, s)),
    zero,
    lambda n, s: math.sqrt(2) * np.abs(_leaky(n, s, n)),
    lambda n, s: np.abs(_leaky(n, s, 1.0)),
    True,
)
IDENTITY = Activation(lambda n, _: n, lambda n, _: np.ones_like(n), zero, zero, zero)

# sigmoid s: (1 + tanh(n / 2)) / 2 is sigmoid, too, and adds to 1: E = 1; s' = s (1 - s)


def _bell(n: Array, _: float = 0.0) -> Array:
    s = logistic(n)
    return s * (1 - s)


SIGMOID = Activation(
    lambda n, _: logistic(n),
    _bell,
    lambda n, _: _bell(n) * (1 - 2 * logistic(n)),
    lambda n, _: np.ones_like(n),
    lambda n, _: np.hypot(1 - 2 * logistic(n), _bell(n)),
)

# tanh a: E = a; a' = 1 - a^2, with the error 2 a of a and that of the difference from 1

TANH = Activation(
    lambda n, _: np.tanh(n),
    lambda n, _: 1 - np.tanh(n) ** 2,
    lambda n, _: -2 * np.tanh(n) * (1 - np.tanh(n) ** 2),
    lambda n, _: np.abs(np.tanh(n)),
    lambda n, _: np.hypot(2 * np.tanh(n) ** 2, 1),
)

# softplus: log(1 + exp(n)) errs by 1 in the exponential, by 1 in the sum, and by h

SOFTPLUS = Activation(
    lambda n, _: np.logaddexp(0, n),
    lambda n, _: logistic(n),
    _bell,
    lambda n, _: np.sqrt(2 + np.logaddexp(0, n) ** 2),
    lambda n, _: np.ones_like(n),
)

# SiLU: n s(n) errs by n times the 1 of s, and by h; s (1 + n (1 - s)) by (1 + |n|) times it, twice

SILU = Activation(
    lambda n, _: n * logistic(n),
    lambda n, _: logistic(n) + n * _bell(n),
    lambda n, _: _bell(n) * (2 + n * (1 - 2 * logistic(n))),
    lambda n, _: np.hypot(n, n * logistic(n)),
    lambda n, _: math.sqrt(2) * (1 + np.abs(n)),
)

# ELU, alpha 1: exp(n) - 1 errs by the exponential, by the difference; h' is exp(n), or h + 1

ELU = Activation(
    lambda n, _: np.where(n > 0, n, np.expm1(np.minimum(n, 0))),
    lambda n, _: np.exp(np.minimum(n, 0)),
    lambda n, _: np.where(n > 0, 0.0, np.exp(np.minimum(n, 0))),
    lambda n, _: np.where(n > 0, 0.0, np.hypot(np.exp(np.minimum(n, 0)), 1)),
    lambda n, _: np.where(n > 0, 0.0, np.hypot(np.exp(np.minimum(n, 0)), 1)),
)

# GELU (Hendrycks and Gimpel 2016): n P, P = (1 + erf(n / sqrt 2)) / 2, p = P'. erf errs by 1, and
# so does 1 + erf; exp(-n^2 / 2) by n^2 of itself. By tanh: P = (1 + tanh v) / 2 with
# v = sqrt(2 / pi) (n + 0.044715 n^3), which errs by 3 |v|.


def _normal(n: Array) -> tuple[Array, Array]:
    """Return distribution and density of the standard normal."""
    erfs = np.vectorize(math.erf, otypes=[float])(n / math.sqrt(2)) if n.size else n
    return (1 + erfs) / 2, np.exp(-(n**2) / 2) / math.sqrt(2 * math.pi)


GELU = Activation(
    lambda n, _: n * _normal(n)[0],
    lambda n, _: _normal(n)[0] + n * _normal(n)[1],
    lambda n, _: (2 - n**2) * _normal(n)[1],
    lambda n, _: np.sqrt(2 * n**2 + (n * _normal(n)[0]) ** 2),
    lambda n, _: np.sqrt(2 + (n * _normal(n)[1]) ** 2 * (3 + n**4)),
)

ROOT, CUBE = math.sqrt(2 / math.pi), 0.044715


def _by_tanh(n: Array) -> tuple[Array, Array, Array]:
    """Return v, tanh v and v'."""
    v = ROOT * (n + CUBE * n**3)
    return v, np.tanh(v), ROOT * (1 + 3 * CUBE * n**2)


def _tanh_gelu(n: Array, _: float) -> Array:
    return n * (1 + _by_tanh(n)[1]) / 2


def _tanh_gelu_derivative(n: Array, _: float) -> Array:
    t, dv = _by_tanh(n)[1:]
    return np.asarray((1 + t) / 2 + n * (1 - t**2) * dv / 2)


def _tanh_gelu_curvature(n: Array, _: float) -> Array:
    t, dv = _by_tanh(n)[1:]
    return np.asarray((1 - t**2) * (dv - n * t * dv**2 + 3 * CUBE * ROOT * n**2))


def _tanh_error(n: Array) -> Array:
    """Return E of tanh v, and of the 1 that is added: sqrt(2 + (3 v tanh' v)^2)."""
    v, t, _ = _by_tanh(n)
    return np.sqrt(2 + (3 * v * (1 - t**2)) ** 2)


GELU_BY_TANH = Activation(
    _tanh_gelu,
    _tanh_gelu_derivative,
    _tanh_gelu_curvature,
    lambda n, s: np.hypot(n * _tanh_error(n), _tanh_gelu(n, s)),
    lambda n, _: (1 + np.abs(n) * _by_tanh(n)[2]) * _tanh_error(n),
)

KNOWN = {
    "relu": RELU,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "leaky_relu": LEAKY,
    "elu": ELU,
    "gelu": GELU,
    "gelu_tanh": GELU_BY_TANH,
    "silu": SILU,
    "softplus": SOFTPLUS,
    "identity": IDENTITY,
}
BOOK = ("relu", "sigmoid", "tanh")
"""Those of the book, tried first."""
