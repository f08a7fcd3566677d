"""Correct networks at work: what `make calibrate` and `make power` measure on.

A run is one implementation of tests/correct.py with an architecture, an activation, an init and a
dtype of its own, trained on the embedded digits; each step is one Case, judged from its own state.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from by_hand.judged import worst
from compare.data import load_data
from compare.evaluation import Evaluation
from compare.kept import Kept
from compare.rules import Derived
from compare.stimuli import Stimuli, without_kink_rows
from compare.torch_network import Reference
from correct import IMPLEMENTATIONS, Plain

BATCHES = (1, 7, 32, 128)
LR = 0.1
STEPS = 34
INITS = {"0.01": lambda n: 0.01, "xavier": lambda n: (1 / n) ** 0.5, "he": lambda n: (2 / n) ** 0.5}


@dataclass
class Case:
    """One batch at one state: what the candidate gave, the reference there, and in its dtype."""

    where: str
    actual: dict[str, Any]
    e: Evaluation
    rule: Derived
    twin: Reference


@functools.cache
def digits_data(dtype: str) -> Any:
    """Return the embedded digits as a run has them."""
    return load_data("digits", None, dtype, "cpu", lambda _: None)


@functools.cache
def digits() -> tuple[Any, Any]:
    """Return the embedded digits as float64 (N, 784) in [0, 1], and their labels."""
    data = digits_data("float64")
    return np.asarray(data.x), np.asarray(data.t)


def answers(network: Any, x: Any, t: Any) -> dict[str, Any]:
    """Return what a network computes on a batch, under the names of an Evaluation."""
    with np.errstate(all="ignore"):
        logits = network.predict(x) if hasattr(network, "predict") else network.forward(x)
        return {"logits": logits, "loss": network.loss(x, t), **network.gradient(x, t)}


def training_run(
    seed: int | list[int], implementation: type[Plain], dtype: Any, steps: int = STEPS
) -> Iterator[Case]:
    """Yield a Case a step; rows with a ReLU on the brink of 0 are left out, as a run does."""
    rng = np.random.default_rng([*np.atleast_1d(seed), 5])
    x, t = digits()
    activation = str(rng.choice(["relu", "sigmoid", "tanh"]))
    depth = int(rng.integers(1, 6))
    hidden = [int(np.exp(rng.uniform(0, np.log(200)))) for _ in range(depth - 1)]
    sizes = (784, *hidden, 10)
    decay, init = float(rng.choice([0.0, 0.01])), str(rng.choice([*INITS]))
    net = implementation(sizes, activation, dtype, decay, rng=rng)
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
        draw = rng.standard_normal((fan_in, fan_out))
        net.params[f"W{i}"] = (draw * INITS[init](fan_in)).astype(dtype)
    reference = Reference(sizes, activation, decay)
    twin = reference.in_dtype(dtype)
    batch = int(rng.choice(BATCHES))
    name = f"{implementation.__name__} {activation} {sizes} {init} batch {batch}"
    for step in range(steps):
        pick = rng.integers(len(x), size=batch)
        xb, tb = x[pick].astype(dtype), t[pick]
        e = reference.evaluate(net.params, xb, tb)
        keep = ~e.errors(dtype).on_edge
        if keep.any():
            if not keep.all():
                e = reference.evaluate(net.params, xb[keep], tb[keep])
            yield Case(
                f"{name}, step {step}", answers(net, xb[keep], tb[keep]), e, Derived(e, dtype), twin
            )
        for key, grad in net.gradient(xb, tb).items():
            net.params[key] = net.params[key] - np.asarray(LR, dtype) * grad


def battery_run(seed: int | list[int], implementation: type[Plain], dtype: Any) -> Iterator[Case]:
    """Yield a Case a stimulus of `netparity check`, for a random network."""
    from correct import random_network

    rng = np.random.default_rng([*np.atleast_1d(seed), 6])
    net = random_network(rng, implementation, dtype)
    net.one_hot = False
    weights = [value for key, value in net.params.items() if key[0] == "W"]
    sizes = (weights[0].shape[0], *(W.shape[1] for W in weights))
    reference = Reference(sizes, net.activation, net.weight_decay_lambda, kept=Kept())
    twin = reference.in_dtype(dtype)
    for drawn in Stimuli(sizes, np.dtype(dtype), rng).battery(reference):
        s = without_kink_rows(drawn, reference)
        if s is not None:
            net.params = s.params
            e = reference.evaluate(s.params, s.x, s.t)
            where = f"{implementation.__name__} {net.activation} {sizes}, {s.name}"
            yield Case(where, answers(net, s.x, s.t), e, Derived(e, dtype), twin)


def scores(case: Case, actual: dict[str, Any]) -> dict[str, float]:
    """Return error / (u ||E||) of each value of `actual`, the largest of whole and parts."""
    errors, found = case.e.errors(case.rule.dtype), {}
    for name, expected in case.e.values().items():
        if name in actual:
            off = np.asarray(actual[name], np.float64) - expected
            e2 = errors.named[name].e2
            e2 = np.zeros_like(off) if e2 is None else e2.numpy()
            with np.errstate(over="ignore", invalid="ignore"):
                found[name] = worst(np.asarray(off * off), e2) / errors.u
    return found


def implementation_of(seed: int) -> type[Plain]:
    """Return one of the implementations, in turn."""
    return IMPLEMENTATIONS[seed % len(IMPLEMENTATIONS)]
