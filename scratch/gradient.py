"""Gradients by finite differences (book, section 4.4)."""

from collections.abc import Callable

import numpy as np

from scratch.layers import Array


def numerical_gradient(f: Callable[[], float], x: Array, h: float = 1e-4) -> Array:
    """Return the central difference (f(x + h) - f(x - h)) / 2h for each element of `x`.

    Parameters
    ----------
    f : callable
        Takes nothing and returns a float; reads `x`, which is changed under it one element at a
        time and restored.
    x : ndarray
        Any shape, writable.
    h : float
        Half the width of the difference. The error is about h^2 |f'''| / 6 + u |f| / h, in
        float64 smallest near 1e-5; the book takes 1e-4. Not useful in float32.
    """
    grad = np.empty_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + h
        above = f()
        x[index] = kept - h
        below = f()
        x[index] = kept
        grad[index] = (above - below) / (2 * h)
    return grad
