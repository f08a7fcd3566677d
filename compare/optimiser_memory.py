"""What an optimiser written by a user remembers, wherever it keeps it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import torch_ref
from compare.optimiser import Optimiser

Array = NDArray[np.floating[Any]]
Arrays = dict[str, Array]


class Memory:
    """The state of a user's optimiser.

    Parameters
    ----------
    optimizer
        The user's, not used yet.
    optimiser : Optimiser
        Which has to remember the same.
    params : dict
        The parameters that are updated.

    Raises
    ------
    ValueError
        It has been used.
    """

    def __init__(self, optimizer: Any, optimiser: Optimiser, params: Arrays) -> None:
        self.optimizer, self.params = optimizer, params
        self.slots = dict.fromkeys(torch_ref.STATE[optimiser.name], ("", 1.0))
        if any(np.any(value) for of in self._candidates().values() for value in of.values()):
            name = type(optimizer).__name__
            raise ValueError(f"{name} remembers something before its first update: pass a new one")

    def start(self) -> dict[str, Arrays]:
        """Return the state before the first update: zeros."""
        return {slot: {k: np.zeros_like(W) for k, W in self.params.items()} for slot in self.slots}

    def find(self, expected: Mapping[str, Mapping[str, Array]]) -> None:
        """Choose the attribute of each slot, and its sign, by what it is after one update."""
        found = self._kept(len(expected))
        for slot, wanted in expected.items():
            choices = [(attribute, sign) for attribute in found for sign in (1.0, -1.0)]
            self.slots[slot] = min(choices, key=lambda c: _distance(found[c[0]], wanted, c[1]))
            del found[self.slots[slot][0]]

    def read(self) -> dict[str, Arrays]:
        """Return copies of the state."""
        kept = self._kept(len(self.slots))
        return {
            slot: {key: sign * np.array(value) for key, value in kept[of].items()}
            for slot, (of, sign) in self.slots.items()
        }

    def _kept(self, count: int) -> dict[str, Mapping[str, Array]]:
        """Return the candidates, of which there must be `count`."""
        found = self._candidates()
        if len(found) < count:
            raise TypeError(
                f"{type(self.optimizer).__name__} keeps {len(found)} dicts of arrays with the keys "
                f"and shapes of params, and {count} are needed: {', '.join(self.slots)}"
            )
        return found

    def _candidates(self) -> dict[str, Mapping[str, Array]]:
        """Return what is a dict with arrays of the shapes of the parameters.

        Of the attributes or, as with those of `scratch`, of what `state(params)` returns.
        """
        state = getattr(self.optimizer, "state", None)
        kept = state(self.params) if callable(state) else getattr(self.optimizer, "__dict__", {})
        shapes = {key: W.shape for key, W in self.params.items()}
        return {
            key: value
            for key, value in kept.items()
            if isinstance(value, Mapping)
            and {k: getattr(v, "shape", None) for k, v in value.items()} == shapes
        }


def _distance(actual: Mapping[str, Array], expected: Mapping[str, Array], sign: float) -> float:
    off = [np.linalg.norm(sign * actual[key] - value) for key, value in expected.items()]
    size = [np.linalg.norm(value) for value in expected.values()]
    return float(np.linalg.norm(off) / (np.linalg.norm(size) or 1.0))
