"""The networks that are written by hand compute what their modules compute, in every way."""

import numpy as np
import pytest
import torch

import by_hand
from by_hand.judged import compared, drawn
from by_hand.mistakes import MISTAKES
from by_hand.ways import WAYS, way
from compare.reference.allowed import C
from sampled import one_in

DTYPES = [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)]  # both: make power


@pytest.mark.parametrize("name", by_hand.NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way_name", one_in(3, WAYS))
def test_every_way_is_right(name, dtype, way_name):
    rng = np.random.default_rng([by_hand.NAMES.index(name), WAYS.index(way_name)])
    problem = drawn(by_hand.load(name), rng, rows=5, dtype=dtype)
    scores = compared(problem, way(way_name, dtype))
    assert {kind for kind, _ in scores} >= {"output", "loss", "gradient"}
    assert max(scores.values()) <= C, scores


@pytest.mark.parametrize("name", by_hand.NAMES)
def test_it_says_all_that_the_module_has(name):
    network = by_hand.load(name)
    rng = np.random.default_rng(0)
    problem = drawn(network, rng, rows=5, dtype=np.float64)
    scores = compared(problem, way("blas", np.float64))
    module = network.module()
    assert {n for kind, n in scores if kind == "gradient"} == dict(module.named_parameters()).keys()
    buffers = {n for n, b in module.named_buffers() if b.dtype == torch.float32}
    assert {n for kind, n in scores if kind == "buffer"} == buffers


@pytest.mark.parametrize("name", one_in(3, by_hand.NAMES))
def test_mistakes_are_seen_where_they_stand(name):
    rng = np.random.default_rng([7, by_hand.NAMES.index(name)])
    problem, right = drawn(by_hand.load(name), rng, 7, np.float64), way("blas", np.float64)
    without = compared(problem, right)
    assert max(without.values()) <= C
    mistakes = [m for m in MISTAKES if m.network == name]
    assert len(mistakes) >= 8
    for mistake in mistakes:
        assert compared(problem, right, mistake.planted(0.0)) == without, mistake.name
        outside = [key for key, s in compared(problem, right, mistake.planted()).items() if s > C]
        assert outside and mistake.is_at(*outside[0]), (mistake.name, outside[:1])
