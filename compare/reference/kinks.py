"""Where an operation selects by a margin that rounding may turn over, and for which samples."""

from torch import Tensor

from compare.reference.allowed import C
from compare.reference.context import Kink, current
from compare.reference.formats import LEAST
from compare.reference.rules import Squares

EXACT = 1e6
"""Floors: as many as sums over a thousand rows add up to."""


def note(operation: str, margin: Tensor, e2: Squares) -> None:
    """Note the elements whose `margin` lies within C u E of 0, E^2 = `e2` that of the margin.

    An exact 0 without an error (a blank image without biases) is no kink: it tests what the
    operation does at 0. An error of some floors of the format is none.
    """
    if not isinstance(e2, Tensor):
        return
    context = current()
    near2 = (C * context.format.u) ** 2 * e2
    close = margin * margin <= near2
    if not close.is_meta and bool(close.any()):
        close &= (margin != 0) | (e2 > EXACT * context.format.floor2)
    if close.is_meta or not bool(close.any()):
        return
    here, samples = context.here(operation), _samples(close, context.rows)
    least = (margin * margin / e2.clamp_min(LEAST))[close].min().sqrt() / context.format.u
    context.kinks.append(Kink(here.module, operation, samples, int(close.sum()), float(least)))


def _samples(close: Tensor, rows: int | None) -> tuple[int, ...] | None:
    """Return which samples `close` is true of: along the dimension that has as many."""
    if rows is None:
        return None
    if rows in close.shape:
        dim = close.shape.index(rows)
        others = close.movedim(dim, 0).reshape(rows, -1)
    elif close.dim() and close.shape[0] % rows == 0:
        others = close.reshape(rows, -1)  # samples and steps in one dimension, samples outermost
    else:
        return None
    return tuple(others.any(1).nonzero().flatten().tolist())
