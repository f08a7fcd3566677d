"""Mistakes in the forward pass: Affine, activation, output."""

from typing import Any

import numpy as np

from compare.causes.mistake import Mistake, book
from compare.causes.replay import Float64, Replay

AFFINE, RELU, SIGMOID = book("5.6.2"), book("5.5.1"), book("5.5.2")


def other_bias(c: Replay) -> Float64:
    """Return the bias of the nearest other layer with as many units; its own if there is none."""
    same = [j for j in range(1, c.L + 1) if j != c.i and c.params[f"b{j}"].shape == c.b.shape]
    return c.params[f"b{min(same, key=lambda j: (abs(j - c.i), j))}"] if same else c.b


def nothing() -> Any:
    """Say that a mistake cannot be made here."""
    raise LookupError


def square(W: Float64) -> bool:
    """Whether transposing W keeps its shape."""
    return bool(W.shape[0] == W.shape[1])


FORWARD = [
    Mistake(
        "bias", "forward", "affine", lambda c, k: c.a @ c.W + k * c.b,
        ("the bias of {where} enters {k} times", "{where}のバイアスが {k} 倍で足されています"),
        "x @ W + k * b", "x @ W + b", AFFINE, starts=(0.0, 2.0, -1.0),
        means={
            "0": ("the bias of {where} is left out", "{where}のバイアスが足されていません",
                  "x @ W"),
            "2": ("the bias of {where} is added twice", "{where}のバイアスが二度足されています",
                  "x @ W + b + b"),
            "-1": ("the bias of {where} is subtracted", "{where}のバイアスが引かれています",
                   "x @ W - b"),
        },
    ),
    Mistake(
        "one bias element", "forward", "affine", lambda c: c.a @ c.W + c.b[0],
        ("all units of {where} get the first element of the bias",
         "{where}の全ユニットにバイアスの最初の要素が足されています"),
        "x @ W + b[0]", "x @ W + b", AFFINE,
    ),
    Mistake(
        "mean bias", "forward", "affine", lambda c: c.a @ c.W + c.b.mean(),
        ("all units of {where} get the mean of the bias",
         "{where}の全ユニットにバイアスの平均が足されています"),
        "x @ W + b.mean()", "x @ W + b", AFFINE,
    ),
    Mistake(
        "bias of another layer", "forward", "affine", lambda c: c.a @ c.W + other_bias(c),
        ("{where} adds the bias of another layer", "{where}が別の層のバイアスを足しています"),
        "x @ W2 + b1", "x @ W2 + b2", AFFINE,
    ),
    Mistake(
        "bias before the product", "forward", "affine",
        lambda c: (c.a + c.b) @ c.W if square(c.W) else c.a @ c.W + c.b,
        ("the bias of {where} is added before the product",
         "{where}のバイアスが行列の積の前に足されています"),
        "(x + b) @ W", "x @ W + b", AFFINE,
    ),
    Mistake(
        "W transposed", "forward", "affine",
        lambda c: c.a @ (c.W.T if square(c.W) else c.W) + c.b,
        ("W of {where} is transposed; only a square W lets that pass",
         "{where}の W が転置されています(正方行列なので形が合ってしまいます)"),
        "x @ W.T + b", "x @ W + b", AFFINE,
    ),
    Mistake(
        "product scaled", "forward", "affine", lambda c, k: k * (c.a @ c.W) + c.b,
        ("the product x W of {where} is {k} times what it should be",
         "{where}の積 x W が正しい値の {k} 倍です"),
        "k * (x @ W) + b", "x @ W + b", AFFINE, starts=(0.5,), is_general=True,
    ),
    Mistake(
        "pre-activation scaled", "forward", "affine", lambda c, k: k * c.right,
        ("x W + b of {where} is {k} times what it should be",
         "{where}の x W + b が正しい値の {k} 倍です"),
        "k * (x @ W + b)", "x @ W + b", AFFINE, starts=(0.5,), is_general=True,
    ),
    Mistake(
        "pre-activation shifted", "forward", "affine", lambda c, k: c.right + k,
        ("{k} is added to x W + b of {where}", "{where}の x W + b に {k} が足されています"),
        "x @ W + b + k", "x @ W + b", AFFINE, starts=(0.1,), is_general=True,
    ),
    Mistake(
        "input scaled by its largest", "forward", "affine",
        lambda c: c.a / np.abs(c.a).max() @ c.W + c.b,
        ("the input of {where} is divided by its largest element",
         "{where}の入力が最大の要素で割られています"),
        "x / np.abs(x).max() @ W + b", "x @ W + b",
    ),
    Mistake(
        "input standardised", "forward", "affine",
        lambda c: (c.a - c.a.mean(axis=0)) / (c.a.std(axis=0) + 1e-7) @ c.W + c.b,
        ("the input of {where} is standardised over the batch",
         "{where}の入力がバッチ内で標準化されています"),
        "(x - x.mean(0)) / x.std(0) @ W + b", "x @ W + b",
    ),
    Mistake(
        "absolute weights", "forward", "affine", lambda c: c.a @ np.abs(c.W) + c.b,
        ("{where} takes the magnitude of W", "{where}が W の絶対値を使っています"),
        "x @ np.abs(W) + b", "x @ W + b", AFFINE,
    ),
    Mistake(
        "activation missing", "forward", "act", lambda c: c.n,
        ("{where} has no activation", "{where}の活性化関数が抜けています"),
        "x", "{activation}",
    ),
    Mistake(
        "another activation", "forward", "act",
        lambda c: c.act(c.n, "sigmoid" if c.given.activation != "sigmoid" else "relu"),
        ("{where} has another activation, sigmoid or relu, than the others",
         "{where}の活性化関数だけが他の層と違います(sigmoid か relu)"),
        "another(x)", "{activation}",
    ),
    Mistake(
        "tanh among others", "forward", "act",
        lambda c: c.act(c.n, "tanh" if c.given.activation != "tanh" else "relu"),
        ("{where} has another activation, tanh or relu, than the others",
         "{where}の活性化関数だけが他の層と違います(tanh か relu)"),
        "another(x)", "{activation}",
    ),
    Mistake(
        "leaky relu", "forward", "act", lambda c, k: np.where(c.n > 0, c.n, k * c.n),
        ("the ReLU of {where} multiplies negative values by {k} instead of 0",
         "{where}の ReLU が負の値を 0 にせず {k} 倍しています"),
        "np.where(x > 0, x, k * x)", "np.maximum(x, 0)", RELU, starts=(0.01, -1.0, 0.1),
        of="relu",
        means={"-1": ("the ReLU of {where} returns the magnitude |x|",
                      "{where}の ReLU が絶対値 |x| を返しています", "np.abs(x)")},
    ),
    Mistake(
        "relu capped", "forward", "act", lambda c, k: np.clip(c.n, 0, k),
        ("the ReLU of {where} is capped at {k}", "{where}の ReLU が {k} で頭打ちになっています"),
        "np.clip(x, 0, k)", "np.maximum(x, 0)", RELU, starts=(6.0, 1.0, 3.0), of="relu",
    ),
    Mistake(
        "relu threshold", "forward", "act", lambda c, k: np.where(c.n > k, c.n, 0),
        ("the ReLU of {where} lets only values above {k} pass, not above 0",
         "{where}の ReLU が 0 ではなく {k} を超える値だけを通しています"),
        "x * (x > k)", "x * (x > 0)", RELU, starts=(0.01, 0.1, 0.001, 0.5, 1e-3, -0.1),
        of="relu",
    ),
    Mistake(
        "relu of -x", "forward", "act", lambda c: np.maximum(-c.n, 0),
        ("the ReLU of {where} lets negative values pass with the sign turned",
         "{where}の ReLU が負の値を符号を変えて通しています"),
        "np.maximum(-x, 0)", "np.maximum(x, 0)", RELU, of="relu",
    ),
    Mistake(
        "relu keeps the negative", "forward", "act", lambda c: np.minimum(c.n, 0),
        ("the ReLU of {where} keeps what is negative and drops what is positive",
         "{where}の ReLU が負の値を残し、正の値を 0 にしています"),
        "np.minimum(x, 0)", "np.maximum(x, 0)", RELU, of="relu",
    ),
    Mistake(
        "softplus", "forward", "act", lambda c: np.logaddexp(0, c.n),
        ("{where} has softplus, log(1 + exp(x)), for ReLU",
         "{where}が ReLU の代わりに softplus log(1 + exp(x)) を使っています"),
        "np.log(1 + np.exp(x))", "np.maximum(x, 0)", RELU, of="relu",
    ),
    Mistake(
        "elu", "forward", "act", lambda c, k: np.where(c.n > 0, c.n, k * np.expm1(c.n)),
        ("{where} has ELU with alpha {k} for ReLU",
         "{where}が ReLU の代わりに ELU (alpha {k}) を使っています"),
        "np.where(x > 0, x, k * (np.exp(x) - 1))", "np.maximum(x, 0)", RELU, starts=(1.0,),
        of="relu",
    ),
    Mistake(
        "silu", "forward", "act", lambda c: c.n * c.act(c.n, "sigmoid"),
        ("{where} has x sigmoid(x) for ReLU",
         "{where}が ReLU の代わりに x sigmoid(x) を使っています"),
        "x * sigmoid(x)", "np.maximum(x, 0)", RELU, of="relu",
    ),
    Mistake(
        "gelu", "forward", "act",
        lambda c: 0.5 * c.n * (1 + np.tanh(np.sqrt(2 / np.pi) * (c.n + 0.044715 * c.n**3))),
        ("{where} has the tanh form of GELU for the activation",
         "{where}の活性化関数が GELU(tanh による近似)になっています"),
        "gelu(x)", "np.maximum(x, 0)", of="relu",
    ),
    Mistake(
        "relu squared", "forward", "act", lambda c: c.right**2,
        ("the activation of {where} is squared", "{where}の活性化関数の値が二乗されています"),
        "activation(x) ** 2", "{activation}",
    ),
    Mistake(
        "activation twice", "forward", "act", lambda c: c.act(c.act(c.n)),
        ("the activation of {where} is applied twice", "{where}の活性化関数が二度かかっています"),
        "activation(activation(x))", "{activation}",
    ),
    Mistake(
        "activation of a multiple", "forward", "act", lambda c, k: c.act(k * c.n),
        ("the activation of {where} is given {k} times what it should be given",
         "{where}の活性化関数に {k} 倍の値が渡されています"),
        "activation(k * x)", "{activation}", starts=(0.5, 2.0, -1.0),
        means={"-1": ("the sign of what the activation of {where} is given is turned",
                      "{where}の活性化関数に渡す値の符号が逆です")},
    ),
    Mistake(
        "activation of the magnitude", "forward", "act", lambda c: c.act(np.abs(c.n)),
        ("the activation of {where} is that of |x|: the sign is lost",
         "{where}の活性化関数が |x| の値になっています(符号が失われています)"),
        "activation(np.abs(x))", "{activation}",
    ),
    Mistake(
        "activation scaled", "forward", "act", lambda c, k: k * c.right,
        ("the activation of {where} gives {k} times what it should",
         "{where}の活性化関数の値が正しい値の {k} 倍です"),
        "k * activation(x)", "{activation}", starts=(0.5,), is_general=True,
    ),
    Mistake(
        "activation shifted", "forward", "act", lambda c, k: c.right + k,
        ("{k} is added to what the activation of {where} gives",
         "{where}の活性化関数の値に {k} が足されています"),
        "activation(x) + k", "{activation}", starts=(0.1,), is_general=True,
    ),
    Mistake(
        "activation clipped", "forward", "act", lambda c, k: c.act(np.clip(c.n, -k, k)),
        ("what the activation of {where} is given is clipped at +-{k}",
         "{where}の活性化関数の入力が ±{k} で切られています"),
        "activation(np.clip(x, -k, k))", "{activation}", starts=(5.0, 1.0, 10.0, 20.0, 500.0),
        of="sigmoid tanh",
    ),
    Mistake(
        "hard tanh", "forward", "act", lambda c: np.clip(c.n, -1, 1),
        ("{where} has clip(x, -1, 1) for tanh",
         "{where}が tanh の代わりに clip(x, -1, 1) を使っています"),
        "np.clip(x, -1, 1)", "np.tanh(x)", of="tanh",
    ),
    Mistake(
        "tanh series", "forward", "act", lambda c: c.n - c.n**3 / 3 + 2 * c.n**5 / 15,
        ("{where} has the first terms of the series of tanh",
         "{where}が tanh を級数の最初の項で計算しています"),
        "x - x**3 / 3 + 2 * x**5 / 15", "np.tanh(x)", of="tanh",
    ),
    Mistake(
        "softsign", "forward", "act", lambda c: c.n / (1 + np.abs(c.n)),
        ("{where} has x / (1 + |x|) for the activation",
         "{where}の活性化関数が x / (1 + |x|) になっています"),
        "x / (1 + np.abs(x))", "{activation}",
    ),
    Mistake(
        "hard sigmoid", "forward", "act", lambda c, k: np.clip(k * c.n + 0.5, 0, 1),
        ("{where} has clip({k} x + 1/2, 0, 1) for sigmoid",
         "{where}が sigmoid の代わりに clip({k} x + 1/2, 0, 1) を使っています"),
        "np.clip(k * x + 0.5, 0, 1)", "1 / (1 + np.exp(-x))", SIGMOID, starts=(0.2, 0.25),
        of="sigmoid",
    ),
    Mistake(
        "activation on the output", "forward", "logits", lambda c: c.act(c.right),
        ("the activation is applied to the logits, too",
         "出力層のロジットにも活性化関数がかかっています"),
        "activation(x @ W + b) in the last layer", "x @ W + b", book("3.5"),
    ),
    Mistake(
        "softmax as logits", "forward", "logits",
        lambda c: np.exp(c.log_softmax(c.right)),
        ("the logits have gone through softmax once before the loss: softmax is taken twice",
         "損失の前にロジットが softmax を通っています(softmax が二重です)"),
        "loss(softmax(z), t)", "loss(z, t)", book("5.6.3"),
    ),
    Mistake(
        "logits scaled", "forward", "logits", lambda c, k: k * c.right,
        ("the logits are {k} times what they should be", "ロジットが正しい値の {k} 倍です"),
        "k * z", "z", starts=(0.5,), is_general=True,
    ),
    Mistake(
        "unit dropped", "forward", "act", lambda c: c.right * (np.arange(c.right.shape[1]) > 0),
        ("unit 0 of {where} is always 0", "{where}のユニット 0 が常に 0 です"),
        "h[:, 0] = 0", "h",
    ),
]  # fmt: skip  # what, how; how it reads; what is written and should be
