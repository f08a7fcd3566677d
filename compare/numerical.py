"""Gradients that are themselves finite differences: recognised, and judged as what they are.

A difference of two losses is a whole number of their last places, and so is each element of such a
gradient times what it was divided by: no other gradient has that. Which difference it is, and of
what step, is then seen by taking it again of the network's own loss.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import Candidate
from compare.conventions import numerical_text
from compare.evaluation import Convention
from compare.judgement import Judgement, judge_elements
from compare.rounding import quotient_allowed, unit_roundoff
from compare.rules import Derived
from compare.stimuli import Stimulus
from compare.torch_network import Reference

Array = NDArray[np.floating[Any]]

STEPS = tuple(float(f"{digit}e-{power}") for power in range(8, 0, -1) for digit in (1, 5))
"""Steps that are tried, the smallest first: a multiple of the right one would fit as well."""

SHOWN = 8
"""Elements of each parameter that are judged: each takes two evaluations of the reference."""

WHOLE = 0.01
"""How far from a whole number rounding may bring one that is told from others by it."""


@dataclass(frozen=True)
class Numerical:
    """A gradient by finite differences.

    Attributes
    ----------
    step : float
        h.
    is_central : bool
        (L(w + h) - L(w - h)) / 2h, else (L(w + h) - L(w)) / h.
    by_rows : bool
        Whether it moves a whole row of each W at once: a mistake.
    """

    step: float
    is_central: bool = True
    by_rows: bool = False

    @property
    def text(self) -> str:
        """As a convention is named."""
        return numerical_text(self.step, is_central=self.is_central)

    @property
    def divisor(self) -> float:
        """What the difference is divided by."""
        return 2 * self.step if self.is_central else self.step

    def places(self, value: Array) -> Iterator[tuple[int, ...]]:
        """Yield the elements that are looked at, none twice."""
        rng = np.random.default_rng(0)
        count = min(SHOWN, value.size)
        for flat in rng.choice(value.size, count, replace=False):
            yield tuple(int(i) for i in np.unravel_index(flat, value.shape))

    def moved(self, value: Array, place: tuple[int, ...]) -> Iterator[Array]:
        """Yield the parameter moved up, and down or not at all."""
        where = place[:1] if self.by_rows else place
        for by in (self.step, -self.step if self.is_central else 0.0):
            changed = value.copy()
            changed[where] += by
            yield changed


def recognised(
    candidate: Candidate, plain: Stimulus, loss: float, grads: Mapping[str, Array]
) -> Numerical | None:
    """Return which finite differences the gradients of a network are, if they are."""
    tried = [Numerical(step, central) for step in STEPS for central in (True, False)]
    # Below a power of two the last place is half as large: a loss moved there has halves.
    for last_place in (np.spacing(abs(loss)), np.spacing(abs(loss)) / 2):
        for found in tried:
            if not all(_is_whole(g, found.divisor / last_place) for g in grads.values()):
                continue
            for by_rows in (found, replace(found, by_rows=True)):
                if all(_repeats(candidate, plain, by_rows, key, grads[key]) for key in grads):
                    return by_rows
    return None


def _is_whole(grad: Array, factor: float) -> bool:
    """Whether all elements times the factor are whole numbers."""
    numbers = grad * factor
    if not np.isfinite(numbers).all():
        return False
    rounding = 4 * unit_roundoff(np.float64) * np.abs(numbers)  # of the quotient and the products
    return bool((rounding < WHOLE).all() and (abs(numbers - np.rint(numbers)) < WHOLE).all())


def _repeats(
    candidate: Candidate, plain: Stimulus, numerical: Numerical, key: str, grad: Array
) -> bool:
    """Whether elements of a gradient come out again as differences of the network's loss."""
    value = plain.params[key]
    for place in numerical.places(value):
        losses = []
        for changed in numerical.moved(value, place):
            candidate.write({key: changed})
            losses.append(candidate.loss(plain.x, plain.t))
        candidate.write({key: value})
        again = (losses[0] - losses[1]) / numerical.divisor
        last_places = 2 * np.spacing(max(map(abs, losses))) / numerical.divisor  # one of each loss
        if not abs(again - grad[place]) <= last_places:
            return False
    return True


def judge_numerical(
    numerical: Numerical,
    grads: Mapping[str, Array],
    stimulus: Stimulus,
    reference: Reference,
    convention: Convention,
    dtype: Any,
) -> Iterator[Judgement]:
    """Judge some elements of each gradient by the same differences of the reference's loss."""
    right = replace(numerical, by_rows=False)

    def loss(params: Mapping[str, Array]) -> float:
        given = params, stimulus.x, stimulus.t
        return reference.evaluate(*given, convention, gradients=False).loss

    e = reference.evaluate(stimulus.params, stimulus.x, stimulus.t, convention)
    allowed = quotient_allowed(Derived(e, dtype).allowed("loss"), numerical.divisor)
    for key in (name for name in e.grads if name in grads):
        value = stimulus.params[key]
        places = list(right.places(value))
        expected = []
        for place in places:
            up, down = (loss({**stimulus.params, key: v}) for v in right.moved(value, place))
            expected.append((up - down) / numerical.divisor)
        actual = np.array([grads[key][place] for place in places])
        judged = judge_elements("gradient", key, stimulus.name, actual, np.array(expected), allowed)
        yield replace(judged, index=places[judged.index[0]] if judged.index else ())
