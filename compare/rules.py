"""The two rules that say how far a value may be off: derived in float64, measured in float32."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from compare.activations import BOOK
from compare.evaluation import Evaluation
from compare.judgement import Extent, norm
from compare.noise import Noise, Score, measure
from compare.rounding import MEASURED, expected_rounding
from compare.torch_network import Reference

Array = NDArray[np.float64]


class Derived:
    """SAFETY sqrt(n) u ||E||, for the whole tensor and for each of its columns.

    Parameters
    ----------
    e : Evaluation
        The reference at the candidate's parameters.
    dtype : dtype
        Of the candidate.
    """

    def __init__(self, e: Evaluation, dtype: DTypeLike) -> None:
        self.rounding = expected_rounding(e, dtype)
        self._expected = self.rounding.named

    @property
    def derived(self) -> "Derived":
        """This rule: what a measured one has beside itself."""
        return self

    def allowed(self, name: str) -> float:
        """Return the L2 norm of the error that is allowed to all of the quantity `name`."""
        return float(self.rounding.allowed(self._expected[name]))

    def extent(self, name: str, error: Array, expected: Array) -> Extent:
        """Return the extent of `error` in the tensor or, if it alone is off, in a column."""
        whole = Extent(float(norm(error)), self.allowed(name), float(norm(expected)))
        if not error.ndim or whole.error > whole.allowed:
            return whole
        axis: int | tuple[()] = 0 if error.ndim == 2 else ()
        errors, limits = norm(error, axis), self.rounding.allowed(self._expected[name], axis)
        if not (errors > limits).any():
            return whole
        column = int(np.argmax(errors / limits))
        size = float(norm(expected, axis)[column])
        part = f"the size of its {'column' if error.ndim == 2 else 'element'} {column}"
        return Extent(float(errors[column]), float(limits[column]), size, part)


class Measured:
    """A factor times the noise of the reference, for each statistic of the error.

    Parameters
    ----------
    e : Evaluation
        The referee's: the reference in float64 at the candidate's parameters.
    twin : Reference
        In the dtype of the candidate.
    seed : int
        Of the orders of the twins.
    """

    def __init__(self, e: Evaluation, twin: Reference, seed: int = 0) -> None:
        self.derived = Derived(e, torch.empty(0, dtype=twin.dtype).numpy().dtype)
        self._measured_on = twin, e, seed

    @cached_property
    def _noises(self) -> dict[str, Noise]:
        """What the twins say; asked for only where something is judged."""
        twin, e, seed = self._measured_on
        return measure(twin, e, self.derived.rounding, np.random.default_rng(seed))

    def allowed(self, name: str) -> float:
        """Return the L2 norm of the error that is allowed to all of the quantity `name`."""
        noise = self._noises[name]
        if not noise.is_known:
            return self.derived.allowed(name)
        return MEASURED["norm" if noise.value.ndim else "loss"] * noise.norm

    def extent(self, name: str, error: Array, expected: Array) -> Extent:
        """Return the extent of `error` in the tensor or, if it alone stands out, in a part."""
        found = [(s, MEASURED[s.kind] * s.noise) for s in self.scores(name, error)]
        if not found:
            return self.derived.extent(name, error, expected)
        failing = [(s, allowed) for s, allowed in found if s.error > allowed]
        s, allowed = next(iter(failing), found[0])
        return Extent(s.error, allowed, s.size, s.part, s.index, measured=True)

    def scores(self, name: str, error: Array) -> list[Score]:
        """Return the statistics of `error`; none where a twin left the range of its numbers."""
        noise = self._noises[name]
        return list(noise.scores(error)) if noise.is_known else []


RuleOf = Callable[[Evaluation], Derived | Measured]


def rule_of(reference: Reference, dtype: DTypeLike) -> RuleOf:
    """Return what makes the rule for an evaluation of `reference` in the candidate's dtype.

    A normalization is judged by the derived rule in float32, too: torch takes a variance by another
    formula than many do, mean(z^2) - mean^2, and its twins know nothing of what that one errs. So
    are activations outside of the book, which have several formulas each.
    """
    extras = reference.extras
    derived = extras.batchnorm or extras.layernorm or reference.activation not in BOOK
    if np.finfo(dtype).eps == np.finfo(np.float64).eps or derived:
        return lambda e: Derived(e, dtype)
    twin = reference.in_dtype(dtype)
    return lambda e: Measured(e, twin)
