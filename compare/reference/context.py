"""What one evaluation takes with it, and what it notes on the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor

from compare.reference.formats import FORMATS, Format


@dataclass(frozen=True)
class Kink:
    """An operation that selected by a margin that rounding may turn over.

    Attributes
    ----------
    module : str
        Path of the module in which it stands.
    operation : str
        ATen's name.
    samples : tuple of int or None
        Rows of the batch whose result may be another in correct code; None where the values do
        not tell which rows they belong to.
    elements : int
        How many values are that close.
    margin : float
        The least of their margins, in units of what is to be expected of its rounding, u E.
    """

    module: str
    operation: str
    samples: tuple[int, ...] | None
    elements: int
    margin: float


@dataclass(frozen=True)
class Noted:
    """An operation, and the path of the module in which it stands."""

    module: str
    operation: str


@dataclass
class Context:
    """The state of one evaluation.

    Attributes
    ----------
    format : Format
        Of the candidate.
    rows : int or None
        Samples in the batch.
    modules : list of str
        Paths of the modules that are being computed, innermost last.
    kinks : list of Kink
        As they were met.
    casts : dict
        Casts to less than float64 inside the module, in order.
    unruled : dict
        Operations without a rule, whose errors were measured.
    read : dict
        Places where Python read a number that has an error, which is then lost.
    amplifications : dict
        Of each matrix of parameters: see `compare.reference.amplification`.
    masks : list of Tensor
        Of dropout, for the calls that are still to come.
    """

    format: Format = FORMATS["float64"]
    rows: int | None = None
    modules: list[str] = field(default_factory=lambda: [""])
    kinks: list[Kink] = field(default_factory=list)
    casts: dict[Noted, None] = field(default_factory=dict)
    unruled: dict[Noted, None] = field(default_factory=dict)
    read: dict[Noted, None] = field(default_factory=dict)
    amplifications: dict[object, float] = field(default_factory=dict)
    masks: list[Tensor] | None = None

    _floors: dict[torch.device, Tensor] = field(default_factory=dict)

    def floor2(self, like: Tensor) -> Tensor:
        """Return the floor of the format as a tensor beside `like`."""
        if like.device not in self._floors:
            floor2 = torch.full((), self.format.floor2, dtype=torch.float64, device=like.device)
            self._floors[like.device] = floor2
        return self._floors[like.device]

    def here(self, operation: str) -> Noted:
        """Return `operation` with the module in which it stands."""
        return Noted(self.modules[-1], operation)


_CURRENT: ContextVar[Context] = ContextVar("compare.reference")


def current() -> Context:
    """Return the context of the evaluation that is going on."""
    return _CURRENT.get()


@contextmanager
def within(context: Context) -> Iterator[Context]:
    """Evaluate in `context`."""
    token = _CURRENT.set(context)
    try:
        yield context
    finally:
        _CURRENT.reset(token)
