"""The samples of a run: found, fetched or embedded; checked; read once by each stack."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

import scratch
import torch_ref
from compare.download import download_mnist
from compare.errors import InputError
from compare.judgement import Judgement, judge_fact

MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""sha256 of the unpacked files of MNIST, the same on every mirror."""

DIGITS = {
    "train-images-idx3-ubyte": "b3311c0e6724600922db4e7e20de3905fac083cd7bd793b7d12727cbda09ae5b",
    "train-labels-idx1-ubyte": "bd3edaa3a988280a3961d7c68a1df9acde2a3f3b377241ca8fcebd995127d8e8",
    "t10k-images-idx3-ubyte": "492603b900387b09357b9ef3844ea4d381247f234fa152d5056b51ca25b23db9",
    "t10k-labels-idx1-ubyte": "e6698ad083c2c36b514003f58a4da1112904c486bc4ed10f9f6ac2b47ee729c7",
}
"""sha256 of the embedded digits: see NOTICE for where they come from and how they were scaled."""

DIGITS_FOLDER = Path(__file__).parent / "digits"
ENVIRONMENT = "NETPARITY_DATA"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Data:
    """Training samples as each stack reads them.

    Attributes
    ----------
    name : str
        'MNIST' or 'digits'.
    sha256 : dict
        Of the unpacked files, by name.
    x, t : ndarray (n, 784), (n,)
        Read by scratch: pixels from 0 to 1, integer targets.
    torch_x, torch_t : Tensor
        Read by torch_ref, on the device of the run.
    readers : int
        2, or 1 where torchvision cannot be loaded and torch was given copies.
    """

    name: str
    sha256: dict[str, str]
    x: NDArray[Any]
    t: NDArray[np.int64]
    torch_x: Tensor
    torch_t: Tensor
    readers: int = 2

    def judge(self) -> list[Judgement]:
        """Judge whether both readers made the same of the same files, bit for bit."""
        if self.readers < 2:
            return []
        where = "the files"
        return [
            judge_fact(
                "data", "x", where, _same(self.x, self.torch_x), "pixels differ from torch's"
            ),
            judge_fact(
                "data", "t", where, _same(self.t, self.torch_t), "targets differ from torch's"
            ),
        ]

    @property
    def title(self) -> str:
        """Name, size and the start of the images' sha256, in one line."""
        return _title(self.name, len(self.x), self.sha256)


def load_data(
    kind: str, root: Path | None, dtype: DTypeLike, device: torch.device | str, say: Say
) -> Data:
    """Find the files of `kind` ('auto', 'mnist', 'digits'), check them, say so, read them twice.

    Raises
    ------
    InputError
        There are none, or they are not what they should be. 'mnist' and 'digits' never stand in
        for one another; 'auto' says which it took.
    """
    name, folder = ("digits", DIGITS_FOLDER) if kind == "digits" else _mnist(kind, root, say)
    sha256 = _checked(folder, MNIST if name == "MNIST" else DIGITS)
    (x, t), _ = scratch.load_mnist(folder=folder, dtype=dtype)
    say(_title(name, len(x), sha256))  # before torchvision, which takes seconds to import
    torch_dtype = torch.float32 if np.dtype(dtype) == np.float32 else torch.float64
    try:
        torch_x, torch_t = torch_ref.load_mnist(folder, dtype=torch_dtype)
    except ImportError as error:
        say(f"torchvision cannot be used, so one reader serves both stacks ({_first_line(error)})")
        torch_x, torch_t = torch.tensor(x), torch.tensor(t)
        return Data(name, sha256, x, t, torch_x.to(device), torch_t.to(device), readers=1)
    return Data(name, sha256, x, t, torch_x.to(device), torch_t.to(device))


def _title(name: str, images: int, sha256: Mapping[str, str]) -> str:
    return f"{name}, {images:,} images, sha256 {sha256['train-images-idx3-ubyte'][:12]}"


def _mnist(kind: str, root: Path | None, say: Say) -> tuple[str, Path]:
    """Return where MNIST is; for 'auto' without it, the embedded digits."""
    cache = Path.home() / ".cache" / "netparity"
    if root is not None and not root.is_dir():
        wrong = "is a file; expected a folder" if root.exists() else "no such folder"
        raise InputError(f"--data-root {root}: {wrong}")
    named = os.environ.get(ENVIRONMENT)
    places = [(f"--data-root {root}", root), (f"${ENVIRONMENT}", Path(named) if named else None)]
    for origin, place in [*places, ("the cache", cache)]:
        missing = _missing(place) if place else None
        if place and not missing:
            return "MNIST", place
        if place and place != cache:
            text = f"{origin}: no {missing} in {place}, plain or .gz, nor in its MNIST/raw"
            if kind == "mnist":
                raise InputError(f"{text}; all four files of MNIST are needed")
            say(text)
    try:
        download_mnist(cache, MNIST, say)
        return "MNIST", cache
    except OSError as error:
        reason = _first_line(getattr(error, "reason", None) or error)
        if kind == "mnist":
            raise InputError(
                f"MNIST is not in --data-root, ${ENVIRONMENT} or {cache}, and cannot be "
                f"downloaded ({reason}); --data digits needs no network"
            ) from error
        say(f"MNIST cannot be downloaded ({reason}): training on the embedded digits")
        return "digits", DIGITS_FOLDER


def _missing(folder: Path) -> str | None:
    """Return the first of the four files that is not in `folder`; None if all are."""
    for name in MNIST:
        try:
            scratch.mnist.find_idx(folder, name)
        except OSError:
            return name
    return None


def _checked(folder: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Return the sha256 of each unpacked file; InputError where it is not the published one."""
    found = {}
    for name, sha256 in known.items():
        path = scratch.mnist.find_idx(folder, name)
        try:
            content = path.read_bytes()
            raw = gzip.decompress(content) if path.suffix == ".gz" else content
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: cannot be read ({_first_line(error)})") from error
        if not raw:
            raise InputError(f"{path}: is empty; fetch it again")
        found[name] = hashlib.sha256(raw).hexdigest()
        if found[name] != sha256:
            raise InputError(
                f"{path}: sha256 {found[name][:12]}... is not that of the published file, "
                f"{sha256[:12]}...; fetch it again"
            )
    return found


def _same(ours: NDArray[Any], theirs: Tensor) -> bool:
    return np.array_equal(ours, theirs.cpu().numpy())


def _first_line(error: object) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
