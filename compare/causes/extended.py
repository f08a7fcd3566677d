"""Mistakes in BatchNorm and dropout."""

import numpy as np

from compare.causes.mistake import Mistake, book
from compare.causes.replay import Float64, Replay

NORM, DROP = book("6.3"), book("6.4.3")
Pair = tuple[Float64, Float64]


def old(c: Replay) -> Pair:
    """Return the running mean and variance before the batch."""
    return c.running[f"running_mean{c.i}"], c.running[f"running_var{c.i}"]


def new(c: Replay) -> Pair:
    """Return the mean and the variance of the batch that are remembered."""
    k, before = c.given.convention.share, old(c)
    right: Pair = c.right
    return (right[0] - (1 - k) * before[0]) / k, (right[1] - (1 - k) * before[1]) / k


def taking(c: Replay, k: float) -> Pair:
    """Return the running statistics that take a share k of the batch."""
    (mean, var), (old_mean, old_var) = new(c), old(c)
    return (1 - k) * old_mean + k * mean, (1 - k) * old_var + k * var


def scaled_back(c: Replay, *, mean: bool, var: bool) -> Float64:
    """Return dz without the paths through the mean or the variance."""
    dxn = c.gamma * c.dn
    centre = c.over(dxn) if mean else 0
    along = c.over(dxn * c.xn) if var else 0
    return np.asarray((dxn - centre - c.xn * along) / c.std)


EXTENDED = [
    Mistake(
        "batchnorm without shift", "forward", "norm", lambda c: c.gamma * c.xn,
        ("BatchNorm of {where} leaves out beta", "{where}の BatchNorm で beta が抜けています"),
        "gamma * xn", "gamma * xn + beta", NORM,
    ),
    Mistake(
        "batchnorm without scale", "forward", "norm", lambda c: c.xn + c.beta,
        ("BatchNorm of {where} leaves out gamma", "{where}の BatchNorm で gamma が抜けています"),
        "xn + beta", "gamma * xn + beta", NORM,
    ),
    Mistake(
        "batchnorm by variance", "forward", "std",
        lambda c: c.vars[c.i] + c.given.convention.variance_epsilon,
        ("BatchNorm of {where} divides by the variance, not by its root",
         "{where}の BatchNorm が標準偏差ではなく分散で割っています"),
        "(x - mean) / (var + eps)", "(x - mean) / np.sqrt(var + eps)", NORM,
    ),
    Mistake(
        "batchnorm epsilon outside", "forward", "std",
        lambda c, k: np.sqrt(c.vars[c.i]) + k,
        ("BatchNorm of {where} adds {k} to the standard deviation, not epsilon to the variance",
         "{where}の BatchNorm が分散ではなく標準偏差に {k} を足しています"),
        "np.sqrt(var) + eps", "np.sqrt(var + eps)", NORM, starts=(1e-5, 1e-7),
    ),
    Mistake(
        "batchnorm epsilon", "forward", "std",
        lambda c, k: np.sqrt(np.maximum(c.vars[c.i] + k, 0)),
        ("BatchNorm of {where} adds {k} to the variance", "{where}の BatchNorm が分散に {k} を"
         "足しています"),
        "np.sqrt(var + k)", "np.sqrt(var + eps)", NORM, starts=(1e-3, 1e-7, 1e-2),
    ),
    Mistake(
        "batchnorm without mean", "forward", "norm",
        lambda c: c.gamma * c.z / c.std + c.beta,
        ("BatchNorm of {where} does not subtract the mean",
         "{where}の BatchNorm が平均を引いていません"),
        "x / std", "(x - mean) / std", NORM,
    ),
    Mistake(
        "batchnorm unbiased", "forward", "statistics",
        lambda c: (c.right[0], c.right[1] * c.B / (c.B - 1)) if c.training else c.right,
        ("BatchNorm of {where} normalises with the variance of B - 1 rows",
         "{where}の BatchNorm が B - 1 で割った分散で正規化しています"),
        "x.var(axis=0, ddof=1)", "x.var(axis=0)", NORM,
    ),
    Mistake(
        "batchnorm over everything", "forward", "statistics",
        lambda c: (np.full_like(c.b, c.z.mean()), np.full_like(c.b, c.z.var()))
        if c.training else c.right,
        ("BatchNorm of {where} takes one mean and variance for all units",
         "{where}の BatchNorm が全ユニットで一つの平均と分散を使っています"),
        "x.mean(), x.var()", "x.mean(axis=0), x.var(axis=0)", NORM,
    ),
    Mistake(
        "one variance for all units", "forward", "statistics",
        lambda c: (c.right[0], np.full_like(c.b, ((c.z - c.right[0]) ** 2).mean()))
        if c.training else c.right,
        ("BatchNorm of {where} takes one variance for all units",
         "{where}の BatchNorm が全ユニットで一つの分散を使っています"),
        "((x - mean) ** 2).mean()", "((x - mean) ** 2).mean(axis=0)", NORM,
    ),
    Mistake(
        "batchnorm over the units", "forward", "norm",
        lambda c: c.gamma * (c.z - c.z.mean(axis=1, keepdims=True))
        / np.sqrt(c.z.var(axis=1, keepdims=True) + c.given.convention.variance_epsilon) + c.beta,
        ("BatchNorm of {where} normalises each row over its units: that is LayerNorm",
         "{where}の BatchNorm が行ごとに正規化しています(それは LayerNorm です)"),
        "x.mean(axis=1)", "x.mean(axis=0)", NORM,
    ),
    Mistake(
        "batchnorm trains with the past", "forward", "statistics", old,
        ("BatchNorm of {where} normalises with what it remembers in training, too",
         "{where}の BatchNorm が学習時にも移動平均で正規化しています"),
        "(x - running_mean) / std", "(x - x.mean(axis=0)) / std in training", NORM,
    ),
    Mistake(
        "batchnorm never remembers", "forward", "statistics",
        lambda c: (c.z.mean(axis=0), c.z.var(axis=0)),
        ("BatchNorm of {where} normalises with the batch after training, too",
         "{where}の BatchNorm が評価時にもバッチの統計量で正規化しています"),
        "x.mean(axis=0)", "running_mean after training", NORM,
    ),
    Mistake(
        "running share", "state", "moved", taking,
        ("the running statistics of {where} take {k} of each batch",
         "{where}の移動平均が毎回バッチの {k} を取り込みます"),
        "momentum * new + (1 - momentum) * old", "momentum * old + (1 - momentum) * new", NORM,
        starts=(0.9, 0.01),
        means={
            "0": ("the running statistics of {where} never move", "{where}の移動平均が動きません"),
            "1": ("the running statistics of {where} are those of the last batch alone",
                  "{where}の移動平均が最後のバッチだけのものです"),
        },
    ),
    Mistake(
        "running variance of B", "state", "moved",
        lambda c: (c.right[0], (1 - c.given.convention.share) * old(c)[1]
                   + c.given.convention.share * c.vars[c.i]),
        ("the running variance of {where} is that of B rows, not of B - 1",
         "{where}の移動分散が B - 1 ではなく B で割ったものです"),
        "var", "var * B / (B - 1)", NORM,
    ),
    Mistake(
        "running mean fixed", "state", "moved", lambda c: (old(c)[0], c.right[1]),
        ("the running mean of {where} never moves", "{where}の移動平均(平均)が動きません"),
        "self.running_mean", "self.running_mean = ... + ... * mean", NORM,
    ),
    Mistake(
        "running variance fixed", "state", "moved", lambda c: (c.right[0], old(c)[1]),
        ("the running variance of {where} never moves", "{where}の移動平均(分散)が動きません"),
        "self.running_var", "self.running_var = ... + ... * var", NORM,
    ),
    Mistake(
        "running deviation", "state", "moved",
        lambda c: (c.right[0], taking(c, c.given.convention.share)[1]
                   + c.given.convention.share * (np.sqrt(new(c)[1]) - new(c)[1])),
        ("the running variance of {where} takes the standard deviation, not the variance",
         "{where}の移動分散が分散ではなく標準偏差を取り込みます"),
        "running_var ... std", "running_var ... var", NORM,
    ),
    Mistake(
        "running twice", "state", "moved",
        lambda c: tuple(
            (1 - c.given.convention.share) * after + c.given.convention.share * batch
            for after, batch in zip(c.right, new(c), strict=True)
        ),
        ("the running statistics of {where} move twice a step",
         "{where}の移動平均が一歩に二度動きます"),
        "forward in training, called twice", "one forward pass in training a step", NORM,
    ),
    Mistake(
        "batchnorm back without mean", "gradient", "unnorm",
        lambda c: scaled_back(c, mean=False, var=True),
        ("the backward of BatchNorm of {where} leaves out the path through the mean",
         "{where}の BatchNorm の逆伝播で平均を通る経路が抜けています"),
        "(dxn - xn * mean(dxn * xn)) / std", "(dxn - mean(dxn) - xn * mean(dxn * xn)) / std", NORM,
    ),
    Mistake(
        "batchnorm back without variance", "gradient", "unnorm",
        lambda c: scaled_back(c, mean=True, var=False),
        ("the backward of BatchNorm of {where} leaves out the path through the variance",
         "{where}の BatchNorm の逆伝播で分散を通る経路が抜けています"),
        "(dxn - mean(dxn)) / std", "(dxn - mean(dxn) - xn * mean(dxn * xn)) / std", NORM,
    ),
    Mistake(
        "batchnorm back as constants", "gradient", "unnorm",
        lambda c: scaled_back(c, mean=False, var=False),
        ("the backward of BatchNorm of {where} takes mean and variance for constants",
         "{where}の BatchNorm の逆伝播が平均と分散を定数とみなしています"),
        "gamma * dout / std", "(dxn - mean(dxn) - xn * mean(dxn * xn)) / std", NORM,
    ),
    Mistake(
        "batchnorm back without gamma", "gradient", "unnorm",
        lambda c: c.right / c.gamma,
        ("the backward of BatchNorm of {where} leaves out gamma",
         "{where}の BatchNorm の逆伝播で gamma が抜けています"),
        "dxn = dout", "dxn = gamma * dout", NORM,
    ),
    Mistake(
        "batchnorm back missing", "gradient", "unnorm", lambda c: c.dn,
        ("the backward of BatchNorm of {where} passes the gradient on unchanged",
         "{where}の BatchNorm の逆伝播が勾配をそのまま渡しています"),
        "return dout", "return (dxn - mean(dxn) - xn * mean(dxn * xn)) / std", NORM,
    ),
    Mistake(
        "batchnorm back scaled", "gradient", "unnorm", lambda c, k: k * c.right,
        ("the backward of BatchNorm of {where} gives {k} times what it should",
         "{where}の BatchNorm の逆伝播が正しい値の {k} 倍です"),
        "k * dx", "dx", NORM, starts=(0.5,), is_general=True,
    ),
    Mistake(
        "batchnorm back by std^2", "gradient", "unnorm", lambda c: c.right / c.std,
        ("the backward of BatchNorm of {where} divides by the variance",
         "{where}の BatchNorm の逆伝播が標準偏差ではなく分散で割っています"),
        "/ std ** 2", "/ std", NORM,
    ),
    Mistake(
        "dgamma of x", "gradient", "dgamma", lambda c: (c.dn * c.z).sum(axis=0),
        ("dgamma of {where} takes what came in, not what is normalised",
         "{where}の dgamma が正規化した値ではなく入力で計算されています"),
        "(dout * x).sum(axis=0)", "(dout * xn).sum(axis=0)", NORM,
    ),
    Mistake(
        "dgamma of the output", "gradient", "dgamma", lambda c: (c.dn * c.n).sum(axis=0),
        ("dgamma of {where} takes the output, not what is normalised",
         "{where}の dgamma が正規化した値ではなく出力で計算されています"),
        "(dout * out).sum(axis=0)", "(dout * xn).sum(axis=0)", NORM,
    ),
    Mistake(
        "dgamma centred", "gradient", "dgamma",
        lambda c: (c.dn * (c.z - c.means[c.i])).sum(axis=0),
        ("dgamma of {where} takes x - mean, which is not divided by the standard deviation",
         "{where}の dgamma が標準偏差で割る前の x - mean で計算されています"),
        "(dout * xc).sum(axis=0)", "(dout * xn).sum(axis=0)", NORM,
    ),
    Mistake(
        "dgamma scaled", "gradient", "dgamma", lambda c, k: k * c.right,
        ("dgamma of {where} is {k} times what it should be",
         "{where}の dgamma が正しい値の {k} 倍です"),
        "k * (dout * xn).sum(axis=0)", "(dout * xn).sum(axis=0)", NORM, starts=(0.5,),
        means={"1/B": ("dgamma of {where} is the mean over the batch and should be the sum",
                       "{where}の dgamma が和ではなくバッチの平均です")},
    ),
    Mistake(
        "dgamma of dout", "gradient", "dgamma", lambda c: c.dn.sum(axis=0),
        ("dgamma of {where} leaves out the normalised values",
         "{where}の dgamma で正規化した値が抜けています"),
        "dout.sum(axis=0)", "(dout * xn).sum(axis=0)", NORM,
    ),
    Mistake(
        "dbeta scaled", "gradient", "dbeta", lambda c, k: k * c.right,
        ("dbeta of {where} is {k} times what it should be",
         "{where}の dbeta が正しい値の {k} 倍です"),
        "k * dout.sum(axis=0)", "dout.sum(axis=0)", NORM, starts=(0.5,),
        means={"1/B": ("dbeta of {where} is the mean over the batch and should be the sum",
                       "{where}の dbeta が和ではなくバッチの平均です")},
    ),
    # dropout
    Mistake(
        "dropout scaled by ratio", "forward", "drop",
        lambda c: c.right if c.training else c.h * c.ratio,
        ("dropout of {where} multiplies by ratio afterwards, not by 1 - ratio",
         "{where}の dropout が評価時に 1 - ratio ではなく ratio を掛けています"),
        "x * ratio", "x * (1 - ratio)", DROP,
    ),
    Mistake(
        "dropout divided by ratio", "forward", "drop",
        lambda c: c.h * c.mask / c.ratio if c.training else c.h,
        ("dropout of {where} divides by ratio, not by 1 - ratio",
         "{where}の dropout が 1 - ratio ではなく ratio で割っています"),
        "x * mask / ratio", "x * mask / (1 - ratio)", DROP,
    ),
    Mistake(
        "dropout returns its mask", "forward", "drop",
        lambda c, k: k * c.mask if c.training else c.right,
        ("the output of dropout of {where} is its mask, {k} where it keeps",
         "{where}の dropout の出力がマスクになっています(残すところで {k})"),
        "return self.mask", "return x * self.mask", DROP, starts=(1.0,),
        means=dict.fromkeys(
            ("1", "1/(1 - ratio)"),
            ("the output of dropout of {where} is its mask",
             "{where}の dropout の出力がマスクになっています"),
        ),
    ),
    Mistake(
        "dropout missing", "forward", "drop", lambda c: c.h,
        ("{where} has no dropout in training", "{where}で学習時に dropout が働いていません"),
        "x", "x * mask in training", DROP,
    ),
    Mistake(
        "dropout afterwards scaled", "forward", "drop",
        lambda c, k: c.right if c.training else k * c.h,
        ("dropout of {where} multiplies by {k} after training",
         "{where}の dropout が評価時に {k} を掛けています"),
        "x * k", "x * (1 - ratio)", DROP, starts=(1.0, 0.5),
        means={
            "1": ("dropout of {where} is scaled neither in training nor afterwards",
                  "{where}の dropout が学習時にも評価時にもスケールされていません", "x"),
            "1 - ratio": ("dropout of {where} is scaled in training and afterwards",
                          "{where}の dropout が学習時と評価時の両方でスケールされています"),
        },
    ),
    Mistake(
        "dropout mask inverted", "forward", "drop",
        lambda c: c.h * ~c.mask if c.training else c.right,
        ("dropout of {where} drops what its mask keeps", "{where}の dropout のマスクが逆です"),
        "x * ~mask", "x * mask", DROP,
    ),
    Mistake(
        "dropout back without mask", "gradient", "undrop", lambda c: c.da,
        ("the backward of dropout of {where} leaves out the mask",
         "{where}の dropout の逆伝播でマスクが抜けています"),
        "dout", "dout * mask", DROP,
    ),
    Mistake(
        "dropout back inverted", "gradient", "undrop", lambda c: c.da * ~c.mask,
        ("the backward of dropout of {where} inverts the mask",
         "{where}の dropout の逆伝播でマスクが逆です"),
        "dout * ~mask", "dout * mask", DROP,
    ),
    Mistake(
        "dropout back scaled", "gradient", "undrop", lambda c, k: k * c.right,
        ("the backward of dropout of {where} gives {k} times what it should: it is scaled "
         "otherwise than the forward", "{where}の dropout の逆伝播が正しい値の {k} 倍です(順伝播と"
         "スケールが合いません)"),
        "k * dout * mask", "dout * mask, scaled as in forward", DROP, starts=(0.5,),
        means={
            "1 - ratio": ("the backward of dropout of {where} is not divided by 1 - ratio, and the "
                          "forward is", "{where}の dropout の順伝播だけが 1 - ratio で割られ、"
                          "逆伝播は割られていません", "dout * mask"),
            "1/(1 - ratio)": ("the backward of dropout of {where} is divided by 1 - ratio, and the "
                              "forward is not", "{where}の dropout の逆伝播だけが 1 - ratio で"
                              "割られています", "dout * mask / (1 - ratio)"),
        },
    ),
]  # fmt: skip  # as in forward.py
