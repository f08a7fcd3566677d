"""Which of what a network shows beside its gradients is which of what a module computes."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compare.port.axes import orders
from compare.port.names import Names, Pair
from compare.reference.evaluate import Quantity

Array = NDArray[Any]
Agrees = Callable[[Quantity, Array], bool]

OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda y: torch.softmax(y, -1),
    "softmax over axis 1": lambda y: torch.softmax(y, min(1, y.dim() - 1)),
    "sigmoid": torch.sigmoid,
    "exp": torch.exp,
    "log_softmax": lambda y: torch.log_softmax(y, -1),
}
"""What predict may return in place of what the module does."""


def made_of_output() -> dict[str, Callable[[Any, Any, nn.Module], Any]]:
    """Return OUTPUTS as `evaluate` takes them; of an output that is no single array, nothing."""

    def of_one(function: Callable[[Tensor], Tensor]) -> Callable[[Any, Any, nn.Module], Any]:
        return lambda output, *_: function(output) if isinstance(output, Tensor) else None

    return {name: of_one(function) for name, function in OUTPUTS.items()}


def buffers_of(
    shapes: Mapping[str, tuple[int, ...] | None], module: nn.Module, names: Names
) -> dict[str, str]:
    """Return the module's name of each buffer of a network: what is said, the same name, else the
    next that is called as it and fits. What belongs to none is left out.
    """
    own = {k: tuple(v.shape) for k, v in module.named_buffers() if v.is_floating_point()}
    found: dict[str, str] = {}
    for key, shape in shapes.items():
        said = names.get(key, key)
        said = said if isinstance(said, str) else said[0]
        left = [name for name in own if name not in found.values()]
        fitting = [name for name in left if shape is None or own[name] == shape]
        alike = [name for name in fitting if name.split(".")[-1] == key.split(".")[-1]]
        if said in left:
            found[key] = said
        elif alike:
            found[key] = alike[0]
    return found


def inside_of(
    shown: Mapping[str, Array], values: Mapping[Quantity, Any], names: Names,
    owners: Mapping[str, set[str]], agrees: Agrees,
) -> dict[str, Pair]:  # fmt: skip  # what is shown, of which it may be
    """Return which output of a module each output of a layer is.

    By what is said, by the same name, by the parameters that both hold, else by agreement: of the
    values of random parameters, that is proof. What belongs to none is left out.
    """
    own = {q.name: tuple(e.v.shape) for q, e in values.items() if q.kind == "module"}
    found: dict[str, Pair] = {}
    for key, value in shown.items():
        layer, call, _ = key.partition("[call")
        held = owners.get(layer, set())
        said = names.get(layer, layer)
        said = said if isinstance(said, str) else said[0]
        number = f"[{call.strip(' ]')}]" if call else ""
        certain = [said, *(held if len(held) == 1 else ())]
        here = [name + number for name in certain if name + number in own]
        left = [name for name in own if name not in {pair.name for pair in found.values()}]
        ways = [
            Pair(key, name, axes, own[name])
            for name in here[:1] or left
            for axes in orders(value.shape, own[name], None)
        ]
        agreeing = [
            way for way in ways if agrees(Quantity("module", way.name), way.as_module(value))
        ]
        plain = [way for way in ways if here and way.axes == tuple(range(value.ndim))]
        if way := next(iter(agreeing or plain), None):
            found[key] = way
    return found | _between(shown, own, found)


def _between(
    shown: Mapping[str, Array], own: Mapping[str, tuple[int, ...]], found: Mapping[str, Pair]
) -> dict[str, Pair]:
    """Return what lies between the same two outputs in both, where it is as many that fit."""
    innermost = [name for name in own if not any(other.startswith(f"{name}.") for other in own)]
    ours, theirs = (
        _runs(list(shown), set(found)),
        _runs(innermost, {p.name for p in found.values()}),
    )
    there = {pair.key: pair.name for pair in found.values()}
    pairs: dict[str, Pair] = {}
    for before, run in ours.items():
        others = theirs.get(there.get(before, ""), [])
        if [shown[key].shape for key in run] == [own[name] for name in others]:
            axes = [tuple(range(len(own[name]))) for name in others]
            pairs |= {k: Pair(k, n, a, own[n]) for k, n, a in zip(run, others, axes, strict=True)}
    return pairs


def _runs(names: list[str], known: set[str]) -> dict[str, list[str]]:
    """Return what follows each name that is known, up to the next; '' stands for the beginning."""
    runs: dict[str, list[str]] = {"": []}
    last = ""
    for name in names:
        if name in known:
            last = name
            runs[last] = []
        else:
            runs[last].append(name)
    return {before: run for before, run in runs.items() if run}
