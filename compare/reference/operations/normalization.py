"""Batch, layer, group and RMS normalization and their backwards, written out in simpler operations.

Two forms of each are right: (x - mean) r gamma + beta, and folded, x (gamma r) + (beta - mean gamma
r); the variance in two passes or in one. Backwards, r = 1 / sqrt(var + epsilon), xn = (x - mean) r,
over k elements that were normalized together (Ioffe and Szegedy 2015, section 3):

    dxn = gamma g,   dx = r (dxn - mean(dxn) - xn mean(dxn xn))
"""

from typing import Any

import torch

from compare.reference.operations.sums import either, rewritten, variance
from compare.reference.rounded import copied
from compare.reference.rules import form
from compare.reference.values import Value


def _scaled(x: Any, mean: Any, r: Any, gamma: Any, beta: Any) -> Any:
    """Return the first form, with the errors of both."""
    straight = (x - mean) * r
    if gamma is not None:
        straight = straight * gamma
    if beta is not None:
        straight = straight + beta

    def folded(x: Any, mean: Any, r: Any, gamma: Any, beta: Any) -> Any:
        scale = r if gamma is None else r * gamma
        shift = -(mean * scale)
        return x * scale + (shift if beta is None else shift + beta)

    return rewritten(straight, folded, x, mean, r, gamma, beta)


def _back(g: Any, x: Any, mean: Any, r: Any, gamma: Any, over: list[int], fixed: bool) -> Any:
    """Return dx and xn; `fixed`: mean and r are given, and take no gradient."""
    xn = (x - mean) * r
    dxn = g if gamma is None else g * gamma
    if fixed:
        return dxn * r, xn
    along = (dxn * xn).mean(over, keepdim=True)
    one = (dxn - dxn.mean(over, keepdim=True) - xn * along) * r
    # gone through one by one, as in the book (section 6.3): the mean takes part in the variance
    d = (x - mean) * r * along
    two = (dxn - d - (dxn - d).mean(over, keepdim=True)) * r
    return either(one, two), xn


def _columns(x: Any, y: Any) -> Any:
    """Return what belongs to channels, as it stands beside x (B, C, ...)."""
    return y if y is None else y.reshape(1, -1, *[1] * (len(x.shape) - 2))


def _batch_norm(
    x: Any, gamma: Any, beta: Any, mean: Any, var: Any, training: bool, momentum: float, eps: float
) -> tuple[Any, Any, Any]:
    """Return y, and mean and r of the batch; write the running statistics."""
    if not training:
        r = (_columns(x, var) + eps).map("rsqrt")
        y = _scaled(x, _columns(x, mean), r, _columns(x, gamma), _columns(x, beta))
        empty = Value(torch.zeros(0, dtype=torch.float64), None)
        return y, empty, empty
    over = [d for d in range(len(x.shape)) if d != 1]
    v, m = variance(x, over, True, 0.0)
    r = (v + eps).map("rsqrt")
    y = _scaled(x, m, r, _columns(x, gamma), _columns(x, beta))
    n = x.v.numel() / m.v.numel()
    if mean is not None:
        _move(mean, m.reshape(-1), momentum)
        _move(var, v.reshape(-1) * (n / (n - 1)), momentum)
    return y, m.reshape(-1), r.reshape(-1)


def _move(running: Any, new: Any, momentum: float) -> None:
    """(1 - k) r + k new, or r + k (new - r)."""
    one = running * (1 - momentum) + new * momentum
    copied(running, either(one, running + (new - running) * momentum))


@form("native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm", of_values=True)
def _native(x: Any, gamma: Any, beta: Any, *rest: Any) -> Any:
    """The overload without statistics has five arguments less two."""
    mean, var, training, momentum, eps = rest if len(rest) == 5 else (None, None, *rest)
    return _batch_norm(x, gamma, beta, mean, var, training, momentum, eps)


@form("_batch_norm_with_update", "_batch_norm_no_update", of_values=True)
def _with_update(
    x: Any, gamma: Any, beta: Any, mean: Any, var: Any, momentum: float, eps: float
) -> Any:
    """Training, with a reserve that only torch's own backward reads."""
    made = _batch_norm(x, gamma, beta, mean, var, True, momentum, eps)
    return (*made, torch.zeros(0, dtype=torch.uint8))


@form("native_batch_norm_backward", "batch_norm_backward", of_values=True)
def _batch_norm_backward(g: Any, x: Any, gamma: Any, *rest: Any) -> Any:
    """Return dx, dgamma, dbeta."""
    if isinstance(rest[4], bool) and len(rest) >= 7:
        running_mean, running_var, mean, r, training, eps, wanted = rest[:7]
    over = [d for d in range(len(x.shape)) if d != 1]
    if training:
        mean, r = _columns(x, mean), _columns(x, r)
    else:
        mean, r = _columns(x, running_mean), (_columns(x, running_var) + eps).map("rsqrt")
    dx, xn = _back(g, x, mean, r, _columns(x, gamma), over, not training)
    dgamma = (g * xn).sum(over) if wanted[1] else None
    return dx if wanted[0] else None, dgamma, g.sum(over) if wanted[2] else None


@form("native_layer_norm", of_values=True)
def _layer_norm(x: Any, shape: Any, gamma: Any, beta: Any, eps: float) -> Any:
    """Over the last dimensions (Ba, Kiros and Hinton 2016, equation 3)."""
    v, mean = variance(x, list(range(-len(shape), 0)), True, 0.0)
    r = (v + eps).map("rsqrt")
    return _scaled(x, mean, r, gamma, beta), mean, r


@form("native_layer_norm_backward", of_values=True)
def _layer_norm_backward(
    g: Any, x: Any, shape: Any, mean: Any, r: Any, gamma: Any, beta: Any, wanted: Any
) -> Any:
    """Return dx, dgamma, dbeta."""
    dx, xn = _back(g, x, mean, r, gamma, list(range(-len(shape), 0)), False)
    rows = list(range(len(x.shape) - len(shape)))
    return (
        dx if wanted[0] else None,
        ((g * xn).sum(rows) if rows else g * xn) if wanted[1] else None,
        (g.sum(rows) if rows else g) if wanted[2] else None,
    )


@form("native_group_norm", of_values=True)
def _group_norm(
    x: Any, gamma: Any, beta: Any, n: int, channels: int, size: int, groups: int, eps: float
) -> Any:
    """Over the channels of a group, and their places (Wu and He 2018, section 3)."""
    parts = x.reshape(n, groups, channels // groups, -1)
    v, mean = variance(parts, [2, 3], True, 0.0)
    r = (v + eps).map("rsqrt")
    inside = (1, groups, channels // groups, 1)
    gamma, beta = (y if y is None else y.reshape(inside) for y in (gamma, beta))
    y = _scaled(parts, mean, r, gamma, beta)
    return y.reshape(x.shape), mean.reshape(n, groups), r.reshape(n, groups)


@form("native_group_norm_backward", of_values=True)
def _group_norm_backward(
    g: Any,
    x: Any,
    mean: Any,
    r: Any,
    gamma: Any,
    n: int,
    channels: int,
    size: int,
    groups: int,
    wanted: Any,
) -> Any:
    """Return dx, dgamma, dbeta."""
    shape = (n, groups, channels // groups, -1)
    parts, upstream = x.reshape(shape), g.reshape(shape)
    mean, r = mean.reshape(n, groups, 1, 1), r.reshape(n, groups, 1, 1)
    scale = gamma if gamma is None else gamma.reshape(1, groups, channels // groups, 1)
    dx, xn = _back(upstream, parts, mean, r, scale, [2, 3], False)
    return (
        dx.reshape(x.shape) if wanted[0] else None,
        (upstream * xn).sum([0, 3]).reshape(-1) if wanted[1] else None,
        upstream.sum([0, 3]).reshape(-1) if wanted[2] else None,
    )


@form("_fused_rms_norm", of_values=True)
def _rms_norm(x: Any, shape: Any, gamma: Any, eps: float | None) -> Any:
    """x r gamma, r = 1 / sqrt(mean(x^2) + epsilon) (Zhang and Sennrich 2019, equation 4)."""
    over = list(range(-len(shape), 0))
    eps = torch.finfo(torch.float64).eps if eps is None else eps
    r = ((x * x).mean(over, keepdim=True) + eps).map("rsqrt")
    y = x * r
    return (y if gamma is None else y * gamma), r


@form("_fused_rms_norm_backward", of_values=True)
def _rms_norm_backward(g: Any, x: Any, shape: Any, r: Any, gamma: Any, wanted: Any) -> Any:
    """Return dx = r (dxn - xn mean(dxn xn)) and dgamma."""
    over, rows = list(range(-len(shape), 0)), list(range(len(x.shape) - len(shape)))
    xn = x * r
    dxn = g if gamma is None else g * gamma
    dx = (dxn - xn * (dxn * xn).mean(over, keepdim=True)) * r
    return dx if wanted[0] else None, (g * xn).sum(rows) if wanted[1] else None
