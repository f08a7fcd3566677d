"""`netparity bench`: what it measures is what it says, and the naive loops compute what ours do."""

import numpy as np
import pytest
import torch

from compare.bench import naive_numpy, naive_torch
from compare.data import load_data
from compare.options import parse_options
from compare.plan import draw_plan, weight_rng
from compare.run import experiment
from compare.threads import one_thread_each

SIZES = (784, 100, 100, 100, 100, 10)
STEPS = 40


@pytest.fixture(scope="module")
def job():
    """A short run, its data as float32 gives them, and what both stacks recorded."""
    words = ["--data", "digits", "--steps", str(STEPS), "--judge", "none"]
    options = parse_options(words)
    data = load_data("digits", None, "float64", "cpu", print)
    x = data.x.astype(np.float32)
    same = {"x": x.astype(np.float64), "torch_x": torch.tensor(x, dtype=torch.float64)}
    data = type(data)(**{**vars(data), **same})
    with one_thread_each():
        trials = experiment(options, data, lambda *step: None)
    plan = draw_plan(SIZES, len(x), STEPS, options.batch_size, seed=options.seed)
    return options, data, x, plan, trials


def test_the_naive_numpy_loop_computes_what_ours_does_once_its_epsilon_is_out(job):
    options, data, x, plan, trials = job
    for label, std in options.init:
        rng = weight_rng(plan.seed)
        net = naive_numpy.NaiveNet(weight_init_std=std, rng=rng, epsilon=0)
        losses = naive_numpy.train([net], x, data.t, plan.batches, options.lr)
        (trial,) = (trial for trial in trials if trial.label == label)
        np.testing.assert_allclose(losses, trial.trace.scratch, rtol=1e-12)


def test_its_epsilon_is_seen(job):
    options, data, x, plan, trials = job
    net = naive_numpy.NaiveNet(weight_init_std="he", rng=weight_rng(plan.seed))
    losses = naive_numpy.train([net], x, data.t, plan.batches, options.lr)
    assert abs(losses[0] / trials[-1].trace.scratch[0] - 1) > 1e-8


def test_the_naive_torch_loop_computes_what_ours_does(job):
    options, data, x, plan, trials = job
    rest = torch.float64, "cpu"
    for label, std in options.init:
        net = naive_torch.NaiveNet(SIZES, std, weight_rng(plan.seed), *rest)
        losses = naive_torch.train([net], x, data.t, plan.batches, options.lr, *rest)
        (trial,) = (trial for trial in trials if trial.label == label)
        np.testing.assert_allclose(losses, trial.trace.torch, rtol=1e-12)
