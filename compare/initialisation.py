"""Which rule the initial weights of a network were drawn by, as far as a sample can tell."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.judgement import Judgement, judge_fact
from scratch.multi_layer_net import weight_std

ERRORS = 6.0
"""Standard errors that a sample may be off: by chance once in 500 million."""

KNOWN: tuple[str | float, ...] = ("he", "xavier", 0.01)
WHERE = "the network as given"

Params = Mapping[str, NDArray[np.floating[Any]]]


def name_rule(params: Params) -> str:
    """Return how the weights look: 'init he, ratio 1.002 +- 0.003', or '' if no rule fits.

    The ratio is the root mean square of all weights, each divided by the standard deviation that
    the rule gives it; of n normal values, it has a standard error of 1 / sqrt(2 n).
    """
    by_distance = sorted((abs(_ratio(params, rule) - 1), str(rule), rule) for rule in KNOWN)
    _, name, rule = by_distance[0]
    ratio, error = _of_all(params, rule)
    if abs(ratio - 1) > ERRORS * error:
        return ""
    label = name if isinstance(rule, str) else f"std={rule:g}"
    return f"init {label}, ratio {ratio:.3f} +- {error:.3f}"


def init_text(params: Params, rule: str | float) -> str:
    """Return how near the declared rule all weights are, and what would have been seen."""
    ratio, error = _of_all(params, rule)
    return (
        f"declared init {rule}: the weights have {ratio:.3f} +- {error:.3f} times its standard "
        f"deviation; one off by {100 * ERRORS * error:.0f} % would have been seen"
    )


def judge_init(params: Params, rule: str | float) -> list[Judgement]:
    """Judge the initial weights, one by one and together, by the declared rule; biases are 0."""

    def judged(name: str, ratio: float, error: float) -> Judgement:
        detail = (
            f"has {ratio:.3g} times the standard deviation of {rule}, with a sampling error of "
            f"{error:.2g}"
        )
        return judge_fact("init", name, WHERE, abs(ratio - 1) <= ERRORS * error, detail)

    judgements = [
        judge_fact("init", key, WHERE, not value.any(), "is not 0")
        if key.startswith("b")
        else judged(key, _ratio({key: value}, rule), _error(value.size))
        for key, value in params.items()
    ]
    return [*judgements, judged("weights", *_of_all(params, rule))]


def _of_all(params: Params, rule: str | float) -> tuple[float, float]:
    """Return the ratio of all weights to those of `rule`, and its standard error."""
    return _ratio(params, rule), _error(sum(W.size for W in _weights(params).values()))


def _weights(params: Params) -> Params:
    return {key: value for key, value in params.items() if key.startswith("W")}


def _ratio(params: Params, rule: str | float) -> float:
    scaled = [(W / weight_std(rule, len(W))).ravel() for W in _weights(params).values()]
    return float(np.sqrt(np.mean(np.square(np.concatenate(scaled), dtype=np.float64))))


def _error(n: int) -> float:
    return 1 / math.sqrt(2 * n)
