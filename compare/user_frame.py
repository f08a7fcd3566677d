"""What somebody's code raised: where in their files, and which call it was."""

import linecache
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

HOME = Path(__file__).resolve().parents[1]
NOT_THEIRS = (
    *(HOME / name for name in ("compare", "scratch", "torch_ref")),
    Path(np.__file__).resolve().parent,
    Path(sysconfig.get_path("stdlib")).resolve(),
)
INSTALLED = {"site-packages", "dist-packages"}

LONGEST = 100
"""Characters of a statement that are shown: it is to be found, not to be read here."""

MOST_LINES = 20
"""Lines of a statement that are looked at for them."""


class CandidateError(RuntimeError):
    """What a network raised or how its process ended, in words that say where.

    Parameters
    ----------
    text : str
        As from `account`.
    call : str
        As from `call_text`.
    """

    def __init__(self, text: str, call: str = "") -> None:
        super().__init__(f"{text} (called as {call})" if call else text)
        self.text, self.call = text, call


@contextmanager
def calling(method: str, function: Any, *arrays: Any) -> Iterator[None]:
    """Turn what a call of somebody's function raises into a CandidateError."""
    try:
        yield
    except (Exception, SystemExit) as error:
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        home = code.co_filename if code else ""
        raise CandidateError(account(error, home), call_text(method, *arrays)) from error


def call_text(method: str, *arrays: Any) -> str:
    """Return 'gradient(x (7, 11), t (7,))'."""
    shapes = (f"{name} {np.shape(value)}" for name, value in zip("xt", arrays, strict=False))
    return f"{method}({', '.join(shapes)})"


def account(error: BaseException, home: str = "") -> str:
    """Return 'FILE, line N, in FUNCTION: `STATEMENT`: ERROR: MESSAGE'.

    Parameters
    ----------
    error : exception
        As it was caught: with its traceback, from here down.
    home : str
        The file of the code that was called, which is theirs wherever it lies.
    """
    if isinstance(error, CandidateError):
        return str(error)
    try:
        message = " ".join(str(error).split())[:1000]
    except Exception:
        message = "<its message cannot be read>"
    said = f"{type(error).__name__}: {message}".removesuffix(": ")
    theirs = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == home or _is_theirs(frame.filename)
    ]
    return f"{_place(theirs[-1], home)}: {said}" if theirs else said


def _is_theirs(filename: str) -> bool:
    """Whether a file is neither ours, nor numpy, nor of Python, nor installed."""
    if filename.startswith("<"):  # typed in, and <frozen importlib._bootstrap>
        return not filename.startswith("<frozen ")
    path = Path(filename)
    ours = any(path.is_relative_to(folder) for folder in NOT_THEIRS)
    return not ours and not INSTALLED & set(path.parts)


def _place(frame: traceback.FrameSummary, home: str) -> str:
    """Return file, line, function and statement; of another folder, the folder too."""
    path = Path(frame.filename)
    beside = not home or path.parent == Path(home).parent
    name = path.name if beside else f"{path.parent.name}/{path.name}"
    if path.parent.name.startswith("ipykernel_"):
        name = "a cell"
    inside = "" if frame.name == "<module>" else f", in {frame.name}"
    statement = _statement(frame)
    return f"{name}, line {frame.lineno}{inside}" + (f": `{statement}`" if statement else "")


def _statement(frame: traceback.FrameSummary) -> str:
    """Return the lines of what was being evaluated as one."""
    first = frame.lineno or 0
    last = min(frame.end_lineno or first, first + MOST_LINES)
    lines = (linecache.getline(frame.filename, n).split() for n in range(first, last + 1))
    text = " ".join(word for words in lines for word in words)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
