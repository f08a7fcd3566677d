"""Fetching MNIST."""

import gzip
import hashlib
import http.client
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from compare.files import write_beside

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
"""Two copies of the published files; the first is the one that torchvision uses."""

TIMEOUT = 5.0
"""Seconds without a byte after which a mirror is given up."""


def download_mnist(folder: Path, sha256: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Fetch the four files into `folder`, each checked before it gets its name.

    Raises
    ------
    OSError
        No mirror answers in time or gives what was published, or `folder` cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, digest in sha256.items():
        path = folder / f"{name}.gz"
        if not path.is_file():
            say(f"downloading {path.name}")
            write_beside(path, _fetch(path.name, digest))


def _fetch(name: str, sha256: str) -> bytes:
    failure = OSError("no mirror")
    for mirror in MIRRORS:
        try:
            with urllib.request.urlopen(mirror + name, timeout=TIMEOUT) as answer:
                packed: bytes = answer.read()
            if hashlib.sha256(gzip.decompress(packed)).hexdigest() == sha256:
                return packed
            failure = OSError(f"{mirror}{name} is not the published file")
        except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
            failure = error if isinstance(error, OSError) else OSError(str(error))
    raise failure
