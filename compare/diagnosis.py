"""Why a network differs: mistakes of the catalogue are replayed until one fits to rounding.

A mistake is taken for a cause where the replay with it in agrees with the candidate in what was off
first, on every stimulus on which that was off, and makes nothing off that was not. What is off then
is explained in the same way: so a second mistake is found behind the first.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from compare.cause import Cause, Diagnosis
from compare.causes.beside import (
    NO_BIASES,
    NO_BIASES_SAYS,
    follow,
    may_lack_biases,
    usual,
)
from compare.causes.budget import Budget
from compare.causes.case import Case, Mistakes
from compare.causes.facts import seen_causes
from compare.causes.finding import finding_of, where_text
from compare.causes.mistake import Mistake, Texts
from compare.causes.network import NETWORK
from compare.causes.number import Layers, numbers, planted_with, variants
from compare.causes.replay import Planted
from compare.causes.scopes import scopes
from compare.causes.shape import next_step, shape_of
from compare.evaluation import probe_of
from compare.judgement import Judgement, Verdict

MOST = 4
"""Mistakes that are looked for behind each other."""

BLUR = 1e-3
"""What counts a value in which other elements are lost to inf and NaN than in the replay, in values
that are off: it only tells apart what explains the rest as well."""

REPLAYS = 10_000
"""Replays that a search may make: two mistakes of tests/planted_bugs took up to 3248, three up to
2844, and what nothing explains up to 2691."""

TARGETS = 3
"""How many of the values that are off are tried to be explained, the first first."""

NO_MISTAKE: Texts = (": a convention, and no mistake", ": 流儀の違いで、間違いではありません")

Off = dict[str, list[str]]
"""By stimulus, what is off."""


class Suspect(NamedTuple):
    """A mistake that explains what was off first."""

    mistake: Mistake
    planted: Planted
    number: str
    layers: Layers
    certain: bool
    left: float  # how much is off still

    @property
    def rank(self) -> tuple[float, bool, bool, bool]:
        """The best first: what explains most; what explains rather than describes; the simplest."""
        return self.left, self.mistake.is_general, self.is_special, self.layers is not None

    @property
    def is_special(self) -> bool:
        """Whether it fits by a number of no meaning: with it, many a family is another's case."""
        return bool(self.number) and self.number not in self.mistake.means


@dataclass
class Search:
    """The search for causes in the values of one candidate.

    Attributes
    ----------
    cases : sequence of Case
        What it gave, on each stimulus.
    rows : sequence of Mistake
        The catalogue.
    facts : sequence of Judgement
        What was seen beside values: shared arrays, calls that leave something behind.
    most : float
        Replays that may be made.
    """

    cases: Sequence[Case]
    rows: Sequence[Mistake] = NETWORK
    facts: Sequence[Judgement] = ()
    most: float = REPLAYS

    def run(self) -> Diagnosis:
        """Return what explains the candidate."""
        self.budget = Budget(self.most)
        given = [replace(case, budget=self.budget) for case in self.cases]
        found = list[Diagnosis]()
        with np.errstate(all="ignore"):  # a wrong function may overflow
            for cases, start, conventions in self._meant(given):
                self.cases, self.conventions, self.tried = cases, conventions, (0, 0)
                found.append(self._of(start))
                best = min(found, key=Diagnosis.rank)
                settled = best.is_simple or (not start and not best.doubts_loss)
                if settled or self.budget.is_spent:
                    break
        return best

    def _meant(self, cases: list[Case]) -> Iterator[tuple[list[Case], Mistakes, list[str]]]:
        """Yield what the candidate may be beside its mistakes, the likeliest first."""
        if may_lack_biases(cases):
            yield cases, NO_BIASES, []
        yield cases, (), []
        # A mistake may hide a convention of the loss, which is two mistakes without it.
        for under_it, texts in usual(cases):
            yield under_it, (), texts

    def _of(self, start: Mistakes) -> Diagnosis:
        """Return what explains the candidate, taken for a network with `start` in it."""
        cases = self.cases
        mistakes, causes = self._explained(start, MOST)
        found = self._concluded(mistakes, causes)
        if not start:
            return found
        if not found.causes:
            mends = {n for case in cases for n in set(case.off(())) - set(case.off(start))}
            whole = Cause(
                "no biases", "forward", NO_BIASES_SAYS, "x @ W", "x @ W + b, and db",
                mends=tuple(sorted(mends, key=self.order.index)),
            )  # fmt: skip  # as in Cause
            return replace(found, causes=(whole,))
        return replace(found, beside=(NO_BIASES_SAYS, *found.beside))

    def _explained(self, before: Mistakes, most: int) -> tuple[Mistakes, tuple[Cause, ...]]:
        """Return the mistakes that explain the candidate, one behind the other."""
        if before:
            self.cases, conventions = follow(self.cases, before)
            self.conventions += conventions
        off = {case.where: case.off(before) for case in self.cases}
        if not any(off.values()) or not most:
            return before, ()
        for target in self._targets(off):
            group = [case for case in self.cases if target in off[case.where]]
            suspects = sorted(self._suspects(before, group, target, off), key=lambda s: s.rank)
            if suspects:
                break
            if self.budget.is_spent:
                return before, ()
        else:
            return before, ()
        if any(fact.fails and fact.probe in ("aliasing", "purity") for fact in self.facts):
            # What was seen of arrays and calls is what tells it from what gives the same values.
            suspects.sort(key=lambda s: (s.left, s.mistake.part != "state"))
        best = suspects[0]
        planted = (*before, best.planted)
        equals = [
            s for s in suspects[1:]
            if s.rank[:3] == best.rank[:3] and s.mistake.key != best.mistake.key
            and not (best.mistake.part == "state" and s.mistake.part != "state")
        ]  # fmt: skip  # a condition a line
        cause = self._cause(best, before, planted, equals, target)
        mistakes, causes = self._explained(planted, most - 1)
        return mistakes, (cause, *causes)

    @property
    def order(self) -> list[str]:
        """The names of all values, causes before effects."""
        return [*dict.fromkeys(name for case in self.cases for name in case.expected)]

    def _targets(self, off: Off) -> list[str]:
        """Return what is off first, and a few that are off next: one that two mistakes spoil at
        once is explained by none, and another, which only one of them spoils, is.
        """
        names = {name for names in off.values() for name in names}
        return sorted(names, key=self.order.index)[:TARGETS]

    def _suspects(
        self, before: Mistakes, group: list[Case], target: str, off: Off
    ) -> Iterator[Suspect]:
        """Yield every mistake that explains the target, as far as the budget goes."""
        shown = sorted(group, key=lambda case: -len(case.given.t))  # the largest batch first
        other = [case for case in shown if len(case.given.t) != len(shown[0].given.t)]
        quick = [*other[:1], shown[0]]
        for count, mistake in enumerate(self.rows):
            if self.budget.is_spent:
                self.tried = count, len(self.rows)
                return
            for layers, layer in scopes(mistake, shown[0], target):
                for planted, number in self._planted(mistake, layers, layer, before, shown, target):
                    after = (*before, planted)
                    if not all(self._fits(case, target, after) for case in quick):
                        continue
                    if not any(case.is_changed(target, before, after) for case in group):
                        continue
                    found = self._left(after, group, target, off)
                    if found is not None:
                        certain, left = found
                        yield Suspect(mistake, planted, number, layers, certain, left)
                        break

    def _planted(
        self, mistake: Mistake, layers: Layers, layer: int, before: Mistakes, shown: Sequence[Case],
        target: str,
    ) -> Iterator[tuple[Planted, str]]:  # fmt: skip  # what, where, on what
        """Yield the mistake, with the numbers that fit on the first of the cases `shown`."""
        try:
            if not mistake.starts:
                yield Planted(mistake.piece, mistake.change, layers), ""
                return
            for k in numbers(mistake, layers, before, shown[0], target):
                constant = (*before, planted_with(mistake, layers, k))
                if self._fits(shown[0], target, constant):
                    yield from variants(mistake, layers, k, shown[0], layer)
        except (LookupError, ValueError, ArithmeticError):
            return  # it cannot be made in such a network

    def _fits(self, case: Case, target: str, mistakes: Mistakes) -> bool:
        gradients = probe_of(target) in ("gradient", "state")
        try:
            return case.fits(target, case.replayed(mistakes, gradients=gradients), mistakes)
        except (LookupError, ValueError, ArithmeticError):
            return False  # as above

    def _left(
        self, mistakes: Mistakes, group: list[Case], target: str, off: Off
    ) -> tuple[bool, float] | None:
        """Return whether the mistakes explain the target wherever it is off, and how much is off
        still; None if they explain less than half, or make something off that was not.
        """
        mended, left = 0, 0.0
        for case in self.cases:
            still = case.off(mistakes)
            if not set(still) <= set(off[case.where]):
                return None
            mended += case in group and target not in still
            left += len(still) + BLUR * case.blurred(mistakes)
        if 2 * mended < len(group) or not mended:
            return None
        elements = sum(np.size(case.actual[target]) for case in group)
        return mended == len(group) and elements > 1, left

    def _cause(
        self, suspect: Suspect, before: Mistakes, after: Mistakes, equals: list[Suspect],
        target: str,
    ) -> Cause:  # fmt: skip  # what, of what
        mended = dict.fromkeys(
            name for case in self.cases for name in set(case.off(before)) - set(case.off(after))
        )
        mistake = suspect.mistake
        others: dict[str, Texts] = {}
        for other in equals:
            if self._says(other) != self._says(suspect):
                others.setdefault(other.mistake.key, self._says(other))
        activation = self.cases[0].given.activation
        write, source = mistake.remedy(activation)
        return Cause(
            key=mistake.key, part=mistake.part, says=self._says(suspect),
            wrote=mistake.written(suspect.number, activation), write=write, source=source,
            finding=finding_of(self.cases, before, target),
            is_certain=suspect.certain and not others and not self.budget.is_spent,
            mends=tuple(sorted(mended, key=self.order.index)),
            equals=tuple(others.values()), equal_keys=tuple(others), piece=mistake.piece,
        )  # fmt: skip  # as in Cause

    def _says(self, suspect: Suspect) -> Texts:
        count = sum(key.startswith("W") for key in self.cases[0].given.params)
        en, ja = suspect.mistake.said(suspect.number, where_text(suspect.layers, count))
        if self.cases[0].given.layernorm:  # whose mistakes are those of BatchNorm, along a row
            return en.replace("BatchNorm", "LayerNorm"), ja.replace("BatchNorm", "LayerNorm")
        return en, ja

    def _concluded(self, mistakes: Mistakes, causes: tuple[Cause, ...]) -> Diagnosis:
        """Take all that was found out of the candidate's values, and judge them again."""
        if not any(cause.part == "state" for cause in causes):
            causes = (*seen_causes(self.facts), *causes)
        judged = [j for case in self.cases for j in case.repaired(mistakes)]
        off = tuple(dict.fromkeys(j.quantity for j in judged if j.fails))
        errors = [j.error / size for case in self.cases for j, size in case.sized(mistakes)]
        agree = [j for j in judged if j.verdict is Verdict.SAME and (j.norm or j.error)]
        found = Diagnosis(
            causes,
            max(errors, default=math.nan),
            len(agree),
            len({j.where for j in agree}),
            left=off,
            beside=tuple((en + NO_MISTAKE[0], en + NO_MISTAKE[1]) for en in self.conventions),
            tried=self.tried,
        )
        if not off:
            return found
        still = {case.where: case.off(mistakes) for case in self.cases}
        if not any(still.values()):
            return replace(found, error=math.nan)
        target = self._targets(still)[0]
        group = [case for case in self.cases if target in still[case.where]]
        shape = shape_of(self.cases, group, target, mistakes)
        return replace(found, error=math.nan, shape=shape, next=next_step(group[0], target))
