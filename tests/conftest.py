"""Shared by all tests: where MNIST is, one thread for each library, children that start soon."""

import multiprocessing
import os
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import compare.child
import compare.examination
from compare.kept import Kept
from compare.threads import one_thread_each

MNIST_PLACES = (
    os.environ.get("NETPARITY_DATA"),
    Path.home() / ".cache" / "netparity",
    Path(__file__).parents[2] / "shared" / "mnist",
)
NO_MNIST = "MNIST is not here: put the four files into $NETPARITY_DATA"


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    with one_thread_each():
        yield


@pytest.fixture(scope="session", autouse=True)
def _forked_children():
    """Fork the processes of candidates from one that has imported what each of them imports.

    The same code runs in them; what a process has to import first, those tests show that start
    netparity as a command.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch"])
    with pytest.MonkeyPatch.context() as patch:
        here = SimpleNamespace(get_context=lambda _: context)
        patch.setattr(compare.child, "multiprocessing", here)
        yield


@pytest.fixture(scope="session")
def mnist():
    """The folder that holds MNIST; skips, saying so, where there is none."""
    for place in filter(None, MNIST_PLACES):
        if (Path(place) / "train-images-idx3-ubyte.gz").is_file():
            return Path(place)
    pytest.skip(NO_MNIST)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    wanting = sum(NO_MNIST in str(report.longrepr) for report in skipped)
    terminalreporter.write_line(f"{wanting} tests skipped for want of MNIST")


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        for item in items:
            if "cuda" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device here"))


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No MNIST and no network."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.delenv("NETPARITY_DATA", raising=False)

    def offline(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    return tmp_path


@pytest.fixture
def monkeypatch(monkeypatch):
    """What a test evaluates while something is patched is kept for it alone."""
    monkeypatch.setattr(compare.examination, "KEPT", Kept())
    return monkeypatch
