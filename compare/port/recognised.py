"""Which other definitions a network follows, found by putting them in the place of torch's."""

from collections.abc import Callable, Sequence
from typing import Any

from compare.judgement import Judgement, Verdict
from compare.port.conventions import Definition, Substituting, layers, losses
from compare.port.judged import Judge, Response
from compare.port.network import Shown
from compare.port.rule import ByModule
from compare.port.stimuli import Batch
from compare.reference.evaluate import Evaluated, Quantity, of_loss

Off = set[tuple[str, str, str]]


def recognised(
    judge: Judge, responses: list[Response], judgements: list[Judgement]
) -> tuple[list[Judgement], list[str]]:
    """Return the judgements under the definitions that the network follows, and their names.

    One of a layer is taken where less is off with it and nothing that was not. One of the loss is
    taken where the loss then agrees on every batch, and the gradients with it, or with that of
    torch's own loss where both are documented as a pair: what is in one of loss and gradient alone
    is a mistake, else.
    """
    taken: list[Definition] = []
    for definition in layers():
        if not any(j.fails and j.probe in ("forward", "buffer", "loss") for j in judgements):
            break
        tried = _tried(judge, responses, [*taken, definition], judgements)
        if tried is not None and off(tried) < off(judgements):
            judgements = tried
            taken.append(definition)
    if any(j.fails and j.probe == "loss" for j in judgements):
        judgements, found = _of_loss(judge, responses, taken, judgements)
        taken += found
    return judgements, [definition.text for definition in taken]


def off(judgements: Sequence[Judgement]) -> Off:
    """Return what fails: where, which probe, which quantity."""
    return {(j.where, j.probe, j.name) for j in judgements if j.fails}


def _tried(
    judge: Judge, responses: Sequence[Response], defined: Sequence[Definition],
    before: Sequence[Judgement],
) -> list[Judgement] | None:  # fmt: skip  # what was, what is tried
    """Return all judgements under definitions; None where they mend nothing where most is off."""
    failing = [j.where for j in before if j.fails]
    worst = max(dict.fromkeys(failing), key=failing.count)
    first = next(r for r in responses if r.batch.name == worst)
    if first.shown is None:
        return None
    was = off([j for j in before if j.where == worst])
    if not off(_under(judge, first, defined)) < was:
        return None
    return [j for r in responses for j in _under(judge, r, defined)]


def _under(judge: Judge, response: Response, defined: Sequence[Definition]) -> list[Judgement]:
    if response.shown is None or response.evaluation is None:
        return judge.judge(response)
    return judge.judge(judge.evaluated(response.batch, response.shown, *defined))


def _of_loss(
    judge: Judge, responses: Sequence[Response], taken: Sequence[Definition],
    judgements: list[Judgement],
) -> tuple[list[Judgement], list[Definition]]:  # fmt: skip  # what was, what is tried
    """Return the judgements under the definition of the loss with which it agrees everywhere."""
    place = next(j.where for j in judgements if j.fails and j.probe == "loss")
    first = next(r for r in responses if r.batch.name == place)
    best: tuple[list[Judgement], list[Definition]] = (judgements, [])
    if first.shown is None:
        return best
    for definition in fitting_losses(judge, first.batch, first.shown, taken):
        both = [j for r in responses for j in _under(judge, r, [*taken, definition])]
        if any(j.fails and j.probe == "loss" for j in both):
            continue
        loss = {j.where: j for j in both if j.probe == "loss"}
        alone = [loss.get(j.where, j) if j.probe == "loss" else j for j in judgements]
        # One that is no pair has to bear the gradients, too: not more may be off than before.
        ways = [alone, both] if definition.is_pair else [both]
        for way in ways:
            gains = off(way) < off(judgements) and (definition.is_pair or _bears(way, judgements))
            if gains and len(off(way)) < len(off(best[0])):
                best = way, [definition]
    return best


def _bears(after: Sequence[Judgement], before: Sequence[Judgement]) -> bool:
    """Whether some gradient agrees that was off."""
    was = {item for item in off(before) if item[1] == "gradient"}
    return any((j.where, j.probe, j.name) in was and j.verdict is Verdict.SAME for j in after)


def fitting_losses(
    judge: Judge, batch: Batch, shown: Shown, taken: Sequence[Definition] = ()
) -> list[Definition]:
    """Return the definitions of the loss with which it agrees on this batch."""
    definitions = losses()
    also = {d.text: _defined(judge.reference.loss, d) for d in definitions}
    e = judge.reference.evaluate(
        batch, judge.matched.params, masks=shown.masks, also=also, defined=taken
    )
    u, loss = judge.reference.form.u, shown.loss
    seen = {d.text: e.values.get(Quantity("output", d.text)) for d in definitions}
    return [d for d in definitions if _agrees(loss, seen[d.text], u)]


def _agrees(loss: float, value: Evaluated | None, u: float) -> bool:
    if value is None or value.v.numel() != 1:
        return False
    return abs(loss - float(value.v)) <= ByModule(value, u).allowed("loss")


def _defined(loss: Callable[..., Any], definition: Definition) -> Callable[..., Any]:
    """Return the loss under a definition; nothing where it has no part of it."""

    def compute(output: Any, t: Any, module: Any) -> Any:
        with Substituting(definition) as mode:
            value = of_loss(loss, output, t, module)
        return value if mode.used else None

    return compute
