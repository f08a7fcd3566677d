"""Sums over dimensions, and what is made of them: mean, variance, norm, product, running sums."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from compare.reference.added import by_rows, multiplicity
from compare.reference.context import current
from compare.reference.rounded import Rounded, value
from compare.reference.rules import Squares, Value, errors, form, largest, own, through


def _reduced(x: Tensor, dims: Any) -> list[int]:
    """Return the dimensions that are added up, all for none named."""
    if dims is None or (not isinstance(dims, int) and len(dims) == 0):
        return list(range(x.dim()))
    return [d % max(1, x.dim()) for d in ([dims] if isinstance(dims, int) else dims)]


def rows_of(x: Tensor, reduced: list[int]) -> tuple[Tensor, list[int]]:
    """Return `x` as (what is added up, all else), and the shape of all else."""
    kept = [d for d in range(x.dim()) if d not in reduced]
    shape = [x.shape[d] for d in kept]
    n = 1
    for d in reduced:
        n *= x.shape[d]
    return x.permute(*reduced, *kept).reshape(n, -1), shape


@form("sum")
def _sum(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """E^2 = sum m Ex^2 + E^2 of `by_rows`, m of `multiplicity`."""
    v = value(x)
    if not v.is_floating_point():
        return torch.ops.aten.sum.dim_IntList(v, dim, keepdim, dtype=dtype)
    reduced = _reduced(v, dim)
    o = torch.ops.aten.sum.dim_IntList(v, dim, keepdim)
    terms, _ = rows_of(v, reduced)
    e2 = by_rows(terms)
    if isinstance(x, Rounded) and x.e2 is not None:
        arriving, _ = rows_of(x.e2, reduced)
        m = multiplicity(terms, arriving)
        e2 = e2 + (arriving if m is None else arriving * m).sum(0)
    e2 = e2.reshape(o.shape) + current().format.floor2
    return Rounded(o, e2, is_weight=isinstance(x, Rounded) and x.is_weight)


@form("mean")
def _mean(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the sum, by the number of what was added up."""
    total = _sum(x, dim, keepdim)
    return total / (x.numel() / max(1, total.numel()))


def variance(x: Any, dim: Any, keepdim: bool, correction: float) -> tuple[Any, Any]:
    """Return variance and mean, of which two forms are right: in two passes, or in one.

    sum (x - mean)^2 / n,   n / (n - c) (mean(x^2) - mean^2)
    """
    mean = _mean(x, dim, True)
    n = x.numel() / mean.numel()
    d = x - mean

    def in_one(x: Any) -> Any:
        mean = _mean(x, dim, True)
        return (_mean(x * x, dim, True) - mean * mean) * (n / (n - correction))

    two = rewritten(_sum(d * d, dim, True) / (n - correction), in_one, x)
    if keepdim:
        return two, mean
    shape = [n for i, n in enumerate(x.shape) if i not in _reduced(x, dim)]
    return two.reshape(shape), mean.reshape(shape)


def either(first: Any, *others: Any) -> Any:
    """Return `first` with the largest E of several forms of it that are right."""
    if not isinstance(first, Rounded):
        return first
    e2 = largest(*(0.0 if x.e2 is None else x.e2 for x in (first, *others)))
    return Rounded(first.v, e2, is_weight=first.is_weight)


def rewritten(first: Any, other: Callable[..., Any], *operands: Any) -> Any:
    """Return `first`, with the errors that `other`, the same in another form, makes by itself.

    The errors of the operands arrive by the same derivative in both. Where an operand stands twice
    in a form, their parts would be taken for independent, and would not cancel.
    """
    if not isinstance(first, Rounded) or first.e2 is None:
        return first
    made = other(*(Rounded(x.v, None) if isinstance(x, Rounded) else x for x in operands))
    own2 = 0.0 if made.e2 is None else made.e2
    return Rounded(first.v, first.e2 + own2, is_weight=first.is_weight)


@form("var")
def _var(x: Tensor, dim: Any = None, *args: Any, **kwargs: Any) -> Any:
    """See `variance`."""
    return _spread(x, dim, *args, **kwargs)[0]


@form("std")
def _std(x: Tensor, dim: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return the root of the variance."""
    return _spread(x, dim, *args, **kwargs)[0].sqrt()


@form("var_mean")
def _var_mean(x: Tensor, dim: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return variance and mean."""
    return _spread(x, dim, *args, **kwargs)


@form("std_mean")
def _std_mean(x: Tensor, dim: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return the root of the variance, and the mean."""
    var, mean = _spread(x, dim, *args, **kwargs)
    return var.sqrt(), mean


def _spread(
    x: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, **kwargs: Any
) -> tuple[Any, Any]:
    """Read the arguments of three overloads."""
    if isinstance(dim, bool):  # var(x, unbiased)
        dim, unbiased = None, dim
    correction = kwargs.get("correction")
    if "unbiased" in kwargs:
        unbiased = kwargs["unbiased"]
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return variance(x, dim, kwargs.get("keepdim", keepdim), float(correction))


@errors("cumsum")
def _cumsum(o: Tensor, x: Value, dim: int, **_: Any) -> Squares:
    """E^2 = sum_(i <= k) (Ex^2 + S_i^2), errors of equal elements as they come."""
    arriving = through(1, x)
    return torch.cumsum(arriving + own(o), dim)


@errors("prod")
def _prod(o: Tensor, x: Value, dim: int | None = None, keepdim: bool = False, **_: Any) -> Squares:
    """E^2 = o^2 (n + sum (Ex / x)^2)."""
    dims = _reduced(x.v, dim)
    n = x.v.numel() / max(1, o.numel())
    relative = through(1 / x.v, x)
    arriving = torch.as_tensor(relative).expand(x.v.shape).sum(dims, keepdim=keepdim)
    return n * own(o) + o * o * arriving


@form("linalg_vector_norm", "norm")
def _norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
    """Return (sum |x|^p)^(1/p)."""
    if ord in (None, 2, 2.0):
        return _sum(x * x, dim, keepdim).sqrt()
    if ord in (1, 1.0):
        return _sum(x.abs(), dim, keepdim)
    if ord in (float("inf"), float("-inf")):
        reduced = _reduced(x, dim)
        return x.abs().amax(reduced, keepdim) if ord > 0 else x.abs().amin(reduced, keepdim)
    if ord == 0:
        return _sum((x != 0).double(), dim, keepdim)
    return _sum(x.abs() ** ord, dim, keepdim) ** (1 / ord)
