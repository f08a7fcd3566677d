"""`netparity check --reference`, the fixture and the marker: a module is meant there, too."""

import json
from types import ModuleType

import pytest

from compare import cli
from compare.errors import InputError
from compare.port.meant import meant_in

MODULE = """
import torch
from torch import nn

class Meant(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 2))

class Needy(nn.Module):
    def __init__(self, size):
        super().__init__()

def batch():
    return torch.ones(4, 3), torch.zeros(4, dtype=torch.long)

made, number = Meant(), 3

def broken():
    raise RuntimeError("no way")
"""
NET = """
import numpy as np

class Net:
    def __init__(self, size=3, factor=1.0):
        self.params = {"W": np.ones((size, 2)) + np.eye(size, 2), "b": np.zeros(2)}
        self.factor = factor

    def predict(self, x):
        return x @ self.params["W"] + self.params["b"]

    def y(self, x):
        y = self.predict(x)
        y = np.exp(y - y.max(axis=1, keepdims=True))
        return y / y.sum(axis=1, keepdims=True)

    def loss(self, x, t):
        return -np.log(self.y(x)[np.arange(len(x)), t]).mean()

    def gradient(self, x, t):
        d = self.y(x)
        d[np.arange(len(x)), t] -= 1
        d /= len(x)
        return {"W": self.factor * x.T @ d, "b": d.sum(axis=0)}
"""


def module(text):
    made = ModuleType("made")
    exec(text, made.__dict__)
    return made


@pytest.fixture
def files(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "meant.py").write_text(MODULE)
    return tmp_path


def checked(files, capsys, *options, name="Meant"):
    status = cli.main(["check", str(files / "net.py"), "--reference", f"{files}/meant.py:{name}",
                       *options])  # fmt: skip  # what, how
    return status, capsys.readouterr()


def test_a_file_is_judged_against_the_module_of_another(files, capsys):
    status, said = checked(files, capsys, "--json", str(files / "report.json"))
    assert (status, said.err) == (0, ""), said
    assert "SAME  Net computes what Meant computes." in said.out
    report = json.loads((files / "report.json").read_text())
    assert (report["verdict"], report["module"]) == ("SAME", "Meant")
    status, said = checked(files, capsys, "--arg", "factor=1.01", name="made")
    assert status == 1
    assert "First divergence: gradient 0.weight, on your batch of 4" in said.out


@pytest.mark.parametrize(
    ("options", "name", "says"),
    [
        (["--activation", "relu"], "Meant", "--activation: not with --reference"),
        (["--arg", "size=5"], "Meant", "W has shape (5, 2), which none of 0.weight (2, 3)"),
        ([], "Other", "has no Other; modules there: Meant, Needy"),
    ],
)
def test_what_is_no_use_is_one_line(files, capsys, options, name, says):
    status, said = checked(files, capsys, *options, name=name)
    assert status == 2
    assert says in said.err
    assert said.err.count("\n") == 1


def test_a_module_has_to_be_named_and_to_be_there(files, capsys):
    for reference, says in (
        (f"{files}/meant.py", "as in FILE:NAME"),
        ("nowhere.py:A", "no such file"),
    ):
        assert cli.main(["check", str(files / "net.py"), "--reference", reference]) == 2
        assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (MODULE, "Needy", "Needy(): TypeError: "),
        (MODULE, "broken", "broken(): "),
        (MODULE, "number", "number(): TypeError"),
        (
            MODULE.replace("def batch", "def bunch"),
            "Meant",
            "has no batch(), which returns x and t",
        ),
        (MODULE.replace("torch.ones(4, 3),", ""), "Meant", "batch is Tensor; expected x and t"),
        (MODULE + "\ndef other(): return 3", "other", "other is int; expected a torch.nn.Module"),
    ],
)
def test_a_file_that_does_not_say_what_is_meant(text, name, says, tmp_path):
    with pytest.raises(InputError) as raised:
        meant_in(module(text), name, tmp_path / "meant.py")
    assert says in str(raised.value)


def test_x_and_t_may_stand_there_themselves(tmp_path):
    text = MODULE.replace("def batch", "def bunch") + "\nx, t = bunch()\nnames = {'W': '0.weight'}"
    meant = meant_in(module(text), "made", tmp_path)
    assert (meant.x.shape, meant.t.shape, meant.loss, len(meant.names)) == ((4, 3), (4,), None, 1)


pytest_plugins = ["pytester"]


def test_the_fixture_and_the_marker_take_a_reference(pytester):
    pytester.makepyfile(net=NET, meant=MODULE)
    pytester.makepyfile(
        """
        import numpy as np, pytest
        from net import Net
        from meant import Meant, batch

        X, T = (np.asarray(value.numpy()) for value in batch())

        def test_fixture(assert_parity):
            assert_parity(Net(), X, T, reference=Meant())

        @pytest.mark.parity(x=X, t=T, reference=Meant())
        def test_right():
            return Net()

        @pytest.mark.parity(x=X, t=T, reference=Meant())
        def test_wrong():
            return Net(factor=1.01)

        @pytest.mark.parity(x=X, t=T, reference=Meant(), known={"gradient 0.weight": "later"})
        def test_known():
            return Net(factor=1.01)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist")
    result.assert_outcomes(passed=9, failed=2, xfailed=2, skipped=12)
    result.stdout.fnmatch_lines(["*gradient 0.weight, on your batch of 4: off by *"])
