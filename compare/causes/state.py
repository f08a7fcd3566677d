"""Mistakes in what is kept: arrays that are one, copies that stay behind, the input's own."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from compare.causes.forward import nothing
from compare.causes.mistake import Mistake, book
from compare.causes.replay import Float64, Replay

Params = dict[str, Float64]


def shared(c: Replay, letter: str) -> Params:
    """Return the parameters where the last of some equal shape is all of them."""
    names = [key for key in c.params if key[0] == letter]
    pairs = [(a, b) for a, b in combinations(names, 2) if c.params[a].shape == c.params[b].shape]
    return {**c.params, **{a: c.params[b] for a, b in pairs}} if pairs else dict(nothing())


def kept(c: Replay, letters: str) -> Params:
    """Return the parameters that the network came with, of these letters."""
    own: Mapping[str, Float64] = c.given.own
    mixed = {
        k: np.asarray(own.get(k, v), float) if k[0] in letters else v for k, v in c.params.items()
    }
    return mixed if own else dict(nothing())  # fmt: skip  # a condition a line


STATE = [
    Mistake(
        "biases are one array", "state", "params", lambda c: shared(c, "b"),
        ("biases of equal size are one array: training one changes the other",
         "同じ大きさのバイアスが一つの配列を共有しています(片方の学習がもう片方を変えます)"),
        "b1 = b2 = np.zeros(n)", "b1, b2 = np.zeros(n), np.zeros(n)",
    ),
    Mistake(
        "weights are one array", "state", "params", lambda c: shared(c, "W"),
        ("weights of equal shape are one array: training one changes the other",
         "同じ形の重みが一つの配列を共有しています(片方の学習がもう片方を変えます)"),
        "W1 = W2 = ...", "W1 = ...; W2 = ...",
    ),
    Mistake(
        "layers hold copies", "state", "params", lambda c: kept(c, "Wb"),
        ("the layers hold copies of the parameters, made when the network was built: what is "
         "trained is never used",
         "層がパラメータの写しを持っていて、学習した値が使われません"),
        "self.W = W.copy()", "self.W = W, and W -= lr * dW in place", book("5.7.2"),
    ),
    Mistake(
        "layers hold copies of W", "state", "params", lambda c: kept(c, "W"),
        ("the layers hold copies of the weights, made when the network was built: what is trained "
         "is never used", "層が重みの写しを持っていて、学習した値が使われません"),
        "self.W = W.copy()", "self.W = W, and W -= lr * dW in place", book("5.7.2"),
    ),
    Mistake(
        "layers hold copies of b", "state", "params", lambda c: kept(c, "b"),
        ("the layers hold copies of the biases, made when the network was built: what is trained "
         "is never used", "層がバイアスの写しを持っていて、学習した値が使われません"),
        "self.b = b.copy()", "self.b = b, and b -= lr * db in place", book("5.7.2"),
    ),
]  # fmt: skip  # as in forward.py
