"""What must hold whatever a network computes: weights are read, and no call leaves anything."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.calls import Calls
from compare.evaluation import Evaluation
from compare.first_look import GIVEN
from compare.judgement import Judgement, Verdict, judge_fact, judge_tensor
from compare.rules import Derived
from compare.stimuli import Stimulus
from compare.torch_network import Reference

Array = NDArray[np.floating[Any]]


def follows_params(calls: Calls, plain: Stimulus, reference: Reference) -> Judgement:
    """See that each weight is read: a change of it changes the loss where it should.

    A bias that is ignored may also be one that was forgotten, or that a wrong softmax cancels: that
    is for the forward pass to show.
    """
    candidate = calls.candidate

    def losses(params: Mapping[str, Array]) -> tuple[float, Evaluation]:
        candidate.write(params)
        loss = candidate.loss(plain.x, plain.t)
        mode = calls.mode(plain, training=calls.told(training=True))
        e = reference.evaluate(params, plain.x, plain.t, mode=mode)
        return loss, e

    actual, expected = losses(plain.params)
    allowed = Derived(expected, candidate.dtype).allowed("loss")
    ignored = []
    for key, value in plain.params.items():
        if key.startswith("b"):
            continue
        changed, other = losses({**plain.params, key: value / 2})
        if changed == actual and abs(other.loss - expected.loss) > allowed:
            ignored.append(key)
    candidate.write(plain.params)
    detail = f"a change of {', '.join(ignored)} does not reach the loss: the layers hold copies"
    return judge_fact("aliasing", "params", GIVEN, not ignored, detail)


def stateless(calls: Calls, plain: Stimulus, reference: Reference) -> Judgement:
    """See that nothing is left over from a call with other data, in the same array or not."""
    candidate, x, t = calls.candidate, plain.x, plain.t
    candidate.gradient(x, t)
    mode = calls.mode(plain, training=True)
    rule = Derived(reference.evaluate(plain.params, x, t, mode=mode), candidate.dtype)
    other = np.asarray(x[::-1] / 2)
    wrong = []
    for method, before in (("gradient", "loss"), ("loss", "gradient")):
        candidate.loss(x, t)
        call = getattr(candidate, method)
        first = call(x, t)
        second = candidate.after_other(before, other, method, x, t)
        pairs: dict[str, tuple[Any, Any]] = {"loss": (second, first)}
        if method == "gradient":
            pairs = {key: (second[key], first[key]) for key in first}
        if any(
            judge_tensor("purity", key, "", *pair, rule).verdict is not Verdict.SAME
            for key, pair in pairs.items()
            if not np.array_equal(*pair, equal_nan=True)
        ):
            wrong.append(f"{method}(x, t)")
    detail = (
        f"decides what {' and '.join(wrong)} returns: the network keeps something from one "
        "call to the next"
    )
    return judge_fact("purity", "call before", "two batches in turn", not wrong, detail)
