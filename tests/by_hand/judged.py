"""A network written by hand against its module, by the arithmetic of rounding."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from by_hand.architecture import Architecture
from by_hand.ways import Way
from compare.reference.evaluate import Evaluation, Quantity, evaluate
from compare.reference.formats import FORMATS


@dataclass(frozen=True)
class Problem:
    """A network at parameters, on one batch, and what the reference says of it."""

    network: Architecture
    params: dict[str, Any]
    x: Any
    t: Any
    reference: Evaluation
    u: float


def drawn(
    network: Architecture, rng: np.random.Generator, rows: int, dtype: Any, scale: float = 1.0
) -> Problem:
    """Draw parameters, He and small biases times `scale`, and a batch."""
    module = network.module()
    params = {
        name: _parameter(rng, name, tuple(p.shape), scale).astype(dtype)
        for name, p in module.named_parameters()
    }
    buffers = {
        name: (rng.uniform(0.5, 2, tuple(b.shape))).astype(dtype)
        for name, b in module.named_buffers()
        if b.is_floating_point()
    }
    x, t = network.draw(rng, rows)
    return at(network, {**params, **buffers}, x, t, dtype)


def at(network: Architecture, given: dict[str, Any], x: Any, t: Any, dtype: Any) -> Problem:
    """Evaluate the module at parameters, on a batch."""
    x, t = (y.astype(dtype) if y.dtype.kind == "f" else y for y in (x, t))
    form = FORMATS[np.dtype(dtype).name]
    wide = {name: torch.from_numpy(np.asarray(v, np.float64)) for name, v in given.items()}
    batch = [torch.from_numpy(y.astype(np.float64) if y.dtype.kind == "f" else y) for y in (x, t)]
    reference = evaluate(
        network.module(), network.loss, wide, batch[0], batch[1], buffers=wide, form=form
    )
    return Problem(network, given, x, t, reference, form.u)


def _parameter(rng: np.random.Generator, name: str, shape: tuple[int, ...], scale: float) -> Any:
    if "norm.weight" in name or "bn.weight" in name:
        return rng.uniform(0.5, 1.5, shape)
    if len(shape) < 2:
        return 0.1 * scale * rng.standard_normal(shape)
    fan_in = int(np.prod(shape[1:]))
    return scale * rng.standard_normal(shape) * np.sqrt(2 / fan_in)


def compared(problem: Problem, way: Way, candidate: Architecture | None = None) -> dict[Any, float]:
    """Return error / (u ||E||) of every value of the candidate, in the reference's order."""
    network = candidate or problem.network
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        values = network.by_hand(problem.params, problem.x, problem.t, way)
    scores = {}
    for quantity, expected in problem.reference.values.items():
        key = (quantity.kind, quantity.name)
        if key in values:
            assert np.asarray(values[key]).dtype == way.dtype, (key, values[key].dtype)
            off = np.asarray(values[key], np.float64) - expected.v.numpy()
            e2 = np.zeros(off.shape) if expected.e2 is None else expected.e2.numpy()
            scores[key] = worst(off * off, e2) / problem.u
    missing = [q for q in values if Quantity(*q) not in problem.reference.values]
    assert not missing, missing
    return scores


def worst(off2: Any, e2: Any) -> float:
    """Return the largest error / ||E||, of the whole, of each slice along an axis, of each element.

    0 for no error, infinite where none was expected, or where it is no number.
    """
    largest = 0.0
    every = tuple(range(off2.ndim))
    for kept in ((), *((axis,) for axis in every), every):
        others = tuple(axis for axis in every if axis not in kept)
        error, expected = (np.atleast_1d(x.sum(others) if others else x) for x in (off2, e2))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(error == 0, 0.0, error / expected)
        largest = max(largest, float(np.nan_to_num(ratio, nan=np.inf, posinf=np.inf).max()))
    return float(np.sqrt(largest))
