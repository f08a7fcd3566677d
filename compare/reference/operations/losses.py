"""Losses that ATen has as one operation, and their backwards, written out in simpler ones."""

from typing import Any

import torch
from torch import Tensor

from compare.reference.operations.activations import log_of_one_and_exp
from compare.reference.operations.sums import either
from compare.reference.rounded import Rounded, value
from compare.reference.rules import form

NONE, MEAN, SUM = 0, 1, 2
"""ATen's numbers of reductions."""

LEAST_LOG = -100.0
"""Where binary_cross_entropy clamps its logarithms (torch's documentation)."""


def _reduced(terms: Any, reduction: int) -> Any:
    """Return the terms, their mean or their sum."""
    if reduction == NONE:
        return terms
    return terms.mean() if reduction == MEAN else terms.sum()


def _spread(g: Any, x: Any, reduction: int) -> Any:
    """Return what arrives at each term of a reduced loss."""
    return g / x.numel() if reduction == MEAN else g


def _sign(x: Any) -> Tensor:
    """Return the sign of what was selected in the forward pass."""
    return torch.sign(value(x))


@form("mse_loss")
def _mse(x: Any, t: Any, reduction: int = MEAN) -> Any:
    """(x - t)^2."""
    d = x - t
    return _reduced(d * d, reduction)


@form("mse_loss_backward")
def _mse_backward(g: Any, x: Any, t: Any, reduction: int) -> Any:
    """2 (x - t) g."""
    return (x - t) * 2 * _spread(g, x, reduction)


@form("l1_loss")
def _l1(x: Any, t: Any, reduction: int = MEAN) -> Any:
    """|x - t|."""
    return _reduced((x - t).abs(), reduction)


@form("smooth_l1_loss")
def _smooth_l1(x: Any, t: Any, reduction: int = MEAN, beta: float = 1.0) -> Any:
    """0.5 d^2 / beta where |d| < beta, else |d| - 0.5 beta; once differentiable in between."""
    d = x - t
    small = value(d).abs() < beta
    size = d * _sign(d)
    return _reduced(torch.where(small, d * d * (0.5 / beta), size - 0.5 * beta), reduction)


@form("smooth_l1_loss_backward")
def _smooth_l1_backward(g: Any, x: Any, t: Any, reduction: int, beta: float) -> Any:
    """g d / beta, or g sign(d)."""
    d = x - t
    small = value(d).abs() < beta
    return torch.where(small, d / beta, _sign(d)) * _spread(g, x, reduction)


@form("huber_loss")
def _huber(x: Any, t: Any, reduction: int = MEAN, delta: float = 1.0) -> Any:
    """0.5 d^2 where |d| < delta, else delta (|d| - 0.5 delta)."""
    d = x - t
    small = value(d).abs() < delta
    size = d * _sign(d)
    return _reduced(torch.where(small, d * d * 0.5, (size - 0.5 * delta) * delta), reduction)


@form("huber_loss_backward")
def _huber_backward(g: Any, x: Any, t: Any, reduction: int, delta: float) -> Any:
    """g d, or g delta sign(d)."""
    d = x - t
    small = value(d).abs() < delta
    return torch.where(small, d, _sign(d) * delta) * _spread(g, x, reduction)


@form("binary_cross_entropy")
def _bce(y: Any, t: Any, weight: Any = None, reduction: int = MEAN) -> Any:
    """-(t log y + (1 - t) log(1 - y)), the logarithms above -100."""
    first, second = y.log(), either((-y).log1p(), (1 - y).log())
    first = torch.where(value(first) < LEAST_LOG, LEAST_LOG, first)
    second = torch.where(value(second) < LEAST_LOG, LEAST_LOG, second)
    terms = -(first * t + second * (1 - t))
    return _reduced(terms if weight is None else terms * weight, reduction)


@form("binary_cross_entropy_backward")
def _bce_backward(g: Any, y: Any, t: Any, weight: Any = None, reduction: int = MEAN) -> Any:
    """g (y - t) / (y (1 - y)), or g (-t / y + (1 - t) / (1 - y))."""
    spread = _spread(g, y, reduction)
    spread = spread if weight is None else spread * weight
    denominator = y * (1 - y)
    denominator = torch.where(value(denominator) < 1e-12, 1e-12, denominator)  # as torch does
    return either((y - t) / denominator, (1 - t) / (1 - y) - t / y) * spread


@form("binary_cross_entropy_with_logits")
def _bce_logits(
    z: Any, t: Any, weight: Any = None, pos_weight: Any = None, reduction: int = MEAN
) -> Any:
    """z (1 - t) + softplus(-z), or max(z, 0) - z t + log(1 + exp(-|z|))."""
    rest = log_of_one_and_exp(-z)
    if pos_weight is not None:
        rest = rest * ((pos_weight - 1) * t + 1)
    terms = z * (1 - t) + rest
    size = torch.maximum(value(z), torch.zeros_like(value(z)))
    terms = either(terms, (size - z * t) + rest)
    return _reduced(terms if weight is None else terms * weight, reduction)


@form("binary_cross_entropy_with_logits_backward")
def _bce_logits_backward(
    g: Any, z: Any, t: Any, weight: Any = None, pos_weight: Any = None, reduction: int = MEAN
) -> Any:
    """g (sigmoid(z) - t)."""
    made = torch.sigmoid(z)
    if pos_weight is None:
        made = made - t
    else:
        of_target = t * pos_weight
        made = (of_target + 1 - t) * made - of_target
    made = made * _spread(g, z, reduction)
    return made if weight is None else made * weight


@form("nll_loss_forward", "nll_loss2d_forward")
def _nll(y: Any, t: Tensor, weight: Any, reduction: int, ignore_index: int) -> tuple[Any, Any]:
    """-w_t y_t, their sum, or it by the sum of w_t."""
    taken, weights = _targets(y, t, weight, ignore_index)
    terms = -(taken * weights)
    total = weights.sum()
    if reduction == NONE:
        return terms, _rounded(torch.zeros((), dtype=torch.float64))
    summed = terms.sum()
    return (summed / total if reduction == MEAN else summed), _rounded(total)


def _rounded(x: Any) -> Any:
    return x if isinstance(x, Rounded) else Rounded(x, 0.0)


def _targets(y: Any, t: Tensor, weight: Any, ignore_index: int) -> tuple[Any, Any]:
    """Return y of each target, and its weight, 0 for those to be ignored."""
    dim = 1 if y.dim() > 1 else 0
    kept = t != ignore_index
    place = torch.where(kept, t, 0)
    taken = y.gather(dim, place.unsqueeze(dim)).squeeze(dim)
    taken = torch.where(kept, taken, 0.0)
    if weight is None:
        return taken, kept.double()
    return taken, torch.where(kept, weight[place], 0.0)


@form("nll_loss_backward", "nll_loss2d_backward")
def _nll_backward(
    g: Any, y: Any, t: Tensor, weight: Any, reduction: int, ignore_index: int, total: Any
) -> Any:
    """-g w_t at the target, 0 elsewhere."""
    _, weights = _targets(y, t, weight, ignore_index)
    at = -(weights * g)
    if reduction == MEAN:
        at = at / total
    dim = 1 if y.dim() > 1 else 0
    place = torch.where(t != ignore_index, t, 0).unsqueeze(dim)
    at = at.expand(t.shape) if at.shape != t.shape else at
    return torch.zeros_like(value(y)).scatter(dim, place, at.unsqueeze(dim))
