"""The report of a run: what was asked for, what both stacks did, and the verdict."""

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from compare import run_wording
from compare.cause import Diagnosis
from compare.data import Data
from compare.environment import environment
from compare.figure import draw_run, png
from compare.judgement import EXIT, Judgement, Verdict
from compare.options import Options
from compare.record import Trace
from compare.report import SCHEMA, strict_json
from compare.shown import Shown, preformatted
from compare.trial import Trial, distinct_units
from compare.user_frame import CandidateError


@dataclass(frozen=True)
class InitReport:
    """One initialisation.

    Attributes
    ----------
    label : str
        As printed.
    verdict : Verdict
        On everything judged of it.
    trace : Trace
        Losses of both stacks and the distance of their gradients, at every step.
    worst : dict of str to Judgement
        By quantity, the judgement closest to what is allowed, or beyond it.
    failing : list of Judgement
        All judgements of the first step in which one failed.
    points : dict of int to Judgement
        By judged step, the gradient closest to what is allowed.
    sees : dict of str to float
        By quantity, the smallest relative error that would have been seen in some step.
    largest : float
        The largest relative error of any gradient that could be judged.
    units : list of int
        How many units of each layer differ from each other, at the end.
    diagnosis : Diagnosis or None
        Why it failed, if it did.
    """

    label: str
    verdict: Verdict
    trace: Trace
    worst: dict[str, Judgement]
    failing: list[Judgement]
    points: dict[int, Judgement]
    sees: dict[str, float]
    largest: float
    units: list[int]
    diagnosis: Diagnosis | None = None

    @property
    def compared(self) -> int:
        """The steps over which the free run means something: all, where a mistake was found."""
        return len(self.trace.errors) if self.failing else self.trace.compared

    @property
    def closing_losses(self) -> tuple[float, float]:
        """Mean loss of the last 100 steps, scratch and torch."""
        return float(np.mean(self.trace.scratch[-run_wording.LAST :])), float(
            np.mean(self.trace.torch[-run_wording.LAST :])
        )


@dataclass(frozen=True, repr=False)
class RunReport(Shown):
    """A whole run; `text` prints it, `to_json` keeps it."""

    data: dict[str, Any]
    title: str
    options: dict[str, Any]
    environment: dict[str, Any]
    sizes: tuple[int, ...]
    inits: tuple[InitReport, ...]
    subject: str = "scratch"

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all inits."""
        order = (Verdict.DIFFERENT, Verdict.UNSTABLE, Verdict.INCONCLUSIVE, Verdict.SAME)
        return min((init.verdict for init in self.inits), key=order.index)

    def exit_code(self) -> int:
        """Return 0 for SAME, 1 for DIFFERENT or UNSTABLE, 3 for INCONCLUSIVE."""
        return EXIT[self.verdict]

    def text(self, lang: str | None = None) -> str:  # type: ignore[override]  # names its option
        """Return the closing table and the verdict in words; causes in `lang`, 'en' or 'ja'."""
        return run_wording.run_text(self, lang or self.options.get("lang"))

    def to_json(self) -> str:
        """Return the report as strict JSON."""
        return strict_json({"schema": SCHEMA, "verdict": self.verdict, **asdict(self)})

    @property
    def summary(self) -> str:
        """The verdict, and that of each init."""
        return f"{self.verdict} " + ", ".join(f"{i.label} {i.verdict}" for i in self.inits)

    def _repr_html_(self) -> str:
        image = base64.b64encode(png(draw_run(self))).decode()
        return f'<img src="data:image/png;base64,{image}" width="100%">' + preformatted(self.page())


def raised_json(error: CandidateError) -> str:
    """Return the JSON of a run that ended when the candidate raised."""
    return strict_json({"schema": SCHEMA, "verdict": Verdict.DIFFERENT, "raised": str(error)})


def collect(
    options: Options,
    data: Data,
    trials: Sequence[Trial],
    settings: dict[str, Any],
    subject: str = "scratch",
    *,
    explain: bool = True,
) -> RunReport:
    """Gather the report of a run that is over; with `explain`, find out why it failed."""
    inits = tuple(
        InitReport(
            label=trial.label,
            verdict=trial.ledger.verdict,
            trace=trial.trace,
            worst=trial.ledger.worst,
            failing=trial.ledger.failing,
            points=trial.ledger.points,
            sees=trial.ledger.sees,
            largest=trial.ledger.largest,
            units=distinct_units(trial.candidate.read()),
            diagnosis=trial.diagnosis() if explain else None,
        )
        for trial in trials
    )
    return RunReport(
        data={
            "name": data.name,
            "images": len(data.x),
            "sha256": data.sha256,
            "readers": data.readers,
        },
        title=data.title,
        options={
            key: str(v) if key in ("out", "data_root") else v for key, v in asdict(options).items()
        },
        environment=environment() | {"cuda_settings": settings},
        sizes=trials[0].candidate.sizes,
        inits=inits,
        subject=subject,
    )
