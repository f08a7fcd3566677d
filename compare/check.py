"""One call that judges a network in the book's style."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compare.candidate import LABELS, ONE_HOT, Candidate, Network
from compare.conventions import recognise
from compare.judge import judge_values
from compare.judgement import Judgement, Verdict, judge_fact, overall
from compare.reference import Convention, Evaluation, Reference
from compare.report import Report
from compare.rounding import Rounding, expected_rounding
from compare.stimuli import Stimuli, Stimulus, without_kink_rows
from compare.threads import one_thread_each
from compare.wording import limit_text

Array = NDArray[np.floating[Any]]
ACTIVATIONS = ("relu", "sigmoid", "tanh")


def check_network(
    net: Network,
    x: ArrayLike | None = None,
    t: ArrayLike | None = None,
    *,
    activation: str | None = None,
    weight_decay_lambda: float | None = None,
    targets: str | None = None,
    seed: int = 0,
) -> Report:
    """Judge whether `net` computes what PyTorch computes.

    The network is run at parameters and on batches of our own, chosen so that mistakes show, and
    is left with the parameters that it came with. Nothing has to be passed but the network.

    Parameters
    ----------
    net
        An instance with `params` (W1 (fan_in, fan_out), b1 (fan_out,), W2, ... as float64 or
        float32 arrays), `gradient(x, t)`, which returns a dict of the same names, and
        `loss(x, t)`: affine layers, one activation in all hidden layers, softmax and mean
        cross-entropy. `predict(x)`, logits or probabilities, is judged where there is one.
    x, t : array_like (B, features), (B,) or (B, classes), optional
        A batch of your own, judged as well, at the parameters that the network has.
    activation : {'relu', 'sigmoid', 'tanh'}, optional
        Found by the forward pass alone if not given.
    weight_decay_lambda : float, optional
        lambda of lambda / 2 * sum(W^2) in the loss; taken from the attribute of `net` with this
        name if not given, else 0.
    targets : {'labels', 'one-hot'}, optional
        What `net` takes as `t`; found by trying if not given.
    seed : int
        Of the generator behind all stimuli.

    Returns
    -------
    Report
        The verdict, every judged quantity with its error and what is allowed, the first
        divergence. Print it.

    Raises
    ------
    TypeError, ValueError
        `net` is no such network, an argument is not one of the above, or the network's first plain
        call fails.
    """
    candidate = Candidate(net)
    if activation not in (None, *ACTIVATIONS):
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}")
    if targets not in (None, LABELS, ONE_HOT):
        raise ValueError(f"targets must be {LABELS!r} or {ONE_HOT!r}, not {targets!r}")
    if weight_decay_lambda is None:
        weight_decay_lambda = float(getattr(net, "weight_decay_lambda", 0.0))
    own = candidate.read()
    batch = None if x is None and t is None else _own_batch(candidate, own, x, t)
    try:
        with one_thread_each():
            check = _Check(candidate, weight_decay_lambda, np.random.default_rng(seed), own)
            return replace(check.run(activation, targets, batch), seed=seed)
    finally:
        candidate.write(own)


def assert_parity(
    net: Network,
    x: ArrayLike | None = None,
    t: ArrayLike | None = None,
    *,
    strict: bool = False,
    **options: Any,
) -> None:
    """Raise AssertionError, with the report as its text, unless check_network says SAME.

    Parameters
    ----------
    net, x, t, options
        As for `check_network`.
    strict : bool
        Raise also where a convention other than PyTorch's, or a limit of range, was met.

    Raises
    ------
    AssertionError
        The verdict is not SAME.
    TypeError, ValueError
        As `check_network` does.
    """
    __tracebackhide__ = True
    report = check_network(net, x, t, **options)
    if report.exit_code(strict=strict):
        raise AssertionError(report.text(strict=strict))


@dataclass(frozen=True)
class _Response:
    stimulus: Stimulus
    actual: dict[str, Any]
    raised: str = ""


class _Check:
    """The steps of check_network; each can be read by itself."""

    def __init__(
        self,
        candidate: Candidate,
        weight_decay_lambda: float,
        rng: np.random.Generator,
        own: dict[str, Array],
    ) -> None:
        self.candidate = candidate
        self.weight_decay_lambda = weight_decay_lambda
        self.own = own
        self.stimuli = Stimuli(candidate.sizes, candidate.dtype, rng)
        self.output = "logits"

    def run(self, activation: str | None, targets: str | None, batch: Stimulus | None) -> Report:
        plain = self.stimuli.plain()
        self._first_call(plain, targets)
        self.candidate.write(plain.params)
        found = self._identify(plain, activation)
        reference = self._reference(found[0])
        facts = [*self._aliasing(), self._follows_params(plain, reference)]
        drawn = self.stimuli.battery(reference)
        if batch is not None:
            drawn.append(batch)
        judged = [without_kink_rows(stimulus, reference) for stimulus in drawn]
        stimuli = [stimulus for stimulus in judged if stimulus is not None]
        if stimuli:  # calls in between must not change what the first stimulus gives
            stimuli.append(replace(stimuli[0], name=f"{len(stimuli[0].x)} rows, again"))
        responses = [self._respond(stimulus) for stimulus in stimuli]

        def judge(convention: Convention, where: str | None) -> list[Judgement]:
            here = [r for r in responses if where in (None, r.stimulus.name)]
            return [j for r in here for j in self._judge(r, reference, convention)]

        judgements, conventions = recognise(judge)
        facts.append(self._purity())
        stress = {stimulus.name for stimulus in stimuli if stimulus.is_stress}
        beyond = [j for j in judgements if j.verdict is Verdict.UNSTABLE and j.where in stress]
        counted = [j for j in judgements if j not in beyond]
        return Report(
            name=self.candidate.name,
            sizes=self.candidate.sizes,
            dtype=str(self.candidate.dtype),
            activation=found[0],
            inferred=found[1],
            verdict=overall([*facts, *counted]),
            judgements=(*facts, *judgements),
            conventions=tuple(conventions),
            limits=tuple(limit_text(j) for j in beyond),
        )

    def _aliasing(self) -> Iterator[Judgement]:
        for (a, first), (b, second) in combinations(self.candidate.params.items(), 2):
            if np.shares_memory(first, second):
                detail = f"{a} and {b} are one array: training one changes the other"
                yield judge_fact("aliasing", b, "the network as given", False, detail)

    def _first_call(self, plain: Stimulus, targets: str | None) -> None:
        """See that the network can be called at all, and find how it takes its targets."""
        failures = []
        for kind in (targets,) if targets else (LABELS, ONE_HOT):
            self.candidate.targets = kind
            try:
                self.candidate.gradient(plain.x, plain.t)
                self.candidate.loss(plain.x, plain.t)
                return
            except Exception as error:
                failures.append(error)
        text = f"{type(failures[0]).__name__}: {failures[0]}"
        shapes = f"x {plain.x.shape} and t {plain.t.shape}"
        raise ValueError(f"{self.candidate.name} fails on {shapes}: {text}") from failures[0]

    def _follows_params(self, plain: Stimulus, reference: Reference) -> Judgement:
        """See that each weight is read: a change of it changes the loss where it should.

        A bias that is ignored may also be one that was forgotten, or that a wrong softmax cancels:
        that is for the forward pass to show.
        """

        def losses(params: Mapping[str, Array]) -> tuple[float, float]:
            self.candidate.write(params)
            e = reference.evaluate(params, plain.x, plain.t, gradients=False)
            return self.candidate.loss(plain.x, plain.t), e.loss

        ours, theirs = losses(plain.params)
        ignored = []
        for key, value in plain.params.items():
            if key.startswith("b"):
                continue
            changed, should_change = losses({**plain.params, key: value / 2})
            if changed == ours and should_change != theirs:
                ignored.append(key)
        detail = f"a change of {', '.join(ignored)} does not reach the loss: the layers hold copies"
        return judge_fact("aliasing", "params", "the network as given", not ignored, detail)

    def _identify(self, plain: Stimulus, activation: str | None) -> tuple[str, tuple[str, ...]]:
        """Return the activation, and what was found about the network, by its forward alone."""
        candidate = self.candidate
        outputs = candidate.outputs(plain.x)
        predicted = outputs.get("logits")
        actual: dict[str, Any] = {"loss": candidate.loss(plain.x, plain.t)}
        if predicted is not None:
            actual = {"logits": predicted}
            if ((predicted >= 0) & (predicted <= 1)).all():
                actual["probabilities"] = predicted
        trials = []
        for trial in (activation,) if activation else ACTIVATIONS:
            e = self._reference(trial).evaluate(plain.params, plain.x, plain.t)
            for judgement in judge_values(actual, e, self._rounding(e), plain.name):
                trials.append((judgement.score, trial, judgement.name))
        score, name, form = min(trials)
        found = [f"targets as {candidate.targets}"]
        if len(candidate.sizes) > 2 and not activation:
            nearest = "" if score <= 1 else " (the nearest of relu, sigmoid, tanh)"
            found.insert(0, f"activation {name}{nearest}")
        if predicted is not None:
            self.output = form
            found.append(f"predict returns {form}")
        if self.weight_decay_lambda:
            found.append(f"weight_decay_lambda {self.weight_decay_lambda:g}")
        return name, tuple(found)

    def _reference(self, activation: str) -> Reference:
        return Reference(self.candidate.sizes, activation, self.weight_decay_lambda)

    def _rounding(self, e: Evaluation) -> Rounding:
        return expected_rounding(e, self.candidate.dtype)

    def _respond(self, stimulus: Stimulus) -> _Response:
        """Run the network on a stimulus; what it raises, now that a plain call worked, counts."""
        candidate = self.candidate
        candidate.write(stimulus.params)
        actual: dict[str, Any] = {}
        try:
            outputs = candidate.outputs(stimulus.x)
            actual |= {self.output if k == "logits" else k: v for k, v in outputs.items()}
            actual["loss"] = candidate.loss(stimulus.x, stimulus.t)
            actual |= candidate.gradient(stimulus.x, stimulus.t)
        except (Exception, SystemExit) as error:
            return _Response(stimulus, actual, f"raised {type(error).__name__}: {error}")
        for key, value in candidate.params.items():
            if not np.array_equal(value, stimulus.params[key]):
                candidate.spoiled.append(f"a call changed {key}")
        return _Response(stimulus, actual)

    def _judge(self, r: _Response, reference: Reference, c: Convention) -> list[Judgement]:
        where = r.stimulus.name
        e = reference.evaluate(r.stimulus.params, r.stimulus.x, r.stimulus.t, c)
        judgements = judge_values(r.actual, e, self._rounding(e), where)
        if r.raised:
            judgements.insert(0, judge_fact("forward", "call", where, False, r.raised))
        return judgements

    def _purity(self) -> Judgement:
        spoiled = sorted(set(self.candidate.spoiled))
        return judge_fact("purity", "arrays", "all stimuli", not spoiled, ", ".join(spoiled))


def _own_batch(
    candidate: Candidate, own: dict[str, Array], x: ArrayLike | None, t: ArrayLike | None
) -> Stimulus:
    if x is None or t is None:
        raise ValueError("x and t come together: pass both or neither")
    features, classes = candidate.sizes[0], candidate.sizes[-1]
    data, target = np.array(x, dtype=candidate.dtype), np.array(t)
    if data.ndim != 2 or data.shape[1] != features or not len(data):
        raise ValueError(f"x has shape {data.shape}; expected (B, {features}), B at least 1")
    if not np.isfinite(data).all():
        raise ValueError("x has values that are not finite")
    if target.shape == (len(data), classes):
        target = target.argmax(axis=1)
    if target.shape != (len(data),) or not np.issubdtype(target.dtype, np.integer):
        raise ValueError(
            f"t is {target.dtype} of shape {target.shape}; expected integers ({len(data)},) "
            f"or one-hot ({len(data)}, {classes})"
        )
    if target.min() < 0 or target.max() >= classes:
        raise ValueError(f"t has targets outside 0 to {classes - 1}")
    return Stimulus(f"your batch of {len(data)} rows", own, data, target.astype(np.int64))
