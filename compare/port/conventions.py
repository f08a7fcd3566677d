"""Other definitions, put in the place of torch's own functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch.overrides import TorchFunctionMode

Replacement = Callable[..., Any]
"""Of torch's function and its arguments."""


@dataclass(frozen=True)
class Definition:
    """Another definition: how it reads in a report, and what stands in the place of what.

    Attributes
    ----------
    text : str
        What is computed otherwise.
    replacements : mapping
        Of functions of torch.nn.functional.
    is_pair : bool
        Whether the gradient of torch's own definition is documented beside it.
    shows_in : tuple of str
        The probes that one of a layer makes fail.
    """

    text: str
    replacements: Mapping[Any, Replacement]
    is_pair: bool = False
    shows_in: tuple[str, ...] = ("forward", "state", "loss")


@dataclass(frozen=True)
class Convention:
    """The definitions that a network follows: of layers, and of the loss."""

    layers: tuple[Definition, ...] = ()
    loss: Definition | None = None
    in_gradient: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """How they read in a report."""
        return tuple(d.text for d in (*self.layers, *([self.loss] if self.loss else [])))


class Substituting(TorchFunctionMode):
    """Computes functions of torch by what stands in their place; `used` says whether any was."""

    def __init__(self, *definitions: Definition) -> None:
        super().__init__()
        self.definitions = definitions
        self.used = False

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func`, or what stands in its place."""
        call = func
        for definition in self.definitions:
            if func in definition.replacements:
                call, self.used = partial(definition.replacements[func], call), True
        return call(*args, **(kwargs or {}))
