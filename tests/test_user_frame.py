"""What somebody's code raises is said with file, line, statement and call, here and in CI."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compare import assert_parity, check_network, cli
from compare.judgement import Verdict
from compare.user_frame import account
from my_network import TwoLayerNet
from scratch import MultiLayerNet
from scratch import layers as layers_of_scratch
from test_check_command import RIGHT, write

HELPER = """import numpy as np
def explode(x):
    rows = np.ones(len(x))
    return np.dot(
        x,
        rows, rows,
    )
"""
PREDICT, LOSS = "        h = np.maximum(x @ self.params", "        return -np.log"
GRADIENT = "        dy = softmax(self.predict(x))\n"
assert min(RIGHT.count(text) for text in (LOSS, GRADIENT)) == 1


def line_of(path, text):
    """Return the number of the first line that holds `text`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return 1 + next(i for i, line in enumerate(lines) if text in line)


@pytest.fixture
def check(capsys, tmp_path):
    """Check RIGHT with a change; return the status, what was said in one line, and the JSON."""

    def checked(old, new):
        assert old in RIGHT
        write(tmp_path, **{"common/helper": HELPER})
        head = (
            "import os, sys\nsys.path.append(os.path.join(os.path.dirname(__file__), 'common'))\n"
        )
        path = write(tmp_path, net=head + RIGHT.replace(old, new, 1))
        status = cli.main(["check", str(path), "--json", str(tmp_path / "net.json")])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert all(len(line) <= 80 for line in out.splitlines())
        kept = json.loads((tmp_path / "net.json").read_text(encoding="utf-8"))
        return status, " ".join((out + err).split()), kept, path

    return checked


FIRST = {
    "constructor": (
        "        self.params = {", "        self.size = input_size.shape\n        self.params = {",
        ", in __init__: `self.size = input_size.shape`: AttributeError: 'int' object has no ",
    ),
    "loss": (
        LOSS, "        self.missing()\n" + LOSS,
        ", in loss: `self.missing()`: AttributeError: 'TwoLayerNet' object has no attribute "
        "'missing' (called as loss(x (7, 11), t (7,)))",
    ),
    "gradient": (
        GRADIENT, GRADIENT + "        self.cache.copy()\n",
        ", in gradient: `self.cache.copy()`: AttributeError: 'TwoLayerNet' object has no attribute "
        "'cache' (called as gradient(x (7, 11), t (7,)))",
    ),
    "lambda": (
        GRADIENT, GRADIENT + "        (lambda: dy.nothing)()\n",
        ", in <lambda>: `(lambda: dy.nothing)()`: AttributeError: 'numpy.ndarray' object",
    ),
    "predict alone": (
        "    def loss", "    predict = lambda self, x, y: 0\n    def loss",
        "TypeError: TwoLayerNet.<lambda>() missing 1 required positional argument: 'y'",
    ),
    "numpy": (
        GRADIENT, GRADIENT + "        dy = np.concatenate(\n            [dy,\n             x])\n",
        ", in gradient: `dy = np.concatenate( [dy, x])`: ValueError: all the input array",
    ),
    "matrix product": (
        GRADIENT, GRADIENT + "        x @ dy\n", ", in gradient: `x @ dy`: ValueError: matmul",
    ),
    "helper": (
        GRADIENT, GRADIENT + "        import helper\n        helper.explode(x)\n",
        "common/helper.py, line 4, in explode: `return np.dot( x, rows, rows, )`: ValueError:",
    ),
}  # fmt: skip  # what stands there, what is put there, what is said


@pytest.mark.parametrize(("old", "new", "says"), FIRST.values(), ids=FIRST)
def test_what_raises_at_first_is_refused_with_its_line(check, old, new, says):
    status, said, kept, path = check(old, new)
    assert (status, says in said) == (2, True), said
    if says.startswith(","):
        inside = says.split("`")[1][:12]
        assert f"net.py, line {line_of(path, inside)}{says}" in said
    assert kept["error"]["exit_status"] == 2
    assert said.endswith("netparity: " + kept["error"]["message"])


def test_what_raises_at_import_is_said_with_its_line(check):
    status, said, _, path = check("def softmax", "data = np.load(\n    'nowhere')\n\ndef softmax")
    line = line_of(path, "data = ")
    assert status == 0
    assert f"stops at import: net.py, line {line}: `data = np.load( 'nowhere')`: FileNot" in said
    status, said, _, path = check("import numpy", "from helper import lost\nimport numpy")
    line = line_of(path, "lost")
    assert status == 2
    assert f"cannot be imported: net.py, line {line}: `from helper import lost`: Import" in said


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ("if len(x) == 1: self.missing()", "`if len(x) == 1: self.missing()`: AttributeError: 'T"),
        ("self.n = getattr(self, 'n', 0) + 1; 1 / (self.n < 4)", "ZeroDivisionError: division by"),
        ("self.n = getattr(self, 'n', 0) + 1; 1 / (self.n < 22)", "ZeroDivisionError: division by"),
        ("self.n = getattr(self, 'n', 0) + 1; 1 / (self.n < 40)", "ZeroDivisionError: division by"),
    ],
    ids=["one row", "before torch", "at the first beside torch", "beside the stimuli"],
)
def test_what_raises_after_a_first_call_is_a_finding(check, deed, says):
    status, said, kept, path = check(LOSS, f"        {deed}\n{LOSS}")
    place = f"call raised: net.py, line {line_of(path, deed)}, in loss: `"
    assert (status, place in said, says in said) == (1, True, True), said
    assert "(called as loss(x (" in said
    assert kept["verdict"] == "DIFFERENT"


def test_a_process_that_ends_after_a_first_call_is_a_finding(check):
    deed = "        self.n = getattr(self, 'n', 0) + 1\n        self.n > 3 and os._exit(7)\n"
    status, said, kept, _ = check(LOSS, deed + LOSS)
    ended = (
        "the process of the network ended with exit status 7 (called as loss(x (7, 11), t (7,)))"
    )
    assert (status, ended in said, kept["verdict"]) == (1, True, "DIFFERENT")


class Late(TwoLayerNet):
    """Answers its first calls."""

    n = 0

    def loss(self, x, t):
        self.n += 1
        return super().loss(x, t) if self.n < 4 else self.missing


class FirstLayer(MultiLayerNet):
    """Raises in a layer that is not its own."""

    def gradient(self, x, t):
        return super().gradient(x[:, 1:], t)


def test_in_this_process_as_in_another():
    report = check_network(Late(7, 6, 5))
    assert report.verdict is Verdict.DIFFERENT
    said = " ".join(report.text().split())
    line = line_of(Path(__file__), "else self.missing")
    place = f"call raised: test_user_frame.py, line {line}, in loss: `return super().loss(x, t) if"
    assert place in said
    with pytest.raises(
        ValueError, match=r"line .*, in gradient: `return super...gradient"
    ) as caught:
        check_network(FirstLayer(7, [6], 5, rng=np.random.default_rng(0)))
    assert "layers.py" not in str(caught.value)
    assert str(caught.value).count("called as gradient(x (7, 7), t (7,))") == 1


@pytest.mark.slow
def test_traceback_of_a_test_holds_nothing_of_ours(tmp_path):
    (tmp_path / "test_net.py").write_text(
        "from compare import assert_parity\n"
        + RIGHT.replace(LOSS, "        1 / 0\n" + LOSS)
        + "\ndef test_net():\n    assert_parity(TwoLayerNet(7, 6, 5))\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_net.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    line = line_of(tmp_path / "test_net.py", "        1 / 0")
    said = f"test_net.py, line {line}, in loss: `1 / 0`: ZeroDivisionError: division by zero"
    assert said in done.stdout
    assert "compare/" not in done.stdout
    assert done.stdout.count("ZeroDivisionError") <= 2  # the text, and the summary


def test_other_files_than_theirs_are_left_out():
    def raised(function):
        try:
            function()
        except Exception as error:
            return error

    here = f"{Path(__file__).name}, line "
    error = raised(lambda: np.linalg.inv(np.zeros((2, 3))))  # in a function of numpy's
    assert account(error).startswith(here)
    assert ", in <lambda>: `error = raised(lambda: np.linalg.inv(np.zeros((2, 3))))" in account(
        error
    )
    assert account(raised(lambda: json.loads("{"))).startswith(here)  # in one of Python's
    affine = layers_of_scratch.Affine(np.zeros((2, 3)), np.zeros(3))
    home = layers_of_scratch.__file__
    error = raised(lambda: affine.forward(None))
    assert account(error, home).startswith("layers.py, line ")
    cell = compile("\n1 / 0", "/tmp/ipykernel_77/1234.py", "exec")
    assert (
        account(raised(lambda: exec(cell))) == "a cell, line 2: ZeroDivisionError: division by zero"
    )
    assert account(KeyError("W9")) == "KeyError: 'W9'"
    assert account(AssertionError()) == "AssertionError"


def test_assert_parity_still_says_the_report():
    with pytest.raises(AssertionError, match="First divergence: gradient b1"):
        assert_parity(TwoLayerNet(7, 6, 5))
