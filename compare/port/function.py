"""Judges a function of arrays against one of tensors: its value, and its backward pass."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compare.containment import contained
from compare.judgement import Judgement, Verdict, judge_fact
from compare.port.arrays import arrays_of, as_numpy, is_array
from compare.port.function_call import Call, Inputs
from compare.port.function_judged import of_grads, of_outputs
from compare.port.function_report import FunctionReport
from compare.port.reference import Reference, as_tensor, evaluated
from compare.port.verdict import doubts, verdict_on
from compare.reference.evaluate import evaluate
from compare.reference.formats import FORMATS, Format
from compare.threads import one_thread_each
from compare.user_frame import CandidateError

Array = NDArray[Any]


def check_function(
    f: Callable[..., Any],
    reference: Callable[..., Any],
    *inputs: Any,
    backward: Callable[..., Any] | None = None,
    stimuli: bool = True,
    seed: int = 0,
) -> FunctionReport:
    """Judge whether a function of arrays computes what one of tensors does.

    Parameters
    ----------
    f : callable
        Of `inputs`, as they are passed: arrays of numpy, or of any library that speaks `__array__`
        or DLPack. It returns an array or several; what it returns beyond what `reference` does is
        handed to `backward`, as the cache of `out, cache = affine_forward(x, w, b)`.
    reference : callable
        Of the same inputs as tensors: a function, or a torch.nn.Module.
    *inputs
        Arrays of any shape; floating-point ones of one dtype, float64 or float32. Whatever is no
        array is passed to both as it is.
    backward : callable, optional
        Of (dout, *inputs), or (dout, cache...), or dout alone, dout being as the output: the
        gradients of sum(output dout) by the floating-point inputs, in their order, a tuple or one
        array; None in the place of one that is not computed, and what is missing at the end is not
        judged.
    stimuli : bool
        Whether `f` is tried on numbers that are shuffled within each input, too; only where all
        arrays are numpy's.
    seed : int
        Of dout, and of the order.

    Returns
    -------
    FunctionReport
        The verdict, every judged quantity with its error and what is allowed. Print it.

    Raises
    ------
    TypeError, ValueError
        There is nothing to compute with, the first plain call fails, or the reference raises.
    """
    form = _format(inputs)
    module = reference if isinstance(reference, nn.Module) else _Function(reference)
    if isinstance(reference, nn.Module):
        Reference(reference, torch.sum, form)  # which says what it cannot be
    rng = np.random.default_rng(seed)
    judgements: list[Judgement] = []
    refused: list[str] = []
    with contained(), one_thread_each():
        for i, batch in enumerate(_batches(inputs, rng, is_varied=stimuli)):
            try:
                judgements += _judged(f, module, backward, batch, form, rng, is_first=not i)
            except ValueError as error:
                if not i:
                    raise
                refused.append(f"{batch.name}: {error}")
    verdict = verdict_on(judgements, ("forward", "gradient"))
    return FunctionReport(
        getattr(f, "__qualname__", type(f).__name__), (), form.name, "", (), verdict,
        tuple(judgements), (), tuple(refused), seed, module=_called(reference),
        not_exercised=() if backward else ("the backward pass: none was passed",),
    )  # fmt: skip  # what, verdict, how


class _Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        """Call it."""
        return self.function(*inputs)


def _called(reference: Any) -> str:
    is_module = isinstance(reference, nn.Module)
    return (
        type(reference).__name__
        if is_module
        else getattr(reference, "__name__", type(reference).__name__)
    )


def _format(inputs: tuple[Any, ...]) -> Format:
    """Return the one format of the floating-point inputs."""
    arrays = [a for a in arrays_of(inputs) if a.dtype.kind == "f"]
    kinds = {str(a.dtype) for a in arrays}
    if len(kinds) != 1 or not kinds <= {"float32", "float64"}:
        raise TypeError(
            f"inputs of {' and '.join(sorted(kinds)) or 'no floating-point dtype'}; expected "
            "arrays of one, float64 or float32"
        )
    if not all(np.isfinite(a).all() for a in arrays):
        raise ValueError("an array among the inputs has values that are not finite")
    return FORMATS[kinds.pop()]


def _batches(
    inputs: tuple[Any, ...], rng: np.random.Generator, *, is_varied: bool
) -> Iterator[Inputs]:
    """Yield what was passed; the same numbers in another order; what was passed, again."""
    yield Inputs("your inputs", inputs)
    if not is_varied:
        return
    if all(isinstance(v, np.ndarray) for v in inputs if is_array(v)):
        for name in ("your inputs, shuffled", "your inputs, shuffled again"):
            yield Inputs(name, tuple(_shuffled(value, rng) for value in inputs))
    yield Inputs("your inputs, once more", inputs)


def _shuffled(value: Any, rng: np.random.Generator) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return rng.permutation(value.reshape(-1)).reshape(value.shape)


def _judged(
    f: Callable[..., Any], module: nn.Module, backward: Callable[..., Any] | None, batch: Inputs,
    form: Format, rng: np.random.Generator, *, is_first: bool,
) -> list[Judgement]:  # fmt: skip  # both, on what
    """Judge one call, and the backward pass after it."""
    tensors = tuple(as_tensor(as_numpy(v)) if is_array(v) else v for v in batch.given)
    douts: list[Array] = []

    def total(output: Any, _: Any) -> Any:
        leaves = [output] if isinstance(output, Tensor) else list(output)
        while len(douts) < len(leaves):
            drawn = rng.standard_normal(tuple(leaves[len(douts)].shape))
            douts.append(np.asarray(drawn, form.name))
        pairs = zip(leaves, douts, strict=True)
        return sum((leaf * torch.from_numpy(dout.astype(np.float64))).sum() for leaf, dout in pairs)

    e = evaluated(
        f"the reference raises on {_shapes(batch.given)}",
        lambda: evaluate(module, total, {}, tensors, None, form=form, by_inputs=True),
    )
    call = Call(f, backward, batch, douts)
    try:
        outputs, grads = call.outputs(), call.grads()
    except CandidateError as error:
        if is_first:
            raise ValueError(f"the first plain call fails: {error}") from error
        return [judge_fact("forward", "call", batch.name, False, f"is refused: {error}")]
    found = [*of_outputs(outputs, e, form, batch.name), *of_grads(grads, e, form, batch, f)]
    if doubt := next(doubts(e), ""):
        found = [replace(j, verdict=Verdict.INCONCLUSIVE, detail=doubt) if j.fails else j
                 for j in found]  # fmt: skip  # a condition
    found += [judge_fact("purity", "arguments", batch.name, False, text) for text in call.spoiled]
    return found


def _shapes(given: tuple[Any, ...]) -> str:
    return ", ".join(str(a.shape) for a in arrays_of(given))
