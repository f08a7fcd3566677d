"""`netparity bench threads`: the run with other numbers of threads than its own."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from compare.bench.contenders import run
from compare.bench.job import Job
from compare.bench.rounds import Timing, seconds_text, spread, time_rounds
from compare.progress import say
from compare.threads import threads

OURS = "1 BLAS, 1 torch"


@dataclass(frozen=True)
class ThreadBench:
    """What was measured.

    Attributes
    ----------
    title : str
        The run, in a line.
    timings : dict of str to Timing
        By numbers of threads, the own ones first.
    """

    title: str
    timings: dict[str, Timing]

    def text(self) -> str:
        """Return the table, 80 columns wide."""
        ours = self.timings[OURS].wall
        lines = [self.title, "", f"{'threads':<20}{'wall s':>21}{'CPU s':>21}{'of ours':>9}"]
        for name, timing in self.timings.items():
            ratio = spread([a / b for a, b in zip(timing.wall, ours, strict=True)]).median
            wall, cpu = (seconds_text(spread(each)) for each in (timing.wall, timing.cpu))
            lines.append(f"{name:<20}{wall:>21}{cpu:>21}{ratio:>9.2f}")
        return "\n".join(lines)

    def to_data(self) -> dict[str, Any]:
        """Return all of it, to be written as JSON."""
        return asdict(self)


def bench_threads(job: Job, rounds: int) -> ThreadBench:
    """Time the run with one thread for each library, with all cores, and as they come."""
    cores = os.cpu_count() or 1
    settings = [(1, 1), (cores, 1), (1, cores), (cores, cores)]
    work: dict[str, Callable[[], object]] = {
        f"{blas} BLAS, {of_torch} torch": partial(_run, job, blas, of_torch)
        for blas, of_torch in settings
    }
    run(replace(job, options=replace(job.options, steps=3)))
    timings = time_rounds(work, rounds, lambda done: say(f"round {done} of {rounds}"))
    return ThreadBench(f"{job.network()}\n{rounds} interleaved rounds", timings)


def _run(job: Job, blas: int, of_torch: int) -> None:
    with threads(blas, of_torch):
        run(job)
