"""The conventions that a project accepts, listed in its pyproject.toml."""

import difflib
import re
import tomllib
from collections.abc import Collection
from pathlib import Path

from compare.conventions import EPSILONS, catalogue, decay_text, numerical_text
from compare.errors import InputError

NUMBER = re.compile(r"\b\d+(?:\.\d+)?(?:e-?\d+)?\b")


def accepted_conventions(folder: Path) -> tuple[str, ...]:
    """Return `accept` of `[tool.netparity]` in the pyproject.toml of `folder` or above it.

    Raises
    ------
    InputError
        The file is not TOML, or `accept` is no list of conventions as reports word them.
    """
    for place in (folder, *folder.parents):
        path = place / "pyproject.toml"
        if not path.is_file():
            continue
        try:
            tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: is not TOML ({error})") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        settings = tools.get("netparity", {})
        if unknown := sorted(set(settings) - {"accept"}):
            raise InputError(f"{path}: [tool.netparity] has no {unknown[0]!r}; it has: accept")
        accept = settings.get("accept", [])
        if not isinstance(accept, list) or not all(isinstance(text, str) for text in accept):
            raise InputError(f"{path}: accept in [tool.netparity] is not a list of conventions")
        try:
            see_accepted(accept)
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error
        return tuple(accept)
    return ()


def see_accepted(accept: Collection[str], met: Collection[str] = ()) -> None:
    """See that all of `accept` are conventions, in the words of reports; `met` are those of one.

    Raises
    ------
    ValueError
        One is not: the message says which, and what there is.
    """
    for text in [accept] if isinstance(accept, str) else accept:
        if text not in met and text not in _catalogue_for(text):
            raise ValueError(f"accept: {_unknown_text(text, met)}")
    if isinstance(accept, str):
        raise ValueError("accept: is one text; expected a collection of them")


def _unknown_text(text: str, met: Collection[str]) -> str:
    """Return that `text` is no convention, and which is meant or was met."""
    numbers = NUMBER.findall(text)
    known = [*met, *sorted(_catalogue_for(text))]
    alike = [one for one in known if all(number in one for number in numbers)]
    longer = [one for one in alike if one.startswith(text)]
    near = longer or difflib.get_close_matches(text, alike or known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; reports have them in these words"
    there = f"; this network follows: {'; '.join(met)}" if met else ""
    return f"no convention is called {text!r}{hint}{there}"


def _catalogue_for(text: str) -> set[str]:
    """Return all conventions, with the epsilons that are known and the numbers that `text` has."""
    named = [float(number) for number in NUMBER.findall(text)]
    layers = ({"batchnorm": True, "dropout": True}, {"layernorm": True})
    return {
        *(e.text for has in layers for e in catalogue([*EPSILONS, *named], named, **has)),
        *(decay_text(number) for number in named),
        *(numerical_text(h, is_central=central) for h in named for central in (True, False)),
    }
