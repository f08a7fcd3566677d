"""What a function returned, and its backward pass, held against the reference."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from numpy.typing import NDArray

from compare.judgement import Judgement, Verdict, judge_tensor
from compare.port.arrays import arrays_of, is_array
from compare.port.function_call import Inputs
from compare.reference.evaluate import Evaluation, Quantity
from compare.reference.formats import Format
from compare.rules import OfValue

Array = NDArray[Any]


def of_outputs(
    outputs: list[Array], e: Evaluation, form: Format, where: str
) -> Iterator[Judgement]:
    """Judge what the function returned."""
    expected = [value for q, value in e.values.items() if q.kind == "output"]
    for i, (actual, value) in enumerate(zip(outputs, expected, strict=True)):
        name = "output" if len(expected) == 1 else f"output[{i}]"
        rule = OfValue(value, form.u)
        yield judge_tensor("forward", name, where, actual, value.v.double().numpy(), rule)


def of_grads(
    grads: list[Array | None], e: Evaluation, form: Format, batch: Inputs, f: Callable[..., Any]
) -> Iterator[Judgement]:
    """Judge what its backward pass returned, by the names of the inputs."""
    names = _names(f, batch.given)
    floating = [i for i, a in enumerate(arrays_of(batch.given)) if a.dtype.kind == "f"]
    for place, grad in zip(floating, grads, strict=False):
        if grad is None:
            continue
        q, name = Quantity("input", str(place)), names[place]
        if q in e.values:
            rule, expected = OfValue(e.values[q], form.u), e.values[q].v.double().numpy()
            yield judge_tensor("gradient", name, batch.name, grad, expected, rule)
        elif not grad.any():
            yield Judgement("gradient", name, batch.name, Verdict.SAME)
        else:
            detail = "the reference's output does not depend on it"
            yield Judgement("gradient", name, batch.name, Verdict.INCONCLUSIVE, detail=detail)


def _names(f: Callable[..., Any], given: tuple[Any, ...]) -> list[str]:
    """Return what the arrays among the inputs are called in the function."""
    try:
        called = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        called = []
    called += [f"input {i}" for i in range(len(called), len(given))]
    return [name for name, value in zip(called, given, strict=False) if is_array(value)]
