"""What an error looks like that nothing in the catalogue explains, and what to try then."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from compare.causes.case import Case, Mistakes
from compare.causes.factor import between, factor, times
from compare.causes.mistake import Texts
from compare.evaluation import layer_of, probe_of

FEW = 0.5
"""The share of rows, columns or elements below which it is said which are off."""

LISTED = 6
"""How many of them are named."""

NEGLIGIBLE = 1e-6
"""The share of the largest error below which an element's counts for none: it has rounding at
least."""

Float64 = NDArray[np.float64]


def shape_of(cases: Sequence[Case], group: Sequence[Case], target: str, before: Mistakes
             ) -> tuple[Texts, ...]:  # fmt: skip  # what, where
    """Return in sentences where, and how, `target` is off that nothing explains."""
    found = []
    others = [case for case in cases if target in case.names and not any(case is c for c in group)]
    if others and len(group) < len(cases):
        names = "; ".join(case.where for case in group[:3])
        count, all_of = len(group), len(group) + len(others)
        en = f"{target} is off on {count} of {all_of} stimuli: {names}"
        ja = f"{target} は {all_of} 個のうち {count} 個の刺激でずれています: {names}"
        found.append((en, ja))
    case = max(group, key=lambda c: len(c.given.t))
    actual = np.asarray(case.actual[target], float)
    expected = np.asarray(case.replayed(before)[target], float)
    if actual.shape != expected.shape:
        shapes = f"{actual.shape}", f"{expected.shape}"
        return (*found, (f"{target} has shape {shapes[0]}, not {shapes[1]}",
                         f"{target} の形が {shapes[1]} ではなく {shapes[0]} です"))  # fmt: skip
    if not actual.ndim and np.isfinite(actual):
        return (*found, _of_numbers(target, group, before))
    found += _in_parts(target, actual, expected)
    return tuple(found)


def _of_numbers(target: str, group: Sequence[Case], before: Mistakes) -> Texts:
    """Return how a single number is off on all stimuli."""
    ratios = [float(case.actual[target]) / float(case.replayed(before)[target]) for case in group]
    low, high = min(ratios), max(ratios)
    if factor(low) == factor(high):
        return times(target, low)
    return (
        f"{target} is {factor(low)} to {factor(high)} times what it should be",
        f"{target} は正しい値の {factor(low)} 倍から {factor(high)} 倍です",
    )


def _in_parts(target: str, actual: Float64, expected: Float64) -> Iterator[Texts]:
    lost = int(np.sum(~np.isfinite(actual)))
    if lost:
        yield (
            f"{lost} of the {actual.size} elements of {target} are not finite",
            f"{target} の {actual.size} 要素のうち {lost} 個が有限ではありません",
        )
        return
    with np.errstate(all="ignore"):
        d = np.abs(actual - expected)
        off = ~(d <= NEGLIGIBLE * np.nanmax(d))
        ratio = actual / expected
    of_rows, of_columns = _axes(target)
    if d.ndim == 2:
        yield from _which(off.any(axis=1), *of_rows)
        yield from _which(off.any(axis=0), *of_columns)
    else:
        yield from _which(off, *of_columns)
    share = float(off.mean())
    if share < 1:
        yield (f"{100 * share:.0f} % of the elements of {target} are off, the others right",
               f"{target} の要素の {100 * share:.0f} % がずれ、残りは正しい値です")  # fmt: skip
    finite = ratio[off & np.isfinite(ratio)]
    if finite.size:
        low, high = np.quantile(finite, [0.1, 0.9])
        yield between(float(low), float(high))


def _axes(target: str) -> tuple[Texts, Texts]:
    """Return what the rows and the columns of a quantity are."""
    if probe_of(target) == "gradient":
        return ("inputs", "入力"), ("units", "ユニット")
    last = target in ("logits", "probabilities", "log-probabilities")
    return ("rows", "行"), ("classes", "クラス") if last else ("units", "ユニット")


def _which(off: NDArray[np.bool_], en: str, ja: str) -> Iterator[Texts]:
    """Yield which are off, where they are few."""
    where = np.flatnonzero(off)
    if 0 < len(where) <= FEW * len(off):
        listed = ", ".join(map(str, where[:LISTED])) + ", ..." * (len(where) > LISTED)
        verb = "is" if len(where) == 1 else "are"
        yield (f"of {len(off)} {en} only {listed} {verb} off",
               f"{len(off)} 個の{ja}のうち {listed} だけがずれています")  # fmt: skip  # as above


def next_step(case: Case, target: str) -> Texts:
    """Return the experiment that would say more."""
    probe, layer = probe_of(target), layer_of(target)
    seen = any(probe_of(name) == "forward" for name in case.actual)
    if probe in ("loss", "forward") and not case.sees_inside and not seen:
        return (
            "give the network a method predict(x) that returns the logits, so that the forward "
            "pass can be judged by itself",
            "predict(x) がロジットを返すようにすると、順伝播だけを判定できます",
        )
    if probe == "forward" and not case.sees_inside:
        return (
            "keep the layers in a dict `layers` of objects with forward(x), as the book does, so "
            "that each can be judged; or leave layers out, one by one, until it is right",
            "本のように forward(x) を持つ層を辞書 `layers` に入れると、層ごとに判定できます",
        )
    if probe == "forward":
        return (
            f"call the forward of this layer alone on one row, and compute {target} beside it by "
            "its formula: what goes in is right",
            f"この層の forward だけを 1 行で呼び、{target} を式どおりに計算して比べてください"
            "(入力は正しい値です)",
        )
    if probe == "loss":
        return (
            "compute the loss of a batch of one row, -log(exp(z[t]) / sum(exp(z))), beside it, "
            "then that of two: the logits are right",
            "1 行のバッチの損失 -log(exp(z[t]) / sum(exp(z))) を並べて計算し、次に 2 行で比べて"
            "ください(ロジットは正しい値です)",
        )
    if probe == "gradient":
        number = layer or ""
        return (
            f"hold the largest element that is off in {target} against (loss(w + h) - loss(w - h)) "
            f"/ 2h with h = 1e-5; then print what the backward of layer {number} is given",
            f"{target} で最もずれた要素を (loss(w + h) - loss(w - h)) / 2h(h = 1e-5)と比べ、"
            f"第 {number} 層の backward に渡る値を表示してください",
        )
    return (
        "print it before and after one batch, and do the same by its formula",
        "1 バッチの前後の値を表示し、式どおりの計算と比べてください",
    )
