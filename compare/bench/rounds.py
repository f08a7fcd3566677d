"""Timing by interleaved rounds: what disturbs one contender for a while disturbs all of them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

SPIN = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"
"""A process that takes a whole core until whoever started it has gone."""


@dataclass(frozen=True)
class Timing:
    """Seconds of each round.

    Attributes
    ----------
    wall, cpu : list of float
        By the clock, and of all threads of this process together.
    """

    wall: list[float]
    cpu: list[float]


class Spread(NamedTuple):
    """Median, least and most of the rounds."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of one value a round."""
    return Spread(median(values), min(values), max(values))


def seconds_text(s: Spread) -> str:
    """Return '2.85 (2.80 - 3.01)', and '12.8 (12.1 - 13.3)': three digits each."""
    digits = [2 if value < 9.995 else 1 if value < 99.95 else 0 for value in s]
    median, least, most = (f"{value:.{n}f}" for value, n in zip(s, digits, strict=True))
    return f"{median} ({least} - {most})"


def time_rounds(
    work: Mapping[str, Callable[[], object]], rounds: int, done: Callable[[int], None]
) -> dict[str, Timing]:
    """Time each of `work` in every round, forwards and backwards in turn; say when one is done."""
    timings: dict[str, Timing] = {name: Timing([], []) for name in work}
    for number in range(rounds):
        for name in list(work)[:: -1 if number % 2 else 1]:
            wall, cpu = time.perf_counter(), time.process_time()
            work[name]()
            timings[name].wall.append(time.perf_counter() - wall)
            timings[name].cpu.append(time.process_time() - cpu)
        done(number + 1)
    return timings


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep this many processes busy beside what is timed."""
    with ExitStack() as stack:
        for _ in range(processes):
            spinning = subprocess.Popen([sys.executable, "-c", SPIN, str(os.getpid())])
            stack.callback(spinning.wait)
            stack.callback(spinning.kill)
        yield
