"""The three figures of `netparity inits`: numpy filled or wide, torch outlined or dashed."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from compare.figure import COLOURS, STYLE
from compare.inits import DEPTH, RULES, Spread, Watched

BINS = 30
GREY = "#555555"


def draw_units(watched: Sequence[Watched], sentence: str) -> Figure:
    """Draw how many units of the hidden layers differ, over the steps."""

    def draw(figure: Figure) -> None:
        shown = [w for w in watched if w.label in ("zero", "constant", "he")]
        for axes, seen in zip(figure.subplots(1, 3, sharey=True), shown, strict=True):
            for layer in range(4):
                numpy, torch = (np.array(stack)[:, layer] for stack in seen.units)
                style: dict[str, Any] = {"color": COLOURS[layer], "label": f"layer {layer + 1}"}
                axes.plot(numpy, linewidth=7 - 1.5 * layer, alpha=0.5, **style)
                axes.plot(torch, "--", linewidth=1.2, color=COLOURS[layer])
            axes.set(title=seen.label, xlabel="step", yscale="log", ylim=(0.8, 130))
            axes.set_yticks([1, 10, 100], ["1", "10", "100"])
        figure.axes[0].set_ylabel("units that differ, of 100")
        _legend(
            figure, [Line2D([], [], color=COLOURS[i], label=f"layer {i + 1}") for i in range(4)]
        )

    return _figure((10, 4), draw, sentence)


def draw_gradients(watched: Sequence[Watched], sentence: str) -> Figure:
    """Draw the size of the gradient of each layer, at both ends of the training and over it."""

    def draw(figure: Figure) -> None:
        depth, steps = figure.subplots(1, 2)
        shown = [w for w in watched if w.label in RULES]
        for colour, seen in zip(COLOURS, shown, strict=False):
            numpy, torch = (np.array(stack) for stack in seen.sizes)
            layers = np.arange(1, numpy.shape[1] + 1)
            for step, marker in ((0, "o"), (-1, "s")):
                look: dict[str, Any] = {"color": colour, "marker": marker}
                depth.plot(layers, numpy[step], alpha=0.5, linewidth=3, **look)
                depth.plot(layers, torch[step], "--", linewidth=1.2, mfc="white", **look)
            steps.plot(numpy[:, 0], color=colour, alpha=0.5, linewidth=3)
            steps.plot(torch[:, 0], "--", color=colour, linewidth=1)
        ends = f"o at step 0, squares at step {len(shown[0].sizes[0]) - 1}"
        depth.set(yscale="log", xlabel="layer", title=f"Each layer: {ends}", xticks=layers)
        steps.set(yscale="log", xlabel="step", title="Layer 1, over the steps")
        depth.set_ylabel("root mean square of dW")
        _legend(figure, [Line2D([], [], color=c, label=w.label)
                         for c, w in zip(COLOURS, shown, strict=False)])  # fmt: skip  # a list

    return _figure((10, 4.5), draw, sentence)


def draw_activations(spreads: Sequence[Spread], sentence: str) -> Figure:
    """Draw histograms of what each layer puts out: a row an activation, a column an init."""

    def draw(figure: Figure) -> None:
        figure.subplots_adjust(left=0.035, right=0.995, top=0.84, bottom=0.13)
        grid = figure.add_gridspec(3, len(RULES), hspace=0.3, wspace=0.06)
        places = [grid[row, column] for row in range(3) for column in range(len(RULES))]
        for place, seen in zip(places, spreads, strict=True):
            (panel,) = place.subgridspec(1, DEPTH, wspace=0.1).subplots(squeeze=False)
            for layer, axes in enumerate(panel):
                _histogram(axes, seen, layer)
                if seen.activation == "sigmoid":
                    first = f"{seen.label}\nlayer 1" if layer == 0 else str(layer + 1)
                    axes.set_title(first, fontsize=8, loc="left")
            if seen.label == "std=1":
                panel[0].set_ylabel(seen.activation, fontsize=9)
        stacks = [
            Patch(color=COLOURS[4], label="scratch (numpy)"),
            Patch(fill=False, edgecolor=COLOURS[6], linewidth=0.6, label="torch"),
        ]
        figure.legend(handles=stacks, loc="upper center", ncols=2)

    return _figure((13, 5.5), draw, sentence)


def _histogram(axes: Axes, seen: Spread, layer: int) -> None:
    """Draw what one layer puts out; of relu, the many zeros are cut off at the top."""
    low, high = {"sigmoid": (0, 1), "tanh": (-1, 1), "relu": (0, 3)}[seen.activation]
    edges = np.linspace(low, high, BINS + 1)
    numpy, torch = (
        np.histogram(np.clip(stack[layer], low, high), edges)[0] for stack in seen.outputs
    )
    axes.stairs(numpy, edges, fill=True, color=COLOURS[4])
    axes.stairs(torch, edges, color=COLOURS[6], linewidth=0.6)
    axes.set(xticks=[low, high], xticklabels=[], yticks=[], xlim=(low, high))
    if seen.activation == "relu":
        axes.set_ylim(0, seen.outputs[0][layer].size / 15)
    if layer == 0:
        axes.set_xticklabels([str(low), f"{high}{'+' * (seen.activation == 'relu')}"])
    axes.tick_params(labelsize=7, length=2, pad=1)
    axes.grid(visible=False)


def _figure(size: tuple[float, float], draw: Callable[[Figure], None], sentence: str) -> Figure:
    """Return a figure with its line of explanation; nothing global of matplotlib is touched."""
    with matplotlib.rc_context(matplotlib.rcParamsDefault), matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, dpi=160)
        figure.subplots_adjust(left=0.07, right=0.985, top=0.84, bottom=0.2, wspace=0.15)
        draw(figure)
        figure.text(0.5, 0.02, sentence, ha="center", fontsize=9, color="#444444")
    return figure


def _legend(figure: Figure, handles: list[Line2D]) -> None:
    """Put the legend above all axes, with what each stack looks like."""
    stacks = [
        Line2D([], [], color=GREY, linewidth=3, alpha=0.5, label="scratch (numpy)"),
        Line2D([], [], color=GREY, linestyle="--", label="torch"),
    ]
    figure.legend(handles=[*handles, *stacks], loc="upper center", ncols=len(handles) + 2)
