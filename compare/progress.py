"""What is seen of a run while it runs."""

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from compare.options import Options
from compare.run_wording import loss_text
from compare.trial import Trial

EVERY = 100
GROUP = 4


def say(line: str) -> None:
    """Print a line now, whoever reads."""
    print(line, flush=True)


class Progress:
    """A bar where there is a terminal, and a line of losses every 100 steps everywhere."""

    def __init__(self, options: Options) -> None:
        self.steps = options.steps
        self.ours = "yours" if options.candidate else "scratch"
        self.labels = [label for label, _ in options.init]
        self.bar = Bar(
            TextColumn("step"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn(),
            disable=not sys.stdout.isatty(), transient=True,
        )  # fmt: skip  # what is shown, then how
        self.task = self.bar.add_task("training", total=options.steps)

    def __enter__(self) -> "Progress":
        self.bar.start()
        for labels in _groups(self.labels):
            self._say(f"{'loss':>6}" + "".join(f"{label:>18}" for label in labels))
            self._say(f"{'step':>6}" + f"{self.ours:>10}{'torch':>8}" * len(labels))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def show(self, step: int, trials: Sequence[Trial]) -> None:
        """Advance the bar, and print the losses where they are due."""
        self.bar.update(self.task, advance=1)
        if step % EVERY == 0 or step == self.steps - 1:
            for group in _groups(trials):
                losses = "".join(
                    f"{loss_text(trial.trace.scratch[-1]):>10}{loss_text(trial.trace.torch[-1]):>8}"
                    for trial in group
                )
                self._say(f"{step:>6}{losses}")

    def _say(self, line: str) -> None:
        if self.bar.disable:
            say(line)
        else:
            self.bar.console.print(line, highlight=False, markup=False)


T = TypeVar("T")


def _groups(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[i : i + GROUP] for i in range(0, len(items), GROUP)]
