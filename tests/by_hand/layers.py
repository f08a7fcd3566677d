"""Layers written by hand in numpy, forward beside backward, as a reader of the book writes them."""

import math

import numpy as np

STRENGTH = 1.0


def mix(right, wrong):
    """Return what a mistake of STRENGTH makes of what is right: 1 is the mistake, 0 is right."""
    return right + STRENGTH * (wrong - right)


def linear(x, W, b, way):
    return way.mm(x, W.T) + b  # (..., out)


def linear_back(dout, x, W, way):
    rows = dout.reshape(-1, dout.shape[-1])
    dW = way.mm(rows.T, x.reshape(-1, x.shape[-1]))  # (out, in)
    db = way.sum(rows, 0)  # (out,)
    dx = way.mm(rows, W).reshape(x.shape)
    return dx, dW, db


def sigmoid(x, way):
    if way.other:
        return way.dtype(0.5) * (way.dtype(1) + np.tanh(way.dtype(0.5) * x))
    return 1 / (1 + np.exp(-x))


def softplus(x, way):
    if way.other:
        return np.logaddexp(0, x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gelu(x, way):
    u = np.vectorize(math.erf)(x.astype(np.float64) / math.sqrt(2)).astype(way.dtype)
    cdf = way.dtype(0.5) * (1 + u)
    return x * cdf, cdf


def gelu_back(dout, x, cdf, way):
    density = np.exp(way.dtype(-0.5) * x * x) / way.dtype(math.sqrt(2 * math.pi))
    return dout * (cdf + x * density)


def gelu_tanh(x, way):
    k, c = way.dtype(math.sqrt(2 / math.pi)), way.dtype(0.044715)
    a = np.tanh(k * (x + c * x * x * x))
    return way.dtype(0.5) * x * (1 + a), a


def gelu_tanh_back(dout, x, a, way):
    k, c, half = way.dtype(math.sqrt(2 / math.pi)), way.dtype(0.044715), way.dtype(0.5)
    inner = k * (1 + 3 * c * x * x)
    return dout * (half * (1 + a) + half * x * (1 - a * a) * inner)


def softmax(z, way):
    shifted = z if way.other and np.abs(z).max() < 20 else z - z.max(-1, keepdims=True)
    e = np.exp(shifted)
    return e / way.sum(e, -1, keepdims=True)


def softmax_back(dout, y, way):
    return y * (dout - way.sum(dout * y, -1, keepdims=True))


def cross_entropy(z, t, way):
    """Return the mean loss and dz, of z (N, C) and classes t (N,)."""
    n, y = len(t), softmax(z, way)
    loss = -way.sum(np.log(y[np.arange(n), t]), 0) / way.dtype(n)
    dz = y.copy()
    dz[np.arange(n), t] -= 1
    return loss, dz / way.dtype(n)


def normalize(x, axes, eps, way):
    """Return xn, 1 / std, mean and variance over `axes`."""
    mean = way.mean(x, axes, keepdims=True)
    if way.other:
        var = way.mean(x * x, axes, keepdims=True) - mean * mean
    else:
        var = way.mean((x - mean) * (x - mean), axes, keepdims=True)
    r = 1 / np.sqrt(var + way.dtype(eps))
    return (x - mean) * r, r, mean, var


def affine(x, xn, r, mean, gamma, beta, way):
    """Return gamma xn + beta, or it folded into one product and one sum."""
    if way.other:
        scale = gamma * r
        return x * scale + (beta - mean * scale)
    return gamma * xn + beta


def normalize_back(dxn, xn, r, axes, way):
    first = way.mean(dxn, axes, keepdims=True)
    second = xn * way.mean(dxn * xn, axes, keepdims=True)
    return r * (dxn - first - second)


def layer_norm(x, gamma, beta, way):
    xn, r, mean, _ = normalize(x, -1, 1e-5, way)
    return affine(x, xn, r, mean, gamma, beta, way), (xn, r)


def layer_norm_back(dout, cache, gamma, way):
    xn, r = cache
    over = tuple(range(dout.ndim - 1))
    dgamma, dbeta = way.sum(dout * xn, over), way.sum(dout, over)
    return normalize_back(dout * gamma, xn, r, -1, way), dgamma, dbeta


def columns(x, size, stride, pad):
    """im2col: return (B, OH, OW, C K K) of x (B, C, H, W)."""
    x = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    windows = windows[:, :, ::stride, ::stride]  # (B, C, OH, OW, K, K)
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(*windows.shape[:1], *windows.shape[2:4], -1)


def images(dcol, shape, size, stride, pad):
    """col2im: add columns up where they overlap."""
    B, C, H, W = shape
    dx = np.zeros((B, C, H + 2 * pad, W + 2 * pad), dcol.dtype)
    OH, OW = dcol.shape[1:3]
    parts = dcol.reshape(B, OH, OW, C, size, size).transpose(0, 3, 4, 5, 1, 2)
    for i in range(size):
        for j in range(size):
            rows, cols = slice(i, i + stride * OH, stride), slice(j, j + stride * OW, stride)
            dx[:, :, rows, cols] += parts[:, :, i, j]
    return dx[:, :, pad : pad + H, pad : pad + W]


def conv(x, W, b, stride, pad, way):
    col = columns(x, W.shape[2], stride, pad)
    out = way.mm(col, W.reshape(len(W), -1).T) + b  # (B, OH, OW, O)
    return out.transpose(0, 3, 1, 2), col


def conv_back(dout, col, x, W, stride, pad, way):
    rows = dout.transpose(0, 2, 3, 1).reshape(-1, len(W))
    dW = way.mm(rows.T, col.reshape(len(rows), -1)).reshape(W.shape)
    db = way.sum(rows, 0)
    dcol = way.mm(rows, W.reshape(len(W), -1)).reshape(col.shape)
    return images(dcol, x.shape, W.shape[2], stride, pad), dW, db


def max_pool(x):
    """2 x 2; return the maxima and which of the four each is."""
    B, C, H, W = x.shape
    four = x.reshape(B, C, H // 2, 2, W // 2, 2).transpose(0, 1, 2, 4, 3, 5)
    four = four.reshape(B, C, H // 2, W // 2, 4)
    return four.max(-1), four.argmax(-1)


def max_pool_back(dout, which):
    B, C, H, W = dout.shape
    four = np.where(np.arange(4) == which[..., None], dout[..., None], 0).astype(dout.dtype)
    four = four.reshape(B, C, H, W, 2, 2).transpose(0, 1, 2, 4, 3, 5)
    return four.reshape(B, C, 2 * H, 2 * W)


def batch_norm(x, gamma, beta, running_mean, running_var, way):
    """Train: over all axes but the second; return y, cache and the new running statistics."""
    axes = tuple(a for a in range(x.ndim) if a != 1)
    shape = [1, -1] + [1] * (x.ndim - 2)
    xn, r, mean, var = normalize(x, axes, 1e-5, way)
    y = affine(x, xn, r, mean, gamma.reshape(shape), beta.reshape(shape), way)
    n, k = x.size / mean.size, way.dtype(0.1)
    unbiased = var.ravel() * way.dtype(n / (n - 1))
    new_mean = (1 - k) * running_mean + k * mean.ravel()
    new_var = (1 - k) * running_var + k * unbiased
    return y, (xn, r, axes, shape), new_mean, new_var


def batch_norm_back(dout, cache, gamma, way):
    xn, r, axes, shape = cache
    dgamma, dbeta = way.sum(dout * xn, axes), way.sum(dout, axes)
    dx = normalize_back(dout * gamma.reshape(shape), xn, r, axes, way)
    return dx, dgamma, dbeta
