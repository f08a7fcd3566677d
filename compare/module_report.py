"""What is said of a network that was judged against a torch module."""

from dataclasses import dataclass

from compare.judgement import Judgement, Verdict
from compare.report import Report
from compare.shown import CELL, cut
from compare.wording import agreement_text, divergence_text, paragraph, table


@dataclass(frozen=True, repr=False)
class ModuleReport(Report):
    """The verdict on a network against a module; `print(report)` shows it.

    Attributes
    ----------
    module : str
        The class of the module.
    matched : tuple of str
        Which parameter is which.
    """

    module: str = ""
    matched: tuple[str, ...] = ()

    def text(self, *, strict: bool = False, verbose: bool = False, lang: str | None = None) -> str:  # type: ignore[override]  # names its options
        """Return the report in words; there is nothing in it that the options change."""
        del strict, verbose, lang
        return _text(self)

    def page(self) -> str:
        """Return the text with as much of its table as a cell of a notebook has room for."""
        return cut(_text(self, CELL // 2), CELL)


def _text(report: ModuleReport, most: int | None = None) -> str:
    judgements, first = report.judgements, report.first_divergence
    does = {
        Verdict.SAME: "computes what its module computes",
        Verdict.INCONCLUSIVE: "could not be judged",
        Verdict.DIFFERENT: "does not compute what its module computes",
        Verdict.UNSTABLE: "is not finite where its module is",
    }[report.verdict]
    lines = paragraph(f"{report.verdict}  {report.name} {does}.")
    if first:
        lines += ["", *divergence_text(first, judgements, _place(first, judgements))]
    elif report.verdict is Verdict.SAME:
        lines += ["", *paragraph(agreement_text(judgements))]
    stimuli = dict.fromkeys(j.where for j in judgements if j.norm)
    facts = [
        ("module", f"{report.module}, {report.dtype}"),
        ("matched", "; ".join(report.matched)),
        ("judged", f"{sum(bool(j.norm) for j in judgements)} values on {len(stimuli)} batches: "
                   f"{', '.join(stimuli)}; seed {report.seed}"),
        *(("not judged", text) for text in dict.fromkeys(_open(report))),
    ]  # fmt: skip  # a row a fact
    lines += ["", *(row for k, text in facts for row in paragraph(f"{k:<12}{text}", hang=12))]
    return "\n".join([*lines, "", *table(judgements, most)])


def _open(report: ModuleReport) -> list[str]:
    there = [j for j in report.judgements if j.verdict is Verdict.INCONCLUSIVE]
    return [*report.not_judged, *(f"{j.quantity} on {j.where}: {j.detail}" for j in there)]


def _place(first: Judgement, judgements: tuple[Judgement, ...]) -> str:
    """Return where in the code the first divergence comes from."""
    here = [j for j in judgements if j.where == first.where]
    if first.name == "call":
        return "what the network does with this batch: a first plain call had worked"
    if first.where.endswith("once more"):
        return "what is kept between calls: this batch was right before another one"
    if first.name == "loss" and not any(j.probe == "forward" for j in here):
        return "the forward pass, or the loss: of both, only the loss can be seen"
    if first.name == "loss":
        return "the loss: the output that goes into it is right"
    if first.probe == "forward":
        return "the forward pass: only what comes out of it can be seen here"
    return f"the backward pass at {first.name}: the loss is right"
