"""One contender in a process of its own: what it takes of the memory, and of the time."""

import multiprocessing
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import psutil

EVERY = 0.001
"""Seconds between two looks at the memory."""


class Taken(NamedTuple):
    """What one contender took.

    Attributes
    ----------
    wall, cpu : float
        Seconds of the training, without imports and data.
    peak, base : float
        Bytes of memory at most while it trained; and just before, with everything imported and
        the data read.
    """

    wall: float
    cpu: float
    peak: float
    base: float


def measure_alone(jobs: Sequence[tuple[str, list[str]]], at_once: int = 1) -> list[Taken]:
    """Do each job, a contender and the options of its run, in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=context, max_tasks_per_child=1) as pool:
        return list(pool.map(_measure, *zip(*jobs, strict=True)))


def _measure(name: str, words: list[str]) -> Taken:
    from compare.bench.contenders import CONTENDERS
    from compare.bench.job import load_job
    from compare.threads import one_thread_each

    job, process, peak, over = load_job(words), psutil.Process(), 0.0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not over.wait(EVERY):
            peak = max(peak, process.memory_info().rss)

    base = float(process.memory_info().rss)
    looking = threading.Thread(target=look)
    with one_thread_each():
        looking.start()
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            CONTENDERS[name](job)
        finally:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            over.set()
            looking.join()
    return Taken(wall, cpu, max(peak, base), base)
