"""Networks of fully connected layers: mlp, book, batchnorm, bce, autoencoder."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from by_hand.architecture import Architecture
from by_hand.layers import *  # what stands here is joined with the layers

DECAY = 0.1


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(17, 40), nn.Linear(40, 23), nn.Linear(23, 5)

    def forward(self, x):
        return self.fc3(F.gelu(self.fc2(F.gelu(self.fc1(x)))))


def mlp(P, x, t, way):
    z1 = linear(x, P["fc1.weight"], P["fc1.bias"], way)
    a1, cdf1 = gelu(z1, way)
    z2 = linear(a1, P["fc2.weight"], P["fc2.bias"], way)
    a2, cdf2 = gelu(z2, way)
    y = linear(a2, P["fc3.weight"], P["fc3.bias"], way)
    loss = way.mean((y - t) * (y - t))
    dy = way.dtype(2 / y.size) * (y - t)
    da2, dW3, db3 = linear_back(dy, a2, P["fc3.weight"], way)
    dz2 = gelu_back(da2, z2, cdf2, way)
    da1, dW2, db2 = linear_back(dz2, a1, P["fc2.weight"], way)
    dz1 = gelu_back(da1, z1, cdf1, way)
    _, dW1, db1 = linear_back(dz1, x, P["fc1.weight"], way)
    return {
        ("module", "fc1"): z1,
        ("module", "fc2"): z2,
        ("output", ""): y,
        ("loss", ""): loss,
        ("gradient", "fc3.weight"): dW3,
        ("gradient", "fc3.bias"): db3,
        ("gradient", "fc2.weight"): dW2,
        ("gradient", "fc2.bias"): db2,
        ("gradient", "fc1.weight"): dW1,
        ("gradient", "fc1.bias"): db1,
    }


class Book(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(60, 30), nn.Linear(30, 30), nn.Linear(30, 10)

    def forward(self, x):
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


def penalized(output, t, module):
    weights = (module.fc1.weight, module.fc2.weight, module.fc3.weight)
    return F.cross_entropy(output, t) + 0.5 * DECAY * sum((W * W).sum() for W in weights)


def book(P, x, t, way):
    half = way.dtype(0.5 * DECAY)
    W1, W2, W3 = P["fc1.weight"], P["fc2.weight"], P["fc3.weight"]
    z1 = linear(x, W1, P["fc1.bias"], way)
    a1 = np.maximum(z1, 0)
    z2 = linear(a1, W2, P["fc2.bias"], way)
    a2 = np.maximum(z2, 0)
    z3 = linear(a2, W3, P["fc3.bias"], way)
    loss, dz3 = cross_entropy(z3, t, way)
    loss = loss + half * (way.sum(W1 * W1) + way.sum(W2 * W2) + way.sum(W3 * W3))
    da2, dW3, db3 = linear_back(dz3, a2, W3, way)
    dz2 = da2 * (z2 > 0)
    da1, dW2, db2 = linear_back(dz2, a1, W2, way)
    dz1 = da1 * (z1 > 0)
    _, dW1, db1 = linear_back(dz1, x, W1, way)
    decay = way.dtype(DECAY)
    return {
        ("module", "fc1"): z1,
        ("module", "fc2"): z2,
        ("output", ""): z3,
        ("loss", ""): loss,
        ("gradient", "fc3.weight"): dW3 + decay * W3,
        ("gradient", "fc3.bias"): db3,
        ("gradient", "fc2.weight"): dW2 + decay * W2,
        ("gradient", "fc2.bias"): db2,
        ("gradient", "fc1.weight"): dW1 + decay * W1,
        ("gradient", "fc1.bias"): db1,
    }


class BatchNormed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.bn, self.fc2 = nn.Linear(17, 23), nn.BatchNorm1d(23), nn.Linear(23, 5)

    def forward(self, x):
        return self.fc2(torch.relu(self.bn(self.fc1(x))))


def batchnorm(P, x, t, way):
    z1 = linear(x, P["fc1.weight"], P["fc1.bias"], way)
    gamma, old = P["bn.weight"], (P["bn.running_mean"], P["bn.running_var"])
    n, cache, new_mean, new_var = batch_norm(z1, gamma, P["bn.bias"], *old, way)
    a = np.maximum(n, 0)
    z2 = linear(a, P["fc2.weight"], P["fc2.bias"], way)
    loss, dz2 = cross_entropy(z2, t, way)
    da, dW2, db2 = linear_back(dz2, a, P["fc2.weight"], way)
    dn = da * (n > 0)
    dz1, dgamma, dbeta = batch_norm_back(dn, cache, gamma, way)
    _, dW1, db1 = linear_back(dz1, x, P["fc1.weight"], way)
    return {
        ("module", "fc1"): z1,
        ("module", "bn"): n,
        ("output", ""): z2,
        ("loss", ""): loss,
        ("gradient", "fc2.weight"): dW2,
        ("gradient", "fc2.bias"): db2,
        ("gradient", "bn.weight"): dgamma,
        ("gradient", "bn.bias"): dbeta,
        ("gradient", "fc1.weight"): dW1,
        ("gradient", "fc1.bias"): db1,
        ("buffer", "bn.running_mean"): new_mean,
        ("buffer", "bn.running_var"): new_var,
    }


class Binary(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(17, 23), nn.Linear(23, 11), nn.Linear(11, 3)

    def forward(self, x):
        return self.fc3(F.elu(self.fc2(F.leaky_relu(self.fc1(x), 0.1))))


def bce(P, x, t, way):
    slope = way.dtype(0.1)
    z1 = linear(x, P["fc1.weight"], P["fc1.bias"], way)
    a1 = np.where(z1 > 0, z1, slope * z1)
    z2 = linear(a1, P["fc2.weight"], P["fc2.bias"], way)
    below = np.exp(np.minimum(z2, 0)) - 1 if way.other else np.expm1(np.minimum(z2, 0))
    a2 = np.where(z2 > 0, z2, below)
    z3 = linear(a2, P["fc3.weight"], P["fc3.bias"], way)
    y = sigmoid(z3, way)
    loss = way.mean(softplus(z3, way) - z3 * t)
    dz3 = (y - t) / way.dtype(y.size)
    da2, dW3, db3 = linear_back(dz3, a2, P["fc3.weight"], way)
    dz2 = da2 * np.where(z2 > 0, way.dtype(1), a2 + 1)
    da1, dW2, db2 = linear_back(dz2, a1, P["fc2.weight"], way)
    dz1 = da1 * np.where(z1 > 0, way.dtype(1), slope)
    _, dW1, db1 = linear_back(dz1, x, P["fc1.weight"], way)
    return {
        ("module", "fc1"): z1,
        ("module", "fc2"): z2,
        ("output", ""): z3,
        ("loss", ""): loss,
        ("gradient", "fc3.weight"): dW3,
        ("gradient", "fc3.bias"): db3,
        ("gradient", "fc2.weight"): dW2,
        ("gradient", "fc2.bias"): db2,
        ("gradient", "fc1.weight"): dW1,
        ("gradient", "fc1.bias"): db1,
    }


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1, self.enc2 = nn.Linear(17, 13), nn.Linear(13, 4)
        self.dec1, self.dec2 = nn.Linear(4, 13), nn.Linear(13, 17)

    def forward(self, x):
        code = torch.tanh(self.enc2(torch.sigmoid(self.enc1(x))))
        return self.dec2(F.softplus(self.dec1(code)))


def autoencoder(P, x, t, way):
    z1 = linear(x, P["enc1.weight"], P["enc1.bias"], way)
    a1 = sigmoid(z1, way)
    z2 = linear(a1, P["enc2.weight"], P["enc2.bias"], way)
    code = np.tanh(z2)
    z3 = linear(code, P["dec1.weight"], P["dec1.bias"], way)
    a3 = softplus(z3, way)
    y = linear(a3, P["dec2.weight"], P["dec2.bias"], way)
    d, half = y - t, way.dtype(0.5)
    small = np.abs(d) < 1
    loss = way.mean(np.where(small, half * d * d, np.abs(d) - half))
    dy = np.where(small, d, np.sign(d)) / way.dtype(d.size)
    da3, dW4, db4 = linear_back(dy, a3, P["dec2.weight"], way)
    dz3 = da3 * sigmoid(z3, way)
    dcode, dW3, db3 = linear_back(dz3, code, P["dec1.weight"], way)
    dz2 = dcode * (1 - code * code)
    da1, dW2, db2 = linear_back(dz2, a1, P["enc2.weight"], way)
    dz1 = da1 * a1 * (1 - a1)
    _, dW1, db1 = linear_back(dz1, x, P["enc1.weight"], way)
    return {
        ("module", "enc1"): z1,
        ("module", "enc2"): z2,
        ("module", "dec1"): z3,
        ("output", ""): y,
        ("loss", ""): loss,
        ("gradient", "dec2.weight"): dW4,
        ("gradient", "dec2.bias"): db4,
        ("gradient", "dec1.weight"): dW3,
        ("gradient", "dec1.bias"): db3,
        ("gradient", "enc2.weight"): dW2,
        ("gradient", "enc2.bias"): db2,
        ("gradient", "enc1.weight"): dW1,
        ("gradient", "enc1.bias"): db1,
    }


def _features(width, classes):
    return lambda rng, rows: (rng.standard_normal((rows, width)), rng.integers(0, classes, rows))


def _numbers(width, outputs):
    def draw(rng, rows):
        return rng.standard_normal((rows, width)), rng.standard_normal((rows, outputs))

    return draw


def _truths(rng, rows):
    return rng.standard_normal((rows, 17)), rng.integers(0, 2, (rows, 3)).astype(float)


def _itself(rng, rows):
    x = 2 * rng.standard_normal((rows, 17))
    return x, x


ARCHITECTURES = (
    Architecture("mlp", MLP, F.mse_loss, _numbers(17, 5), mlp),
    Architecture("book", Book, penalized, _features(60, 10), book),
    Architecture(
        "batchnorm",
        BatchNormed,
        F.cross_entropy,
        _features(17, 5),
        batchnorm,
        frozenset({"fc1.bias"}),
    ),
    Architecture("bce", Binary, F.binary_cross_entropy_with_logits, _truths, bce),
    Architecture("autoencoder", Autoencoder, F.huber_loss, _itself, autoencoder),
)
