"""Why an optimiser differs: mistakes are replayed over all its updates until one fits to rounding.

Nothing of what it remembers is looked at: with given gradients its parameters are a function of the
mistake, and twelve updates tell the mistakes apart.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from compare.cause import Cause, Diagnosis
from compare.causes.budget import Budget
from compare.causes.mistake import Mistake, Texts
from compare.causes.number import fitted, named
from compare.causes.update import SLOTS, UPDATE, Wrong, trajectory
from compare.judgement import Judgement, norm
from compare.optimiser import Optimiser
from compare.reference.allowed import C
from compare.rounding import REPLAYS, keeps_half, unit_roundoff

Arrays = Mapping[str, NDArray[Any]]
Float64 = NDArray[np.float64]
Place = tuple[int, str]

STATE = {"v", "h", "m", "start", "place", "gradient", "numbers", "lr", "before"}
"""The pieces that touch what is remembered."""

RUNS = 10_000
"""Runs of an optimiser after which no further mistake is tried, and after as many again no further
pair of mistakes: those of tests/planted_bugs took up to 1917, and what nothing explains 4033."""

MOST_FORMS = 3
"""Forms of an optimiser, those that agree most, in which mistakes are looked for."""


class Suspect(NamedTuple):
    """Mistakes that explain the updates, or more of them."""

    parts: tuple[tuple[Mistake, Wrong, str], ...]
    left: int

    @property
    def wrong(self) -> tuple[Wrong, ...]:
        """The mistakes alone."""
        return tuple(wrong for _, wrong, _ in self.parts)

    @property
    def rank(self) -> tuple[int, int, bool, bool, bool]:
        """The best first: what explains most, with the fewest and simplest mistakes."""
        odd = any(name and name not in mistake.means for mistake, _, name in self.parts)
        general = any(mistake.is_general for mistake, _, _ in self.parts)
        single = any(wrong.keys is not None for wrong in self.wrong)
        return self.left, len(self.parts), general, odd, single


@dataclass(frozen=True)
class Updated:
    """What an optimiser did in some updates.

    Attributes
    ----------
    start : mapping
        Parameters before the first.
    steps : sequence of (mapping, float)
        Gradients and learning rate of each.
    after : sequence of mapping
        Parameters after each.
    dtype : dtype
        Of the parameters.
    state : mapping or None
        What was remembered before the first; nothing if None.
    t : int
        The number of updates before the first.
    budget : Budget
        What counts the runs.
    """

    start: Arrays
    steps: Sequence[tuple[Arrays, float]]
    after: Sequence[Arrays]
    dtype: DTypeLike
    state: Mapping[str, Arrays] | None = None
    t: int = 0
    budget: Budget = field(default_factory=lambda: Budget(RUNS), compare=False)

    def replayed(self, o: Optimiser, wrong: Sequence[Wrong], steps: int | None = None
                 ) -> list[dict[str, Float64]]:  # fmt: skip  # what, how many
        """Return the parameters after each update of an optimiser with these mistakes."""
        self.budget.spend()
        run = trajectory(o, wrong, self.start, self.steps[:steps], self.state, self.t)
        return list(run)

    def scattered(self, rng: np.random.Generator) -> "Updated":
        """Return the same with everything that is given moved by u."""
        u = unit_roundoff(self.dtype)

        def move(arrays: Arrays) -> dict[str, Float64]:
            return {
                k: np.asarray(v, float) * (1 + u * rng.uniform(-1, 1, np.shape(v)))
                for k, v in arrays.items()
            }

        steps = [(move(grads), lr * (1 + u * rng.uniform(-1, 1))) for grads, lr in self.steps]
        return replace(self, start=move(self.start), steps=steps)


@dataclass
class UpdateSearch:
    """The search for mistakes in an optimiser of a given form.

    Attributes
    ----------
    updated, o
        What it did, and what it is meant to be.
    state_is_right : bool or None
        Whether what it remembers was right in the update that went wrong first; None if unknown.
    """

    updated: Updated
    o: Optimiser
    state_is_right: bool | None = None
    tried: tuple[int, int] = (0, 0)
    _noises: dict[Any, dict[Place, float]] = field(default_factory=dict)

    @cached_property
    def known(self) -> dict[str, float]:
        """Numbers that have a name in an optimiser."""
        o = self.o
        known = {"lr": o.lr, "momentum": o.momentum, "decay_rate": o.decay_rate}
        if o.name == "adam":
            known = {"lr": o.lr, "beta1": o.betas[0], "beta2": o.betas[1]}
        shares = [name for name in known if name != "lr"]
        known |= {f"1 - {name}": 1 - known[name] for name in shares}
        if o.lr:
            known["1/lr"] = 1 / o.lr
        if o.weight_decay:
            decay = o.weight_decay
            known |= {"weight_decay": decay, "-weight_decay": -decay}
            known |= {"-weight_decay/2": -decay / 2}
        return known

    def off(self, wrong: Sequence[Wrong], steps: int | None = None) -> list[Place]:
        """Return the updates and parameters in which the optimiser differs from the replay."""
        try:
            values = self.updated.replayed(self.o, wrong, steps)
        except (LookupError, ValueError, ArithmeticError):  # it cannot be made here
            return [(0, key) for key in self.updated.start]
        places = []
        for t, (replayed, after) in enumerate(zip(values, self.updated.after, strict=False)):
            for key, value in replayed.items():
                actual = np.asarray(after[key], float)
                if actual.shape != value.shape:
                    places.append((t, key))
                    continue
                finite = np.isfinite(actual) & np.isfinite(value)
                error = float(norm(np.where(finite, actual - value, 0)))
                is_near = np.isfinite(actual).all() == np.isfinite(value).all()
                size = float(norm(np.where(finite, actual, 0)))
                is_near &= keeps_half(error, size, self.updated.dtype)
                if not is_near or error > self._allowed(wrong, t, key):
                    places.append((t, key))
        return places

    def _allowed(self, wrong: Sequence[Wrong], t: int, key: str) -> float:
        """Return what rounding may have added up to after update t."""
        kept = tuple(wrong)
        if kept not in self._noises:
            rng = np.random.default_rng(0)
            right = self.updated.replayed(self.o, wrong)
            runs = [self.updated.scattered(rng).replayed(self.o, wrong) for _ in range(REPLAYS)]
            self._noises[kept] = {
                (i, k): max(float(norm(np.nan_to_num(run[i][k] - value))) for run in runs)
                for i, params in enumerate(right)
                for k, value in params.items()
            }
        return C * math.sqrt(t + 1) * self._noises[kept][t, key]

    @cached_property
    def singles(self) -> list[Suspect]:
        """Each mistake that alone explains something, the best first."""
        return sorted(self._singles((), self.off(())), key=lambda s: s.rank)

    def two(self) -> Suspect | None:
        """Return two mistakes that explain everything, if there are such."""
        for first in self.singles[:3]:
            more = self._singles(first.parts, self.off(first.wrong))
            best = min(more, key=lambda s: s.rank, default=None)
            if best and not best.left:
                return best
        return next(self._pairs(self.off(())), None)

    def equals(self, best: Suspect) -> list[Suspect]:
        """Return other single mistakes that explain as much as this one."""
        if len(best.parts) != 1:
            return []
        key = best.parts[0][0].key
        return [s for s in self.singles if s.rank[:4] == best.rank[:4] and s.parts[0][0].key != key]

    def _rows(self) -> list[Mistake]:
        return [m for m in UPDATE if not m.of or self.o.name in m.of.split()]

    def _keys(self, mistake: Mistake, before: list[Place]) -> list[tuple[str, ...] | None]:
        """Return of which parameters a mistake may be."""
        names = [*self.updated.start]
        off = tuple(key for key in names if any(key == k for _, k in before))
        some: list[tuple[str, ...] | None] = [None]
        if mistake.piece in ("move", "gradient", "before") and len(off) < len(names):
            some.append(off)
        return some

    def _singles(
        self, parts: tuple[tuple[Mistake, Wrong, str], ...], before: list[Place]
    ) -> Iterator[Suspect]:
        if not before:
            return
        earlier = tuple(wrong for _, wrong, _ in parts)
        t, key = before[0]
        rows = self._rows()
        for count, mistake in enumerate(rows):
            if self.updated.budget.is_spent:
                self.tried = count, len(rows)
                return
            touches = mistake.piece in STATE and (mistake.piece != "lr" or self.o.lr_inside)
            touches &= mistake.piece != "before" or mistake.key == "decay is coupled"
            if self.state_is_right is not None and not parts and touches is self.state_is_right:
                continue
            if mistake.part == "numerics" and str(np.dtype(self.updated.dtype)) in mistake.key:
                continue
            for keys in self._keys(mistake, before):
                for wrong, name in self._numbered(mistake, keys, earlier, t, key):
                    tried = (*earlier, wrong)
                    if (t, key) in self.off(tried, t + 1):
                        continue
                    left = self.off(tried)
                    if set(left) < set(before) or (left and left[0][0] > t):
                        yield Suspect((*parts, (mistake, wrong, name)), len(left))
                    if not left:
                        break

    def _numbered(
        self, mistake: Mistake, keys: tuple[str, ...] | None, earlier: tuple[Wrong, ...], t: int,
        key: str,
    ) -> Iterator[tuple[Wrong, str]]:  # fmt: skip  # what, of what, where
        if not mistake.starts:
            yield Wrong(mistake.piece, mistake.change, keys), ""
            return
        actual = np.asarray(self.updated.after[t][key], float)

        def at(k: float) -> Float64:
            wrong = Wrong(mistake.piece, mistake.change, keys, k)
            try:
                return self.updated.replayed(self.o, (*earlier, wrong), t + 1)[t][key]
            except (LookupError, ValueError, ArithmeticError):
                return np.full_like(actual, math.nan)

        # A number of the optimiser has its name where that explains something.
        decays = "decay" in mistake.key
        known = {
            n: v
            for n, v in self.known.items()
            if n in mistake.means or (decays and "weight_decay" in n)
        }
        found: list[float] = [*mistake.starts]
        for start in mistake.starts:
            k = fitted(at, actual, start)
            if k is not None:
                found.append(named(k, known, self.updated.dtype).value)
                found.append(k)
        for k in dict.fromkeys(found):
            name = named(k, known, self.updated.dtype).name
            yield Wrong(mistake.piece, mistake.change, keys, k), name

    def _pairs(self, before: list[Place]) -> Iterator[Suspect]:
        """Yield two mistakes at once, with usual numbers alone."""
        usual = [
            (mistake, Wrong(mistake.piece, mistake.change, None, k), "" if k is None else f"{k:g}")
            for mistake in self._rows()
            if not mistake.is_general
            for k in (mistake.starts or (None,))
        ]
        if not before:
            return
        t, key = before[0]
        pairs = [*combinations(usual, 2)]
        most = self.updated.budget.most + RUNS
        for count, (one, other) in enumerate(pairs):
            if self.updated.budget.used >= most:
                self.tried = count, len(pairs)
                return
            if one[0].key == other[0].key:
                continue
            wrong = (one[1], other[1])
            if (t, key) not in self.off(wrong, t + 1):
                left = self.off(wrong)
                if not left:
                    yield Suspect((one, other), 0)
                    return


def diagnose_update(
    updated: Updated, forms: Sequence[Optimiser], first: Judgement | None = None
) -> Diagnosis:
    """Return why the updates are not those of any of the forms.

    `first` is what was judged to be off first: a parameter, or a part of the state.
    """
    right = first.probe != "state" if first and SLOTS[forms[0].name] else None
    with np.errstate(all="ignore"):
        searches = [UpdateSearch(updated, form, right) for form in forms]
        tried = sorted(searches, key=lambda s: len(s.off(())))[:MOST_FORMS]
        found = [(s, search) for search in tried for s in search.singles[:1]]
        if not any(not suspect.left for suspect, _ in found):
            twos = [(search.two(), search) for search in tried]
            found += [(suspect, search) for suspect, search in twos if suspect]
        if not found:
            return Diagnosis(left=("the parameters",), place=("updates", "更新"), next=NEXT)
        best, search = min(found, key=lambda pair: pair[0].rank)
        return _concluded(best, search, len(updated.steps))


NEXT: Texts = (
    "make one update of W = 0 with dW = 1 and lr = 1, then a second one, and compute both by the "
    "formula",
    "W = 0、dW = 1、lr = 1 で 1 回、続けてもう 1 回更新し、式どおりの計算と比べてください",
)


def _concluded(best: Suspect, search: UpdateSearch, count: int) -> Diagnosis:
    updated, off = search.updated, search.off(best.wrong)
    values = updated.replayed(search.o, best.wrong)
    error = max(
        float(norm(np.nan_to_num(np.asarray(after[key], float) - value)))
        / (float(norm(np.nan_to_num(value))) or 1.0)
        for replayed, after in zip(values, updated.after, strict=True)
        for key, value in replayed.items()
    )
    others = {s.parts[0][0].key: _says(*s.parts[0]) for s in search.equals(best)}
    causes = tuple(
        Cause(
            key=mistake.key, part=mistake.part, says=_says(mistake, wrong, name),
            wrote=mistake.written(name), write=mistake.write, source=mistake.source,
            is_certain=not off and not others, mends=tuple(updated.start),
            equals=tuple(others.values()), equal_keys=tuple(others),
        )
        for mistake, wrong, name in best.parts
    )  # fmt: skip  # as in Cause
    left = tuple(dict.fromkeys(f"{key} after update {t + 1}" for t, key in off))
    total = len(updated.start) * count
    return Diagnosis(
        causes, math.nan if off else error, total - len(off), count, left=left,
        place=("updates", "更新"), next=NEXT if off else ("", ""),
    )  # fmt: skip  # as in Diagnosis


def _says(mistake: Mistake, wrong: Wrong, name: str) -> Texts:
    names = ", ".join(wrong.keys or ())
    return mistake.said(
        name, (names, f" {names} ") if names else ("every parameter", "全パラメータ")
    )
