"""Mistakes on the way back: the slope of the loss, Affine, the activation, what is returned."""

from collections.abc import Callable

import numpy as np

from compare.causes.forward import nothing, square
from compare.causes.mistake import Mistake, book
from compare.causes.replay import Float64, Replay

SEED, AFFINE, RELU, SIGMOID, DECAY = (
    book("5.6.3"), book("5.6.2"), book("5.5.1"), book("5.5.2"), book("6.4.2"),
)  # fmt: skip  # names, sections
Grads = dict[str, Float64]


def swap(c: Replay, letter: str) -> Grads:
    """Return the gradients, those of two equal shapes exchanged."""
    names = [key for key in c.grads if key[0] == letter]
    for one, other in ((a, b) for a in names for b in names if a < b):
        if c.grads[one].shape == c.grads[other].shape:
            return {**c.grads, one: c.grads[other], other: c.grads[one]}
    return dict(nothing())


def other_W(c: Replay) -> Float64:  # noqa: N802  # the book's name
    """Return the weights of the nearest other layer with the same shape; its own if none has."""
    same = [j for j in range(1, c.L + 1) if j != c.i and c.params[f"W{j}"].shape == c.W.shape]
    return c.params[f"W{min(same, key=lambda j: abs(j - c.i))}"] if same else c.W


def cast(kind: type) -> Callable[[Replay], Grads]:
    """Return what rounds every gradient to a dtype."""
    return lambda c: {key: g.astype(kind).astype(float) for key, g in c.grads.items()}


def by_norm(c: Replay, k: float) -> Grads:
    """Return the gradients, all together no longer than k."""
    total = np.sqrt(sum((g**2).sum() for g in c.grads.values()))
    return {key: g * min(1, k / total) for key, g in c.grads.items()}


def jacobian(c: Replay) -> Float64:
    """Return y - t brought through the derivative of softmax once more."""
    g: Float64 = c.right
    return np.asarray(c.y * (g - (g * c.y).sum(axis=1, keepdims=True)))


def of_the_next(c: Replay) -> Float64:
    """Return da where the unit of the next row let pass."""
    return np.asarray(c.dh * (np.roll(c.n, 1, axis=0) > 0))


def to_label(c: Replay, k: float) -> Float64:
    """Return y - t for smoothed targets."""
    return np.asarray((c.y - (1 - k) * c.T - k / c.C) / c.B)


SCALED = {
    "B": ("not divided by the batch size, and the loss is",
          "バッチサイズで割られていません(損失は割られています)"),
    "1/B": ("divided by the batch size twice", "バッチサイズで二度割られています"),
    "-1": ("of the wrong sign", "符号が逆です"),
    "1/C": ("divided by the number of classes, too", "クラス数でも割られています"),
    "B/C": ("divided by the number of classes, not by the batch size",
            "バッチサイズではなくクラス数で割られています"),
    "0": ("always 0", "常に 0 です"),
}  # fmt: skip  # a number, its meaning


def means(en: str, ja: str, right: str) -> dict[str, tuple[str, str, str]]:
    """Return what numbers mean for the gradient called so, which should be `right`."""
    lines = {"0": "0", "-1": f"-({right})", "1/B": f"{right} / B", "1/C": f"{right} / C"}
    return {
        k: (f"{en} is {told[0]}", f"{ja}が{told[1]}", lines.get(k, f"{k} * {right}"))
        for k, told in SCALED.items()
    }


Y_T = "(y - t) / B"

GRADIENT = [
    Mistake(
        "seed scaled", "gradient", "seed", lambda c, k: k * c.right,
        ("the gradient of the loss by the logits, where all start, is {k} times what it should be",
         "全ての始まりであるロジットの勾配が正しい値の {k} 倍です"),
        "k * (y - t) / B", Y_T, SEED, starts=(0.5,),
        means={
            **means("the gradient by the logits, and with it every gradient,",
                    "ロジットの勾配(したがって全ての勾配)", Y_T),
            "B": ("the gradient by the logits, and with it every gradient, is not divided by the "
                  "batch size, and the loss is",
                  "ロジットの勾配(したがって全ての勾配)がバッチサイズで割られていません"
                  "(損失は割られています)", "y - t"),
            "-1": ("the gradient by the logits, and with it every gradient, is of the wrong sign",
                   "ロジットの勾配(したがって全ての勾配)が符号が逆です", "(t - y) / B"),
        },
    ),
    Mistake(
        "seed of the next target", "gradient", "seed",
        lambda c, k: (c.y - np.roll(c.T, int(k), axis=1)) / c.B,
        ("the gradient subtracts 1 at the class {k} beside the target",
         "勾配が正解から {k} ずれたクラスで 1 を引いています"),
        "dx[np.arange(B), t - 1] -= 1", "dx[np.arange(B), t] -= 1", SEED, starts=(-1.0, 1.0),
    ),
    Mistake(
        "seed without target", "gradient", "seed", lambda c: c.y / c.B,
        ("the target is not subtracted from softmax", "softmax から正解が引かれていません"),
        "y / B", Y_T, SEED,
    ),
    Mistake(
        "seed of every target", "gradient", "seed",
        lambda c: (c.y - np.isin(np.arange(c.C), c.t)) / c.B,
        ("1 is subtracted in every row at every class among the targets: dx[:, t] takes all rows",
         "全ての行で、正解に現れる全クラスから 1 が引かれています(dx[:, t] は全ての行です)"),
        "dx[:, t] -= 1", "dx[np.arange(B), t] -= 1", SEED,
    ),
    Mistake(
        "slope on the output", "gradient", "seed",
        lambda c: c.right * c.slope_of(c.logits, c.logits),
        ("the gradient goes back through an activation on the logits",
         "勾配がロジットの活性化関数を通って戻っています"),
        "(y - t) / B * slope", Y_T, SEED,
    ),
    Mistake(
        "seed of target alone", "gradient", "seed", lambda c: -c.T / c.B,
        ("softmax is missing from its gradient: only the target is there",
         "勾配に softmax がなく、正解だけです"),
        "-t / B", Y_T, SEED,
    ),
    Mistake(
        "seed at target alone", "gradient", "seed", lambda c: c.right * c.T,
        ("only the class of the target has a gradient", "正解のクラスにしか勾配がありません"),
        "(y - t) * t / B", Y_T, SEED,
    ),
    Mistake(
        "seed of 1/y", "gradient", "seed", lambda c: -c.T / c.y / c.B,
        ("the gradient is that by softmax, -t / y, not by the logits",
         "ロジットではなく softmax の出力での勾配 -t / y になっています"),
        "-t / y / B", Y_T, SEED,
    ),
    Mistake(
        "softmax slope twice", "gradient", "seed", lambda c: c.right * c.y * (1 - c.y),
        ("y - t is multiplied by y (1 - y), which it contains already",
         "y - t に y (1 - y) がさらに掛けられています(すでに含まれています)"),
        "(y - t) * y * (1 - y) / B", Y_T, SEED,
    ),
    Mistake(
        "softmax derivative twice", "gradient", "seed", jacobian,
        ("y - t goes through the derivative of softmax, which it contains already",
         "y - t にさらに softmax の微分がかかっています(すでに含まれています)"),
        "y * (g - sum(g * y)) of g = (y - t) / B", Y_T, SEED,
    ),
    Mistake(
        "seed smoothed", "gradient", "seed", to_label,
        ("the gradient smooths the targets by {k}, and the loss does not",
         "勾配だけで正解が {k} だけ平滑化されています"),
        "(y - (1 - k) * t - k / C) / B", Y_T, SEED, starts=(0.1,),
    ),
    Mistake(
        "seed of one row", "gradient", "seed", lambda c: c.right * (np.arange(c.B) == 0)[:, None],
        ("only the first row has a gradient", "最初の行にしか勾配がありません"),
        "dx[1:] = 0", Y_T, SEED,
    ),
    Mistake(
        "last sample left out", "gradient", "seed",
        lambda c: c.right * (np.arange(c.B) < c.B - 1)[:, None] * c.B / max(c.B - 1, 1),
        ("the gradient is that of the batch without its last sample",
         "勾配が最後のサンプルを除いたバッチのものです"),
        "x[:-1], t[:-1]", "x, t", SEED,
    ),
    Mistake(
        "seed rounded", "gradient", "seed", lambda c: np.sign(c.right) / c.B,
        ("only the sign of y - t is left", "y - t の符号だけが使われています"),
        "np.sign(y - t) / B", Y_T, SEED,
    ),
    Mistake(
        "seed of the prediction", "gradient", "seed",
        lambda c: (np.eye(c.C)[c.y.argmax(axis=1)] - c.T) / c.B,
        ("the gradient takes the class that is predicted, not softmax",
         "softmax ではなく予測したクラスで勾配を取っています"),
        "(onehot(y.argmax(1)) - t) / B", Y_T, SEED,
    ),
    # dW
    Mistake(
        "dW scaled", "gradient", "dW", lambda c, k: k * c.right,
        ("dW of {where} is {k} times what it should be", "{where}の dW が正しい値の {k} 倍です"),
        "k * x.T @ dout", "x.T @ dout", AFFINE, starts=(0.5,),
        means=means("dW of {where}", "{where}の dW", "x.T @ dout"),
    ),
    Mistake(
        "dW transposed", "gradient", "dW", lambda c: c.right.T if square(c.W) else c.right,
        ("dW of {where} is transposed; only a square W lets that pass",
         "{where}の dW が転置されています(正方行列なので形が合ってしまいます)"),
        "dout.T @ x", "x.T @ dout", AFFINE,
    ),
    Mistake(
        "dW of the output", "gradient", "dW",
        lambda c: c.h.T @ c.dz if c.i < c.L and square(c.W) else c.right,
        ("dW of {where} is taken with the layer's output, not with its input",
         "{where}の dW が入力ではなく出力で計算されています"),
        "out.T @ dout", "x.T @ dout", AFFINE,
    ),
    Mistake(
        "dW of z", "gradient", "dW", lambda c: c.zs[c.i - 1].T @ c.dz if c.i > 1 else c.right,
        ("dW of {where} is taken with what the activation before it was given, not with what it "
         "returned", "{where}の dW が前の活性化関数の出力ではなく入力で計算されています"),
        "z.T @ dout", "x.T @ dout", AFFINE,
    ),
    Mistake(
        "dW of positive inputs", "gradient", "dW", lambda c: np.maximum(c.a, 0).T @ c.dz,
        ("dW of {where} counts positive inputs alone",
         "{where}の dW が正の入力だけで計算されています"),
        "np.maximum(x, 0).T @ dout", "x.T @ dout", AFFINE,
    ),
    Mistake(
        "dW of magnitudes", "gradient", "dW", lambda c: np.abs(c.a).T @ c.dz,
        ("dW of {where} takes the magnitude of the input",
         "{where}の dW が入力の絶対値を使っています"),
        "np.abs(x).T @ dout", "x.T @ dout", AFFINE,
    ),
    Mistake(
        "dW before the slope", "gradient", "dW",
        lambda c: c.a.T @ c.da if c.i < c.L else c.right,
        ("dW of {where} is taken before the slope of the activation",
         "{where}の dW が活性化関数の微分を掛ける前に計算されています"),
        "dW = x.T @ dh", "dW = x.T @ (dh * slope)", AFFINE,
    ),
    Mistake(
        "dW of one row", "gradient", "dW", lambda c: np.outer(c.a[0], c.dz[0]),
        ("dW of {where} is that of the first row alone", "{where}の dW が最初の行だけのものです"),
        "np.outer(x[0], dout[0])", "x.T @ dout", AFFINE,
    ),
    Mistake(
        "dW of the last row", "gradient", "dW", lambda c: np.outer(c.a[-1], c.dz[-1]),
        ("dW of {where} is that of the last row alone: set, not added up",
         "{where}の dW が最後の行だけのものです(足さずに上書きしています)"),
        "dW = np.outer(x[n], dout[n]) in the loop", "dW += np.outer(x[n], dout[n])", AFFINE,
    ),
    Mistake(
        "dW clipped", "gradient", "dW", lambda c, k: np.clip(c.right, -k, k),
        ("dW of {where} is clipped at +-{k}", "{where}の dW が ±{k} で切られています"),
        "np.clip(dW, -k, k)", "dW", starts=(0.01, 0.1, 1.0, 5.0),
    ),
    Mistake(
        "dW without the last row", "gradient", "dW", lambda c: c.a[:-1].T @ c.dz[:-1],
        ("dW of {where} leaves out the last row", "{where}の dW で最後の行が抜けています"),
        "for n in range(B - 1): dW += np.outer(x[n], dout[n])", "x.T @ dout", AFFINE,
    ),
    Mistake(
        "db without the last row", "gradient", "db", lambda c: c.dz[:-1].sum(axis=0),
        ("db of {where} leaves out the last row", "{where}の db で最後の行が抜けています"),
        "dout[:-1].sum(axis=0)", "dout.sum(axis=0)", AFFINE,
    ),
    Mistake(
        "dW of the first layer's input", "gradient", "dW",
        lambda c: c.x.T @ c.dz if c.x.shape[1] == len(c.W) and c.i > 1 else c.right,
        ("dW of {where} is taken with the network's input", "{where}の dW がネットワークの入力で"
         "計算されています"),
        "x0.T @ dout", "x.T @ dout", AFFINE,
    ),
    # weight decay
    Mistake(
        "decay in the gradient", "gradient", "decay", lambda c, k: k * c.W,
        ("{k} W is added to the gradient of W in {where}, another share than the loss says",
         "{where}の W の勾配に {k} W が足されていて、損失の荷重減衰と合いません"),
        "dW + k * W", "dW + lambda * W, lambda as in the loss", DECAY, starts=(0.0,),
        means={
            "0": ("the loss has weight decay and the gradient of {where} has none",
                  "荷重減衰が損失だけにあり、{where}の勾配にありません", "dW"),
            "1": ("W is added to the gradient of W in {where}, another share than the loss says",
                  "{where}の W の勾配に W が足されていて、損失の荷重減衰と合いません", "dW + W"),
            "lambda/B": ("the weight decay in the gradient of {where} is divided by the batch size",
                         "{where}の勾配の荷重減衰がバッチサイズで割られています"),
            "2 lambda": ("the weight decay in the gradient of {where} is that of lambda sum(W^2), "
                         "without the half of the loss",
                         "{where}の勾配の荷重減衰が、損失の 1/2 がない lambda sum(W^2) のものです"),
            "-lambda": ("the weight decay in the gradient of {where} is subtracted",
                        "{where}の勾配で荷重減衰が引かれています"),
        },
    ),
    Mistake(
        "decay of the sign", "gradient", "decay", lambda c, k: k * np.sign(c.W),
        ("{k} sign(W) is added to the gradient of W in {where}, as for a loss with |W|",
         "{where}の W の勾配に {k} sign(W) が足されています(|W| の損失のもの)"),
        "dW + k * np.sign(W)", "dW + lambda * W", DECAY, starts=(0.1,),
    ),
    Mistake(
        "decay transposed", "gradient", "decay",
        lambda c: c.lam * c.W.T if square(c.W) else c.right,
        ("the weight decay in the gradient of {where} takes W transposed",
         "{where}の勾配の荷重減衰で W が転置されています"),
        "dW + lambda * W.T", "dW + lambda * W", DECAY,
    ),
    Mistake(
        "decay of another layer", "gradient", "decay", lambda c: c.lam * other_W(c),
        ("the weight decay in the gradient of {where} takes the W of another layer",
         "{where}の勾配の荷重減衰が別の層の W を使っています"),
        "dW2 + lambda * W1", "dW2 + lambda * W2", DECAY,
    ),
    Mistake(
        "decay of biases", "gradient", "db", lambda c, k: c.right + k * c.b,
        ("{k} b is added to the gradient of the bias in {where}; the loss decays no bias",
         "{where}のバイアスの勾配に {k} b が足されています(損失はバイアスを減衰しません)"),
        "db + lambda * b", "db", DECAY, starts=(0.1,),
    ),
    # db
    Mistake(
        "db scaled", "gradient", "db", lambda c, k: k * c.right,
        ("db of {where} is {k} times what it should be", "{where}の db が正しい値の {k} 倍です"),
        "k * dout.sum(axis=0)", "dout.sum(axis=0)", AFFINE, starts=(0.5,),
        means={
            **means("db of {where}", "{where}の db", "dout.sum(axis=0)"),
            "1/B": ("db of {where} is the mean over the batch and should be the sum: dout is "
                    "divided by the batch size already",
                    "{where}の db がバッチの和ではなく平均です(dout はすでにバッチサイズで"
                    "割られています)", "dout.mean(axis=0)"),
        },
    ),
    Mistake(
        "db of the last row", "gradient", "db", lambda c: c.dz[-1],
        ("db of {where} is that of the last row alone", "{where}の db が最後の行だけのものです"),
        "dout[-1]", "dout.sum(axis=0)", AFFINE,
    ),
    Mistake(
        "db of the first row", "gradient", "db", lambda c: c.dz[0],
        ("db of {where} is that of the first row alone", "{where}の db が最初の行だけのものです"),
        "dout[0]", "dout.sum(axis=0)", AFFINE,
    ),
    Mistake(
        "db over everything", "gradient", "db", lambda c: np.full_like(c.b, c.dz.sum()),
        ("db of {where} is summed over the units, too: one number for all",
         "{where}の db がユニット方向にも足され、全要素が同じ値です"),
        "dout.sum()", "dout.sum(axis=0)", AFFINE,
    ),
    Mistake(
        "db averaged over everything", "gradient", "db", lambda c: np.full_like(c.b, c.dz.mean()),
        ("db of {where} is one mean over rows and units",
         "{where}の db が行とユニット全体の平均です"),
        "dout.mean()", "dout.sum(axis=0)", AFFINE,
    ),
    Mistake(
        "db of magnitudes", "gradient", "db", lambda c: np.abs(c.dz).sum(axis=0),
        ("db of {where} sums magnitudes", "{where}の db が絶対値の和です"),
        "np.abs(dout).sum(axis=0)", "dout.sum(axis=0)", AFFINE,
    ),
    Mistake(
        "db before the slope", "gradient", "db",
        lambda c: c.da.sum(axis=0) if c.i < c.L else c.right,
        ("db of {where} is taken before the slope of the activation",
         "{where}の db が活性化関数の微分を掛ける前に計算されています"),
        "db = dh.sum(axis=0)", "db = (dh * slope).sum(axis=0)", AFFINE,
    ),
    # dx
    Mistake(
        "dx scaled", "gradient", "dx", lambda c, k: k * c.right,
        ("dx, which {where} hands down, is {k} times what it should be",
         "{where}が下に渡す dx が正しい値の {k} 倍です"),
        "k * dout @ W.T", "dout @ W.T", AFFINE, starts=(0.5,),
        means=means("dx, which {where} hands down,", "{where}が下に渡す dx ", "dout @ W.T"),
    ),
    Mistake(
        "dx without transposing", "gradient", "dx",
        lambda c: c.dz @ c.W if square(c.W) else c.right,
        ("dx of {where} is taken with W, not with its transpose; only a square W lets that pass",
         "{where}の dx が W の転置ではなく W で計算されています"
         "(正方行列なので形が合ってしまいます)"),
        "dout @ W", "dout @ W.T", AFFINE,
    ),
    Mistake(
        "dx after the update", "gradient", "dx",
        lambda c, k: c.dz @ (c.W - k * c.grads[f"W{c.i}"]).T,
        ("dx of {where} is taken with W after its update by lr {k}, not before",
         "{where}の dx が学習率 {k} で更新した後の W で計算されています"),
        "W -= lr * dW; dx = dout @ W.T", "dx = dout @ W.T; W -= lr * dW", book("5.7.2"),
        starts=(0.01,),
    ),
    Mistake(
        "dx after the update of data", "gradient", "dx",
        lambda c, k: c.dz @ (c.W - k * c.a.T @ c.dz).T,
        ("dx of {where} is taken with W after its update by lr {k}, not before",
         "{where}の dx が学習率 {k} で更新した後の W で計算されています"),
        "W -= lr * dW; dx = dout @ W.T", "dx = dout @ W.T; W -= lr * dW", book("5.7.2"),
        starts=(0.01,),
    ),
    Mistake(
        "dx of another layer", "gradient", "dx", lambda c: c.dz @ other_W(c).T,
        ("dx of {where} is taken with the W of another layer",
         "{where}の dx が別の層の W で計算されています"),
        "dout @ W1.T", "dout @ W2.T", AFFINE,
    ),
    Mistake(
        "dx without W", "gradient", "dx", lambda c: c.dz if square(c.W) else c.right,
        ("dx of {where} leaves out W", "{where}の dx で W が抜けています"),
        "dout", "dout @ W.T", AFFINE,
    ),
    Mistake(
        "dx with db", "gradient", "dx", lambda c: c.right + c.dz.sum(axis=1, keepdims=True),
        ("dx of {where} adds the sum of dout", "{where}の dx に dout の和が足されています"),
        "dout @ W.T + dout.sum(axis=1, keepdims=True)", "dout @ W.T", AFFINE,
    ),
    Mistake(
        "dx of the sign", "gradient", "dx", lambda c: c.dz @ np.sign(c.W).T,
        ("dx of {where} takes the sign of W", "{where}の dx が W の符号だけを使っています"),
        "dout @ np.sign(W).T", "dout @ W.T", AFFINE,
    ),
    # the slope of the activation
    Mistake(
        "slope missing", "gradient", "slope", lambda c: c.dh,
        ("the slope of the activation of {where} is left out on the way back",
         "逆伝播で{where}の活性化関数の微分が抜けています"),
        "dout", "{slope}",
    ),
    Mistake(
        "slope twice", "gradient", "slope", lambda c: c.right * c.slope_of(c.n, c.h),
        ("the slope of the activation of {where} is multiplied twice",
         "{where}の活性化関数の微分が二度掛けられています"),
        "the derivative, multiplied twice", "{slope}",
    ),
    Mistake(
        "slope scaled", "gradient", "slope", lambda c, k: k * c.right,
        ("the slope of the activation of {where} is {k} times what it should be",
         "{where}の活性化関数の微分が正しい値の {k} 倍です"),
        "k times the derivative", "{slope}", starts=(0.5,), is_general=True,
    ),
    Mistake(
        "mask of the gradient", "gradient", "slope", lambda c: c.dh * (c.dh > 0),
        ("the ReLU of {where} lets positive gradients pass, not those of positive inputs",
         "{where}の ReLU が、入力ではなく勾配が正のところを通しています"),
        "dout * (dout > 0)", "dout * (x > 0)", RELU, of="relu",
    ),
    Mistake(
        "mask of both", "gradient", "slope", lambda c: c.dh * (c.dh > 0) * (c.n > 0),
        ("the ReLU of {where} lets pass where input and gradient are positive",
         "{where}の ReLU が、入力と勾配の両方が正のところだけを通しています"),
        "dout * (dout > 0) * (x > 0)", "dout * (x > 0)", RELU, of="relu",
    ),
    Mistake(
        "mask of another row", "gradient", "slope", of_the_next,
        ("the ReLU of {where} uses the mask of another row", "{where}の ReLU が別の行のマスクを"
         "使っています"),
        "dout * np.roll(mask, 1, axis=0)", "dout * mask", RELU, of="relu",
    ),
    Mistake(
        "mask inverted", "gradient", "slope", lambda c: c.dh * (c.n <= 0),
        ("the mask of the ReLU of {where} is inverted", "{where}の ReLU のマスクが逆です"),
        "dx[~mask] = 0", "dx[mask] = 0", RELU, of="relu",
    ),
    Mistake(
        "slope of leaky relu", "gradient", "slope", lambda c, k: c.dh * np.where(c.n > 0, 1, k),
        ("the ReLU of {where} lets {k} of the gradient pass where its input was negative",
         "{where}の ReLU が、入力が負のところで勾配の {k} 倍を通しています"),
        "dout * np.where(x > 0, 1, k)", "dout * (x > 0)", RELU, starts=(0.01,), of="relu",
    ),
    Mistake(
        "slope at zero", "gradient", "slope",
        lambda c, k: c.dh * np.where(c.n == 0, k, c.n > 0),
        ("the derivative of the ReLU of {where} at exactly 0 is {k}, not 0",
         "{where}の ReLU の 0 ちょうどでの微分が 0 ではなく {k} です"),
        "x >= 0", "x > 0", RELU, starts=(0.5,), of="relu",
        means={"1": ("the derivative of the ReLU of {where} at exactly 0 is 1; PyTorch's is 0, and "
                     "by itself that is a convention",
                     "{where}の ReLU の 0 ちょうどでの微分が 1 です"
                     "(PyTorch は 0、単独なら流儀の違いです)")},
    ),
    Mistake(
        "slope of z", "gradient", "slope", lambda c: c.dh * c.slope_of(c.n, c.n),
        ("the slope of the activation of {where} is taken with its input, not with its output",
         "{where}の活性化関数の微分が出力ではなく入力で計算されています"),
        "{slope of x}", "{slope}",
    ),
    Mistake(
        "slope of the output's output", "gradient", "slope",
        lambda c: c.dh * c.slope_of(c.h, c.act(c.h)),
        ("the activation of {where} is applied to its output once more to get the slope",
         "{where}の微分で、出力にもう一度活性化関数がかかっています"),
        "the derivative at f(out)", "{slope}",
    ),
    Mistake(
        "slope of tanh without square", "gradient", "slope", lambda c: c.dh * (1 - c.h),
        ("the slope of {where} is 1 - out", "{where}の微分が 1 - out になっています"),
        "dout * (1 - out)", "{slope}",
    ),
    Mistake(
        "slope 1 + out^2", "gradient", "slope", lambda c: c.dh * (1 + c.h**2),
        ("the slope of {where} is 1 + out^2", "{where}の微分が 1 + out^2 になっています"),
        "dout * (1 + out ** 2)", "{slope}",
    ),
    Mistake(
        "slope out", "gradient", "slope", lambda c: c.dh * c.h,
        ("the slope of {where} is out", "{where}の微分が out になっています"),
        "dout * out", "{slope}",
    ),
    Mistake(
        "slope out^2", "gradient", "slope", lambda c: c.dh * c.h**2,
        ("the slope of {where} is out^2", "{where}の微分が out^2 になっています"),
        "dout * out * out", "{slope}",
    ),
    Mistake(
        "slope (1 - out)^2", "gradient", "slope", lambda c: c.dh * (1 - c.h) ** 2,
        ("the slope of {where} is (1 - out)^2", "{where}の微分が (1 - out)^2 になっています"),
        "dout * (1 - out) ** 2", "{slope}",
    ),
    Mistake(
        "slope out (1 + out)", "gradient", "slope", lambda c: c.dh * c.h * (1 + c.h),
        ("the slope of {where} is out (1 + out)", "{where}の微分が out (1 + out) になっています"),
        "dout * out * (1 + out)", "{slope}",
    ),
    Mistake(
        "slope of sigmoid", "gradient", "slope", lambda c: c.dh * c.h * (1 - c.h),
        ("the slope of {where} is that of sigmoid", "{where}の微分が sigmoid のものです"),
        "dout * out * (1 - out)", "{slope}",
    ),
    Mistake(
        "slope of tanh", "gradient", "slope", lambda c: c.dh * (1 - c.h**2),
        ("the slope of {where} is that of tanh", "{where}の微分が tanh のものです"),
        "dout * (1 - out ** 2)", "{slope}",
    ),
    Mistake(
        "slope of relu", "gradient", "slope", lambda c: c.dh * (c.n > 0),
        ("the slope of {where} is that of ReLU", "{where}の微分が ReLU のものです"),
        "dout * (x > 0)", "{slope}",
    ),
    Mistake(
        "slope constant", "gradient", "slope", lambda c, k: k * c.dh,
        ("the slope of {where} is {k} everywhere", "{where}の微分がどこでも {k} です"),
        "k * dout", "{slope}", starts=(0.25,), is_general=True,
    ),
    # what is returned
    Mistake(
        "db swapped", "gradient", "grads", lambda c: swap(c, "b"),
        ("the gradients of two biases of equal size are exchanged",
         "同じ大きさの二つのバイアスの勾配が入れ替わっています"),
        'grads["b1"], grads["b2"] = db2, db1', 'grads["b1"], grads["b2"] = db1, db2',
    ),
    Mistake(
        "dW swapped", "gradient", "grads", lambda c: swap(c, "W"),
        ("the gradients of two weights of equal shape are exchanged",
         "同じ形の二つの重みの勾配が入れ替わっています"),
        'grads["W1"], grads["W2"] = dW2, dW1', 'grads["W1"], grads["W2"] = dW1, dW2',
    ),
    Mistake(
        "clipped by norm", "gradient", "grads", by_norm,
        ("the gradients are clipped to a norm of {k}", "勾配がノルム {k} で切られています"),
        "grads * min(1, k / norm)", "grads", starts=(1.0, 0.5, 5.0),
    ),
    Mistake(
        "clipped by element", "gradient", "grads",
        lambda c, k: {key: np.clip(g, -k, k) for key, g in c.grads.items()},
        ("every element of the gradients is clipped at +-{k}",
         "勾配の各要素が ±{k} で切られています"),
        "np.clip(grad, -k, k)", "grad", starts=(1.0, 0.5, 0.1, 5.0),
    ),
    *(
        Mistake(
            f"y - t in {name}", "numerics", "seed",
            lambda c, kind=kind: ((c.y.astype(kind) - c.T.astype(kind)) / kind(c.B)).astype(float),
            (f"y - t is computed in {name}", f"y - t が {name} で計算されています"),
            f"y.astype(np.{name}) - t", "y - t", SEED,
        )
        for name, kind in (("float16", np.float16), ("float32", np.float32))
    ),
    Mistake(
        "gradients in float16", "numerics", "grads", cast(np.float16),
        ("the gradients are rounded to float16", "勾配が float16 に丸められています"),
        "grad.astype(np.float16)", "grad",
    ),
    Mistake(
        "gradients in float32", "numerics", "grads", cast(np.float32),
        ("the gradients are rounded to float32", "勾配が float32 に丸められています"),
        "grad.astype(np.float32)", "grad",
    ),
    Mistake(
        "dW accumulates", "state", "dW", lambda c: c.right + c.previous[f"W{c.i}"],
        ("dW of {where} is added to that of the call before, and should take its place",
         "{where}の dW が前の呼び出しの値に足されています(置き換えるべきです)"),
        "self.dW += x.T @ dout", "self.dW = x.T @ dout", AFFINE,
    ),
    Mistake(
        "db accumulates", "state", "db", lambda c: c.right + c.previous[f"b{c.i}"],
        ("db of {where} is added to that of the call before, and should take its place",
         "{where}の db が前の呼び出しの値に足されています(置き換えるべきです)"),
        "self.db += dout.sum(axis=0)", "self.db = dout.sum(axis=0)", AFFINE,
    ),
    Mistake(
        "gradients accumulate", "state", "grads",
        lambda c: {key: g + c.previous[key] for key, g in c.grads.items()},
        ("gradients are added to those of the call before, and should take their place",
         "勾配が前の呼び出しの値に足されています(置き換えるべきです)"),
        "grads += ...", "grads = ...", book("5.7.2"),
    ),
]  # fmt: skip  # as in forward.py
