"""What cannot be used is said in one line, with exit status 2, before anything is lost."""

import gzip
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

import compare.data
from compare import cli, memory
from compare.data import DIGITS_FOLDER
from compare.options import parse_options

SMALL = ["--hidden", "20", "15", "--batch-size", "16", "--steps", "12"]
DIGITS = ["--data", "digits"]
ROOT = ["--data-root", "data"]
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"

OPTIONS = [
    (["--lr", "nan"], "argument --lr: expected a finite number above 0, not 'nan'"),
    (["--lr", "inf"], "argument --lr: expected a finite number above 0, not 'inf'"),
    (["--lr", "0"], "argument --lr: expected a finite number above 0, not '0'"),
    (["--lr", "-0.1"], "argument --lr: expected a finite number above 0, not '-0.1'"),
    (["--lr", "fast"], "argument --lr: expected a finite number above 0, not 'fast'"),
    (["--lr"], "argument --lr: expected one argument"),
    (["--lr", "1e39", "--dtype", "float32"], "--lr 1e+39: float32 cannot hold it"),
    (["--lr", "1e-50", "--dtype", "float32"], "--lr 1e-50: float32 cannot hold it"),
    (["--dropout", "1"], "argument --dropout: expected a share from 0 to below 1, not '1'"),
    (["--dropout", "many"], "argument --dropout: expected a share from 0 to below 1"),
    (["--batchnorm", "--batch-size", "1"], "--batch-size 1: --batchnorm needs at least 2"),
    (["--batchnorm", "--hidden"], "--batchnorm: there is no hidden layer"),
    (["--optimizer", "lion"], "argument --optimizer: invalid choice: 'lion'"),
    (["--weight-decay", "-1"], "argument --weight-decay: expected a finite number of at least 0"),
    (["--steps", "0"], "argument --steps: expected an integer of at least 1, not '0'"),
    (["--steps", "many"], "argument --steps: expected an integer of at least 1, not 'many'"),
    (["--steps", "1.5"], "argument --steps: expected an integer of at least 1, not '1.5'"),
    (["--steps", "1000000000000"], "GB are free: choose a smaller --steps"),
    (["--batch-size", "-3"], "argument --batch-size: expected an integer of at least 1, not '-3'"),
    (["--batch-size", "9" * 12], "GB are free: choose a smaller --batch-size"),
    (["--hidden", "10", "0"], "argument --hidden: expected an integer of at least 1, not '0'"),
    (["--hidden", "ten"], "argument --hidden: expected an integer of at least 1, not 'ten'"),
    (["--hidden", "9" * 10], "GB are free: choose a smaller --hidden"),
    (["--hidden", "9" * 40], "argument --hidden: expected an integer of at most 10^15"),
    (["--init", "std=-1"], "with a finite number of at least 0, not 'std=-1'"),
    (["--init", "std=nan"], "with a finite number of at least 0, not 'std=nan'"),
    (["--init", "inf"], "with a finite number of at least 0, not 'inf'"),
    (["--init", "glorot"], "argument --init: expected xavier, he, or std=NUMBER"),
    (["--init", "he", "relu"], "--init: he is there twice; each initialisation once"),
    (["--init", "0.5", "0.50"], "--init: std=0.5 is there twice"),
    (["--init", "1e39", "--dtype", "float32"], "--init 1e+39: float32 cannot hold it"),
    (["--init"], "argument --init: expected at least one argument"),
    (["--activation", "swish"], "argument --activation: invalid choice: 'swish'"),
    (["--dtype", "float16"], "argument --dtype: invalid choice: 'float16'"),
    (["--device", "tpu"], "--device tpu: expected cpu, cuda or cuda:N"),
    (["--device", "mps"], "--device mps: expected cpu, cuda or cuda:N"),
    (["--device", "cuda:99"], "--device cuda:99: expected cpu, cuda or cuda:N, and torch sees"),
    (["--judge", "some"], "argument --judge: invalid choice: 'some'"),
    (["--data", "cifar"], "argument --data: invalid choice: 'cifar'"),
    (["--seed", "-1"], "argument --seed: expected an integer of at least 0, not '-1'"),
    (["--seed", "0.5"], "argument --seed: expected an integer of at least 0, not '0.5'"),
    (["--step", "3"], "unrecognized arguments: --step 3 (--help lists the options)"),
    (["extra"], "unrecognized arguments: extra"),
]
if not torch.cuda.is_available():
    OPTIONS.append((["--device", "cuda"], "and torch sees 0 CUDA devices"))


def refused(capsys, arguments, says):
    """Run, and see that one line of complaint is all that happened."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert err.startswith("netparity: ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
    return out


@pytest.fixture
def here(nowhere, monkeypatch):
    """A folder with earlier results in `out` and copies of the digits in `data`."""
    monkeypatch.chdir(nowhere)
    shutil.copytree(DIGITS_FOLDER, "data")
    Path("out").mkdir()
    Path("out/report.json").write_text("earlier")
    yield nowhere
    assert Path("out/report.json").is_dir() or Path("out/report.json").read_text() == "earlier"
    assert len(list(Path("out").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "says"), OPTIONS, ids=[" ".join(row)[:40] for row, _ in OPTIONS]
)
def test_option(here, capsys, arguments, says):
    assert refused(capsys, ["run", *DIGITS, *SMALL, *arguments], says) == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fly"], "no command 'fly'; there is: run, check, inits, bench"),
        ([], "no command given; there is: run, check, inits, bench"),
        (["--steps", "3"], "no command '--steps'; there is: run, check, inits, bench"),
    ],
)
def test_command(here, capsys, arguments, says):
    assert refused(capsys, arguments, says) == ""


def nothing():
    shutil.rmtree("data")


def a_file():
    nothing()
    Path("data").write_bytes(b"")


def incomplete():
    Path(f"data/{LABELS}.gz").unlink()


def rewrite(name, change):
    """Return a preparation that replaces one file of `data` by a changed one, unpacked."""

    def prepare():
        path = Path(f"data/{name}.gz")
        Path(f"data/{name}").write_bytes(change(gzip.decompress(path.read_bytes())))
        path.unlink()

    return prepare


def cut_archive():
    path = Path(f"data/{IMAGES}.gz")
    path.write_bytes(path.read_bytes()[:1000])


def no_archive():
    Path(f"data/{IMAGES}.gz").write_bytes(b"<html>please log in</html>")


def swapped():
    a, b = Path(f"data/{IMAGES}.gz"), Path(f"data/{LABELS}.gz")
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)


def folder_for_file():
    Path(f"data/{IMAGES}.gz").unlink()
    Path(f"data/{IMAGES}").mkdir()


def as_they_are():
    pass


NOT_PUBLISHED = "is not that of the published file"
FILES = [
    (nothing, "--data-root data: no such folder"),
    (a_file, "--data-root data: is a file; expected a folder"),
    (incomplete, f"--data-root data: no {LABELS} in data, plain or .gz, nor in its MNIST/raw"),
    (folder_for_file, f"--data-root data: no {IMAGES} in data"),
    (rewrite(IMAGES, lambda raw: b""), f"data/{IMAGES}: is empty; fetch it again"),
    (rewrite(IMAGES, lambda raw: raw[:-1]), NOT_PUBLISHED),
    (rewrite(IMAGES, lambda raw: raw + b"\0"), NOT_PUBLISHED),
    (rewrite(LABELS, lambda raw: raw[:8] + bytes(len(raw) - 8)), NOT_PUBLISHED),  # one class only
    (swapped, NOT_PUBLISHED),
    (cut_archive, f"data/{IMAGES}.gz: cannot be read (Compressed file ended"),
    (no_archive, f"data/{IMAGES}.gz: cannot be read (Not a gzipped file"),
    (as_they_are, NOT_PUBLISHED),  # the digits are not MNIST
]


@pytest.mark.parametrize(("prepare", "says"), FILES, ids=[says[-40:] for _, says in FILES])
def test_file(here, capsys, monkeypatch, prepare, says):
    if prepare is not as_they_are:  # else take the digits for MNIST, so that one file is wrong
        monkeypatch.setattr(compare.data, "MNIST", compare.data.DIGITS)
    prepare()
    refused(capsys, ["run", *SMALL, "--data", "mnist", *ROOT], says)


def test_files_that_are_right_are_taken(here, capsys, monkeypatch):
    monkeypatch.setattr(compare.data, "MNIST", compare.data.DIGITS)
    rewrite(IMAGES, lambda raw: raw)()
    assert cli.main(["run", *SMALL, "--data", "mnist", *ROOT, "--out", "other"]) == 0


def test_file_that_may_not_be_read(here, capsys, monkeypatch):
    right = Path.read_bytes

    def forbidden(self):
        if self.name.startswith(IMAGES):
            raise PermissionError(13, "Permission denied")
        return right(self)

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    refused(capsys, ["run", *SMALL, *ROOT], f"{IMAGES}.gz: cannot be read ([Errno 13] Permission")


def test_variable_that_names_no_data(here, capsys, monkeypatch):
    monkeypatch.setenv("NETPARITY_DATA", "nowhere")
    refused(capsys, ["run", *SMALL, "--data", "mnist"], f"$NETPARITY_DATA: no {IMAGES} in nowhere")
    assert cli.main(["run", *SMALL, "--out", "other"]) == 0
    assert f"$NETPARITY_DATA: no {IMAGES} in nowhere" in capsys.readouterr().out


def test_mnist_never_becomes_digits(here, capsys):
    refused(capsys, ["run", *SMALL, "--data", "mnist"], "cannot be downloaded (no network)")


def is_a_file():
    Path("there").write_text("mine")


def under_a_file():
    is_a_file()
    return "there/out"


def holds_a_folder():
    Path("there/report.json").mkdir(parents=True)


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (is_a_file, "--out there: is a file; expected a folder"),
        (under_a_file, "--out there/out: cannot be written"),
        (holds_a_folder, "--out there: report.json there is a folder; a file is to be written"),
    ],
    ids=["a file", "under a file", "holds a folder"],
)
def test_out(here, capsys, prepare, says):
    out = prepare() or "there"
    assert refused(capsys, ["run", *DIGITS, *SMALL, "--out", out], says) == ""


@pytest.mark.parametrize("when", ["at the start", "at the end"])
def test_full_disk(here, capsys, monkeypatch, when):
    right = Path.write_bytes

    def full(self, content):
        if content or when == "at the start":
            right(self, content[:2])
            raise OSError(28, "No space left on device")
        return right(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    says = "--out out: cannot be written (No space left on device)"
    refused(capsys, ["run", *DIGITS, *SMALL], says)


def test_memory_that_runs_out_all_the_same(here, capsys, monkeypatch):
    def experiment(*_):
        raise MemoryError

    monkeypatch.setattr("compare.run.experiment", experiment)
    refused(capsys, ["run", *DIGITS, *SMALL], "not enough memory; smaller --hidden or --batch-size")


def test_memory_is_estimated_by_what_takes_it():
    def needed(*arguments):
        return memory.needed(parse_options(arguments), 60_000, 784, 10)

    plain = needed()
    assert max(plain, key=plain.get) == "--data"
    assert needed("--dtype", "float32")["--data"] == plain["--data"] / 2
    assert needed("--steps", "4000")["--steps"] == 2 * plain["--steps"]
    assert needed("--hidden", "1000")["--hidden"] > 5 * needed("--hidden", "100")["--hidden"]


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interruption_leaves_earlier_results(here, capsys, monkeypatch, name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    monkeypatch.setattr("compare.run.experiment", lambda *_: signal.raise_signal(number))
    assert cli.main(["run", *DIGITS, *SMALL]) == 128 + number
    says = "netparity: interrupted; earlier results are untouched\n"
    assert capsys.readouterr().err == says
    assert signal.getsignal(number) is before
