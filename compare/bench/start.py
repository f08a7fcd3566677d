"""`netparity bench start`: how long a user looks at an empty screen."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compare.bench.rounds import seconds_text, spread
from compare.progress import say

NETWORK = Path(__file__).with_name("naive_numpy.py")
COMMANDS = {
    "netparity --help": ["--help"],
    "netparity check": ["check", str(NETWORK)],
    "netparity run --steps 1": ["run", "--steps", "1", "--data", "digits"],
}
MAIN = "import sys; from compare.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class StartBench:
    """What was measured: seconds of each round, by command.

    Attributes
    ----------
    first, end : dict of str to list of float
        From the start of the process to its first line, and to its end.
    """

    first: dict[str, list[float]]
    end: dict[str, list[float]]

    def text(self) -> str:
        """Return the table, 80 columns wide."""
        lines = [f"{'seconds':<26}{'to the first line':>24}{'to the end':>24}"]
        for name in self.first:
            first, end = (seconds_text(spread(each[name])) for each in (self.first, self.end))
            lines.append(f"{name:<26}{first:>24}{end:>24}")
        return "\n".join(lines)

    def to_data(self) -> dict[str, Any]:
        """Return all of it, to be written as JSON."""
        return asdict(self)


def bench_start(rounds: int) -> StartBench:
    """Time the commands, interleaved, each in a new process."""
    found = StartBench({name: [] for name in COMMANDS}, {name: [] for name in COMMANDS})
    for number in range(rounds):
        for name, words in COMMANDS.items():
            first, end = _time(words)
            found.first[name].append(first)
            found.end[name].append(end)
        say(f"round {number + 1} of {rounds}")
    return found


def _time(words: Sequence[str]) -> tuple[float, float]:
    """Return seconds to the first line that is not empty, and to the end."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *words], stdout=subprocess.PIPE, cwd=folder, text=True
        )
        with process:
            assert process.stdout  # it is a pipe
            process.stdout.readline()
            first = time.perf_counter() - started
            process.stdout.read()
        return first, time.perf_counter() - started
