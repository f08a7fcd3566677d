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


def imported(name: str) -> ModuleType:
    """Return a module of this project, whatever else is called `compare`, `scratch` or so."""
    hidden = {module: sys.modules.pop(module) for module in list(_of_these_names())}
    kept = _OURS.copy()
    sys.modules.update(kept)
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(Path(__file__).parent))
        ours = {module: sys.modules[module] for module in list(_of_these_names())}
        _OURS.update(ours)
        theirs = {m: v for m, v in hidden.items() if v is not ours.get(m)}
        if theirs:
            for module in ours:
                del sys.modules[module]
            sys.modules.update(theirs)


_OURS: dict[str, ModuleType] = {}


def _of_these_names() -> Iterator[str]:
    return (module for module in sys.modules if module.split(".")[0] in PACKAGES)
