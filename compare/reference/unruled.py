"""What has no rule is measured: by how much an operation scatters where its operands do."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

RUNS = 8
"""Draws; the root mean square of eight is known to a quarter."""

STEP = 2.0**-30
"""Relative size of a perturbation: above float64's rounding by 2^23, below where it is curved."""


def measured(
    call: Callable[[Sequence[Any]], Sequence[Tensor]],
    values: Sequence[Any],
    errors: Sequence[Tensor | None],
    results: Sequence[Tensor],
) -> list[Tensor]:
    """Return the E^2 of `results`, which `call` gave of `values`, before they are rounded.

    Each operand is moved by STEP times its own error and, as one that was rounded, its own size,
    with random signs:

        E^2 = mean over the draws of ((f(x + STEP s hypot(Ex, x)) - f(x)) / STEP)^2

    What is no tensor of floating-point numbers stays.
    """
    generator = torch.Generator().manual_seed(0)

    def moved(x: Any, e2: Tensor | None) -> Any:
        if not (isinstance(x, Tensor) and x.is_floating_point()):
            return x
        signs = torch.randint(0, 2, x.shape, generator=generator).to(x.device) * 2.0 - 1
        return x + STEP * signs * ((0.0 if e2 is None else e2) + x * x).sqrt()

    squares = [torch.zeros_like(x) for x in results]
    for _ in range(RUNS):
        drawn = call([moved(x, e2) for x, e2 in zip(values, errors, strict=True)])
        for square, x, right in zip(squares, drawn, results, strict=True):
            square += ((x - right) / STEP) ** 2 / RUNS
    return squares
