"""Other documented definitions of a loss or a layer, put in the place of torch's own functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from compare.conventions import EPSILONS, FORMS, VARIANCE_EPSILONS, short

Replacement = Callable[..., Any]
"""Of torch's function and its arguments."""


@dataclass(frozen=True)
class Definition:
    """Another definition: how it reads in a report, and what stands in the place of what.

    Attributes
    ----------
    text : str
        What is computed otherwise.
    replacements : mapping
        Of functions of torch.nn.functional.
    is_pair : bool
        Whether the gradient of torch's own definition is documented beside it.
    """

    text: str
    replacements: Mapping[Any, Replacement]
    is_pair: bool = False


@dataclass(frozen=True)
class Convention:
    """The definitions that a network follows: of layers, and of the loss."""

    layers: tuple[Definition, ...] = ()
    loss: Definition | None = None
    in_gradient: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """How they read in a report."""
        return tuple(d.text for d in (*self.layers, *([self.loss] if self.loss else [])))


class Substituting(TorchFunctionMode):
    """Computes functions of torch by what stands in their place; `used` says whether any was."""

    def __init__(self, *definitions: Definition) -> None:
        super().__init__()
        self.definitions = definitions
        self.used = False

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func`, or what stands in its place."""
        call = func
        for definition in self.definitions:
            if func in definition.replacements:
                call, self.used = partial(definition.replacements[func], call), True
        return call(*args, **(kwargs or {}))


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


def layers() -> list[Definition]:
    """Return other definitions of normalizations: what is added to a variance, and its count."""
    biased = Definition(
        "the running variance is that of B samples, as in the book; torch's of B - 1",
        {F.batch_norm: _biased},
    )
    return [biased] + [
        Definition(
            f"the normalization adds {short(epsilon)} to the variance; the module's eps differs",
            dict.fromkeys((F.batch_norm, F.layer_norm, F.group_norm), _with_eps(epsilon)),
        )
        for epsilon in (*VARIANCE_EPSILONS, 1e-5)
    ]


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


def _with_eps(epsilon: float) -> Replacement:
    def normalize(func: Any, *args: Any, **options: Any) -> Any:
        if "eps" in options:
            return func(*args, **{**options, "eps": epsilon})
        return func(*args[:-1], epsilon, **options)  # it comes last in all of them

    return normalize


def _biased(
    func: Any, input: Tensor, mean: Tensor | None, var: Tensor | None, weight: Any = None,
    bias: Any = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip  # F.batch_norm's
    """Compute batch_norm, and let the running variance move by the variance of B, not B - 1."""
    if not training or mean is None or var is None:
        return func(input, mean, var, weight, bias, training, momentum, eps)
    moved, count = (mean.clone(), var.clone()), input.numel() // input.shape[1]
    output = func(input, *moved, weight, bias, training, momentum, eps)
    mean.copy_(moved[0])
    kept = (1 - momentum) * var
    var.copy_(kept + (moved[1] - kept) * ((count - 1) / count))
    return output
