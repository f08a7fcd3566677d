"""make calibrate: what networks of the book's kind reach of C, and that none is beyond it.

A score is error / (u ||E||), the largest of a value as a whole, of each slice along an axis and of
each element.

- C is set on one half of the implementations, of the kernels and of the seeds: it is the power of
  two above MARGIN times the worst score there. Odd data, whose terms round alike, come up to a
  bound that is proven, and needs no margin: see docs/arithmetic.md.
- What is shown for it is the other half, which shares none of these: a thousand networks.

The result is kept in calibration.json with the environment; a test holds C against it.
"""

import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import sweep
from compare.environment import environment
from compare.reference.allowed import C
from tasks import Task

OUT = Path(__file__).with_name("calibration.json")
RUNS = 1500
"""Networks to be shown; on a processor without AVX-512 a third of them does not run."""

STEPS = 8
"""Of a network that trains."""

MARGIN = 2.0
"""Of C over the worst that was measured: what an implementation that nobody thought of may exceed
the known ones by."""

HALVES = {
    "set": (("default", "OpenBLAS Prescott, MKL plain"), sweep.IMPLEMENTATIONS[::2]),
    "shown": (
        ("OpenBLAS Haswell, MKL AVX2", "OpenBLAS SkylakeX, MKL AVX512", "two threads"),
        sweep.IMPLEMENTATIONS[1::2],
    ),
}
SET_ON = 4
"""The half that C is set on has one network for so many of the other."""

Results = dict[str, dict[str, Any]]


def tasks(runs: int) -> list[Task]:
    """Return a task for each of `runs` networks to be shown, and for those that C is set on."""
    return [
        Task(
            f"calibrate/{half}/{kernel}/{i}",
            "calibrate.reached",
            (half, i),
            kernel,
        )
        for half, (kernels, _) in HALVES.items()
        for first, kernel in enumerate(kernels)
        for i in range(first, runs if half == "shown" else -(-runs // SET_ON), len(kernels))
    ]


def reached(half: str, seed: int) -> dict[str, Any]:
    """Return the worst score of a network, of which implementation it is, and how many values."""
    kinds = HALVES[half][1]
    kind = kinds[seed % len(kinds)]
    number = seed // len(kinds)
    dtype = (np.float64, np.float32)[number % 2]
    training = functools.partial(sweep.training_run, steps=STEPS)
    run = (sweep.battery_run, training)[number // 2 % 2]
    scores = [
        score
        for case in run([("set", "shown").index(half), seed], kind, dtype)
        for name, score in sweep.scores(case, case.actual).items()
        if np.isfinite(case.actual[name]).all()
    ]
    found = {"implementation": kind.__name__, "dtype": np.dtype(dtype).name}
    return {**found, "values": len(scores), "worst": max(scores, default=0.0)}


def document(results: Results) -> str:
    """Return calibration.json; print it as a table."""
    record: dict[str, Any] = {"c": C, "margin": MARGIN}
    for half in HALVES:
        here = {k: r for k, r in results.items() if k.split("/")[1] == half}
        worst: dict[str, dict[str, float]] = {}
        for r in here.values():
            of_kind = worst.setdefault(r["implementation"], {})
            of_kind[r["dtype"]] = max(of_kind.get(r["dtype"], 0.0), r["worst"])
        record[half] = {
            "networks": len(here),
            "values": sum(r["values"] for r in here.values()),
            "kernels": sorted({key.split("/")[2] for key in here}),
            "beyond": sum(r["worst"] > C for r in here.values()),
            "worst": max((r["worst"] for r in here.values()), default=0.0),
            "by": worst,
        }
        print(f"{half}: {record[half]['networks']} networks, {record[half]['values']:,} values")
        for name, of_kind in worst.items():
            print(f"  {name:<14}" + "".join(f"{of_kind.get(d, 0):>8.2f}" for d in sorted(of_kind)))
    least = MARGIN * record["set"]["worst"]
    if least > C or record["shown"]["beyond"]:
        sys.exit(f"C is {C:g}: {least:.3g} is due, and {record['shown']['beyond']} are beyond it")
    kept = {k: v for k, v in environment().items() if k != "platform"}
    return json.dumps({**record, "environment": kept}, indent=1) + "\n"
