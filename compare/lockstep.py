"""Both stacks, step by step at the same time."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import scratch
import torch_ref
from compare.candidate import Candidate

Array = NDArray[np.floating[Any]]


class Values(NamedTuple):
    """What a step changes: W1 ..., {"v": {"W1": ...}}, and BatchNorm's {"running_mean1": ...}."""

    params: dict[str, Array]
    state: dict[str, dict[str, Array]]
    running: dict[str, Array]


class ScratchStack:
    """One network of `scratch` and its optimiser; `step` is the book's training loop.

    Attributes
    ----------
    grads : dict
        Gradients of the last step, before its update.
    loss : float
        Of the same batch after the update, as the book records it.
    active : list of ndarray
        Which ReLU let what pass when the gradients were computed, a layer each, (B, units).
    masks : list of ndarray
        What dropout kept then, likewise.
    values : Values
        Copies of what it held after the last step, or at the start.
    """

    def __init__(self, net: scratch.MultiLayerNet, optimizer: scratch.Optimizer) -> None:
        self.net = net
        self.candidate = Candidate(net)
        self.optimizer = optimizer
        self.grads: dict[str, Array] = {}
        self.loss = float("nan")
        self.active: list[NDArray[np.bool_]] = []
        self.masks: list[NDArray[np.bool_]] = []
        self.values = self.read()

    def step(self, x: Array, t: NDArray[Any]) -> None:
        """Train on one batch."""
        self.grads = self.net.gradient(x, t)
        layers = self.net.layers.values()
        self.active = [~layer.mask for layer in layers if isinstance(layer, scratch.Relu)]
        self.masks = [layer.mask for layer in layers if isinstance(layer, scratch.Dropout)]
        self.optimizer.update(self.net.params, self.grads)
        self.loss = self.net.loss(x, t)

    def read(self) -> Values:
        """Return copies of what it holds now."""
        state = _copies(self.optimizer.state(self.net.params))
        return Values(self.candidate.read(), state, self.candidate.read_running())


class CandidateStack:
    """A network of the user's with an optimiser of scratch; the attributes of ScratchStack.

    What its ReLU let pass is not seen, and `active` stays empty; it has no BatchNorm or dropout.
    """

    def __init__(
        self, candidate: Candidate, params: dict[str, Array], optimizer: scratch.Optimizer
    ) -> None:
        self.candidate = candidate
        self.params = params
        self.optimizer = optimizer
        self.grads: Mapping[str, Array] = {}
        self.loss = float("nan")
        self.active: list[NDArray[np.bool_]] = []
        self.masks: list[NDArray[np.bool_]] = []
        candidate.write(params)
        self.values = self.read()

    def step(self, x: Array, t: NDArray[Any]) -> None:
        """Train on one batch."""
        self.grads = self.candidate.gradient(x, t)
        for key, value in self.candidate.read().items():
            self.params[key][...] = value
        dtype = self.candidate.dtype
        self.optimizer.update(self.params, {k: g.astype(dtype) for k, g in self.grads.items()})
        self.candidate.write(self.params)
        self.loss = self.candidate.loss(x, t)

    def read(self) -> Values:
        """Return copies of what it holds now; there is no BatchNorm."""
        return Values(self.candidate.read(), _copies(self.optimizer.state(self.params)), {})


class TorchStack:
    """One network of `torch_ref` and its optimiser; the attributes are those of ScratchStack."""

    def __init__(
        self, net: torch_ref.MultiLayerNet, optimizer: torch.optim.Optimizer, name: str = "sgd"
    ) -> None:
        self.net = net
        self.optimizer = optimizer
        self.name = name  # of the optimiser, in torch_ref.optimizer
        self.loss = float("nan")
        self._named = torch_ref.by_name(net)
        self._passed: list[Tensor] = []
        self.active: list[NDArray[np.bool_]] = []
        self.masks: list[NDArray[np.bool_]] = []
        for layer in net.layers:
            if isinstance(layer, torch.nn.ReLU):
                layer.register_forward_hook(self._see)
        self.values = self.read()

    def _see(self, layer: torch.nn.Module, _: Any, out: Tensor) -> None:
        if layer.training:
            self._passed.append(out.detach() > 0)

    def step(self, x: Tensor, t: Tensor) -> None:
        """Train on one batch."""
        self._passed.clear()
        self.net.train()
        self.optimizer.zero_grad()
        self.net.loss(x, t).backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        self.active = [passed.cpu().numpy() for passed in self._passed]
        dropouts = (layer for layer in self.net.layers if isinstance(layer, torch_ref.Dropout))
        self.masks = [layer.mask.cpu().numpy() for layer in dropouts]
        self.optimizer.step()
        self.net.eval()
        with torch.no_grad():
            self.loss = self.net.loss(x, t).item()

    @property
    def grads(self) -> dict[str, Array]:
        """Gradients of the last step, in the book's names and layout; views where possible."""
        return {
            name: value.grad.cpu().numpy().T
            for name, value in self._named.items()
            if value.grad is not None
        }

    def read(self) -> Values:
        """Return copies of what it holds now, in the book's names and layout."""
        params = {name: value.numpy(force=True).copy().T for name, value in self._named.items()}
        state = torch_ref.state_of(self.name, self.net, self.optimizer)
        return Values(params, state, torch_ref.to_running(self.net))


def _copies(state: Mapping[str, Mapping[str, Array]]) -> dict[str, dict[str, Array]]:
    return {slot: {key: value.copy() for key, value in of.items()} for slot, of in state.items()}


@dataclass
class Side:
    """Networks of one stack and the data that they are trained on."""

    x: Any
    t: Any
    stacks: Sequence[Any]
    batch: tuple[Any, Any] = (None, None)

    def advance(self, rows: NDArray[np.int64] | Tensor) -> None:
        """Take one batch, train every network on it, and copy what each then holds.

        The copies are made at once, while the processor has at hand what it has just computed.
        """
        self.batch = self.x[rows], self.t[rows]
        with np.errstate(all="ignore"):  # a run that diverges is for the judge, not for stderr
            for stack in self.stacks:
                stack.step(*self.batch)
                stack.values = stack.read()


def lockstep(ours: Side, theirs: Side, batches: NDArray[np.int64]) -> Iterator[int]:
    """Advance both sides at once, on a thread each; yield the step when both have done it.

    What runs between two steps (recording, judging) has both stacks at rest.
    """
    indices = torch.tensor(batches, device=theirs.x.device)
    with ThreadPoolExecutor(max_workers=2) as pool:
        for step in range(len(batches)):
            running = [
                pool.submit(ours.advance, batches[step]),
                pool.submit(theirs.advance, indices[step]),
            ]
            for future in running:
                future.result()
            yield step
