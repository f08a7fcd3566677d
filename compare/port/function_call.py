"""One call of a function of arrays, and of its backward pass."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import quietly
from compare.port.arrays import arrays_of, as_numpy, is_array, is_number
from compare.user_frame import CandidateError, calling

Array = NDArray[Any]


@dataclass(frozen=True)
class Inputs:
    """What a function is called with."""

    name: str
    given: tuple[Any, ...]


class Call:
    """One call of a function and of its backward pass, on copies."""

    def __init__(
        self, f: Callable[..., Any], backward: Callable[..., Any] | None, batch: Inputs,
        douts: list[Array],
    ) -> None:  # fmt: skip  # both, on what
        self.f, self.backward, self.batch, self.douts = f, backward, batch, douts
        self.cache: tuple[Any, ...] = ()
        self.spoiled: list[str] = []

    def outputs(self) -> list[Array]:
        """Return what the function returns, as many as the reference does."""
        returned = self._called("f", self.f, self.batch.given)
        many = list(returned) if isinstance(returned, tuple | list) else [returned]
        self.cache = tuple(many[len(self.douts) :])
        outputs = many[: len(self.douts)]
        if len(outputs) < len(self.douts) or not all(is_array(v) or is_number(v) for v in outputs):
            kinds = ", ".join(type(value).__name__ for value in many)
            raise CandidateError(f"f returned {kinds}; expected arrays: {len(self.douts)}")
        return [as_numpy(value) for value in outputs]

    def grads(self) -> list[Array | None]:
        """Return the gradients by the floating-point inputs, in order; None where none is given."""
        if self.backward is None:
            return []
        after = {0: (), len(self.cache): self.cache}.get(_required(self.backward) - len(self.douts))
        given = self.batch.given if after is None else after
        returned = self._called("backward", self.backward, (*self.douts, *given))
        many = list(returned) if isinstance(returned, tuple | list) else [returned]
        if not all(value is None or is_array(value) or is_number(value) for value in many):
            kinds = ", ".join(type(value).__name__ for value in many)
            raise CandidateError(f"backward returned {kinds}; expected arrays, or None")
        return [None if value is None else as_numpy(value) for value in many]

    def _called(self, method: str, function: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        handed = [v.copy() if isinstance(v, np.ndarray) else v for v in given]
        before = arrays_of(given)
        with calling(method, function, *handed):
            returned = quietly(function, *handed)
        after = arrays_of(tuple(handed))
        if any(a.tobytes() != b.tobytes() for a, b in zip(before, after, strict=True)):
            self.spoiled.append(f"{method} changed an array that was passed to it")
        return returned


def _required(function: Callable[..., Any]) -> int:
    """Return how many positional arguments a function requires; -1 where that cannot be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return -1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return -1
    return sum(p.kind in positional and p.default is p.empty for p in parameters)
