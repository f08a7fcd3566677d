"""How a network is examined: called at all, identified, then judged on every stimulus."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.activations import BOOK
from compare.architecture import Extras
from compare.calls import Calls, Response
from compare.candidate import LABELS, Candidate
from compare.cause import Diagnosis
from compare.causes.case import Case, distance
from compare.causes.facts import upheld
from compare.causes.replay import Given
from compare.consistency import follows_params, stateless
from compare.conventions import NOTHING, Off, capped, decay_text, recognise, shares_taken
from compare.decay import found_decay
from compare.diagnosis import Search
from compare.evaluation import PYTORCH, Convention, Evaluation
from compare.first_look import own_look, shared_arrays, stimuli_of
from compare.identification import Identification, Identity
from compare.initialisation import init_text, judge_init, name_rule
from compare.judge import judge_values
from compare.judgement import DIFFERENCES, Judgement, Verdict, first_failing, judge_fact, overall
from compare.kept import KEPT
from compare.numerical import Numerical, judge_numerical, recognised
from compare.own_loss import is_derivative
from compare.report import Report
from compare.rounding import subnormal_allowed
from compare.rules import Derived
from compare.scope import scope_text, unknown_part
from compare.stimuli import Stimulus, without_kink_rows
from compare.targets import find_forms
from compare.torch_network import Reference

Array = NDArray[np.floating[Any]]

AS_IN_BOOK: dict[str, Any] = {"variance_epsilon": 1e-6, "unbiased": False, "inverted": False}
"""The conventions of the book in BatchNorm and dropout."""


class Examination:
    """The steps of check_network; each can be read by itself.

    Parameters
    ----------
    candidate : Candidate
        The network. Its parameters are overwritten.
    weight_decay_lambda : float or None
        As declared; None to have it found.
    rng : numpy.random.Generator
        Behind all stimuli.
    explain : bool
        Whether to find out why it differs, where it does.
    """

    def __init__(
        self,
        candidate: Candidate,
        weight_decay_lambda: float | None,
        rng: np.random.Generator,
        *,
        explain: bool = True,
    ) -> None:
        self.explain = explain
        self.candidate = candidate
        candidate.output = "logits"  # until predict is found to return another thing
        self.is_decay_declared = weight_decay_lambda is not None
        self.weight_decay_lambda = weight_decay_lambda or 0.0
        self.stimuli = stimuli_of(candidate, rng)
        self.calls = Calls(candidate, self.weight_decay_lambda)
        self.convention = PYTORCH
        self._references: dict[Any, Reference] = {}
        self.numerical: Numerical | None = None

    def run(
        self,
        activation: str | None,
        targets: str | None,
        batch: Stimulus | None,
        init: str | float | None = None,
        first: str = LABELS,
    ) -> Report:
        """Examine the network, with a batch of the user's own beside the stimuli if given.

        `first` is the form of targets that goes first where the network takes both.
        """
        self.given, self.init, self.batch = self.candidate.read(), init, batch
        plain = self.plain = self.stimuli.plain()
        self.calls.show(plain)
        self.forms = find_forms(self.candidate, plain, targets, first)
        self.candidate.see_normalization(plain.x, plain.t)
        self.calls.show(plain)
        self.calls.settle(plain, self.forms.taken)
        self._see_numerical()
        self.identification = Identification(self.calls, self._reference, plain)
        identities = self.identification.identities(activation)
        reports, undrawn = [], self.stimuli
        for identity in identities:
            self.stimuli = copy.deepcopy(undrawn)  # each is judged on batches of the same draws
            reports.append(self._report(identity, search=self.explain or len(identities) > 1))
            if reports[-1].verdict is Verdict.SAME:
                return reports[-1]
        answers = all(j.name != "call" for j in reports[0].judgements)
        near = self.identification.as_near(identities[0]) if answers and not activation else ()
        for identity in near:
            self.stimuli = copy.deepcopy(undrawn)
            other = self._report(identity, search=False)
            if other.verdict is Verdict.SAME:
                return other
        # Its forward pass may be another one because of a mistake, which then explains all of it.
        explained = reports[-1].diagnosis
        is_open = reports[0].verdict is Verdict.INCONCLUSIVE
        is_meant = explained is not None and explained.is_repaired and not is_open
        report = reports[-1] if is_meant else reports[0]
        return report if self.explain else replace(report, diagnosis=None)

    def _report(self, identity: Identity, *, search: bool) -> Report:
        """Examine the network as what it is taken for; `search` for why it is not that."""
        candidate, plain = self.candidate, self.plain
        self.calls.show(plain)
        start = self.identification.convention_of(identity, self.stimuli.small_variances)
        self._see_decay(identity, start)
        reference = self._reference(identity.activation)
        facts = [] if self.init is None else judge_init(self.given, self.init)
        self.calls.show(plain)
        facts += [
            *shared_arrays(candidate, plain),
            follows_params(self.calls, plain, reference),
            stateless(self.calls, plain, reference),
        ]
        look = own_look(candidate, plain)
        stimuli, not_judged = self._stimuli(reference, self.batch)
        self.previous = candidate.gradient(plain.x, plain.t)
        responses = [r for stimulus in stimuli for r in self.calls.respond(stimulus)]
        if self.forms.beside and not any(fact.fails for fact in facts):
            responses += list(self.calls.in_other_form(responses, self.forms.beside))

        judgements, conventions = self._recognised(responses, identity, start)
        facts = [
            *upheld(facts, judgements), self._purity(), *self.calls.share_kept(), *self._by_rows(),
        ]  # fmt: skip  # what was seen
        verdict = overall([*facts, *judgements])
        differs = verdict in (Verdict.DIFFERENT, Verdict.UNSTABLE)
        part = self._unknown_part(identity, responses, judgements, facts) if differs else ""
        diagnosis = None
        if part or (search and differs):
            wrong = {j.where for j in judgements if j.fails}
            within = [r for r in responses if not r.stimulus.is_stress or r.stimulus.name in wrong]
            diagnosis = self._diagnosed(within, identity, facts)
        said, scope = look.text, ""
        if verdict is Verdict.SAME and conventions and look.off:
            said += ", which is the convention's doing"
        if part and not _explains(diagnosis, part):
            scope = scope_text(part, identity.activation)
            said += ", which an epsilon in its log explains" if look.off else ""
            verdict, diagnosis = Verdict.INCONCLUSIVE, None
            judgements = [replace(j, verdict=verdict, detail="") for j in judgements]
        return Report(
            name=candidate.name,
            sizes=candidate.sizes,
            dtype=str(candidate.dtype),
            activation=identity.text,
            inferred=tuple(filter(None, (*self._found(identity), self._init_text(), said))),
            verdict=verdict,
            judgements=(*facts, *judgements),
            conventions=tuple(conventions),
            not_judged=not_judged,
            diagnosis=diagnosis,
            scope=scope,
            normalization=candidate.found.normalization,
            not_exercised=(*self.forms.not_exercised, *candidate.not_exercised),
            is_guess=identity.is_guess,
        )

    def _recognised(
        self, responses: list[Response], identity: Identity, start: Convention
    ) -> tuple[list[Judgement], list[str]]:
        """Judge the responses under the conventions that the network follows, and name these."""
        activation = identity.activation
        slope = identity.convention.negative_slope
        decays = {None, *(r.stimulus.weight_decay for r in responses)}
        references = {decay: self._reference(activation, decay) for decay in decays}

        def judge(convention: Convention, where: str | None) -> list[Judgement]:
            here = [
                (r, references[r.stimulus.weight_decay])
                for r in responses
                if where in (None, r.stimulus.name)
            ]
            followed = replace(convention, negative_slope=slope)
            return [j for of_response in here for j in self._judge(*of_response, followed)]

        def nearer(before: Convention, after: Convention, off: Off) -> bool:
            if self.numerical or any(name == NOTHING for _, _, name in off):
                return True  # what was not judged, or is no value of the reference
            for r in responses:
                names = {n for where, _, n in off if where == r.stimulus.name and n in r.actual}
                if not names:
                    continue
                reference = references[r.stimulus.weight_decay]
                one, other = (
                    self._at(r, reference, replace(c, negative_slope=slope)).named
                    for c in (before, after)
                )
                if any(
                    n in one and distance(r.actual[n], other[n]) < distance(r.actual[n], one[n])
                    for n in names
                ):
                    return True
            return False

        reference = references[None]
        judgements, names, convention = recognise(
            judge,
            nearer,
            self._epsilons(responses, reference),
            self._shares(responses, reference),
            start=replace(start, negative_slope=PYTORCH.negative_slope),
            stress={r.stimulus.name for r in responses if r.stimulus.is_stress},
            batchnorm=reference.extras.batchnorm,
            dropout=reference.extras.dropout is not None,
            layernorm=reference.extras.layernorm,
        )
        self.convention = replace(convention, negative_slope=slope)
        if self.numerical:
            names.append(self.numerical.text)
        if self.weight_decay_lambda and self.is_decay_found:
            names.append(decay_text(self.weight_decay_lambda))
        return judgements, names

    def _see_decay(self, identity: Identity, convention: Convention) -> None:
        """Find weight decay that the network declares nowhere."""
        self.is_decay_found = False
        if self.is_decay_declared:
            return
        self.weight_decay_lambda = 0.0  # whatever it is with another activation
        if identity.is_guess or self.candidate.found.ratio is not None:
            return
        self.calls.show(self.plain)
        x, t = self.plain.x, self.plain.t
        actual = {"loss": self.candidate.loss(x, t), **self.candidate.gradient(x, t)}
        decay = found_decay(
            actual,
            self.plain,
            lambda decay: self._reference(identity.activation, decay),
            convention,
            self.candidate.dtype,
            is_numerical=self.numerical is not None,
        )
        self.weight_decay_lambda, self.is_decay_found = decay, decay > 0

    def _see_numerical(self) -> None:
        """Find whether the gradients are finite differences of the network's own loss."""
        candidate, plain = self.candidate, self.plain
        if candidate.dtype != np.float64 or candidate.found.has_modes:
            return
        grads = candidate.gradient(plain.x, plain.t)
        loss = candidate.loss(plain.x, plain.t)
        if all(grad.shape == plain.params[key].shape for key, grad in grads.items()):
            self.numerical = recognised(candidate, plain, loss, grads)
        candidate.write(plain.params)

    def _by_rows(self) -> list[Judgement]:
        if not (self.numerical and self.numerical.by_rows):
            return []
        detail = "move a whole row of W at once, and not each of its elements"
        return [judge_fact("gradient", DIFFERENCES, "all stimuli", False, detail)]

    def _unknown_part(
        self,
        identity: Identity,
        responses: list[Response],
        judgements: list[Judgement],
        facts: list[Judgement],
    ) -> str:
        """Return which part of the network is another function than any known, and no mistake.

        Only where its gradients are the derivative of its own loss, on every stimulus that training
        could visit, and nothing that was declared says what it should be.
        """
        candidate = self.candidate
        stress = {r.stimulus.name for r in responses if r.stimulus.is_stress}
        part = unknown_part(judgements, stress)
        if not part or (part == "forward" and not identity.is_guess):
            return ""
        if part == "loss" and self.is_decay_declared and candidate.weight_decay_lambda is None:
            return ""
        if any(fact.fails for fact in facts) or any(r.raised for r in responses):
            return ""
        if candidate.found.has_modes and not candidate.found.can_switch:
            return ""
        ordinary = {id(r.stimulus): r.stimulus for r in responses if not r.stimulus.is_stress}
        if self.numerical and not self.numerical.by_rows:
            return part  # its gradients are the derivative of its own loss by construction
        seen = False
        # Of a network of which only the loss is seen, an epsilon in it can be told on no others.
        looked_at = ordinary.values() if self.identification.sees_end else [self.plain]
        for stimulus in looked_at:
            # Without biases a blank row puts units on their kinks, where there is no derivative.
            has_derivative = stimulus.x.any(axis=1).all()
            if has_derivative and not (candidate.found.batchnorm and len(stimulus.x) == 1):
                self.calls.show(stimulus)
                is_own = is_derivative(candidate, stimulus)
                if is_own is False:
                    return ""
                seen |= is_own is True
        return part if seen else ""

    def _found(self, identity: Identity) -> Iterator[str]:
        """Yield what was found about the network, for the report."""
        candidate, decay = self.candidate, self.weight_decay_lambda
        if len(candidate.sizes) > 2 and not identity.is_guess:
            yield f"activation {identity.text}"
        yield self.forms.text
        if candidate.after_loss:
            yield "gradient(x, t) goes back from the loss(x, t) before it"
        if candidate.absent:
            yield f"no {', '.join(candidate.absent)}: taken for 0, and not judged"
        found = candidate.found
        if found.normalization:
            yield {"batch": "BatchNorm", "layer": "LayerNorm"}[found.normalization]
        if found.batchnorm and not found.remembers:
            yield "running statistics are not judged: no layers with running_mean"
        if found.ratio is not None:
            yield f"dropout {found.ratio:g}, judged with the masks that the network draws"
        yield from found.remarks
        if self.calls.untold is not None and found.has_modes:
            yield f"loss and predict {'in' if self.calls.untold else 'after'} training"
        if candidate.output != "logits" or not candidate.not_judged:
            yield f"predict returns {candidate.output}" if self.identification.sees_end else ""
        else:
            yield candidate.not_judged
        if self.calls.other_decay is not None:
            both = f"{decay:g} and, in one stimulus, {self.calls.other_decay:g}"
            yield f"weight_decay_lambda {both}"
        elif decay and not self.is_decay_found:
            yield f"weight_decay_lambda {decay:g}"
        elif candidate.weight_decay_lambda is not None:
            yield "weight_decay_lambda 0: weight decay is not judged"

    def _init_text(self) -> str:
        return name_rule(self.given) if self.init is None else init_text(self.given, self.init)

    def _diagnosed(
        self, responses: list[Response], identity: Identity, facts: list[Judgement]
    ) -> Diagnosis | None:
        """Return why the network differs."""
        best: Diagnosis | None = None
        for activation, convention in self._meant(identity):
            cases = list(self._cases(responses, activation, convention))
            # A mistake with targets in one form alone is in none of the other's values.
            own, beside = [c for c in cases if not c.targets], [c for c in cases if c.targets]
            is_off = any(case.off(()) for case in own if not case.is_stress)
            cases = own if is_off else beside or own
            ordinary = [case for case in cases if not case.is_stress]
            if any(case.off(()) for case in ordinary):
                cases = ordinary
            if not cases:
                continue
            found = Search(cases, facts=facts).run()
            best = min(best or found, found, key=Diagnosis.rank)
            certain = best.is_repaired and all(cause.is_certain for cause in best.causes)
            if certain and not (identity.is_guess and best.doubts_activation):
                break
        return best

    def _meant(self, identity: Identity) -> Iterator[tuple[str, Convention]]:
        """Yield what the network may be meant to be, the likeliest first.

        A mistake in the forward pass may have hidden its activation, and conventions of it.
        """
        conventions = [self.convention]
        if self.candidate.found:
            conventions += [replace(self.convention, **AS_IN_BOOK), replace(PYTORCH, **AS_IN_BOOK)]
        for convention in dict.fromkeys(conventions):
            yield identity.activation, convention
        for activation in (a for a in BOOK if a != identity.activation):
            if identity.is_guess:
                yield activation, self.convention

    def _cases(
        self, responses: list[Response], activation: str, convention: Convention
    ) -> Iterator[Case]:
        """Yield what the network gave on each stimulus beside what it should have given.

        Of numerical gradients nothing: they are off by what differences leave out.
        """
        previous: Mapping[str, Any] = self.previous
        decays = {r.stimulus.weight_decay for r in responses}
        references = {decay: self._reference(activation, decay) for decay in decays}
        there = self.plain.params.keys() - set(self.candidate.absent)
        for r in responses:
            s, reference = r.stimulus, references[r.stimulus.weight_decay]
            e = self._at(r, reference, convention)
            given = Given(
                s.params, s.x, s.t, activation, reference.weight_decay_lambda,
                convention, r.mode, reference.extras.dropout, previous, self.given,
                reference.extras.layernorm,
            )  # fmt: skip  # what, then the circumstances
            grads = {key: r.actual[key] for key in s.params if key in r.actual}
            previous = grads if there <= grads.keys() else previous
            rule = Derived(e, self.candidate.dtype)
            if reference.extras.ties_rows and rule.on_edge.any():
                continue
            actual = r.actual
            if self.numerical:
                actual = {key: value for key, value in actual.items() if key not in grads}
            dtype = self.candidate.dtype
            case = Case(s.name, given, actual, e.values(), rule, dtype, s.is_stress, s.targets)
            if case.names:
                yield case

    def _stimuli(
        self, reference: Reference, batch: Stimulus | None
    ) -> tuple[list[Stimulus], tuple[str, ...]]:
        """Return what the network is shown, and what of the user's batch it cannot be judged on."""
        drawn = self.stimuli.battery(reference)
        stimuli = [s for s in (without_kink_rows(d, reference) for d in drawn) if s]
        if stimuli:  # calls in between must not change what the first stimulus gives
            rows = len(stimuli[0].x)
            stimuli.append(replace(stimuli[0], name=f"{rows} rows, again"))
            other = self.calls.other_decay
            if other is not None:
                name = f"{rows} rows, weight decay {other:g}"
                stimuli.append(replace(stimuli[0], name=name, weight_decay=other))
        if batch is None:
            return stimuli, ()
        kept = without_kink_rows(batch, reference)
        if kept is None:
            return stimuli, (f"{batch.name}: each has a ReLU on the brink of 0",)
        return [*stimuli, kept], ()

    def _reference(self, activation: str, decay: float | None = None) -> Reference:
        found = self.candidate.found
        extras = Extras(found.batchnorm, found.ratio, found.normalization == "layer")
        decay = self.weight_decay_lambda if decay is None else decay
        network = self.candidate.sizes, activation, extras
        if network not in self._references:
            self._references[network] = Reference(
                self.candidate.sizes, activation, extras=extras, kept=KEPT
            )
        return self._references[network].with_decay(decay)

    def _judge(self, r: Response, reference: Reference, c: Convention) -> list[Judgement]:
        """Judge a response; what follows from leaving the range under stress is a limit."""
        where = r.stimulus.name
        s = r.stimulus
        e = self._at(r, reference, c)
        rule = Derived(e, self.candidate.dtype)
        if reference.extras.ties_rows and rule.on_edge.any():
            detail = "a ReLU is on its edge, and no row can be left out"
            return [Judgement("gradient", NOTHING, where, Verdict.INCONCLUSIVE, detail=detail)]
        actual = r.actual
        if self.numerical:
            actual = {key: value for key, value in actual.items() if key not in s.params}
        judgements = judge_values(actual, e, rule, where)
        if self.numerical and not s.is_stress:
            how = s, reference, c, self.candidate.dtype
            judgements += judge_numerical(self.numerical, r.actual, *how)
        if r.raised:
            judgements.insert(0, judge_fact("forward", "call", where, False, r.raised))
        detail = "moves in eval mode"
        judgements += [judge_fact("state", key, where, False, detail) for key in r.moved]
        first = first_failing(judgements)
        leaves_range = first and (first.verdict is Verdict.UNSTABLE or _loses_digits(first, e, r))
        if r.stimulus.is_stress and leaves_range:
            return [replace(j, is_limit=j.fails) for j in judgements]
        return judgements

    def _at(self, r: Response, reference: Reference, c: Convention) -> Evaluation:
        """Return what the reference computes where the network was asked."""
        s = r.stimulus
        return reference.evaluate(s.params, s.x, s.t, c, r.mode, gradients=r.mode.training)

    def _epsilons(self, responses: list[Response], reference: Reference) -> list[float]:
        """Return the epsilons that the loss is capped by under stress, if it is."""
        return [
            epsilon
            for r in responses
            if r.stimulus.is_stress and "loss" in r.actual
            for epsilon in capped(
                r.actual["loss"],
                self._at(r, reference, PYTORCH),
            )
        ]

    def _shares(self, responses: list[Response], reference: Reference) -> list[float]:
        """Return what running means seem to take of a batch."""
        moves = []
        for r in responses:
            s = r.stimulus
            if r.mode.training and not s.is_stress and "running_mean1" in r.actual:
                new = np.asarray(self._at(r, reference, PYTORCH).named["z1"]).mean(axis=0)
                moves.append((r.actual["running_mean1"], s.running["running_mean1"], new))
        return shares_taken(moves)

    def _purity(self) -> Judgement:
        spoiled = sorted(set(self.candidate.spoiled))
        return judge_fact("purity", "arrays", "all stimuli", not spoiled, ", ".join(spoiled))


def _explains(diagnosis: Diagnosis | None, part: str) -> bool:
    """Whether known mistakes explain that a part of the network is another function.

    A wrong loss and a wrong gradient that is the derivative of it are no two mistakes.
    """
    if diagnosis is None or not diagnosis.is_repaired:
        return False
    return part == "forward" or len(diagnosis.causes) == 1


def _loses_digits(first: Judgement, e: Evaluation, r: Response) -> bool:
    """Whether what is off is the loss, by no more than log(softmax) loses before it is infinite."""
    lost = subnormal_allowed(e, r.stimulus.x.dtype)
    return first.name == "loss" and lost > 0 and first.error <= first.allowed + lost
