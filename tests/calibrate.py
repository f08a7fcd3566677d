"""make calibrate: sets the factors of measured noise, and tests them on what was left out.

For each implementation and each kernel of the matrix product, the worst error / noise that correct
code reaches in each statistic. A factor is the worst of all, times MARGIN. In turn, each
implementation is left out, the factors are set on the others, and it must stay below them. The
result is kept in calibration.json with the environment; a test holds the factors in the code
against it.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

import sweep
from compare.environment import environment
from tasks import KERNELS, Task

OUT = Path(__file__).with_name("calibration.json")
RUNS = 72
MARGIN = 2.0
"""Of a factor over the worst that was measured: what an implementation that nobody thought of may
exceed the known ones by. Leaving out each known one in turn shows what that is."""


def tasks(runs: int) -> list[Task]:
    """Return a task for each run; each kernel has seeds of its own."""
    return [
        Task(f"calibrate/{kernel}/{i}", "calibrate.worst_of", (number * runs + i,), kernel)
        for number, kernel in enumerate(KERNELS)
        for i in range(runs)
    ]


def worst_of(seed: int) -> dict[str, dict[str, float]]:
    """Return the worst ratio of a run by statistic, below the name of its implementation."""
    kind = sweep.implementation_of(seed)
    run = sweep.training_run if seed // len(sweep.IMPLEMENTATIONS) % 2 else sweep.battery_run
    worst: dict[str, float] = {}
    for case in run(seed, kind, np.float32):
        for _, statistic, ratio in sweep.statistics(case):
            worst[statistic] = max(worst.get(statistic, 0.0), ratio)
    return {kind.__name__: worst}


def merged(parts: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the worst of all."""
    worst: dict[str, dict[str, float]] = {}
    for part in parts:
        for name, ratios in part.items():
            here = worst.setdefault(name, {})
            for statistic, ratio in ratios.items():
                here[statistic] = max(here.get(statistic, 0.0), ratio)
    return worst


def factors_of(worst: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the factor of each statistic: worst of all implementations, times MARGIN."""
    kinds = {statistic for ratios in worst.values() for statistic in ratios}
    return {k: math.ceil(MARGIN * max(r[k] for r in worst.values())) for k in sorted(kinds)}


def document(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return calibration.json; print it as a table, each left out in turn."""
    ran: dict[str, dict[str, dict[str, float]]] = {}
    for kernel in KERNELS:
        if parts := [r for key, r in results.items() if key.split("/")[1] == kernel]:
            ran[kernel] = merged(parts)
    worst = merged(list(ran.values()))
    factors = factors_of(worst)
    print(f"{'worst error / noise':<36}" + "".join(f"{kind:>11}" for kind in factors))
    for kernel in KERNELS.keys() - ran.keys():
        print(f"{kernel:<36}  not run: this processor cannot")
    for kernel, part in ran.items():
        over = {kind: max(r[kind] for r in part.values()) for kind in factors}
        print(f"{kernel:<36}" + "".join(f"{over[kind]:>11.2f}" for kind in factors))
    share = dict.fromkeys(factors, 0.0)
    for name, ratios in worst.items():
        others = factors_of({key: value for key, value in worst.items() if key != name})
        share = {k: max(share[k], ratios[k] / others[k]) for k in factors}
        print(f"{name:<36}" + "".join(f"{ratios[kind]:>11.2f}" for kind in factors))
    print(f"{'factor':<36}" + "".join(f"{value:>11}" for value in factors.values()))
    print(
        f"{'left out: worst share of the factor':<36}"
        + "".join(f"{v:>11.2f}" for v in share.values())
    )
    if max(share.values()) > 1:
        sys.exit("an implementation that was left out is beyond the factors of the others")
    return (
        json.dumps(
            {
                "runs": len(results), "kernels": [*ran], "margin": MARGIN, "factors": factors,
                "worst_of_all": {kind: max(r[kind] for r in worst.values()) for kind in factors},
                "worst": worst, "left_out": share,
                "environment": {k: v for k, v in environment().items() if k != "platform"},
            },
            indent=1,
        ) + "\n"
    )  # fmt: skip  # a record
