"""A fully connected ReLU network of any depth and widths, for parameters and data that are odd."""

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from by_hand.architecture import Architecture
from by_hand.layers import linear, linear_back, softmax


class Deep(nn.Module):
    """Affine, ReLU, ..., Affine; without biases if told so."""

    def __init__(self, sizes, bias=True):
        super().__init__()
        self.fc = nn.ModuleList(nn.Linear(a, b, bias=bias) for a, b in pairwise(sizes))

    def forward(self, x):
        for layer in self.fc[:-1]:
            x = torch.relu(layer(x))
        return self.fc[-1](x)


def deep(P, x, t, way):
    count = sum(name.endswith("weight") for name in P)
    weights = [P[f"fc.{i}.weight"] for i in range(count)]
    has_bias = "fc.0.bias" in P
    zs, inputs = [], [x]
    for i, W in enumerate(weights):
        b = P[f"fc.{i}.bias"] if has_bias else way.dtype(0)
        zs.append(linear(inputs[-1], W, b, way))
        inputs.append(np.maximum(zs[-1], 0))
    z, n = zs[-1], len(t)
    top = z.max(1)
    log_sum = top + np.log(way.sum(np.exp(z - top[:, None]), 1))
    loss = way.sum(log_sum - z[np.arange(n), t], 0) / way.dtype(n)
    dz = softmax(z, way)
    dz[np.arange(n), t] -= 1
    dz = dz / way.dtype(n)
    values = {("module", f"fc.{i}"): z for i, z in enumerate(zs)}
    values |= {("output", ""): z, ("loss", ""): loss}
    for i in reversed(range(count)):
        dx, dW, db = linear_back(dz, inputs[i], weights[i], way)
        values["gradient", f"fc.{i}.weight"] = dW
        if has_bias:
            values["gradient", f"fc.{i}.bias"] = db
        if i:
            dz = dx * (zs[i - 1] > 0)
    return values


def network(sizes, bias=True):
    """Return the network of these sizes."""

    def draw(rng, rows):
        return rng.standard_normal((rows, sizes[0])), rng.integers(0, sizes[-1], rows)

    return Architecture("deep", lambda: Deep(sizes, bias), F.cross_entropy, draw, deep)
