"""Recurrent networks, back through time: rnn, lstm, gru."""

import numpy as np
import torch.nn.functional as F
from torch import nn

from by_hand.architecture import Architecture
from by_hand.layers import *  # what stands here is joined with the layers

STEPS, FEATURES, UNITS, CLASSES = 20, 6, 9, 4


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell, self.fc = kind(FEATURES, UNITS, batch_first=True), nn.Linear(UNITS, CLASSES)

    def forward(self, x):
        return self.fc(self.cell(x)[0][:, -1])


def weights_of(P):
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [P[f"cell.{name}"] for name in names]


def named(z, loss, dV, dc, dU, dW, dbi, dbh):
    return {
        ("output", ""): z,
        ("loss", ""): loss,
        ("gradient", "fc.weight"): dV,
        ("gradient", "fc.bias"): dc,
        ("gradient", "cell.weight_ih_l0"): dW,
        ("gradient", "cell.weight_hh_l0"): dU,
        ("gradient", "cell.bias_ih_l0"): dbi,
        ("gradient", "cell.bias_hh_l0"): dbh,
    }


def rnn(P, x, t, way):
    W, U, bi, bh = weights_of(P)
    h, hs = np.zeros((len(x), UNITS), way.dtype), []
    for k in range(x.shape[1]):
        new = np.tanh(linear(x[:, k], W, bi, way) + linear(h, U, bh, way))
        hs.append((h, new))
        h = new
    z = linear(h, P["fc.weight"], P["fc.bias"], way)
    loss, dz = cross_entropy(z, t, way)
    dh, dV, dc = linear_back(dz, h, P["fc.weight"], way)
    dW, dU, dbi, dbh = (np.zeros_like(p) for p in (W, U, bi, bh))
    for k in reversed(range(x.shape[1])):
        before, now = hs[k]
        da = dh * (1 - now * now)
        _, gW, gb = linear_back(da, x[:, k], W, way)
        dh, gU, gc = linear_back(da, before, U, way)
        dW, dU, dbi, dbh = dW + gW, dU + gU, dbi + gb, dbh + gc
    return named(z, loss, dV, dc, dU, dW, dbi, dbh)


def lstm(P, x, t, way):
    W, U, bi, bh = weights_of(P)
    h = c = np.zeros((len(x), UNITS), way.dtype)
    kept = []
    for k in range(x.shape[1]):
        a = linear(x[:, k], W, bi, way) + linear(h, U, bh, way)  # (B, 4 H)
        ai, af, ag, ao = np.split(a, 4, 1)
        i, f, g, o = sigmoid(ai, way), sigmoid(af, way), np.tanh(ag), sigmoid(ao, way)
        new = f * c + i * g
        tc = np.tanh(new)
        kept.append((h, c, i, f, g, o, tc))
        h, c = o * tc, new
    z = linear(h, P["fc.weight"], P["fc.bias"], way)
    loss, dz = cross_entropy(z, t, way)
    dh, dV, dv = linear_back(dz, h, P["fc.weight"], way)
    dc = np.zeros_like(c)
    dW, dU, dbi, dbh = (np.zeros_like(p) for p in (W, U, bi, bh))
    for k in reversed(range(x.shape[1])):
        before, old, i, f, g, o, tc = kept[k]
        do = dh * tc
        dc = dc + dh * o * (1 - tc * tc)
        di, df, dg = dc * g, dc * old, dc * i
        dai = di * i * (1 - i)
        daf = df * f * (1 - f)
        dag = dg * (1 - g * g)
        dao = do * o * (1 - o)
        da = np.concatenate([dai, daf, dag, dao], 1)
        _, gW, gb = linear_back(da, x[:, k], W, way)
        dh, gU, gc = linear_back(da, before, U, way)
        dc = dc * f
        dW, dU, dbi, dbh = dW + gW, dU + gU, dbi + gb, dbh + gc
    return named(z, loss, dV, dv, dU, dW, dbi, dbh)


def gru(P, x, t, way):
    W, U, bi, bh = weights_of(P)
    h, kept = np.zeros((len(x), UNITS), way.dtype), []
    for k in range(x.shape[1]):
        xr, xz, xn = np.split(linear(x[:, k], W, bi, way), 3, 1)
        hr, hz, hn = np.split(linear(h, U, bh, way), 3, 1)
        r, u = sigmoid(xr + hr, way), sigmoid(xz + hz, way)
        n = np.tanh(xn + r * hn)
        kept.append((h, r, u, n, hn))
        h = (1 - u) * n + u * h
    z = linear(h, P["fc.weight"], P["fc.bias"], way)
    loss, dz = cross_entropy(z, t, way)
    dh, dV, dv = linear_back(dz, h, P["fc.weight"], way)
    dW, dU, dbi, dbh = (np.zeros_like(p) for p in (W, U, bi, bh))
    for k in reversed(range(x.shape[1])):
        before, r, u, n, hn = kept[k]
        dn, du = dh * (1 - u), dh * (before - n)
        dan = dn * (1 - n * n)
        dar = dan * hn * r * (1 - r)
        dau = du * u * (1 - u)
        through_u = dh * u
        of_x = np.concatenate([dar, dau, dan], 1)
        of_h = np.concatenate([dar, dau, dan * r], 1)
        _, gW, gb = linear_back(of_x, x[:, k], W, way)
        dh, gU, gc = linear_back(of_h, before, U, way)
        dh = dh + through_u
        dW, dU, dbi, dbh = dW + gW, dU + gU, dbi + gb, dbh + gc
    return named(z, loss, dV, dv, dU, dW, dbi, dbh)


def _sequences(rng, rows):
    return rng.standard_normal((rows, STEPS, FEATURES)), rng.integers(0, CLASSES, rows)


ARCHITECTURES = tuple(
    Architecture(name, lambda kind=kind: Recurrent(kind), F.cross_entropy, _sequences, by_hand)
    for name, kind, by_hand in (("rnn", nn.RNN, rnn), ("lstm", nn.LSTM, lstm), ("gru", nn.GRU, gru))
)
