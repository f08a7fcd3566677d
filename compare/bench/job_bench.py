"""`netparity bench`: each way to do the job, timed in interleaved rounds."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compare.bench.alone import measure_alone
from compare.bench.contenders import CONTENDERS
from compare.bench.job import Job
from compare.bench.rounds import Spread, Timing, seconds_text, spread, time_rounds
from compare.progress import say

BOTH = ("both at once", "run", "run, not judged")
"""Contenders that do the job on both stacks."""

CEILING = {"torch_ref alone": "products, torch", "naive torch": "products, torch"}
"""Of those that are not measured against the products of numpy."""

Seconds = dict[str, NDArray[np.float64]]


def _alone(s: Seconds) -> NDArray[np.float64]:
    return s["scratch alone"] + s["torch_ref alone"]


RATIOS: dict[str, Callable[[Seconds], NDArray[np.float64]]] = {
    "CPU: run / (scratch + torch_ref)": lambda s: s["run"] / _alone(s),
    "wall: run / (scratch + torch_ref)": lambda s: s["run"] / _alone(s),
    "wall: scratch / torch_ref": lambda s: s["scratch alone"] / s["torch_ref alone"],
    "wall: scratch / naive numpy": lambda s: s["scratch alone"] / s["naive numpy"],
    "wall: torch_ref / naive torch": lambda s: s["torch_ref alone"] / s["naive torch"],
    "CPU: both at once / (scratch + torch_ref)": lambda s: s["both at once"] / _alone(s),
    "CPU: lockstep and recording, share of run": lambda s: (
        (s["run, not judged"] - s["both at once"]) / s["run"]
    ),
    "CPU: judging, share of run": lambda s: (s["run"] - s["run, not judged"]) / s["run"],
}
"""What is set against what, of the seconds of each round by the clock that is named first."""

WEIGHED = ("scratch alone", "torch_ref alone", "naive numpy", "run")
"""Those whose memory is measured, each in a new process, which takes seconds."""

MEMORY_STEPS = "30"
"""Enough for all that is judged by default in the first steps, and for what a step leaves."""


WARM_STEPS = 3
"""Before the clock starts, for what is done once in a process."""


@dataclass(frozen=True)
class JobBench:
    """What was measured.

    Attributes
    ----------
    title, network : str
        The data and the run, each in a line.
    operations : float
        Additions and multiplications in the matrix products of one stack.
    timings : dict of str to Timing
        By contender.
    peaks : dict of str to float
        Bytes of a process that does only this, by contender, on the embedded digits.
    """

    title: str
    network: str
    operations: float
    timings: dict[str, Timing]
    peaks: dict[str, float]

    def share(self, name: str) -> Spread | None:
        """Return what the products alone take of the time of one stack's contender."""
        products = self.timings[CEILING.get(name, "products, numpy")].wall
        if name in BOTH or name.startswith("products"):
            return None
        return spread([a / b for a, b in zip(products, self.timings[name].wall, strict=True)])

    def rate(self, name: str) -> float:
        """Return the median of 10^9 such operations a second."""
        seconds = spread(self.timings[name].wall).median
        return self.operations * (2 if name in BOTH else 1) / seconds / 1e9

    def ratios(self) -> dict[str, Spread]:
        """Return what is worth setting against each other, round by round."""
        clocks: dict[str, Seconds] = {
            "wall": {name: np.array(timing.wall) for name, timing in self.timings.items()},
            "CPU": {name: np.array(timing.cpu) for name, timing in self.timings.items()},
        }
        return {
            text: spread(of(clocks[text.split(":")[0]]).tolist()) for text, of in RATIOS.items()
        }

    def text(self) -> str:
        """Return the table and the ratios, 80 columns wide."""
        rounds = len(self.timings["run"].wall)
        lines = [
            self.title,
            self.network,
            f"{rounds} interleaved rounds: median (least - most); one thread each",
            "",
            f"{'':<18}{'wall s':>19}{'CPU s':>19}{'GFLOP/s':>8}{'ceiling':>8}{'MB':>7}",
        ]
        for name, timing in self.timings.items():
            share, peak = self.share(name), self.peaks.get(name)
            wall, cpu = (seconds_text(spread(each)) for each in (timing.wall, timing.cpu))
            lines.append(
                f"{name:<18}{wall:>19}{cpu:>19}{self.rate(name):>8.1f}"
                + (f"{share.median:>8.0%}" if share else f"{'':>8}")
                + (f"{peak / 1e6:>7.0f}" if peak else "")
            )
        lines.append("")
        lines += [f"{name:<44}{_ratio(value)}" for name, value in self.ratios().items()]
        return "\n".join(line.rstrip() for line in lines)

    def to_data(self) -> dict[str, Any]:
        """Return all of it, to be written as JSON."""
        return asdict(self) | {
            "ratios": {name: value._asdict() for name, value in self.ratios().items()},
            "gflops": {name: self.rate(name) for name in self.timings},
            "share_of_ceiling": {
                name: share._asdict() for name in self.timings if (share := self.share(name))
            },
        }


def bench_job(job: Job, rounds: int) -> JobBench:
    """Time all contenders."""
    o = job.options
    words = ["--data", "digits", "--steps", MEMORY_STEPS, "--dtype", o.dtype, "--device", o.device]
    say(f"memory: {len(WEIGHED)} processes")
    taken = measure_alone([(name, words) for name in WEIGHED], at_once=os.cpu_count() or 1)
    short = replace(job, options=replace(o, steps=WARM_STEPS))
    for do in CONTENDERS.values():
        do(short)
    work = {name: partial(do, job) for name, do in CONTENDERS.items()}
    timings = time_rounds(work, rounds, lambda done: say(f"round {done} of {rounds}"))
    peaks = {name: each.peak for name, each in zip(WEIGHED, taken, strict=True)}
    return JobBench(job.data.title, job.network(), job.operations(), timings, peaks)


def _ratio(s: Spread) -> str:
    return f"{s.median:>6.2f} ({s.least:.2f} - {s.most:.2f})"
