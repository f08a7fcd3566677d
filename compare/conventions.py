"""Other documented definitions of the same network, recognised by replaying them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from compare.judgement import Judgement, Verdict
from compare.reference import PYTORCH, Convention

Judge = Callable[[Convention, str | None], list[Judgement]]


class Entry(NamedTuple):
    """One row of the catalogue: how it reads in a report, where it shows, what it changes."""

    text: str
    probe: str
    change: dict[str, Any]


def _epsilons() -> list[Entry]:
    rows = []
    for exponent in (7, *(e for e in range(5, 17) if e != 7)):  # 1e-7 is the book's
        epsilon = float(f"1e-{exponent}")
        source = " as in the book" if exponent == 7 else ""
        for clips in (False, True):
            form = f"log(max(y, 1e-{exponent}))" if clips else f"log(y + 1e-{exponent})"
            for in_gradient in (False, True):
                side = "loss and gradient" if in_gradient else "the loss"
                change = {"epsilon": epsilon, "clips": clips, "epsilon_in_gradient": in_gradient}
                rows.append(Entry(f"{form} in {side}{source}", "loss", change))
    return rows


CATALOGUE: tuple[Entry, ...] = (
    Entry("ReLU'(0) is 1; PyTorch's is 0", "gradient", {"relu_at_zero": 1}),
    Entry("loss and gradient are sums over the batch, not means", "loss", {"mean": False}),
    Entry("weight decay is lambda sum(W^2), without the half", "loss", {"decay_factor": 1.0}),
    *_epsilons(),
)


def recognise(judge: Judge) -> tuple[list[Judgement], list[str]]:
    """Return the judgements under the conventions that the candidate follows, and their names.

    A convention is taken where replaying it in the reference makes some of what was off agree to
    rounding and nothing else worse. Of loss and gradient both must therefore follow it: what is a
    convention in both is a mistake in one.

    Parameters
    ----------
    judge : callable
        Takes a Convention and the name of a stimulus, or None for all; returns the judgements.
    """
    convention, names = PYTORCH, list[str]()
    judgements = judge(convention, None)
    while entry := _next(judge, convention, judgements):
        convention = replace(convention, **entry.change)
        judgements = judge(convention, None)
        names.append(entry.text)
    return judgements, names


def _next(judge: Judge, convention: Convention, judgements: list[Judgement]) -> Entry | None:
    """Return the first entry of the catalogue that explains something more."""
    off = _off(judgements)
    # Every convention is one of loss and gradient: it shows where the forward pass is right.
    spoilt = {where for where, probe, _ in off if probe == "forward"}
    for entry in CATALOGUE:
        trial = replace(convention, **entry.change)
        places = sorted(
            where for where, probe, _ in off if probe == entry.probe and where not in spoilt
        )
        if not places or trial == convention:
            continue
        here = {item for item in off if item[0] == places[0]}
        if _off(judge(trial, places[0])) < here and _off(judge(trial, None)) < off:
            return entry
    return None


def _off(judgements: list[Judgement]) -> set[tuple[str, str, str]]:
    """Return what is not SAME: stimulus, probe and quantity."""
    return {(j.where, j.probe, j.name) for j in judgements if j.verdict is not Verdict.SAME}
