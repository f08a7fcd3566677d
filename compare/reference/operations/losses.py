"""Losses that ATen has as one operation, and their backwards, written out in simpler ones."""

import torch
from torch import Tensor

from compare.reference.operations.activations import log_of_one_and_exp
from compare.reference.operations.sums import either
from compare.reference.rules import form
from compare.reference.values import Value, chosen

NONE, MEAN, SUM = 0, 1, 2
"""ATen's numbers of reductions."""

LEAST_LOG = -100.0
"""Where binary_cross_entropy clamps its logarithms (torch's documentation)."""


def _reduced(terms: Value, reduction: int) -> Value:
    """Return the terms, their mean or their sum."""
    if reduction == NONE:
        return terms
    return terms.mean() if reduction == MEAN else terms.sum()


def _spread(g: Value, x: Value, reduction: int) -> Value:
    """Return what arrives at each term of a reduced loss."""
    return g / x.v.numel() if reduction == MEAN else g


def _sign(x: Value) -> Value:
    """Return the sign of what was selected in the forward pass."""
    return Value(torch.sign(x.v), None)


@form("mse_loss", of_values=True)
def _mse(x: Value, t: Value, reduction: int = MEAN) -> Value:
    """(x - t)^2."""
    d = x - t
    return _reduced(d * d, reduction)


@form("mse_loss_backward", of_values=True)
def _mse_backward(g: Value, x: Value, t: Value, reduction: int) -> Value:
    """2 (x - t) g."""
    return (x - t) * 2 * _spread(g, x, reduction)


@form("l1_loss", of_values=True)
def _l1(x: Value, t: Value, reduction: int = MEAN) -> Value:
    """|x - t|."""
    return _reduced((x - t).map("abs"), reduction)


@form("smooth_l1_loss", of_values=True)
def _smooth_l1(x: Value, t: Value, reduction: int = MEAN, beta: float = 1.0) -> Value:
    """0.5 d^2 / beta where |d| < beta, else |d| - 0.5 beta; once differentiable in between."""
    d = x - t
    small = d.v.abs() < beta
    size = d * _sign(d)
    return _reduced(chosen(small, d * d * (0.5 / beta), size - 0.5 * beta), reduction)


@form("smooth_l1_loss_backward", of_values=True)
def _smooth_l1_backward(g: Value, x: Value, t: Value, reduction: int, beta: float) -> Value:
    """g d / beta, or g sign(d)."""
    d = x - t
    small = d.v.abs() < beta
    return chosen(small, d / beta, _sign(d)) * _spread(g, x, reduction)


@form("huber_loss", of_values=True)
def _huber(x: Value, t: Value, reduction: int = MEAN, delta: float = 1.0) -> Value:
    """0.5 d^2 where |d| < delta, else delta (|d| - 0.5 delta)."""
    d = x - t
    small = d.v.abs() < delta
    size = d * _sign(d)
    return _reduced(chosen(small, d * d * 0.5, (size - 0.5 * delta) * delta), reduction)


@form("huber_loss_backward", of_values=True)
def _huber_backward(g: Value, x: Value, t: Value, reduction: int, delta: float) -> Value:
    """g d, or g delta sign(d)."""
    d = x - t
    small = d.v.abs() < delta
    return chosen(small, d, _sign(d) * delta) * _spread(g, x, reduction)


@form("binary_cross_entropy", of_values=True)
def _bce(y: Value, t: Value, weight: Value | None = None, reduction: int = MEAN) -> Value:
    """-(t log y + (1 - t) log(1 - y)), the logarithms above -100."""
    first, second = y.map("log"), either((-y).map("log1p"), (1 - y).map("log"))
    first = chosen(first.v < LEAST_LOG, LEAST_LOG, first)
    second = chosen(second.v < LEAST_LOG, LEAST_LOG, second)
    terms = -(first * t + second * (1 - t))
    return _reduced(terms if weight is None else terms * weight, reduction)


@form("binary_cross_entropy_backward", of_values=True)
def _bce_backward(
    g: Value, y: Value, t: Value, weight: Value | None = None, reduction: int = MEAN
) -> Value:
    """g (y - t) / (y (1 - y)), or g (-t / y + (1 - t) / (1 - y))."""
    spread = _spread(g, y, reduction)
    spread = spread if weight is None else spread * weight
    denominator = y * (1 - y)
    denominator = chosen(denominator.v < 1e-12, 1e-12, denominator)  # as torch does
    return either((y - t) / denominator, (1 - t) / (1 - y) - t / y) * spread


@form("binary_cross_entropy_with_logits", of_values=True)
def _bce_logits(
    z: Value,
    t: Value,
    weight: Value | None = None,
    pos_weight: Value | None = None,
    reduction: int = MEAN,
) -> Value:
    """z (1 - t) + softplus(-z), or max(z, 0) - z t + log(1 + exp(-|z|))."""
    rest = log_of_one_and_exp(-z)
    if pos_weight is not None:
        rest = rest * ((pos_weight - 1) * t + 1)
    terms = z * (1 - t) + rest
    size = Value(z.v.clamp_min(0.0), None)
    terms = either(terms, (size - z * t) + rest)
    return _reduced(terms if weight is None else terms * weight, reduction)


@form("binary_cross_entropy_with_logits_backward", of_values=True)
def _bce_logits_backward(
    g: Value,
    z: Value,
    t: Value,
    weight: Value | None = None,
    pos_weight: Value | None = None,
    reduction: int = MEAN,
) -> Value:
    """g (sigmoid(z) - t)."""
    made = z.map("sigmoid")
    if pos_weight is None:
        made = made - t
    else:
        of_target = t * pos_weight
        made = (of_target + 1 - t) * made - of_target
    made = made * _spread(g, z, reduction)
    return made if weight is None else made * weight


@form("nll_loss_forward", "nll_loss2d_forward", of_values=True)
def _nll(
    y: Value, t: Tensor, weight: Value | None, reduction: int, ignore_index: int
) -> tuple[Value, Value]:
    """-w_t y_t, their sum, or it by the sum of w_t."""
    dim, place, kept = _targets(y, t, ignore_index)
    taken = y.moved(lambda v: torch.where(kept, v.gather(dim, place).squeeze(dim), 0.0))
    weights = _weights(weight, place.squeeze(dim), kept)
    terms = -(taken * weights)
    if reduction == NONE:
        return terms, Value(torch.zeros((), dtype=torch.float64), None)
    total = Value(weights.v.sum(), None) if weight is None else weights.sum()
    summed = terms.sum()
    return (summed / total if reduction == MEAN else summed), total


def _targets(y: Value, t: Tensor, ignore_index: int) -> tuple[int, Tensor, Tensor]:
    """Return the dimension of the classes, the place of each target in it, and which count."""
    dim = 1 if y.v.dim() > 1 else 0
    kept = t != ignore_index
    return dim, torch.where(kept, t, 0).unsqueeze(dim), kept


def _weights(weight: Value | None, place: Tensor, kept: Tensor) -> Value:
    """Return the weight of each target, 0 for those to be ignored."""
    if weight is None:
        return Value(kept.double(), None)
    return weight.moved(lambda v: torch.where(kept, v[place], 0.0))


@form("nll_loss_backward", "nll_loss2d_backward", of_values=True)
def _nll_backward(
    g: Value,
    y: Value,
    t: Tensor,
    weight: Value | None,
    reduction: int,
    ignore_index: int,
    total: Value,
) -> Value:
    """-g w_t at the target, 0 elsewhere."""
    dim, place, kept = _targets(y, t, ignore_index)
    at = -(_weights(weight, place.squeeze(dim), kept) * g)
    if reduction == MEAN:
        at = at / total
    zeros = torch.zeros_like(y.v)
    return at.moved(lambda v: zeros.scatter(dim, place, v.expand(t.shape).unsqueeze(dim)))
