"""The report on a network of which a first call worked and a later one did not."""

from compare.candidate import Candidate
from compare.judgement import Verdict, judge_fact
from compare.report import Report
from compare.user_frame import CandidateError


def broken_off(candidate: Candidate, error: CandidateError) -> Report:
    """Return that it is DIFFERENT, and what was raised; nothing else was judged."""
    detail = f"raised: {error}"
    return Report(
        name=candidate.name,
        sizes=candidate.sizes,
        dtype=str(candidate.dtype),
        activation="activation not found",
        inferred=(f"targets as {candidate.targets}",),
        verdict=Verdict.DIFFERENT,
        judgements=(judge_fact("forward", "call", "a call after the first", False, detail),),
        conventions=(),
    )
