"""Other documented definitions of losses: the log that is kept from 0, and what is averaged."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compare.conventions import EPSILONS, FORMS, short
from compare.port.conventions import Definition, Replacement


def losses() -> list[Definition]:
    """Return other definitions of losses: of the log that is kept from 0, and of what is averaged.

    The first is the book's (4.2.2): log(y + 1e-7), beside a gradient without it.
    """
    kept = [
        Definition(
            f"the loss has {log.format(short(epsilon))}"
            f"{', as in the book' * (form == 'add' and not i)}",
            _kept(form, epsilon),
            is_pair=True,
        )
        for i, epsilon in enumerate(EPSILONS)
        for form, log in FORMS.items()
    ]
    naive = Definition("the loss takes the log of a sigmoid or softmax, which loses digits",
                       _kept("add", 0.0), is_pair=True)  # fmt: skip  # one definition
    scaled = [Definition(text, dict.fromkeys(AVERAGED, _scaled(k))) for text, k in SCALES]
    halved = [Definition(text, {F.mse_loss: _scaled(k)}) for text, k in HALVES]
    return [*scaled, *halved, kept[0], naive, *kept[1:]]


def _kept(form: str, epsilon: float) -> dict[Any, Replacement]:
    def keep(y: Tensor) -> Tensor:
        if form == "add":
            return y + epsilon
        return y.clamp_min(epsilon) if form == "max" else y.clamp(epsilon, 1 - epsilon)

    def cross_entropy(func: Any, input: Tensor, target: Tensor, *args: Any, **options: Any) -> Any:
        if args or options.get("weight") is not None or options.get("label_smoothing"):
            return func(input, target, *args, **options)
        dim = 1 if input.dim() > 1 else 0
        log = torch.log(keep(torch.softmax(input, dim)))
        if not target.is_floating_point():
            options.pop("label_smoothing", None)
            return F.nll_loss(log, target, **options)
        total = -(target * log).sum()
        terms = input.numel() // input.shape[dim]
        return total if options.get("reduction") == "sum" else total / terms

    def nll_loss(func: Any, input: Tensor, *args: Any, **options: Any) -> Any:
        return func(torch.log(keep(torch.exp(input))), *args, **options)

    def binary(func: Any, input: Tensor, target: Tensor, *args: Any, **options: Any) -> Any:
        if args or any(options.get(name) is not None for name in ("weight", "pos_weight")):
            return func(input, target, *args, **options)
        y = torch.sigmoid(input) if func is F.binary_cross_entropy_with_logits else input
        if form == "clip":
            y = keep(y)
            both = target * torch.log(y) + (1 - target) * torch.log(1 - y)
        else:
            both = target * torch.log(keep(y)) + (1 - target) * torch.log(keep(1 - y))
        return -both.sum() if options.get("reduction") == "sum" else -both.mean()

    return {
        F.cross_entropy: cross_entropy,
        F.nll_loss: nll_loss,
        F.binary_cross_entropy: binary,
        F.binary_cross_entropy_with_logits: binary,
    }


AVERAGED = (
    F.cross_entropy,
    F.nll_loss,
    F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
    F.mse_loss,
    F.l1_loss,
    F.huber_loss,
    F.smooth_l1_loss,
)
"""Losses that are means unless told otherwise."""


def _count(input: Tensor, target: Tensor) -> int:
    """Return of how many terms a loss is the mean."""
    return input.numel() if target.is_floating_point() else target.numel()


def _per_sample(input: Tensor, target: Tensor) -> float:
    return _count(input, target) / len(input)


SCALES: tuple[tuple[str, Callable[[Tensor, Tensor], float]], ...] = (
    ("loss and gradient are sums over the batch, not means", _count),
    ("the loss of a sample is a sum, of which the mean is taken", _per_sample),
)
HALVES: tuple[tuple[str, Callable[[Tensor, Tensor], float]], ...] = (
    ("the squared error is halved", lambda *_: 0.5),
    ("the squared error is halved, and summed over the batch", lambda *g: 0.5 * _count(*g)),
    ("the squared error of a sample is halved and summed", lambda *g: 0.5 * _per_sample(*g)),
)


def _scaled(factor: Callable[[Tensor, Tensor], float]) -> Replacement:
    def scale(func: Any, input: Tensor, target: Tensor, *args: Any, **options: Any) -> Any:
        value = func(input, target, *args, **options)
        is_mean = options.get("reduction", "mean") == "mean"
        if func is F.cross_entropy and target.is_floating_point():
            return value * (factor(input.select(1, 0), target.select(1, 0)) if is_mean else 1)
        return value * factor(input, target) if is_mean else value

    return scale
