"""The one way in which mistakes are planted: edits of the text of a file of this repository.

A file alone is executed in a module of its own; packages are imported anew, with the mistakes in
them, in the place of the right ones, so that everything around a mistake is what a user has.
"""

import contextlib
import functools
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = ("scratch", "torch_ref", "compare")


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
    probe, quantity, where : str
        Of the first divergence, where a table says so; where is a stimulus or a step.
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
    where: str = ""
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


def edited_code(path: Path, bugs: Iterable[Bug]) -> CodeType:
    """Return the code of a file with the bugs in it; its lines are not those of the file."""
    source = path.read_text(encoding="utf-8")
    for bug in bugs:
        source = edited(source, bug)
    return compile(source, f"<edited {path.name}>", "exec")


def module(file: str, *bugs: Bug) -> ModuleType:
    """Return a file, executed in a module of its own, with the bugs in it."""
    path = ROOT / file
    made = ModuleType(path.stem)
    made.__package__ = path.parent.name
    exec(edited_code(path, bugs), vars(made))
    return made


@functools.cache
def compiled(path: Path) -> CodeType:
    """Return the code of a file without bugs: most of a package, each time that one is planted."""
    return compile(path.read_text(encoding="utf-8"), str(path), "exec")


class Edited(MetaPathFinder, Loader):
    """Finds the modules of the packages, and executes them with the bugs in them."""

    def __init__(self, bugs: tuple[Bug, ...]) -> None:
        self.bugs = bugs

    def find_spec(self, name: str, _: Any, __: Any = None) -> ModuleSpec | None:
        """Return where a module of the packages is."""
        if name.split(".")[0] not in PACKAGES:
            return None
        path = ROOT.joinpath(*name.split("."))
        inside = [str(path)] if path.is_dir() else None
        file = path / "__init__.py" if inside else path.with_suffix(".py")
        if not file.is_file():
            return None
        return spec_from_file_location(name, file, loader=self, submodule_search_locations=inside)

    def exec_module(self, module: ModuleType) -> None:
        """Execute a module, edited where a bug is in it."""
        path = Path(str(module.__file__))
        bugs = [bug for bug in self.bugs if ROOT / bug.file == path]
        exec(edited_code(path, bugs) if bugs else compiled(path), vars(module))


@contextlib.contextmanager
def planted(*bugs: Bug) -> Iterator[None]:
    """Put packages with the bugs in the place of the right ones."""
    ours = {n: m for n, m in sys.modules.items() if n.split(".")[0] in PACKAGES}
    finder = Edited(bugs)
    for name in ours:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [n for n in sys.modules if n.split(".")[0] in PACKAGES]:
            del sys.modules[name]
        sys.modules.update(ours)


def wrong_network(bug: Bug, *arguments: Any, **options: Any) -> Any:
    """Return the MultiLayerNet of scratch in which the bug is."""
    with planted(bug):
        import scratch

        return scratch.MultiLayerNet(*arguments, bug.activation, **options)
