"""What of a network is what of a module, and what it shows by the module's names."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.port.names import Matching, Pair
from compare.port.shown import Shown
from compare.reference.evaluate import Quantity

Array = NDArray[Any]


@dataclass
class Matched:
    """What of a network is what of the module.

    Attributes
    ----------
    params : tuple of Pair
        Parameters.
    inside : dict of Pair
        Outputs of layers, by the network's names.
    output : str
        What predict returns: '' what the module does, one of OUTPUTS, or 'other'.
    """

    params: Matching
    inside: dict[str, Pair] = field(default_factory=dict)
    output: str = ""

    @property
    def texts(self) -> list[str]:
        """Return what lies otherwise, or is called otherwise, in both."""
        pairs = (*self.params, *self.inside.values())
        texts = [pair.text for pair in pairs if not pair.is_plain]
        return [*texts, f"predict = {self.output} of the output"] if self.output else texts

    def actual(
        self, shown: Shown, buffers: Mapping[str, str], *, is_gradient_alone: bool = False
    ) -> dict[Quantity, Array]:
        """Return what a network shows, by the module's names."""
        found = dict[Quantity, Array]()
        for key, pair in self.inside.items():
            if key in shown.inside:
                found[Quantity("module", pair.name)] = _turned(pair, shown.inside[key])
        if not is_gradient_alone:
            if shown.output is not None and self.output != "other":
                found[Quantity("output", self.output)] = shown.output
            found[Quantity("loss")] = np.asarray(shown.loss)
        for pair in self.params:
            found[Quantity("gradient", pair.name)] = _turned(pair, shown.grads[pair.key])
        for key, name in buffers.items():
            if key in shown.buffers:
                found[Quantity("buffer", name)] = shown.buffers[key]
        return found


def _turned(pair: Pair, value: Array) -> Array:
    """Return a value as the module has it; as it is where its shape is another."""
    can_turn = value.ndim == len(pair.axes) and value.size == math.prod(pair.shape)
    return pair.as_module(value) if can_turn else value
