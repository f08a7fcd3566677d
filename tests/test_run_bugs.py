"""Bugs planted in the code around a run: each is seen and placed at its step and quantity."""

import math

import numpy as np
import pytest
import torch

import compare.run
from compare.data import load_data
from compare.judgement import Verdict, first_failing
from compare.lockstep import ScratchStack, Side
from compare.rules import Derived
from planted_bugs.around import OTHER_FORM, PLAIN
from planting import planted
from sampled import one_in

STEPS = 12


def run(*arguments, data=None):
    """Return the report of a short run, by the packages that are in place."""
    from compare.data import load_data
    from compare.options import parse_options
    from compare.run import experiment
    from compare.run_report import collect

    options = parse_options(
        ["--steps", str(STEPS), "--batch-size", "16", "--hidden", "20", "20", "15", "--lr", "0.05",
         "--init", "he", "--data", "digits", *arguments]
    )  # fmt: skip  # a command line
    data = data or load_data("digits", None, options.dtype, "cpu", print)
    (trial,) = experiment(options, data, lambda *_: None)
    return collect(options, data, [trial], {}, explain=False)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", None, "float64", "cpu", print)


@pytest.mark.parametrize("bug", one_in(6, PLAIN), ids=lambda bug: bug.name)
def test_planted_bug_is_seen_and_placed(bug):
    with planted(bug):
        report = run()
    (init,) = report.inits
    first = next(j for j in init.failing if j.verdict != Verdict.SAME)
    assert (first.probe, first.name, first.where) == (bug.probe, bug.quantity, bug.where)
    assert report.verdict in (Verdict.DIFFERENT, Verdict.UNSTABLE)
    assert report.exit_code() == 1
    assert f"First divergence: {first.quantity}" in report.text()
    assert max(map(len, report.text().splitlines())) <= 80


def test_right_code_is_same(digits):
    report = run(data=digits)
    assert report.verdict is Verdict.SAME
    assert report.exit_code() == 0
    assert sorted(report.inits[0].points) == [0, 1, 3, 10, 11]


def test_another_last_bit_of_std_is_seen(digits):
    equal = all(1 / math.sqrt(n / 2) == math.sqrt(2 / n) for n in (784, 20, 15))
    with planted(OTHER_FORM):
        assert (run(data=digits).verdict == Verdict.SAME) == equal


def test_another_order_inside_the_batch_is_no_mistake(monkeypatch, digits):
    right = Side.advance
    monkeypatch.setattr(
        Side, "advance",
        lambda self, rows: right(self, rows if isinstance(rows, torch.Tensor) else rows[::-1]),
    )  # fmt: skip  # what, and by what
    monkeypatch.setattr(
        ScratchStack, "active", property(lambda _: [], lambda *_: None), raising=False
    )
    report = run("--activation", "tanh", data=digits)
    assert report.verdict is Verdict.SAME, report.text()


def test_judging_nothing_is_inconclusive(digits):
    report = run("--judge", "none", data=digits)
    assert (report.verdict, report.exit_code()) == (Verdict.INCONCLUSIVE, 3)


def test_a_run_that_diverges_in_both_is_judged_while_it_is_finite(digits):
    report = run("--lr", "1e200", data=digits)
    assert report.verdict is Verdict.SAME
    assert not np.isfinite(report.inits[0].trace.scratch[-1])
    assert 1 <= len(report.inits[0].points) < STEPS


@pytest.mark.parametrize("arguments", [["--init", "std=1e300"], ["--lr", "1e300"]])
def test_a_run_that_explodes_is_worded(digits, arguments):
    report = run(*arguments, data=digits)
    assert "not finite from step" in report.text()


def test_zero_init_keeps_units_equal(digits):
    report = run("--init", "0", data=digits)
    assert report.inits[0].units == [1, 1, 1, 10]
    assert "std=0: 1 1 1 10 distinct units of 20 20 15 10" in report.text()
    assert report.verdict is Verdict.SAME


def test_float32_free_run_is_inconclusive_from_the_flip_and_the_verdict_same(monkeypatch):
    right, calls = ScratchStack.step, []

    def step(self, x, t):
        right(self, x, t)
        calls.append(1)
        if len(calls) == 5:  # as if rounding had decided a ReLU otherwise
            self.active[0] = ~self.active[0]

    monkeypatch.setattr(ScratchStack, "step", step)
    report = run("--dtype", "float32")
    (init,) = report.inits
    assert init.trace.flip == 4
    assert init.trace.compared == 4
    assert report.verdict is Verdict.SAME
    assert "up to step 4" in " ".join(report.text().split())


def test_gradients_of_a_step_with_a_row_on_a_relus_edge_are_judged(monkeypatch, digits):
    """The rows on the edge are left out of gradient(), and the step's own are held against it."""
    right = ScratchStack.step

    def step(self, x, t):
        right(self, x, t)
        self.grads = {key: grad * 1.001 for key, grad in self.grads.items()}

    last = property(lambda rule: np.arange(len(rule.e.x)) == len(rule.e.x) - 1)
    monkeypatch.setattr(Derived, "on_edge", last)
    assert run(data=digits).verdict is Verdict.SAME
    monkeypatch.setattr(ScratchStack, "step", step)
    (init,) = run(data=digits).inits
    first = first_failing(init.failing)
    assert (init.verdict, first.probe) == (Verdict.DIFFERENT, "gradient")
    assert "not what gradient(x, t) gives" in first.detail


def test_a_run_that_leaves_the_range_of_float32_is_no_mistake(monkeypatch):
    """Where float64 is still finite, and torch in float32 is not."""
    arguments = [
        "--dtype", "float32", "--init", "1", "--optimizer", "momentum", "--batch-size", "7",
        "--lr", "0.10986240586596775", "--hidden", "39", "38", "59", "34", "--seed", "82",
        "--judge", "every",
    ]  # fmt: skip  # a command line
    report = run(*arguments)
    assert not np.isfinite(report.inits[0].trace.scratch).all()
    assert report.verdict is Verdict.SAME, report.text()

    def without_torch(self, actual, e, rule, where):
        return compare.trial.judge_values(actual, e, rule, where)

    monkeypatch.setattr(compare.trial.Trial, "_judged", without_torch)
    assert run(*arguments).verdict is Verdict.UNSTABLE


def test_run_in_which_nothing_is_finite_is_inconclusive(digits):
    (init,) = run("--init", "std=1e300", data=digits).inits
    assert (init.verdict, init.points) == (Verdict.INCONCLUSIVE, {})


def test_torch_that_adds_in_another_order_is_no_mistake(monkeypatch, digits):
    """Then its gradients are not the bits that it gives again, and rounding is allowed."""
    right = compare.run.TorchStack.step
    monkeypatch.setattr(
        compare.run.TorchStack, "step", lambda self, x, t: right(self, x.flip(0), t.flip(0))
    )
    report = run("--activation", "tanh", "--judge", "every", data=digits)
    assert report.verdict is Verdict.SAME, report.text()
    worst = report.inits[0].worst["torch gradient W1"]
    assert 0 < worst.error <= worst.allowed
