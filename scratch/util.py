"""What the book draws with."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

WINDOW = 11
BETA = 2


def smooth_curve(x: ArrayLike) -> NDArray[np.float64]:
    """Return the trajectory `x` as the book draws it: averaged under a Kaiser window.

    The window has 11 points and beta 2; the ends are mirrored, so that the result has the length
    of `x`. Fewer than 11 points are returned as they are (book, `common/util.py`).

    Parameters
    ----------
    x : array_like (steps,)
        One quantity over steps.
    """
    x = np.asarray(x, dtype=np.float64)
    if len(x) < WINDOW:
        return x.copy()
    mirrored = np.r_[x[WINDOW - 1 : 0 : -1], x, x[-1:-WINDOW:-1]]
    w = np.kaiser(WINDOW, BETA)
    y = np.convolve(w / w.sum(), mirrored, mode="valid")
    half = WINDOW // 2
    return y[half : len(y) - half]
