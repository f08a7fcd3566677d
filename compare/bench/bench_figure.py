"""The bar chart of `netparity bench`."""

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from compare.bench.job_bench import BOTH, CEILING, JobBench
from compare.bench.rounds import spread
from compare.figure import COLOURS, STYLE

SCRATCH, TORCH, GREY = COLOURS[0], COLOURS[1], "#555555"


def draw_job(bench: JobBench) -> Figure:
    """Return the figure: seconds of each contender by the clock, and of all its threads."""
    names = [name for name in bench.timings if not name.startswith("products")]
    with matplotlib.rc_context(matplotlib.rcParamsDefault), matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 4.2), dpi=200)
        figure.subplots_adjust(left=0.17, right=0.97, top=0.86, bottom=0.2)
        axes = figure.subplots()
        axes.grid(axis="y", visible=False)
        farthest = 0.0
        for row, name in enumerate(names):
            colour = _colour(name)
            wall, cpu = spread(bench.timings[name].wall), spread(bench.timings[name].cpu)
            for seconds, at, filled in ((wall, row - 0.19, True), (cpu, row + 0.19, False)):
                axes.barh(
                    at, seconds.median, height=0.36, edgecolor=colour, linewidth=1,
                    color=colour if filled else "white",
                    xerr=[[seconds.median - seconds.least], [seconds.most - seconds.median]],
                    error_kw={"ecolor": "black", "elinewidth": 0.8, "capsize": 2},
                )  # fmt: skip  # the bar, its look, its range
                axes.text(seconds.most, at, f"  {seconds.median:.2f}", va="center", fontsize=8)
                farthest = max(farthest, seconds.most)
        for stack, colour in (("numpy", SCRATCH), ("torch", TORCH)):
            least = spread(bench.timings[f"products, {stack}"].wall).median
            axes.axvline(least, color=colour, linestyle="--", linewidth=1)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set(xlabel="seconds", xlim=(0, farthest * 1.1))
        axes.tick_params(axis="y", length=0)
        figure.legend(
            handles=[
                Patch(color=GREY, label="by the clock"),
                Patch(facecolor="white", edgecolor=GREY, label="CPU, all threads"),
                *(
                    Line2D([], [], color=c, linestyle="--", label=text)
                    for c, text in (
                        (SCRATCH, "its matrix products alone, numpy"),
                        (TORCH, "the same, torch"),
                    )
                ),
            ],
            loc="lower center", ncols=4, fontsize=8,
        )  # fmt: skip  # what, where
        rounds = len(bench.timings["run"].wall)
        figure.suptitle(
            f"{bench.network}\n{rounds} interleaved rounds, one thread each; median, range",
            fontsize=9, color="#444444",
        )  # fmt: skip  # the text, then its look
    return figure


def _colour(name: str) -> str:
    if name in BOTH:
        return GREY
    return TORCH if name in CEILING else SCRATCH
