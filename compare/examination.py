"""How a network is examined: called at all, identified, then judged on every stimulus."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import Candidate
from compare.conventions import capped, recognise
from compare.evaluation import PYTORCH, Convention, Evaluation
from compare.first_look import GIVEN, OFF_SLOPE, first_call, shared_arrays, slopes_text
from compare.initialisation import init_text, judge_init, name_rule
from compare.judge import judge_values
from compare.judgement import (
    Judgement,
    Verdict,
    first_failing,
    judge_fact,
    judge_tensor,
    overall,
)
from compare.reference import Reference
from compare.report import Report
from compare.rules import Derived, RuleOf, rule_of
from compare.stimuli import Stimuli, Stimulus, without_kink_rows

Array = NDArray[np.floating[Any]]
ACTIVATIONS = ("relu", "sigmoid", "tanh")


@dataclass(frozen=True)
class Response:
    """What the network gave for a stimulus, and what it raised, if it did."""

    stimulus: Stimulus
    actual: dict[str, Any]
    raised: str = ""


class Examination:
    """The steps of check_network; each can be read by itself.

    Parameters
    ----------
    candidate : Candidate
        The network. Its parameters are overwritten.
    weight_decay_lambda : float
        As declared.
    rng : numpy.random.Generator
        Behind all stimuli.
    """

    def __init__(
        self, candidate: Candidate, weight_decay_lambda: float, rng: np.random.Generator
    ) -> None:
        self.candidate = candidate
        self.weight_decay_lambda = weight_decay_lambda
        self.stimuli = Stimuli(candidate.sizes, candidate.dtype, rng)
        self.convention = PYTORCH

    def run(
        self,
        activation: str | None,
        targets: str | None,
        batch: Stimulus | None,
        init: str | float | None = None,
    ) -> Report:
        """Examine the network, with a batch of the user's own beside the stimuli if given."""
        given = self.candidate.read()
        plain = self.stimuli.plain()
        self.candidate.write(plain.params)
        first_call(self.candidate, plain, targets)
        found = self._identify(plain, activation)
        reference = self._reference(found[0])
        facts = [] if init is None else judge_init(given, init)
        rule_text = name_rule(given) if init is None else init_text(given, init)
        facts += [*shared_arrays(self.candidate, plain), self._follows_params(plain, reference)]
        facts.append(self._stateless(plain, reference))
        slopes = slopes_text(self.candidate, plain)

        stimuli, not_judged = self._stimuli(reference, batch)
        responses = [self._respond(stimulus) for stimulus in stimuli]

        rule = rule_of(reference, self.candidate.dtype)

        def judge(convention: Convention, where: str | None) -> list[Judgement]:
            here = [r for r in responses if where in (None, r.stimulus.name)]
            return [j for r in here for j in self._judge(r, reference, rule, convention)]

        epsilons = self._epsilons(responses, reference)
        judgements, conventions, self.convention = recognise(judge, epsilons)
        facts.append(self._purity())
        verdict = overall([*facts, *judgements])
        if verdict is Verdict.SAME and conventions and slopes.startswith(OFF_SLOPE):
            slopes += ", which is the convention's doing"
        return Report(
            name=self.candidate.name,
            sizes=self.candidate.sizes,
            dtype=str(self.candidate.dtype),
            activation=found[0],
            inferred=tuple(filter(None, (*found[1], rule_text, slopes))),
            verdict=verdict,
            judgements=(*facts, *judgements),
            conventions=tuple(conventions),
            not_judged=not_judged,
        )

    def _identify(self, plain: Stimulus, activation: str | None) -> tuple[str, tuple[str, ...]]:
        """Return the activation, and what was found about the network, by its forward alone."""
        candidate = self.candidate
        predicted = candidate.outputs(plain.x).get("logits")
        actual: dict[str, Any] = {"loss": candidate.loss(plain.x, plain.t)}
        if predicted is not None:
            actual = {"logits": predicted}
            if ((predicted >= 0) & (predicted <= 1)).all():
                actual["probabilities"] = predicted
            if (predicted <= 0).all():
                actual["log-probabilities"] = predicted
        trials = []
        for trial in (activation,) if activation else ACTIVATIONS:
            e = self._reference(trial).evaluate(plain.params, plain.x, plain.t)
            for judgement in judge_values(actual, e, self._derived(e), plain.name):
                trials.append((judgement.score, trial, judgement.name))
        score, name, form = min(trials)
        found = [f"targets as {candidate.targets}"]
        if len(candidate.sizes) > 2 and not activation:
            nearest = "" if score <= 1 else " (the nearest of relu, sigmoid, tanh)"
            found.insert(0, f"activation {name}{nearest}")
        if predicted is not None:
            candidate.output = form
            found.append(f"predict returns {form}")
        elif candidate.not_judged:
            found.append(candidate.not_judged)
        if self.weight_decay_lambda:
            found.append(f"weight_decay_lambda {self.weight_decay_lambda:g}")
        elif candidate.weight_decay_lambda is not None:
            found.append("weight_decay_lambda 0: weight decay is not judged")
        return name, tuple(found)

    def _follows_params(self, plain: Stimulus, reference: Reference) -> Judgement:
        """See that each weight is read: a change of it changes the loss where it should.

        A bias that is ignored may also be one that was forgotten, or that a wrong softmax cancels:
        that is for the forward pass to show.
        """

        def losses(params: Mapping[str, Array]) -> tuple[float, Evaluation]:
            self.candidate.write(params)
            e = reference.evaluate(params, plain.x, plain.t, gradients=False)
            return self.candidate.loss(plain.x, plain.t), e

        ours, theirs = losses(plain.params)
        allowed = self._derived(theirs).allowed("loss")
        ignored = []
        for key, value in plain.params.items():
            if key.startswith("b"):
                continue
            changed, other = losses({**plain.params, key: value / 2})
            visible = abs(other.loss - theirs.loss) > allowed
            if changed == ours and visible:
                ignored.append(key)
        self.candidate.write(plain.params)
        detail = f"a change of {', '.join(ignored)} does not reach the loss: the layers hold copies"
        return judge_fact("aliasing", "params", GIVEN, not ignored, detail)

    def _stateless(self, plain: Stimulus, reference: Reference) -> Judgement:
        """See that nothing is left over from a call with other data, in the same array or not."""
        candidate, x, t = self.candidate, plain.x, plain.t
        rule = self._derived(reference.evaluate(plain.params, x, t))
        other = np.asarray(x[::-1] / 2)
        wrong = []
        for method, before in (("gradient", "loss"), ("loss", "gradient")):
            candidate.loss(x, t)
            call = getattr(candidate, method)
            first = call(x, t)
            second = candidate.after_other(before, other, method, x, t)
            pairs: dict[str, tuple[Any, Any]] = {"loss": (second, first)}
            if method == "gradient":
                pairs = {key: (second[key], first[key]) for key in first}
            if any(
                judge_tensor("purity", key, "", *pair, rule).verdict is not Verdict.SAME
                for key, pair in pairs.items()
                if not np.array_equal(*pair, equal_nan=True)
            ):
                wrong.append(f"{method}(x, t)")
        detail = (
            f"decides what {' and '.join(wrong)} returns: the network keeps something from one "
            "call to the next"
        )
        return judge_fact("purity", "call before", "two batches in turn", not wrong, detail)

    def _stimuli(
        self, reference: Reference, batch: Stimulus | None
    ) -> tuple[list[Stimulus], tuple[str, ...]]:
        """Return what the network is shown, and what of the user's batch it cannot be judged on."""
        drawn = self.stimuli.battery(reference)
        stimuli = [s for s in (without_kink_rows(d, reference) for d in drawn) if s]
        if stimuli:  # calls in between must not change what the first stimulus gives
            stimuli.append(replace(stimuli[0], name=f"{len(stimuli[0].x)} rows, again"))
        if batch is None:
            return stimuli, ()
        kept = without_kink_rows(batch, reference)
        if kept is None:
            return stimuli, (f"{batch.name}: each has a ReLU on the brink of 0",)
        return [*stimuli, kept], ()

    def _reference(self, activation: str) -> Reference:
        return Reference(self.candidate.sizes, activation, self.weight_decay_lambda)

    def _derived(self, e: Evaluation) -> Derived:
        return Derived(e, self.candidate.dtype)

    def _respond(self, stimulus: Stimulus) -> Response:
        """Run the network on a stimulus; what it raises, now that a plain call worked, counts."""
        candidate, x, t = self.candidate, stimulus.x, stimulus.t
        actual: dict[str, Any] = {}
        try:
            candidate.write(stimulus.params)
            actual |= candidate.outputs(x)
            actual["loss"] = candidate.loss(x, t)
            actual |= candidate.gradient(x, t)
            changed = candidate.changed_since(stimulus.params)
        except (Exception, SystemExit) as error:
            return Response(stimulus, actual, f"raised {type(error).__name__}: {error}")
        candidate.spoiled += [f"a call changed {key}" for key in changed]
        return Response(stimulus, actual)

    def _judge(
        self, r: Response, reference: Reference, rule: RuleOf, c: Convention
    ) -> list[Judgement]:
        """Judge a response; what follows from leaving the range under stress is a limit."""
        where = r.stimulus.name
        e = reference.evaluate(r.stimulus.params, r.stimulus.x, r.stimulus.t, c)
        judgements = judge_values(r.actual, e, rule(e), where)
        if r.raised:
            judgements.insert(0, judge_fact("forward", "call", where, False, r.raised))
        first = first_failing(judgements)
        if r.stimulus.is_stress and first and first.verdict is Verdict.UNSTABLE:
            return [replace(j, is_limit=j.fails) for j in judgements]
        return judgements

    def _epsilons(self, responses: list[Response], reference: Reference) -> list[float]:
        """Return the epsilons that the loss is capped by under stress, if it is."""
        return [
            epsilon
            for r in responses
            if r.stimulus.is_stress and "loss" in r.actual
            for epsilon in capped(
                r.actual["loss"],
                reference.evaluate(r.stimulus.params, r.stimulus.x, r.stimulus.t, gradients=False),
            )
        ]

    def _purity(self) -> Judgement:
        spoiled = sorted(set(self.candidate.spoiled))
        return judge_fact("purity", "arrays", "all stimuli", not spoiled, ", ".join(spoiled))
