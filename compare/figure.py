"""The figure of a run: the book's, with both stacks, and how far apart their gradients are."""

import io
from itertools import cycle
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from compare.judgement import Judgement, first_failing
from compare.optimiser import NAMES
from scratch import smooth_curve

if TYPE_CHECKING:
    from compare.run_report import InitReport, RunReport

COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999",
)  # fmt: skip  # a palette
"""Okabe and Ito 2008: told apart by colour-blind readers too."""

MARKERS = "osD^vP*X"
"""The book's o, s, D, then others."""

EVERY = 100
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.markersize": 5,
}


def extras_text(options: dict[str, Any]) -> str:
    """Return what the hidden layers have beside their activation, to be followed by more."""
    batchnorm = "BatchNorm, " if options["batchnorm"] else ""
    ratio = options["dropout"]
    return batchnorm + ("" if ratio is None else f"dropout {ratio:g}, ")


def draw_run(report: "RunReport") -> Figure:
    """Return the figure of a run; nothing global of matplotlib is touched."""
    with matplotlib.rc_context(matplotlib.rcParamsDefault), matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 5), dpi=200)
        figure.subplots_adjust(left=0.055, right=0.985, top=0.85, bottom=0.22, wspace=0.19)
        left, right = figure.subplots(1, 2)
        plot_losses(left, report)
        plot_errors(right, report)
        options = report.options
        figure.suptitle(
            f"{'-'.join(map(str, report.sizes))}, {options['activation']}, {extras_text(options)}"
            f"{NAMES[options['optimizer']]} lr {options['lr']:g}, "
            f"batches of {options['batch_size']}, {options['dtype']}, {options['device']}, "
            f"seed {options['seed']}\n{report.title}",
            fontsize=9, color="#444444",
        )  # fmt: skip  # the text, then its look
    return figure


def png(figure: Figure) -> bytes:
    """Return the figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def plot_losses(axes: Axes, report: "RunReport") -> Axes:
    """Draw the smoothed losses: scratch solid and filled, torch dashed and hollow."""
    distance = 0.0
    for init, colour, marker in _styled(report):
        marks: dict[str, Any] = {"marker": marker, "color": colour, "markeredgecolor": colour}
        axes.plot(
            smooth_curve(init.trace.scratch), "-", **marks | {"color": _pale(colour)},
            linewidth=3, markerfacecolor=colour, markevery=(0, EVERY),
            label=f"{init.label} scratch",
        )  # fmt: skip  # data, look, name
        axes.plot(
            smooth_curve(init.trace.torch), "--", **marks, linewidth=1.2,
            markevery=(EVERY // 2, EVERY), markerfacecolor="white", label=f"{init.label} torch",
        )  # fmt: skip  # as above; on top, so that the one below shows between the dashes
        distance = max(distance, _distance(init))
    axes.set(xlabel="step", ylabel="loss of the batch after the update, smoothed", ylim=(0, 2.5))
    axes.set_xlim(0, _last_step(report))
    ends = any(init.compared < len(init.trace.errors) for init in report.inits)
    until = " until x (right)" if ends else ""
    axes.set_title(f"Losses: the two differ by at most {distance:.1e}{until}", loc="left")
    handles = [
        Line2D([], [], color=colour, marker=marker, label=init.label)
        for init, colour, marker in _styled(report)
    ]
    grey: dict[str, Any] = {"color": "#555555", "markeredgecolor": "#555555", "marker": "o"}
    scratch = grey | {"color": _pale("#555555"), "markerfacecolor": "#555555"}
    handles.append(Line2D([], [], linewidth=3, label=_name(report), **scratch))
    torch = grey | {"linestyle": "--", "markerfacecolor": "white"}
    handles.append(Line2D([], [], label="torch", **torch))
    _legend_below(axes, handles, columns=max(3, (len(handles) + 2) // 3))
    return axes


def plot_errors(axes: Axes, report: "RunReport") -> Axes:
    """Draw the free run's worst gradient error of each step, and what was judged and allowed."""
    for number, (init, colour, marker) in enumerate(_styled(report)):
        errors = np.array([error if error else np.nan for error in init.trace.errors])
        steps, end = np.arange(len(errors)), init.compared
        axes.plot(
            steps[:end], errors[:end], color=colour, linewidth=0.7, alpha=0.75,
            label=f"{init.label} free run",
        )  # fmt: skip  # data, then look
        axes.plot(steps[end:], errors[end:], color=colour, linewidth=0.5, alpha=0.25)
        if end < len(errors):
            axes.plot([end], errors[end : end + 1], "x", color=colour, markersize=9, mew=2)
        judged = sorted(init.points)
        points = [init.points[step] for step in judged]
        axes.plot(
            judged, [p.relative_allowed or np.nan for p in points], ":", color=colour,
            marker="_", linewidth=1.6, label=f"{init.label} allowed",
        )  # fmt: skip  # data, then look
        axes.plot(
            judged, [p.relative_error or np.nan for p in points], marker, color=colour,
            linestyle="none", markeredgecolor="white", markersize=6, clip_on=False,
            label=f"{init.label} judged",
        )  # fmt: skip  # data, then look
        if first := first_failing(init.failing):
            _mark_failure(axes, number, init.label, first, colour)
    axes.set_yscale("log")
    axes.set(xlabel="step", ylabel="relative error of the worst gradient")
    axes.set_xlim(0, _last_step(report))
    allowed = ", and what is allowed" if any(init.points for init in report.inits) else ""
    axes.set_title(f"Gradients: distance between the two{allowed}", loc="left")
    _legend_below(axes, _error_handles(report), columns=2)
    return axes


def _name(report: "RunReport") -> str:
    return "scratch (numpy)" if report.subject == "scratch" else f"{report.subject} (yours)"


def _pale(colour: str) -> tuple[float, float, float, float]:
    return to_rgba(colour, 0.5)


def _legend_below(axes: Axes, handles: list[Line2D], columns: int) -> None:
    """Put the legend below the axes, where no trajectory can run into it."""
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(-0.02, -0.13), ncols=columns,
        columnspacing=1.2,
    )  # fmt: skip  # where, then how


def _mark_failure(axes: Axes, number: int, label: str, first: Judgement, colour: str) -> None:
    """Mark the step, and say what is wrong there; one below the other, as they may coincide."""
    step = int(first.where.removeprefix("step ")) if first.where.startswith("step ") else 0
    axes.axvline(step, color=colour, linewidth=1)
    axes.annotate(
        f"{label}: {first.quantity}\nfirst wrong at {first.where}", (step, 0.75 - 0.1 * number),
        xycoords=("data", "axes fraction"), xytext=(6, 0), textcoords="offset points",
        color=colour, fontsize=9,
    )  # fmt: skip  # what, where, look


def _error_handles(report: "RunReport") -> list[Line2D]:
    grey = "#555555"
    handles = [Line2D([], [], color=grey, linewidth=0.8, label="free run, own state each")]
    if any(init.points for init in report.inits):
        handles += [
            Line2D([], [], color=grey, marker="o", linestyle="none", label="judged, same state"),
            Line2D(
                [], [], color=grey, linestyle=":", marker="_", linewidth=1.6,
                label="allowed by rounding",
            ),
        ]  # fmt: skip  # as above
    if any(init.compared < len(init.trace.errors) for init in report.inits):
        flips = any(init.trace.flip is not None for init in report.inits)
        label = "ReLU flip: inconclusive" if flips else "inconclusive from here"
        cross = Line2D([], [], color=grey, marker="x", linestyle="none", mew=2, label=label)
        handles.append(cross)
    return handles


def _styled(report: "RunReport") -> list[tuple["InitReport", str, str]]:
    return list(zip(report.inits, cycle(COLOURS), cycle(MARKERS), strict=False))


def _distance(init: "InitReport") -> float:
    """Largest difference of the losses, as far as the free run is compared."""
    difference = np.abs(np.subtract(init.trace.scratch, init.trace.torch))[: init.compared]
    return float(np.nanmax(difference, initial=0.0))


def _last_step(report: "RunReport") -> int:
    return max(len(init.trace.scratch) for init in report.inits)
