"""Sums over dimensions, and what is made of them: mean, variance, norm, product, running sums."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from compare.reference.added import by_rows, multiplicity
from compare.reference.context import current
from compare.reference.rules import Squares, errors, form
from compare.reference.values import Value, largest, own, through


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


@form("sum", of_values=True)
def _sum(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """E^2 = sum m Ex^2 + E^2 of `by_rows`, m of `multiplicity`."""
    if not isinstance(x, Value):
        return torch.ops.aten.sum.dim_IntList(x, dim, keepdim, dtype=dtype)
    reduced = _reduced(x.v, dim)
    o = torch.ops.aten.sum.dim_IntList(x.v, dim, keepdim)
    terms, _ = rows_of(x.v, reduced)
    e2 = by_rows(terms)
    if x.e2 is not None:
        arriving, _ = rows_of(x.e2, reduced)
        m = multiplicity(terms, arriving)
        e2 = e2 + (arriving if m is None else arriving * m).sum(0)
    e2 = e2.reshape(o.shape) + current().format.floor2
    return Value(o, e2, x.is_weight)


@form("mean", of_values=True)
def _mean(x: Value, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    """Return the sum, by the number of what was added up."""
    total = x.sum(dim, keepdim)
    n: float = x.v.numel() / max(1, total.v.numel())
    return total / n


def variance(x: Value, dim: Any, keepdim: bool, correction: float) -> tuple[Value, Value]:
    """Return variance and mean, of which two forms are right: in two passes, or in one.

    sum (x - mean)^2 / n,   n / (n - c) (mean(x^2) - mean^2)
    """
    mean = x.mean(dim, True)
    n: float = x.v.numel() / mean.v.numel()
    d = x - mean

    def in_one(x: Value) -> Value:
        mean = x.mean(dim, True)
        return ((x * x).mean(dim, True) - mean * mean) * (n / (n - correction))

    two = rewritten((d * d).sum(dim, True) / (n - correction), in_one, x)
    if keepdim:
        return two, mean
    shape = [n for i, n in enumerate(x.shape) if i not in _reduced(x.v, dim)]
    return two.reshape(shape), mean.reshape(shape)


def either(first: Value, *others: Value) -> Value:
    """Return `first` with the largest E of several forms of it that are right."""
    e2 = largest(*(0.0 if x.e2 is None else x.e2 for x in (first, *others)))
    return Value(first.v, e2, first.is_weight)


def rewritten(first: Value, other: Callable[..., Value], *operands: Value | None) -> Value:
    """Return `first`, with the errors that `other`, the same in another form, makes by itself.

    The errors of the operands arrive by the same derivative in both. Where an operand stands twice
    in a form, their parts would be taken for independent, and would not cancel.
    """
    made = other(*(x if x is None else Value(x.v, None) for x in operands))
    return Value(first.v, first.e2 + made.e2, first.is_weight)


@form("var", of_values=True)
def _var(x: Value, dim: Any = None, *args: Any, **kwargs: Any) -> Any:
    """See `variance`."""
    return _spread(x, dim, *args, **kwargs)[0]


@form("std", of_values=True)
def _std(x: Value, dim: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return the root of the variance."""
    return _spread(x, dim, *args, **kwargs)[0].map("sqrt")


@form("var_mean", of_values=True)
def _var_mean(x: Value, dim: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return variance and mean."""
    return _spread(x, dim, *args, **kwargs)


@form("std_mean", of_values=True)
def _std_mean(x: Value, dim: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return the root of the variance, and the mean."""
    var, mean = _spread(x, dim, *args, **kwargs)
    return var.map("sqrt"), mean


def _spread(
    x: Value, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, **kwargs: Any
) -> tuple[Value, Value]:
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
        return (x * x).sum(dim, keepdim).sqrt()
    if ord in (1, 1.0):
        return x.abs().sum(dim, keepdim)
    if ord in (float("inf"), float("-inf")):
        reduced = _reduced(x, dim)
        return x.abs().amax(reduced, keepdim) if ord > 0 else x.abs().amin(reduced, keepdim)
    if ord == 0:
        return (x != 0).double().sum(dim, keepdim)
    return (x.abs() ** ord).sum(dim, keepdim) ** (1 / ord)
