"""Pass rules of other tools, as documented: each says whether two arrays count as equal.

- torch.testing.assert_close: |a - e| <= atol + rtol |e|, elementwise; rtol 1.3e-6, atol 1e-5 in
  float32 and 1e-7, 1e-7 in float64 (PyTorch documentation, torch.testing).
- numpy.allclose: the same with rtol 1e-5, atol 1e-8 (NumPy reference).
- PaDiff 0.2.0: the means are allclose with rtol 1e-7, atol 0 (README and `init_options`, defaults).
- Polygraphy 0.53: elementwise, absolute difference <= 1e-5 or relative <= 1e-5
  (`CompareFunc.simple`, check_error_stat "elemwise").
- tinygrad: numpy.testing.assert_allclose with rtol 1e-3 and atol 1e-6, of gradients 1e-4
  (`helper_test_op` of its test_ops.py).
- one line: ||a - e|| <= 1e-5 (||a|| + ||e||).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Passes = Callable[[str, Array, Array], bool]


def close(a: Array, e: Array, rtol: float, atol: float) -> bool:
    """Return whether |a - e| <= atol + rtol |e| everywhere."""
    with np.errstate(all="ignore"):
        return bool(np.allclose(a, e, rtol=rtol, atol=atol))


def assert_close(_: str, a: Array, e: Array) -> bool:
    """torch.testing.assert_close, by the dtype of `a`."""
    return close(a, e, *((1.3e-6, 1e-5) if a.dtype == np.float32 else (1e-7, 1e-7)))


def polygraphy(_: str, a: Array, e: Array) -> bool:
    """Polygraphy's CompareFunc.simple."""
    with np.errstate(all="ignore"):
        difference = np.abs(a - e)
        return bool(((difference <= 1e-5) | (difference / np.abs(e) <= 1e-5)).all())


def one_line(_: str, a: Array, e: Array) -> bool:
    """A single normwise tolerance."""
    with np.errstate(all="ignore"):
        return bool(np.linalg.norm(a - e) <= 1e-5 * (np.linalg.norm(a) + np.linalg.norm(e)))


OTHERS: dict[str, Passes] = {
    "assert_close": assert_close,
    "np.allclose": lambda _, a, e: close(a, e, 1e-5, 1e-8),
    "PaDiff": lambda _, a, e: close(a.mean(), e.mean(), 1e-7, 0.0),
    "Polygraphy": polygraphy,
    "tinygrad": lambda name, a, e: close(a, e, 1e-3, 1e-4 if name[0] in "Wb" else 1e-6),
    "one line, 1e-5": one_line,
}
