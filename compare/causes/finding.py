"""What shows of a mistake where that is simple: one factor, in one layer or in each."""

from collections.abc import Sequence

import numpy as np

from compare.causes.case import Case, Mistakes, distance
from compare.causes.factor import times
from compare.causes.mistake import Texts
from compare.causes.number import Layers
from compare.evaluation import probe_of


def finding_of(cases: Sequence[Case], before: Mistakes, target: str) -> Texts:
    """Return by what factor the target is off, where it is one for all elements; of a single
    number, where it is one on all stimuli or goes with the size of the batch.
    """
    group = [case for case in cases if target in case.off(before)]
    first = group[0]  # as in what is said of the first divergence
    actual = np.asarray(first.actual[target], float)
    expected = np.asarray(first.replayed(before)[target], float)
    if probe_of(target) == "forward" or actual.shape != expected.shape or not expected.any():
        return "", ""
    k = float(np.vdot(actual, expected) / np.vdot(expected, expected))
    if actual.ndim:
        simple = _is_times(first, before, target, k)
    else:
        simple = len(group) > 1 and any(
            all(_is_times(c, before, target, k * (_rows(c) / _rows(first)) ** p) for c in group)
            for p in (0, 1, -1)
        )
    return times(target, k) if simple else ("", "")


def _is_times(case: Case, before: Mistakes, target: str, k: float) -> bool:
    off = distance(case.actual[target], k * np.asarray(case.replayed(before)[target]))
    return off <= case.rule.allowed(target) * max(1, abs(k))


def _rows(case: Case) -> int:
    return len(case.given.t)


def where_text(layers: Layers, count: int) -> Texts:
    """Return 'layer 2' or 'each layer'."""
    if layers is None:
        return ("each layer", "各層") if count > 1 else ("the layer", "層")
    if len(layers) == 1:
        return f"layer {layers[0]}", f"第 {layers[0]} 層"
    return "each hidden layer", "各隠れ層"
