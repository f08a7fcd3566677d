"""One initialisation on both stacks: recorded at every step, judged at some."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import torch_ref
from compare.cause import Diagnosis
from compare.evaluation import PYTORCH, TRAINING, Convention, Evaluation, Mode, probe_of
from compare.judge import judge_values
from compare.judgement import (
    Judgement,
    Rule,
    Verdict,
    first_failing,
    judge_elements,
    judge_fact,
    judge_tensor,
    norm,
)
from compare.lockstep import CandidateStack, ScratchStack, Side, TorchStack
from compare.optimiser import Optimiser
from compare.record import Ledger, Trace
from compare.rules import Derived
from compare.run_diagnosis import diagnose_run, std_of
from compare.torch_network import Reference
from compare.updates import Update, judge_update

Array = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]
Batch = tuple[Any, Any]

EVIDENCE = 4
"""Steps, from the first that failed on, in which a cause is looked for."""


@dataclass(frozen=True)
class Move(Update):
    """What one stack did in one step: its update, and the loss after it.

    Attributes
    ----------
    training, afterwards : Mode
        In which gradients were computed, and the loss.
    """

    loss: float = math.nan
    training: Mode = TRAINING
    afterwards: Mode = TRAINING


@dataclass(frozen=True)
class Step:
    """What both did in one step: enough to judge it, then or later."""

    number: int
    batch: Batch
    reference_batch: Batch
    ours: Move
    theirs: Move


class Trial:
    """One initialisation.

    Parameters
    ----------
    label : str
        Of the initialisation, as printed.
    ours, theirs : ScratchStack or CandidateStack, TorchStack
        The candidate and what it is drawn beside.
    reference : Reference
        torch_ref in float64 on the device of the run, evaluated at the candidate's parameters.
    optimiser : Optimiser
        As declared, in the form of `ours`.
    judged : collection of int
        The steps to judge.
    given : iterable of Judgement
        What is known of the data before the first step.
    convention : Convention
        That the candidate follows.
    std : float or str, optional
        The rule of its initial weights.
    """

    def __init__(
        self,
        label: str,
        ours: ScratchStack | CandidateStack,
        theirs: TorchStack,
        reference: Reference,
        optimiser: Optimiser,
        judged: Collection[int],
        given: Iterable[Judgement] = (),
        convention: Convention = PYTORCH,
        std: float | str | None = None,
    ) -> None:
        self.label = label
        self.std = std
        self.ours = ours
        self.theirs = theirs
        self.candidate = ours.candidate
        self.dtype = self.candidate.dtype
        self.reference = reference
        self.again = reference.in_dtype(self.dtype)
        self.optimiser = optimiser
        self.their_optimiser = replace(optimiser, lr_inside=False)
        self.judged = judged
        self.convention = convention
        self.trace = Trace()
        self.ledger = Ledger()
        # What is looked at to find out why it failed: the first steps from there on, the step
        # before them, and the parameters at the start.
        self.evidence: list[Step] = []
        self.before: Step | None = None
        self.failed: list[Judgement] = []  # all judgements of the first step that failed
        self.failed_at = -1
        self.draws: dict[str, tuple[Array, Array, float]] | None = None
        self.files: Diagnosis | None = None
        self._state = ours.values, theirs.values
        self._previous: Step | None = None
        self._seen: set[int] = set()  # the steps that were judged, or could not be
        self._due: set[int] = set()  # those to be judged in the place of one that could not be
        # The relative error that each gradient was allowed at the last judged step.
        self._allowed: dict[str, float] = {}
        # Before BatchNorm, a bias has no effect; its gradient is 0, and rounding all there is.
        self._vain = {f"b{i}" for i in range(1, len(reference.sizes) - 1)}
        if not reference.extras.batchnorm:
            self._vain = set()
        self.ledger.add([*given, *self._start()])

    def observe(self, number: int, ours: Side, theirs: Side) -> None:
        """Record the step that both stacks have just made, and judge it where that is due."""
        before, self._state = self._state, (self.ours.values, self.theirs.values)
        moves = [
            Move(
                start, stack.grads, end, state, state_after, number + 1, stack.loss,
                Mode(True, running, stack.masks), Mode(False, running_after),
            )
            for stack, (start, state, running), (end, state_after, running_after) in zip(
                (self.ours, self.theirs), before, self._state, strict=True
            )
        ]  # fmt: skip  # the update, then the loss and its circumstances
        step = Step(number, ours.batch, theirs.batch, *moves)
        self.trace.scratch.append(self.ours.loss)
        self.trace.torch.append(self.theirs.loss)
        errors = {
            name: _relative_error(step.ours.grads[name], theirs)
            for name, theirs in step.theirs.grads.items()
            if name not in self._vain
        }
        stands_out = self._record_free_run(step, errors)
        if stands_out and self._previous and self.judged:
            self._judge(self._previous)
        if number in self.judged or number in self._due or (stands_out and self.judged):
            self._judge(step)
        if self.failed and len(self.evidence) < EVIDENCE:
            if not self.evidence:
                late = self._previous is not None and self._previous.number == self.failed_at
                self.before = None if late else self._previous
                self.evidence += [self._previous] if self._previous and late else []
            copies = {key: np.array(grad) for key, grad in step.theirs.grads.items()}
            self.evidence.append(replace(step, theirs=replace(step.theirs, grads=copies)))
        self._previous = step

    def diagnosis(self) -> Diagnosis | None:
        """Return why it failed, if it did and that can be found out."""
        return diagnose_run(self)

    def _start(self) -> list[Judgement]:
        """Judge what both stacks start from: equal in every bit, and no array shared."""
        where, params = "the start", self.candidate.params
        given = torch_ref.to_params(self.theirs.net)
        torch_arrays = [value.detach().cpu().numpy() for value in self.theirs.net.parameters()]
        pairs = [*product(params.values(), torch_arrays)]
        pairs += [(a, b) for a, b in product(params.values(), repeat=2) if a is not b]
        apart = not any(np.shares_memory(a, b) for a, b in pairs)
        (start, _, running), (_, _, their_running) = self._state
        if self.std is not None:
            rule = self.std
            self.draws = {k: (start[k], given[k], std_of(rule, given[k].shape)) for k in params}
        return [
            judge_fact("aliasing", "params", where, apart, "two parameters share one array"),
            *(judge_elements("init", key, where, start[key], given[key], 0.0) for key in params),
            *(
                judge_elements("init", key, where, value, their_running[key], 0.0)
                for key, value in running.items()
            ),
        ]

    def _record_free_run(self, step: Step, errors: dict[str, float]) -> bool:
        """Compare the two stacks; return True where they first stand out or a ReLU flips."""
        trace = self.trace
        trace.errors.append(float(np.max(list(errors.values()))))  # NaN if any is
        stands_out = any(
            not error <= self._allowed.get(name, math.inf) for name, error in errors.items()
        )
        if trace.flip is None and trace.apart is None:
            masks = zip(self.ours.active, self.theirs.active, strict=True)
            if self.ours.active and any(not np.array_equal(a, b) for a, b in masks):
                trace.flip = step.number
            elif stands_out:
                trace.apart = step.number
            return step.number in (trace.flip, trace.apart)
        return False

    def _judge(self, step: Step) -> None:
        if step.number not in self._seen:
            self._seen.add(step.number)
            now, running = self.candidate.read(), self.candidate.read_running()
            try:
                judgements = [*self._judge_ours(step), *self._judge_theirs(step)]
            finally:
                self.candidate.write(now)
                self.candidate.write_running(running)
            self.ledger.add(judgements, step.number)
            if not self.failed and first_failing(judgements):
                self.failed, self.failed_at = judgements, step.number

    def _judge_ours(self, step: Step) -> list[Judgement]:
        """Judge the candidate from its own state, in causal order."""
        where, move, (x, t) = f"step {step.number}", step.ours, step.batch
        same_data = _same_samples(step.batch, step.reference_batch)
        detail = "holds other samples or targets than the plan says"
        data = [judge_fact("data", "batch", where, same_data, detail)]
        if move.training.masks:
            masks = zip(move.training.masks, step.theirs.training.masks, strict=True)
            same_masks = all(np.array_equal(a, b) for a, b in masks)
            detail = "are other ones than the plan says"
            data.append(judge_fact("data", "dropout masks", where, same_masks, detail))

        mode = replace(move.training, masks=step.theirs.training.masks)
        e = self.reference.evaluate(move.before, x, t, self.convention, mode)
        rule = Derived(e, self.dtype)
        if not e.is_finite:
            return [*data, _not_judged(where, "the reference is not finite")]
        keep = ~rule.on_edge
        if self.reference.extras:
            # The network cannot be asked again: it would draw other masks, and BatchNorm makes
            # every row depend on every other. So the step is taken as it was, or the next one.
            if not keep.all():
                self._due.add(step.number + 1)
                return [*data, _not_judged(where, "a row is on a ReLU's edge")]
            self._allowed = _relative_allowed(rule, e)
            actual = {**move.grads, **move.afterwards.running}
            return [
                *data,
                *self._judged(actual, e, rule, where),
                *judge_update(self.optimiser, move, where),
                *self._judge_loss(step, where),
            ]
        if not keep.any():
            return [*data, _not_judged(where, "every row is on a ReLU's edge")]
        self.candidate.write(move.before)
        grads: Mapping[str, Array] = move.grads
        own = []
        if not keep.all():
            # Those of the step hold rows that nobody can judge: see that they are what gradient()
            # gives, and judge gradient() on the other rows.
            given = self.candidate.gradient(x, t)
            own = self._judge_own(move.grads, given, rule, where)
            x, t = x[keep], t[keep]
            e = self.reference.evaluate(move.before, x, t, self.convention)
            rule = Derived(e, self.dtype)
            grads = self.candidate.gradient(x, t)
        self._allowed = _relative_allowed(rule, e)
        return [
            *data,
            *self._judged({**self.candidate.outputs(x), **grads}, e, rule, where),
            *own,
            *judge_update(self.optimiser, move, where),
            *self._judge_loss(step, where),
        ]

    def _judged(
        self, actual: Mapping[str, Array | float], e: Evaluation, rule: Rule, where: str
    ) -> list[Judgement]:
        """Judge values; where torch in the same dtype is not finite either, there is nothing to."""
        judgements = judge_values(actual, e, rule, where)
        if not any(j.verdict is Verdict.UNSTABLE for j in judgements):
            return judgements
        given = e.params, e.x, e.t, e.convention, e.mode
        theirs = self.again.evaluate(*given, gradients=bool(e.grads)).values()
        detail = f"leaves the range of {self.dtype} in torch, too"
        return [
            replace(j, verdict=Verdict.INCONCLUSIVE, detail=detail)
            if j.verdict is Verdict.UNSTABLE and not np.isfinite(theirs[j.name]).all()
            else j
            for j in judgements
        ]

    def _judge_own(
        self, used: Mapping[str, Array], given: dict[str, Float64], rule: Derived, where: str
    ) -> list[Judgement]:
        """Judge the gradients that the step used against those that the network gives again."""
        detail = "of the update is not what gradient(x, t) gives"
        judgements = [
            judge_tensor("gradient", key, where, used[key], again, rule)
            for key, again in given.items()
        ]
        return [replace(j, detail=detail) if j.fails else j for j in judgements]

    def _judge_loss(self, step: Step, where: str) -> list[Judgement]:
        """Judge the recorded loss, of the same batch after the update; if it is off, from where."""
        move = step.ours
        e = self.reference.evaluate(
            move.after, *step.batch, self.convention, move.afterwards, gradients=False
        )
        rule = Derived(e, self.dtype)
        loss = self._judged({"loss": step.ours.loss}, e, rule, where)
        if not loss[0].fails:
            return loss
        self.candidate.write(move.after)
        self.candidate.write_running(move.afterwards.running)
        forward = self._judged(self.candidate.outputs(step.batch[0]), e, rule, where)
        return [j for j in forward if j.verdict is not Verdict.SAME] + loss

    def _judge_theirs(self, step: Step) -> list[Judgement]:
        """Judge the loop around the torch network: its gradients, update and recorded loss.

        Both sides of the comparison are torch's, in one dtype: what this sees is what is wrong
        around it, such as gradients that were not reset.
        """
        where, move = f"step {step.number}", step.theirs
        x, t = (part.cpu().numpy() for part in step.reference_batch)
        e = self.again.evaluate(move.before, x, t, mode=move.training)
        if not e.is_finite:
            return []
        after = self.again.evaluate(move.after, x, t, mode=move.afterwards, gradients=False)
        judgements = [
            *_judge_again({**move.grads, **move.afterwards.running}, e, self.dtype, where),
            *judge_update(self.their_optimiser, move, where),
            *_judge_again({"loss": move.loss}, after, self.dtype, where),
        ]
        return [replace(judgement, stack="torch") for judgement in judgements]


def _judge_again(
    actual: Mapping[str, Array | float], e: Evaluation, dtype: DTypeLike, where: str
) -> list[Judgement]:
    """Judge what torch computed against what it computes again: the same bits, or to rounding.

    They are the same bits unless torch adds in another order, as it may on a GPU; so rounding is
    analysed only where they are not.
    """
    exact = [
        judge_elements(
            probe_of(name), name, where, np.asarray(actual[name]), np.asarray(expected), 0.0
        )
        for name, expected in e.values().items()
        if name in actual
    ]
    if any(judgement.fails for judgement in exact):
        return judge_values(actual, e, Derived(e, dtype), where)
    return exact


def distinct_units(params: Mapping[str, Array]) -> list[int]:
    """Return how many units of each layer differ from each other in weights or bias."""
    layers = range(1, sum(key.startswith("W") for key in params) + 1)
    names = [[f"{letter}{i}" for letter in ("W", "b", "gamma", "beta")] for i in layers]
    units = [
        np.vstack([params[name] for name in of_layer if name in params]).T + 0.0  # -0 is 0
        for of_layer in names
    ]
    return [len({unit.tobytes() for unit in of_layer}) for of_layer in units]


def _not_judged(where: str, reason: str) -> Judgement:
    return Judgement("gradient", "all", where, Verdict.INCONCLUSIVE, detail=reason)


def _relative_allowed(rule: Rule, e: Evaluation) -> dict[str, float]:
    """Return what `rule` allows to each gradient of `e`, as a share of its size."""
    sizes = {name: float(np.linalg.norm(grad)) for name, grad in e.grads.items()}
    return {name: rule.allowed(name) / size for name, size in sizes.items() if size}


def _relative_error(actual: Array, expected: Array) -> float:
    """norm(actual - expected) / norm(expected); the first alone where the second is 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        difference, size = norm(actual - expected), norm(expected)
        return float(difference / (size or 1.0))


def _same_samples(actual: Batch, expected: Batch) -> bool:
    """Whether both batches hold the same samples with the same targets, in any order."""
    ours = [np.asarray(part) for part in actual]
    theirs = [part.cpu().numpy() for part in expected]
    if all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)):
        return True
    return np.array_equal(_sorted_rows(*ours), _sorted_rows(*theirs))


def _sorted_rows(x: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Return the samples of a batch, targets beside, in an order that depends on them alone."""
    rows = np.ascontiguousarray(np.column_stack([x, t]).astype(np.float64))
    return np.sort(rows.view(np.dtype((np.void, rows.strides[0]))).ravel())
