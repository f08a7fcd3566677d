"""Networks of tokens: tied, attention, gpt."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from by_hand.architecture import Architecture
from by_hand.layers import *  # what stands here is joined with the layers

WORDS, LENGTH, WIDTH, HEADS = 11, 7, 12, 3


def over_tokens(output, t):
    return F.cross_entropy(output.flatten(0, 1), t.flatten())


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.fc = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WORDS)
        self.out.weight = self.embedding.weight

    def forward(self, ids):
        return self.out(torch.tanh(self.fc(self.embedding(ids))))


def tied(P, ids, t, way):
    E = P["embedding.weight"]
    x = E[ids]  # (B, T, D)
    z = linear(x, P["fc.weight"], P["fc.bias"], way)
    h = np.tanh(z)
    logits = linear(h, E, P["out.bias"], way)
    loss, dlogits = cross_entropy(logits.reshape(-1, WORDS), t.ravel(), way)
    dh, dE, dbo = linear_back(dlogits.reshape(logits.shape), h, E, way)
    dz = dh * (1 - h * h)
    dx, dW, db = linear_back(dz, x, P["fc.weight"], way)
    np.add.at(dE, ids.ravel(), dx.reshape(-1, WIDTH))
    return {
        ("module", "embedding"): x,
        ("module", "fc"): z,
        ("output", ""): logits,
        ("loss", ""): loss,
        ("gradient", "out.bias"): dbo,
        ("gradient", "fc.weight"): dW,
        ("gradient", "fc.bias"): db,
        ("gradient", "embedding.weight"): dE,
    }


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.q, self.k = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.v, self.proj = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        n = self.norm(x)
        q, k, v = (
            layer(n).unflatten(2, (HEADS, -1)).transpose(1, 2) for layer in (self.q, self.k, self.v)
        )
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + self.proj(a.transpose(1, 2).flatten(2))


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.att, self.fc = Attention(), nn.Linear(WIDTH, 5)

    def forward(self, x):
        return self.fc(self.att(x).mean(1))


def split_heads(x):
    return x.reshape(*x.shape[:2], HEADS, -1).transpose(0, 2, 1, 3)  # (B, heads, T, D / heads)


def join_heads(x):
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def self_attention(P, name, x, way):
    """Return x + attention(norm(x)), and what its backward needs."""
    n, cache = layer_norm(x, P[f"{name}norm.weight"], P[f"{name}norm.bias"], way)
    q = linear(n, P[f"{name}q.weight"], P[f"{name}q.bias"], way)
    k = linear(n, P[f"{name}k.weight"], P[f"{name}k.bias"], way)
    v = linear(n, P[f"{name}v.weight"], P[f"{name}v.bias"], way)
    qh, kh, vh = split_heads(q), split_heads(k), split_heads(v)
    scale = way.dtype(1 / math.sqrt(qh.shape[-1]))
    scores = way.mm(qh, kh.transpose(0, 1, 3, 2)) * scale
    mask = np.tri(x.shape[1], dtype=bool)
    A = softmax(np.where(mask, scores, -np.inf).astype(way.dtype), way)
    joined = join_heads(way.mm(A, vh))
    out = linear(joined, P[f"{name}proj.weight"], P[f"{name}proj.bias"], way)
    return x + out, (n, cache, qh, kh, vh, scale, A, joined)


def self_attention_back(P, name, dout, kept, way, grads):
    """Return dx; enter the gradients."""
    n, cache, qh, kh, vh, scale, A, joined = kept
    djoined, dWo, dbo = linear_back(dout, joined, P[f"{name}proj.weight"], way)
    dah = split_heads(djoined)
    dA = way.mm(dah, vh.transpose(0, 1, 3, 2))
    dvh = way.mm(A.transpose(0, 1, 3, 2), dah)
    dscores = softmax_back(dA, A, way) * scale
    dqh = way.mm(dscores, kh)
    dkh = way.mm(dscores.transpose(0, 1, 3, 2), qh)
    dq, dWq, dbq = linear_back(join_heads(dqh), n, P[f"{name}q.weight"], way)
    dk, dWk, dbk = linear_back(join_heads(dkh), n, P[f"{name}k.weight"], way)
    dv, dWv, dbv = linear_back(join_heads(dvh), n, P[f"{name}v.weight"], way)
    dn = dq + dk + dv
    dx, dgamma, dbeta = layer_norm_back(dn, cache, P[f"{name}norm.weight"], way)
    made = {"proj": (dWo, dbo), "v": (dWv, dbv), "k": (dWk, dbk), "q": (dWq, dbq)}
    for layer, (dW, db) in {**made, "norm": (dgamma, dbeta)}.items():
        grads["gradient", f"{name}{layer}.weight"] = dW
        grads["gradient", f"{name}{layer}.bias"] = db
    return dout + dx


def attention(P, x, t, way):
    h, kept = self_attention(P, "att.", x, way)
    pooled = way.mean(h, 1)
    z = linear(pooled, P["fc.weight"], P["fc.bias"], way)
    loss, dz = cross_entropy(z, t, way)
    dpooled, dW, db = linear_back(dz, pooled, P["fc.weight"], way)
    dh = np.broadcast_to((dpooled / way.dtype(x.shape[1]))[:, None], x.shape)
    grads = {("gradient", "fc.weight"): dW, ("gradient", "fc.bias"): db}
    self_attention_back(P, "att.", dh, kept, way, grads)
    return {("module", "att"): h, ("output", ""): z, ("loss", ""): loss, **grads}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.att, self.norm = Attention(), nn.LayerNorm(WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        x = self.att(x)
        return x + self.down(F.gelu(self.up(self.norm(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, ids):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def block(P, name, x, way):
    x, of_attention = self_attention(P, f"{name}att.", x, way)
    n, cache = layer_norm(x, P[f"{name}norm.weight"], P[f"{name}norm.bias"], way)
    u = linear(n, P[f"{name}up.weight"], P[f"{name}up.bias"], way)
    g, a = gelu_tanh(u, way)
    out = linear(g, P[f"{name}down.weight"], P[f"{name}down.bias"], way)
    return x + out, (of_attention, n, cache, u, g, a)


def block_back(P, name, dout, kept, way, grads):
    of_attention, n, cache, u, g, a = kept
    dg, dW, db = linear_back(dout, g, P[f"{name}down.weight"], way)
    grads["gradient", f"{name}down.weight"], grads["gradient", f"{name}down.bias"] = dW, db
    du = gelu_tanh_back(dg, u, a, way)
    dn, dW, db = linear_back(du, n, P[f"{name}up.weight"], way)
    grads["gradient", f"{name}up.weight"], grads["gradient", f"{name}up.bias"] = dW, db
    dx, dgamma, dbeta = layer_norm_back(dn, cache, P[f"{name}norm.weight"], way)
    grads["gradient", f"{name}norm.weight"], grads["gradient", f"{name}norm.bias"] = dgamma, dbeta
    dx = dout + dx
    return self_attention_back(P, f"{name}att.", dx, of_attention, way, grads)


def gpt(P, ids, t, way):
    x = P["words.weight"][ids] + P["places.weight"][np.arange(ids.shape[1])]
    x, kept0 = block(P, "blocks.0.", x, way)
    first = x
    x, kept1 = block(P, "blocks.1.", x, way)
    n, cache = layer_norm(x, P["norm.weight"], P["norm.bias"], way)
    V = P["head.weight"]
    logits = way.mm(n, V.T)
    loss, dlogits = cross_entropy(logits.reshape(-1, WORDS), t.ravel(), way)
    dn, dV, _ = linear_back(dlogits.reshape(logits.shape), n, V, way)
    dx, dgamma, dbeta = layer_norm_back(dn, cache, P["norm.weight"], way)
    grads = {
        ("gradient", "head.weight"): dV,
        ("gradient", "norm.weight"): dgamma,
        ("gradient", "norm.bias"): dbeta,
    }
    dx = block_back(P, "blocks.1.", dx, kept1, way, grads)
    dx = block_back(P, "blocks.0.", dx, kept0, way, grads)
    dwords = np.zeros_like(P["words.weight"])
    np.add.at(dwords, ids.ravel(), dx.reshape(-1, WIDTH))
    grads["gradient", "places.weight"] = way.sum(dx, 0)
    grads["gradient", "words.weight"] = dwords
    return {
        ("module", "blocks.0"): first,
        ("module", "blocks.1"): x,
        ("output", ""): logits,
        ("loss", ""): loss,
        **grads,
    }


def _vectors(rng, rows):
    return rng.standard_normal((rows, LENGTH, WIDTH)), rng.integers(0, 5, rows)


def _words(rng, rows):
    return rng.integers(0, WORDS, (rows, LENGTH)), rng.integers(0, WORDS, (rows, LENGTH))


ZERO = frozenset({"blocks.0.att.k.bias", "blocks.1.att.k.bias"})
ARCHITECTURES = (
    Architecture("tied", Tied, over_tokens, _words, tied),
    Architecture(
        "attention",
        Classifier,
        F.cross_entropy,
        _vectors,
        attention,
        frozenset({"att.k.bias"}),
    ),
    Architecture("gpt", GPT, over_tokens, _words, gpt, ZERO),
)
