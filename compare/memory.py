"""What a run will take of the memory, said before anything is allocated."""

from itertools import pairwise

import numpy as np
import psutil

import torch_ref
from compare.errors import InputError
from compare.options import Options

COPIES = 14
"""Arrays of the size of the parameters that each initialisation keeps in both stacks together:
parameters, gradients of this step and the one before, and parameters before and after both."""

WORK = 16
"""The same in float64 that judging one step takes for a while, whatever the dtype."""

TEMPORARIES = 13
"""Arrays of the size of all activations of a batch."""

SAMPLE_COPIES = 4
"""Arrays of the size of the data: two readers, each with one more while it divides by 255."""


def check_memory(options: Options, samples: int, features: int, classes: int) -> None:
    """Raise InputError if the run needs more memory than is free, naming what takes most."""
    shares = needed(options, samples, features, classes)
    total, free = sum(shares.values()), psutil.virtual_memory().available
    if total > free:
        largest = max(shares, key=lambda option: shares[option])
        raise InputError(
            f"this takes about {_gigabytes(total)} GB of memory, most of it for {largest}, and "
            f"{_gigabytes(free)} GB are free: choose a smaller {largest}"
        )


def needed(options: Options, samples: int, features: int, classes: int) -> dict[str, float]:
    """Return bytes by the option that they are for."""
    width = np.dtype(options.dtype).itemsize
    sizes = (features, *options.hidden, classes)
    copies = COPIES + 6 * len(torch_ref.STATE[options.optimizer])  # now, before and after, twice
    parameters = sum((fan_in + 1.0) * fan_out for fan_in, fan_out in pairwise(sizes))
    nets = len(options.init)
    work = WORK if options.judge != "none" else 1
    return {
        "--hidden": parameters * (copies * nets * width + work * 8),
        "--batch-size": float(options.batch_size) * sum(sizes) * TEMPORARIES * 8,
        "--steps": float(options.steps) * (options.batch_size * 8 + nets * 100),
        "--data": float(samples) * features * SAMPLE_COPIES * width,
    }


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.3g}"
