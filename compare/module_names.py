"""Which parameter of a network is which of a torch module, and in which order of axes."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

Array = NDArray[Any]
Names = Mapping[str, str | tuple[str, str]]


@dataclass(frozen=True)
class Pair:
    """One parameter: its name in the network, in the module, and axes[i], the network's axis that
    is axis i of the module's.
    """

    key: str
    name: str
    axes: tuple[int, ...]

    def as_module(self, value: Array) -> Array:
        """Return the network's array in the module's order of axes."""
        return np.transpose(value, self.axes)

    @property
    def text(self) -> str:
        """'W1 = fc1.weight, transposed'."""
        turned = self.axes != tuple(range(len(self.axes)))
        how = ", transposed" if len(self.axes) == 2 else f", axes {self.axes}"
        return f"{self.key} = {self.name}{how if turned else ''}"


Matching = tuple[Pair, ...]

MOST = 16
"""Ways to turn square matrices that are all tried: of four; of more, none or all are turned."""


def matchings(
    params: Mapping[str, Array], module: nn.Module, names: Names | None
) -> tuple[list[Matching], bool]:
    """Return the ways to match all parameters, the likeliest first, and whether the names alone
    say which belongs to which.

    Raises
    ------
    ValueError
        They cannot be matched: the message says which, and what to pass.
    """
    own = {name: tuple(value.shape) for name, value in module.named_parameters()}
    given = {key: value if isinstance(value, tuple) else (value, "") for key, value in
             (names or {}).items()}  # fmt: skip  # a condition
    for key, (name, turned) in given.items():
        if key not in params:
            raise ValueError(f"names: params has no {key!r}; it has {', '.join(params)}")
        if name not in own:
            raise ValueError(f"names: the module has no {name!r}; it has {', '.join(own)}")
        if turned not in ("", "T"):
            raise ValueError(f"names: {key!r} is {(name, turned)}; expected a name or (name, 'T')")
    if len(params) != len(own):
        raise ValueError(
            f"params has {len(params)} arrays ({', '.join(params)}) and the module "
            f"{len(own)} parameters ({', '.join(own)}): they have to be as many"
        )
    chosen = {key: name for key, (name, _) in given.items()}
    chosen |= {key: key for key in params if key in own and key not in chosen}
    if len(set(chosen.values())) < len(chosen):
        raise ValueError("names: two arrays of params are one parameter of the module")
    is_named = len(chosen) == len(own)
    free = [name for name in own if name not in chosen.values()]
    for key in (key for key in params if key not in chosen):
        alike = [name for name in free if sorted(own[name]) == sorted(params[key].shape)]
        if not alike:
            left = ", ".join(f"{name} {own[name]}" for name in free)
            raise ValueError(
                f"{key} has shape {params[key].shape}, which none of {left} has: pass "
                f"names={{{key!r}: NAME}}"
            )
        chosen[key] = alike[0]
        free.remove(alike[0])
    shapes = [tuple(sorted(shape)) for shape in own.values()]
    is_certain = is_named or len(set(shapes)) == len(shapes)
    options = []
    for key, name in chosen.items():
        how = given[key][1] if key in given else None
        fitting = list(_orders(params[key].shape, own[name], how))
        if not fitting:
            raise ValueError(
                f"{key} has shape {params[key].shape}; the module's {name} has {own[name]}"
            )
        options.append([Pair(key, name, axes) for axes in fitting])
    ways = math.prod(map(len, options))
    if ways <= MOST:
        return list(product(*options)), is_certain
    return [tuple(pairs[i] for pairs in options) for i in (0, -1)], False


def _orders(
    shape: tuple[int, ...], wanted: tuple[int, ...], how: str | None
) -> Iterator[tuple[int, ...]]:
    """Yield the orders of axes that make `wanted` of `shape`: two of a square matrix of which
    nothing is said, where `how` is None; else one at most.
    """
    if how == "T":
        axes = tuple(reversed(range(len(shape))))
        if tuple(shape[a] for a in axes) == wanted:
            yield axes
        return
    fitting = [
        axes for axes in permutations(range(len(shape)))
        if tuple(shape[a] for a in axes) == wanted
    ]  # fmt: skip  # a condition
    yield from fitting if len(shape) == 2 and how is None else fitting[:1]
