"""Evaluate a module and its loss at given parameters: every value, with its expected error."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

import compare.reference.operations  # noqa: F401 # enters the rules
from compare.reference.composites import written_out
from compare.reference.context import Context, Kink, Noted, within
from compare.reference.formats import FORMATS, Format
from compare.reference.instance import float64_by_default, given, instance_of
from compare.reference.private import tree_flatten, tree_map
from compare.reference.problems import UnsupportedError
from compare.reference.rounded import EverythingRounded, Rounded

Kind = Literal["module", "output", "loss", "gradient", "input", "buffer"]


@dataclass(frozen=True, order=True)
class Quantity:
    """What a value is.

    Attributes
    ----------
    kind : str
        The output of a module inside, of the outermost, the loss, a gradient by a parameter or by
        an input, or a buffer after the forward pass.
    name : str
        Path of the module, name of the parameter or buffer, with [i] where there are several; of
        an input its place among the tensors of x.
    """

    kind: Kind
    name: str = ""


@dataclass(frozen=True)
class Evaluated:
    """One value: `v` in float64, `e2` its E^2 in units of u squared, None where exact."""

    v: Tensor
    e2: Tensor | None


@dataclass(frozen=True)
class Evaluation:
    """What a module computes of one batch.

    Attributes
    ----------
    values : dict
        Of each Quantity, in causal order: outputs of modules as they were computed, the output,
        the loss, gradients from the last parameter that was used to the first, buffers.
    kinks : list of Kink
        Operations that selected by a margin that rounding may turn over.
    casts : list of Noted
        Casts to less than float64 inside the module; they were not made.
    unruled : list of Noted
        Operations without a rule, whose errors were measured.
    read : list of Noted
        Places where a number with an error was read by Python, which loses it.
    without_gradient : list of str
        Parameters that the loss does not depend on.
    """

    values: dict[Quantity, Evaluated]
    kinks: list[Kink]
    casts: list[Noted]
    unruled: list[Noted]
    read: list[Noted]
    without_gradient: list[str]


def evaluate(
    module: nn.Module,
    loss: Callable[..., Any],
    params: Mapping[str, Tensor],
    x: Any,
    t: Any,
    *,
    buffers: Mapping[str, Tensor] | None = None,
    form: Format = FORMATS["float64"],
    masks: Sequence[Tensor] | None = None,
    also: Mapping[str, Callable[[Any, Any, nn.Module], Any]] | None = None,
    by_inputs: bool = False,
    gradients: bool = True,
) -> Evaluation:
    """Return every value of `module` and `loss`, with its expected rounding error.

    Parameters
    ----------
    module : nn.Module
        In the mode, train or eval, in which it is to be evaluated. It is not touched.
    loss : callable
        Of (output, t), or of (output, t, module) where a third argument is required.
    params, buffers : mapping of str to Tensor
        By the module's own names; what is missing is taken from the module.
    x : Tensor, or a tuple of positional arguments
        Floating-point numbers are taken as exact.
    t : Tensor or any
        What the loss is given.
    form : Format
        In which the candidate computes.
    masks : sequence of Tensor
        For each dropout that is met in training: 0 where it drops, whatever it keeps with.
    also : mapping of str to callable
        Of (output, t, module): what else is made of the output, entered as an output of that name.
    by_inputs : bool
        Whether gradients by x are evaluated, too.
    gradients : bool
        Whether any are.

    Raises
    ------
    UnsupportedError
        Where no error can be carried through, with the path of the module.
    """
    inputs = x if isinstance(x, tuple) else (x,)
    first = next((a for a in tree_flatten(inputs)[0] if isinstance(a, Tensor)), None)
    rows = first.shape[0] if first is not None and first.dim() else None
    context = Context(form, rows, masks=None if masks is None else list(masks))
    with within(context):
        instance, leaves = instance_of(module, params, buffers or {})
        inputs, target = tree_map(given, (inputs, t))
        for leaf in tree_flatten(inputs)[0] if by_inputs else ():
            if isinstance(leaf, Rounded):
                leaf.requires_grad_()
    values: dict[Quantity, Evaluated] = {}
    with float64_by_default(), within(context), _paths(instance, context, values):
        with EverythingRounded(), written_out(), torch.set_grad_enabled(gradients):
            output = instance(*inputs)
            _enter(values, "output", "", output)
            total = of_loss(loss, output, target, instance)
            if not isinstance(total, Tensor) or total.numel() != 1:
                is_tensor = isinstance(total, Tensor)
                what = f"shape {tuple(total.shape)}" if is_tensor else type(total).__name__
                raise UnsupportedError(f"{what}, where a tensor of one number is due", "the loss")
            _enter(values, "loss", "", total)
            with torch.no_grad():
                for name, function in (also or {}).items():
                    _enter(values, "output", name, function(output, target, instance))
        order: list[Quantity] = []
        wanted = {Quantity("gradient", name): leaf for name, leaf in leaves.items() if gradients}
        tensors = [leaf for leaf in tree_flatten(inputs)[0] if isinstance(leaf, Tensor)]
        wanted |= {Quantity("input", str(i)): leaf for i, leaf in enumerate(tensors)
                   if by_inputs and isinstance(leaf, Rounded)}  # fmt: skip  # a condition
        for quantity, leaf in wanted.items():
            leaf.register_hook(lambda _, quantity=quantity: order.append(quantity))
        grads: Sequence[Tensor | None] = ()
        if gradients:
            with EverythingRounded():
                grads = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
    found = dict(zip(wanted, grads, strict=True))
    for quantity in order:
        _enter(values, quantity.kind, quantity.name, found[quantity])
    for name, buffer in instance.named_buffers():
        _enter(values, "buffer", name, buffer)
    return Evaluation(
        values,
        context.kinks,
        list(context.casts),
        list(context.unruled),
        list(context.read),
        [q.name for q, grad in found.items() if grad is None and q.kind == "gradient"],
    )


@contextmanager
def _paths(
    module: nn.Module, context: Context, values: dict[Quantity, Evaluated]
) -> Iterator[None]:
    """Keep the path of the module that is being computed, and every output."""
    handles = []
    for path, part in module.named_modules():
        if path:
            handles.append(
                part.register_forward_pre_hook(lambda *_, path=path: context.modules.append(path))
            )
            handles.append(part.register_forward_hook(_kept(path, context, values)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _kept(path: str, context: Context, values: dict[Quantity, Evaluated]) -> Callable[..., None]:
    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        context.modules.pop()
        calls = sum(1 for q in values if q.kind == "module" and q.name.split("[")[0] == path)
        _enter(values, "module", f"{path}[{calls}]" if calls else path, output)

    return keep


def _enter(values: dict[Quantity, Evaluated], kind: Kind, name: str, output: Any) -> None:
    """Enter the tensors of `output`, numbered where there are several."""
    flat = [output] if isinstance(output, Tensor) else tree_flatten(output)[0]
    leaves = [x for x in flat if isinstance(x, Tensor)]
    for i, leaf in enumerate(leaves):
        called = name if len(leaves) == 1 else f"{name}[{i}]"
        if isinstance(leaf, Rounded):
            e2 = None if leaf.e2 is None else leaf.e2.clone()
            values[Quantity(kind, called)] = Evaluated(leaf.v.clone(), e2)
        else:
            values[Quantity(kind, called)] = Evaluated(leaf.clone(), None)


def of_loss(loss: Callable[..., Any], output: Any, t: Any, module: nn.Module) -> Any:
    """Return the loss of an output, with the module where it requires a third argument."""
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return loss(output, t)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in positional and p.default is p.empty]
    return loss(output, t, *((module,) if len(required) > 2 else ()))
