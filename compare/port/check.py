"""Judges a network written by hand against a torch module, by the arithmetic of rounding."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from compare.judgement import judge_fact
from compare.port.aliasing import shared_arrays
from compare.port.arrays import as_numpy, is_array
from compare.port.judged import Judge, Response
from compare.port.matched import Matched
from compare.port.names import Names, ways_to_match
from compare.port.network import PortedNetwork
from compare.port.places import buffers_of
from compare.port.proof import proved
from compare.port.recognised import recognised
from compare.port.reference import Reference
from compare.port.repeated import asked_again, in_other_mode
from compare.port.report import ModuleReport
from compare.port.stimuli import Batch, batches
from compare.port.verdict import remarks_on, verdict_on
from compare.reference.evaluate import Quantity
from compare.threads import one_thread_each

Array = NDArray[Any]
Loss = Callable[..., Any]


def check_against(
    net: Any, x: Any, t: Any, module: nn.Module, loss: Loss | None, names: Names | None,
    seed: int, *, stimuli: bool,
) -> ModuleReport:  # fmt: skip  # both, how
    """Judge `net` against `module`; see `compare.check.check_network`."""
    _see(module, loss, names)
    if x is None or t is None:
        raise ValueError("a reference needs x and t: only you know what the module takes")
    network = PortedNetwork(net, training=module.training)
    reference = Reference(module, loss or F.cross_entropy, network.form)
    own, own_buffers = network.read(), network.read_buffers()
    ways = ways_to_match(own, module, names)
    judge = Judge(network, reference, Matched(ways.matchings[0]))
    yours = _yours(judge, own, own_buffers, x, t, names or {})
    try:
        with one_thread_each(), torch.inference_mode(mode=False), torch.enable_grad():
            every = [*batches(yours, np.random.default_rng(seed), is_varied=stimuli)]
            how, facts = proved(judge, every, ways, names or {})
            facts += shared_arrays(network, network.returned)
            responses, refused = _responses(judge, every)
            judgements = recognised(judge, responses)
            more, remarks = asked_again(judge, responses[0], responses[-1])
            modes, not_exercised = in_other_mode(judge, every[1])
    finally:
        network.restore(own, own_buffers)
    refused += _of_predict(judge, responses[0])
    evaluated = [r.evaluation for r in responses if r.evaluation is not None]
    remarks += dict.fromkeys(text for e in evaluated for text in remarks_on(e))
    remarks += [f"the reference warns: {text[:200]}" for text in reference.warned]
    judgements = [*facts, *judgements, *more, *modes, *(
        judge_fact("purity", "arguments", "all batches", False, text) for text in network.spoiled
    )]  # fmt: skip  # what was found, in order
    verdict = verdict_on(judgements, ("gradient",))
    return ModuleReport(
        network.name, (), network.form.name, "", tuple(remarks), verdict,
        tuple(judgements), judge.convention.texts, tuple(refused), seed,
        not_exercised=tuple(not_exercised), module=type(module).__name__,
        matched=(*judge.matched.texts, how),
    )  # fmt: skip  # what, verdict, how


def _of_predict(judge: Judge, first: Response) -> list[str]:
    """Return why predict is not judged, where it is there and is not."""
    e, shown = first.evaluation, first.shown
    if e is None or shown is None or not judge.network.has_predict:
        return []
    if shown.output is None:
        return ["predict: it returns no array of floating-point numbers"]
    if judge.matched.output == "other":
        expected = e.values.get(Quantity("output"))
        wanted = "several arrays" if expected is None else str(tuple(expected.v.shape))
        return [f"predict: it returns shape {shown.output.shape}, and the module {wanted}"]
    return []


def _see(module: Any, loss: Any, names: Any) -> None:
    """Raise TypeError where something is passed that is of another kind."""
    for what, value in (("reference", module), ("loss", loss)):
        if isinstance(value, type):
            name = value.__name__
            raise TypeError(f"{what} is the class {name}; pass an instance, {name}()")
    if not isinstance(module, nn.Module):
        raise TypeError(f"reference is {type(module).__name__}; expected a torch.nn.Module")
    if loss is not None and not callable(loss):
        raise TypeError(f"loss is {type(loss).__name__}; expected a callable of (output, t)")
    if names is not None and not isinstance(names, Mapping):
        raise TypeError(f"names is {type(names).__name__}; expected a dict, {{'W1': 'fc1.weight'}}")


def _yours(
    judge: Judge, own: Mapping[str, Array], own_buffers: Mapping[str, Array | None],
    x: Any, t: Any, names: Names,
) -> Batch:  # fmt: skip  # what, on what
    """Return the batch that was passed, at what the network has."""
    dtype, module = next(iter(own.values())).dtype, judge.reference.module
    x, t = _numbers("x", x, dtype), _numbers("t", t, dtype)
    for key, value in own.items():
        if not np.isfinite(value).all():
            raise ValueError(f"params[{key!r}] has values that are not finite")
    shapes = {key: None if v is None else v.shape for key, v in own_buffers.items()}
    judge.reference.buffers = buffers_of(shapes, module, names)
    there = dict(module.named_buffers())
    buffers = {
        key: own_buffers[key] if own_buffers[key] is not None else there[name].numpy().copy()
        for key, name in judge.reference.buffers.items()
    }
    size = f"your batch of {len(x)}" if x.ndim else "your batch"
    return Batch(size, own, x, t, {k: v.astype(dtype) for k, v in buffers.items() if v is not None})


def _numbers(name: str, value: Any, dtype: Any) -> Array:
    """Return numbers in the network's dtype, ids as they are."""
    try:
        array = as_numpy(value) if is_array(value) else np.array(value)
    except ValueError as error:  # a ragged list
        raise ValueError(f"{name} is no array: {error}") from error
    if array.dtype.kind == "f":
        array = array.astype(dtype)
    elif array.dtype.kind not in "iub":
        raise TypeError(f"{name} is {array.dtype}; expected numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    if not array.size:
        raise ValueError(f"{name} has shape {array.shape}: nothing in it")
    return array


def _responses(judge: Judge, every: list[Batch]) -> tuple[list[Response], list[str]]:
    """Return what both make of each batch, and on which the reference raises."""
    responses, refused = [], []
    for i, batch in enumerate(every):
        try:
            responses.append(judge.without_edges(judge.respond(batch)))
        except ValueError as error:
            if not i:
                raise
            refused.append(f"{batch.name}: {error}")
    return responses, refused
