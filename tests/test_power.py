"""The small fixed part of `make power` and `make calibrate`."""

import json

import numpy as np
import pytest

import detection
from bugs import BUGS, Bug
from compare.judge import judge_values
from compare.judgement import first_failing
from compare.reference.allowed import C
from compare.threads import one_thread_each
from correct import IMPLEMENTATIONS
from sampled import one_in

STATES = [("relu", 0.0), ("tanh", 0.0), ("sigmoid", 0.0), ("relu", 0.1)]


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread_each():
        yield


@pytest.mark.parametrize("dtype", detection.DTYPES)
@pytest.mark.parametrize("bug", one_in(6, BUGS), ids=lambda bug: bug.name)
def test_a_planted_bug_is_seen_where_it_is(bug: Bug, dtype: str) -> None:
    ((_, seen),) = detection.found(bug, dtype, (1.0,))
    assert seen[detection.OURS], f"called off elsewhere than at {bug.name}"


@pytest.mark.parametrize("dtype", detection.DTYPES)
@pytest.mark.parametrize(("activation", "decay"), STATES)
def test_correct_code_is_not_called_off(activation: str, decay: float, dtype: str) -> None:
    for place in detection.places(activation, decay, dtype):
        params, x, t = place.arguments
        for implementation in IMPLEMENTATIONS:
            sizes = (len(x[0]), *(b.size for key, b in params.items() if key[0] == "b"))
            rng = np.random.default_rng(0)
            net = implementation(sizes, activation, detection.DTYPES[dtype], decay, rng=rng)
            net.params = params
            case = place.case
            judged = judge_values(detection.answers(net, x, t), case.e, case.rule, case.where)
            assert not first_failing(judged), f"{implementation.__name__} on {case.where}"


def test_the_factor_is_what_was_calibrated() -> None:
    stored = json.loads(detection.CALIBRATION.read_text())
    assert stored["c"] == C >= stored["margin"] * stored["set"]["worst"]
    assert stored["shown"]["networks"] >= 1000 and not stored["shown"]["beyond"]
    assert not set(stored["set"]["by"]) & set(stored["shown"]["by"])
    assert not set(stored["set"]["kernels"]) & set(stored["shown"]["kernels"])
