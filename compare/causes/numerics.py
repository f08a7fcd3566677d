"""Mistakes of precision: what is rounded on the way, bit for bit where that can be replayed."""

from collections.abc import Callable
from typing import Any

import numpy as np

from compare.causes.mistake import Mistake
from compare.causes.replay import Float64, Replay

KINDS = {"float16": np.float16, "float32": np.float32}


Value = Callable[[Replay], Float64]
Then = Callable[[Replay, Float64], Float64]


def unchanged(_: Replay, value: Float64) -> Float64:
    """Return the value."""
    return value


def right(c: Replay) -> Float64:
    """Return what the piece gives."""
    value: Float64 = c.right
    return value


def rounded(kind: Any, value: Value, then: Then) -> Value:
    """Return a change that rounds `value` to a dtype and back, and goes on from there."""
    return lambda c: then(c, np.asarray(value(c)).astype(kind).astype(float))


def cast(
    piece: str, of: str, en: str, ja: str, value: Value, then: Then = unchanged
) -> list[Mistake]:
    """Return a row for each dtype that a value may be rounded to."""
    return [
        Mistake(
            f"{of} in {name}", "numerics", piece, rounded(kind, value, then),
            (f"{en} is rounded to {name}", f"{ja}が {name} に丸められています"),
            f"{of}.astype(np.{name})", of,
        )
        for name, kind in KINDS.items()
    ]  # fmt: skip  # a row


NUMERICS = [
    *cast("affine", "x @ W", "the product x W of {where}", "{where}の積 x W", lambda c: c.a @ c.W,
          then=lambda c, value: value + c.b),
    *cast("affine", "x @ W + b", "x W + b of {where}", "{where}の x W + b", right),
    *cast("act", "activation", "what the activation of {where} gives",
          "{where}の活性化関数の値", right),
    *cast("x", "x", "the batch", "バッチ", lambda c: c.x),
    *cast("logits", "logits", "the logits", "ロジット", right),
    *cast("dx", "dx", "dx of {where}", "{where}の dx", right),
    *cast("seed", "dout of the loss", "the gradient by the logits", "ロジットの勾配",
          right),
    *cast("dW", "dW", "dW of {where}", "{where}の dW", right),
    *cast("db", "db", "db of {where}", "{where}の db", right),
    *cast("slope", "dz", "the gradient by z of {where}", "{where}の z の勾配", right),
]  # fmt: skip  # a row a value


def add_product(name: str, kind: Any) -> Mistake:
    """Return the row of a product in a dtype, sums and all: numpy gives the same bits again."""
    return Mistake(
        f"product in {name}", "numerics", "affine",
        lambda c: (c.a.astype(kind) @ c.W.astype(kind)).astype(float) + c.b,
        (f"the product x W of {{where}} is computed in {name}",
         f"{{where}}の積 x W が {name} で計算されています"),
        f"x.astype(np.{name}) @ W.astype(np.{name})", "x @ W + b",
    )  # fmt: skip  # as in the tables


NUMERICS += [add_product(name, kind) for name, kind in KINDS.items()]
NUMERICS += [
    Mistake(
        "parameters in float16", "numerics", "params",
        lambda c: {k: v.astype(np.float16).astype(float) for k, v in c.params.items()},
        ("the parameters are rounded to float16", "パラメータが float16 に丸められています"),
        "W.astype(np.float16)", "W",
    ),
    Mistake(
        "parameters in float32", "numerics", "params",
        lambda c: {k: v.astype(np.float32).astype(float) for k, v in c.params.items()},
        ("the parameters are rounded to float32", "パラメータが float32 に丸められています"),
        "W.astype(np.float32)", "W",
    ),
]  # fmt: skip  # as in the tables
