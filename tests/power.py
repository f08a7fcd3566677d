"""make power: what the judge sees, and other tools beside it, all on the same data.

Writes docs/power.md:

1. false alarms, on correct networks that compute the same otherwise, with several kernels;
2. planted bugs (tests/bugs.py), diluted: values = right + strength (wrong - right);
3. the smallest change that is seen.

A diluted bug is visible if some value changes by more than the worst that correct code has been
measured to be off (tests/calibration.json), in units of what is to be expected of rounding. The
place is right if what is called off first is what changes first.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import sweep
from bugs import BUGS
from compare.environment import environment
from compare.judge import judge_values
from compare.threads import one_thread_each
from detection import CHANGES, DTYPES, OURS, flagged, found, in_dtype, places, smallest, smallest_lr
from others import OTHERS
from tasks import KERNELS, Task

OUT = Path(__file__).parents[1] / "docs" / "power.md"
STRENGTHS = {
    "float64": (1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12),
    "float32": (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
}
RUNS, FIRST_SEED = 84, 500_000
BY_NAME = {bug.name: bug for bug in BUGS}
LR = "learning rate, by the update"
Results = dict[str, Any]


def tasks(runs: int) -> list[Task]:
    """Return what is to be measured; each kernel has seeds of its own."""
    alarms = [
        Task(
            f"power/alarms/{kernel}/{i}", "power.alarms", (FIRST_SEED + number * runs + i,), kernel
        )
        for number, kernel in enumerate(KERNELS)
        for i in range(runs)
    ]
    bugs = [
        Task(f"power/bugs/{dtype}/{name}", "power.seen", (name, dtype))
        for dtype in DTYPES
        for name in BY_NAME
    ]
    smallest_of = [
        Task(f"power/smallest/{name}", "power.smallest_of", (name,)) for name in (*CHANGES, LR)
    ]
    return [*alarms, *bugs, *smallest_of]


# the tasks


def alarms(seed: int) -> Results:
    """Return which rules call something off in a run of a correct network; the worst of ours."""
    dtype = (np.float64, np.float32)[seed // len(sweep.IMPLEMENTATIONS) % 2]
    seen: set[str] = set()
    steps, worst = 0, 0.0
    for case in sweep.training_run(seed, sweep.implementation_of(seed), dtype):
        steps += 1
        same_dtype = in_dtype(case.twin, case.e, dtype)
        seen |= {r for r in (OURS, *OTHERS) if flagged(r, case, case.actual, same_dtype)}
        judged = judge_values(case.actual, case.e, case.rule, case.where)
        worst = max([worst, *(j.score for j in judged)])
    return {"alarms": sorted(seen), "steps": steps, "worst": worst}


def seen(name: str, dtype: str) -> list[Any]:
    """Return each strength at which a bug is visible: who sees it, and at the right place."""
    with one_thread_each():
        return [list(item) for item in found(BY_NAME[name], dtype, STRENGTHS[dtype])]


def smallest_of(name: str) -> list[str]:
    """Return cells: the smallest change that is seen, ours and assert_close, in both dtypes."""
    cells = []
    with one_thread_each():
        for dtype in DTYPES:
            if name == LR:
                cells += [f"{smallest_lr(DTYPES[dtype]):.0e}", ""]
                continue
            place = places("relu", 0.0, dtype)[-1]
            for rule in (OURS, "assert_close"):
                cells.append(f"{smallest(place, rule, CHANGES[name]):.0e}")
    return cells


# the document


def row(cells: Iterable[Any]) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def alarm_table(results: Results) -> list[str]:
    """Return rows: runs of correct networks in which each rule calls something off."""
    found = {key: value for key, value in results.items() if key.startswith("power/alarms/")}
    runs, steps = len(found), sum(value["steps"] for value in found.values())
    kernels = {key.split("/")[2] for key in found}
    rows = [
        f"{runs} runs of correct networks, {steps:,} judged steps, {len(kernels)} kernels. At most "
        f"{max(value['worst'] for value in found.values()):.2f} of what is allowed was reached. "
        f"Without an alarm in {runs}, the rate is below {300 / runs:.1f} % a run (95 %).",
        "",
        row(["", "runs with a false alarm"]),
        row(["---", "--:"]),
    ]
    for rule in (OURS, *OTHERS):
        rows.append(row([rule, sum(rule in value["alarms"] for value in found.values())]))
    return rows


def bug_table(results: Results, dtype: str) -> list[str]:
    """Return rows of the table of planted bugs."""
    total, seen = Counter[float](), Counter[tuple[str, float]]()
    right = Counter[str]()
    for name in BY_NAME:
        for strength, by_rule in results[f"power/bugs/{dtype}/{name}"]:
            total[strength] += 1
            for rule, placed in by_rule.items():
                seen[rule, strength] += 1
                right[rule] += placed
    head = ["", *(f"x {strength:g}" for strength in STRENGTHS[dtype]), "all", "place right"]
    rows = [row(head), row(["---", *["--:"] * (len(head) - 1)])]
    rows.append(row(["visible", *(total[s] for s in STRENGTHS[dtype]), total.total(), ""]))
    for rule in (OURS, *OTHERS):
        counts = [seen[rule, s] for s in STRENGTHS[dtype]]
        share = f"{100 * right[rule] / max(sum(counts), 1):.0f} %"
        rows.append(row([rule, *counts, f"{100 * sum(counts) / total.total():.1f} %", share]))
    return rows


def smallest_table(results: Results) -> list[str]:
    """Return rows: the smallest change that is seen, ours and assert_close, in both dtypes."""
    rows = [row(["changed", *(f"{r}, {d}" for d in DTYPES for r in (OURS, "assert_close"))])]
    rows.append(row(["---", *["--:"] * 4]))
    return rows + [row([name, *results[f"power/smallest/{name}"]]) for name in (*CHANGES, LR)]


def measured_with() -> str:
    """Return what the figures depend on besides the code, in words."""
    e = environment()
    blas = " and ".join(
        f"{b['internal_api']} {b['version']}, {b['architecture']}" for b in e["blas"]
    )
    return f"Python {e['python']}, numpy {e['numpy']} ({blas}), torch {e['torch']} on the CPU"


def document(results: Results) -> str:
    """Return docs/power.md."""
    lines = ["# What is seen, and what is not", "", *(__doc__ or "").splitlines()[4:], ""]
    lines += ["## False alarms", "", *alarm_table(results), ""]
    for dtype in DTYPES:
        lines += [f"## {len(BUGS)} planted bugs, {dtype}", "", *bug_table(results, dtype), ""]
    lines += ["## The smallest change that is seen", "", *smallest_table(results), ""]
    return "\n".join([*lines, f"Measured with {measured_with()}.", ""])
