"""Says whether a network written by hand computes what PyTorch computes: the public names.

    from netparity import check_network

It lies beside the packages and not in one of them, so that a project with a `compare.py` or a
`scratch/` of its own can use it, too.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare import (
        Report,
        assert_parity,
        check_function,
        check_network,
        check_optimizer,
        run_experiment,
    )

__all__ = [
    "Report",
    "assert_parity",
    "check_function",
    "check_network",
    "check_optimizer",
    "run_experiment",
]

PACKAGES = ("compare", "scratch", "torch_ref")


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes seconds, and not everything needs it."""
    if name in __all__:
        return getattr(imported(imported("compare").HOMES[name]), name)
    raise AttributeError(f"module 'netparity' has no attribute {name!r}")


HOME = Path(__file__).parent
_OURS: dict[str, ModuleType] = {}


def imported(name: str) -> ModuleType:
    """Return a module of this project, whatever else is called `compare`, `scratch` or so."""
    theirs = {module: sys.modules.pop(module) for module in list(_loaded()) if not _is_ours(module)}
    sys.modules.update(_OURS)
    sys.path.insert(0, str(HOME))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(HOME))
        _OURS.update({module: sys.modules[module] for module in _loaded()})
        if theirs:
            for module in list(_loaded()):
                del sys.modules[module]
            sys.modules.update(theirs)


def _loaded() -> Iterator[str]:
    """Yield the modules there that are called as ours are."""
    return (module for module in sys.modules if module.split(".")[0] in PACKAGES)


def _is_ours(module: str) -> bool:
    file = getattr(sys.modules[module], "__file__", None)
    return file is not None and HOME / module.split(".")[0] in Path(file).parents
