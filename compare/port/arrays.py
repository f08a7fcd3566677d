"""Arrays of any library, read as numpy's."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils import dlpack

Array = NDArray[Any]


def is_array(value: Any) -> bool:
    """Return whether it is an array of numpy, torch, or whatever speaks DLPack or `__array__`."""
    return any(hasattr(value, name) for name in ("__array__", "__dlpack__"))


def is_number(value: Any) -> bool:
    """Return whether it is a number of Python's."""
    return isinstance(value, int | float)


def as_numpy(value: Any) -> Array:
    """Return a copy on the CPU of an array, or of a number."""
    if isinstance(value, torch.Tensor):
        return np.array(value.detach().cpu().numpy())
    if isinstance(value, np.ndarray) or is_number(value):
        return np.array(value)
    if hasattr(value, "__dlpack__"):
        return np.array(dlpack.from_dlpack(value).cpu().numpy())
    return np.array(value.__array__())


def arrays_of(values: tuple[Any, ...]) -> list[Array]:
    """Return those of `values` that are arrays."""
    return [as_numpy(value) for value in values if is_array(value)]
