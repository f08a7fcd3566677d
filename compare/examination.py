"""How a network is examined: called at all, identified, then judged on every stimulus."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import Candidate
from compare.cause import Diagnosis
from compare.causes.case import Case
from compare.causes.facts import upheld
from compare.causes.replay import Given
from compare.conventions import NOTHING, VARIANCE_EPSILONS, capped, recognise, shares_taken
from compare.diagnosis import Search
from compare.evaluation import PYTORCH, TRAINING, Convention, Evaluation, Mode
from compare.first_look import GIVEN, OFF_SLOPE, first_call, shared_arrays, slopes_text
from compare.initialisation import ERRORS, init_text, judge_init, name_rule
from compare.judge import judge_values
from compare.judgement import (
    Judgement,
    Verdict,
    first_failing,
    judge_fact,
    judge_tensor,
    overall,
)
from compare.reference import Extras, Reference
from compare.report import Report
from compare.rounding import kink_rows
from compare.rules import Derived, RuleOf, rule_of
from compare.stimuli import Stimuli, Stimulus, without_kink_rows

Array = NDArray[np.floating[Any]]
ACTIVATIONS = ("relu", "sigmoid", "tanh")

BOOK: dict[str, Any] = {"variance_epsilon": 1e-6, "unbiased": False, "inverted": False}
"""The conventions of the book in BatchNorm and dropout."""

SOME_DECAY = 0.1
"""lambda for a network that comes without one: as large as the gradient, so that it shows."""


@dataclass(frozen=True)
class Response:
    """What the network gave for a stimulus in a mode, what it raised, if it did, and which running
    statistics it moved that should stay.
    """

    stimulus: Stimulus
    actual: dict[str, Any]
    raised: str = ""
    mode: Mode = TRAINING
    moved: tuple[str, ...] = ()


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
    explain : bool
        Whether to find out why it differs, where it does.
    """

    def __init__(
        self,
        candidate: Candidate,
        weight_decay_lambda: float,
        rng: np.random.Generator,
        *,
        explain: bool = True,
    ) -> None:
        self.explain = explain
        self.candidate = candidate
        self.weight_decay_lambda = weight_decay_lambda
        batchnorm = candidate.found.batchnorm
        self.stimuli = Stimuli(candidate.sizes, candidate.dtype, rng, batchnorm=batchnorm)
        self.convention = PYTORCH
        self._drawn: dict[Any, NDArray[np.bool_]] = {}  # masks of dropout, each once
        # Of a network that cannot be told, in which mode loss and predict are.
        self.untold: bool | None = None
        # A lambda of weight decay that the network is judged with beside its own.
        self.other_decay: float | None = None

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
        self._show(plain)
        first_call(self.candidate, plain, targets)
        self._see_masks(plain)
        self.other_decay = self._switched_decay(plain)
        found = self._identify(plain, activation)
        reference = self._reference(found[0])
        facts = [] if init is None else judge_init(given, init)
        rule_text = name_rule(given) if init is None else init_text(given, init)
        facts += [*shared_arrays(self.candidate, plain), self._follows_params(plain, reference)]
        facts.append(self._stateless(plain, reference))
        slopes = slopes_text(self.candidate, plain)
        start = self._forward_convention(reference)

        stimuli, not_judged = self._stimuli(reference, batch)
        self.previous = self.candidate.gradient(plain.x, plain.t)
        responses = [r for stimulus in stimuli for r in self._respond(stimulus)]

        references = {decay: self._reference(found[0], decay) for decay in (None, self.other_decay)}
        rules = {key: rule_of(each, self.candidate.dtype) for key, each in references.items()}

        def judge(convention: Convention, where: str | None) -> list[Judgement]:
            here = [
                (r, references[r.stimulus.weight_decay], rules[r.stimulus.weight_decay])
                for r in responses
                if where in (None, r.stimulus.name)
            ]
            return [j for of_response in here for j in self._judge(*of_response, convention)]

        epsilons = self._epsilons(responses, reference)
        extras = reference.extras
        judgements, conventions, self.convention = recognise(
            judge,
            epsilons,
            self._shares(responses, reference),
            start=start,
            batchnorm=extras.batchnorm,
            dropout=extras.dropout is not None,
        )
        facts = [*upheld(facts, judgements), self._purity(), *self._share_kept()]
        verdict = overall([*facts, *judgements])
        differs = verdict in (Verdict.DIFFERENT, Verdict.UNSTABLE)
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
            diagnosis=self._diagnosed(responses, reference, given, facts)
            if self.explain and differs
            else None,
        )

    def _diagnosed(
        self,
        responses: list[Response],
        reference: Reference,
        own: Mapping[str, Array],
        facts: list[Judgement],
    ) -> Diagnosis | None:
        """Return why the network differs."""
        best: Diagnosis | None = None
        for activation, convention in self._meant(reference):
            cases = list(self._cases(responses, own, activation, convention))
            ordinary = [case for case in cases if not case.is_stress]
            if any(case.off(()) for case in ordinary):
                cases = ordinary
            if not cases:
                continue
            found = Search(cases, facts=facts).run()
            best = min(best or found, found, key=Diagnosis.rank)
            certain = best.is_repaired and all(cause.is_certain for cause in best.causes)
            if certain and not (self.is_guess and best.doubts_activation):
                break
        return best

    def _meant(self, reference: Reference) -> Iterator[tuple[str, Convention]]:
        """Yield what the network may be meant to be, the likeliest first.

        A mistake in the forward pass may have hidden its activation, and conventions of it.
        """
        extras = reference.extras
        conventions = [self.convention]
        if extras:
            conventions += [replace(self.convention, **BOOK), replace(PYTORCH, **BOOK)]
        others = [a for a in ACTIVATIONS if a != reference.activation] if self.is_guess else []
        for convention in dict.fromkeys(conventions):
            yield reference.activation, convention
        for activation in others:
            yield activation, self.convention

    def _cases(
        self,
        responses: list[Response],
        own: Mapping[str, Array],
        activation: str,
        convention: Convention,
    ) -> Iterator[Case]:
        """Yield what the network gave on each stimulus beside what it should have given."""
        previous: Mapping[str, Any] = self.previous
        decays = {r.stimulus.weight_decay for r in responses}
        references = {decay: self._reference(activation, decay) for decay in decays}
        rules = {key: rule_of(each, self.candidate.dtype) for key, each in references.items()}
        for r in responses:
            s, reference = r.stimulus, references[r.stimulus.weight_decay]
            e = reference.evaluate(
                s.params, s.x, s.t, convention, r.mode, gradients=r.mode.training
            )
            given = Given(
                s.params, s.x, s.t, activation, reference.weight_decay_lambda,
                convention, r.mode, reference.extras.dropout, previous, own,
            )  # fmt: skip  # what, then the circumstances
            grads = {key: r.actual[key] for key in s.params if key in r.actual}
            previous = grads if len(grads) == len(s.params) else previous
            rule = rules[s.weight_decay](e)
            if reference.extras and kink_rows(e, rule.derived.rounding).any():
                continue
            dtype = self.candidate.dtype
            case = Case(s.name, given, r.actual, e.values(), rule, dtype, s.is_stress)
            if case.names:
                yield case

    def _show(self, stimulus: Stimulus) -> None:
        """Put the network into the state of a stimulus."""
        self.candidate.write(stimulus.params)
        if self.candidate.found.remembers:
            self.candidate.write_running(stimulus.running)
        if self.other_decay is not None:
            decay = stimulus.weight_decay
            self.candidate.write_decay(self.weight_decay_lambda if decay is None else decay)

    def _switched_decay(self, plain: Stimulus) -> float | None:
        """Return another lambda that the network follows: none, or one where it has none.

        None where it has no attribute for it, or another value of it changes nothing.
        """
        candidate, own = self.candidate, self.candidate.weight_decay_lambda
        if own is None or own != self.weight_decay_lambda:
            return None
        other = 0.0 if self.weight_decay_lambda else SOME_DECAY

        def answers() -> list[Any]:
            grads = candidate.gradient(plain.x, plain.t)
            return [candidate.loss(plain.x, plain.t), *grads.values()]

        before = answers()
        try:
            candidate.write_decay(other)
            after = answers()
        except (Exception, SystemExit):
            return None
        finally:
            candidate.write_decay(own)
        same = all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        return None if same else other

    def _see_masks(self, plain: Stimulus) -> None:
        """See that the masks of dropout can be read; else do without it."""
        candidate = self.candidate
        if candidate.found.ratio is None:
            return
        candidate.gradient(plain.x, plain.t)
        expected = [(len(plain.x), units) for units in candidate.sizes[1:-1]]
        try:
            readable = [mask.shape for mask in candidate.masks()] == expected
        except (AttributeError, RuntimeError):  # of the network, or of its process
            readable = False
        if not readable:
            candidate.without_dropout("its masks cannot be read")

    def _mode(self, stimulus: Stimulus, *, training: bool) -> Mode:
        """Return the mode of the call just made."""
        found = self.candidate.found
        masks = self.candidate.masks() if training and found.ratio is not None else ()
        self._drawn |= {(mask.shape, mask.tobytes()): mask for mask in masks}
        return Mode(training, stimulus.running, masks)

    def _share_kept(self) -> list[Judgement]:
        """See that dropout drops the share that it says, as far as the masks that it drew tell."""
        ratio = self.candidate.found.ratio
        if not ratio or not self._drawn:
            return []
        kept = np.concatenate([mask.ravel() for mask in self._drawn.values()])
        error = math.sqrt(ratio * (1 - ratio) / len(kept))
        detail = (
            f"keep {kept.mean():.2f} of the units, and a ratio of {ratio:g} keeps {1 - ratio:g}"
        )
        holds = abs(kept.mean() - (1 - ratio)) <= ERRORS * error
        return [judge_fact("state", "dropout masks", "all stimuli", bool(holds), detail)]

    def _told(self, *, training: bool) -> bool:
        """Return the mode that loss and predict are in when told this one."""
        return training if self.untold is None else self.untold

    def _identify(self, plain: Stimulus, activation: str | None) -> tuple[str, tuple[str, ...]]:
        """Return the activation, and what was found about the network, by its forward alone."""
        candidate = self.candidate
        extended, either = candidate.found, (False, True)
        told = either if extended.can_switch else (False,)
        tried = (activation,) if activation else ACTIVATIONS
        references = {name: self._reference(name) for name in tried}
        trials = []
        for training in told if extended else (True,):
            actual = self._seen(plain, training=training)
            inner = candidate.outputs(plain.x, training=training)
            inner = {name: value for name, value in inner.items() if name[0] in "znad"}
            # In which mode one is that cannot be told is found here, too.
            modes = (training,) if extended.can_switch or not extended else either
            conventions = self._forward_conventions()
            if "loss" in actual:  # of which there may be the sum
                conventions += [replace(convention, mean=False) for convention in conventions]
            for trial, mode, convention in product(tried, modes, conventions):
                given = plain.params, plain.x, plain.t
                of_call = self._mode(plain, training=mode)
                e = references[trial].evaluate(*given, convention, of_call)
                rule = self._derived(e)
                # What is right inside tells more than how near the end is, where that is wrong.
                inside = judge_values(inner, e, rule, plain.name)
                right = next((i for i, j in enumerate(inside) if j.fails), len(inside))
                for judgement in judge_values(actual, e, rule, plain.name):
                    wrong = judgement.score if judgement.score <= 1 else math.inf
                    rank = (min(wrong, 1), -right, judgement.score)
                    trials.append((rank, trial, judgement.name, mode))
        rank, name, form, training = min(trials)
        score = rank[-1]
        self.is_guess = score > 1 and not activation and len(candidate.sizes) > 2
        found = [f"targets as {candidate.targets}", *self._found_beside()]
        if extended and not extended.can_switch:
            self.untold = training
            found.append(f"loss and predict {'in' if training else 'after'} training")
        if len(candidate.sizes) > 2 and not activation:
            nearest = "" if score <= 1 else " (the nearest of relu, sigmoid, tanh)"
            found.insert(0, f"activation {name}{nearest}")
        if form != "loss":
            candidate.output = form
            found.append(f"predict returns {form}")
        elif candidate.not_judged:
            found.append(candidate.not_judged)
        if self.other_decay is not None:
            both = f"{self.weight_decay_lambda:g} and, in one stimulus, {self.other_decay:g}"
            found.append(f"weight_decay_lambda {both}")
        elif self.weight_decay_lambda:
            found.append(f"weight_decay_lambda {self.weight_decay_lambda:g}")
        elif candidate.weight_decay_lambda is not None:
            found.append("weight_decay_lambda 0: weight decay is not judged")
        return name, tuple(found)

    def _seen(self, plain: Stimulus, *, training: bool) -> dict[str, Any]:
        """Return what predict gives, under all that it may be, or the loss where there is none."""
        predicted = self.candidate.outputs(plain.x, training=training).get("logits")
        if predicted is None:
            return {"loss": self.candidate.loss(plain.x, plain.t, training=training)}
        actual: dict[str, Any] = {"logits": predicted}
        if ((predicted >= 0) & (predicted <= 1)).all():
            actual["probabilities"] = predicted
        if (predicted <= 0).all():
            actual["log-probabilities"] = predicted
        return actual

    def _forward_conventions(self) -> list[Convention]:
        """Return those under which the forward pass of the network may be another one."""
        found = self.candidate.found
        epsilons = (PYTORCH.variance_epsilon, *VARIANCE_EPSILONS) if found.batchnorm else (1e-5,)
        scalings = (True, False) if found.ratio is not None else (True,)
        return [
            replace(PYTORCH, variance_epsilon=epsilon, inverted=inverted)
            for epsilon, inverted in product(epsilons, scalings)
        ]

    def _forward_convention(self, reference: Reference) -> Convention:
        """Return under which the forward pass is right where an epsilon shows; or PyTorch's."""
        candidate, found = self.candidate, self.candidate.found
        if not found:
            return PYTORCH
        s = self.stimuli.small_variances()
        training = self._told(training=found.batchnorm and not found.remembers)
        try:
            self._show(s)
            actual: dict[str, Any] = candidate.outputs(s.x, training=training)
            actual = actual or {"loss": candidate.loss(s.x, s.t, training=training)}
            mode = self._mode(s, training=training)
        except (Exception, SystemExit):  # on a stimulus, it will be a finding
            return PYTORCH
        scores = []
        for convention in self._forward_conventions():
            e = reference.evaluate(s.params, s.x, s.t, convention, mode, gradients=False)
            judgements = judge_values(actual, e, self._derived(e), s.name)
            scores.append((max((j.score for j in judgements), default=0.0), convention))
        score, best = min(scores, key=lambda pair: pair[0])
        return best if score <= 1 else PYTORCH

    def _found_beside(self) -> list[str]:
        """Return what there is beside Affine and activations, for the report."""
        found = self.candidate.found
        text = ["BatchNorm"] if found.batchnorm else []
        if found.ratio is not None:
            text.append(f"dropout {found.ratio:g}, judged with the masks that the network draws")
        return [*text, *found.remarks]

    def _follows_params(self, plain: Stimulus, reference: Reference) -> Judgement:
        """See that each weight is read: a change of it changes the loss where it should.

        A bias that is ignored may also be one that was forgotten, or that a wrong softmax cancels:
        that is for the forward pass to show.
        """

        def losses(params: Mapping[str, Array]) -> tuple[float, Evaluation]:
            self.candidate.write(params)
            loss = self.candidate.loss(plain.x, plain.t)
            mode = self._mode(plain, training=self._told(training=True))
            e = reference.evaluate(params, plain.x, plain.t, mode=mode, gradients=False)
            return loss, e

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
        candidate.gradient(x, t)
        mode = self._mode(plain, training=True)
        rule = self._derived(reference.evaluate(plain.params, x, t, mode=mode))
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
            rows = len(stimuli[0].x)
            stimuli.append(replace(stimuli[0], name=f"{rows} rows, again"))
            if self.other_decay is not None:
                name = f"{rows} rows, weight decay {self.other_decay:g}"
                stimuli.append(replace(stimuli[0], name=name, weight_decay=self.other_decay))
        if batch is None:
            return stimuli, ()
        kept = without_kink_rows(batch, reference)
        if kept is None:
            return stimuli, (f"{batch.name}: each has a ReLU on the brink of 0",)
        return [*stimuli, kept], ()

    def _reference(self, activation: str, decay: float | None = None) -> Reference:
        found = self.candidate.found
        extras = Extras(found.batchnorm, found.ratio)
        decay = self.weight_decay_lambda if decay is None else decay
        return Reference(self.candidate.sizes, activation, decay, extras)

    def _derived(self, e: Evaluation) -> Derived:
        return Derived(e, self.candidate.dtype)

    def _respond(self, stimulus: Stimulus) -> list[Response]:
        """Run the network on a stimulus; what it raises, now that a plain call worked, counts.

        One that computes otherwise in training and afterwards is run in both modes.
        """
        found = self.candidate.found
        if not found:
            return self._responses(stimulus, training=True)
        modes = [True, False]
        if found.batchnorm and len(stimulus.x) == 1:
            modes = [False]  # a batch of 1 has no variance
        if found.batchnorm and not found.remembers:
            modes = [True]
        named = {True: "train", False: "eval"}
        return [
            response
            for training in modes
            if training or self.untold is not True
            for response in self._responses(
                replace(stimulus, name=f"{stimulus.name}, {named[training]}"), training=training
            )
        ]

    def _responses(self, stimulus: Stimulus, *, training: bool) -> list[Response]:
        """Run it in one mode: two responses where gradients are those of other masks."""
        candidate, x, t = self.candidate, stimulus.x, stimulus.t
        responses = [Response(stimulus, {}, mode=Mode(training, stimulus.running))]
        try:
            self._show(stimulus)
            if self._told(training=training) == training:
                responses[-1].actual.update(candidate.outputs(x, training=training))
                responses[-1].actual["loss"] = candidate.loss(x, t, training=training)
                mode = self._mode(stimulus, training=training)
                responses = [replace(responses[0], mode=mode)]
            if training:
                grads = candidate.gradient(x, t)
                mode = self._mode(stimulus, training=True)
                pairs = zip(mode.masks, responses[-1].mode.masks, strict=False)
                if not responses[-1].mode.masks or all(np.array_equal(a, b) for a, b in pairs):
                    responses = [replace(responses[0], mode=mode)]
                else:
                    responses.append(Response(stimulus, {}, mode=mode))
                responses[-1].actual.update(grads)
            if training and candidate.found.remembers:
                responses[-1].actual.update(candidate.read_running())
            elif candidate.found.remembers:
                after = candidate.read_running()
                moved = [k for k, v in stimulus.running.items() if not np.array_equal(v, after[k])]
                responses = [replace(responses[0], moved=tuple(moved))]
            changed = candidate.changed_since(stimulus.params)
        except (Exception, SystemExit) as error:
            raised = f"raised {type(error).__name__}: {error}"
            return [*responses[:-1], replace(responses[-1], raised=raised)]
        candidate.spoiled += [f"a call changed {key}" for key in changed]
        return responses

    def _judge(
        self, r: Response, reference: Reference, rule: RuleOf, c: Convention
    ) -> list[Judgement]:
        """Judge a response; what follows from leaving the range under stress is a limit."""
        where = r.stimulus.name
        s, gradients = r.stimulus, r.mode.training
        e = reference.evaluate(s.params, s.x, s.t, c, r.mode, gradients=gradients)
        ruled = rule(e)
        if reference.extras and kink_rows(e, ruled.derived.rounding).any():
            detail = "a ReLU is on its edge, and no row can be left out"
            return [Judgement("gradient", NOTHING, where, Verdict.INCONCLUSIVE, detail=detail)]
        judgements = judge_values(r.actual, e, ruled, where)
        if r.raised:
            judgements.insert(0, judge_fact("forward", "call", where, False, r.raised))
        detail = "moves in eval mode"
        judgements += [judge_fact("state", key, where, False, detail) for key in r.moved]
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
                reference.evaluate(
                    r.stimulus.params, r.stimulus.x, r.stimulus.t, mode=r.mode, gradients=False
                ),
            )
        ]

    def _shares(self, responses: list[Response], reference: Reference) -> list[float]:
        """Return what running means seem to take of a batch."""
        moves = []
        for r in responses:
            s = r.stimulus
            if r.mode.training and not s.is_stress and "running_mean1" in r.actual:
                e = reference.evaluate(s.params, s.x, s.t, mode=r.mode, gradients=False)
                if (new := e.hidden[0].mean) is not None:
                    moves.append((r.actual["running_mean1"], s.running["running_mean1"], new))
        return shares_taken(moves)

    def _purity(self) -> Judgement:
        spoiled = sorted(set(self.candidate.spoiled))
        return judge_fact("purity", "arrays", "all stimuli", not spoiled, ", ".join(spoiled))
