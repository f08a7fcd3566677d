"""One update of an optimiser: what torch.optim makes of the same state, and how far one may be off.

torch.optim has one form of each optimiser. Another form is brought to it: the state and epsilon are
rewritten so that torch.optim computes the same function, and what comes out is written back.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import torch_ref
from compare.judgement import Judgement, judge_elements
from compare.optimiser import Optimiser
from compare.rounding import Step, update_allowed

Array = NDArray[np.floating[Any]]
Arrays = Mapping[str, Array]
State = Mapping[str, Arrays]


@dataclass(frozen=True)
class _Form:
    """torch's state is shift + scale * state."""

    eps: float
    scale: float = 1.0
    shift: float = 0.0


def reference_update(
    optimiser: Optimiser, before: Arrays, grads: Arrays, state: State, t: int
) -> tuple[dict[str, Array], dict[str, dict[str, Array]]]:
    """Return parameters and state after update `t`, counted from 1, by torch.optim in float64.

    Parameters
    ----------
    before, grads : mapping
        Parameters and gradients, by name.
    state : mapping
        Under v, h or m, an array for each parameter.
    """
    form = _form(optimiser, t)
    params = {key: torch.tensor(np.asarray(W, np.float64)) for key, W in before.items()}
    decays = {key: optimiser.decay_of(key) for key in params}
    if optimiser.decoupled:
        for key, W in params.items():
            W *= 1 - optimiser.lr * decays[key]
    groups = [
        {"params": [W], "weight_decay": 0.0 if optimiser.decoupled else decays[key]}
        for key, W in params.items()
    ]
    used = torch_ref.optimizer(
        optimiser.name, groups, optimiser.lr, momentum=optimiser.momentum,
        decay_rate=optimiser.decay_rate, betas=optimiser.betas, eps=form.eps,
    )  # fmt: skip  # what, then its numbers
    given = {
        slot: {key: form.shift + form.scale * np.asarray(state[slot][key], np.float64)
               for key in before}
        for slot in torch_ref.STATE[optimiser.name]
    }  # fmt: skip  # a slot a line
    torch_ref.load_state(optimiser.name, params, used, given, t - 1)
    for key, W in params.items():
        W.grad = torch.tensor(np.asarray(grads[key], np.float64))
    used.step()
    after = {
        slot: {key: used.state[W][theirs].numpy() / form.scale for key, W in params.items()}
        for slot, theirs in torch_ref.STATE[optimiser.name].items()
    }  # fmt: skip  # as above
    if form.shift:  # which leaves digits of a small h behind; eps has no say in what h becomes
        plain = replace(optimiser, eps_inside=False)
        after = reference_update(plain, before, grads, state, t)[1]
    return {key: W.numpy() for key, W in params.items()}, after


def _form(optimiser: Optimiser, t: int) -> "_Form":
    """Return how this form is rewritten for torch.optim, in update `t`."""
    if optimiser.lr_inside and optimiser.lr:
        return _Form(scale=-1 / optimiser.lr, eps=optimiser.eps)
    if optimiser.eps_inside:
        # sqrt(h' + eps) is torch's sqrt(h') if its h is eps / r more.
        return _Form(eps=0.0, shift=optimiser.eps / optimiser.decay_rate)
    if optimiser.eps_hat:
        return _Form(eps=optimiser.eps / math.sqrt(1 - optimiser.betas[1] ** t))
    return _Form(eps=optimiser.eps)


@dataclass(frozen=True)
class Update:
    """What an optimiser did: parameters and state before and after its update `t`."""

    before: Arrays
    grads: Arrays
    after: Arrays
    state: State = field(default_factory=dict)
    state_after: State = field(default_factory=dict)
    t: int = 1


def judge_update(optimiser: Optimiser, update: Update, where: str) -> list[Judgement]:
    """Judge every parameter, and every part of the state, from the state before the update."""
    before, grads, state, t = update.before, update.grads, update.state, update.t
    expected, expected_state = reference_update(optimiser, before, grads, state, t)
    slots = torch_ref.STATE[optimiser.name]
    judgements = []
    for key, W in before.items():
        of_W = {slot: np.asarray(state[slot][key], np.float64) for slot in slots}
        step = Step(W, np.asarray(grads[key], np.float64), of_W, t, optimiser.decay_of(key))
        allowed = update_allowed(optimiser, step, expected[key], W.dtype)
        for slot in slots:
            if t == 1:
                given, zeros = state[slot][key], np.zeros_like(W)
                start = judge_elements("state", f"{slot} of {key}", where, given, zeros, 0.0)
                judgements.append(replace(start, detail="does not start at 0" * start.fails))
            judgements.append(
                judge_elements(
                    "state", f"{slot} of {key}", where, update.state_after[slot][key],
                    expected_state[slot][key], allowed[slot],
                )
            )  # fmt: skip  # what, where; actual, expected and allowed
        judgements.append(
            judge_elements("update", key, where, update.after[key], expected[key], allowed["W"])
        )
    return judgements
