"""Finds out by the forward pass which parts of a network are which of the module."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.judgement import Judgement, Verdict, judge_tensor
from compare.port.aliasing import ignored_params
from compare.port.conventions import Definition
from compare.port.judged import Judge
from compare.port.layers import layers
from compare.port.matched import Matched
from compare.port.names import Matching, Names, Ways
from compare.port.places import OUTPUTS, inside_of, made_of_output
from compare.port.recognised import fitting_losses
from compare.port.shown import Shown
from compare.port.stimuli import Batch
from compare.reference.evaluate import Evaluation, Quantity
from compare.rules import OfValue
from compare.user_frame import CandidateError

Array = NDArray[Any]


def proved(
    judge: Judge, every: list[Batch], ways: Ways, names: Names
) -> tuple[str, list[Judgement]]:
    """Choose of `ways` that with which the forward pass agrees; return how sure it is, and why it
    may agree with none.

    Raises
    ------
    ValueError
        The first plain call fails; or nothing says which is which, and nothing agrees.
    """
    batch, shown = _plain_call(judge, every)
    _see(names, judge, shown)
    best, most = judge.matched, -1.0

    def tried(way: Matching, *defined: Definition) -> bool:
        """Keep the way that agrees the furthest; return whether it agrees to the end."""
        nonlocal best, most
        e = judge.reference.evaluate(
            batch, way, masks=shown.masks, also=made_of_output(), defined=defined
        )
        judge.matched = _matched(judge, way, names, shown, e)
        forward = {q: v for q, v in judge.actual(shown).items() if q.kind in ("module", "output")}
        agreeing = [_agrees(judge, e, q, value) for q, value in forward.items()]
        if any(q.kind == "output" for q in forward):
            is_proved = agreeing[-1]
        else:
            loss = np.asarray(shown.loss)
            is_proved = _agrees(judge, e, Quantity("loss"), loss) or bool(
                fitting_losses(judge, batch, shown)
            )
        if is_proved:  # what is not what it is called is none of the module's, and no mistake
            inside = judge.matched.inside
            agree = {q.name for q, ok in zip(forward, agreeing, strict=True) if ok}
            judge.matched.inside = {k: p for k, p in inside.items() if p.name in agree}
        leading = math.inf if is_proved else (*agreeing, False).index(False)
        if leading > most:
            best, most = judge.matched, leading
        return is_proved

    found = any(tried(way) for way in ways.matchings)
    for i, pairs in enumerate([] if found else ways.pairs):
        for pair in pairs:
            way = best.params
            found = found or tried((*way[:i], pair, *way[i + 1 :]))
    defined: tuple[Definition, ...] = ()
    for one in [] if found or ways.is_certain else layers():
        before = most
        found = found or any(tried(way, *defined, one) for way in ways.matchings)
        defined = (*defined, one) if most > before else defined
    judge.matched = best
    if found:
        return "proved by the forward pass", []
    called = {pair.key: pair.name for pair in best.params}
    e = judge.reference.evaluate(batch, best.params, masks=shown.masks)
    ignored = ignored_params(judge.network, batch, called, e)
    if ignored or (ways.is_certain and (best.inside or not ways.pairs)):
        return "by names and shapes alone: the forward pass agrees with none", ignored
    raise ValueError(
        "the forward pass agrees with no matching of the parameters, of which "
        f"({'; '.join(pair.text for pair in best.params)}) is the first: either it is wrong, or "
        "that is; pass names={'W1': ('fc1.weight', 'T'), ...} for all of them"
    )


def _plain_call(judge: Judge, every: list[Batch]) -> tuple[Batch, Shown]:
    """Return what the network shows at random parameters, after a plain call; else of that."""
    try:
        plain = judge.network.show(every[0])
    except CandidateError as error:
        raise ValueError(f"the network's first plain call fails: {error}") from error
    try:
        shown = judge.network.show(every[1])
        judge.reference.evaluate(every[1], judge.matched.params, masks=shown.masks)
        return every[1], shown
    except (CandidateError, ValueError):  # of which something is said later
        return every[0], plain


def _see(names: Names, judge: Judge, shown: Shown) -> None:
    """Raise ValueError where `names` has what the network has not."""
    layers = [key.partition("[call")[0] for key in shown.inside]
    there = [*judge.network.params, *shown.buffers, *dict.fromkeys(layers)]
    for key in names:
        if key not in there:
            raise ValueError(f"names: the network has no {key!r}; it has {', '.join(there)}")


def _matched(judge: Judge, way: Matching, names: Names, shown: Shown, e: Evaluation) -> Matched:
    """Return what else agrees where the parameters are matched in one way."""

    def agrees(q: Quantity, value: Array) -> bool:
        return _agrees(judge, e, q, value)

    holders = {pair.key: pair.name.rpartition(".")[0] for pair in way}
    inside = inside_of(shown.inside, e.values, names, judge.network.owners(holders), agrees)
    if shown.output is None:
        return Matched(way, inside)
    outputs = [form for form in ("", *OUTPUTS) if agrees(Quantity("output", form), shown.output)]
    plain = e.values.get(Quantity("output"))
    is_alike = plain is not None and tuple(plain.v.shape) == shown.output.shape
    return Matched(way, inside, outputs[0] if outputs else "" if is_alike else "other")


def _agrees(judge: Judge, e: Evaluation, q: Quantity, value: Array) -> bool:
    """Whether a value of the network is that of the module, to rounding."""
    if q not in e.values or tuple(e.values[q].v.shape) != value.shape:
        return False
    expected, rule = e.values[q], OfValue(e.values[q], judge.reference.form.u)
    found = judge_tensor("forward", "", "", value, expected.v.double().numpy(), rule)
    return found.verdict is Verdict.SAME
