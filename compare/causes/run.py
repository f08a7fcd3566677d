"""Mistakes around a network: how it begins, what it is fed, and the loop that trains it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.causes.mistake import Mistake, book

Array = NDArray[Any]
HE, XAVIER, LOADING, LOOP = book("6.2.3"), book("6.2.2"), book("3.6.1"), book("4.5.2")


@dataclass(frozen=True)
class Drawn:
    """What the weights of a layer are made of; the c of the rows of INIT.

    Attributes
    ----------
    right : ndarray (fan_in, fan_out)
        As they should be.
    std : float
        Their standard deviation.
    first : ndarray
        The standard-normal draws of the first layer.
    features : int
        fan_in of the first layer.
    """

    right: Array
    std: float
    first: Array
    features: int

    @property
    def draws(self) -> Array:
        """Standard-normal numbers, (fan_in, fan_out)."""
        return np.asarray(self.right / self.std)

    @property
    def fan_in(self) -> int:
        """Inputs of the layer."""
        return len(self.right)

    @property
    def fan_out(self) -> int:
        """Its units."""
        return int(self.right.shape[1])

    @property
    def gain(self) -> float:
        """2 for He, 1 for Xavier."""
        return self.std**2 * self.fan_in


def again(c: Drawn) -> Array:
    """Return weights of the draws of the first layer, begun anew."""
    flat = c.first.ravel()
    count = c.fan_in * c.fan_out
    return np.resize(flat, count).reshape(c.fan_in, c.fan_out) * c.std


INIT = [
    Mistake(
        "std is the variance", "init", "W", lambda c: c.draws * c.std**2,
        ("the root is missing: weights are drawn with the variance for a standard deviation",
         "平方根が抜けていて、分散を標準偏差として重みを作っています"),
        "2 / fan_in * randn(...)", "np.sqrt(2 / fan_in) * randn(...)", HE,
    ),
    Mistake(
        "fan_out for fan_in", "init", "W",
        lambda c: c.draws * math.sqrt(c.gain / c.fan_out),
        ("the standard deviation is taken from the outputs of a layer, not from its inputs",
         "標準偏差が層の入力数ではなく出力数から計算されています"),
        "np.sqrt(2 / fan_out)", "np.sqrt(2 / fan_in)", HE,
    ),
    Mistake(
        "Glorot's rule", "init", "W",
        lambda c: c.draws * math.sqrt(2 / (c.fan_in + c.fan_out)),
        ("the standard deviation is Glorot's sqrt(2 / (fan_in + fan_out)), as in PyTorch's "
         "xavier_normal_", "標準偏差が Glorot の sqrt(2 / (fan_in + fan_out)) です(PyTorch の "
         "xavier_normal_ と同じ)"),
        "np.sqrt(2 / (fan_in + fan_out))", "np.sqrt(1 / fan_in)", XAVIER,
    ),
    Mistake(
        "fan_in of the first layer", "init", "W",
        lambda c: c.draws * math.sqrt(c.gain / c.features),
        ("every layer takes the fan_in of the first", "全ての層が最初の層の入力数を使っています"),
        "np.sqrt(2 / input_size)", "np.sqrt(2 / fan_in)", HE,
    ),
    Mistake(
        "weights scaled", "init", "W", lambda c, k: k * c.right,
        ("the weights are {k} times what they should be", "重みが正しい値の {k} 倍です"),
        "k * std * randn(...)", "std * randn(...)", HE, starts=(0.5,),
        means={
            "1/sqrt(2)": ("the weights are drawn by Xavier's rule, and He's is asked for",
                          "He の初期値のはずが Xavier の初期値になっています",
                          "np.sqrt(1 / fan_in)"),
            "sqrt(2)": ("the weights are drawn by He's rule, and Xavier's is asked for",
                        "Xavier の初期値のはずが He の初期値になっています", "np.sqrt(2 / fan_in)"),
            "-1": ("the weights have the wrong sign", "重みの符号が逆です"),
        },
    ),
    Mistake(
        "fixed std", "init", "W", lambda c, k: k * c.draws,
        ("the standard deviation is {k} in every layer", "標準偏差が全ての層で {k} です"),
        "k * randn(...)", "std * randn(...)", HE, starts=(0.01,),
        means={"1": ("the standard deviation is left out: the weights are standard-normal",
                     "標準偏差が掛けられていません(重みが標準正規分布のままです)")},
    ),
    Mistake(
        "multiplied by fan_in", "init", "W", lambda c: c.draws * math.sqrt(c.gain * c.fan_in),
        ("the weights are multiplied by the root of fan_in, and should be divided",
         "重みが fan_in の平方根で割られずに掛けられています"),
        "np.sqrt(2 * fan_in)", "np.sqrt(2 / fan_in)", HE,
    ),
    Mistake(
        "root of fan_in alone", "init", "W", lambda c: c.draws * c.gain / math.sqrt(c.fan_in),
        ("the root is taken of fan_in alone", "平方根が fan_in だけに掛かっています"),
        "2 / np.sqrt(fan_in)", "np.sqrt(2 / fan_in)", HE,
    ),
    Mistake(
        "draws begun anew", "init", "W", again,
        ("every layer begins the same random numbers anew: the generator is seeded in the loop",
         "各層が同じ乱数を最初から使っています(ループの中で乱数を初期化しています)"),
        "rng = default_rng(0) in the loop", "rng = default_rng(0) before the loop",
    ),
    Mistake(
        "draws clipped", "init", "W", lambda c: np.clip(c.draws, -2, 2) * c.std,
        ("the draws are cut at two standard deviations", "乱数が標準偏差の 2 倍で切られています"),
        "np.clip(randn(...), -2, 2)", "randn(...)",
    ),
    Mistake(
        "magnitudes", "init", "W", lambda c: np.abs(c.right),
        ("all weights are positive", "重みが全て正です"),
        "np.abs(randn(...))", "randn(...)",
    ),
    Mistake(
        "weights shifted", "init", "W", lambda c, k: c.right + k,
        ("{k} is added to the weights", "重みに {k} が足されています"),
        "std * randn(...) + k", "std * randn(...)", starts=(0.1,), is_general=True,
    ),
    Mistake(
        "weights drawn as (fan_out, fan_in)", "init", "W",
        lambda c: c.draws.reshape(c.fan_out, c.fan_in).T * c.std,
        ("the weights are drawn as (fan_out, fan_in) and transposed",
         "重みが (fan_out, fan_in) の形で作られ、転置されています"),
        "randn(fan_out, fan_in).T", "randn(fan_in, fan_out)",
    ),
    Mistake(
        "weights in float32", "numerics", "W", lambda c: c.right.astype(np.float32).astype(float),
        ("the weights are drawn in float32", "重みが float32 で作られています"),
        "randn(...).astype(np.float32)", "randn(...)",
    ),
    Mistake(
        "weights in float16", "numerics", "W", lambda c: c.right.astype(np.float16).astype(float),
        ("the weights are drawn in float16", "重みが float16 で作られています"),
        "randn(...).astype(np.float16)", "randn(...)",
    ),
    Mistake(
        "biases not zero", "init", "b", lambda c, k: c.right + k,
        ("the biases start at {k}, not at 0", "バイアスの初期値が 0 ではなく {k} です"),
        "np.full(n, k)", "np.zeros(n)", book("6.2"), starts=(0.01,),
    ),
]  # fmt: skip  # as in forward.py


def images(x: Array) -> Array:
    """Return rows as square images."""
    side = math.isqrt(x.shape[1])
    return x.reshape(len(x), side, side)


DATA = [
    Mistake(
        "pixels scaled", "data", "x", lambda c, k: k * c,
        ("the pixels are {k} times what they should be", "画素が正しい値の {k} 倍です"),
        "pixels * k", "pixels / 255", LOADING, starts=(0.5,),
        means={
            "255": ("the pixels are not divided by 255", "画素が 255 で割られていません", "pixels"),
            "255/256": ("the pixels are divided by 256, not by 255",
                        "画素が 255 ではなく 256 で割られています", "pixels / 256"),
            "1/255": ("the pixels are divided by 255 twice", "画素が 255 で二度割られています",
                      "pixels / 255 / 255"),
        },
    ),
    Mistake(
        "pixels through float32", "numerics", "x",
        lambda c: (np.rint(c * 255).astype(np.float32) / np.float32(255)).astype(float),
        ("the pixels are divided in float32 before they become float64",
         "画素が float64 になる前に float32 で割られています"),
        "(pixels.astype(np.float32) / 255)", "pixels.astype(dtype) / 255", LOADING,
    ),
    Mistake(
        "pixels in float16", "numerics", "x",
        lambda c: c.astype(np.float16).astype(float),
        ("the pixels are held in float16", "画素が float16 で保持されています"),
        "x.astype(np.float16)", "x", LOADING,
    ),
    Mistake(
        "pixels inverted", "data", "x", lambda c: 1 - c,
        ("black and white are exchanged", "白黒が反転しています"),
        "1 - pixels / 255", "pixels / 255", LOADING,
    ),
    Mistake(
        "pixels standardised", "data", "x", lambda c: (c - 0.1307) / 0.3081,
        ("the pixels are standardised by MNIST's mean 0.1307 and deviation 0.3081",
         "画素が MNIST の平均 0.1307、標準偏差 0.3081 で標準化されています"),
        "(x - 0.1307) / 0.3081", "x", LOADING,
    ),
    Mistake(
        "pixels from 0.01", "data", "x", lambda c: 0.99 * c + 0.01,
        ("the pixels go from 0.01 to 1", "画素が 0.01 から 1 になっています"),
        "x * 0.99 + 0.01", "x", LOADING,
    ),
    Mistake(
        "pixels centred", "data", "x", lambda c: 2 * c - 1,
        ("the pixels go from -1 to 1", "画素が -1 から 1 になっています"),
        "2 * x - 1", "x", LOADING,
    ),
    Mistake(
        "pixels rounded", "data", "x", lambda c: (c > 0.5).astype(float),
        ("the pixels are black or white alone", "画素が白か黒だけになっています"),
        "x > 0.5", "x", LOADING,
    ),
    Mistake(
        "images transposed", "data", "x",
        lambda c: images(c).transpose(0, 2, 1).reshape(c.shape),
        ("the images are transposed: they are flattened column by column",
         "画像が転置されています(列の順に平らにされています)"),
        "x.reshape(n, -1, order='F')", "x.reshape(n, -1)", LOADING,
    ),
    Mistake(
        "images upside down", "data", "x", lambda c: images(c)[:, ::-1].reshape(c.shape),
        ("the images are upside down", "画像が上下逆です"),
        "x[:, ::-1]", "x", LOADING,
    ),
    Mistake(
        "images mirrored", "data", "x", lambda c: images(c)[:, :, ::-1].reshape(c.shape),
        ("the images are mirrored", "画像が左右逆です"),
        "x[:, :, ::-1]", "x", LOADING,
    ),
    *(
        Mistake(
            f"header of {16 - k} bytes", "data", "x",
            lambda c, k=k: np.roll(c.ravel(), k).reshape(c.shape),
            (f"the pixels are shifted by {k}: the header of the file is taken for {16 - k} bytes, "
             "not for 16", f"画素が {k} ずれています(ファイルのヘッダーが 16 ではなく {16 - k} "
             "バイトとして読まれています)"),
            f"np.frombuffer(data, offset={16 - k})", "np.frombuffer(data, offset=16)", LOADING,
        )
        for k in (8, 4, 12, 16, 1)
    ),
    *(
        Mistake(
            f"images shifted by {k}", "data", "x", lambda c, k=k: np.roll(c, k, axis=0),
            (f"the images are shifted by {k} against the targets",
             f"画像が正解に対して {k} 枚ずれています"),
            f"np.roll(x, {k}, axis=0)", "x", LOADING,
        )
        for k in (1, -1)
    ),
    Mistake(
        "targets shifted", "data", "t", lambda c, k: np.roll(c, int(k)),
        ("the targets are shifted by {k} samples against the images",
         "正解が画像に対して {k} 個ずれています"),
        "np.roll(t, k)", "t", LOADING, starts=(1.0, -1.0, 8.0, -8.0, 2.0, -2.0),
    ),
    Mistake(
        "targets counted from elsewhere", "data", "t", lambda c, k: (c + int(k)) % (c.max() + 1),
        ("the targets are {k} off: they are counted from another number",
         "正解が {k} ずれています(数え始めが違います)"),
        "t + k", "t", LOADING, starts=(1.0, -1.0),
    ),
    Mistake(
        "targets reversed", "data", "t", lambda c: c.max() - c,
        ("the targets are counted backwards", "正解が逆順に数えられています"),
        "9 - t", "t", LOADING,
    ),
    Mistake(
        "targets in reverse order", "data", "t", lambda c: c[::-1],
        ("the targets are in the opposite order of the images", "正解が画像と逆の順序です"),
        "t[::-1]", "t", LOADING,
    ),
    Mistake(
        "targets all alike", "data", "t", lambda c: np.full_like(c, c[0]),
        ("all targets are that of the first image", "全ての正解が最初の画像のものです"),
        "t[0]", "t", LOADING,
    ),
]  # fmt: skip  # as in forward.py


@dataclass(frozen=True)
class Batches:
    """A batch as it should be, and the one before; the c of the rows of BATCH."""

    x: Array
    t: Array
    previous: tuple[Array, Array] | None


BATCH = [
    Mistake(
        "batch without its last", "data", "batch", lambda c: (c.x[:-1], c.t[:-1]),
        ("the batch leaves out its last sample", "バッチから最後のサンプルが抜けています"),
        "x[i : i + B - 1]", "x[i : i + B]", LOOP,
    ),
    Mistake(
        "batch without its first", "data", "batch", lambda c: (c.x[1:], c.t[1:]),
        ("the batch leaves out its first sample", "バッチから最初のサンプルが抜けています"),
        "x[i + 1 : i + B]", "x[i : i + B]", LOOP,
    ),
    Mistake(
        "batch of before", "data", "batch", lambda c: c.previous,
        ("the batch is that of the step before", "一つ前のステップのバッチです"),
        "the old batch", "x[rows], t[rows]", LOOP,
    ),
    Mistake(
        "targets of before", "data", "batch", lambda c: (c.x, c.previous[1]),
        ("the targets are those of the batch before", "正解が一つ前のバッチのものです"),
        "t of the old batch", "t[rows]", LOOP,
    ),
    Mistake(
        "targets rolled in the batch", "data", "batch", lambda c: (c.x, np.roll(c.t, 1)),
        ("the targets are shifted by one against the images of the batch",
         "バッチの中で正解が一つずれています"),
        "np.roll(t, 1)", "t", LOOP,
    ),
    Mistake(
        "images rolled in the batch", "data", "batch", lambda c: (np.roll(c.x, 1, axis=0), c.t),
        ("the images are shifted by one against the targets of the batch",
         "バッチの中で画像が一つずれています"),
        "np.roll(x, 1, axis=0)", "x", LOOP,
    ),
]  # fmt: skip  # as in forward.py
