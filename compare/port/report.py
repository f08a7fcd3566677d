"""What is said of a network that was judged against a torch module."""

from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

from compare.environment import environment
from compare.judgement import Judgement, Verdict
from compare.report import SCHEMA, Report, strict_json
from compare.shown import CELL, cut
from compare.wording import agreement_text, divergence_text, paragraph, table

MOST = 12
"""Pairs of names that are printed."""


class Place(NamedTuple):
    """Where in a module the first divergence is.

    Attributes
    ----------
    direction : {'forward', 'backward', 'between calls'}
        In which pass.
    module : str
        Path of the module, or '' where it is none by itself.
    after : str
        The value before it that is right, in the order in which they are computed.
    """

    direction: Literal["forward", "backward", "between calls"]
    module: str
    after: str


@dataclass(frozen=True, repr=False)
class ModuleReport(Report):
    """The verdict on a network against a module; `print(report)` shows it.

    Attributes
    ----------
    module : str
        The class of the module.
    matched : tuple of str
        What lies otherwise, or is called otherwise, in both; at last, how sure that is.
    """

    module: str = ""
    matched: tuple[str, ...] = ()

    @property
    def first_divergence(self) -> Judgement | None:
        """The first value, in the order in which a module computes, that is off on some batch."""
        order: dict[tuple[str, str], int] = {}
        for i, j in enumerate(self.judgements):
            order.setdefault((j.probe, j.name), len(self.judgements) if j.name == "call" else i)
        failing = [j for j in self.judgements if j.fails]
        return min(failing, key=lambda j: order[j.probe, j.name], default=None)

    @property
    def place(self) -> Place | None:
        """Where the first divergence is; None where there is none."""
        return None if (first := self.first_divergence) is None else _place(first, self.judgements)

    @property
    def agreement(self) -> str:
        """Of what is right, how far, and what would have been seen."""
        return agreement_text(self.judgements)

    def to_json(self) -> str:
        """Return the report as strict JSON, with the place of the first divergence."""
        place = None if self.place is None else self.place._asdict()
        return strict_json(
            {"schema": SCHEMA, **asdict(self), "place": place, "environment": environment()}
        )

    def text(self, *, strict: bool = False, verbose: bool = False, lang: str | None = None) -> str:  # type: ignore[override]  # names its options
        """Return the report in words; with `strict`, conventions are refused."""
        del verbose, lang
        return _text(self, strict=strict)

    def page(self) -> str:
        """Return the text with as much of its table as a cell of a notebook has room for."""
        return cut(_text(self, most=CELL // 2), CELL)


def _text(report: ModuleReport, *, strict: bool = False, most: int | None = None) -> str:
    judgements, first, place = report.judgements, report.first_divergence, report.place
    whose = report.module
    does = {
        Verdict.SAME: f"computes what {whose} computes",
        Verdict.INCONCLUSIVE: "could not be judged",
        Verdict.DIFFERENT: f"does not compute what {whose} computes",
        Verdict.UNSTABLE: f"is not finite where {whose} is",
    }[report.verdict]
    if report.is_refused(strict=strict):
        does = "computes it by another convention, and strict refuses that"
    lines = paragraph(f"{report.verdict}  {report.name} {does}.")
    if first and place:
        lines += ["", *divergence_text(first, judgements, _place_text(first, place))]
    elif report.verdict is Verdict.SAME:
        lines += ["", *paragraph(report.agreement)]
    else:
        lines += ["", *paragraph(_advice(judgements))]
    if report.not_exercised:
        lines += ["", *paragraph(f"Not exercised: {'; '.join(report.not_exercised)}.")]
    facts = [
        ("reference", f"{report.module}, {report.dtype}"),
        *([("matched", _matched(report.matched))] if report.matched else []),
        *(("found", text) for text in report.inferred),
        *(("convention", text) for text in report.conventions),
        ("judged", _judged(report)),
        *(("limit", f"{j.quantity} {j.detail}, on {j.where}") for j in report.limits),
        *(("not judged", text) for text in _open(report)),
    ]
    lines += ["", *(row for k, text in facts for row in paragraph(f"{k:<12}{text}", hang=12))]
    return "\n".join([*lines, "", *table(judgements, most)])


def _advice(judgements: tuple[Judgement, ...]) -> str:
    """Return what to do where there is no verdict."""
    if any(j.verdict is Verdict.INCONCLUSIVE and j.error for j in judgements):
        return (
            "Something is off only where that is no proof: where the module selects within "
            "rounding, or casts. Pass a batch or parameters with which it does not."
        )
    return "No gradient was large enough to be judged: pass a batch that has one."


def _matched(matched: tuple[str, ...]) -> str:
    *pairs, how = matched
    shown = [*pairs[:MOST], *([f"and {len(pairs) - MOST} more"] if len(pairs) > MOST else [])]
    return "; ".join([*(shown or ["all by their own names"]), how])


def _judged(report: ModuleReport) -> str:
    values = [j for j in report.judgements if j.norm]
    batches = list(dict.fromkeys(j.where for j in values))
    return (
        f"{len(values)} values on {len(batches)} batches: {'; '.join(batches)}; seed {report.seed}"
    )


def _open(report: ModuleReport) -> list[str]:
    """Return what could not be judged, and why: a reason once for each quantity."""
    found: dict[str, str] = {}
    for j in report.judgements:
        if j.verdict is Verdict.INCONCLUSIVE:
            found.setdefault(j.detail, f"{j.quantity} on {j.where}: {j.detail}")
    return [*report.not_judged, *found.values()]


def _place(first: Judgement, judgements: tuple[Judgement, ...]) -> Place:
    here = [j for j in judgements if j.where == first.where]
    before = here[: here.index(first)]
    right = [j for j in before if j.verdict is Verdict.SAME and j.probe == first.probe]
    after = right[-1].name if right else ""
    if first.where.endswith("once more") or first.probe in ("aliasing", "purity"):
        return Place("between calls", "", "")
    if first.probe == "gradient":
        return Place("backward", first.name.rpartition(".")[0], after)
    if first.probe == "loss":
        after = next((j.name for j in reversed(before) if j.probe == "forward"), "")
    is_inner = first.probe == "forward" and first.name not in ("output", "predict", "call")
    name = first.name.rpartition(".")[0] if first.probe == "state" else first.name
    return Place("forward", name if is_inner or first.probe == "state" else "", after)


def _place_text(first: Judgement, place: Place) -> str:
    """Return where in the code the first divergence comes from."""
    if first.name == "call":
        return "what the network does with this batch: a first plain call had worked"
    if first.probe == "aliasing":
        return "how the parameters are created and handed to the layers"
    if first.probe == "purity":
        return "operations that work in place on an argument or a parameter"
    if place.direction == "between calls":
        return "what is kept between calls: this batch was right before another one"
    if place.direction == "backward":
        return _backward_text(first.name, place)
    if first.probe == "state":
        return f"what {place.module} remembers of a batch"
    if place.module:
        until = f" comes after {place.after}, which is right" if place.after else " is the first"
        return f"the forward pass of {place.module}: it{until}"
    if first.name == "loss" and place.after in ("output", "predict"):
        return "the loss: the output that goes into it is right"
    if place.after:
        return f"the forward pass after {place.after}, which is right"
    what = "the forward pass, or the loss" if first.name == "loss" else "the forward pass"
    return f"{what}: of it, only {first.name} can be seen (show what is inside as `outputs`)"


def _backward_text(name: str, place: Place) -> str:
    here = place.module or name
    if not place.after:
        return f"the backward pass where it begins, at {here}: the loss is right"
    before = place.after.rpartition(".")[0] or place.after
    way = f"of {here}" if before == here else f"from {before} to {here}"
    return f"the backward pass {way}: the gradient of {place.after} is right, that of {name} is not"
