"""The verdict on all that was judged against a module."""

from collections.abc import Iterator, Sequence

from compare.judgement import Judgement, Verdict
from compare.reference.evaluate import Evaluation


def verdict_on(judgements: Sequence[Judgement], probes: Sequence[str]) -> Verdict:
    """Return the worst verdict.

    SAME needs one of `probes` in which a mistake would have been seen, and that whatever was off
    where a difference proves nothing agrees somewhere else.
    """
    failing = {j.verdict for j in judgements if j.fails}
    for verdict in (Verdict.DIFFERENT, Verdict.UNSTABLE):
        if verdict in failing:
            return verdict
    seen = {(j.probe, j.name) for j in judgements if j.verdict is Verdict.SAME and j.has_power}
    off = {(j.probe, j.name) for j in judgements if j.verdict is Verdict.INCONCLUSIVE and j.error}
    is_seen = any(probe in probes for probe, _ in seen)
    return Verdict.SAME if is_seen and off <= seen else Verdict.INCONCLUSIVE


def doubts(e: Evaluation) -> Iterator[str]:
    """Yield why no difference is proof."""
    for kink in e.kinks:
        yield f"{kink.operation} in {kink.module or 'the module'} selects within rounding"
    for noted in e.casts:
        yield f"{noted.operation} in {noted.module or 'the module'} casts to fewer digits"
    for noted in e.read:
        yield f"{noted.module or 'the module'} reads a number out of a tensor"


def remarks_on(e: Evaluation) -> Iterator[str]:
    """Yield what the arithmetic could not follow by its rules."""
    for noted in e.casts:
        yield f"{noted.operation} in {noted.module or 'the module'} casts: judged without the cast"
    for noted in e.read:
        yield f"{noted.module or 'the module'} reads a number out of a tensor: taken as exact"
    for noted in e.unruled:
        where = noted.module or "the module"
        yield f"{noted.operation} in {where} has no rule: its error was measured"
