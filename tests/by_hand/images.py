"""Convolutional networks: lenet, strided, residual, groupnorm."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from by_hand.architecture import Architecture
from by_hand.layers import *  # what stands here is joined with the layers


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(4, 6, 3)
        self.fc1, self.fc2 = nn.Linear(6 * 3 * 3, 20), nn.Linear(20, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = F.max_pool2d(torch.relu(self.conv2(x)), 2)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def lenet(P, x, t, way):
    W1, W2 = P["conv1.weight"], P["conv2.weight"]
    z1, col1 = conv(x, W1, P["conv1.bias"], 1, 2, way)
    a1 = np.maximum(z1, 0)
    p1, which1 = max_pool(a1)
    z2, col2 = conv(p1, W2, P["conv2.bias"], 1, 0, way)
    a2 = np.maximum(z2, 0)
    p2, which2 = max_pool(a2)
    flat = p2.reshape(len(x), -1)
    z3 = linear(flat, P["fc1.weight"], P["fc1.bias"], way)
    a3 = np.maximum(z3, 0)
    z4 = linear(a3, P["fc2.weight"], P["fc2.bias"], way)
    loss, dz4 = cross_entropy(z4, t, way)
    da3, dW4, db4 = linear_back(dz4, a3, P["fc2.weight"], way)
    dz3 = da3 * (z3 > 0)
    dflat, dW3, db3 = linear_back(dz3, flat, P["fc1.weight"], way)
    da2 = max_pool_back(dflat.reshape(p2.shape), which2)
    dz2 = da2 * (z2 > 0)
    dp1, dW2, db2 = conv_back(dz2, col2, p1, W2, 1, 0, way)
    da1 = max_pool_back(dp1, which1)
    dz1 = da1 * (z1 > 0)
    _, dW1, db1 = conv_back(dz1, col1, x, W1, 1, 2, way)
    return {
        ("module", "conv1"): z1,
        ("module", "conv2"): z2,
        ("module", "fc1"): z3,
        ("output", ""): z4,
        ("loss", ""): loss,
        ("gradient", "fc2.weight"): dW4,
        ("gradient", "fc2.bias"): db4,
        ("gradient", "fc1.weight"): dW3,
        ("gradient", "fc1.bias"): db3,
        ("gradient", "conv2.weight"): dW2,
        ("gradient", "conv2.bias"): db2,
        ("gradient", "conv1.weight"): dW1,
        ("gradient", "conv1.bias"): db1,
    }


class Strided(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn = nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5)
        self.conv2, self.fc = nn.Conv2d(5, 7, 3, stride=2), nn.Linear(7, 4)

    def forward(self, x):
        x = torch.relu(self.bn(self.conv1(x)))
        return self.fc(torch.relu(self.conv2(x)).mean((2, 3)))


def strided(P, x, t, way):
    W1, W2, gamma = P["conv1.weight"], P["conv2.weight"], P["bn.weight"]
    z1, col1 = conv(x, W1, P["conv1.bias"], 2, 1, way)
    old = (P["bn.running_mean"], P["bn.running_var"])
    n, cache, new_mean, new_var = batch_norm(z1, gamma, P["bn.bias"], *old, way)
    a1 = np.maximum(n, 0)
    z2, col2 = conv(a1, W2, P["conv2.bias"], 2, 0, way)
    a2 = np.maximum(z2, 0)
    pooled = way.mean(a2, (2, 3))
    z3 = linear(pooled, P["fc.weight"], P["fc.bias"], way)
    loss, dz3 = cross_entropy(z3, t, way)
    dpooled, dW3, db3 = linear_back(dz3, pooled, P["fc.weight"], way)
    places = way.dtype(a2.shape[2] * a2.shape[3])
    da2 = np.broadcast_to((dpooled / places)[:, :, None, None], a2.shape)
    dz2 = da2 * (z2 > 0)
    da1, dW2, db2 = conv_back(dz2, col2, a1, W2, 2, 0, way)
    dn = da1 * (n > 0)
    dz1, dgamma, dbeta = batch_norm_back(dn, cache, gamma, way)
    _, dW1, db1 = conv_back(dz1, col1, x, W1, 2, 1, way)
    return {
        ("module", "conv1"): z1,
        ("module", "bn"): n,
        ("module", "conv2"): z2,
        ("output", ""): z3,
        ("loss", ""): loss,
        ("gradient", "fc.weight"): dW3,
        ("gradient", "fc.bias"): db3,
        ("gradient", "conv2.weight"): dW2,
        ("gradient", "conv2.bias"): db2,
        ("gradient", "bn.weight"): dgamma,
        ("gradient", "bn.bias"): dbeta,
        ("gradient", "conv1.weight"): dW1,
        ("gradient", "conv1.bias"): db1,
        ("buffer", "bn.running_mean"): new_mean,
        ("buffer", "bn.running_var"): new_var,
    }


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 5, 3, padding=1)
        self.conv1, self.conv2 = nn.Conv2d(5, 5, 3, padding=1), nn.Conv2d(5, 5, 3, padding=1)
        self.fc = nn.Linear(5 * 6 * 7, 4)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.conv2(torch.relu(self.conv1(x))))
        return self.fc(x.flatten(1))


def residual(P, x, t, way):
    W0, W1, W2 = P["stem.weight"], P["conv1.weight"], P["conv2.weight"]
    z0, col0 = conv(x, W0, P["stem.bias"], 1, 1, way)
    a0 = np.maximum(z0, 0)
    z1, col1 = conv(a0, W1, P["conv1.bias"], 1, 1, way)
    a1 = np.maximum(z1, 0)
    z2, col2 = conv(a1, W2, P["conv2.bias"], 1, 1, way)
    s = a0 + z2
    a2 = np.maximum(s, 0)
    flat = a2.reshape(len(x), -1)
    z3 = linear(flat, P["fc.weight"], P["fc.bias"], way)
    loss, dz3 = cross_entropy(z3, t, way)
    dflat, dW3, db3 = linear_back(dz3, flat, P["fc.weight"], way)
    ds = dflat.reshape(s.shape) * (s > 0)
    da1, dW2, db2 = conv_back(ds, col2, a1, W2, 1, 1, way)
    dz1 = da1 * (z1 > 0)
    da0, dW1, db1 = conv_back(dz1, col1, a0, W1, 1, 1, way)
    da0 = da0 + ds
    dz0 = da0 * (z0 > 0)
    _, dW0, db0 = conv_back(dz0, col0, x, W0, 1, 1, way)
    return {
        ("module", "stem"): z0,
        ("module", "conv1"): z1,
        ("module", "conv2"): z2,
        ("output", ""): z3,
        ("loss", ""): loss,
        ("gradient", "fc.weight"): dW3,
        ("gradient", "fc.bias"): db3,
        ("gradient", "conv2.weight"): dW2,
        ("gradient", "conv2.bias"): db2,
        ("gradient", "conv1.weight"): dW1,
        ("gradient", "conv1.bias"): db1,
        ("gradient", "stem.weight"): dW0,
        ("gradient", "stem.bias"): db0,
    }


class GroupNormed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.GroupNorm(2, 6)
        self.fc = nn.Linear(6 * 3 * 4, 5)

    def forward(self, x):
        return self.fc(F.avg_pool2d(F.silu(self.norm(self.conv(x))), 2).flatten(1))


def groupnorm(P, x, t, way):
    W, gamma, beta = P["conv.weight"], P["norm.weight"], P["norm.bias"]
    z, col = conv(x, W, P["conv.bias"], 1, 1, way)
    grouped = z.reshape(len(x), 2, 3, -1)  # (B, groups, channels of a group, places)
    xn, r, mean, _ = normalize(grouped, (2, 3), 1e-5, way)
    scale, shift = gamma.reshape(1, 2, 3, 1), beta.reshape(1, 2, 3, 1)
    n = affine(grouped, xn, r, mean, scale, shift, way).reshape(z.shape)
    s = sigmoid(n, way)
    a = n * s
    B, C, H, V = a.shape
    pooled = way.mean(a.reshape(B, C, H // 2, 2, V // 2, 2), (3, 5))
    flat = pooled.reshape(B, -1)
    z2 = linear(flat, P["fc.weight"], P["fc.bias"], way)
    loss, dz2 = cross_entropy(z2, t, way)
    dflat, dW2, db2 = linear_back(dz2, flat, P["fc.weight"], way)
    dpooled = dflat.reshape(pooled.shape) / way.dtype(4)
    da = dpooled.repeat(2, 2).repeat(2, 3)
    dn = da * (s + n * s * (1 - s))
    rows = dn.reshape(grouped.shape)
    dgamma, dbeta = way.sum(rows * xn, (0, 3)).ravel(), way.sum(rows, (0, 3)).ravel()
    dz = normalize_back(rows * scale, xn, r, (2, 3), way).reshape(z.shape)
    _, dW, db = conv_back(dz, col, x, W, 1, 1, way)
    return {
        ("module", "conv"): z,
        ("module", "norm"): n,
        ("output", ""): z2,
        ("loss", ""): loss,
        ("gradient", "fc.weight"): dW2,
        ("gradient", "fc.bias"): db2,
        ("gradient", "norm.weight"): dgamma,
        ("gradient", "norm.bias"): dbeta,
        ("gradient", "conv.weight"): dW,
        ("gradient", "conv.bias"): db,
    }


def _pictures(channels, height, width, classes):
    def draw(rng, rows):
        shape = (rows, channels, height, width)
        return rng.standard_normal(shape), rng.integers(0, classes, rows)

    return draw


ARCHITECTURES = (
    Architecture("lenet", LeNet, F.cross_entropy, _pictures(1, 16, 16, 10), lenet),
    Architecture(
        "strided",
        Strided,
        F.cross_entropy,
        _pictures(3, 11, 13, 4),
        strided,
        frozenset({"conv1.bias"}),
    ),
    Architecture("residual", Residual, F.cross_entropy, _pictures(2, 6, 7, 4), residual),
    Architecture("groupnorm", GroupNormed, F.cross_entropy, _pictures(3, 6, 8, 5), groupnorm),
)
