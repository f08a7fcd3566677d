"""A network written twice: as a torch module, and by hand in numpy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """One network.

    Attributes
    ----------
    name : str
        Of the network.
    module : type
        Of nn.Module, made without arguments.
    loss : callable
        Of (output, t), or (output, t, module).
    draw : callable
        (rng, rows) -> x, t.
    by_hand : callable
        (params and buffers by name, x, t, way) -> {(kind, name): value}, in causal order.
    zero : frozenset of str
        Parameters whose gradient is 0 in theory.
    """

    name: str
    module: Callable[[], Any]
    loss: Callable[..., Any]
    draw: Callable[..., tuple[Any, Any]]
    by_hand: Callable[..., dict[tuple[str, str], Any]]
    zero: frozenset[str] = frozenset()
