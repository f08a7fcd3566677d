"""Whether gradients are the derivative of a network's own loss, but for what keeps its log from 0.

A loss of log(y + 1e-7) beside the gradient of log(y) is the book's own pair, and consistent: what
is differentiated is then the loss with the exact log of what `predict` returns in its place.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import Candidate
from compare.conventions import EPSILONS, FORMS
from compare.evaluation import kept_from_zero
from compare.gradient_check import SPREAD, STEPS, GradientCheck, check_gradient
from compare.stimuli import Stimulus

Array = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]

ASKED = [None, *product(EPSILONS, FORMS, (np.mean, np.sum))]
"""Nothing, or an epsilon, its form, and the reduction of the loss."""


def is_derivative(candidate: Candidate, stimulus: Stimulus) -> bool | None:
    """Return whether the gradients of a network are the derivative of its loss, or of that with an
    exact log; None where that cannot be seen: the loss is not finite, or too steep.
    """
    kept: dict[int, tuple[float, Float64 | None]] = {}

    def seen(params: Mapping[str, Array]) -> tuple[float, Float64 | None]:
        key = hash(tuple(value.tobytes() for value in params.values()))
        if key not in kept:
            candidate.write(params)
            predicted = candidate.outputs(stimulus.x, training=True).get(candidate.output)
            exact = None if predicted is None else np.asarray(predicted, np.float64)
            kept[key] = candidate.loss(stimulus.x, stimulus.t), exact
        return kept[key]

    there = {k: v for k, v in stimulus.params.items() if k not in candidate.absent}
    candidate.write(stimulus.params)
    grads = candidate.gradient(stimulus.x, stimulus.t)
    longest, is_open = max(len(stimulus.x), *candidate.sizes), False
    worst: str | None = None
    for asked in ASKED:

        def loss(params: Mapping[str, Array], asked: Any = asked) -> float:
            # All are written: where one is looked at alone, the others were moved before.
            return _without(asked, *seen({**there, **params}), stimulus.t)

        if worst is not None:  # off by the loss as it is: the first to be looked at
            alone = check_gradient(loss, {worst: there[worst]}, grads, longest)
            is_open |= not alone.is_finite
            if alone.off:
                continue
        found = check_gradient(loss, there, grads, longest)
        if found.holds:
            return True
        if worst is None and found.off:
            worst = found.off[0].name
        if any(abs(d.stated) * STEPS[str(candidate.dtype)] > 1 for d in found.derivatives):
            return None  # the step is no small one there
        is_open |= not found.is_finite
        if seen(there)[1] is None:
            return True if _is_near(found) else None if is_open else False
    return None if is_open else False


def _is_near(found: GradientCheck) -> bool:
    """Whether gradients are off by so little that an epsilon in a loss that is all that is seen may
    be the reason.
    """
    return all(derivative.relative_error <= SPREAD for derivative in found.derivatives)


def _without(asked: Any, loss: float, predicted: Float64 | None, t: NDArray[Any]) -> float:
    """Return the loss with the exact log in the place of that with an epsilon."""
    if asked is None or predicted is None:
        return loss
    epsilon, form, reduced = asked
    rows = np.arange(len(t))
    with np.errstate(all="ignore"):
        if ((predicted >= 0) & (predicted <= 1)).all():
            log_y = np.log(predicted[rows, t])
        else:
            shifted = predicted - predicted.max(axis=1, keepdims=True)
            log_y = shifted[rows, t] - np.log(np.exp(shifted).sum(axis=1))
        with_epsilon = np.log(kept_from_zero(np.exp(log_y), epsilon, form))
        return float(loss + reduced(with_epsilon) - reduced(log_y))
