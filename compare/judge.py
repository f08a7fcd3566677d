"""Holds what a candidate computed on one batch against the reference, in causal order."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.evaluation import Evaluation
from compare.judgement import Judgement, judge_elements, judge_tensor
from compare.rounding import Rounding, update_allowed

Array = NDArray[np.floating[Any]]
Expectation = tuple[str, str, Any, Any]


def judge_values(
    actual: Mapping[str, Array | float], e: Evaluation, rounding: Rounding, where: str
) -> list[Judgement]:
    """Judge whatever of z1, a1, ..., logits, probabilities, loss, W1, b1, ... is in `actual`.

    Parameters
    ----------
    actual : mapping
        The candidate's values: activations, loss and gradients, by name.
    e : Evaluation
        The reference at the candidate's parameters, on the same batch.
    rounding : Rounding
        Of `e`, in the dtype of the candidate.
    where : str
        The stimulus or step, for the report.
    """
    return [
        judge_tensor(probe, name, where, actual[name], expected, expected_error, rounding)
        for probe, name, expected, expected_error in _expectations(e, rounding)
        if name in actual
    ]


def _expectations(e: Evaluation, r: Rounding) -> Iterator[Expectation]:
    """Yield probe, name, value and expected rounding error in the order of cause and effect."""
    for i in range(1, len(e.z)):
        yield "forward", f"z{i}", e.z[i - 1], r.z[i - 1]
        yield "forward", f"a{i}", e.a[i], r.a[i]
    yield "forward", "logits", e.z[-1], r.z[-1]
    yield "forward", "probabilities", e.y, r.y
    yield "forward", "log-probabilities", e.log_y, r.log_y
    yield "loss", "loss", e.loss, r.loss
    for i in range(len(e.z) if e.grads else 0, 0, -1):
        for name in (f"W{i}", f"b{i}"):
            yield "gradient", name, e.grads[name], r.grads[name]


def judge_update(
    before: Mapping[str, Array],
    grads: Mapping[str, Array],
    after: Mapping[str, Array],
    lr: float,
    where: str,
) -> list[Judgement]:
    """Judge theta' = theta - lr g of plain SGD, from the candidate's own gradients."""
    judgements = []
    for name in before:
        dtype = before[name].dtype
        change = lr * np.asarray(grads[name], np.float64)
        expected = np.asarray(before[name], np.float64) - change
        allowed = update_allowed(expected, change, dtype)
        judgements.append(judge_elements("update", name, where, after[name], expected, allowed))
    return judgements
