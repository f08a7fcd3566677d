"""Why a network differs: mistakes of the catalogue are replayed until one fits to rounding.

A mistake is taken for a cause where the replay with it in agrees with the candidate in what was off
first, on every stimulus on which that was off, and makes nothing off that was not. What is off then
is explained in the same way: so a second mistake is found behind the first.
"""

import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from compare.cause import Cause, Diagnosis
from compare.causes.case import Case, Mistakes
from compare.causes.facts import seen_causes
from compare.causes.mistake import Mistake, Texts
from compare.causes.network import NETWORK
from compare.causes.number import Layers, numbers, planted_with, variants
from compare.causes.replay import Planted
from compare.causes.shape import next_step, shape_of
from compare.evaluation import layer_of, probe_of
from compare.judgement import Judgement, Verdict, norm
from compare.rounding import unit_roundoff

MOST = 4
"""Mistakes that are looked for behind each other."""

BLUR = 1e-3
"""What counts a value in which other elements are lost to inf and NaN than in the replay, in values
that are off: it only tells apart what explains the rest as well."""

SECONDS = 20.0
"""After which no further mistake is looked for."""

FORWARD = ("params", "x", "affine", "statistics", "std", "norm", "act", "drop", "logits")
OUT = ("softmax", "loss_softmax", "loss", "penalty")
BACK = ("seed_softmax", "seed", "dW", "decay", "db", "dx", "undrop", "slope", "unnorm", "dgamma",
        "dbeta", "grads")  # fmt: skip  # as they come
LAYERED = {"affine", "statistics", "std", "norm", "act", "drop", "moved", "dW", "decay", "db", "dx",
           "undrop", "slope", "unnorm", "dgamma", "dbeta"}  # fmt: skip  # those of one layer


Off = dict[str, list[str]]
"""By stimulus, what is off."""

TARGETS = 3
"""How many of the values that are off are tried to be explained, the first first."""


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
    activation : str
        Of the network.
    facts : sequence of Judgement
        What was seen beside values: shared arrays, calls that leave something behind.
    """

    cases: Sequence[Case]
    rows: Sequence[Mistake] = NETWORK
    activation: str = ""
    facts: Sequence[Judgement] = ()

    def run(self) -> Diagnosis:
        """Return what explains the candidate."""
        self.end = time.monotonic() + SECONDS
        with np.errstate(all="ignore"):  # a wrong function may overflow
            mistakes, causes = self._explained((), MOST)
            return self._concluded(mistakes, causes)

    def _explained(self, before: Mistakes, most: int) -> tuple[Mistakes, tuple[Cause, ...]]:
        """Return the mistakes that explain the candidate, one behind the other."""
        off = {case.where: case.off(before) for case in self.cases}
        if not any(off.values()) or not most:
            return before, ()
        for target in self._targets(off):
            group = [case for case in self.cases if target in off[case.where]]
            suspects = sorted(self._suspects(before, group, target, off), key=lambda s: s.rank)
            if suspects:
                break
            if time.monotonic() > self.end:
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
        """Yield every mistake that explains the target."""
        shown = sorted(group, key=lambda case: -len(case.given.t))  # the largest batch first
        other = [case for case in shown if len(case.given.t) != len(shown[0].given.t)]
        quick = [*other[:1], shown[0]]
        for mistake in self.rows:
            if mistake.of and self.activation not in mistake.of:
                continue
            if mistake.part == "numerics" and str(self.cases[0].dtype) in mistake.key:
                continue  # which is no less than it has
            for layers, layer in self._scopes(mistake, shown[0], target):
                for planted, number in self._planted(mistake, layers, layer, before, shown, target):
                    if not all(self._fits(case, target, (*before, planted)) for case in quick):
                        continue
                    found = self._tried((*before, planted), group, target, off)
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

    def _tried(
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

    def _scopes(self, mistake: Mistake, case: Case, target: str) -> Iterator[tuple[Layers, int]]:
        """Yield the layers that a mistake may be in to show first in `target`, and the one by which
        a number is fitted.
        """
        piece, probe = mistake.piece, probe_of(target)
        last = sum(key.startswith("W") for key in case.given.params)
        layer = layer_of(target) or last
        if probe == "gradient":
            allowed: tuple[str, ...] = BACK
        elif probe == "state":
            allowed = ("moved",)
        elif probe == "loss" and case.sees_inside:
            allowed = OUT
        elif probe == "loss":
            seen = any(probe_of(name) == "forward" for name in case.actual)
            allowed = OUT if seen else (*FORWARD, *OUT)
        else:
            allowed = (*FORWARD, "softmax")
        if piece not in allowed:
            return
        if piece not in LAYERED:
            yield None, 0
            return
        yield None, layer
        if probe in ("gradient", "state") or (case.sees_inside and re.match(r"[znad]\d", target)):
            at = layer + 1 if piece == "dx" else layer
            if at <= last:
                yield (at,), at
            if last > 1:
                hidden = tuple(range(1, last))
                if layer in hidden and last > 2:
                    yield hidden, layer
            return
        if target in ("logits", "probabilities", "log-probabilities") and case.sees_inside:
            yield (last,), last
            return
        if not mistake.is_general:
            for single in range(1, last + 1):
                yield (single,), single

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
        return Cause(
            key=mistake.key, part=mistake.part, says=self._says(suspect),
            wrote=mistake.written(suspect.number),
            write=mistake.write, source=mistake.source, finding=self._finding(before, target),
            is_certain=suspect.certain and not others,
            mends=tuple(sorted(mended, key=self.order.index)),
            equals=tuple(others.values()), equal_keys=tuple(others),
        )  # fmt: skip  # as in Cause

    def _finding(self, before: Mistakes, target: str) -> Texts:
        """Return by what number the target is off, where it is one for all elements."""
        group = [case for case in self.cases if target in case.off(before)]
        case = group[0]  # as in what is said of the first divergence
        actual = np.asarray(case.actual[target], float)
        expected = np.asarray(case.replayed(before)[target], float)
        if probe_of(target) == "forward" or actual.shape != expected.shape or not expected.any():
            return "", ""
        with np.errstate(all="ignore"):
            k = float(np.vdot(actual, expected) / np.vdot(expected, expected))
            off = norm(actual - k * expected)
        if not off <= case.rule.allowed(target) * max(1, abs(k)):
            return "", ""
        nearly = math.sqrt(unit_roundoff(case.dtype))
        if abs(k) < nearly:
            return f"{target} is 0", f"{target} が 0 です"
        if abs(k + 1) < nearly:
            return f"{target} has the wrong sign", f"{target} の符号が逆です"
        if k < 0 or f"{k:.6g}" == "1":
            return "", ""
        if k > 1:
            return f"{target} is {k:.6g} times too large", f"{target} が {k:.6g} 倍大きすぎます"
        return f"{target} is {1 / k:.6g} times too small", f"{target} が {1 / k:.6g} 倍小さすぎます"

    def _says(self, suspect: Suspect) -> Texts:
        where = where_text(suspect.layers, self._layers())
        return suspect.mistake.said(suspect.number, where)

    def _layers(self) -> int:
        return sum(key.startswith("W") for key in self.cases[0].given.params)

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


def where_text(layers: Layers, count: int) -> Texts:
    """Return 'layer 2' or 'each layer'."""
    if layers is None:
        return ("each layer", "各層") if count > 1 else ("the layer", "層")
    if len(layers) == 1:
        return f"layer {layers[0]}", f"第 {layers[0]} 層"
    return "each hidden layer", "各隠れ層"
