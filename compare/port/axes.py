"""The orders of axes in which one array is another."""

import math
from collections.abc import Iterator
from itertools import permutations

Shape = tuple[int, ...]

LAYOUTS = ((3, 2, 0, 1), (2, 3, 0, 1), (3, 0, 1, 2), (0, 3, 1, 2))
"""Orders of the axes of an image's weights or of images, tried before others: (h, w, C, F) and
(h, w, F, C), (C, h, w, F) and (F, h, w, C), each as torch's (F, C, h, w)."""


def orders(shape: Shape, wanted: Shape, how: str | None) -> Iterator[Shape]:
    """Yield the orders of axes that make `wanted` of `shape`, the likeliest first.

    Where `how` says whether it is transposed, or nothing is to choose, one at most.
    """
    ways = [tuple(range(len(shape))), *permutations(range(len(shape)))]
    if how == "T":
        ways = [tuple(reversed(ways[0]))]
    elif len(shape) == 4:
        ways[1:1] = LAYOUTS
    fitting = dict.fromkeys(axes for axes in ways if _fits([shape[a] for a in axes], wanted))
    yield from [*fitting][: 1 if how is not None or sum(n > 1 for n in shape) < 2 else 2]


def _fits(turned: list[int], wanted: Shape) -> bool:
    """Whether they differ by axes of 1, or by those of an image's weights that lie in one."""
    if [n for n in turned if n > 1] == [n for n in wanted if n > 1]:
        return True
    joined = [wanted[0], math.prod(wanted[1:])] if len(wanted) > 2 else list(wanted)
    return turned == joined
