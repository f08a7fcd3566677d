"""Weight decay under a name of its own, found in loss and gradient alike."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.conventions import catalogue
from compare.evaluation import Convention, Evaluation
from compare.judge import judge_values
from compare.judgement import Verdict, norm
from compare.rounding import keeps_half
from compare.rules import Derived
from compare.stimuli import Stimulus
from compare.torch_network import Reference

DIGITS = range(1, 8)
"""Of the decimal that lambda is taken for."""

ROUND = range(1, 3)
"""Digits that it has where only the loss shows it: a number of more fits any loss."""


def found_decay(
    actual: Mapping[str, Any],
    plain: Stimulus,
    reference_of: Callable[[float], Reference],
    convention: Convention,
    dtype: Any,
    *,
    is_numerical: bool = False,
) -> float:
    """Return lambda, where the gradient of a W has lambda W in it and the loss lambda / 2 sum W^2.

    Both to rounding, the loss under whichever convention it follows; of numerical gradients, which
    are the derivative of the loss, the loss alone. In one of the two it is a mistake, and none is
    found: 0.

    Parameters
    ----------
    actual : mapping
        Loss and gradients that the network gave on the plain stimulus.
    plain : Stimulus
        Its parameters and batch.
    reference_of : callable
        Makes the reference with a lambda.
    convention : Convention
        Under which the forward pass is right.
    dtype
        Of the network.
    is_numerical : bool
        Whether the gradients are finite differences.
    """
    given = plain.params, plain.x, plain.t

    def is_right(names: list[str], decay: float, under: Convention) -> bool:
        e = reference_of(decay).evaluate(*given, under)
        judged = judge_values({n: actual[n] for n in names}, e, Derived(e, dtype), plain.name)
        return all(j.verdict is Verdict.SAME for j in judged)

    def off(decay: float, under: Convention) -> float:
        e = reference_of(0.0).evaluate(*given, under, gradients=False)
        return abs(e.loss + decay * _term(e) - float(actual["loss"]))

    there = [
        key
        for key, W in plain.params.items()
        if key[0] == "W" and key in actual and np.shape(actual[key]) == W.shape
    ]
    for summed in (convention, replace(convention, mean=False)):
        e = reference_of(0.0).evaluate(*given, summed)
        if is_right(["loss"], 0.0, summed):
            return 0.0
        others = [replace(summed, **entry.change) for entry in catalogue() if entry.probe == "loss"]
        for decay in (0.0, *_candidates(actual, e, plain, there)):
            if not is_numerical and not any(
                _is_near(actual[key], e, key, decay, dtype) and is_right([key], decay, summed)
                for key in there
            ):
                continue
            nearest = min((summed, *others), key=partial(off, decay))
            if is_right(["loss"], decay, nearest):
                return decay
    return 0.0


def _term(e: Evaluation) -> float:
    """Return what weight decay adds to the loss by its lambda."""
    weights = (W for key, W in e.params.items() if key[0] == "W")
    return e.convention.decay_factor * sum(float(np.vdot(W, W)) for W in weights)


def _is_near(actual: Any, e: Evaluation, key: str, decay: float, dtype: Any) -> bool:
    """Whether a gradient may be that of `e` with weight decay."""
    gradient = e.grads[key] + 2 * e.convention.decay_factor * decay * e.params[key]
    return keeps_half(float(norm(actual - gradient)), float(norm(gradient)), dtype)


def multiple_of(W: NDArray[Any], added: NDArray[Any]) -> float:
    """Return k of the k W that `added` is nearest to; 0 if none."""
    with np.errstate(all="ignore"):
        W = np.asarray(W, np.float64)
        k = float(np.vdot(added, W) / np.vdot(W, W))
    return k if math.isfinite(k) else 0.0


def _candidates(
    actual: Mapping[str, Any], e: Evaluation, plain: Stimulus, weights: Iterable[str]
) -> Iterator[float]:
    """Yield what lambda may be, by each gradient and by the loss: decimals, the shortest first."""
    squares = 0.0
    for key in weights:
        W = np.asarray(plain.params[key], np.float64)
        squares += float(np.vdot(W, W))
        k = multiple_of(W, actual[key] - e.grads[key])
        yield from dict.fromkeys([*_decimals(k, DIGITS), *([k] if k > 0 else [])])
    if squares:
        yield from _decimals(2 * (actual["loss"] - e.loss) / squares, ROUND)


def _decimals(k: float, digits: Iterable[int]) -> list[float]:
    return [float(f"{k:.{n}g}") for n in digits] if k > 0 else []
