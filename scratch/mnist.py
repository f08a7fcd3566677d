"""MNIST from its IDX files (http://yann.lecun.com/exdb/mnist/, "File formats")."""

import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Split = tuple[NDArray[Any], NDArray[Any]]

FILES = {
    "x_train": "train-images-idx3-ubyte",
    "t_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "t_test": "t10k-labels-idx1-ubyte",
}
UNSIGNED_BYTE = 8
CLASSES = 10


def load_mnist(
    normalize: bool = True,
    flatten: bool = True,
    one_hot_label: bool = False,
    *,
    folder: str | Path,
    dtype: DTypeLike = np.float64,
) -> tuple[Split, Split]:
    """Return (x_train, t_train), (x_test, t_test), as the book's `dataset/mnist.py` does.

    Parameters
    ----------
    normalize : bool
        Divide the pixels by 255, in `dtype`; else they stay bytes, 0 to 255.
    flatten : bool
        Images as rows (n, 784); else (n, 1, 28, 28).
    one_hot_label : bool
        Targets as one-hot rows (n, 10); else integers (n,).
    folder : str or Path
        Holds the four files, plain or as .gz, flat or in MNIST/raw. Nothing is written there.
    dtype : dtype
        Of normalised pixels. Cast once, here, and never again: the networks then work in it.

    Raises
    ------
    FileNotFoundError
        A file is missing; the message names it.
    ValueError
        A file is not IDX of unsigned bytes, is cut short, or does not match its partner.
    """
    arrays = {key: read_idx(find_idx(Path(folder), name)) for key, name in FILES.items()}

    def split(part: str) -> Split:
        x, t = arrays[f"x_{part}"], arrays[f"t_{part}"]
        if x.ndim != 3 or t.ndim != 1 or len(x) != len(t):
            raise ValueError(f"{folder}: {part} has images {x.shape} and labels {t.shape}")
        x = x.reshape(len(x), -1) if flatten else x[:, None]
        if normalize:
            x = x.astype(dtype) / np.asarray(255, dtype=dtype)
        t = np.eye(CLASSES, dtype=np.uint8)[t] if one_hot_label else t.astype(np.int64)
        return x, t

    return split("train"), split("test")


def find_idx(folder: Path, name: str) -> Path:
    """Return the path of the file `name`, plain or gzip, flat or in MNIST/raw."""
    for place in (folder, folder / "MNIST" / "raw"):
        for path in (place / name, place / f"{name}.gz"):
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"{folder}: no {name}, neither plain nor .gz, neither here nor in MNIST/raw"
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes: 0, 0, type, ndim, sizes, values."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: not a complete gzip file ({error})") from error
    if len(raw) < 4 or raw[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    header = 4 + 4 * raw[3]
    shape = [int(size) for size in np.frombuffer(raw[4:header], dtype=">u4")]
    if len(shape) != raw[3] or len(raw) != header + math.prod(shape):
        raise ValueError(f"{path}: has {len(raw)} bytes, and its header says {shape}")
    return np.frombuffer(raw, dtype=np.uint8, offset=header).reshape(shape)
