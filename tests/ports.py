"""Networks of any architecture against their modules: docs/ports.md.

What `check_network(net, x, t, reference=module)` says of the networks of tests/by_hand, fifteen
architectures in numpy beside their torch modules, right in five ways of adding up and both dtypes,
and with each mistake of tests/by_hand/mistakes.txt, of which was written down where it shows first
before any was run.
"""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import by_hand
from by_hand.mistakes import MISTAKES
from by_hand.ways import WAYS
from ported import is_placed, judged
from power import measured_with, row
from tasks import Task

OUT = Path(__file__).parents[1] / "docs" / "ports.md"
RUNS = 40
"""Right ones of each network in each dtype."""

DTYPES = ("float64", "float32")
ROWS, SCALES = (2, 7, 33), (1.0, 0.1, 0.5)


def tasks(runs: int) -> list[Task]:
    """Return a task for each network and dtype, right and wrong."""
    return [
        Task(f"ports/{kind}/{dtype}/{name}", f"ports.{kind}", (name, dtype, *more))
        for kind, more in (("right", (runs,)), ("wrong", ()))
        for dtype in DTYPES
        for name in by_hand.NAMES
    ]


def right(name: str, dtype: str, runs: int) -> list[tuple[str, float, str]]:
    """Return verdict, seconds, and the first divergence of each run of a right network."""
    found = []
    for run in range(runs):
        rng = np.random.default_rng([by_hand.NAMES.index(name), DTYPES.index(dtype), run])
        start = time.perf_counter()
        report = judged(
            by_hand.load(name), dtype=np.dtype(dtype).type, seed=1000 + run,
            rows=int(rng.choice(ROWS)), scale=float(rng.choice(SCALES)),
            chosen=str(rng.choice(list(WAYS))),
        )  # fmt: skip  # what, at what
        seconds = time.perf_counter() - start
        found.append((str(report.verdict), seconds, report.summary if report.place else ""))
    return found


def wrong(name: str, dtype: str) -> dict[str, tuple[str, bool, str]]:
    """Return of each mistake the verdict, or that it is listed as a convention; whether its place
    is right, and what is said.
    """
    found = {}
    for mistake in (m for m in MISTAKES if m.network == name):
        report = judged(by_hand.load(name), mistake.planted(), np.dtype(dtype).type)
        is_named = report.verdict == "SAME" and bool(report.conventions)
        verdict = "convention" if is_named else str(report.verdict)
        found[mistake.name] = verdict, is_placed(mistake, report), report.summary
    return found


def document(results: dict[str, Any]) -> str:
    """Return docs/ports.md."""
    lines = ["# Networks against modules", "", *(__doc__ or "").splitlines()[2:], ""]
    head = ["network", "right", "SAME", "INCONCLUSIVE", "seconds", "wrong"]
    head += ["DIFFERENT", "placed", "a convention"]
    lines += [row(head), row(["---", *["--:"] * 8])]
    rest, total = [], Counter[str]()
    for dtype in DTYPES:
        for name in by_hand.NAMES:
            of_right = results.get(f"ports/right/{dtype}/{name}", [])
            of_wrong = results.get(f"ports/wrong/{dtype}/{name}", {})
            verdicts = Counter(verdict for verdict, _, _ in of_right)
            placed = sum(is_right for _, is_right, _ in of_wrong.values())
            became = Counter(verdict for verdict, _, _ in of_wrong.values())
            figures = {
                "right": len(of_right), "SAME": verdicts["SAME"],
                "INCONCLUSIVE": verdicts["INCONCLUSIVE"], "wrong": len(of_wrong),
                "DIFFERENT": became["DIFFERENT"], "placed": placed,
                "a convention": became["convention"],
            }  # fmt: skip  # the columns
            total.update(figures)
            seconds = np.median([s for _, s, _ in of_right]) if of_right else 0.0
            figures["seconds"] = f"{seconds:.1f}"
            lines.append(row([f"{name}, {dtype}", *(figures[key] for key in head[1:])]))
            rest += [f"- {name}, {dtype}, right: {s}" for v, _, s in of_right if v != "SAME"]
            off = {k: s for k, (v, ok, s) in of_wrong.items() if not ok and v != "convention"}
            rest += [f"- {name}, {dtype}, {k}: {s}" for k, s in off.items()]
    lines.append(row(["all", *("" if k == "seconds" else total[k] for k in head[1:])]))
    shown = rest or ["- nothing"]
    lines += ["", "## What was not as it should be", "", *shown, ""]
    return "\n".join([*lines, f"Measured with {measured_with()}.", ""])
