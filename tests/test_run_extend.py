"""Runs with BatchNorm and dropout: right ones are SAME, bugs around them are seen and placed."""

from itertools import product

import pytest

import compare.subject
from compare.data import load_data
from compare.judgement import Verdict, first_failing
from compare.lockstep import ScratchStack
from compare.rules import Derived
from compare.run_wording import closest
from planted_bugs.around import BATCHNORM, DROPOUT, EXTENDED
from planting import planted
from sampled import one_in
from test_run_bugs import run

BOTH = ("--batchnorm", "--dropout", "0.3")


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", None, "float64", "cpu", print)


@pytest.mark.parametrize(
    ("extras", "dtype"),
    one_in(3, product([BOTH, BOTH[1:], BOTH[:1]], ["float32", "float64"])),
    ids=str,
)
@pytest.mark.parametrize("optimizer", one_in(2, ["adam", "sgd"]))
@pytest.mark.parametrize("activation", one_in(2, ["relu", "sigmoid"]))
def test_right_code_is_same(dtype, optimizer, extras, activation):
    report = run(
        "--dtype", dtype, "--optimizer", optimizer, "--activation", activation,
        "--weight-decay", "0.01", *extras, "--judge", "every", "--steps", "6",
    )  # fmt: skip  # a command line
    assert report.verdict is Verdict.SAME, report.text()
    assert ("update gamma1" in report.inits[0].worst) == ("--batchnorm" in extras)
    assert ("state running_var1" in report.inits[0].worst) == ("--batchnorm" in extras)
    assert ("data dropout masks" in report.inits[0].worst) == ("--dropout" in extras)
    assert closest(report.inits[0]) is not None  # of what would show that a quantity is wrong


def seen(bug, words, data=None):
    """Return the first failing judgement of a run around which the bug is planted."""
    with planted(bug):
        (init,) = run(*words, data=data).inits
    assert (init.verdict == Verdict.DIFFERENT) == bool(init.failing)
    return first_failing(init.failing)


@pytest.mark.parametrize("bug", one_in(3, EXTENDED), ids=lambda bug: bug.name)
def test_planted_bug_is_seen_and_placed(digits, bug):
    first = seen(bug, bug.options["words"], digits)
    place = f"{first.stack} {first.probe}".strip(), first.name, first.where
    assert place == (bug.probe, bug.quantity, bug.where)


def test_a_step_with_a_row_on_a_relus_edge_is_made_up_for_by_the_next(monkeypatch, digits):
    """BatchNorm ties the rows together: none can be left out."""
    right, calls = Derived.on_edge.fget, []

    def on_edge(rule):
        calls.append(len(rule.e.x))
        return right(rule) | (len(calls) <= 2)

    monkeypatch.setattr(Derived, "on_edge", property(on_edge))
    (init,) = run(*BATCHNORM, data=digits).inits
    assert init.verdict is Verdict.SAME
    assert sorted(init.points) == [2, 3, 10, 11]


def test_masks_differ_from_layer_to_layer_and_step_to_step(monkeypatch, digits):
    seen = []

    class Watched(ScratchStack):
        def step(self, x, t):
            super().step(x, t)
            seen.append([mask.tobytes() for mask in self.masks])

    monkeypatch.setattr(compare.subject, "ScratchStack", Watched)
    run(*DROPOUT, data=digits)
    assert len({mask for masks in seen for mask in masks}) == 3 * 12
