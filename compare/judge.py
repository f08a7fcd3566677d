"""Holds what a candidate computed on one batch against the reference, in causal order."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.evaluation import Evaluation, probe_of
from compare.judgement import Judgement, Rule, judge_tensor

Array = NDArray[np.floating[Any]]


def judge_values(
    actual: Mapping[str, Array | float], e: Evaluation, rule: Rule, where: str
) -> list[Judgement]:
    """Judge whatever of z1, a1, ..., logits, probabilities, loss, W1, b1, ... is in `actual`.

    Parameters
    ----------
    actual : mapping
        The candidate's values: activations, loss and gradients, by name.
    e : Evaluation
        The reference at the candidate's parameters, on the same batch.
    rule : Rule
        For `e`, in the dtype of the candidate.
    where : str
        The stimulus or step, for the report.
    """
    return [
        judge_tensor(probe_of(name), name, where, actual[name], expected, rule)
        for name, expected in e.values().items()
        if name in actual
    ]
