"""Operations that select: relu, maximum, clamp, abs, comparisons; each may stand on a kink."""

from typing import Any

import torch
from torch import Tensor

from compare.reference.kinks import note
from compare.reference.rules import Squares, errors
from compare.reference.values import Value, through


def _difference2(x: Value, y: Value) -> Squares:
    return through(1, x) + through(1, y)


@errors("relu")
def _relu(o: Tensor, x: Value) -> Squares:
    """E = Ex where x > 0, else 0: a comparison is exact."""
    note("relu", x.v, through(1, x))
    return through(x.v > 0, x)


@errors("threshold")
def _threshold(o: Tensor, x: Value, threshold: Value, value: Value) -> Squares:
    """E = Ex above the threshold, else 0."""
    note("threshold", x.v - threshold.v, through(1, x))
    return through(x.v > threshold.v, x)


@errors("threshold_backward")
def _threshold_backward(o: Tensor, g: Value, x: Value, threshold: Value) -> Squares:
    """E = Eg above the threshold, else 0."""
    return through(x.v > threshold.v, g)


@errors("abs")
def _abs(o: Tensor, x: Value) -> Squares:
    """E = Ex."""
    note("abs", x.v, through(1, x))
    return through(1, x)


@errors("sign", "sgn")
def _sign(o: Tensor, x: Value) -> Squares:
    """Exact, away from 0."""
    note("sign", x.v, through(1, x))
    return 0.0 * o


@errors("floor", "ceil", "round", "trunc")
def _whole(o: Tensor, x: Value, *_: Any, **__: Any) -> Squares:
    """Exact, away from where it jumps: at whole numbers, in round half way between them."""
    note(
        "floor",
        torch.minimum((x.v - x.v.round()).abs(), 0.5 - (x.v - x.v.round()).abs()),
        through(1, x),
    )
    return 0.0 * o


@errors("remainder", "fmod")
def _remainder(o: Tensor, x: Value, y: Value) -> Squares:
    """x - k y with k whole: E^2 = Ex^2 + (k Ey)^2; exact but for what arrives."""
    note("remainder", torch.minimum(o.abs(), (o - y.v).abs()), _difference2(x, y))
    return through(1, x) + through(torch.as_tensor((x.v - o) / y.v).round(), y) + 0.0 * o


@errors("maximum", "fmax")
def _maximum(o: Tensor, x: Value, y: Value) -> Squares:
    """E is that of the larger; of both, where they are equal."""
    note("maximum", x.v - y.v, _difference2(x, y))
    return through(x.v >= y.v, x) + through(y.v > x.v, y) + 0.0 * o


@errors("minimum", "fmin")
def _minimum(o: Tensor, x: Value, y: Value) -> Squares:
    """E is that of the smaller."""
    note("minimum", x.v - y.v, _difference2(x, y))
    return through(x.v <= y.v, x) + through(y.v < x.v, y) + 0.0 * o


@errors("clamp", "hardtanh")
def _clamp(o: Tensor, x: Value, low: Value | None = None, high: Value | None = None) -> Squares:
    """E = Ex between the bounds, else that of the bound."""
    e2: Squares = through(1, x)
    for bound, beyond in ((low, torch.lt), (high, torch.gt)):
        if bound is not None:
            note("clamp", x.v - bound.v, _difference2(x, bound))
            e2 = torch.where(beyond(x.v, bound.v), torch.as_tensor(through(1, bound)), e2)
    return e2


@errors("clamp_min")
def _clamp_min(o: Tensor, x: Value, low: Value) -> Squares:
    """E = Ex above the bound."""
    return _clamp(o, x, low)


@errors("clamp_max")
def _clamp_max(o: Tensor, x: Value, high: Value) -> Squares:
    """E = Ex below the bound."""
    return _clamp(o, x, None, high)


@errors("hardtanh_backward")
def _hardtanh_backward(o: Tensor, g: Value, x: Value, low: Value, high: Value) -> Squares:
    """E = Eg between the bounds, else 0."""
    return through((x.v > low.v) & (x.v < high.v), g)


@errors("gt", "ge", "lt", "le", "eq", "ne")
def _compared(o: Tensor, x: Value, y: Value) -> Squares:
    """A truth value: exact, away from where both are equal."""
    note("comparison", x.v - y.v, _difference2(x, y))
    return 0.0


@errors("amax", "amin")
def _extreme(o: Tensor, x: Value, dim: Any = (), keepdim: bool = False) -> Squares:
    """E is that of the element taken, the largest of those that are equal."""
    dims = list(range(x.v.dim())) if not dim else [dim] if isinstance(dim, int) else list(dim)
    kept = o if keepdim or not x.v.dim() else o.reshape(_kept(x.v, dims))
    taken = x.v == kept
    _second("amax", x, kept, taken, dims)
    e2 = torch.as_tensor(through(taken, x)) + 0.0 * x.v
    return torch.amax(e2, dims, keepdim)


def _kept(x: Tensor, dims: list[int]) -> list[int]:
    reduced = {d % x.dim() for d in dims}
    return [1 if d in reduced else n for d, n in enumerate(x.shape)]


def _second(name: str, x: Value, kept: Tensor, taken: Tensor, dims: list[int]) -> None:
    """Note where another element comes as close as rounding: both errors stand in the margin."""
    if x.e2 is None:
        return
    margin = (x.v - kept).abs()
    best = torch.amax(torch.where(taken, x.e2, torch.zeros_like(x.e2)), dims, keepdim=True)
    note(name, torch.where(taken, torch.full_like(margin, torch.inf), margin), x.e2 + best)


@errors("max", "min")
def _max(o: Any, x: Value, dim: Any = None, keepdim: bool = False) -> Any:
    """E is that of the element taken; with a dimension, (values, indices)."""
    if isinstance(o, Tensor):
        return _maximum(o, x, dim) if isinstance(dim, Value) else _extreme(o, x)
    values, indices = o
    kept, at = (values, indices) if keepdim else (values.unsqueeze(dim), indices.unsqueeze(dim))
    _second("max", x, kept, torch.zeros_like(x.v, dtype=torch.bool).scatter(dim, at, True), [dim])
    taken = torch.zeros_like(at, dtype=x.v.dtype) if x.e2 is None else x.e2.gather(dim, at)
    return (taken if keepdim else taken.squeeze(dim)), None


@errors("sort", "topk")
def _sorted(o: Any, x: Value, *args: Any, **kwargs: Any) -> Any:
    """Each value keeps its E; neighbours that are close may change places."""
    values, indices = o
    dim = args[-2] if len(args) >= 2 else args[-1] if len(args) == 1 and kwargs == {} else -1
    dim = dim if isinstance(dim, int) and values.shape == indices.shape and dim < x.v.dim() else -1
    if x.e2 is None:
        return torch.zeros_like(values), None
    e2 = x.e2.gather(dim, indices)
    note(
        "sort",
        values.diff(dim=dim),
        e2.narrow(dim, 1, e2.shape[dim] - 1) + e2.narrow(dim, 0, e2.shape[dim] - 1),
    )
    return e2, None


@errors("argmax", "argmin")
def _argmax(o: Tensor, x: Value, dim: int | None = None, keepdim: bool = False) -> Squares:
    """An index: exact, away from where two are equal."""
    flat, along = (x.v.flatten(), 0) if dim is None else (x.v, dim)
    if x.e2 is not None and flat.shape[along] > 1:
        two = torch.topk(flat, 2, along)
        e2 = (x.e2.flatten() if dim is None else x.e2).gather(along, two.indices).sum(along)
        note("argmax", two.values.diff(dim=along).squeeze(along), e2)
    return 0.0
