"""Measures what docs/chapter.md says; part of `make power`.

How far scratch is from torch with each optimiser, weight decay, BatchNorm and Dropout, which
planted mistakes in them are seen, and how often correct code is called wrong.

- Errors: 784-50-50-50-10, relu, He, batches of 32 of the embedded digits, 500 float64 steps, each
  judged from its own state. Gradients: norm of the error by norm of the gradient, the worst of
  those in which a mistake of their size would be seen. Updates and what is remembered (of the
  optimiser, and running statistics): the worst element by what is allowed for it.
- Mistakes: those of the tests, in optimisers and layers as readers write them, and around runs.
- False alarms: runs of 12 steps, all judged, with depth, widths, activation, init, batch, learning
  rate and weight decay drawn at random.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import test_check_extended as extended
import test_extend
import test_optimizer_check
import test_optimizers
import test_run_extend
from compare import check_network
from compare.judgement import Verdict, first_failing
from compare.optimiser import NAMES
from compare.options import parse_options
from compare.run import experiment
from compare.run_report import collect
from compare.threads import one_thread_each
from detection import found
from planted_bugs.around import EXTENDED
from power import measured_with, row
from sweep import digits_data
from tasks import Task
from test_run_bugs import run

OUT = Path(__file__).parents[1] / "docs" / "chapter.md"
DTYPES = {"float64": np.float64, "float32": np.float32}
RUNS = 100
ROWS = {
    **{title: ["--optimizer", name] for name, title in NAMES.items()},
    "weight decay": ["--weight-decay", "0.01"],
    "BatchNorm": ["--batchnorm"],
    "Dropout": ["--dropout", "0.3"],
    "BatchNorm and Dropout, Adam": ["--batchnorm", "--dropout", "0.3", "--optimizer", "adam"],
}


def errors(title: str) -> list[str]:
    """Return the cells of 500 steps: gradient, update, state."""
    options = parse_options(
        ["--steps", "500", "--batch-size", "32", "--hidden", "50", "50", "50", "--init", "he",
         "--judge", "every", *ROWS[title]]
    )  # fmt: skip  # a command line
    data = digits_data("float64")
    with one_thread_each():
        trials = experiment(options, data, lambda *_: None)
    (init,) = collect(options, data, trials, {}).inits
    assert init.verdict is Verdict.SAME, title
    scores = {
        probe: [j.score for j in init.worst.values() if j.probe == probe and not j.stack]
        for probe in ("update", "state")
    }
    cells = [f"{init.largest:.1e}", f"{max(scores['update']):.2f} of allowed"]
    return [*cells, f"{max(scores['state']):.2f} of allowed" if scores["state"] else "none"]


def mistakes(title: str, dtype: str) -> Iterator[bool]:
    """Yield of each planted mistake whether it is seen; none that are no mistake in this dtype."""
    kind: Any = DTYPES[dtype]
    for bug in test_optimizers.BUGS:
        form = test_optimizers.FORMS[bug.options["form"]]
        about = "weight decay" if form.weight_decay else NAMES[form.name]
        if about == title and not (bug.name == "lr in float32" and dtype == "float32"):
            yield test_optimizers.seen(bug, kind) is not None
    for bug in test_optimizer_check.MISTAKES:
        mine = NAMES[test_optimizer_check.RIGHT[bug.within][0]] == title
        if mine and not ("np.float32" in bug.new and dtype == "float32"):
            report = test_optimizer_check.judged(bug, kind)
            yield report.verdict is not Verdict.SAME
    if title == "weight decay":
        from bugs import BUGS

        for planted in (bug for bug in BUGS if bug.decay):
            ((_, seen),) = found(planted, dtype, (1.0,))
            yield seen["netparity"]
    if title == "BatchNorm":
        for plant in test_extend.BATCHNORM:
            if (plant.name, dtype) != ("float32 variance", "float32"):  # the same there
                yield test_extend.seen(plant, kind) is not None
        for wrong in extended.NORMALIZATIONS:
            net = extended.wrong_norm(wrong, dtype=kind)
            yield check_network(net).verdict is Verdict.DIFFERENT
    if title == "Dropout":
        for name in test_extend.DROPOUT:
            yield test_extend.seen_dropout(name, kind) is not None
        for wrong in extended.DROPOUTS:
            net = extended.wrong_dropout(wrong, dtype=kind)
            yield check_network(net).verdict is Verdict.DIFFERENT
    for bug in EXTENDED:
        words = bug.options["words"]
        if {"--batchnorm": "BatchNorm", "--dropout": "Dropout"}[words[0]] == title:
            yield test_run_extend.seen(bug, (*words, "--dtype", dtype)) is not None


def alarm(title: str, dtype: str, seed: int) -> list[int]:
    """Return whether something is called wrong in a run of correct code, and the judged steps."""
    rng = np.random.default_rng([seed, [*ROWS].index(title), dtype == "float32"])
    hidden = rng.integers(2, 60, size=rng.integers(1, 5))
    with one_thread_each():
        report = run(
            "--seed", str(seed), "--dtype", dtype, "--judge", "every",
            "--hidden", *map(str, hidden), "--batch-size", str(rng.choice([2, 7, 32, 100])),
            "--activation", str(rng.choice(["relu", "sigmoid", "tanh"])),
            "--init", str(rng.choice(["he", "xavier", "0.01", "1"])),
            "--lr", str(10 ** rng.uniform(-3, -0.5)),
            "--weight-decay", str(rng.choice([0, 0.01])),
            "--optimizer", str(rng.choice([*NAMES])),
            *ROWS[title],  # which override what is drawn
            data=digits_data(dtype),
        )  # fmt: skip  # a command line
    (init,) = report.inits
    return [int(first_failing(init.failing) is not None), len(init.points)]


def seen_of(title: str, dtype: str) -> list[bool]:
    """Return of each planted mistake whether it is seen."""
    with one_thread_each():
        return [*mistakes(title, dtype)]


def tasks(runs: int) -> list[Task]:
    """Return what is to be measured."""
    both = [(title, dtype) for title in ROWS for dtype in DTYPES]
    return [
        *(Task(f"chapter/errors/{title}", "chapter.errors", (title,)) for title in ROWS),
        *(Task(f"chapter/mistakes/{t}/{d}", "chapter.seen_of", (t, d)) for t, d in both),
        *(
            Task(f"chapter/alarms/{t}/{d}/{seed}", "chapter.alarm", (t, d, seed))
            for t, d in both
            for seed in range(runs)
        ),
    ]


def of_dtype(results: dict[str, Any], title: str, dtype: str) -> list[str]:
    """Return the cells of mistakes and false alarms."""
    seen = results[f"chapter/mistakes/{title}/{dtype}"]
    start = f"chapter/alarms/{title}/{dtype}/"
    runs = [value for key, value in results.items() if key.startswith(start)]
    wrong, steps = (sum(column) for column in zip(*runs, strict=True))
    planted = f"{sum(seen)} of {len(seen)}" if seen else "in the rows above"
    return [planted, f"{wrong} of {len(runs)} ({steps:,} steps)"]


def document(results: dict[str, Any]) -> str:
    """Return docs/chapter.md."""
    first = [row([t, *results[f"chapter/errors/{t}"]]) for t in ROWS]
    second = [row([t, *(c for d in DTYPES for c in of_dtype(results, t, d))]) for t in ROWS]
    head = ["", "worst gradient error", "worst update", "worst of what is remembered"]
    seen = [
        "",
        *(f"{what}, {dtype}" for dtype in DTYPES for what in ("mistakes seen", "false alarms")),
    ]
    lines = [
        "# The chapter around the experiment", "", *(__doc__ or "").splitlines()[2:], "",
        "## scratch against torch, 500 steps", "", row(head), row(["---"] * len(head)), *first, "",
        "## What is seen, and what is called wrong", "", row(seen), row(["---"] * len(seen)),
        *second, "", f"Measured with {measured_with()}.", "",
    ]  # fmt: skip  # a page
    return "\n".join(lines)
