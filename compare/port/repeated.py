"""What depends on the calls before, and what a network computes after training."""

import copy
from contextlib import suppress
from dataclasses import replace

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from compare.judgement import Judgement, judge_fact
from compare.port.judged import Judge, Response
from compare.port.places import made_of_output
from compare.port.reference import Reference
from compare.port.stimuli import Batch
from compare.reference.evaluate import Quantity
from compare.user_frame import CandidateError

GOES_BACK = "gradient(x, t) goes back from the loss(x, t) before it"


def asked_again(
    judge: Judge, first: Response, other: Response
) -> tuple[list[Judgement], list[str]]:
    """Judge the first batch again, after others; return also whether its gradient needs its loss.

    A gradient that is right after the loss of its batch, and not after that of another, goes back
    from what the loss has kept: a training loop calls both.
    """
    network = judge.network
    judgements = judge.judge(
        judge.respond(replace(first.batch, name=f"{first.batch.name}, once more"))
    )
    with suppress(CandidateError):
        network.show(other.batch)
    network.gradient_first = True
    try:
        alone = judge.judge(judge.respond(first.batch))
    finally:
        network.gradient_first = False
    goes_back = any(j.fails for j in alone) and not any(j.fails for j in judgements)
    return judgements, [GOES_BACK] * goes_back


def in_other_mode(judge: Judge, batch: Batch) -> tuple[list[Judgement], list[str]]:
    """Judge what predict returns after training, where the module was passed in training; return
    also what was not exercised.
    """
    network, module, matched = judge.network, judge.reference.module, judge.matched
    if not any(_has_modes(part) for part in module.modules()):
        return [], []
    if not module.training:
        return [], ["training (the module was passed in evaluation)"]
    if not network.can_switch or matched.output == "other":
        return [], ["evaluation: predict cannot be told of it (pass module.eval() to judge it)"]
    after = Reference(copy.deepcopy(module).eval(), judge.reference.loss, judge.reference.form)
    after.buffers = judge.reference.buffers
    batch = replace(batch, name=f"{batch.name}, in evaluation")
    also = made_of_output() if matched.output else None
    try:
        e = after.evaluate(batch, matched.params, also=also, defined=judge.convention.layers)
        output = network.predicted(batch, training=False)
    except CandidateError as error:
        return [judge_fact("forward", "call", batch.name, False, str(error))], []
    except ValueError as error:
        return [], [f"evaluation: {error}"]
    if output is None:
        return [], ["evaluation: predict returns no array of numbers"]
    return judge.judge_values({Quantity("output", matched.output): output}, e, batch), []


def _has_modes(part: nn.Module) -> bool:
    """Whether it computes otherwise in training than afterwards."""
    return isinstance(part, _NormBase) or (isinstance(part, _DropoutNd) and part.p > 0)
