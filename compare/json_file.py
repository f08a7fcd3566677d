"""The JSON of --json: there whatever comes of the judging, a refusal too."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from compare.errors import InputError
from compare.files import see_writable, write_beside
from compare.report import SCHEMA, strict_json

STDOUT = Path("-")


def see_json(path: Path | None, file: str) -> None:
    """See, before the work, that --json can be written and is not the FILE of FILE[:NAME].

    Raises
    ------
    InputError
        It cannot be, or it is.
    """
    for source in {file, file.rpartition(":")[0]} - {""}:
        if path not in (None, STDOUT):
            see_writable("--json", path, Path(source))


@contextmanager
def text_beside(path: Path | None) -> Iterator[None]:
    """Print to stderr what is printed meanwhile, where stdout is for the JSON alone."""
    if path == STDOUT:
        with redirect_stdout(sys.stderr):
            yield
    else:
        yield


def write_json(path: Path | None, reports: Sequence[str]) -> None:
    """Write a report as it is, and several as a list; InputError where that cannot be done."""
    text = reports[0] if len(reports) == 1 else f"[{', '.join(reports)}]\n"
    if path == STDOUT:
        print(text, end="", flush=True)
    elif path:
        try:
            write_beside(path, text.encode())
        except OSError as error:
            raise InputError(f"--json {path}: cannot be written ({error.strerror})") from error


def refusal_json(error: InputError) -> str:
    """Return the JSON of what is no use: the line that is printed, and the exit status."""
    said = {"message": " ".join(str(error).split()), "exit_status": 2}
    return strict_json({"schema": SCHEMA, "error": said})
