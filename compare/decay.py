"""Weight decay under a name of its own, found in loss and gradient alike."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.conventions import catalogue
from compare.evaluation import Convention
from compare.judge import judge_values
from compare.judgement import Verdict
from compare.reference import Reference
from compare.rules import Derived
from compare.stimuli import Stimulus

DIGITS = 6
"""Of the decimal that lambda is taken for, where it is one."""


def found_decay(
    actual: Mapping[str, Any],
    plain: Stimulus,
    reference_of: Callable[[float], Reference],
    convention: Convention,
    dtype: Any,
) -> float:
    """Return lambda, where the gradient of a W has lambda W in it and the loss lambda / 2 sum W^2.

    Both to rounding, the loss under whichever convention it follows. In one of the two alone it is
    a mistake, and none is found: 0.

    Parameters
    ----------
    actual : mapping
        Loss and gradients that the network gave on the plain stimulus.
    plain : Stimulus
        Its parameters and batch.
    reference_of : callable
        Makes the reference with a lambda.
    convention : Convention
        Under which the forward pass is right.
    dtype
        Of the network.
    """
    given = plain.params, plain.x, plain.t
    e = reference_of(0.0).evaluate(*given, convention)
    conventions = [
        convention,
        *(replace(convention, **entry.change) for entry in catalogue() if entry.probe == "loss"),
    ]

    def agrees(decay: float, names: list[str]) -> bool:
        reference = reference_of(decay)
        right = reference.evaluate(*given, convention)
        judged = judge_values(
            {name: actual[name] for name in names}, right, Derived(right, dtype), plain.name
        )
        return all(j.verdict is Verdict.SAME for j in judged) and any(
            _loss_agrees(actual["loss"], reference, plain, other, dtype) for other in conventions
        )

    for name, W in plain.params.items():
        if name[0] != "W" or name not in actual or np.shape(actual[name]) != W.shape:
            continue
        decay = _multiple(np.asarray(actual[name]) - e.grads[name], W)
        if decay > 0 and not agrees(0.0, [name]) and agrees(decay, [name]):
            return decay
    return 0.0


def _multiple(added: NDArray[Any], W: NDArray[Any]) -> float:
    """Return k of the k W that `added` is nearest to, as the decimal that is meant; 0 if none."""
    with np.errstate(all="ignore"):
        W = np.asarray(W, np.float64)
        k = float(np.vdot(added, W) / np.vdot(W, W))
    if not math.isfinite(k):
        return 0.0
    short = float(f"{k:.{DIGITS}g}")
    return short if math.isclose(short, k, rel_tol=10.0**-DIGITS) else k


def _loss_agrees(
    loss: float, reference: Reference, plain: Stimulus, convention: Convention, dtype: Any
) -> bool:
    given = plain.params, plain.x, plain.t
    e = reference.evaluate(*given, convention, gradients=False)
    (judged,) = judge_values({"loss": loss}, e, Derived(e, dtype), plain.name)
    return judged.verdict is Verdict.SAME
