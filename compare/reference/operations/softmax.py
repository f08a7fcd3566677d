"""Softmax, its logarithm, and their backwards."""

import torch
from torch import Tensor

from compare.reference.context import current
from compare.reference.formats import LEAST
from compare.reference.rules import Squares, errors
from compare.reference.values import Value, own, through

# y = exp(z - m) / sum: relative to y_j, z_j brings (1 - y_j) Ez and z_k brings y_k Ez, so that a y
# of almost 1 is hardly moved; the shift by the maximum m rounds z - m; the exponentials err by 1
# each, C of them are added up, and the quotient rounds once.


def _relative2(z: Value, y: Tensor, dim: int) -> Tensor:
    """Return E^2 of softmax relative to itself, m the maximum of C classes.

        (1 - 2 y) (Ez^2 + (z - m)^2) + sum y^2 (Ez^2 + (z - m)^2) + 1 + C

    The sum of C exponentials errs by up to sqrt(C) u, in every row alike while logits are small.
    """
    shift = z.v - z.v.amax(dim, keepdim=True)
    arriving = torch.where(y > 0, through(1, z) + shift * shift, 0.0)  # a score of -inf is out
    moved = (1 - 2 * y) * arriving + (y * y * arriving).sum(dim, keepdim=True)
    return moved.clamp_min(0.0) + 1 + y.shape[dim]


@errors("_softmax")
def _softmax(o: Tensor, z: Value, dim: int, half: bool) -> Squares:
    """E^2 = y^2 times that of `_relative2`, and y^2."""
    return o * o * _relative2(z, o, dim) + own(o)


@errors("_safe_softmax")
def _safe_softmax(o: Tensor, z: Value, dim: int, dtype: object = None) -> Squares:
    """As `_softmax`; 0 in a row that is masked altogether."""
    return torch.where((z.v > -torch.inf).any(dim, keepdim=True), _softmax(o, z, dim, False), 0.0)


@errors("_log_softmax")
def _log_softmax(o: Tensor, z: Value, dim: int, half: bool) -> Squares:
    """E^2 of `_relative2`, as log softmax has it; z^2 + lse^2 of z - lse, o^2, and (floor / y)^2.

    The logarithm of a softmax y that is no normal number has lost digits before it is taken.
    """
    lse, y = z.v - o, o.exp()
    lost = current().format.floor2 / (y * y).clamp_min(LEAST)
    return _relative2(z, y, dim) + z.v * z.v + lse * lse + own(o) + lost


@errors("_softmax_backward_data")
def _softmax_backward(o: Tensor, g: Value, y: Value, dim: int, _: object) -> Squares:
    """y (g - s), s = sum g y of C terms; y g and y s are rounded, too.

    What arrives, A = Eg^2 + ((g - s) Ey / y)^2, stands in g_j - s and in s as in `_relative2`:

        E^2 = y^2 ((1 - 2 y) A + sum y^2 A + C sum (g y)^2 + s^2) + (y g)^2 + (y s)^2 + o^2
    """
    gy = g.v * y.v
    s = gy.sum(dim, keepdim=True)
    y2 = y.v * y.v
    arriving = through(y.v, g) + through(g.v - s, y)  # y^2 A
    moved = (1 - 2 * y.v) * arriving + y2 * (arriving + 0.0 * y2).sum(dim, keepdim=True)
    added = y.v.shape[dim] * (gy * gy).sum(dim, keepdim=True) + s * s
    ys = y.v * s
    return moved.clamp_min(0.0) + y2 * added + gy * gy + ys * ys + own(o)


@errors("_log_softmax_backward_data")
def _log_softmax_backward(o: Tensor, g: Value, y: Value, dim: int, _: object) -> Squares:
    """g - p s, p = exp(y), s = sum g.

    E^2 = Eg^2 + p^2 sum (Eg^2 + C g^2) + (p s Ey)^2 + g^2 + 2 (p s)^2 + o^2; where g has one
    element a row other than 0, as from a target, its sum is exact.
    """
    p, s = y.v.exp(), g.v.sum(dim, keepdim=True)
    several = (g.v != 0).sum(dim, keepdim=True) > 1
    terms = through(1, g) + several * y.v.shape[dim] * g.v * g.v
    Es2 = torch.as_tensor(terms).sum(dim, keepdim=True)
    ps = p * s
    of_p = torch.where(ps != 0, torch.as_tensor(through(ps, y)), 0.0)
    return through(1, g) + p * p * Es2 + of_p + g.v * g.v + 2 * ps * ps + own(o)


@errors("logsumexp")
def _logsumexp(o: Tensor, z: Value, dim: list[int], keepdim: bool = False) -> Squares:
    """E^2 = sum (y Ez)^2 + sum y^2 (z - m)^2 + 1 + C + m^2 + o^2."""
    dims = [dim] if isinstance(dim, int) else list(dim)
    kept = torch.logsumexp(z.v, dims, keepdim=True)
    y = (z.v - kept).exp()
    m = z.v.amax(dims, keepdim=True)
    shift = torch.where(y > 0, z.v - m, 0.0)
    arriving = (y * y * (through(1, z) + shift * shift)).sum(dims, keepdim=True)
    count = y.numel() / max(1, kept.numel())
    e2 = arriving + 1 + count + m * m
    return e2.reshape(o.shape) + own(o)
