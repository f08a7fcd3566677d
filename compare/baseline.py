"""The conventions that a project accepts, listed in its pyproject.toml."""

import tomllib
from pathlib import Path

from compare.errors import InputError


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
        return tuple(accept)
    return ()
