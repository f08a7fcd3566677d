"""What the judge sees of a change in values, and what other tools see: see tests/power.py."""

import functools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import sweep
from bugs import Bug, network
from compare.evaluation import Evaluation
from compare.judge import judge_values
from compare.judgement import first_failing
from compare.kept import Kept
from compare.optimiser import Optimiser
from compare.rules import Derived
from compare.stimuli import Stimuli, Stimulus, without_kink_rows
from compare.torch_network import Reference
from compare.updates import Update, judge_update
from correct import Plain
from others import OTHERS
from sweep import Case, answers

CALIBRATION = Path(__file__).with_name("calibration.json")
DTYPES = {"float64": np.float64, "float32": np.float32}
SMALL = (11, 13, 13, 17, 5)
TRAINED = (784, 50, 30, 10)
OURS = "netparity"


def flagged(rule: str, case: Case, actual: dict[str, Any], same_dtype: dict[str, Any]) -> str:
    """Return the first quantity that `rule` calls off, or nothing."""
    if rule == OURS:
        first = first_failing(judge_values(actual, case.e, case.rule, case.where))
        return first.name if first else ""
    for name in case.e.values():
        if name in actual and not OTHERS[rule](name, np.asarray(actual[name]), same_dtype[name]):
            return name
    return ""


def in_dtype(twin: Reference, e: Evaluation, dtype: Any) -> dict[str, Any]:
    """Return what PyTorch computes in the candidate's dtype: the other tools' reference."""
    values = twin.evaluate(e.params, e.x, e.t).values()
    return {name: np.asarray(value, dtype) for name, value in values.items()}


# planted bugs, diluted


@dataclass
class Place:
    """A state and a batch: what is right there, and how far rounding scatters it."""

    case: Case
    same_dtype: dict[str, Any]
    arguments: tuple[Any, Any, Any]

    @property
    def right(self) -> dict[str, Any]:
        """What correct code gives."""
        return self.case.actual


@functools.cache
def places(activation: str, decay: float, dtype_name: str) -> list[Place]:
    """Return where bugs are looked for: the stimuli of a small network, and a trained one."""
    dtype, found = DTYPES[dtype_name], []
    for sizes, states in ((SMALL, small_states), (TRAINED, trained_state)):
        reference = Reference(sizes, activation, decay, kept=Kept())
        twin = reference.in_dtype(dtype)
        for where, params, x, t in states(reference, dtype):
            e = reference.evaluate(params, x, t)
            right = answers(network(None, params, activation, decay), x, t)
            case = Case(where, right, e, Derived(e, dtype), twin)
            found.append(Place(case, in_dtype(twin, e, dtype), (params, x, t)))
    return found


def small_states(reference: Reference, dtype: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield the stimuli of `netparity check`, without those of stress."""
    for drawn in Stimuli(SMALL, np.dtype(dtype), np.random.default_rng(0)).battery(reference):
        stimulus = None if drawn.is_stress else without_kink_rows(drawn, reference)
        if stimulus:
            yield stimulus.name, stimulus.params, stimulus.x, stimulus.t


def trained_state(reference: Reference, dtype: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield a batch of digits at a network that has trained on 30 others."""
    rng = np.random.default_rng(1)
    x, t = sweep.digits()
    net = Plain(TRAINED, reference.activation, rng=rng)
    for _ in range(30):
        rows = rng.integers(len(x), size=32)
        for key, grad in net.gradient(x[rows], t[rows]).items():
            net.params[key] -= 0.1 * grad
    params = {key: value.astype(dtype) for key, value in net.params.items()}
    rows = rng.integers(len(x), size=30)
    stimulus = Stimulus("trained", params, x[rows].astype(dtype), t[rows])
    kept = without_kink_rows(stimulus, reference)
    if kept:
        yield kept.name, kept.params, kept.x, kept.t


def diluted(right: dict[str, Any], wrong: dict[str, Any], strength: float) -> dict[str, Any]:
    """Return right + strength (wrong - right), in the dtype of `right`."""
    mixed = {}
    for name, value in right.items():
        r, w = np.asarray(value), np.asarray(wrong[name])
        changed = (1 - strength) * r.astype(float) + strength * w.astype(float)
        mixed[name] = w if strength == 1 else changed.astype(r.dtype)
    return mixed


def found(
    bug: Bug, dtype: str, strengths: Sequence[float]
) -> Iterator[tuple[float, dict[str, bool]]]:
    """Yield each strength at which the bug is visible; what sees it, and whether at the right
    place.
    """
    kept = json.loads(CALIBRATION.read_text())
    floor = max(kept[half]["worst"] for half in ("set", "shown"))
    everywhere = [
        (p, answers(network(bug, p.arguments[0], bug.activation, bug.decay), *p.arguments[1:]))
        for p in places(bug.activation, bug.decay, dtype)
    ]
    for strength in strengths:
        seen: dict[str, bool] = {}
        visible = False
        for place, wrong in everywhere:
            actual = diluted(place.right, wrong, strength)
            scores = sweep.scores(place.case, actual)
            first = next((name for name, score in scores.items() if score > floor), "")
            visible |= bool(first)
            for rule in (OURS, *OTHERS):
                if rule not in seen and (at := flagged(rule, place.case, actual, place.same_dtype)):
                    seen[rule] = at == first
        if visible:
            yield strength, seen


# the smallest change


def scaled(values: dict[str, Any], name: str, epsilon: float, index: Any = ...) -> dict[str, Any]:
    """Return `values` with one of them, or a part of it, times 1 + epsilon."""
    value = np.array(values[name])
    value[index] = (value[index].astype(float) * (1 + epsilon)).astype(value.dtype)
    return {**values, name: value}


def all_scaled(values: dict[str, Any], epsilon: float) -> dict[str, Any]:
    """Return `values` with every gradient times 1 + epsilon."""
    for name in [name for name in values if name[0] in "Wb"]:
        values = scaled(values, name, epsilon)
    return values


def typical(value: Any) -> tuple[int, ...]:
    """Return the index of the element of the median magnitude of those that are not 0."""
    sizes = np.abs(value)
    middle = np.median(sizes[sizes > 0])
    return tuple(int(i) for i in np.unravel_index(np.argmin(np.abs(sizes - middle)), value.shape))


CHANGES: dict[str, Callable[[dict[str, Any], float], dict[str, Any]]] = {
    "all gradients": all_scaled,
    "one weight's gradient": lambda v, s: scaled(v, "W2", s),
    "one column of it": lambda v, s: scaled(v, "W2", s, (slice(None), 3)),
    "one typical element of it": lambda v, s: scaled(v, "W2", s, typical(v["W2"])),
    "one bias's gradient": lambda v, s: scaled(v, "b2", s),
    "the loss": lambda v, s: scaled(v, "loss", s),
}


def smallest(
    place: Place, rule: str, change: Callable[[dict[str, Any], float], dict[str, Any]]
) -> float:
    """Return the smallest of 1, 2, 5 x 10^-k from which on every change is seen."""
    least = math.inf
    for size in GRID:
        changed = change(place.right, size)
        if not flagged(rule, place.case, changed, place.same_dtype):
            break
        least = size
    return least


def smallest_lr(dtype: Any) -> float:
    """Return the smallest change of the learning rate that the update shows."""
    rng = np.random.default_rng(0)
    before = {"W1": rng.standard_normal((50, 30)).astype(dtype)}
    grads = {"W1": rng.standard_normal((50, 30)).astype(dtype)}
    least = math.inf
    for size in GRID:
        after = {"W1": before["W1"] - np.asarray(0.1 * (1 + size), dtype) * grads["W1"]}
        if not first_failing(judge_update(Optimiser("sgd", 0.1), Update(before, grads, after), "")):
            break
        least = size
    return least


GRID = [m * 10.0**-k for k in range(1, 17) for m in (5, 2, 1)]
