"""Planting: each bug is an edit of one place, and nothing of it is left behind."""

import sys

import numpy as np
import pytest

import bugs
import planted
import scratch
from planted_bugs import around, blind, expected, extended, layered, pairs, updates
from planting import ROOT, Bug, edited, module, wrong_network
from planting import planted as planted_in_packages
from test_optimizer_check import MISTAKES
from test_optimizers import BUGS as IN_OPTIMIZERS

TABLES = {
    "bugs": (bugs.BUGS, 90), "planted": (planted.BUGS, 31), "layered": (layered.LAYERED, 83),
    "updates": (updates.UPDATES, 36), "blind": (blind.BLIND, 45), "strange": (blind.STRANGE, 16),
    "optimisers": (IN_OPTIMIZERS, 40), "optimisers of the book": (MISTAKES, 26),
    "runs": ([*around.PLAIN, around.OTHER_FORM], 24), "extended runs": (around.EXTENDED, 12),
    "BatchNorm": (extended.BATCHNORM, 15), "dropout": (extended.DROPOUT, 8),
    "BatchNorm of a reader's": (extended.NORMALIZATIONS, 21),
    "dropout of a reader's": (extended.DROPOUTS, 7),
}  # fmt: skip  # a table, and how many bugs it had when it was last added to
FILE = "scratch/layers.py"
SOURCE = "class A:\n    x = 1\n\n\nclass B:\n    x = 1\n    y = 2\n"


@pytest.mark.parametrize("table", TABLES)
def test_each_bug_is_an_edit_of_one_place(table):
    found, count = TABLES[table]
    assert len({bug.name for bug in found}) == len(found) == count
    for bug in found:
        source = (ROOT / bug.file).read_text(encoding="utf-8")
        wrong = edited(source, bug)
        assert wrong != source
        compile(wrong, bug.file, "exec")


def test_what_is_expected_is_said_of_each_bug():
    for name in ("LAYERED", "BLIND", "STRANGE", "UPDATES"):
        table = next(getattr(m, name) for m in (layered, blind, updates) if hasattr(m, name))
        assert {bug.name for bug in table} == {*getattr(expected, name)}
    assert {bug.name for bug in bugs.BUGS} == {*expected.COMPACT}
    known = {bug.name for bug in layered.LAYERED}
    assert all({*names} <= known for names in pairs.PAIRS)


def test_an_edit_that_fits_nowhere_or_twice_is_refused():
    for old in ("x = 3", "x = 1"):
        with pytest.raises(AssertionError, match="some bug: not once"):
            edited(SOURCE, Bug("some bug", "", "a.py", old, "x = 4"))


def test_an_edit_within_a_class_leaves_the_others_alone():
    bug = Bug("some bug", "", "a.py", "x = 1", "x = 4", within="B")
    assert edited(SOURCE, bug) == SOURCE.replace("x = 1\n    y", "x = 4\n    y")
    bug = bug._replace(within="A")
    assert edited(SOURCE, bug) == SOURCE.replace("x = 1\n\n", "x = 4\n\n")
    with pytest.raises(AssertionError, match="not once"):
        edited(SOURCE, bug._replace(old="y = 2"))


def test_a_file_alone_has_a_module_of_its_own():
    wrong = module(FILE, Bug("some bug", "", FILE, "np.maximum(x, 0)", "x"))
    assert wrong.Relu is not scratch.Relu
    assert wrong.Relu().forward(np.array([-1.0])) == -1
    assert module(FILE).Relu().forward(np.array([-1.0])) == 0


def test_the_right_packages_come_back():
    before = {name: m for name, m in sys.modules.items() if name.startswith(("scratch", "compare"))}
    bug = Bug("some bug", "", FILE, "np.maximum(x, 0)", "x")
    path = [*sys.meta_path]
    with planted_in_packages(bug):
        import compare.run as run_of_it
        import scratch as wrong

        assert wrong is not scratch
        assert run_of_it.scratch_subject.__globals__["scratch"] is wrong
        assert wrong.Relu().forward(np.array([-1.0])) == -1
    with pytest.raises(ZeroDivisionError), planted_in_packages(bug):
        raise ZeroDivisionError
    assert sys.meta_path == path
    after = {name: m for name, m in sys.modules.items() if name.startswith(("scratch", "compare"))}
    assert before == after


def test_a_wrong_network_is_of_the_edited_package(rng):
    (bug,) = (bug for bug in planted.BUGS if bug.name == "F04 leaky ReLU")
    x = rng.standard_normal((3, 4))
    wrong = wrong_network(bug, 4, [3], 2, rng=np.random.default_rng(0))
    right = scratch.MultiLayerNet(4, [3], 2, rng=np.random.default_rng(0))
    assert not isinstance(wrong, scratch.MultiLayerNet)
    assert (wrong.predict(x) != right.predict(x)).any()
