"""Writing so that a reader never meets half a file, nor the files of two runs in one folder."""

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from compare.errors import InputError


def write_beside(path: Path, content: bytes) -> None:
    """Write to a file beside `path` and rename it: whoever reads sees the old or the new one."""
    _write(path.parent, {path.name: content})


def write_results(folder: Path, files: Mapping[str, bytes], without: Collection[str] = ()) -> None:
    """Write the files of one run into --out as a set, the last run's where two end at a time.

    Those called `without`, which belong to the set and are not written this time, are removed.

    Raises
    ------
    InputError
        The folder cannot be written any more.
    """
    try:
        _write(folder, files, without)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror})") from error


def _write(folder: Path, files: Mapping[str, bytes], without: Collection[str] = ()) -> None:
    """Write all files under other names, then rename all, while no other process does."""
    parts = {name: folder / f".{name}.part" for name in files}
    with _alone(folder):
        try:
            for name, content in files.items():
                parts[name].write_bytes(content)
            for name, part in parts.items():
                part.replace(folder / name)
            for name in without:
                (folder / name).unlink(missing_ok=True)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process writes into `folder` like this; the system ends it with us.

    Windows locks no folders, and nor do some shared disks: there two runs can still mix.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = None
    try:
        with suppress(OSError):  # what is wrong with the folder is said by who writes
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def see_writable(option: str, path: Path, source: Path) -> None:
    """See, before the work, that a file can be written at `path`, and that it is not `source`.

    Raises
    ------
    InputError
        It cannot be, or it is.
    """
    if path.resolve() == source.resolve():
        raise InputError(f"{option} {path}: is the file that is judged; choose another")
    if path.is_dir():
        raise InputError(f"{option} {path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{option} {path}: no folder {path.parent}; create it first")


def prepare_folder(folder: Path, names: Iterable[str]) -> None:
    """Create `folder` and see that the files `names` can be written there; InputError otherwise."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is a file; expected a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, {".netparity": b""}, without=[".netparity"])
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror})") from error
    for name in names:
        if (folder / name).is_dir():
            raise InputError(f"--out {folder}: {name} there is a folder; a file is to be written")
