"""Causes that need no replay: what was seen says what is wrong."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from compare.cause import Cause
from compare.causes.mistake import Texts, book
from compare.judgement import Judgement, Verdict

MODES = 2
"""In training and afterwards."""


class Fact(NamedTuple):
    """A judgement, by probe and by what it says; what it means, and what to write."""

    probe: str
    detail: str
    key: str
    part: str
    says: Texts
    wrote: str
    write: str
    source: Texts = ("", "")


FACTS = [
    Fact(
        "aliasing", "is the same array as", "parameters are one array", "state",
        ("two parameters are one array: training one changes the other",
         "二つのパラメータが一つの配列です(片方の学習がもう片方を変えます)"),
        "b1 = b2 = np.zeros(n)", "b1, b2 = np.zeros(n), np.zeros(n)",
    ),
    Fact(
        "aliasing", "two parameters share one array", "parameters share memory", "state",
        ("two parameters, or a parameter of each stack, share memory: both train one set of "
         "values, and each update is made twice",
         "二つのパラメータ、または両者のパラメータがメモリを共有しています"
         "(同じ値を二重に更新しています)"),
        "torch.from_numpy(W)", "torch.tensor(W), which copies",
    ),
    Fact(
        "aliasing", "is the array of", "gradient is the parameter", "state",
        ("a gradient is returned in the array of a parameter: an update in place changes it",
         "勾配がパラメータと同じ配列で返されています(その場での更新が勾配を変えます)"),
        "return W", "return W.copy()",
    ),
    Fact(
        "aliasing", "does not reach the loss", "layers hold copies", "state",
        ("the layers hold copies of the parameters: what is trained is never used",
         "層がパラメータの写しを持っていて、学習した値が使われません"),
        "self.W = W.copy()", "self.W = W, and W -= lr * dW in place", book("5.7.2"),
    ),
    Fact(
        "aliasing", "holds new arrays", "parameters bound anew", "state",
        ("the update binds new arrays to the names: layers that hold the old ones never learn",
         "更新が新しい配列を名前に結び付けています(古い配列を持つ層は学習しません)"),
        "params[key] = params[key] - lr * grads[key]", "params[key] -= lr * grads[key]",
        book("6.1.2"),
    ),
    Fact(
        "purity", "changed an array that was passed", "input changed", "state",
        ("a method works in place on an array that it was given",
         "渡された配列をその場で変えています"),
        "x *= ..., or x[mask] = 0", "x = x * ..., or out = x.copy(); out[mask] = 0", book("5.5.1"),
    ),
    Fact(
        "purity", "a call changed", "a call changes parameters", "state",
        ("gradient or loss changes the parameters: there is an update in it",
         "gradient か loss がパラメータを変えています(中で更新しています)"),
        "W -= ... inside gradient", "W -= ... in the optimiser alone",
    ),
    Fact(
        "purity", "keeps something from one call", "state between calls", "state",
        ("what one call leaves behind changes what the next returns: a cache that is not renewed, "
         "or a sum that is not begun anew",
         "前の呼び出しが残したものが次の結果を変えています"
         "(更新されないキャッシュか、リセットされない和)"),
        "self.dW += ..., or a cached result", "self.dW = ..., everything computed from x and t",
    ),
    Fact(
        "purity", "are changed by update", "gradients changed", "state",
        ("the update changes the gradients that it was given", "更新が渡された勾配を変えています"),
        "grads[key] += ...", "dW = grads[key] + ...",
    ),
    Fact(
        "state", "moves in eval mode", "running statistics move afterwards", "state",
        ("running statistics move after training, too", "移動平均が評価時にも動きます"),
        "self.running_mean = ...", "if train_flg: self.running_mean = ...", book("6.3"),
    ),
    Fact(
        "state", "of the units, and a ratio of", "dropout share", "forward",
        ("dropout keeps the share that it should drop, or another one",
         "dropout が捨てるべき割合を残しています(または別の割合です)"),
        "rng.random(x.shape) < ratio", "rng.random(x.shape) > ratio", book("6.4.3"),
    ),
    Fact(
        "gradient", "move a whole row", "numerical gradient by rows", "gradient",
        ("the loop of the numerical gradient goes over the rows of W, and moves each as a whole: "
         "the gradient of an element is the sum of its row's",
         "数値微分のループが W の要素ではなく行を回っています(要素の勾配が行の和になります)"),
        "for i in range(len(x))", "for i in np.ndindex(x.shape)", book("4.3.3"),
    ),
    Fact(
        "forward", "^raised", "raises", "forward",
        ("the network raises on a batch on which a plain one would not",
         "通常のバッチでは動くのに、このバッチで例外が出ます"),
        "", "",
    ),
]  # fmt: skip  # what is seen; what it means; what stands there and should


def upheld(facts: Iterable[Judgement], judgements: Iterable[Judgement]) -> list[Judgement]:
    """Return the facts that no value contradicts.

    That a change of W does not reach the loss says that a layer holds a copy only as long as z of
    that layer is not right at parameters that were written: then what hides W comes after.
    """
    judgements = list(judgements)
    kept = []
    for fact in facts:
        ignored = [int(number) for number in re.findall(r"\bW(\d+)", fact.detail)]
        hidden = fact.fails and "does not reach the loss" in fact.detail and all(
            _follows(judgements, f"z{layer}") for layer in ignored
        )  # fmt: skip  # a condition
        kept.append(replace(fact, verdict=Verdict.SAME, error=0.0, detail="") if hidden else fact)
    return kept


def _follows(judgements: list[Judgement], name: str) -> bool:
    """Whether a value is right at other parameters than those that the network came with, which it
    is shown in two modes at most.
    """
    right = {j.where for j in judgements if j.name == name and j.verdict is Verdict.SAME}
    return len(right) > MODES


def seen_causes(facts: Iterable[Judgement]) -> tuple[Cause, ...]:
    """Return the causes that failing facts name by themselves, each once."""
    found: dict[str, Cause] = {}
    for judgement in facts:
        for fact in FACTS if judgement.fails else ():
            if judgement.probe == fact.probe and re.search(fact.detail, judgement.detail):
                seen = f"{judgement.name} {judgement.detail}"
                found.setdefault(
                    fact.key,
                    Cause(
                        fact.key, fact.part, fact.says, fact.wrote, fact.write, fact.source,
                        finding=(seen, ""), mends=(judgement.quantity,), is_seen=True,
                    ),
                )  # fmt: skip  # as in Cause
    return tuple(found.values())
