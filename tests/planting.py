"""The one way in which mistakes are planted: edits of the text of a file of this repository.

A file alone is executed in a module of its own; files of the packages stand, in an edited copy, in
the place of the right ones, so that everything around the mistake is what a user has.
"""

import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = ("scratch", "compare")


class Bug(NamedTuple):
    """A mistake: where `old` is replaced by `new`, and where it must be found.

    Attributes
    ----------
    name : str
        By which tables and tests refer to it.
    part : str
        Of the catalogue: init, forward, loss, gradient, update, state, data, numerics.
    file, old, new : str
        What is replaced in the file, in which it stands once.
    said : str
        What is wrong, in words.
    options : dict
        What it needs to show: activation, weight_decay_lambda, optimizer, ...
    probe, quantity : str
        Of the first divergence, where a table says so.
    within : str
        The class in which `old` stands once, where it stands in others, too.
    """

    name: str
    part: str
    file: str
    old: str
    new: str
    said: str = ""
    options: dict[str, Any] = {}  # noqa: RUF012  # never changed
    probe: str = ""
    quantity: str = ""
    within: str = ""

    @property
    def activation(self) -> str:
        """The activation in which it shows."""
        return str(self.options.get("activation", "relu"))

    @property
    def decay(self) -> float:
        """The weight decay with which it shows."""
        return float(self.options.get("weight_decay_lambda", 0.0))


def edited(source: str, bug: Bug) -> str:
    """Return the text of a file with the bug in it."""
    head, body, tail = "", source, ""
    if bug.within:
        head, body = re.split(rf"(?=^class {bug.within}\b)", source, maxsplit=1, flags=re.M)
        body, *rest = re.split(r"(?=^class )", body, maxsplit=2, flags=re.M)[1:]
        tail = "".join(rest)
    assert body.count(bug.old) == 1, f"{bug.name}: not once in {bug.file}: {bug.old!r}"
    return head + body.replace(bug.old, bug.new) + tail


def module(file: str, *bugs: Bug) -> ModuleType:
    """Return a file, executed in a module of its own, with the bugs in it."""
    path = ROOT / file
    source = path.read_text(encoding="utf-8")
    for bug in bugs:
        source = edited(source, bug)
    made = ModuleType(path.stem)
    made.__package__ = path.parent.name
    exec(compile(source, f"<{file}>", "exec"), vars(made))  # whose lines are not those of the file
    return made


@contextlib.contextmanager
def planted(*bugs: Bug) -> Iterator[Path]:
    """Put packages with the bugs in the place of the right ones."""
    ours = {n: m for n, m in sys.modules.items() if n.split(".")[0] in PACKAGES}
    for name in ours:
        del sys.modules[name]
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        try:
            copied(bugs, Path(folder))
            yield Path(folder)
        finally:
            sys.path.remove(folder)
            for name in [n for n in sys.modules if n.split(".")[0] in PACKAGES]:
                del sys.modules[name]
            sys.modules.update(ours)


def copied(bugs: tuple[Bug, ...], folder: Path) -> None:
    """Write the packages with the bugs in them."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for bug in bugs:
        path = folder / bug.file
        path.write_text(edited(path.read_text(encoding="utf-8"), bug), encoding="utf-8")


def wrong_network(bug: Bug, *arguments: Any, **options: Any) -> Any:
    """Return the MultiLayerNet of scratch in which the bug is."""
    with planted(bug):
        import scratch

        return scratch.MultiLayerNet(*arguments, bug.activation, **options)
