"""`netparity bench growth`: how time and memory of the run grow with its size."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from compare.bench.alone import measure_alone
from compare.bench.contenders import run
from compare.bench.job import Job
from compare.bench.rounds import Timing, seconds_text, spread, time_rounds
from compare.options import parse_options
from compare.progress import say

INITS = ("he", "xavier", *(f"std=0.0{n}" for n in range(1, 8)))
BASE = {"--steps": ["30"], "--init": ["he"]}
SIZES: dict[str, dict[int, dict[str, list[str]]]] = {
    "steps": {n: {"--steps": [str(n)]} for n in (100, 400, 1600)},
    "networks": {n: {"--init": [*INITS[:n]]} for n in (1, 3, 9)},
    "width": {n: {"--hidden": [str(n)] * 4, "--steps": ["10"]} for n in (100, 400, 1600)},
    "batch": {n: {"--batch-size": [str(n)]} for n in (128, 1024)},
}
"""What grows, and the options of the run that differ from BASE."""


@dataclass(frozen=True)
class GrowthBench:
    """What was measured: by 'width 400', say.

    Attributes
    ----------
    title : str
        What is common to all, in a line.
    timings : dict of str to Timing
        Of each run.
    memory : dict of str to float
        Bytes at most while it ran, above those held before, with imports and data.
    """

    title: str
    timings: dict[str, Timing]
    memory: dict[str, float]

    def exponents(self) -> dict[str, tuple[float, float]]:
        """Return the slopes of log CPU seconds and log memory over log size."""
        found = {}
        for what, sizes in SIZES.items():
            names = [f"{what} {size}" for size in sizes]
            seconds = [spread(self.timings[name].cpu).median for name in names]
            memory = [max(self.memory[name], 1.0) for name in names]
            found[what] = (_slope(list(sizes), seconds), _slope(list(sizes), memory))
        return found

    def text(self) -> str:
        """Return the table, 80 columns wide."""
        lines = [self.title, "", f"{'':<16}{'wall s':>23}{'CPU s':>23}{'memory MB':>14}"]
        exponents = self.exponents()
        for what, sizes in SIZES.items():
            for name in (f"{what} {size}" for size in sizes):
                timing = self.timings[name]
                wall, cpu = (seconds_text(spread(each)) for each in (timing.wall, timing.cpu))
                lines.append(f"{name:<16}{wall:>23}{cpu:>23}{self.memory[name] / 1e6:>14.1f}")
            time, memory = exponents[what]
            lines.append(f"{'  exponent':<16}{'':>23}{time:>23.2f}{memory:>14.2f}")
        return "\n".join(lines)

    def to_data(self) -> dict[str, Any]:
        """Return all of it, to be written as JSON."""
        return asdict(self) | {"exponents": self.exponents()}


def bench_growth(job: Job, rounds: int) -> GrowthBench:
    """Time runs of every size, and take the memory of each in a process of its own."""
    o = job.options
    common = ["--data", "digits", "--dtype", o.dtype, "--device", o.device]
    words = {
        f"{what} {size}": common
        + [w for key, values in (BASE | own).items() for w in (key, *values)]
        for what, sizes in SIZES.items()
        for size, own in sizes.items()
    }
    say(f"memory: {len(words)} processes")
    taken = measure_alone([("run", each) for each in words.values()])
    memory = {name: each.peak - each.base for name, each in zip(words, taken, strict=True)}
    work: dict[str, Callable[[], object]] = {
        name: partial(run, Job(parse_options(each), job.data)) for name, each in words.items()
    }
    work["steps 100"]()
    timings = time_rounds(work, rounds, lambda done: say(f"round {done} of {rounds}"))
    title = f"whole run, judged, of one network, {o.dtype}, {o.device}; 30 steps where not said"
    return GrowthBench(title, timings, memory)


def _slope(sizes: list[int], values: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
