"""The small fixed part of `make power` and `make calibrate`."""

import json

import numpy as np
import pytest

import compare.rules
import detection
from bugs import BUGS, Bug
from compare.check import check_network
from compare.judge import judge_values
from compare.judgement import first_failing
from compare.rounding import MEASURED
from compare.threads import one_thread_each
from correct import IMPLEMENTATIONS
from my_network import TwoLayerNet
from sampled import one_in
from scratch import MultiLayerNet

STATES = [("relu", 0.0), ("tanh", 0.0), ("sigmoid", 0.0), ("relu", 0.1)]


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread_each():
        yield


@pytest.mark.parametrize("dtype", detection.DTYPES)
@pytest.mark.parametrize("bug", one_in(6, BUGS), ids=lambda bug: bug.name)
def test_a_planted_bug_is_seen_where_it_is(bug: Bug, dtype: str) -> None:
    ((_, seen, _),) = detection.found(bug, dtype, (1.0,))
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


ALONE = {
    "norm": "db of layer 2 doubled",
    "loss": "median for mean in the loss",
    "element": "relu slope leaky",
    "direction": "not divided by B",
}
STRENGTHS = tuple(10.0 ** np.arange(-8, -2, 1 / 8))
"""On each kernel that was tried, one statistic alone sees these bugs over a factor of 2 or more of
strength; where that range lies depends on the noise there."""


@pytest.mark.parametrize("kind", MEASURED)
def test_each_statistic_sees_a_bug_that_no_other_sees(kind: str) -> None:
    (bug,) = (bug for bug in BUGS if bug.name == ALONE[kind])
    found = detection.found(bug, "float32", STRENGTHS)
    seen_by = ({s.partition(" ")[0] for s in statistics} for _, _, statistics in found)
    assert {kind.replace("direction", "along")} in seen_by


def test_the_factors_are_those_that_were_calibrated() -> None:
    stored = json.loads(detection.CALIBRATION.read_text())
    assert stored["factors"] == MEASURED
    for kind, factor in MEASURED.items():
        assert factor >= stored["margin"] * stored["worst_of_all"][kind]
        assert stored["left_out"][kind] <= 1


def test_float64_verdicts_need_no_measured_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    def nets() -> list[MultiLayerNet | TwoLayerNet]:
        rng = np.random.default_rng(0)
        return [MultiLayerNet(20, [16, 16], 5, rng=rng), TwoLayerNet(11, 13, 5)]

    with_noise = [check_network(net) for net in nets()]

    def none(*_: object) -> None:
        raise AssertionError("float64 is judged by what is derived")

    monkeypatch.setattr(compare.rules, "Measured", none)
    assert [str(check_network(net)) for net in nets()] == [str(report) for report in with_noise]
    with pytest.raises(AssertionError, match="float64 is judged"):
        check_network(MultiLayerNet(20, [16], 5, rng=np.random.default_rng(0), dtype=np.float32))
