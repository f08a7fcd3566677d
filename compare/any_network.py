"""A first look at whatever has params, loss and gradient: no reference, and no known architecture.

Its gradients are held against finite differences of its own loss, on inputs that are found by
trying. That says much of a network that nothing else can be said of.
"""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.gradient_check import GradientCheck, check_gradient

Array = NDArray[Any]

ROWS = 7
SIDES = range(4, 33)
"""Heights and widths of images that are tried: those of digits, MNIST and CIFAR among them."""


def look_at_any(net: Any) -> str:
    """Return what finite differences say of a network's gradients; '' if it cannot be called."""
    params = _params(net)
    if not params:
        return ""
    kept = {key: value.copy() for key, value in params.items()}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x in _inputs(list(params.values())):
            found = []
            for t in _targets(list(params.values()), len(x)):
                try:
                    found.append((_checked(net, params, kept, x, t), t))
                except (Exception, SystemExit):
                    continue
                finally:
                    _write(params, kept)
            checked = [(check, t) for check, t in found if check.derivatives]
            if checked:
                check, t = min(checked, key=lambda pair: len(pair[0].off))
                return _text(check, x, t)
    return ""


def _params(net: Any) -> dict[Any, Array]:
    """Return the parameters of a network that are arrays of floats."""
    params = getattr(net, "params", None)
    callable_ = all(callable(getattr(net, name, None)) for name in ("loss", "gradient"))
    if not isinstance(params, Mapping) or not callable_:
        return {}
    return {
        key: value
        for key, value in params.items()
        if isinstance(value, np.ndarray) and str(value.dtype) in ("float32", "float64")
        and value.flags.writeable
    }  # fmt: skip  # a condition


def _inputs(params: list[Array]) -> Iterator[Array]:
    """Yield inputs that may fit the first weights: rows, columns, images."""
    rng = np.random.default_rng(0)
    for W in (value for value in params if value.ndim >= 2):
        if W.ndim == 2:
            yield from (rng.standard_normal((ROWS, size)) for size in W.shape)
            yield from (rng.standard_normal((size, ROWS)) for size in W.shape)
        elif W.ndim == 4:
            for channels, side in ((c, side) for side in SIDES for c in {W.shape[1], W.shape[2]}):
                yield rng.standard_normal((ROWS, channels, side, side))
                yield rng.standard_normal((ROWS, channels * side * side))
        return


def _targets(params: list[Array], rows: int) -> Iterator[Array]:
    """Yield targets that may fit the last weights: labels, one-hot, 0 and 1, numbers."""
    rng = np.random.default_rng(0)
    for outputs in dict.fromkeys(size for size in params[-1].shape[::-1] if size):
        labels = np.arange(rows) % max(outputs, 2)
        if outputs > 1:
            yield labels
            yield np.eye(outputs, dtype=int)[labels]
            yield np.eye(outputs, dtype=int)[labels].T
        else:
            yield labels
            yield labels[:, None]
        yield rng.standard_normal((rows, outputs))


def _checked(
    net: Any, params: Mapping[Any, Array], kept: Mapping[Any, Array], x: Array, t: Array
) -> GradientCheck:
    """Hold the gradients for one batch against finite differences."""
    _number(net.loss(x.copy(), t.copy()))
    grads = net.gradient(x.copy(), t.copy())
    if not isinstance(grads, Mapping):
        raise TypeError("gradient(x, t) returned no dict")
    copies = {key: np.array(grads[key], np.float64) for key in params if key in grads}

    def loss(moved: Mapping[Any, Array]) -> float:
        _write(params, moved)
        return _number(net.loss(x.copy(), t.copy()))

    largest = max(len(x), *(size for value in params.values() for size in value.shape))
    return check_gradient(loss, kept, copies, largest)


def _number(loss: Any) -> float:
    """Return a loss as a float; ValueError where it is none, or not finite."""
    value = float(np.reshape(loss, ()))
    if not np.isfinite(value):
        raise ValueError("the loss is not finite")
    return value


def _write(params: Mapping[Any, Array], values: Mapping[Any, Array]) -> None:
    for key, value in values.items():
        params[key][...] = value


def _text(check: GradientCheck, x: Array, t: Array) -> str:
    right = [d.name for d in check.derivatives if not d.is_off]
    said = check.text
    if check.off and right:
        said += f"; right {'is' if len(right) == 1 else 'are'} {', '.join(right)}"
    return f"{said} (finite differences, on x {x.shape} and {t.dtype} t {t.shape})"
