"""`netparity check FILE`: layouts of files, arguments of classes, and candidates that misbehave."""

import json
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch

import compare.remote
from compare import cli
from sampled import one_in

TESTS = Path(__file__).parent
NETWORK = (TESTS / "my_network.py").read_text(encoding="utf-8")
RIGHT = NETWORK.replace("dh.mean(axis=0)", "dh.sum(axis=0)")
assert RIGHT != NETWORK


def write(folder, files=(), **more):
    """Write Python files by their names; return the last one."""
    for name, text in {**dict(files), **more}.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return path


def check(capsys, *arguments):
    """Return exit status, what was printed, and the one line of complaint."""
    status = cli.main(["check", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert err.count("\n") == (status in (2, 130, 143))
    assert all(len(line) <= 80 for line in out.splitlines())
    return status, out, err


# files


def test_right_and_wrong_file_with_json(capsys, tmp_path):
    right = write(tmp_path, right=RIGHT)
    status, out, _ = check(capsys, right, "--json", tmp_path / "report.json")
    assert (status, out.splitlines()[0]) == (
        0,
        "built TwoLayerNet(input_size=11, hidden_size=13, output_size=5)",
    )
    assert "SAME  TwoLayerNet computes what PyTorch computes." in out
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "SAME"
    assert check(capsys, right, "--strict")[0] == 1  # the book's log(y + 1e-7)
    status, out, _ = check(capsys, TESTS / "my_network.py")
    assert status == 1
    assert "every element is 1/7 times" in out


COMMON_LAYERS = """
    import numpy as np
    class Affine:
        def __init__(self, W, b):
            self.W, self.b = W, b
        def forward(self, x):
            self.x = x
            return x @ self.W + self.b
        def backward(self, dout):
            self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
            return dout @ self.W.T
    class Relu:
        def forward(self, x):
            self.mask = x <= 0
            return np.where(self.mask, 0, x)
        def backward(self, dout):
            return np.where(self.mask, 0, dout)
    class SoftmaxWithLoss:
        def forward(self, x, t):
            e = np.exp(x - x.max(axis=1, keepdims=True))
            self.y, self.t = e / e.sum(axis=1, keepdims=True), t
            return -np.log(self.y[np.arange(len(t)), t]).mean()
        def backward(self):
            dx = self.y.copy()
            dx[np.arange(len(self.t)), self.t] -= 1
            return dx / len(self.t)
"""
COMMON_NET = """
    from collections import OrderedDict
    import numpy as np
    from common.layers import Affine, Relu, SoftmaxWithLoss
    class MultiLayerNet:
        def __init__(self, input_size, hidden_size_list, output_size, weight_init_std='relu'):
            sizes = [input_size, *hidden_size_list, output_size]
            self.params, self.layers = {}, OrderedDict()
            for i in range(1, len(sizes)):
                W = np.random.randn(sizes[i - 1], sizes[i]) * np.sqrt(2 / sizes[i - 1])
                self.params[f'W{i}'], self.params[f'b{i}'] = W, np.zeros(sizes[i])
                self.layers[f'Affine{i}'] = Affine(W, self.params[f'b{i}'])
                if i < len(sizes) - 1:
                    self.layers[f'Relu{i}'] = Relu()
            self.last_layer = SoftmaxWithLoss()
        def predict(self, x):
            for layer in self.layers.values():
                x = layer.forward(x)
            return x
        def loss(self, x, t):
            return self.last_layer.forward(self.predict(x), t)
        def gradient(self, x, t):
            self.loss(x, t)
            dout = self.last_layer.backward()
            for layer in reversed(self.layers.values()):
                dout = layer.backward(dout)
            grads = {}
            for i in range(1, len(self.params) // 2 + 1):
                affine = self.layers[f'Affine{i}']
                grads[f'W{i}'], grads[f'b{i}'] = affine.dW, affine.db
            return grads
"""


@pytest.mark.parametrize("folder", [".", "common", "ch06"])
def test_two_files_of_the_book_from_three_folders(capsys, tmp_path, monkeypatch, folder):
    (tmp_path / ".git").mkdir()
    (tmp_path / "ch06").mkdir()
    path = write(tmp_path, {"common/layers": COMMON_LAYERS, "common/multi_layer_net": COMMON_NET})
    monkeypatch.chdir(tmp_path / folder)
    status, out, _ = check(capsys, os.path.relpath(path))
    assert status == 0, out
    assert out.startswith(
        "built MultiLayerNet(input_size=11, hidden_size_list=[13, 6], output_size=5)"
    )


def test_packages_with_relative_imports(capsys, tmp_path):
    net = COMMON_NET.replace("from common.layers", "from .layers")
    path = write(
        tmp_path,
        {"deep/pack/__init__": "", "deep/pack/layers": COMMON_LAYERS, "deep/pack/net": net},
    )
    assert check(capsys, path)[0] == 0


def test_training_at_import_is_cut_off_and_named(capsys, tmp_path, monkeypatch):
    path = write(tmp_path, train=RIGHT + "\n\nwhile True:\n    pass\n")
    status, out, _ = check(capsys, path)
    line = RIGHT.count("\n") + 3
    assert status == 0
    assert f"train.py: line {line} is still at work 2 s after import" in out
    assert "loaded: only imports, definitions and constants" in out


def test_failing_at_import_is_named(capsys, tmp_path):
    path = write(tmp_path, train=RIGHT + "\nx_train = np.load('no/such/data.npy')\n")
    status, out, _ = check(capsys, path)
    assert status == 0
    assert "FileNotFoundError" in out


def test_missing_packages_are_stubbed_and_named_when_they_are_needed(capsys, tmp_path):
    missing = "from no_such_bar import bar\nimport no_such_plot.pyplot as plt\n"
    status, out, _ = check(capsys, write(tmp_path, unneeded=missing + RIGHT))
    assert status == 0
    assert "no_such_bar is not installed: a stub stands in for it" in out
    assert "no_such_plot is not installed" in out
    needed = (missing + RIGHT).replace("        h = np", "        bar(x)\n        h = np")
    status, _, err = check(capsys, write(tmp_path, needed=needed))
    assert status == 2
    assert "no_such_bar is not installed, and bar is needed" in err


TWO = RIGHT + RIGHT.replace("TwoLayerNet", "Other").replace("0.01 *", "0.02 *")


def test_two_classes_that_fit_must_be_named(capsys, tmp_path):
    path = write(tmp_path, two=TWO)
    status, _, err = check(capsys, path)
    assert status == 2
    assert "2 classes with gradient and loss: TwoLayerNet, Other; name one, as in two.py:" in err
    assert check(capsys, f"{path}:Other")[0] == 0
    status, _, err = check(capsys, f"{path}:Third")
    assert (status, "has no Third; there is TwoLayerNet, Other" in err) == (2, True)


def test_instance_by_its_name(capsys, tmp_path):
    path = write(tmp_path, made=RIGHT + "\nmine = TwoLayerNet(7, 6, 3)\n")
    status, out, _ = check(capsys, f"{path}:mine")
    assert status == 0
    assert "7-6-3, relu" in out


def renamed(*names):
    """Return the network with other names for its three sizes."""
    text = RIGHT
    for old, new in zip(("input_size", "hidden_size", "output_size"), names, strict=True):
        text = text.replace(old, new)
    return text


def test_arguments_by_trying_and_by_hand(capsys, tmp_path):
    unknown = write(tmp_path, unknown=renamed("p", "q", "r"))
    status, out, _ = check(capsys, unknown)
    assert status == 0
    assert out.startswith("built TwoLayerNet(p=11, q=13, r=5)")
    status, out, _ = check(capsys, unknown, "--arg", "q=4", "--arg", "p=9")
    assert (status, "9-4-11, relu" in out) == (0, True)
    positional = write(tmp_path, positional=RIGHT.replace("output_size):", "output_size, /):"))
    assert check(capsys, positional)[0] == 0
    status, _, err = check(capsys, unknown, "--arg", "depth=4")
    assert (status, "--arg depth: TwoLayerNet takes p, q, r" in err) == (2, True)
    picky = RIGHT.replace("output_size):", "output_size, mode):\n        assert mode == 'train'")
    path = write(tmp_path, picky=picky)
    status, _, err = check(capsys, path)
    said = (
        "what is mode? Give it by --arg mode=VALUE; with mode=11 it raises: picky.py, line 8, in "
    )
    assert (status, f"{said}__init__: `assert mode == 'train'`: AssertionError" in err) == (2, True)
    assert check(capsys, path, "--arg", "mode=train")[0] == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no such file"),
        ("", "no class with gradient and loss; a network has"),
        ("def f(:\n", "line 1: is not Python (invalid syntax)"),
        (RIGHT + "one = TwoLayerNet(7, 6, 5)\ndel TwoLayerNet\n", "as in net.py:one"),
        ("class Net:\n    gradient = loss = 3\n", "no class with gradient and loss"),
        ("class Net:\n    def gradient(self): 0\n    def loss(self): 0\n", "has no `params`"),
        (RIGHT.replace('"W2"', '"V2"'), "expected W1, b1, W2, b2"),
        (RIGHT.replace("rng = np", "1 / 0; rng = np"), "ZeroDivisionError: division by zero"),
        (RIGHT.replace("h = np.maximum", "h = np.minimun"), "has no attribute 'minimun'"),
    ],
    ids=[
        "no file",
        "empty",
        "syntax",
        "an instance",
        "no methods",
        "no params",
        "keys",
        "builds not",
        "calls not",
    ],
)
def test_files_that_are_no_use(capsys, tmp_path, text, says):
    path = tmp_path / "net.py" if text is None else write(tmp_path, net=text)
    status, _, err = check(capsys, path)
    assert status == 2
    assert says in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["net.py", "--json", "net.py"], "--json net.py: is the file that is judged"),
        (["net.py", "--json", "."], "--json .: is a folder"),
        (["net.py", "--json", "no/report.json"], "--json no/report.json: no folder no"),
        (["net.py", "--seed", "-1"], "argument --seed: expected an integer of at least 0"),
        (["net.py:"], "net.py:: no name after the colon"),
    ],
)
def test_arguments_that_are_no_use_are_named_before_the_work(
    capsys, tmp_path, monkeypatch, arguments, says
):
    monkeypatch.chdir(tmp_path)
    text = write(tmp_path, net=RIGHT).read_text()
    status, out, err = check(capsys, *arguments)
    assert (status, out, says in err) == (2, "", True)
    assert (tmp_path / "net.py").read_text() == text


def test_weight_decay_of_0_is_said_to_be_unjudged(capsys, tmp_path):
    decaying = RIGHT.replace("self.params =", "self.weight_decay_lambda = 0\n        self.params =")
    said = "weight_decay_lambda 0: weight decay is not judged"
    assert said in " ".join(check(capsys, write(tmp_path, decaying=decaying))[1].split())


# candidates that misbehave: `loss` does something on the batch of one row

HOSTILE = {
    "raises": "raise ZeroDivisionError('rows - 1')",
    "exits": "sys.exit(0)",
    "exits at once": "os._exit(0)",
    "is killed": "os.kill(os.getpid(), 9)",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "hangs": "while True: pass",
    "sleeps": "import time; time.sleep(1000)",
    "takes all memory": "return float(np.ones(10**13)[0])",
    "closes everything": "os.closerange(0, 64)",
    "asks": "input('rows? ')",
    "waits for a signal": "signal.pause()",
    "returns text": "return 'small'",
    "returns a row": "return np.zeros(3)",
    "recurses": "return self.loss(x, t)",
    "interrupts": "raise KeyboardInterrupt",
}
HARMLESS = {
    "floods": "print('x' * 10**7); os.write(2, b'y' * 10**6)",
    "forks": "os.fork()",
    "moves": "os.chdir('/')",
    "closes its streams": "sys.stdout.close(); sys.stderr.close(); os.close(0)",
    "seeds": "np.random.seed(0); import random; random.seed(0)",
    "changes settings": "np.seterr(all='raise'); warnings.simplefilter('error'); sys.path.clear()",
    "ignores signals": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "starts threads": "threading.Thread(target=lambda: None).start()",
}


def misbehaving(folder, deed):
    loss = "        if len(x) == 1:\n            " + deed + "\n        return -np.log"
    head = "import os, signal, sys, threading, warnings\n"
    return write(folder, bad=head + RIGHT.replace("        return -np.log", loss))


@pytest.mark.skipif(os.name == "nt", reason="signals, forks and limits of memory are POSIX")
@pytest.mark.parametrize("deed", one_in(3, HOSTILE.values()), ids=HOSTILE)
def test_misbehaviour_becomes_a_finding(capsys, tmp_path, monkeypatch, deed):
    monkeypatch.setattr(compare.remote, "CALL_LIMIT", 1.0)
    status, out, _ = check(capsys, misbehaving(tmp_path, deed))
    assert status == 1, out
    assert "First divergence: call, on 1 row" in out


@pytest.mark.skipif(os.name == "nt", reason="signals and forks are POSIX")
@pytest.mark.parametrize("deed", one_in(3, HARMLESS.values()), ids=HARMLESS)
def test_what_harms_only_itself_changes_nothing_here(capsys, tmp_path, deed):
    def state():
        return (
            Path.cwd(), np.random.get_state()[1].tolist(),  # noqa: NPY002  # all could be changed
            torch.get_rng_state().tolist(),
            torch.get_default_dtype(), torch.get_num_threads(), np.geterr(), sys.path[:],
            list(warnings.filters), threading.active_count(),
        )  # fmt: skip  # a list

    before = state()
    status, out, _ = check(capsys, misbehaving(tmp_path, deed))
    assert status == 0, out
    assert state() == before


@pytest.mark.slow
def test_module_and_console_script_from_another_folder(tmp_path):
    command = [str(Path(sys.executable).parent / "netparity"), "check"]
    (tmp_path / "scratch").mkdir()
    (tmp_path / "compare.py").write_text("raise SystemExit('the wrong one')")
    path = write(tmp_path, net="import compare\n" + RIGHT)
    done = subprocess.run([*command, path.name], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 2
    said = (
        b"net.py: cannot be imported: compare.py, line 1: `raise SystemExit('the wrong one')`: Sys"
    )
    assert said in done.stderr  # its neighbour
    (tmp_path / "compare.py").write_text("")
    done = subprocess.run([*command, path.name], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


# the weights that a network starts with


def test_rule_of_the_weights_is_named_and_judged_when_declared(capsys, tmp_path):
    small = write(tmp_path, small=RIGHT)
    status, out, _ = check(capsys, small)
    assert status == 0
    assert "init std=0.01, ratio " in " ".join(out.split())
    assert check(capsys, small, "--init", "0.01")[0] == 0
    status, out, _ = check(capsys, small, "--init", "he")
    assert status == 1
    assert "First divergence: init W1, on the network as given" in out
    assert "times the standard deviation of he" in " ".join(out.split())
    assert check(capsys, small, "--init", "0.015")[0] == 1  # by all weights together
    status, _, err = check(capsys, small, "--init", "orthogonal")
    assert (status, "expected he, xavier or a number above 0" in err) == (2, True)
    uneven = write(tmp_path, uneven=RIGHT.replace('"b1": np.zeros', '"b1": np.ones'))
    assert "init b1 is not 0" in check(capsys, uneven, "--init", "0.01")[1]


# before torch is there, and after the verdict

# without the book's epsilon, of which the gradient knows nothing
EXACT = RIGHT.replace(" + 1e-7", "")
assert EXACT != RIGHT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("", ""), "each gradient is the derivative of its own loss"),
        (
            ("dh.sum(axis=0)", "dh.mean(axis=0)"),
            "not the derivative of their own loss: b1 (1/7 times it)",
        ),
        (("dh.sum(axis=0)", 'self.params["b1"]'), "is the array of b1 itself"),
        (("dy /= len(x)", "dy /= len(x); x *= 2"), "gradient changed an array"),
    ],
    ids=["right", "mean", "aliased", "in place"],
)
def test_what_needs_no_torch_is_said_first(capsys, tmp_path, change, said):
    path = write(tmp_path, net=EXACT.replace(*change))
    assert change[0] in EXACT
    _, out, _ = check(capsys, path)
    first = " ".join(out.split("\n\n")[0].split())
    assert said in first
    assert first.startswith("built ")
    assert ("no array is shared; no call changes what it is given; each" in first) == (
        not change[0]
    )


def test_verbose_prints_every_value(capsys, tmp_path):
    path = write(tmp_path, net=EXACT)
    plain, verbose = check(capsys, path)[1], check(capsys, path, "--verbose")[1]
    assert verbose.startswith(plain.rstrip("\n"))
    rest = verbose[len(plain) :]
    assert rest.count("gradient b1") == rest.count("on ") - 3  # all but the facts
    assert "DIFFERENT" not in rest


def test_strict_accepts_the_conventions_that_the_project_lists(capsys, tmp_path):
    path = write(tmp_path, **{"deep/net": RIGHT})
    assert check(capsys, path, "--strict")[0] == 1
    convention = "log(y + 1e-7) in the loss as in the book"
    project = tmp_path / "pyproject.toml"
    project.write_text(f'[tool.netparity]\naccept = ["{convention}"]\n', encoding="utf-8")
    status, out, _ = check(capsys, path, "--strict")
    assert (status, f"{convention} (accepted)" in out) == (0, True)
    another = "ReLU'(0) is 1; PyTorch's is 0"
    project.write_text(f'[tool.netparity]\naccept = ["{another}"]\n', encoding="utf-8")
    assert check(capsys, path, "--strict")[0] == 1
    for text, complaint in (
        ('accept = ["another"]', "accept: no convention is called 'another'"),
        ("acept = []", "no 'acept'; it has: accept"),
        ("accept = 3", "is not a list of conventions"),
        ("a b", "is not TOML"),
    ):
        project.write_text(f"[tool.netparity]\n{text}\n", encoding="utf-8")
        status, _, err = check(capsys, path)
        assert (status, complaint in err) == (2, True)


@pytest.mark.slow
def test_reader_who_leaves_is_no_error(tmp_path):
    path = write(tmp_path, net=RIGHT)
    command = [sys.executable, "-m", "compare.check", path]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=TESTS.parent
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


# in the place of scratch

TRAIN = ["--data", "digits", "--steps", "12", "--batch-size", "16", "--hidden", "20"]
ONE, BOTH = ["--init", "he"], ["--init", "xavier", "he"]


def train(capsys, tmp_path, path, *more):
    status = cli.main(
        ["run", *TRAIN, *ONE, "--candidate", str(path), "--out", str(tmp_path / "out"), *more]
    )
    out, err = capsys.readouterr()
    return status, out, err


def test_candidate_is_trained_beside_torch(capsys, tmp_path):
    status, out, _ = train(capsys, tmp_path, write(tmp_path, right=RIGHT), *BOTH)
    assert status == 0, out
    built = "TwoLayerNet(input_size=784, hidden_size=20, output_size=10): SAME by itself, relu"
    assert out.splitlines()[1] == built
    assert out.splitlines()[3].split() == ["step", *["yours", "torch"] * 2]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["subject"] == "TwoLayerNet"
    assert report["sizes"] == [784, 20, 10]
    cli.main(["run", *TRAIN, *BOTH, "--out", str(tmp_path / "scratch")])
    scratch = json.loads((tmp_path / "scratch" / "report.json").read_text())
    # The same draws and the same batches as scratch has: torch beside it takes the very same way.
    for a, b in zip(report["inits"], scratch["inits"], strict=True):
        assert a["trace"]["torch"] == b["trace"]["torch"]


def test_candidate_that_is_wrong_is_placed_at_its_step(capsys, tmp_path):
    status, out, _ = train(capsys, tmp_path, TESTS / "my_network.py")
    assert status == 1
    assert "First divergence: gradient b1, at step 0" in out
    assert "every element is 1/16 times what it should be" in out


def test_candidate_that_goes_wrong_late_is_placed_at_its_step(capsys, tmp_path):
    late = RIGHT.replace('"b1": dh.sum(axis=0)', '"b1": dh.sum(axis=0) * (1 + late(x))')
    count = """
        trained = []

        def late(x):
            trained.append(len(x) == 16)
            return 0.1 * (sum(trained) > 8)
    """
    path = write(tmp_path, late=late + dedent(count))
    status, out, _ = train(capsys, tmp_path, path, "--judge", "every")
    assert status == 1
    assert "First divergence: gradient b1, at step 8" in out
    assert "every element is 1.1 times what it should be" in out


def test_candidate_is_trained_with_another_optimizer(capsys, tmp_path):
    right = write(tmp_path, right=RIGHT)
    status, out, _ = train(capsys, tmp_path, right, "--optimizer", "adam", "--judge", "every")
    assert status == 0, out


def test_candidate_that_cannot_be_trained_is_one_line(capsys, tmp_path):
    small = write(tmp_path, small=RIGHT + "\nmine = TwoLayerNet(7, 6, 3)\n")
    status, _, err = train(capsys, tmp_path, f"{small}:mine")
    assert (status, "7-6-3 is built, and the data need 784-...-10" in err) == (2, True)
    status, _, err = train(capsys, tmp_path, small, "--hidden", "30", "20")
    assert (status, "builds hidden layers of 30, and --hidden is 30 20" in err) == (2, True)
    status, _, err = train(capsys, tmp_path, small, "--activation", "tanh")
    assert (status, "computes relu, and --activation is tanh" in err) == (2, True)
    status, _, err = train(capsys, tmp_path, small, "--dtype", "float32")
    assert (status, "computes in float64; choose --dtype float64" in err) == (2, True)
    dies = RIGHT.replace("        dy = ", "        len(x) == 16 and 1 / 0\n        dy = ")
    (tmp_path / "out" / "weight_init_compare.png").write_bytes(b"of another run")
    status, out, err = train(capsys, tmp_path, write(tmp_path, dies=dies))
    assert (status, err) == (1, "")
    said = "gradient: `len(x) == 16 and 1 / 0`: ZeroDivisionError: division by zero (called as gr"
    assert said in " ".join(out.split())
    (kept,) = (tmp_path / "out").iterdir()
    assert json.loads(kept.read_text())["verdict"] == "DIFFERENT"
    assert train(capsys, tmp_path, tmp_path / "none.py")[0] == 2


OPTIMIZER = """
import numpy as np

class Momentum:
    @property
    def pop(self):  # raises from the second update on
        self.seen = getattr(self, "seen", -1) + 1
        return [self.v, self.v, self.v, self.v][self.seen]

    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, None

    def update(self, params, grads):
        if self.v is None:
            self.v = {key: np.zeros_like(value) for key, value in params.items()}
        for key in params:
            self.v[key] = self.momentum * self.v[key] - self.lr * grads[key]
            params[key] += self.v[key]
"""


@pytest.mark.parametrize(
    ("old", "new", "status", "says"),
    [
        ("", "", 0, "SAME Momentum computes what the Momentum of PyTorch computes."),
        ("+= self.v", "-= self.v", 1, "First divergence: update W1, on update 1"),
        ("self.v[key] = self", "import os; os._exit(3)", 1, "ended with exit status 3"),
        ("self.v[key] = self", "raise KeyError(key)  #", 2, "mine.py, line 17, in update: `raise"),
        ("lr=0.01, momentum=0.9", "momentum", 2, "Give it by --optimizer-arg momentum=VALUE"),
        *one_in(
            3,
            [
                (
                    "def update",
                    "def step",
                    2,
                    "--optimizer Momentum: no method update(params, grads)",
                ),
                ("+= self.v", "+= self.pop", 1, "First divergence: update params, on update 2"),
                ("self.v[key] = self", "while True: pass  #", 1, "no answer within 5 s"),
            ],
        ),
    ],
)
def test_an_optimizer_of_a_file_is_judged(capsys, tmp_path, monkeypatch, old, new, status, says):
    monkeypatch.setattr(compare.remote, "OPTIMIZER_LIMIT", 5.0 if "while" in new else 60.0)
    path = write(tmp_path, mine=OPTIMIZER.replace(old, new) if old else OPTIMIZER)
    kept = tmp_path / "report.json"
    arguments = ["check", str(path), "--optimizer", "Momentum", "--json", str(kept)]
    assert cli.main(arguments) == status
    out, err = capsys.readouterr()
    assert says in " ".join((err if status == 2 else out).split())
    report = json.loads(kept.read_text())
    assert report["schema"] == 1
    if status < 2:
        assert report["verdict"] == ("DIFFERENT" if status else "SAME")
    else:
        assert report["error"] == {"message": err[len("netparity: ") : -1], "exit_status": 2}


def test_network_and_optimizer_of_one_file_are_judged_together(capsys, tmp_path):
    path, kept = write(tmp_path, both=RIGHT + OPTIMIZER), tmp_path / "report.json"
    numbers = ["--optimizer-arg", "momentum=0.5", "--json", str(kept)]
    assert cli.main(["check", str(path), "--optimizer", "Momentum", *numbers]) == 0
    out = capsys.readouterr().out
    assert "SAME  TwoLayerNet computes" in out
    assert "optimiser   Momentum, lr 0.01, momentum 0.5" in out
    network, optimiser = json.loads(kept.read_text())
    assert (network["verdict"], optimiser["verdict"]) == ("SAME", "SAME")
    assert optimiser["conventions"][0].startswith("lr inside the velocity")
