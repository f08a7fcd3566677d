"""What a file says is meant: a module, and beside it the batch, the loss and the names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from compare.errors import InputError
from compare.user_frame import account


@dataclass(frozen=True)
class Meant:
    """What `check_network` takes beside the network."""

    module: nn.Module
    x: Any
    t: Any
    loss: Callable[..., Any] | None
    names: Mapping[str, Any] | None


def meant_in(file: ModuleType, name: str, path: Path) -> Meant:
    """Return what `file` says: `name` is a module, a class of one that is made without arguments,
    or a function that returns one; `batch` is a function that returns x and t, or they are there
    themselves; `loss` and `names` may be there, too.

    Raises
    ------
    InputError
        Something is missing or of no use; the message says what.
    """
    if name not in vars(file):
        classes = {k: v for k, v in vars(file).items() if isinstance(v, type)}
        there = [k for k, v in classes.items() if issubclass(v, nn.Module)]
        raise InputError(f"{path}: has no {name}; modules there: {', '.join(there) or 'none'}")
    found = vars(file)[name]
    if not isinstance(found, nn.Module):
        found = _called(found, name, path)
    if not isinstance(found, nn.Module):
        kind = type(found).__name__
        raise InputError(f"{path}: {name} is {kind}; expected a torch.nn.Module, or what makes one")
    batch = vars(file).get("batch")
    if batch is not None:
        batch = _called(batch, "batch", path) if callable(batch) else batch
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise InputError(f"{path}: batch is {type(batch).__name__}; expected x and t")
        x, t = batch
    elif "x" in vars(file) and "t" in vars(file):
        x, t = file.x, file.t
    else:
        raise InputError(f"{path}: has no batch(), which returns x and t, and no x and t")
    return Meant(found, x, t, vars(file).get("loss"), vars(file).get("names"))


def _called(function: Any, name: str, path: Path) -> Any:
    try:
        return function()
    except (Exception, SystemExit) as error:
        raise InputError(f"{path}: {name}(): {account(error, str(path))}") from error
