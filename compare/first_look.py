"""What shows without torch: is the network callable, and consistent with itself?"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import LABELS, ONE_HOT, Candidate
from compare.judgement import Judgement, judge_fact
from compare.rounding import slope_allowed
from compare.stimuli import Stimuli, Stimulus
from compare.user_frame import CandidateError, account

Array = NDArray[np.floating[Any]]

GIVEN = "the network as given"

STEP = 2.0**-10
"""How far parameters are moved for a slope. What is left out then, about STEP^2, is far above
rounding in float64, so that it can be told from two step lengths."""


OFF_SLOPE = "gradients off the slope of their own loss"


def first_look(candidate: Candidate) -> str:
    """Return what can be said of a network before torch is there; leave its parameters changed.

    Raises
    ------
    ValueError
        It cannot be called.
    """
    rng, batchnorm = np.random.default_rng(0), candidate.found.batchnorm
    plain = Stimuli(candidate.sizes, candidate.dtype, rng, batchnorm=batchnorm).plain()
    candidate.write(plain.params)
    if candidate.found.remembers:
        candidate.write_running(plain.running)
    first_call(candidate, plain)
    shared = list(shared_arrays(candidate, plain))
    spoiled = dict.fromkeys([*candidate.spoiled, *_changed(candidate, plain)])
    said = [f"{judgement.name} {judgement.detail}" for judgement in shared] or [
        "no array is shared"
    ]
    said.append("; ".join(spoiled) or "no call changes what it is given")
    said.append(slopes_text(candidate, plain))
    return "; ".join(filter(None, said))


def first_call(candidate: Candidate, plain: Stimulus, targets: str | None = None) -> None:
    """See that the network can be called at all, and find how it takes its targets.

    Raises
    ------
    ValueError
        It raises for labels and for one-hot targets.
    """
    failures: list[CandidateError] = []
    for kind in (targets,) if targets else (LABELS, ONE_HOT):
        candidate.targets = kind
        try:
            candidate.gradient(plain.x, plain.t)
            candidate.loss(plain.x, plain.t)
            candidate.outputs(plain.x)
            return
        except CandidateError as error:
            failures.append(error)
        except (Exception, SystemExit) as error:
            failures.append(CandidateError(account(error)))
    candidate.targets = targets or LABELS
    first, last = failures[0], failures[-1]
    text = str(first) if last.text == first.text else f"{first}; with one-hot t, {last}"
    raise ValueError(f"{candidate.name} fails: {text}") from first


def shared_arrays(candidate: Candidate, plain: Stimulus) -> Iterator[Judgement]:
    """Yield a mistake for each two arrays that should be apart and are one."""
    for a, b in candidate.shared_params():
        detail = f"is the same array as {a}: training one changes the other"
        yield judge_fact("aliasing", b, GIVEN, False, detail)
    for a, b in candidate.shared_gradients(plain.x, plain.t):
        detail = f"is the array of {a} itself: an update in place would change it"
        yield judge_fact("aliasing", f"gradient {b}", GIVEN, False, detail)


def slopes_text(candidate: Candidate, plain: Stimulus) -> str:
    """Return whether each gradient is the slope of the network's own loss, by finite differences.

    Along one random direction in each parameter. A network whose loss is another one than PyTorch's
    and whose gradients are the slopes of it may follow another definition; where they are not, one
    of the two is wrong, whatever is meant. Nothing is said of float32, where rounding hides it, and
    of a loss that may be that after training.
    """
    if candidate.dtype != np.float64 or (candidate.found and not candidate.found.can_switch):
        return ""
    rng = np.random.default_rng(0)
    given = candidate.gradient(plain.x, plain.t)
    n = max(len(plain.x), *candidate.sizes)
    off: dict[str, float] = {}
    for key, value in plain.params.items():
        direction = rng.standard_normal(value.shape)
        direction /= np.linalg.norm(direction)
        losses = [
            _loss(candidate, plain, {**plain.params, key: value + k * STEP / 2 * direction})
            for k in (-2, -1, 0, 1, 2)
        ]
        slope = (losses[3] - losses[1]) / STEP
        if given[key].shape != value.shape:
            continue  # the shape is what is wrong then
        stated = float((given[key] * direction).sum())
        if not abs(stated - slope) <= slope_allowed(losses, STEP, n):
            off[key] = abs(stated - slope) / max(abs(stated), abs(slope))
    candidate.write(plain.params)
    if not off:
        return "each gradient is the slope of its own loss"
    largest_first = sorted(off, key=lambda key: -off[key])
    sizes = ", ".join(f"{key} by {off[key]:.0e}" for key in largest_first)
    return f"{OFF_SLOPE}: {sizes}"


def _loss(candidate: Candidate, plain: Stimulus, params: Mapping[str, Array]) -> float:
    candidate.write(params)
    return candidate.loss(plain.x, plain.t)


def _changed(candidate: Candidate, plain: Stimulus) -> list[str]:
    return [f"a call changed {key}" for key in candidate.changed_since(plain.params)]
