"""How a run is worded: a table of 80 columns, then what the free run and the verdict say."""

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from compare.cause_wording import diagnosis_text, language
from compare.judgement import Judgement, Verdict, first_failing
from compare.wording import divergence_text, paragraph, place_text

if TYPE_CHECKING:
    from compare.run_report import InitReport, RunReport


LAST = 100
"""Steps over which the closing loss is averaged."""


def run_text(report: "RunReport", lang: str | None = None) -> str:
    """Return the text that closes a run; causes in `lang`, else by the locale."""
    ours = "scratch" if report.subject == "scratch" else "yours"
    width = max(8, *(len(init.label) for init in report.inits)) + 1
    last = min(LAST, len(report.inits[0].trace.scratch))
    lines = [
        "",
        f"{f'mean loss of the last {last}':>{width + 17}}   worst judged",
        f"{'init':<{width}}{ours:>8}{'torch':>9}{'error':>9}{'allowed':>9}  {'judged':<10}"
        f"{'verdict':<9} worst at",
        *(_row(init, width) for init in report.inits),
        "",
    ]
    for init in report.inits:
        lines += paragraph(f"{init.label:<{width}} {free_run_text(init)}", hang=width + 1)
    lines += ["", *_units(report), ""]
    for init in report.inits:
        if first := first_failing(init.failing):
            lines += [
                f"{init.label}:",
                *([*diagnosis_text(init.diagnosis, language(lang)), ""] if init.diagnosis else []),
                *divergence_text(
                    first,
                    init.failing,
                    place_text(first, init.failing, len(report.sizes) - 1),
                ),
            ]
            lines.append("")
    lines += paragraph(f"{report.verdict}  {_sentence(report)}")
    return "\n".join(lines)


def closest(init: "InitReport") -> Judgement | None:
    """Return what came closest to its allowed error; an update only if it failed.

    A correct update comes close to its bound, which is half an ulp, in every run.
    """
    if first := first_failing(init.failing):
        return first
    probes = ("forward", "loss", "gradient")
    judged = [j for j in init.worst.values() if j.probe in probes and j.has_power and not j.stack]
    return max(judged, key=lambda j: j.score, default=None)


def free_run_text(init: "InitReport") -> str:
    """Return what the free run says, each stack at its own parameters."""
    trace, steps = init.trace, len(init.trace.errors)
    lost = np.flatnonzero(~np.isfinite(trace.scratch) | ~np.isfinite(trace.torch))
    if lost.size:
        return f"a loss is not finite from step {lost[0]} on: nothing after it can be judged"
    worst = max(trace.errors[: init.compared], default=0.0)
    losses = np.abs(np.subtract(trace.scratch, trace.torch))[: init.compared]
    within = f"gradients within {worst:.1e}, losses {losses.max(initial=0.0):.1e}"
    if init.failing:
        return f"free run: {within}, all {steps} steps"
    if trace.flip is not None:
        return (
            f"free run: {within}, up to step {trace.flip}: there a ReLU takes the other side, and "
            "the free run is inconclusive from then on"
        )
    if trace.apart is not None:
        return (
            f"free run: {within}, up to step {trace.apart}: there it stands out from one step's "
            "rounding, and is inconclusive from then on; --judge every settles it"
        )
    return f"free run: {within}, all {steps} steps"


def _row(init: "InitReport", width: int) -> str:
    scratch, torch = init.closing_losses
    worst = closest(init)
    steps = len(init.trace.scratch)
    at, error, allowed = "-", "-", "-"
    if worst:
        at, error, allowed = (
            _short(worst), f"{worst.relative_error:.1e}", f"{worst.relative_allowed:.1e}"
        )  # fmt: skip  # three names, three values
    return (
        f"{init.label:<{width}}{loss_text(scratch):>8}{loss_text(torch):>9}{error:>9}{allowed:>9}  "
        f"{f'{len(init.points)}/{steps}':<10}{init.verdict:<9} {at}"
    )


def loss_text(loss: float) -> str:
    """Return five decimals, or an exponent where that would break a table."""
    return f"{loss:.5f}" if abs(loss) < 10 else f"{loss:.1e}"


def _short(judgement: Judgement) -> str:
    """Return 'W1 @30' for the gradient of W1 in step 30."""
    name = judgement.quantity.removeprefix("gradient ").removeprefix("aliasing ")
    if judgement.stack:
        name = f"{judgement.stack} {judgement.name}"
    step = re.match(r"step (\d+)", judgement.where)
    return f"{name} @{step[1]}" if step else name


def _units(report: "RunReport") -> list[str]:
    """Return how many distinct units each layer has; equal ones learn the same for ever."""
    sizes = report.sizes[1:]
    collapsed = [init for init in report.inits if tuple(init.units) != sizes]
    if not collapsed:
        return ["distinct units: all, in every layer"]
    shape = " ".join(map(str, sizes))
    return [
        f"{init.label}: {' '.join(map(str, init.units))} distinct units of {shape}; "
        "equal ones learn the same"
        for init in collapsed
    ]


def _sentence(report: "RunReport") -> str:
    if report.verdict is Verdict.SAME:
        error = max(init.largest for init in report.inits)
        seen = [
            init.sees[quantity]
            for init in report.inits
            for quantity in init.sees
            if quantity.startswith("gradient")
        ]
        sees = max(seen, default=math.inf)
        if not all(np.isfinite(init.trace.scratch).all() for init in report.inits):
            return (
                f"Both stacks compute the same as long as they are finite: all gradients agree to "
                f"{error:.0e}."
            )
        return (
            f"Both stacks compute the same: judged from the same state, all gradients agree to "
            f"{error:.0e}. A mistake of {sees:.0e} in any of them, made at every step, would have "
            "been seen."
        )
    if report.verdict is Verdict.INCONCLUSIVE:
        if report.options["judge"] == "none":
            return "Nothing was judged, as --judge none asks."
        return "Nothing could be judged in some init: the reference is not finite there."
    return "The two stacks do not compute the same."
