"""What correct code reaches of the error that is expected of it: docs/arithmetic.md.

Networks that are written by hand in numpy (tests/by_hand: fifteen architectures, five ways of
adding up, both dtypes) are compared with what compare/reference makes of their torch modules. A
score is error / (u ||E||), the largest of a value as a whole, of each slice and of each element.

- The factor c is set on one half: of the networks, of the ways, of the kernels, of the seeds.
- What is shown for it is the other half, which shares none of these.
- Mistakes are those of tests/by_hand/mistakes.txt; where each shows first was written down before
  any of them was run.
"""

from pathlib import Path
from typing import Any

import numpy as np

import arithmetic_cost
import by_hand
from by_hand import deep
from by_hand.judged import Problem, at, compared, drawn
from by_hand.mistakes import MISTAKES, Mistake
from by_hand.ways import WAYS, way
from compare.reference.allowed import C
from power import measured_with, row
from tasks import KERNELS, Task

OUT = Path(__file__).parents[1] / "docs" / "arithmetic.md"
RUNS = 96
"""Problems of each network in each half, each in one way with one kernel."""

DTYPES = {"float64": np.float64, "float32": np.float32}
ROWS = ((2, 7, 33), (3, 8, 100))
SCALES = ((1.0, 0.3, 3.0), (1.0, 0.1, 2.0))
HALF_WAYS = (("blas", "loops"), ("einsum", "chunks", "wide"))
HALF_KERNELS = (
    ("default", "OpenBLAS Prescott, MKL plain"),
    ("OpenBLAS Haswell, MKL AVX2", "OpenBLAS SkylakeX, MKL AVX512", "two threads"),
)
HALF_NETWORKS = (by_hand.NAMES[::2], by_hand.NAMES[1::2])
STRESS = (
    "1000 equal rows",
    "20000 equal rows",
    "20000 rows of one class, equal",
    "half of 1000 rows blank",
    "all of 1000 rows blank",
    "equal weights",
    "std 0.01",
    "std 0.01, 1000 rows",
    "weights times 30",
    "a layer of one unit",
    "layers of one unit",
    "positive weights",
    "negative weights",
)
STEP = 2.0**-0.5
"""By which a mistake is made smaller again and again."""


def tasks(runs: int) -> list[Task]:
    """Return the tasks: right networks in both halves, odd ones, and mistakes."""
    found = [
        Task(
            f"arithmetic/right/{half}/{kernel}/{name}",
            "arithmetic.right",
            (half, kernel, name, runs),
            kernel,
        )
        for half in (0, 1)
        for kernel in HALF_KERNELS[half]
        for name in HALF_NETWORKS[half]
    ]
    found += [
        Task(f"arithmetic/odd/{kernel}/{kind}", "arithmetic.odd", (kind, index), kernel)
        for kind in STRESS
        for index, kernel in enumerate(KERNELS)
    ]
    found += [
        Task(f"arithmetic/cost/{name}", "arithmetic_cost.cost", (name,))
        for name in arithmetic_cost.NETWORKS
    ]
    return found + [
        Task(f"arithmetic/mistakes/{dtype}/{name}", "arithmetic.mistakes", (dtype, name))
        for dtype in DTYPES
        for name in by_hand.NAMES
    ]


def right(half: int, kernel: str, name: str, runs: int) -> list[float]:
    """Return the worst score of each run of a network.

    Runs that stand on a kink are left out, and those whose loss is infinite by hand, where the
    softmax of a target is 0: that is a verdict of its own.
    """
    each = runs // len(HALF_KERNELS[half])
    scores = []
    place = [half, HALF_KERNELS[half].index(kernel), by_hand.NAMES.index(name)]
    for run in range(each):
        rng = np.random.default_rng([*place, run])
        dtype = DTYPES[("float64", "float32")[run % 2]]
        rows, scale = rng.choice(ROWS[half]), rng.choice(SCALES[half])
        chosen = way(str(rng.choice(HALF_WAYS[half])), dtype)
        problem = drawn(by_hand.load(name), rng, int(rows), dtype, float(scale))
        found = compared(problem, chosen)
        if not problem.reference.kinks and np.isfinite(found["loss", ""]):
            scores.append(max(found.values()))
    return scores


def odd(kind: str, index: int) -> list[float]:
    """Return the worst score of each way and dtype where parameters or data are odd."""
    scores = []
    for number, (name, dtype) in enumerate(DTYPES.items()):
        rng = np.random.default_rng([STRESS.index(kind), index, number])
        problem = _odd(kind, rng, dtype)
        ways = [
            w for w in WAYS if not (w == "loops" and kind.startswith("20000") and name == "float64")
        ]
        scores += [max(compared(problem, way(w, dtype)).values()) for w in ways]
    return scores


def _odd(kind: str, rng: np.random.Generator, dtype: Any) -> Problem:
    sizes, rows = [50, 30, 20, 10], 64
    if "unit" in kind:
        sizes = [784, 1, 10] if kind.startswith("a ") else [20, 1, 1, 10]
    elif "rows" not in kind or "std" in kind:
        sizes = [784, 100, 100, 100, 10]
    if "000" in kind:
        rows = 20000 if "20000" in kind else 1000
    network = deep.network(sizes)
    x, t = rng.random((rows, sizes[0])), rng.integers(0, 10, rows)
    if "equal rows" in kind or "rows of one class" in kind:
        x[:] = x[0]
    if "one class" in kind:
        t[:] = 3
    if "blank" in kind:
        x[: rows // 2 if "half" in kind else rows] = 0
    module, given = network.module(), {}
    for name, p in module.named_parameters():
        values = rng.standard_normal(tuple(p.shape))
        std = 0.01 if "std" in kind else np.sqrt(2 / p.shape[-1]) * (30 if "30" in kind else 1)
        given[name] = values * (std if p.dim() == 2 else 0.1)
        if kind == "equal weights":
            given[name] = np.full(tuple(p.shape), 1 / p.shape[-1])
        elif "negative" in kind and p.dim() == 2:
            given[name] = -np.abs(given[name])
        elif "negative" in kind:
            given[name] = np.abs(given[name]) + 50  # else all would be dead
        elif "positive" in kind and p.dim() == 2:
            given[name] = np.abs(given[name])
    return at(network, {k: v.astype(dtype) for k, v in given.items()}, x, t, dtype)


def mistakes(dtype: str, name: str) -> dict[str, Any]:
    """Return of each mistake where it shows first, and how small it still is seen."""
    rng = np.random.default_rng([7, by_hand.NAMES.index(name)])
    problem = drawn(by_hand.load(name), rng, 7, DTYPES[dtype])
    chosen = way("blas", DTYPES[dtype])
    return {m.name: _smaller(problem, chosen, m) for m in MISTAKES if m.network == name}


def _smaller(problem: Problem, chosen: Any, mistake: Mistake) -> dict[str, Any]:
    """Make a mistake smaller until it is no longer seen."""
    scores = compared(problem, chosen, mistake.planted())
    first = next((key for key, score in scores.items() if score > C), None)
    if first is None:
        return {"seen": False}
    strength, smallest = 1.0, scores
    while (smaller := compared(problem, chosen, mistake.planted(strength * STEP))) and (
        max(smaller.values()) > C
    ):
        strength, smallest = strength * STEP, smaller
    return {
        "seen": True,
        "place": mistake.is_at(*first),
        "first": " ".join(first),
        "strength": strength,
        "size": max(smallest.values()) / C,
    }


def document(results: dict[str, Any]) -> str:
    """Return docs/arithmetic.md."""
    lines = ["# The arithmetic of rounding", "", *(__doc__ or "").splitlines()[2:], ""]
    lines += [f"c = {C:g}.", "", *_of_right(results), *_of_odd(results), *_of_mistakes(results)]
    lines += _of_cost(results)
    return "\n".join([*lines, f"Measured with {measured_with()}.", ""])


def _of_right(results: dict[str, Any]) -> list[str]:
    lines = ["## Right networks", "", row(["", "runs", "median", "99 %", "worst", "outside"])]
    lines += [row(["---", *["--:"] * 5])]
    for half, name in ((0, "c is set on"), (1, "shown")):
        scores = np.array(_joined(results, f"arithmetic/right/{half}/"))
        lines.append(row([name, *_figures(scores)]))
    lines += ["", row(["network", "runs", "median", "99 %", "worst", "outside"])]
    lines += [row(["---", *["--:"] * 5])]
    for name in by_hand.NAMES:
        scores = np.array(
            [
                s
                for key, r in results.items()
                if key.startswith("arithmetic/right/") and key.endswith(f"/{name}")
                for s in r
            ]
        )
        lines.append(row([name, *_figures(scores)]))
    return [*lines, ""]


def _of_odd(results: dict[str, Any]) -> list[str]:
    lines = [
        "## Odd parameters and data",
        "",
        row(["", "runs", "median", "99 %", "worst", "outside"]),
    ]
    lines += [row(["---", *["--:"] * 5])]
    for kind in STRESS:
        scores = [
            s
            for key, r in results.items()
            if key.startswith("arithmetic/odd/") and key.endswith(f"/{kind}")
            for s in r
        ]
        lines.append(row([kind, *_figures(np.array(scores))]))
    return [*lines, ""]


def _of_mistakes(results: dict[str, Any]) -> list[str]:
    lines = [
        "## Mistakes",
        "",
        "Size: the largest error / (c u ||E||) of the smallest that was seen; strength: what part",
        "of the mistake that is, 1 the whole.",
        "",
        row(
            [
                "network",
                "mistakes",
                "seen",
                "place right",
                "size, median",
                "worst",
                "strength, median",
                "worst",
            ]
        ),
        row(["---", *["--:"] * 7]),
    ]
    elsewhere = []
    for dtype in DTYPES:
        for name in by_hand.NAMES:
            found = results.get(f"arithmetic/mistakes/{dtype}/{name}")
            if found is None:
                continue
            seen = {k: m for k, m in found.items() if m["seen"]}
            size = [m["size"] for m in seen.values()]
            strength = [m["strength"] for m in seen.values()]
            places = sum(m["place"] for m in seen.values())
            figures = [
                f"{f(v):.{d}}"
                for v, d in ((size, "2f"), (strength, "0e"))
                for f in (np.median, max)
            ]
            lines.append(row([f"{name}, {dtype}", len(found), len(seen), places, *figures]))
            elsewhere += [
                f"- {name}, {dtype}: {k}, first at {m['first']}"
                for k, m in seen.items()
                if not m["place"]
            ]
            elsewhere += [f"- {name}, {dtype}: {k}: not seen" for k in found if k not in seen]
    return [*lines, "", "Not as written down:", "", *(elsewhere or ["- none"]), ""]


def _of_cost(results: dict[str, Any]) -> list[str]:
    rows = arithmetic_cost.BATCHES
    heads = [f"time, {n} rows" for n in rows] + [f"memory, {n} rows" for n in rows]
    lines = ["## Cost", "", *(arithmetic_cost.__doc__ or "").splitlines()[2:], ""]
    lines += [row(["", *heads]), row(["---", *["--:"] * len(heads)])]
    for name in arithmetic_cost.NETWORKS:
        found = results.get(f"arithmetic/cost/{name}")
        if found is not None:
            figures = [f"{x:.1f}" for x in found]
            lines.append(row([name, *figures, *[""] * (len(heads) - len(figures))]))
    return [*lines, ""]


def _joined(results: dict[str, Any], start: str) -> list[float]:
    return [score for key, r in results.items() if key.startswith(start) for score in r]


def _figures(scores: Any) -> list[str]:
    if not len(scores):
        return ["0", "", "", "", ""]
    outside = int((scores > C).sum())
    return [
        str(len(scores)),
        f"{np.median(scores):.2f}",
        f"{np.quantile(scores, 0.99):.2f}",
        f"{scores.max():.2f}",
        str(outside),
    ]
