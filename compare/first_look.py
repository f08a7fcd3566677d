"""What shows without torch: is the network callable, and consistent with itself?"""

from collections.abc import Iterator

import numpy as np

from compare.candidate import Candidate
from compare.gradient_check import GradientCheck, look_at_gradients
from compare.judgement import Judgement, judge_fact
from compare.stimuli import Stimuli, Stimulus
from compare.targets import find_forms

GIVEN = "the network as given"


def first_look(candidate: Candidate, targets: str | None = None) -> str:
    """Return what can be said of a network before torch is there; leave its parameters changed.

    Raises
    ------
    ValueError
        It cannot be called.
    """
    plain = stimuli_of(candidate, np.random.default_rng(0)).plain()
    candidate.write(plain.params)
    if candidate.found.remembers:
        candidate.write_running(plain.running)
    find_forms(candidate, plain, targets)
    candidate.see_normalization(plain.x, plain.t)
    shared = list(shared_arrays(candidate, plain))
    spoiled = dict.fromkeys([*candidate.spoiled, *_changed(candidate, plain)])
    said = [f"{judgement.name} {judgement.detail}" for judgement in shared] or [
        "no array is shared"
    ]
    said.append("; ".join(spoiled) or "no call changes what it is given")
    said.append(own_look(candidate, plain).text)
    return "; ".join(filter(None, said))


def stimuli_of(candidate: Candidate, rng: np.random.Generator) -> Stimuli:
    """Return what draws the stimuli for a network."""
    normalized = bool(candidate.found.normalization)
    return Stimuli(
        candidate.sizes, candidate.dtype, rng, normalized=normalized, absent=candidate.absent
    )


def shared_arrays(candidate: Candidate, plain: Stimulus) -> Iterator[Judgement]:
    """Yield a mistake for each two arrays that should be apart and are one."""
    for a, b in candidate.shared_params():
        detail = f"is the same array as {a}: training one changes the other"
        yield judge_fact("aliasing", b, GIVEN, False, detail)
    for a, b in candidate.shared_gradients(plain.x, plain.t):
        detail = f"is the array of {a} itself: an update in place would change it"
        yield judge_fact("aliasing", f"gradient {b}", GIVEN, False, detail)


def own_look(candidate: Candidate, plain: Stimulus) -> GradientCheck:
    """Hold the gradients against finite differences: not in float32, where rounding hides it, and
    not of a loss that may be that after training.
    """
    found = candidate.found
    if candidate.dtype != np.float64 or (found.has_modes and not found.can_switch):
        return GradientCheck(())
    return look_at_gradients(candidate, plain)


def _changed(candidate: Candidate, plain: Stimulus) -> list[str]:
    return [f"a call changed {key}" for key in candidate.changed_since(plain.params)]
