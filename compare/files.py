"""Writing so that a reader never meets half a file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from compare.errors import InputError


def write_beside(path: Path, content: bytes) -> None:
    """Write to a file beside `path` and rename it: whoever reads sees the old or the new one."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_results(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write each file of --out; InputError where the folder cannot be written any more."""
    for name, content in files.items():
        try:
            write_beside(folder / name, content)
        except OSError as error:
            raise InputError(f"--out {folder}: cannot be written ({error.strerror})") from error


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
        write_beside(folder / ".netparity", b"")
        (folder / ".netparity").unlink()
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror})") from error
    for name in names:
        if (folder / name).is_dir():
            raise InputError(f"--out {folder}: {name} there is a folder; a file is to be written")
