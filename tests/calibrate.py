"""make calibrate: sets the factors of measured noise, and tests them on what was left out.

For each implementation and each kernel of the matrix product, the worst error / noise that correct
code reaches in each statistic. A factor is the worst of all, times MARGIN. In turn, each
implementation is left out, the factors are set on the others, and it must stay below them. The
result is kept in calibration.json with the environment; a test holds the factors in the code
against it.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np

import sweep
from compare.environment import environment

RESULT = Path(__file__).with_name("calibration.json")
MARGIN = 2.0
"""Of a factor over the worst that was measured: what an implementation that nobody thought of may
exceed the known ones by. Leaving out each known one in turn shows what that is."""


def worst_of(first: int, last: int) -> dict[str, dict[str, float]]:
    """Return the worst ratio by implementation and statistic, over runs with these seeds."""
    worst: dict[str, dict[str, float]] = {}
    for seed in range(first, last):
        kind = sweep.implementation_of(seed)
        run = sweep.training_run if seed // len(sweep.IMPLEMENTATIONS) % 2 else sweep.battery_run
        here = worst.setdefault(kind.__name__, {})
        for case in run(seed, kind, np.float32):
            for _, statistic, ratio in sweep.statistics(case):
                here[statistic] = max(here.get(statistic, 0.0), ratio)
    return worst


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


def main() -> None:
    """Measure, leave one out in turn, write and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=72, help="with each kernel")
    runs = parser.parse_args().runs
    parts = sweep.on_each_kernel("calibrate.worst_of", runs, 0)
    ran = {kernel: part for kernel, part in parts.items() if part}
    worst = merged(list(ran.values()))
    factors = factors_of(worst)
    print(f"{'worst error / noise':<36}" + "".join(f"{kind:>11}" for kind in factors))
    for kernel in parts.keys() - ran.keys():
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
    RESULT.write_text(
        json.dumps(
            {
                "runs": runs * len(ran), "kernels": [*ran], "margin": MARGIN, "factors": factors,
                "worst_of_all": {kind: max(r[kind] for r in worst.values()) for kind in factors},
                "worst": worst, "left_out": share,
                "environment": {k: v for k, v in environment().items() if k != "platform"},
            },
            indent=1,
        ) + "\n"
    )  # fmt: skip  # a record
    if max(share.values()) > 1:
        sys.exit("an implementation that was left out is beyond the factors of the others")


if __name__ == "__main__":
    main()
