"""The networks that are written by hand compute what their modules compute, in every way."""

import numpy as np
import pytest
import torch

import by_hand
from by_hand.judged import compared, drawn
from by_hand.ways import WAYS, way
from compare.reference.allowed import C


@pytest.mark.parametrize("name", by_hand.NAMES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("way_name", WAYS)
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
