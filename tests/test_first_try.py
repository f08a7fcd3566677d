"""Where users are: consoles, notebooks, folders with names like ours, interruptions."""

import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.image
import nbclient
import nbformat
import pytest

from compare import cli
from sampled import one_in

ROOT = Path(__file__).parents[1]
NETPARITY = str(Path(sys.executable).parent / "netparity")
ONE = ["--data", "digits", "--steps", "12", "--batch-size", "16", "--hidden", "20", "--init", "he"]


@pytest.mark.parametrize("encoding", one_in(2, ["ascii", "cp932", "cp1252", "utf-8"]))
def test_console_of_any_encoding(tmp_path, monkeypatch, encoding):
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("out", "err")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, f"std{name}", stream)
    assert cli.main(["run", *ONE, "--out", str(tmp_path / "résultats 結果")]) == 0
    assert cli.main(["run", *ONE, "--data-root", "données データ", "--data", "mnist"]) == 2
    out, err = (stream.buffer.getvalue() for stream in map(flushed, streams.values()))
    assert b"SAME  Both stacks compute the same" in out
    assert (tmp_path / "résultats 結果" / "report.json").is_file()
    assert err.decode(encoding).count("\n") == 1
    if encoding == "ascii":
        assert rb"donn\xe9es \u30c7\u30fc\u30bf: no such folder" in err


def flushed(stream):
    stream.flush()
    return stream


def start(command, folder=None, **environment):
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, check=False
    )


@pytest.mark.slow
def test_bare_console_and_other_thread_settings_change_no_number(tmp_path):
    """LANG=C, ASCII, no colour, no home of threads: the same text but for times and paths."""
    out = tmp_path / "threads"
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    done = start(
        [NETPARITY, "run", *ONE, "--out", str(out)],
        LANG="C", LC_ALL="C", PYTHONIOENCODING="ascii", NO_COLOR="1", COLUMNS="80", DISPLAY="",
        **dict.fromkeys(threads, "3"),
    )  # fmt: skip  # a command, then its surroundings
    assert (done.returncode, done.stderr) == (0, b"")
    assert all(len(line) <= 80 for line in done.stdout.split(b"\nwrote")[0].splitlines())
    assert b"\x1b" not in done.stdout
    assert cli.main(["run", *ONE, "--out", str(tmp_path / "ours")]) == 0
    theirs, ours = (
        json.loads((folder / "report.json").read_text()) for folder in (out, tmp_path / "ours")
    )
    assert theirs["verdict"] == ours["verdict"]
    assert theirs["inits"] == ours["inits"]


@pytest.mark.slow  # test_plugin.py has such a folder, too
def test_folder_with_names_like_ours(tmp_path):
    for name in ("scratch", "torch_ref", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    out = ["--out", str(tmp_path / "out")]
    done = start([sys.executable, "-m", "compare.run", *ONE, *out], tmp_path)
    hidden = tmp_path / "scratch" / "__init__.py"
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        f"netparity: {hidden} hides netparity's own 'scratch': use the command `netparity`, or "
        "start Python in another folder"
    ]

    (tmp_path / "compare.py").write_text("")
    done = start([NETPARITY, "run", *ONE, *out], tmp_path)
    assert done.returncode == 0, done.stderr
    done = start([sys.executable, "-m", "compare.run", *ONE], tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1  # Python's own words: it never gets to ours
    assert b"compare.run" in done.stderr


NOTEBOOK = [
    """
import random, threading, warnings
import matplotlib, numpy as np, torch
from threadpoolctl import threadpool_info
np.random.seed(1), random.seed(1), torch.manual_seed(1)

def state():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start(), thread.join()
    return [
        repr(np.random.get_state()), random.getstate(), torch.get_rng_state().tolist(),
        torch.get_default_dtype(), torch.get_num_threads(), seen,
        torch.are_deterministic_algorithms_enabled(), list(warnings.filters), np.geterr(),
        dict(matplotlib.rcParams), matplotlib.get_backend(),
        [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"],
    ]

import compare.run, compare.check  # what torch and torchvision do when they are imported is theirs
before = state()
""",
    """
class Net:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.params = {"W1": rng.standard_normal((6, 4)), "b1": np.zeros(4),
                       "W2": rng.standard_normal((4, 3)), "b2": np.zeros(3)}

    def predict(self, x):
        self.h = np.tanh(x @ self.params["W1"] + self.params["b1"])
        return self.h @ self.params["W2"] + self.params["b2"]

    def softmax(self, x):
        z = self.predict(x)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def loss(self, x, t):
        return -np.log(self.softmax(x)[np.arange(len(x)), t]).mean()

    def gradient(self, x, t):
        dz = self.softmax(x)
        dz[np.arange(len(x)), t] -= 1
        dz /= len(x)
        dh = (dz @ self.params["W2"].T) * (1 - self.h**2)
        return {"W1": x.T @ dh, "b1": dh.sum(axis=0), "W2": self.h.T @ dz, "b2": dz.sum(axis=0)}

compare.check_network(Net())
""",
    """
compare.run_experiment("--data", "digits", "--steps", "12", "--hidden", "9", "--out", OUT)
""",
    """
changed = [i for i, (a, b) in enumerate(zip(before, state())) if a != b]
changed
""",
]


@pytest.mark.slow
def test_notebook_shows_report_and_figure_and_keeps_its_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    cells = [cell.replace("OUT", repr(str(tmp_path / "out"))) for cell in NOTEBOOK]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    _, judged, ran, kept = (
        {
            kind: text
            for output in cell.outputs
            if output.output_type == "execute_result"
            for kind, text in output.data.items()
        }
        for cell in notebook.cells
    )
    assert judged["text/html"].startswith("<pre>SAME  Net computes what PyTorch computes.")
    assert ran["text/html"].startswith('<img src="data:image/png;base64,iVBOR')
    assert "SAME  Both stacks compute the same" in ran["text/html"]
    assert kept["text/plain"] == "[]"


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals")
@pytest.mark.parametrize(
    ("flags", "stream", "sign"),
    one_in(2, [([], "stdout", rb" +0 +\d"), (["-X", "importtime"], "stderr", rb".*\| +torch\.")]),
    ids=["training", "importing"],
)
def test_signal_ends_a_run_that_is_far_from_its_end(tmp_path, flags, stream, sign):
    command = [sys.executable, *flags, NETPARITY, "run", *ONE, "--steps", "1000000"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said = iter(getattr(process, stream).readline, b"")
    assert any(re.match(sign, line) for line in said)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.endswith(b"netparity: interrupted; earlier results are untouched\n")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_hundred_kills_leave_the_results_readable_and_nothing_that_grows(tmp_path):
    """Half at any moment, half while figure and report are being written."""
    out, temporary, rng = tmp_path / "out", tmp_path / "tmp", random.Random(0)
    temporary.mkdir()
    command = [NETPARITY, "run", *ONE, "--out", str(out)]
    start_ = time.monotonic()
    assert start(command, TMPDIR=str(temporary)).returncode == 0
    whole = time.monotonic() - start_
    found = set()
    for i in range(100):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, env={**os.environ, "TMPDIR": str(temporary)}
        )
        time.sleep(rng.uniform(0 if i % 2 else 0.7 * whole, whole))
        process.kill()
        process.wait()
        found |= {path.name for path in out.iterdir()}
        assert matplotlib.image.imread(out / "weight_init_compare.png").shape == (1000, 2000, 4)
        assert json.loads((out / "report.json").read_text())["verdict"] == "SAME"
    parts = {".weight_init_compare.png.part", ".report.json.part", ".netparity", "..netparity.part"}
    assert found <= {"weight_init_compare.png", "report.json"} | parts
    assert not list(temporary.glob("*netparity*"))
