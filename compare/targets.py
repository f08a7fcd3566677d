"""In which form a network takes its targets: labels, one-hot, or both.

Many networks run with either form and mean only one: `y - t` broadcasts, a loop over the rows takes
a label for a row. A form is meant where it says what the other says, in the loss or in the
direction of a gradient; where the two have nothing in common, the one is meant whose loss is that
of what `predict` returns, and whose gradients are the derivative of it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.candidate import LABELS, ONE_HOT, Candidate
from compare.gradient_check import look_at_gradients
from compare.stimuli import Stimulus
from compare.user_frame import CandidateError, account

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Forms:
    """What was found of a network's targets.

    Attributes
    ----------
    taken : str
        The form that it is judged with.
    beside : str
        Another one that it takes as well, and is judged with, too; or empty.
    apart : str
        Another one with which it runs and that says something else; or empty.
    """

    taken: str
    beside: str = ""
    apart: str = ""

    @property
    def text(self) -> str:
        """What is to be said of it."""
        return f"targets as {self.taken}{f', and as {self.beside}' * bool(self.beside)}"

    @property
    def not_exercised(self) -> tuple[str, ...]:
        """The form that runs and is not judged, as a report names it."""
        said = f"targets as {self.apart} (which run, too, and give another loss)"
        return (said,) if self.apart else ()


def find_forms(
    candidate: Candidate, plain: Stimulus, asked: str | None = None, first: str = LABELS
) -> Forms:
    """Return which forms a network takes, and leave it with the one that it is judged with.

    Parameters
    ----------
    candidate, plain
        The network, which has the parameters of the plain stimulus.
    asked : {'labels', 'one-hot'} or None
        The form that was declared.
    first : {'labels', 'one-hot'}
        The form that goes first where both are meant: that of a batch that was passed.

    Raises
    ------
    ValueError
        It raises for labels and for one-hot targets.
    """
    failures: list[CandidateError] = []
    answers: dict[str, dict[str, Any]] = {}
    both = (first, *({LABELS, ONE_HOT} - {first}))
    after_loss: dict[str, bool] = {}
    for form in (asked,) if asked else both:
        candidate.write(plain.params)
        try:
            answers[form] = _called(candidate, plain, form)
            after_loss[form] = candidate.after_loss
        except CandidateError as error:
            failures.append(error)
        except (Exception, SystemExit) as error:
            failures.append(CandidateError(account(error)))
    candidate.write(plain.params)  # which a call that broke off may have left changed
    if not answers:
        candidate.targets = asked or LABELS
        first_one, last = failures[0], failures[-1]
        text = str(first_one)
        text += f"; with {both[1]} t, {last}" if last.text != first_one.text else ""
        raise ValueError(f"{candidate.name} fails: {text}") from first_one
    taken, *others = answers
    found = Forms(taken)
    if others:
        (other,) = others
        if _alike(answers[taken], answers[other], candidate.sizes[-1]):
            found = Forms(taken, beside=other)
        else:
            distance = {form: _disagreement(candidate, plain, form) for form in answers}
            taken, other = sorted(answers, key=lambda form: distance[form])
            found = Forms(taken, apart=other)
    candidate.targets, candidate.after_loss = found.taken, after_loss[found.taken]
    return found


def _called(candidate: Candidate, plain: Stimulus, form: str) -> dict[str, Any]:
    """Return loss and gradients; a gradient that cannot be had alone is asked for after a loss."""
    candidate.targets, candidate.after_loss = form, form in candidate.asked_after_loss
    try:
        grads = candidate.gradient(plain.x, plain.t)
    except (Exception, SystemExit) as error:
        candidate.write(plain.params)
        candidate.after_loss = True
        try:
            grads = candidate.gradient(plain.x, plain.t)
        except (Exception, SystemExit):
            raise error from None
        candidate.asked_after_loss.add(form)
    loss = candidate.loss(plain.x, plain.t)
    candidate.outputs(plain.x)
    return {"loss": loss, **grads}


def _alike(one: dict[str, Any], other: dict[str, Any], classes: int) -> bool:
    """Whether both say the same targets: in the loss, or in the direction of all gradients of W.

    Of two classes the gradients by both logits are opposite whatever the targets are, and their
    direction says little. Rounding and another function are told apart halfway between them, at
    sqrt(u).
    """
    nearly = float(np.finfo(np.float32).eps)
    with np.errstate(all="ignore"):
        if abs(float(one["loss"] - other["loss"])) <= nearly * abs(float(one["loss"])):
            return True
        if classes == 2:
            return False
        weights = [(np.ravel(one[key]), np.ravel(other[key])) for key in one if key[0] == "W"]
        if any(a.shape != b.shape for a, b in weights):
            return False
        a, b = (np.concatenate(side) for side in zip(*weights, strict=True))
        return abs(float(a @ b)) >= (1 - nearly) * float(np.linalg.norm(a) * np.linalg.norm(b)) > 0


def _disagreement(candidate: Candidate, plain: Stimulus, form: str) -> float:
    """Return how far loss and gradients are from what they should be with this form, 0 to 3."""
    candidate.targets = form
    off = look_at_gradients(candidate, plain).disagreement
    predicted = candidate.outputs(plain.x).get("logits")
    if predicted is None:
        return off
    loss = candidate.loss(plain.x, plain.t)
    with np.errstate(all="ignore"):
        rows = np.arange(len(plain.t))
        shifted = predicted - predicted.max(axis=1, keepdims=True)
        log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        costs = [-log_y[rows, plain.t], -np.log(np.abs(predicted[rows, plain.t]))]
        sizes = [value for cost in costs for value in (cost.mean(), cost.sum())]
        apart = [abs(loss - size) / max(abs(loss), abs(size)) for size in sizes]
    return off + min((a for a in apart if np.isfinite(a)), default=1.0)
