"""One state in which the candidate was asked, and how a replay fits what it gave there."""

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from compare.causes.budget import Budget
from compare.causes.replay import Given, Planted, Replay
from compare.evaluation import Convention, probe_of
from compare.judgement import Judgement, Verdict, judge_tensor, norm
from compare.rounding import REPLAYS, keeps_half, replay_allowed, unit_roundoff
from compare.rules import Derived

Values = Mapping[str, Any]
Mistakes = tuple[Planted, ...]


def distance(one: Any, other: Any) -> float:
    """Return the norm of the difference of what is finite in both; infinite where only one has
    elements that are not, or another shape.

    Which elements are lost depends on how 0 times inf is avoided, and does not count.
    """
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape:
        return math.inf
    finite = np.isfinite(a) & np.isfinite(b)
    if finite.all():
        return float(norm(a - b))
    if np.isfinite(a).all() or np.isfinite(b).all():
        return math.inf
    return float(norm(np.where(finite, a, 0) - np.where(finite, b, 0)))


@dataclass(frozen=True)
class Case:
    """What the candidate gave on one stimulus, and what it should have given.

    Attributes
    ----------
    where : str
        The stimulus.
    given : Given
        What the network is run on.
    actual, expected : mapping
        Values of the candidate, and of the reference, by name.
    rule : Derived
        What is allowed to each.
    dtype : dtype
        Of the candidate.
    is_stress : bool
        Whether training never visits such a state.
    targets : str
        The form of its targets, where it is another than the network is judged with first.
    budget : Budget
        What counts the replays.
    """

    where: str
    given: Given
    actual: Values
    expected: Values
    rule: Derived
    dtype: DTypeLike
    is_stress: bool = False
    targets: str = ""
    budget: Budget = field(default_factory=Budget, compare=False)
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def names(self) -> list[str]:
        """What was seen of the candidate and can be judged, in causal order."""
        return [
            name
            for name, value in self.expected.items()
            if name in self.actual and np.isfinite(value).all() and math.isfinite(self._limit(name))
        ]

    @property
    def sees_inside(self) -> bool:
        """Whether there is more of the forward pass than what comes out of it."""
        return any(name[0] in "znad" for name in self.actual if probe_of(name) == "forward")

    def replayed(self, mistakes: Mistakes, *, gradients: bool = True) -> Values:
        """Return what a network with these mistakes gives; LookupError if they cannot be made."""
        key = mistakes, gradients
        if key not in self._kept:
            self._kept[key] = self.network(mistakes, gradients=gradients).values()
        values: Values = self._kept[key]
        return values

    def network(self, mistakes: Mistakes = (), *, gradients: bool = True) -> Replay:
        """Return a network with these mistakes that has run here, which counts."""
        self.budget.spend()
        ahead = tuple(mistake for mistake in mistakes if mistake.is_ahead)
        if self._kept.get("ahead") != ahead:
            self._kept["run"], self._kept["ahead"] = Replay(self.given, ahead), ahead
        run: Replay = self._kept["run"]
        return run.with_gradients(mistakes) if gradients else copy.copy(run)

    def under(self, convention: Convention) -> "Case":
        """Return the same where the network is meant to follow another convention."""
        case = replace(self, given=replace(self.given, convention=convention), _kept={})
        return replace(case, expected=case.replayed(()))

    def off(self, mistakes: Mistakes) -> list[str]:
        """Return all that differs from the replay, in causal order."""
        key = "off", mistakes
        if key not in self._kept:
            try:
                values = self.replayed(mistakes)
            except LookupError:
                return []
            self._kept[key] = [n for n in self.names if not self.fits(n, values, mistakes)]
        found: list[str] = self._kept[key]
        return found

    def fits(self, name: str, values: Values, mistakes: Mistakes) -> bool:
        """Whether the candidate's `name` is that of the replay, to rounding."""
        off = distance(self.actual[name], values.get(name, math.nan))
        return off <= self._allowed(name, values, mistakes, off)

    def is_changed(self, name: str, before: Mistakes, after: Mistakes) -> bool:
        """Whether `name` with mistakes differs from that with others by more than rounding can.

        Both err by what is allowed: what is no more than twice that apart may be one value.
        """
        values = self.replayed(after)
        off = distance(self.replayed(before)[name], values.get(name, math.nan))
        return off > 2 * self._allowed(name, values, after, off)

    def _allowed(self, name: str, values: Values, mistakes: Mistakes, off: float) -> float:
        """Return how far `name` may be from `values`, which a replay with the mistakes gave; less
        where it is so far off that it is too far by either rule.
        """
        limit = self._limit(name)
        if not mistakes or off <= limit:
            return limit
        value = np.asarray(values.get(name, math.nan))
        size = float(norm(np.where(np.isfinite(value), value, 0)))
        if not keeps_half(off, size, self.dtype):
            return limit
        noise = replay_allowed(self._noise(mistakes)[name], self.rule.e.longest_sum)
        return max(limit, noise)

    def blurred(self, mistakes: Mistakes) -> int:
        """Return in how many values other elements are lost to inf and NaN than in the replay."""
        values = self.replayed(mistakes)
        pairs = ((np.isfinite(self.actual[n]), np.isfinite(values[n])) for n in self.names)
        return sum(not np.array_equal(a, b) for a, b in pairs)

    def repaired(self, mistakes: Mistakes) -> list[Judgement]:
        """Judge the candidate's values with the mistakes taken out of them.

        That is expected + (actual - replayed), by the rule that judges the candidate.
        """
        try:
            values = self.replayed(mistakes)
        except LookupError:
            return []
        judgements = []
        for name in self.names:
            actual, value = np.asarray(self.actual[name]), np.asarray(values[name])
            expected = self.expected[name]
            if actual.shape != value.shape:
                left: Any = np.asarray(self.actual[name])
            else:
                same = ~np.isfinite(value) | ~np.isfinite(actual)
                same &= np.isfinite(value).all() == np.isfinite(actual).all()
                left = np.where(same, expected, expected + (actual - value))
            probe = probe_of(name)
            judged = judge_tensor(probe, name, self.where, left, expected, self.rule)
            if judged.fails and self.fits(name, values, mistakes):
                judged = replace(judged, verdict=Verdict.SAME)
            judgements.append(judged)
        return judgements

    def sized(self, mistakes: Mistakes) -> Iterator[tuple[Judgement, float]]:
        """Yield what is repaired and can be judged, with its size: of the right or wrong value."""
        values = self.replayed(mistakes)
        for j in self.repaired(mistakes):
            size = max(j.norm, float(norm(np.nan_to_num(values[j.name]))))
            if j.has_power and math.isfinite(j.error) and size:
                yield j, size

    def _limit(self, name: str) -> float:
        if name not in self._kept:
            self._kept[name] = self.rule.allowed(name)
        return float(self._kept[name])

    def _noise(self, mistakes: Mistakes) -> dict[str, float]:
        """Return how far values scatter where everything that is given scatters by u."""
        key = "noise", mistakes
        if key not in self._kept:
            right = self.replayed(mistakes)
            rng = np.random.default_rng(0)
            runs = [self._moved(rng).replayed(mistakes) for _ in range(REPLAYS)]
            self._kept[key] = {
                name: max(float(norm(np.nan_to_num(run[name] - right[name]))) for run in runs)
                for name in self.names
                if name in right
            }
        found: dict[str, float] = self._kept[key]
        return found

    def _moved(self, rng: np.random.Generator) -> "Case":
        """Return the same with parameters and data moved by u."""
        u = unit_roundoff(self.dtype)

        def move(values: Any) -> Any:
            return np.asarray(values, float) * (1 + u * rng.uniform(-1, 1, np.shape(values)))

        params = {key: move(value) for key, value in self.given.params.items()}
        return replace(
            self, given=replace(self.given, params=params, x=move(self.given.x)), _kept={}
        )
