"""What is said at the end: frozen data, as text of 80 columns or strict JSON."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from compare import wording
from compare.cause import Diagnosis
from compare.environment import environment
from compare.judgement import EXIT, Judgement, Verdict, first_failing
from compare.shown import CELL, Shown, cut

SCHEMA = 1


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """The verdict on one network; `print(report)` shows it.

    Attributes
    ----------
    name : str
        The class of the network.
    sizes : tuple of int
        Features, hidden units, classes.
    dtype, activation : str
        What it computes in, and with.
    inferred : tuple of str
        What was found out about it rather than told.
    verdict : Verdict
        SAME, DIFFERENT, UNSTABLE or INCONCLUSIVE.
    judgements : tuple of Judgement
        Everything judged: by stimulus, and in each in causal order.
    conventions : tuple of str
        Other definitions that the network follows.
    not_judged : tuple of str
        What of the batch that was passed could not be judged, and why.
    seed : int
        Of the stimuli.
    accepted : tuple of str
        Conventions that `strict` is not to refuse.
    diagnosis : Diagnosis or None
        Why it differs, where it does.
    scope : str
        Why nothing can be said of it, where it is another function than those that are known.
    normalization : {'', 'batch', 'layer'}
        What its gamma and beta belong to.
    not_exercised : tuple of str
        What of the network was never run: other arguments of its constructor, another form of
        targets.
    is_guess : bool
        Whether its activation is supposed, since its forward pass is none that is known.
    """

    name: str
    sizes: tuple[int, ...]
    dtype: str
    activation: str
    inferred: tuple[str, ...]
    verdict: Verdict
    judgements: tuple[Judgement, ...]
    conventions: tuple[str, ...]
    not_judged: tuple[str, ...] = ()
    seed: int = 0
    accepted: tuple[str, ...] = ()
    diagnosis: Diagnosis | None = None
    scope: str = ""
    normalization: str = ""
    not_exercised: tuple[str, ...] = ()
    is_guess: bool = False

    @property
    def first_divergence(self) -> Judgement | None:
        """The first quantity, in causal order, that is outside its allowed error."""
        return first_failing(self.judgements)

    @property
    def limits(self) -> tuple[Judgement, ...]:
        """Where the network is not finite on a stress stimulus."""
        return tuple(judgement for judgement in self.judgements if judgement.is_limit)

    def is_refused(self, *, strict: bool) -> bool:
        """Whether it is SAME, and `strict` refuses a convention or a limit of range in it."""
        exceptions = set(self.conventions) - set(self.accepted) or self.limits
        return strict and self.verdict is Verdict.SAME and bool(exceptions)

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 0 for SAME, 1 for DIFFERENT or UNSTABLE, 3 for INCONCLUSIVE.

        With `strict`, conventions that are not accepted and limits of range make it 1.
        """
        return 1 if self.is_refused(strict=strict) else EXIT[self.verdict]

    def text(self, *, strict: bool = False, verbose: bool = False, lang: str | None = None) -> str:  # type: ignore[override]  # names its options
        """Return the report in words; with `verbose`, every value on every stimulus.

        Causes are explained in `lang`, 'en' or 'ja'; by the locale if it is None.
        """
        return wording.report_text(self, strict=strict, verbose=verbose, lang=lang)

    def to_json(self) -> str:
        """Return the report as strict JSON; numbers that are not finite become strings."""
        return strict_json({"schema": SCHEMA, **asdict(self), "environment": environment()})

    @property
    def summary(self) -> str:
        """The verdict, the network, and what is wrong first or what agrees."""
        if first := self.first_divergence:
            what = f"{first.quantity} first, on {first.where}"
        elif self.verdict is Verdict.SAME:
            what = f"{wording.agreeing(self.judgements)} gradients agree"
        else:
            what = "nothing could be judged"
        return f"{self.verdict} {self.name}: {what}"

    def page(self) -> str:
        """Return the text with as much of its table as a cell of a notebook has room for."""
        return cut(wording.report_text(self, most=CELL), CELL)


def strict_json(value: Any) -> str:
    """Return JSON without NaN or Infinity, which standard parsers refuse: they become strings."""
    return json.dumps(_finite(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
