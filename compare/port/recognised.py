"""Which other definitions a network follows, found by putting them in the place of torch's."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from compare.judgement import Judgement, Verdict
from compare.port.conventions import Convention, Definition, Substituting
from compare.port.judged import Judge, Response
from compare.port.layers import layers
from compare.port.losses import losses
from compare.port.shown import Shown
from compare.port.stimuli import Batch
from compare.reference.evaluate import Evaluated, Quantity, of_loss
from compare.rules import OfValue

Off = set[tuple[str, str, str]]


def recognised(judge: Judge, responses: list[Response]) -> list[Judgement]:
    """Return the judgements by the convention that the network follows, and leave it in `judge`.

    A definition of a layer is taken where less is off with it and nothing that was not. One of the
    loss is taken where the loss then agrees on every batch, and the gradients with it, or with that
    of torch's own loss where both are documented as a pair: what is in one of loss and gradient
    alone is a mistake, else.
    """
    judgements = [j for r in responses for j in judge.judge(r)]
    for definition in layers():
        if not any(j.fails and j.probe in definition.shows_in for j in judgements):
            continue
        before = judge.convention
        trial = replace(before, layers=(*before.layers, definition))
        tried = _tried(judge, trial, responses, judgements)
        if tried is not None and off(tried) < off(judgements):
            judgements = tried
        else:
            judge.convention = before
    if any(j.fails and j.probe == "loss" for j in judgements):
        judgements = _of_loss(judge, responses, judgements)
    return judgements


def off(judgements: Sequence[Judgement]) -> Off:
    """Return what fails: where, which probe, which quantity."""
    return {(j.where, j.probe, j.name) for j in judgements if j.fails}


def _tried(
    judge: Judge, trial: Convention, responses: Sequence[Response], before: Sequence[Judgement]
) -> list[Judgement] | None:
    """Return all judgements by `trial`; None where it mends nothing where most is off."""
    failing = [j.where for j in before if j.fails]
    worst = max(dict.fromkeys(failing), key=failing.count)
    first = next(r for r in responses if r.batch.name == worst)
    judge.convention = trial
    if not off(_under(judge, first)) < off([j for j in before if j.where == worst]):
        return None
    return [j for r in responses for j in _under(judge, r)]


def _under(judge: Judge, response: Response) -> list[Judgement]:
    if response.shown is None:
        return judge.judge(response)
    return judge.judge(judge.evaluated(response.batch, response.shown))


def _of_loss(
    judge: Judge, responses: Sequence[Response], judgements: list[Judgement]
) -> list[Judgement]:
    """Return the judgements by the definition of the loss with which it agrees everywhere."""
    place = next(j.where for j in judgements if j.fails and j.probe == "loss")
    first = next(r for r in responses if r.batch.name == place)
    before = best = judge.convention
    fewest = judgements
    for definition in (
        [] if first.shown is None else fitting_losses(judge, first.batch, first.shown)
    ):
        # One that is no pair has to bear the gradients, too.
        for in_gradient in (False, True) if definition.is_pair else (True,):
            judge.convention = replace(before, loss=definition, in_gradient=in_gradient)
            tried = [j for r in responses for j in _under(judge, r)]
            if any(j.fails and j.probe == "loss" for j in tried):
                break
            bears = definition.is_pair or _bears(tried, judgements)
            if bears and off(tried) < off(judgements) and len(off(tried)) < len(off(fewest)):
                best, fewest = judge.convention, tried
    judge.convention = best
    return fewest


def _bears(after: Sequence[Judgement], before: Sequence[Judgement]) -> bool:
    """Whether some gradient agrees that was off."""
    was = {item for item in off(before) if item[1] == "gradient"}
    return any((j.where, j.probe, j.name) in was and j.verdict is Verdict.SAME for j in after)


def fitting_losses(judge: Judge, batch: Batch, shown: Shown) -> list[Definition]:
    """Return the definitions of the loss with which it agrees on this batch."""
    definitions = losses()
    also = {d.text: _defined(judge.reference.loss, d) for d in definitions}
    e = judge.reference.evaluate(
        batch, judge.matched.params, masks=shown.masks, also=also,
        defined=judge.convention.layers,
    )  # fmt: skip  # on what, how
    seen = {d.text: e.values.get(Quantity("output", d.text)) for d in definitions}
    u = judge.reference.form.u
    return [d for d in definitions if _agrees(shown.loss, seen[d.text], u)]


def _agrees(loss: float, value: Evaluated | None, u: float) -> bool:
    if value is None or value.v.numel() != 1:
        return False
    return abs(loss - float(value.v)) <= OfValue(value, u).allowed("loss")


def _defined(loss: Callable[..., Any], definition: Definition) -> Callable[..., Any]:
    """Return the loss under a definition; nothing where it has no part of it."""

    def compute(output: Any, t: Any, module: Any) -> Any:
        with Substituting(definition) as mode:
            value = of_loss(loss, output, t, module)
        return value if mode.used else None

    return compute
