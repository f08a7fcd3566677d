"""What both stacks are given: standard-normal draws for the weights, and the batches."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Plan:
    """The random part of a run, drawn once and replayed by both stacks.

    Attributes
    ----------
    seed : int
        Behind everything here.
    sizes : tuple of int
        Features, hidden units, classes.
    draws : tuple of ndarray (fan_in, fan_out)
        Standard-normal values, one array a layer in network order.
    batches : ndarray (steps, batch_size)
        Indices of samples, drawn with replacement as the book does.
    """

    seed: int
    sizes: tuple[int, ...]
    draws: tuple[NDArray[np.float64], ...]
    batches: NDArray[np.int64]


def draw_plan(
    sizes: tuple[int, ...], samples: int, steps: int, batch_size: int, *, seed: int
) -> Plan:
    """Draw the plan of a run over `samples` samples."""
    rng = weight_rng(seed)
    draws = tuple(rng.standard_normal(shape) for shape in pairwise(sizes))
    batches = np.random.default_rng([seed, 1]).integers(samples, size=(steps, batch_size))
    return Plan(seed, sizes, draws, batches)


def weight_rng(seed: int) -> np.random.Generator:
    """Return a new generator whose standard-normal values are the draws of the plan."""
    return np.random.default_rng([seed, 0])


def dropout_rng(seed: int) -> np.random.Generator:
    """Return a new generator of the draws that say which units dropout drops."""
    return np.random.default_rng([seed, 2])


def spaced_steps(steps: int) -> set[int]:
    """Return the steps that are judged by default: 0, 1, 3, 10, 30, 100, ... and the last."""
    spaced = {factor * 10**power for power in range(len(str(steps))) for factor in (1, 3)}
    return {0, *(step for step in spaced if step < steps), steps - 1}
