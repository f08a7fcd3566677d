"""The run as a command: options, files, data, figure; what is no use is said in one line."""

import gzip
import io
import json
import os
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import compare.data
import compare.download
import torch_ref
from compare import cli
from compare.data import DIGITS_FOLDER, load_data
from compare.figure import draw_run, png
from compare.files import write_beside
from compare.options import parse_options
from compare.run import experiment, run_experiment
from compare.run_report import collect
from compare.threads import one_thread_each
from sampled import one_in
from scratch import smooth_curve

ROOT = Path(__file__).parents[1]
SMALL = ["--steps", "12", "--batch-size", "16", "--hidden", "20", "15"]
QUICK = ["--data", "digits", *SMALL]
ONE = ["--init", "he"]


def main(arguments):
    return cli.main(["run", *arguments])


@pytest.fixture(scope="module")
def report():
    options = parse_options(
        ["--steps", "130", "--batch-size", "16", "--hidden", "20", "--lr", "0.1"]
    )
    data = load_data("digits", None, "float64", "cpu", print)
    return collect(options, data, experiment(options, data, lambda *_: None), {})


@pytest.mark.parametrize(
    "dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)]
)  # in float32, test_run_extend.py has one with a state and one without
@pytest.mark.parametrize(
    "optimizer", one_in(4, ["momentum", "nesterov", "adagrad", "rmsprop", "adam"])
)
def test_run_with_another_optimizer_is_judged_with_its_state(tmp_path, capsys, optimizer, dtype):
    options = ["--optimizer", optimizer, "--weight-decay", "0.001", "--dtype", dtype, *ONE]
    assert main([*QUICK, *options, "--judge", "every", "--out", str(tmp_path)]) == 0
    assert "SAME  Both stacks compute the same" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["options"]["optimizer"] == optimizer
    slot = {"momentum": "v", "nesterov": "v", "adam": "m"}.get(optimizer, "h")
    for init in report["inits"]:
        assert {f"state {slot} of W1", "update W1", "torch update W1"} <= set(init["worst"])


def test_run_writes_figure_and_report_and_exits_zero(tmp_path, capsys):
    assert main([*QUICK, "--out", str(tmp_path / "new" / "out")]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "digits, 1,500 images, sha256 b3311c0e6724"
    assert max(map(len, out.split("\nwrote")[0].splitlines())) <= 80
    files = {path.name for path in (tmp_path / "new" / "out").iterdir()}
    assert files == {"weight_init_compare.png", "report.json"}
    report = json.loads((tmp_path / "new/out/report.json").read_text(), parse_constant=pytest.fail)
    assert report["schema"] == 1
    assert report["verdict"] == "SAME"
    assert len(report["inits"][0]["trace"]["scratch"]) == 12
    assert report["data"]["sha256"]["train-images-idx3-ubyte"].startswith("b3311c0e6724")
    assert report["environment"]["torch"] == torch.__version__


def test_a_step_in_which_a_relu_of_torch_flips_is_no_mistake(tmp_path):
    # At step 161 of this run torch's own gradients are 1 % off those in float64.
    arguments = ["--data", "digits", "--steps", "163", "--init", "0.01", "--dtype", "float32"]
    report = run_experiment(*arguments, "--out", str(tmp_path))
    assert report.exit_code() == 0, report.text()
    assert report.inits[0].trace.flip is not None


def test_losses_of_both_stacks_are_shown_every_100_steps(tmp_path, capsys):
    arguments = ["--steps", "201", "--batch-size", "8", "--hidden", "5", "--init", "he"]
    main(["--data", "digits", *arguments, "--judge", "none", "--out", str(tmp_path)])
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()[3:6]]
    assert shown == ["0", "100", "200"]


def test_auto_without_mnist_says_so_and_takes_the_digits(nowhere, capsys):
    assert main([*SMALL, *ONE, "--out", str(nowhere / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "downloading train-images-idx3-ubyte.gz"
    assert lines[1].startswith("MNIST cannot be downloaded (no network): training on the embedded")
    assert lines[2].startswith("digits, ")


def test_download_is_checked_and_kept(nowhere, monkeypatch, capsys):
    """The digits stand in for MNIST, which has forty times as many images."""
    monkeypatch.setattr(compare.data, "MNIST", compare.data.DIGITS)
    asked = []

    def mirror(url, timeout):
        asked.append((url, timeout))
        name = url.rsplit("/", 1)[1]
        if url.startswith(compare.download.MIRRORS[0]):
            return io.BytesIO(gzip.compress(b"a page that says please log in"))
        return io.BytesIO((DIGITS_FOLDER / name).read_bytes())

    monkeypatch.setattr(urllib.request, "urlopen", mirror)
    data = load_data("auto", None, "float32", "cpu", print)
    assert data.name == "MNIST"
    assert len(asked) == 8
    assert {timeout for _, timeout in asked} == {compare.download.TIMEOUT}
    load_data("mnist", None, "float32", "cpu", print)
    assert len(asked) == 8
    assert len(list((nowhere / "home/.cache/netparity").iterdir())) == 4


def test_without_torchvision_one_line_is_lost_and_not_the_run(monkeypatch, tmp_path, capsys):
    def absent():
        raise ImportError("No module named 'torchvision'\nand more")

    monkeypatch.setattr(torch_ref.mnist, "_torchvision_mnist", absent)
    assert main([*QUICK, *ONE, "--out", str(tmp_path)]) == 0
    second = capsys.readouterr().out.splitlines()[1]
    assert second == (
        "torchvision cannot be used, so one reader serves both stacks "
        "(No module named 'torchvision')"
    )
    assert json.loads((tmp_path / "report.json").read_text())["data"]["readers"] == 1


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(monkeypatch, tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_beside(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_drawn_lines_are_the_trajectories(report):
    left, right = draw_run(report).axes
    lines = {line.get_label(): line for line in left.get_lines()}
    for init in report.inits:
        for stack in ("scratch", "torch"):
            losses = getattr(init.trace, stack)
            np.testing.assert_array_equal(
                lines[f"{init.label} {stack}"].get_ydata(), smooth_curve(losses)
            )
        assert lines[f"{init.label} scratch"].get_markevery() == (0, 100)
        assert lines[f"{init.label} torch"].get_markevery() == (50, 100)
        assert lines[f"{init.label} torch"].get_markerfacecolor() == "white"
        (free,) = [
            line for line in right.get_lines() if line.get_label() == f"{init.label} free run"
        ]
        np.testing.assert_array_equal(free.get_ydata(), init.trace.errors)
    assert left.get_ylim() == (0, 2.5)
    assert right.get_yscale() == "log"


def test_an_offset_in_one_trajectory_moves_only_its_line(report):
    def drawn():
        return {
            line.get_label(): np.array(line.get_ydata())
            for line in draw_run(report).axes[0].get_lines()
        }

    before = drawn()
    losses = report.inits[1].trace.torch
    kept = list(losses)
    try:
        losses[:] = [loss + 0.25 for loss in losses]
        after = drawn()
        title = draw_run(report).axes[0].get_title(loc="left")
    finally:
        losses[:] = kept
    moved = {label for label in before if not np.array_equal(before[label], after[label])}
    assert moved == {"xavier torch"}
    assert "2.5e-01" in title


def test_figure_touches_nothing_global_and_is_a_png(report):
    before = dict(matplotlib.rcParams)
    assert png(draw_run(report)).startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before


def test_threads_are_one_each_inside_and_restored_outside():
    def seen_by_a_new_thread():
        found = []
        thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        return found[0]

    def blas():
        return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

    outside = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2, user_api="blas"):
            before = blas()
            with one_thread_each():
                assert (torch.get_num_threads(), seen_by_a_new_thread()) == (1, 1)
                assert set(blas()) == {1}
            assert (torch.get_num_threads(), seen_by_a_new_thread()) == (2, 2)
            assert blas() == before
    finally:
        torch.set_num_threads(outside)


def test_command_line_of_netparity(capsys, tmp_path):
    assert cli.main(["run", *QUICK, *ONE, "--out", str(tmp_path)]) == 0
    assert cli.main(["--help"]) == 0
    assert "netparity run" in capsys.readouterr().out
    assert cli.main(["fly"]) == 2
    assert cli.main([]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "netparity: no command 'fly'; there is: run, check, inits, bench",
        "netparity: no command given; there is: run, check, inits, bench",
    ]


A_FILE = [sys.executable, str(ROOT / "compare" / "run.py")]
A_MODULE = [sys.executable, "-m", "compare.run"]
A_SCRIPT = [str(Path(sys.executable).parent / "netparity"), "run"]


def started(command, folder, *arguments):
    done = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("command", [A_FILE, A_MODULE, A_SCRIPT])
def test_every_way_to_start_finds_its_command(tmp_path, command):
    folder = ROOT if command is A_MODULE else tmp_path
    assert started(command, folder, "--help").startswith("usage: netparity run")


# test_first_try.py runs the script, too.
@pytest.mark.parametrize("command", [A_FILE, pytest.param(A_MODULE, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_every_way_to_start_runs(tmp_path, command):
    folder = ROOT if command is A_MODULE else tmp_path
    out = started(command, folder, *QUICK, *ONE, "--out", str(tmp_path / "out"))
    assert "SAME  Both stacks compute the same" in out
    assert (tmp_path / "out" / "weight_init_compare.png").stat().st_size > 10_000


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cuda_run_is_same(tmp_path, dtype):
    assert main([*QUICK, "--device", "cuda", "--dtype", dtype, "--out", str(tmp_path)]) == 0
    settings = json.loads((tmp_path / "report.json").read_text())["environment"]["cuda_settings"]
    assert settings["cuda.matmul.allow_tf32"] is False


@pytest.mark.cuda
def test_cuda_settings_are_restored():
    before = torch.are_deterministic_algorithms_enabled(), os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    with torch_ref.exact_arithmetic("cuda"):
        assert torch.are_deterministic_algorithms_enabled()
    assert before == (
        torch.are_deterministic_algorithms_enabled(), os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )  # fmt: skip  # as above


def test_exact_arithmetic_sets_and_restores_what_the_cpu_build_has_too():
    """The switches exist without a GPU; only their effect needs one."""
    torch.set_float32_matmul_precision("medium")
    try:
        with torch_ref.exact_arithmetic("cuda") as settings:
            assert torch.get_float32_matmul_precision() == "highest"
            assert settings["deterministic_algorithms"] is True
            assert settings["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert torch.get_float32_matmul_precision() == "medium"
        assert not torch.are_deterministic_algorithms_enabled()
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    finally:
        torch.set_float32_matmul_precision("highest")
    with torch_ref.exact_arithmetic("cpu") as settings:
        assert settings == {}
