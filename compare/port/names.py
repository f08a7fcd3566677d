"""Which array of a network is which parameter of a torch module, and how its axes lie."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from compare.port.axes import Shape, orders

Array = NDArray[Any]
Names = Mapping[str, str | tuple[str, str]]


@dataclass(frozen=True)
class Pair:
    """One parameter: its name in the network and in the module, and how it lies in both.

    Attributes
    ----------
    key, name : str
        In the network, in the module.
    axes : tuple of int
        axes[i] is the network's axis that comes i-th in the module.
    shape : tuple of int
        Of the module's, into which axes of the network's may have to be joined or parted.
    """

    key: str
    name: str
    axes: Shape
    shape: Shape

    def as_module(self, value: Array) -> Array:
        """Return the network's array as the module has it."""
        return np.transpose(value, self.axes).reshape(self.shape)

    @property
    def text(self) -> str:
        """'W1 = fc1.weight, transposed'."""
        turned = self.axes != tuple(range(len(self.axes)))
        how = ", transposed" if len(self.axes) == 2 else f", axes {self.axes}"
        return f"{self.key} = {self.name}{how if turned else ''}"

    @property
    def is_plain(self) -> bool:
        """Whether it has the same name and lies the same way in both."""
        return self.text == f"{self.name} = {self.name}"


Matching = tuple[Pair, ...]


@dataclass(frozen=True)
class Ways:
    """How all arrays may be matched.

    Attributes
    ----------
    matchings : list of Matching
        The likeliest first.
    pairs : list of list of Pair
        For each array how it may lie, where `matchings` are not all.
    is_certain : bool
        Whether names or sizes alone say which belongs to which.
    """

    matchings: list[Matching]
    pairs: list[list[Pair]]
    is_certain: bool


MOST = 16
"""Ways to turn square matrices that are all tried: of four; of more, none, all, and
each alone as far as that brings agreement further."""


def ways_to_match(params: Mapping[str, Array], module: nn.Module, names: Names | None) -> Ways:
    """Return the ways to match all arrays. Frozen parameters that are left over stay as they are.

    Raises
    ------
    ValueError
        They cannot be matched: the message says which, and what to pass.
    """
    own = {name: tuple(value.shape) for name, value in module.named_parameters()}
    frozen = {name for name, value in module.named_parameters() if not value.requires_grad}
    given = {key: value if isinstance(value, tuple) else (value, "")
             for key, value in (names or {}).items() if key in params}  # fmt: skip  # a condition
    _see(given, own)
    chosen = {key: name for key, (name, _) in given.items()}
    chosen |= {key: key for key in params if key in own and key not in chosen}
    if len(set(chosen.values())) < len(chosen):
        raise ValueError("names: two arrays of params are one parameter of the module")
    for key, name in chosen.items():
        if next(orders(params[key].shape, own[name], given.get(key, ("", None))[1]), None) is None:
            shape = params[key].shape
            raise ValueError(f"{key} has shape {shape}; the module's {name} has {own[name]}")
    is_named = len(chosen) == len(params)
    sequences = dict.fromkeys((tuple(params), tuple(sorted(params, key=_natural))))
    found: list[Matching] = []
    several: list[list[Pair]] = []
    for order in sequences:
        pairs, left = _in_order(order, params, own, chosen, frozen)
        if left := [name for name in left if name not in frozen]:
            raise ValueError(
                f"the module has {', '.join(f'{name} {own[name]}' for name in left)}, and params "
                "nothing for it: add it, or freeze it with requires_grad_(False) to leave it at "
                "its value"
            )
        options = _options(pairs, params, own, given)
        ways = math.prod(map(len, options))
        several = several or (options if ways > MOST else [])
        none_or_all = (tuple(o[i % len(o)] for o in options) for i in (0, 1))
        turned = product(*options) if ways <= MOST else none_or_all
        found += [matching for matching in turned if matching not in found]
    sizes = [math.prod(shape) for shape in own.values()]
    return Ways(found, several, is_named or len(set(sizes)) == len(sizes))


def _see(given: Mapping[str, tuple[str, str]], own: Mapping[str, Shape]) -> None:
    for key, (name, turned) in given.items():
        if name not in own:
            raise ValueError(f"names: the module has no {name!r}; it has {', '.join(own)}")
        if turned not in ("", "T"):
            raise ValueError(f"names: {key!r} is {(name, turned)}; expected a name or (name, 'T')")


def _natural(key: str) -> list[tuple[bool, int, str]]:
    """Order W2 before W10."""
    parts = re.findall(r"\d+|\D+", str(key))
    return [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts]


def _in_order(
    order: tuple[str, ...], params: Mapping[str, Array], own: Mapping[str, Shape],
    chosen: Mapping[str, str], frozen: set[str],
) -> tuple[dict[str, str], list[str]]:  # fmt: skip  # the arrays, what is said of them
    """Return a name for each array, by what is said, else the next one into which it fits; and
    what is left over.
    """
    pairs = dict(chosen)
    free = [name for name in own if name not in chosen.values()]
    free.sort(key=lambda name: name in frozen)  # what is frozen comes last
    for key in (key for key in order if key not in pairs):
        shape = params[key].shape
        alike = [name for name in free if next(orders(shape, own[name], None), None)]
        if not alike:
            left = ", ".join(f"{name} {own[name]}" for name in free) or "those that are left"
            raise ValueError(
                f"{key} has shape {shape}, which none of {left} has: pass names={{{key!r}: NAME}}"
            )
        pairs[key] = alike[0]
        free.remove(alike[0])
    return pairs, free


def _options(
    pairs: Mapping[str, str], params: Mapping[str, Array], own: Mapping[str, Shape],
    given: Mapping[str, tuple[str, str]],
) -> list[list[Pair]]:  # fmt: skip  # the arrays, what is said of them
    """Return for each array how it may lie."""
    options = []
    for key, name in pairs.items():
        how = given[key][1] if key in given else None
        fitting = orders(params[key].shape, own[name], how)
        options.append([Pair(key, name, axes, own[name]) for axes in fitting])
    return options
