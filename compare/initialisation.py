"""How the initial weights of a network were drawn, as far as a sample can tell."""

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

NORMAL, UNIFORM = "normal", "uniform"
KURTOSES = {NORMAL: (3.0, 24.0), UNIFORM: (1.8, 1.32)}
"""The kurtosis of a distribution, and n times the variance that it has in a sample of n."""

LISTED = 4
"""Layers whose standard deviation is said."""

Params = Mapping[str, NDArray[np.floating[Any]]]


def name_rule(params: Params) -> str:
    """Return how the weights look: 'init he, ratio 1.002 +- 0.003', or, if no rule fits, their
    distribution.

    The ratio is the root mean square of all weights, each divided by the standard deviation that
    the rule gives it; of n normal values, it has a standard error of 1 / sqrt(2 n).
    """
    weights = _weights(params)
    if not all(np.isfinite(W).all() for W in weights.values()):
        return "initial weights that are not finite"
    by_distance = sorted((abs(_ratio(params, rule) - 1), str(rule), rule) for rule in KNOWN)
    _, name, rule = by_distance[0]
    ratio, error = _of_all(params, rule)
    if abs(ratio - 1) > ERRORS * error or not _is_around_zero(weights):
        return distribution_text(weights)
    label = name if isinstance(rule, str) else f"std={rule:g}"
    kind = kind_of(weights)
    shape = "" if kind.removeprefix("rather ").startswith(NORMAL) else f", {kind}"
    return f"init {label}, ratio {ratio:.3f} +- {error:.3f}{shape}"


def distribution_text(weights: Params) -> str:
    """Return what weights look like that follow no known rule: their distribution, range and mean,
    and the standard deviation of each layer beside those of the rules.
    """
    values = np.concatenate([np.asarray(W, np.float64).ravel() for W in weights.values()])
    low, high, mean = values.min(), values.max(), values.mean()
    if low == high:
        return f"initial weights by no known rule: all are {low:g}"
    stds = ", ".join(f"{key} {float(W.std()):.2g} ({len(W)} inputs)"
                     for key, W in [*weights.items()][:LISTED])  # fmt: skip  # an item, its source
    more = ", ..." if len(weights) > LISTED else ""
    where = "0" if _is_around_zero(weights) else f"{mean:.2g}"
    first = next(iter(weights.values()))
    he, xavier = (weight_std(rule, len(first)) for rule in ("he", "xavier"))
    return (
        f"initial weights by no known rule: {kind_of(weights)} from {low:.2g} to {high:.2g}, mean "
        f"{where}, standard deviation {stds}{more}; He's for the first is {he:.2g}, Xavier's "
        f"{xavier:.2g}"
    )


def kind_of(weights: Params) -> str:
    """Return whether weights, each layer by its own mean and spread, are normal or uniform.

    By the kurtosis m4 of their standardised values, whose sampling error is the root of
    (m8 - 4 m4 m6 + 4 m4^3 - m4^2) / n: 24 / n of normal values, 1.32 / n of uniform ones.
    """
    layers = [np.asarray(W, np.float64).ravel() for W in weights.values() if np.ptp(W)]
    if not layers:
        return "one number in each layer"
    z = np.concatenate([(W - W.mean()) / W.std() for W in layers])
    kurtosis = float(np.mean(z**4))
    errors = {
        name: abs(kurtosis - expected) / math.sqrt(variance / z.size)
        for name, (expected, variance) in KURTOSES.items()
    }
    fits = sorted((name for name in errors if errors[name] <= ERRORS), key=errors.__getitem__)
    if not fits:
        return f"neither normal nor uniform (kurtosis {kurtosis:.2g})"
    return fits[0] if len(fits) == 1 else f"rather {fits[0]} than {fits[1]}"


def _is_around_zero(weights: Params) -> bool:
    """Whether the mean of each layer is 0, but for the error of the sample."""
    return all(
        abs(W.mean(dtype=np.float64)) <= ERRORS * W.std(dtype=np.float64) / math.sqrt(W.size)
        for W in weights.values()
    )


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
