"""Judges a network written by hand against a torch module, by the arithmetic of rounding."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from compare.candidate import number, quietly
from compare.judgement import (
    ALL,
    Extent,
    Judgement,
    Verdict,
    judge_fact,
    judge_tensor,
    norm,
    overall,
)  # fmt: skip  # names
from compare.module_names import Matching, Names, matchings
from compare.module_report import ModuleReport
from compare.reference.allowed import allowed
from compare.reference.evaluate import Evaluated, Evaluation, Quantity, evaluate
from compare.reference.formats import FORMATS
from compare.reference.problems import UnsupportedError
from compare.threads import one_thread_each
from compare.user_frame import CandidateError, calling

Array = NDArray[Any]
Loss = Callable[..., Any]


@dataclass(frozen=True)
class Batch:
    """Parameters, by the network's names, and a batch."""

    name: str
    params: dict[str, Array]
    x: Array
    t: Array


class ByModule:
    """C u ||E||, of the whole tensor and of each slice along each axis: a Rule for one value."""

    def __init__(self, value: Evaluated, u: float) -> None:
        self.e2 = torch.zeros_like(value.v) if value.e2 is None else value.e2
        self.u = u

    def allowed(self, name: str) -> float:
        """Return the L2 norm of the error that is allowed to the whole, whatever its name."""
        del name
        return float(allowed(self.e2, self.u))

    def extent(self, name: str, error: Array, expected: Array) -> Extent:
        """Return the extent of `error` in the whole or, if it alone is off, in a slice."""
        whole = Extent(float(norm(error)), self.allowed(name), float(norm(expected)))
        if whole.error > whole.allowed:
            return whole
        for axis in range(error.ndim):
            others = tuple(a for a in range(error.ndim) if a != axis)
            errors = np.sqrt(np.square(error).sum(others))
            limits = allowed(self.e2, self.u, axis).numpy()
            if (errors > limits).any():
                with np.errstate(divide="ignore", invalid="ignore"):
                    i = int(np.nanargmax(errors / limits))
                size = float(np.sqrt(np.square(np.take(expected, i, axis)).sum()))
                part = f"the size of its slice {i} along axis {axis}"
                return Extent(float(errors[i]), float(limits[i]), size, part)
        return whole


class Network:
    """Somebody's network, called on copies; its names are turned into those of the module."""

    def __init__(self, net: Any) -> None:
        for attribute in ("params", "gradient", "loss"):
            if not hasattr(net, attribute):
                raise TypeError(
                    f"{type(net).__name__} has no `{attribute}`: a network to be judged has "
                    "`params`, `gradient(x, t)` and `loss(x, t)`"
                )
        self.net, self.params = net, net.params
        if not isinstance(self.params, Mapping) or not self.params:
            raise TypeError(f"params is {type(self.params).__name__}; expected a dict of arrays")
        for key, value in self.params.items():
            kind = getattr(value, "dtype", type(value).__name__)
            if not isinstance(value, np.ndarray) or str(kind) not in ("float32", "float64"):
                raise TypeError(
                    f"params[{key!r}] is {kind}; expected a numpy array of float64 or float32"
                )
            if not value.flags.writeable:
                raise ValueError(f"params[{key!r}] is read-only; the judge writes into it")
        kinds = {str(value.dtype) for value in self.params.values()}
        if len(kinds) > 1:
            raise TypeError(f"params mixes {' and '.join(sorted(kinds))}; expected one dtype")
        self.form = FORMATS[kinds.pop()]
        self.spoiled: list[str] = []

    def read(self) -> dict[str, Array]:
        """Return copies of the parameters."""
        return {key: value.copy() for key, value in self.params.items()}

    def write(self, params: Mapping[str, Array]) -> None:
        """Write values into the arrays of the network, in place."""
        for key, value in params.items():
            self.params[key][...] = value

    def call(self, method: str, *given: Array) -> Any:
        """Call a method on copies, and note what it changes of them."""
        copies = [value.copy() for value in given]
        function = getattr(self.net, method)
        with calling(method, function, *copies):
            returned = quietly(function, *copies)
        if any(not np.array_equal(a, b) for a, b in zip(given, copies, strict=True)):
            self.spoiled.append(f"{method} changed an array that was passed to it")
        return returned

    def values(self, batch: Batch, matching: Matching) -> dict[Quantity, Array]:
        """Return what the network computes, by the names of the module."""
        self.write(batch.params)
        found: dict[Quantity, Array] = {}
        if callable(getattr(self.net, "predict", None)):
            found[Quantity("output")] = np.asarray(self.call("predict", batch.x))
        loss = number(self.call("loss", batch.x, batch.t))
        found[Quantity("loss")] = np.asarray(loss)
        grads = self.call("gradient", batch.x, batch.t)
        if not isinstance(grads, Mapping) or set(grads) != set(self.params):
            got = ", ".join(map(str, grads)) if isinstance(grads, Mapping) else type(grads).__name__
            raise CandidateError(
                f"gradient(x, t) returned {got}; expected a dict of {', '.join(self.params)}"
            )
        for pair in matching:
            grad = np.asarray(grads[pair.key], np.float64)
            turned = pair.as_module(grad) if grad.ndim == len(pair.axes) else grad
            found[Quantity("gradient", pair.name)] = turned.copy()
        return found


def check_against(
    net: Any, x: Any, t: Any, module: nn.Module, loss: Loss | None, names: Names | None, seed: int
) -> ModuleReport:
    """Judge `net` against `module`; see `compare.check.check_network`."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"reference is {type(module).__name__}; expected a torch.nn.Module")
    if x is None or t is None:
        raise ValueError("a reference needs x and t: only you know what the module takes")
    network, judged_loss = Network(net), loss or F.cross_entropy
    own = network.read()
    x, t = (_array(value, network) for value in (x, t))
    if not (x.ndim and t.ndim and len(x) == len(t) > 0):
        raise ValueError(f"x has shape {x.shape} and t {t.shape}; expected samples along axis 0")
    found, is_certain = matchings(own, module, names)

    def expected(batch: Batch, matching: Matching) -> Evaluation:
        params = {p.name: torch.from_numpy(p.as_module(_wide(batch.params[p.key])).copy())
                  for p in matching}  # fmt: skip  # a value a pair
        given = (torch.from_numpy(_wide(value).copy()) for value in (batch.x, batch.t))
        try:
            return evaluate(module, judged_loss, params, *given, form=network.form)
        except UnsupportedError as error:
            raise ValueError(f"the reference: {error}") from error
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise ValueError(
                f"the reference raises on x {x.shape}, t {t.shape}: "
                f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            ) from error

    try:
        with one_thread_each():
            batches = list(_batches(own, x, t, np.random.default_rng(seed)))
            matching, says = _proved(network, batches[1], found, expected, is_certain=is_certain)
            judgements: list[Judgement] = []
            for i, batch in enumerate(batches):
                try:
                    e = expected(batch, matching)
                except ValueError as error:
                    if not i:
                        raise
                    judgements.append(_open(batch, str(error)))
                    continue
                judgements += _judged(network, batch, matching, e, is_first=not i)
            again = Batch(f"{batches[0].name}, once more", *_rest(batches[0]))
            judgements += _judged(network, again, matching, expected(again, matching))
    finally:
        network.write(own)
    spoiled = dict.fromkeys(network.spoiled)
    judgements += [judge_fact("purity", "arguments", "all batches", False, s) for s in spoiled]
    return ModuleReport(
        type(net).__name__, (), network.form.name, "", (), overall(judgements), tuple(judgements),
        (), seed=seed, module=type(module).__name__,
        matched=(*(pair.text for pair in matching), says),
    )  # fmt: skip  # what, verdict, how


def _array(value: Any, network: Network) -> Array:
    """Return numbers in the network's dtype, ids as they are."""
    array = np.array(value)
    if array.dtype.kind == "f":
        array = array.astype(network.read().popitem()[1].dtype)
    elif array.dtype.kind not in "iub":
        raise TypeError(f"x or t is {array.dtype}; expected numbers")
    if not np.isfinite(array).all():
        raise ValueError("x or t has values that are not finite")
    return array


def _wide(value: Array) -> Array:
    """Return numbers as the reference takes them: float64, and integers as torch's indices."""
    wide = {"f": np.float64, "i": np.int64, "u": np.int64}
    return value.astype(wide.get(value.dtype.kind, value.dtype))


def _rest(batch: Batch) -> tuple[dict[str, Array], Array, Array]:
    return batch.params, batch.x, batch.t


def _batches(own: dict[str, Array], x: Array, t: Array, rng: Any) -> Iterator[Batch]:
    """Yield what the network is judged on: the batch that was passed first."""
    drawn = {
        key: (value + 0.1 * rng.standard_normal(value.shape)).astype(value.dtype)
        for key, value in own.items()
    }
    yield Batch(f"your batch of {len(x)}", own, x, t)
    yield Batch("your batch, random parameters", drawn, x, t)
    if len(x) > 2:  # fewer, in another order
        order = rng.permutation(len(x))[: len(x) - 1]
        yield Batch(f"{len(order)} of its samples", drawn, x[order], t[order])
        twice = np.repeat(order[:2], 2)
        yield Batch("2 samples, each twice", drawn, x[twice], t[twice])
    if len(x) > 1:
        yield Batch("1 sample", drawn, x[:1], t[:1])


def _proved(
    network: Network, batch: Batch, found: list[Matching],
    expected: Callable[[Batch, Matching], Evaluation], *, is_certain: bool,
) -> tuple[Matching, str]:  # fmt: skip  # what, how
    """Return the matching with which loss and output agree, and what is to be said of it."""
    for matching in found:
        try:
            values = network.values(batch, matching)
        except CandidateError as error:
            raise ValueError(f"the network's first plain call fails: {error}") from error
        forward = [
            j for j in judge_values(values, expected(batch, matching), network.form.u, batch.name)
            if j.probe != "gradient"
        ]  # fmt: skip  # a condition
        if all(j.verdict is Verdict.SAME for j in forward):
            return matching, "proved by the forward pass"
    if is_certain:
        return found[0], "by names and shapes alone: the forward pass agrees with none"
    raise ValueError(
        f"the forward pass agrees with no matching of the parameters, of which "
        f"({'; '.join(pair.text for pair in found[0])}) is the first: either it is wrong, or that "
        "is; pass names={'W1': ('fc1.weight', 'T'), ...} for all of them"
    )


def judge_values(
    actual: Mapping[Quantity, Array], e: Evaluation, u: float, where: str
) -> list[Judgement]:
    """Judge whatever the network shows, in the order of cause and effect."""
    probes = {"output": "forward", "loss": "loss", "gradient": "gradient"}
    return [
        judge_tensor(
            probes[q.kind], q.name or q.kind, where, actual[q],
            expected.v.numpy(), ByModule(expected, u),
        )
        for q, expected in e.values.items() if q in actual
    ]  # fmt: skip  # what, values


def _judged(
    network: Network, batch: Batch, matching: Matching, e: Evaluation, *, is_first: bool = False
) -> list[Judgement]:
    """Judge one batch; what lies on a kink, or lost its error on the way, accuses nobody."""
    try:
        actual = network.values(batch, matching)
    except CandidateError as error:
        if is_first:
            raise ValueError(f"the network's first plain call fails: {error}") from error
        return [judge_fact("forward", "call", batch.name, False, str(error))]
    unseen = [q for q in actual if q not in e.values]
    found = judge_values(actual, e, network.form.u, batch.name)
    for q in unseen:  # the loss does not depend on it, or the output is another's
        if q.kind == "gradient":
            why = (
                "the module's loss does not depend on it"
                if q.name in e.without_gradient
                else "it is frozen in the module"
            )
            found.append(_open(batch, why, Judgement("gradient", q.name, batch.name, Verdict.SAME)))
        else:
            found.append(_open(batch, "the module's output is no single array"))
    doubts = [
        *(f"{k.operation} in {k.module or 'the module'} selects within rounding" for k in e.kinks),
        *(f"{n.operation} in {n.module or 'the module'} casts" for n in e.casts),
        *(f"{n.module or 'the module'} reads a number out of a tensor" for n in e.read),
    ]
    if doubts:
        return [_open(batch, doubts[0], j) if j.fails else j for j in found]
    return found


def _open(batch: Batch, detail: str, j: Judgement | None = None) -> Judgement:
    probe, name = (j.probe, j.name) if j else ("forward", "output")
    return Judgement(
        probe, name, batch.name, Verdict.INCONCLUSIVE, part=j.part if j else ALL, detail=detail
    )
