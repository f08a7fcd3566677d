"""What a network is, found out by its forward pass alone: activation, mode, epsilons, decay."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple, Protocol

import numpy as np

from compare.activations import BOOK, KNOWN
from compare.calls import Calls
from compare.conventions import EPSILONS, VARIANCE_EPSILONS
from compare.decay import multiple_of
from compare.evaluation import PYTORCH, Convention, Evaluation, Mode
from compare.judge import judge_values
from compare.judgement import norm
from compare.rounding import keeps_half
from compare.rules import Derived
from compare.stimuli import Stimulus
from compare.torch_network import Reference

SLOPES = (0.01, 0.2, 0.05, 0.1, 0.3, 0.5)
"""From where the slope of a leaky ReLU is searched: PyTorch's, that of many GANs, and between: in a
deep network it is found from nearby alone."""

FITS = 20
"""Steps of the search, which takes a few."""


class ReferenceOf(Protocol):
    """Makes the reference of an activation, with a lambda or the declared one."""

    def __call__(self, activation: str, decay: float | None = None) -> Reference:
        """Return it."""


class Trial(NamedTuple):
    """One activation in one mode under one convention, and how near it comes.

    What is right inside tells more than how near the end is, where that is wrong.
    """

    wrong: float
    layers_wrong: int
    score: float
    activation: str
    form: str
    training: bool
    negative_slope: float

    @property
    def agrees(self) -> bool:
        """Whether the forward pass is this one, to rounding."""
        return self.score <= 1


class Setting(NamedTuple):
    """What a network may be, what was seen of it in a mode, and how far off it is then."""

    off: float
    activation: str
    convention: Convention
    mode: Mode
    actual: dict[str, Any]
    inner: dict[str, Any]


@dataclass(frozen=True)
class Identity:
    """What a network is taken for.

    Attributes
    ----------
    activation : str
        Of `compare.activations.KNOWN`.
    convention : Convention
        PyTorch's, with the slope of a leaky ReLU.
    is_guess : bool
        Whether the forward pass is none that is known: the activation is supposed, no more.
    """

    activation: str
    convention: Convention = PYTORCH
    is_guess: bool = False

    @property
    def text(self) -> str:
        """As the report names it."""
        slope = f", slope {self.convention.negative_slope:g}"
        return f"{self.activation}{slope if self.activation == 'leaky_relu' else ''}"


class Identification:
    """The search for what a network is, on the plain stimulus.

    Parameters
    ----------
    calls : Calls
        Of the network.
    reference_of : callable
        Makes the reference of an activation.
    plain : Stimulus
        At which the network is.
    """

    def __init__(self, calls: Calls, reference_of: ReferenceOf, plain: Stimulus) -> None:
        self.calls, self.candidate = calls, calls.candidate
        self.reference_of, self.plain = reference_of, plain
        self.last = f"W{len(self.candidate.sizes) - 1}"
        self.sees_end = bool(self.candidate.outputs(plain.x))
        self.epsilons: tuple[float, ...] = ()

    def identities(self, declared: str | None) -> list[Identity]:
        """Return what the network may be, the likeliest first; set what loss and predict are.

        One whose forward pass agrees with an activation that is not of the book may all the same be
        meant to be one of the book's, with a mistake in it: that is the second.
        """
        found = self._agreeing(declared)
        if not (found[0].agrees or self.sees_end):
            self.epsilons = EPSILONS  # which a loss may have that is all that is seen
            found = self._agreeing(declared)
            self.epsilons = ()
        first = found[0]
        if first.form != "loss":
            self.candidate.output = first.form
        if self.candidate.found.has_modes and not self.candidate.found.can_switch:
            self.calls.untold = first.training
        hidden = len(self.candidate.sizes) > 2
        return [
            Identity(
                t.activation,
                replace(PYTORCH, negative_slope=t.negative_slope),
                is_guess=not t.agrees and not declared and hidden,
            )
            for t in found
        ]

    def as_near(self, identity: Identity) -> Iterator[Identity]:
        """Yield what the forward pass agrees with as well: in a small network the plain stimulus
        may reach no difference between two activations.
        """
        if identity.is_guess or len(self.candidate.sizes) == 2:
            return
        self.calls.show(self.plain)
        self.epsilons = () if self.sees_end else EPSILONS
        others = (name for name in KNOWN if name != identity.activation)
        agreeing = sorted(t for t in self._trials(others, only_near=True) if t.agrees)
        self.epsilons = ()
        yield from map(Identity, dict.fromkeys(trial.activation for trial in agreeing))

    def _agreeing(self, declared: str | None) -> list[Trial]:
        """Return the nearest trial, with one before it that agrees where that does not."""
        nearest = self._nearest((declared,) if declared else BOOK)
        if nearest.agrees or len(self.candidate.sizes) == 2:
            return [nearest]
        if declared:
            return [*(self._leaky() if declared == "leaky_relu" else []), nearest][:1]
        other = self._nearest(k for k in KNOWN if k not in BOOK)
        agreeing = [trial for trial in (other, *self._leaky()) if trial.agrees]
        return [*agreeing[:1], nearest]

    def _trials(
        self,
        activations: Iterable[str],
        slope: float = PYTORCH.negative_slope,
        *,
        only_near: bool = False,
    ) -> Iterator[Trial]:
        """Yield a trial of each activation where it comes nearest, the nearest first, or of those
        that may agree.
        """
        seen = set[str]()
        for setting in sorted(self._settings(activations, slope), key=lambda s: s.off):
            is_near = not only_near or keeps_half(setting.off, 1.0, self.candidate.dtype)
            if setting.activation not in seen and is_near:
                seen.add(setting.activation)
                yield min(self._tried(setting))

    def _nearest(self, activations: Iterable[str]) -> Trial:
        """Return the first trial that agrees, or the best of all."""
        tried = []
        for trial in self._trials(activations):
            if trial.agrees:
                return trial
            tried.append(trial)
        return min(tried)

    def _settings(self, activations: Iterable[str], slope: float) -> Iterator[Setting]:
        """Yield all that the network may be, with how far off the end of it is then."""
        candidate, found, either = self.candidate, self.candidate.found, (False, True)
        named = list(activations)
        told = (True,) if not found.has_modes else either if found.can_switch else (False,)
        for training in told:
            actual = self._seen(training=training)
            inner = candidate.outputs(self.plain.x, training=training)
            inner = {name: value for name, value in inner.items() if name[0] in "znad"}
            # In which mode one is that cannot be told is found here, too.
            modes = (training,) if found.can_switch or not found.has_modes else either
            for name, is_training, convention in product(named, modes, self.conventions()):
                mode = self.calls.mode(self.plain, training=is_training)
                leaky = replace(convention, negative_slope=slope)
                setting = Setting(0.0, name, leaky, mode, actual, inner)
                yield setting._replace(off=self._off(setting))

    def _evaluated(self, setting: Setting, decay: float | None = None) -> Evaluation:
        given = self.plain.params, self.plain.x, self.plain.t
        reference = self.reference_of(setting.activation, decay)
        return reference.evaluate(*given, setting.convention, setting.mode)

    def _off(self, setting: Setting) -> float:
        """Return the relative error of what is seen, as whatever it is nearest to."""
        named, shares = self._evaluated(setting).named, []
        for name, value in setting.actual.items():
            off = np.asarray(value) - named[name]
            if name == self.last:
                off = off - multiple_of(self.plain.params[name], off) * self.plain.params[name]
            with np.errstate(all="ignore"):
                shares.append(float(norm(off) / norm(np.asarray(named[name]))))
        return min((share for share in shares if math.isfinite(share)), default=math.inf)

    def _tried(self, setting: Setting) -> Iterator[Trial]:
        """Yield how near one comes, as each that its end may be."""
        dtype, where, e = self.candidate.dtype, self.plain.name, self._evaluated(setting)
        inside = judge_values(setting.inner, e, Derived(e, dtype), where)
        right = next((i for i, j in enumerate(inside) if j.fails), len(inside))
        judged = judge_values(setting.actual, e, Derived(e, dtype), where)
        if self.last in setting.actual:  # the last weights' gradient may have weight decay in it
            added = setting.actual[self.last] - e.grads[self.last]
            decay = max(0.0, multiple_of(self.plain.params[self.last], added))
            e = self._evaluated(setting, decay)
            judged += judge_values(setting.actual, e, Derived(e, dtype), where)
        for judgement in judged:
            wrong = judgement.score if judgement.score <= 1 else math.inf
            form = "loss" if judgement.probe == "gradient" else judgement.name
            how_near = min(wrong, 1), -right, judgement.score
            kind = setting.activation, form, setting.mode.training
            yield Trial(*how_near, *kind, setting.convention.negative_slope)

    def _leaky(self) -> list[Trial]:
        """Return the trials of leaky ReLUs of the slope that fits best."""
        means = (True,) if self.sees_end else (True, False)
        for start, mean in product(SLOPES, means):
            slope = self._fitted(start, mean=mean)
            trials = sorted(self._trials(["leaky_relu"], slope))
            if trials and trials[0].agrees:
                return trials
        return []

    def _fitted(self, slope: float, *, mean: bool) -> float:
        """Return the slope at which the logits, or the loss, are nearest: by secants (Gauss-Newton
        with a difference for the derivative), rounded to the decimal that is meant.
        """
        seen = self._seen(training=False)
        reference = self.reference_of("leaky_relu")
        mode = self.calls.mode(self.plain, training=not self.sees_end)
        form = self.last if self.last in seen else list(seen)[-1]
        given = self.plain.params, self.plain.x, self.plain.t

        def residual(at: float) -> Any:
            convention = replace(PYTORCH, negative_slope=at, mean=mean)
            e = reference.evaluate(*given, convention, mode, gradients=form == self.last)
            off = np.asarray(e.values()[form] - np.asarray(seen[form]))
            if form == self.last:  # but for weight decay
                W = self.plain.params[form]
                off = off - multiple_of(W, off) * W
            return np.ravel(off)

        h = math.sqrt(np.finfo(float).eps)
        with np.errstate(all="ignore"):
            for _ in range(FITS):
                off = residual(slope)
                along = (residual(slope + h) - off) / h
                moved = float(off @ along / (along @ along))
                if not math.isfinite(moved):
                    break
                slope -= moved
        return float(f"{slope:.3g}")

    def _seen(self, *, training: bool) -> dict[str, Any]:
        """Return what predict gives, under all that it may be; where there is none, the loss, and
        the gradient of the last weights, which tells the logits from loss and decay.
        """
        candidate, plain = self.candidate, self.plain
        predicted = candidate.outputs(plain.x, training=training).get("logits")
        if predicted is None:
            seen = {"loss": candidate.loss(plain.x, plain.t, training=training)}
            grads = {} if candidate.found.has_modes else candidate.gradient(plain.x, plain.t)
            is_there = (
                self.last in grads and grads[self.last].shape == plain.params[self.last].shape
            )
            return seen | ({self.last: grads[self.last]} if is_there else {})
        actual: dict[str, Any] = {"logits": predicted}
        if ((predicted >= 0) & (predicted <= 1)).all():
            actual["probabilities"] = predicted
        if (predicted <= 0).all():
            actual["log-probabilities"] = predicted
        return actual

    def conventions(self) -> list[Convention]:
        """Return those under which the forward pass of the network may be another one."""
        found = self.candidate.found
        others = VARIANCE_EPSILONS if found.normalization else ()
        epsilons = (PYTORCH.variance_epsilon, *others)
        scalings = (True, False) if found.ratio is not None else (True,)
        means = (True,) if self.sees_end else (True, False)
        kept = (0.0, *self.epsilons)
        return [
            replace(PYTORCH, variance_epsilon=v, inverted=inverted, mean=mean, epsilon=epsilon)
            for epsilon, v, inverted, mean in product(kept, epsilons, scalings, means)
        ]

    def convention_of(self, identity: Identity, drawn: Callable[[], Stimulus]) -> Convention:
        """Return under which the forward pass is right where an epsilon shows; or its own."""
        candidate, found, own = self.candidate, self.candidate.found, identity.convention
        if not found:
            return own
        reference, small = self.reference_of(identity.activation), drawn()
        training = self.calls.told(training=found.batchnorm and not found.remembers)
        try:
            self.calls.show(small)
            actual: dict[str, Any] = candidate.outputs(small.x, training=training)
            actual = actual or {"loss": candidate.loss(small.x, small.t, training=training)}
            mode: Mode = self.calls.mode(small, training=training)
        except (Exception, SystemExit):  # on a stimulus, it will be a finding
            return own
        for other in self.conventions():  # PyTorch's is the first
            convention = replace(other, negative_slope=own.negative_slope)
            given = small.params, small.x, small.t
            e = reference.evaluate(*given, convention, mode, gradients=False)
            judged = judge_values(actual, e, Derived(e, candidate.dtype), small.name)
            if all(judgement.score <= 1 for judgement in judged):
                return convention
        return own
