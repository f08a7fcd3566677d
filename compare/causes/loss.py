"""Mistakes in softmax, cross-entropy and the term of weight decay."""

import numpy as np

from compare.causes.mistake import Mistake, Texts, book
from compare.causes.replay import Float64, Replay

SOFTMAX, ENTROPY, DECAY = book("3.5.2"), book("4.2.4"), book("6.4.2")

SIDES: dict[str, Texts] = {
    "softmax": ("", ""),
    "loss_softmax": (" in the loss, and not in the gradient", "(損失だけで、勾配では正しい)"),
    "seed_softmax": (" in the gradient, and not in the loss", "(勾配だけで、損失では正しい)"),
}
"""The pieces in which a softmax may be wrong."""


def softmax(z: Float64, axis: int | None) -> Float64:
    """Return exp(z) normalised along `axis`, or over all."""
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def row_softmax(c: Replay, axis: int | None) -> Float64:
    """Return the same of logits from which the maximum of each row was taken."""
    e = np.exp(c.logits - c.logits.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def without_max(c: Replay) -> Float64:
    """Return the softmax as its formula reads: exp overflows from 709 on."""
    e = np.exp(c.logits)
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def max_of_batch(c: Replay) -> Float64:
    """Return the softmax with one maximum for all rows: rows far below it become 0 / 0."""
    e = np.exp(c.logits - c.logits.max())
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def offset(c: Replay, k: float) -> Float64:
    """Return the softmax with k in its denominator."""
    e = np.exp(c.logits - c.logits.max(axis=1, keepdims=True))
    return np.asarray(e / (e.sum(axis=1, keepdims=True) + k))


def of_softmax(
    key: str,
    change: object,
    says: Texts,
    wrote: str,
    write: str,
    source: Texts = SOFTMAX,
    starts: tuple[float, ...] = (),
) -> list[Mistake]:
    """Return a mistake in the softmax: of all, of the loss alone, of the gradient alone."""
    precise = "float" in key or (key.startswith("softmax with") and "maximum" in key)
    part = "numerics" if precise else "loss"
    return [
        Mistake(
            key + {"softmax": "", "loss_softmax": " in the loss", "seed_softmax": " in the gradient"
                   }[piece],
            "gradient" if piece == "seed_softmax" and not precise else part, piece, change,  # type: ignore[arg-type]
            (says[0] + side[0], says[1] + side[1]), wrote, write, source, starts=starts,
        )
        for piece, side in SIDES.items()
    ]  # fmt: skip  # as in the tables


ROW = "e / e.sum(axis=1, keepdims=True)"
T_LOG_Y = "-log_y[np.arange(B), t].mean()"

LOSS = [
    *of_softmax(
        "softmax over the batch", lambda c: softmax(c.logits, 0),
        ("softmax is normalised over the batch, axis 0, not over the classes",
         "softmax がクラスではなくバッチの軸 (axis=0) で正規化されています"),
        "e / e.sum(axis=0)", ROW,
    ),
    *of_softmax(
        "softmax over everything", lambda c: softmax(c.logits, None),
        ("softmax is normalised over the whole batch at once, not row by row",
         "softmax が行ごとではなくバッチ全体で正規化されています"),
        "e / np.sum(e)", ROW,
    ),
    *of_softmax(
        "softmax over the batch, row maximum", lambda c: row_softmax(c, 0),
        ("softmax is normalised over the batch, axis 0, not over the classes",
         "softmax がクラスではなくバッチの軸 (axis=0) で正規化されています"),
        "e / e.sum(axis=0)", ROW,
    ),
    *of_softmax(
        "softmax over everything, row maximum", lambda c: row_softmax(c, None),
        ("softmax is normalised over the whole batch at once, not row by row",
         "softmax が行ごとではなくバッチ全体で正規化されています"),
        "e / np.sum(e)", ROW,
    ),
    *of_softmax(
        "softmax twice", lambda c: softmax(softmax(c.logits, 1), 1),
        ("softmax is taken twice", "softmax が二度かかっています"),
        "softmax(softmax(z))", "softmax(z)", book("5.6.3"),
    ),
    *of_softmax(
        "softmax of a multiple", lambda c, k: softmax(k * c.logits, 1),
        ("softmax is given {k} times the logits", "softmax にロジットの {k} 倍が渡されています"),
        "softmax(k * z)", "softmax(z)", starts=(0.5, 2.0),
    ),
    *of_softmax(
        "softmax with an offset", offset,
        ("{k} is added to the denominator of softmax", "softmax の分母に {k} が足されています"),
        "e / (e.sum(axis=1, keepdims=True) + k)", ROW, starts=(1e-3, 1e-7),
    ),
    *of_softmax(
        "sigmoid for softmax", lambda c: c.act(c.logits, "sigmoid"),
        ("each logit goes through a sigmoid, not all of a row through softmax",
         "softmax の代わりに各ロジットに sigmoid がかかっています"),
        "1 / (1 + np.exp(-z))", "softmax(z)",
    ),
    *of_softmax(
        "softmax not normalised", lambda c: np.exp(c.logits - c.logits.max(axis=1, keepdims=True)),
        ("softmax is not divided by its sum", "softmax が和で割られていません"),
        "np.exp(z - z.max(axis=1, keepdims=True))", ROW,
    ),
    *of_softmax(
        "softmax without its maximum", without_max,
        ("softmax does not subtract the maximum of a row: exp overflows for large logits",
         "softmax が行の最大値を引いていません(大きなロジットで exp があふれます)"),
        "np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)",
        "z = z - z.max(axis=1, keepdims=True)",
    ),
    *of_softmax(
        "softmax with the maximum of the batch", max_of_batch,
        ("softmax subtracts the maximum of the whole batch: rows far below it become 0 / 0",
         "softmax がバッチ全体の最大値を引いています(遠く小さい行が 0 / 0 になります)"),
        "z - np.max(z)", "z - z.max(axis=1, keepdims=True)",
    ),
    *(
        row
        for name, kind in (("float16", np.float16), ("float32", np.float32))
        for row in (
            *of_softmax(
                f"softmax of logits in {name}",
                lambda c, kind=kind: softmax(c.logits.astype(kind).astype(float), 1),
                (f"the logits are rounded to {name} before softmax",
                 f"softmax の前にロジットが {name} に丸められています"),
                f"softmax(z.astype(np.{name}))", "softmax(z)",
            ),
            *of_softmax(
                f"softmax in {name}",
                lambda c, kind=kind: softmax(c.logits, 1).astype(kind).astype(float),
                (f"softmax is rounded to {name}", f"softmax が {name} に丸められています"),
                f"y.astype(np.{name})", "y",
            ),
        )
    ),
    *of_softmax(
        "softmax clipped", lambda c, k: np.clip(softmax(c.logits, 1), k, 1 - k),
        ("softmax is clipped to {k} ... 1 - {k}", "softmax が {k} から 1 - {k} に切られています"),
        "np.clip(y, k, 1 - k)", "y", starts=(0.01, 1e-3, 0.1, 1e-7),
    ),
    Mistake(
        "log of softmax", "numerics", "loss",
        lambda c: float(-np.log(softmax(c.logits, 1)[np.arange(c.B), c.t]).mean()),
        ("the log is taken of a softmax that has become 0: log-softmax would stay finite",
         "0 になった softmax の対数を取っています(log-softmax なら有限のままです)"),
        "-np.log(softmax(z))[np.arange(B), t].mean()",
        "z - z.max(1, keepdims=True) - np.log(np.exp(...).sum(1, keepdims=True))", SOFTMAX,
    ),
    Mistake(
        "loss scaled", "loss", "loss", lambda c, k: k * c.right,
        ("the loss is {k} times what it should be", "損失が正しい値の {k} 倍です"),
        "k * loss", T_LOG_Y, ENTROPY, starts=(0.5,),
        means={
            "B": ("the loss is the sum over the batch and the gradient that of the mean",
                  "損失はバッチの和なのに、勾配は平均のものです"),
            "1/B": ("the loss is divided by the batch size twice",
                    "損失がバッチサイズで二度割られています"),
            "-1": ("the loss has the wrong sign", "損失の符号が逆です"),
            "1/ln 2": ("the loss is taken with log2, not with the natural logarithm",
                       "損失が自然対数ではなく log2 で計算されています"),
            "1/ln 10": ("the loss is taken with log10, not with the natural logarithm",
                        "損失が自然対数ではなく log10 で計算されています"),
            "1/C": ("the loss is the mean over all elements of (B, C), not over rows",
                    "損失が行ではなく (B, C) の全要素での平均です"),
        },
    ),
    Mistake(
        "loss of one row", "loss", "loss", lambda c: float(c.costs[0]),
        ("the loss is that of the first row alone", "損失が最初の行だけのものです"),
        "-log_y[0, t[0]]", T_LOG_Y, ENTROPY,
    ),
    Mistake(
        "loss of the last row", "loss", "loss", lambda c: float(c.costs[-1]),
        ("the loss is that of the last row alone", "損失が最後の行だけのものです"),
        "-log_y[-1, t[-1]]", T_LOG_Y, ENTROPY,
    ),
    Mistake(
        "largest loss", "loss", "loss", lambda c: float(c.costs.max()),
        ("the loss is that of the worst row", "損失が最も悪い行のものです"),
        "costs.max()", "costs.mean()", ENTROPY,
    ),
    Mistake(
        "median loss", "loss", "loss", lambda c: float(np.median(c.costs)),
        ("the loss is the median of the rows, not their mean", "損失が行の平均ではなく中央値です"),
        "np.median(costs)", "costs.mean()", ENTROPY,
    ),
    Mistake(
        "log of the mean", "loss", "loss", lambda c: float(-np.log(c.y_target.mean())),
        ("the logarithm is taken of the mean, not the mean of the logarithms",
         "対数の平均ではなく、平均の対数になっています"),
        "-np.log(y_t.mean())", "-np.log(y_t).mean()", ENTROPY,
    ),
    Mistake(
        "loss without log", "loss", "loss", lambda c, k: k - float(c.y_target.mean()),
        ("the loss has no logarithm: it is the mean of -y", "損失に対数がなく、-y の平均です"),
        "-y[np.arange(B), t].mean()", T_LOG_Y, ENTROPY, starts=(0.0,),
    ),
    Mistake(
        "other target in the loss", "loss", "loss",
        lambda c, k: float(-c.log_y[np.arange(c.B), (c.t + int(k)) % c.C].mean()),
        ("the loss is taken at the class {k} beside the target",
         "損失が正解から {k} ずれたクラスで取られています"),
        "log_y[np.arange(B), t - 1]", "log_y[np.arange(B), t]", ENTROPY, starts=(-1.0, 1.0),
    ),
    Mistake(
        "pairs of rows", "loss", "loss", lambda c: float(-c.log_y[:, c.t].mean()),
        ("the loss is taken over all pairs of a row and a target: y[:, t] is (B, B)",
         "損失が行と正解の全ての組で取られています(y[:, t] は (B, B))"),
        "-np.log(y[:, t]).mean()", "-np.log(y[np.arange(B), t]).mean()", ENTROPY,
    ),
    Mistake(
        "label smoothing", "loss", "loss",
        lambda c, k: float((1 - k) * c.costs.mean() - k * c.log_y.mean()),
        ("the loss smooths the targets by {k}, and the gradient does not",
         "損失だけで正解が {k} だけ平滑化されています"),
        "-(1 - k) * log_y_t - k * log_y.mean()", T_LOG_Y, starts=(0.1,),
    ),
    Mistake(
        "binary cross-entropy", "loss", "loss",
        lambda c: float(
            c.costs.mean() - ((1 - c.T) * np.log1p(-c.y_of_loss)).sum() / c.B
        ),
        ("the loss adds (1 - t) log(1 - y), as for yes-or-no questions",
         "損失に二値分類用の (1 - t) log(1 - y) が加わっています"),
        "-(t * log(y) + (1 - t) * log(1 - y)).sum() / B", "-(t * log(y)).sum() / B", ENTROPY,
    ),
    Mistake(
        "squared error", "loss", "loss",
        lambda c, k: k * float(((c.y_of_loss - c.T) ** 2).sum()),
        ("the loss is the squared error of softmax, times {k}",
         "損失が softmax の二乗誤差(の {k} 倍)です"),
        "((y - t) ** 2).mean()", T_LOG_Y, book("4.2.1"), starts=(0.5,),
        means={"1": ("the loss is the squared error of softmax", "損失が softmax の二乗誤差です",
                     "((y - t) ** 2).sum()")},
    ),
    Mistake(
        "loss shifted", "loss", "loss", lambda c, k: c.right + k,
        ("{k} is added to the loss", "損失に {k} が足されています"),
        "loss + k", "loss", starts=(0.1,), is_general=True,
    ),
    Mistake(
        "loss in the log", "loss", "loss",
        lambda c, k: float(-np.log(c.y_target + k).mean()),
        ("the loss has log(y + {k}), which is off for unlikely targets",
         "損失が log(y + {k}) で、確率の低い正解でずれます"),
        "-np.log(y_t + k).mean()", T_LOG_Y, ENTROPY, starts=(1e-3, 1e-5, 1e-7),
    ),
    Mistake(
        "loss clipped", "loss", "loss",
        lambda c, k: float(-np.log(np.clip(c.y_target, k, 1 - k)).mean()),
        ("the loss clips y to {k} ... 1 - {k}", "損失が y を {k} から 1 - {k} に切っています"),
        "np.log(np.clip(y, k, 1 - k))", T_LOG_Y, ENTROPY, starts=(0.1, 1e-2, 1e-3),
    ),
    Mistake(
        "loss in float32", "numerics", "loss", lambda c: float(np.float32(c.right)),
        ("the loss is rounded to float32", "損失が float32 に丸められています"),
        "np.float32(loss)", "float(loss)",
    ),
    Mistake(
        "loss in float16", "numerics", "loss", lambda c: float(np.float16(c.right)),
        ("the loss is rounded to float16", "損失が float16 に丸められています"),
        "np.float16(loss)", "float(loss)",
    ),
    # weight decay
    Mistake(
        "penalty scaled", "loss", "penalty", lambda c, k: k * c.right,
        ("the weight decay in the loss is {k} times lambda / 2 sum(W^2)",
         "損失の荷重減衰が lambda / 2 sum(W^2) の {k} 倍です"),
        "k * lambda / 2 * sum(W ** 2)", "lambda / 2 * sum(W ** 2)", DECAY, starts=(0.0, 2.0),
        means={
            "0": ("the gradient has weight decay and the loss has none",
                  "荷重減衰が勾配だけにあり、損失にありません"),
            "2": ("the weight decay in the loss lacks its half; the gradient is that of lambda / 2",
                  "損失の荷重減衰に 1/2 がありません(勾配は lambda / 2 のものです)"),
        },
    ),
    Mistake(
        "penalty of the biases", "loss", "penalty",
        lambda c: c.right + c.lam / 2 * sum((b**2).sum() for b in c.biases),
        ("the weight decay in the loss counts the biases",
         "損失の荷重減衰にバイアスが入っています"),
        "lambda / 2 * (sum(W ** 2) + sum(b ** 2))", "lambda / 2 * sum(W ** 2)", DECAY,
    ),
    Mistake(
        "penalty of magnitudes", "loss", "penalty",
        lambda c, k: k * c.lam * sum(np.abs(W).sum() for W in c.weights),
        ("the weight decay in the loss takes {k} lambda |W|, not lambda / 2 W^2",
         "損失の荷重減衰が lambda / 2 W^2 ではなく {k} lambda |W| です"),
        "lambda * sum(abs(W))", "lambda / 2 * sum(W ** 2)", DECAY, starts=(1.0,),
        means={"1": ("the weight decay in the loss takes lambda |W|, not lambda / 2 W^2",
                     "損失の荷重減衰が lambda / 2 W^2 ではなく lambda |W| です")},
    ),
    Mistake(
        "penalty of the norm", "loss", "penalty",
        lambda c, k: k * c.lam * sum(np.sqrt((W**2).sum()) for W in c.weights),
        ("the weight decay in the loss takes the norm of W, not its square (times {k} lambda)",
         "損失の荷重減衰がノルムの二乗ではなくノルムです({k} lambda 倍)"),
        "lambda / 2 * np.linalg.norm(W)", "lambda / 2 * np.sum(W ** 2)", DECAY, starts=(0.5,),
        means={"1/2": ("the weight decay in the loss takes the norm of W, not its square",
                       "損失の荷重減衰がノルムの二乗ではなくノルムです")},
    ),
    Mistake(
        "penalty of means", "loss", "penalty",
        lambda c, k: k * c.lam * sum((W**2).mean() for W in c.weights),
        ("the weight decay in the loss takes the mean of W^2, not the sum (times {k} lambda)",
         "損失の荷重減衰が W^2 の和ではなく平均です({k} lambda 倍)"),
        "lambda / 2 * np.mean(W ** 2)", "lambda / 2 * np.sum(W ** 2)", DECAY, starts=(0.5,),
        means={"1/2": ("the weight decay in the loss takes the mean of W^2, not the sum",
                       "損失の荷重減衰が W^2 の和ではなく平均です")},
    ),
    Mistake(
        "penalty of the last layer", "loss", "penalty",
        lambda c: c.lam / 2 * float((c.weights[-1] ** 2).sum()),
        ("the weight decay in the loss is that of the last layer alone",
         "損失の荷重減衰が最後の層だけのものです"),
        "decay = lambda / 2 * sum(W ** 2) in the loop", "decay += lambda / 2 * sum(W ** 2)", DECAY,
    ),
    Mistake(
        "penalty of the first layer", "loss", "penalty",
        lambda c: c.lam / 2 * float((c.weights[0] ** 2).sum()),
        ("the weight decay in the loss is that of the first layer alone",
         "損失の荷重減衰が最初の層だけのものです"),
        "return inside the loop", "return after the loop", DECAY,
    ),
    Mistake(
        "penalty without the last layer", "loss", "penalty",
        lambda c: c.lam / 2 * sum(float((W**2).sum()) for W in c.weights[:-1]),
        ("the weight decay in the loss leaves out the last layer",
         "損失の荷重減衰から最後の層が抜けています"),
        "for i in range(1, layers)", "for i in range(1, layers + 1)", DECAY,
    ),
    Mistake(
        "penalty by the batch", "loss", "penalty", lambda c: c.right / c.B,
        ("the weight decay in the loss is divided by the batch size",
         "損失の荷重減衰がバッチサイズで割られています"),
        "(sum(costs) + decay) / B", "sum(costs) / B + decay", DECAY,
    ),
]  # fmt: skip  # as in forward.py
