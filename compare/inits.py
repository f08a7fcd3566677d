"""What section 6.2 of the book says about initial weights, measured on both stacks.

    netparity inits

Three things, a figure each: equal weights stay equal; small weights let gradients vanish; and the
activations of each layer spread, saturate or die by the standard deviation of its weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import scratch
import torch_ref
from compare.data import Data
from compare.judge import judge_values
from compare.judgement import Judgement
from compare.lockstep import ScratchStack, Side, TorchStack, lockstep
from compare.optimiser import Optimiser
from compare.plan import draw_plan, spaced_steps, weight_rng
from compare.rules import Derived
from compare.subject import scratch_optimizer, torch_optimizer
from compare.torch_network import Reference
from compare.trial import Trial, distinct_units

Array = NDArray[np.floating[Any]]

HIDDEN = (100, 100, 100, 100)
LR, BATCH = 0.01, 128
CONSTANT = 0.01
"""The value of every weight in the init `constant`."""

ROWS, UNITS, DEPTH = 1000, 100, 5
"""The experiment of section 6.2.2: rows of standard-normal data through layers of equal width."""

RULES: dict[str, float | str] = {"std=1": 1.0, "std=0.01": 0.01, "xavier": "xavier", "he": "he"}


@dataclass
class Watched:
    """One init while it is trained: a list of one array for each stack, numpy before torch.

    Attributes
    ----------
    units : list of ndarray (steps, layers)
        Units of each layer that differ from each other.
    sizes : list of ndarray (steps, layers)
        Root mean square of dW of each layer.
    """

    label: str
    units: list[list[list[int]]] = field(default_factory=lambda: [[], []])
    sizes: list[list[list[float]]] = field(default_factory=lambda: [[], []])

    def add(self, stack: int, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Take in a step of the stack: parameters after it, gradients before."""
        weights = [grad for key, grad in sorted(grads.items()) if key.startswith("W")]
        self.units[stack].append(distinct_units(params))
        self.sizes[stack].append([float(np.sqrt(np.mean(np.square(dW)))) for dW in weights])


@dataclass(frozen=True)
class Spread:
    """What the layers put out for one activation and one init: a list for each stack."""

    activation: str
    label: str
    outputs: tuple[list[Array], list[Array]]


def train(data: Data, steps: int, seed: int) -> tuple[list[Watched], list[Judgement]]:
    """Train an init of each kind on both stacks; return what was seen, and all that was judged."""
    sizes = (data.x.shape[1], *HIDDEN, 10)
    plan = draw_plan(sizes, len(data.x), steps, BATCH, seed=seed)
    optimiser = Optimiser("sgd", LR)
    trials = []
    for label in ("zero", "constant", "std=0.01", "xavier", "he"):
        std = RULES.get(label, 0.0)
        net = scratch.MultiLayerNet(
            sizes[0], HIDDEN, sizes[-1], weight_init_std=std, rng=weight_rng(seed)
        )
        twin = torch_ref.MultiLayerNet(
            sizes[0], HIDDEN, sizes[-1], weight_init_std=std, draws=plan.draws
        )
        if label == "constant":
            for key, value in net.params.items():
                value[...] = CONSTANT if key.startswith("W") else 0.0
            torch_ref.load_params(twin, net.params)
        ours = ScratchStack(net, scratch_optimizer(optimiser))
        theirs = TorchStack(twin, torch_optimizer(optimiser, twin.parameters()))
        reference = Reference(sizes, "relu")
        trials.append(Trial(label, ours, theirs, reference, optimiser, spaced_steps(steps)))
    ours_side = Side(data.x, data.t, [trial.ours for trial in trials])
    torch_side = Side(data.torch_x, data.torch_t, [trial.theirs for trial in trials])
    watched = [Watched(trial.label) for trial in trials]
    for step in lockstep(ours_side, torch_side, plan.batches):
        for trial, seen in zip(trials, watched, strict=True):
            trial.observe(step, ours_side, torch_side)
            for i, stack in enumerate((trial.ours, trial.theirs)):
                seen.add(i, stack.values.params, stack.grads)
    return watched, [j for t in trials for j in (*t.ledger.failing, *t.ledger.worst.values())]


def spread(seed: int) -> tuple[list[Spread], list[Judgement]]:
    """Send standard-normal rows through untrained layers of both stacks; judge what comes out."""
    sizes = (UNITS,) * (DEPTH + 1) + (10,)
    draws = draw_plan(sizes, 1, 1, 1, seed=seed).draws
    x = np.random.default_rng([seed, 2]).standard_normal((ROWS, UNITS))
    t = np.zeros(ROWS, dtype=np.int64)
    spreads, judgements = [], []
    for activation in ("sigmoid", "tanh", "relu"):
        reference = Reference(sizes, activation)
        for label, std in RULES.items():
            network = (UNITS, sizes[1:-1], sizes[-1], activation, std)
            net = scratch.MultiLayerNet(*network, rng=weight_rng(seed))
            twin = torch_ref.MultiLayerNet(*network, draws=draws)
            ours, theirs = _numpy_outputs(net, x), _torch_outputs(twin, x)
            e = reference.evaluate(net.params, x, t, gradients=False)
            named = {f"a{i}": value for i, value in enumerate(ours, start=1)}
            where = f"{activation}, {label}"
            judgements += judge_values(named, e, Derived(e, np.float64), where)
            spreads.append(Spread(activation, label, (ours, theirs)))
    return spreads, judgements


def _numpy_outputs(net: scratch.MultiLayerNet, x: Array) -> list[Array]:
    """Return what each activation puts out, (ROWS, UNITS) each."""
    outputs = []
    for name, layer in net.layers.items():
        x = layer.forward(x)
        if name.startswith("Activation"):
            outputs.append(x)
    return outputs


def _torch_outputs(net: torch_ref.MultiLayerNet, x: Array) -> list[Array]:
    """Return the same of torch."""
    outputs, a = [], torch.tensor(x)
    with torch.no_grad():
        for layer in net.layers:
            a = layer(a)
            if not isinstance(layer, torch.nn.Linear):
                outputs.append(a.numpy())
    return outputs
