"""MNIST through torchvision's own parser: a second reader beside that of `scratch`."""

import gzip
import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor


def load_mnist(
    folder: str | Path, *, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Return the training images (n, 784), divided by 255 in `dtype`, and targets (n,).

    The division happens on the CPU (a GPU may multiply by the reciprocal, another rounding).

    Parameters
    ----------
    folder : str or Path
        Holds the files, plain or as .gz, flat or in MNIST/raw. Nothing is written there.

    Raises
    ------
    ImportError
        torchvision is absent or cannot be loaded.
    FileNotFoundError
        A file is missing.
    """
    images, targets = read_mnist(folder)
    x = images.reshape(len(images), -1).to(dtype) / 255
    return x.to(device), targets.to(device)


def read_mnist(folder: str | Path) -> tuple[Tensor, Tensor]:
    """Return the training images (n, 28, 28) as bytes and targets (n,) as int64."""
    mnist = _torchvision_mnist()
    images = _find(Path(folder), "train-images-idx3-ubyte")
    labels = _find(Path(folder), "train-labels-idx1-ubyte")
    with _reading_gzip(mnist):
        return mnist.read_image_file(str(images)), mnist.read_label_file(str(labels))


def _find(folder: Path, name: str) -> Path:
    for place in (folder, folder / "MNIST" / "raw"):
        for path in (place / name, place / f"{name}.gz"):
            if path.is_file():
                return path
    raise FileNotFoundError(f"{folder}: no {name}")


@contextmanager
def _reading_gzip(mnist: ModuleType) -> Iterator[None]:
    """Let torchvision's parser, which reads plain files, read .gz files too, and unpack nothing."""

    mnist.__dict__["open"] = lambda path, mode: (gzip.open if path.endswith(".gz") else open)(
        path, mode
    )
    try:
        yield
    finally:
        del mnist.__dict__["open"]


def _torchvision_mnist() -> ModuleType:
    """Return torchvision.datasets.mnist, declaring what a torch without compiled half lacks.

    Beside a CPU-only torch, torchvision's usual wheel cannot load its compiled operators, and its
    Python half then fails on the first of them that it refers to. No reader of files needs them.
    """
    declared: set[str] = set()
    while True:
        try:
            return importlib.import_module("torchvision.datasets.mnist")
        except (RuntimeError, OSError) as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if not missing or missing[1] in declared:
                raise ImportError(f"torchvision cannot be loaded: {error}") from error
            declared.add(missing[1])
            torch.library.define(f"torchvision::{missing[1]}", "(Tensor dets) -> Tensor")
            for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                del sys.modules[name]
