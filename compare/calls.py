"""How a network is called on a stimulus: in which mode, from which state, and what it gave."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import Candidate
from compare.evaluation import TRAINING, Mode
from compare.initialisation import ERRORS
from compare.judgement import Judgement, judge_fact
from compare.stimuli import Stimulus
from compare.user_frame import account

SOME_DECAY = 0.1
"""lambda for a network that comes without one: as large as the gradient, so that it shows."""


@dataclass(frozen=True)
class Response:
    """What the network gave for a stimulus in a mode, what it raised, if it did, and which running
    statistics it moved that should stay.
    """

    stimulus: Stimulus
    actual: dict[str, Any]
    raised: str = ""
    mode: Mode = TRAINING
    moved: tuple[str, ...] = ()


class Calls:
    """All calls of one network.

    Parameters
    ----------
    candidate : Candidate
        The network. Its parameters are overwritten.
    weight_decay_lambda : float
        As declared.

    Attributes
    ----------
    untold : bool or None
        Of a network that cannot be told, in which mode loss and predict are.
    other_decay : float or None
        A lambda of weight decay that the network is judged with beside its own.
    """

    def __init__(self, candidate: Candidate, weight_decay_lambda: float) -> None:
        self.candidate = candidate
        self.weight_decay_lambda = weight_decay_lambda
        self.untold: bool | None = None
        self.other_decay: float | None = None
        self._targets = ""
        self._drawn: dict[Any, NDArray[np.bool_]] = {}  # masks of dropout, each once

    def settle(self, plain: Stimulus, targets: str) -> None:
        """Find out, on the plain stimulus, what can be switched and what can be read."""
        self._targets = targets
        self._see_masks(plain)
        self.other_decay = self._switched_decay(plain)

    def show(self, stimulus: Stimulus) -> None:
        """Put the network into the state of a stimulus."""
        if self._targets:
            self.candidate.targets = stimulus.targets or self._targets
        self.candidate.write(stimulus.params)
        if self.candidate.found.remembers:
            self.candidate.write_running(stimulus.running)
        if self.other_decay is not None:
            decay = stimulus.weight_decay
            self.candidate.write_decay(self.weight_decay_lambda if decay is None else decay)

    def told(self, *, training: bool) -> bool:
        """Return the mode that loss and predict are in when told this one."""
        return training if self.untold is None else self.untold

    def mode(self, stimulus: Stimulus, *, training: bool) -> Mode:
        """Return the mode of the call just made."""
        found = self.candidate.found
        masks = self.candidate.masks() if training and found.ratio is not None else ()
        self._drawn |= {(mask.shape, mask.tobytes()): mask for mask in masks}
        return Mode(training, stimulus.running, masks)

    def respond(self, stimulus: Stimulus) -> list[Response]:
        """Run the network on a stimulus; what it raises, now that a plain call worked, counts.

        One that computes otherwise in training and afterwards is run in both modes.
        """
        found = self.candidate.found
        if not found.has_modes:
            return self._responses(stimulus, training=True)
        modes = [True] if found.batchnorm and not found.remembers else [True, False]
        if found.batchnorm and len(stimulus.x) == 1:
            modes.remove(True)  # a batch of 1 has no variance
        named = {True: "train", False: "eval"}
        return [
            response
            for training in modes
            if training or self.untold is not True
            for response in self._responses(
                replace(stimulus, name=f"{stimulus.name}, {named[training]}"), training=training
            )
        ]

    def _responses(self, stimulus: Stimulus, *, training: bool) -> list[Response]:
        """Run it in one mode: two responses where gradients are those of other masks."""
        candidate, x, t = self.candidate, stimulus.x, stimulus.t
        responses = [Response(stimulus, {}, mode=Mode(training, stimulus.running))]
        try:
            self.show(stimulus)
            if self.told(training=training) == training:
                responses[-1].actual.update(candidate.outputs(x, training=training))
                responses[-1].actual["loss"] = candidate.loss(x, t, training=training)
                mode = self.mode(stimulus, training=training)
                responses = [replace(responses[0], mode=mode)]
            if training:
                grads = candidate.gradient(x, t)
                mode = self.mode(stimulus, training=True)
                pairs = zip(mode.masks, responses[-1].mode.masks, strict=False)
                if not responses[-1].mode.masks or all(np.array_equal(a, b) for a, b in pairs):
                    responses = [replace(responses[0], mode=mode)]
                else:
                    responses.append(Response(stimulus, {}, mode=mode))
                responses[-1].actual.update(grads)
            if training and candidate.found.remembers:
                responses[-1].actual.update(candidate.read_running())
            elif candidate.found.remembers:
                after = candidate.read_running()
                moved = [k for k, v in stimulus.running.items() if not np.array_equal(v, after[k])]
                responses = [replace(responses[0], moved=tuple(moved))]
            changed = candidate.changed_since(stimulus.params)
        except (Exception, SystemExit) as error:
            raised = f"raised: {account(error)}"
            return [*responses[:-1], replace(responses[-1], raised=raised)]
        candidate.spoiled += [f"a call changed {key}" for key in changed]
        return responses

    def in_other_form(self, responses: list[Response], targets: str) -> Iterator[Response]:
        """Yield what it gives with targets in another form, where that is not the same."""
        for name in dict.fromkeys(r.stimulus.name for r in responses if not r.stimulus.is_stress):
            group = [r for r in responses if r.stimulus.name == name]
            first = group[0]
            stimulus = replace(first.stimulus, name=f"{name}, {targets}", targets=targets)
            others = self._responses(stimulus, training=first.mode.training)
            if len(group) != len(others) or not all(map(_equal, group, others)):
                yield from others

    def share_kept(self) -> list[Judgement]:
        """See that dropout drops the share that it says, as far as the masks that it drew tell."""
        ratio = self.candidate.found.ratio
        if not ratio or not self._drawn:
            return []
        kept = np.concatenate([mask.ravel() for mask in self._drawn.values()])
        error = math.sqrt(ratio * (1 - ratio) / len(kept))
        detail = (
            f"keep {kept.mean():.2f} of the units, and a ratio of {ratio:g} keeps {1 - ratio:g}"
        )
        holds = abs(kept.mean() - (1 - ratio)) <= ERRORS * error
        return [judge_fact("state", "dropout masks", "all stimuli", bool(holds), detail)]

    def _see_masks(self, plain: Stimulus) -> None:
        """See that the masks of dropout can be read; else do without it."""
        candidate = self.candidate
        if candidate.found.ratio is None:
            return
        candidate.gradient(plain.x, plain.t)
        expected = [(len(plain.x), units) for units in candidate.sizes[1:-1]]
        try:
            readable = [mask.shape for mask in candidate.masks()] == expected
        except (AttributeError, RuntimeError):  # of the network, or of its process
            readable = False
        if not readable:
            candidate.without_dropout("its masks cannot be read")

    def _switched_decay(self, plain: Stimulus) -> float | None:
        """Return another lambda that the network follows: none, or one where it has none.

        None where it has no attribute for it, or another value of it changes nothing.
        """
        candidate, own = self.candidate, self.candidate.weight_decay_lambda
        if own is None or own != self.weight_decay_lambda:
            return None
        other = 0.0 if self.weight_decay_lambda else SOME_DECAY

        def answers() -> list[Any]:
            grads = candidate.gradient(plain.x, plain.t)
            return [candidate.loss(plain.x, plain.t), *grads.values()]

        before = answers()
        try:
            candidate.write_decay(other)
            after = answers()
        except (Exception, SystemExit):
            return None
        finally:
            candidate.write_decay(own)
        same = all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        return None if same else other


def _equal(one: Response, other: Response) -> bool:
    """Whether two responses are the same in every bit."""
    if one.raised or other.raised or one.actual.keys() != other.actual.keys():
        return one.raised == other.raised != ""
    pairs = ((value, other.actual[key]) for key, value in one.actual.items())
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
