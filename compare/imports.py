"""Importing large libraries without Python looking for garbage in them."""

import gc
import importlib
import sys
from types import ModuleType


def import_unwatched(name: str) -> ModuleType:
    """Import `name`, and with it torch, in a process that is the command's own.

    torch is hundreds of thousands of objects, none of which is garbage. Looking through them again
    and again takes a tenth of the import, and at the end of the process half a second.
    """
    if "torch" in sys.modules:
        return importlib.import_module(name)
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()
