"""How verdicts are worded. Everything fits into 80 columns and prints in ASCII."""

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from compare.cause_wording import diagnosis_text, language
from compare.causes.factor import factor
from compare.evaluation import layer_of
from compare.judgement import ALL, DIFFERENCES, Judgement, Verdict
from compare.limit_wording import limit_texts

if TYPE_CHECKING:
    from compare.report import Report

WIDTH = 80

LISTED = 20
"""Names that are said in a row."""

HEADLINES = {
    Verdict.SAME: ("computes what PyTorch computes", "は PyTorch と同じ計算をしています。"),
    Verdict.DIFFERENT: (
        "does not compute what PyTorch computes", "は PyTorch と違う計算をしています。"
    ),
    Verdict.UNSTABLE: (
        "is not finite where PyTorch is", "は PyTorch が有限なところで有限ではありません。"
    ),
    Verdict.INCONCLUSIVE: ("could not be judged", "は判定できませんでした。"),
}  # fmt: skip  # a verdict, what is said


def report_text(
    report: "Report",
    *,
    strict: bool = False,
    verbose: bool = False,
    lang: str | None = None,
    most: int | None = None,
) -> str:
    """Return the text of a Report: the verdict first, then why, then what it rests on.

    With `most`, the table is shortened so that all is about as many lines.
    """
    lang = language(lang)
    why = [*diagnosis_text(report.diagnosis, lang), ""] if report.diagnosis else []
    facts = ["", *_facts(report), ""]

    def with_table(lines: list[str]) -> str:
        room = most and most - len(lines) - len(facts)
        lines = [*lines, *facts, *([] if report.scope else table(report.judgements, room))]
        lines += ["", *full_table(report.judgements)] if verbose else []
        return "\n".join(line.rstrip() for line in lines)

    if report.is_refused(strict=strict):
        exceptions = "by another convention or in a smaller range, and strict refuses that"
        return with_table(paragraph(f"SAME but {exceptions}: {report.name}."))
    en, ja = HEADLINES[report.verdict]
    said = f"{report.name}{ja}" if lang == "ja" else f"{report.name} {en}."
    lines = [f"{report.verdict}  {said}", "", *why]
    divergence = report.first_divergence
    if divergence is not None:
        place = place_text(divergence, report.judgements, len(report.sizes) - 1)
        said_of = divergence_text(divergence, report.judgements, place)
        # The places around a normalization are those around BatchNorm.
        is_layer = report.normalization == "layer"
        lines += [line.replace("BatchNorm", "LayerNorm") if is_layer else line for line in said_of]
    elif report.verdict is Verdict.SAME:
        lines += paragraph(agreement_text(report.judgements))
        if report.not_exercised:
            lines += paragraph(f"Not exercised: {', '.join(report.not_exercised)}.")
    else:
        lines += paragraph(report.scope) or _inconclusive_text(report.judgements)
    return with_table(lines)


def agreeing(judgements: Iterable[Judgement]) -> int:
    """Return of how many tensors the gradient was seen to be right."""
    return len(_sharpest(j for j in judgements if j.probe == "gradient"))


def _sharpest(gradients: Iterable[Judgement]) -> dict[str, Judgement]:
    """Return of each tensor that is right the judgement by which the smallest mistake shows."""
    best: dict[str, Judgement] = {}
    for j in gradients:
        if j.has_power and j.norm and j.verdict is Verdict.SAME:
            kept = best.setdefault(j.name, j)
            best[j.name] = min(kept, j, key=lambda j: j.relative_allowed)
    return best


def agreement_text(judgements: Sequence[Judgement]) -> str:
    """Return 'Your gradients are right: ...', with the smallest mistake that would be seen."""
    gradients = [j for j in judgements if j.probe == "gradient" and j.verdict is Verdict.SAME]
    best = _sharpest(gradients)
    worst = max(j.relative_error for j in best.values())
    least = max(j.relative_allowed for j in best.values())
    text = (
        f"Your gradients are right: all {len(best)} tensors agree with PyTorch to "
        f"{worst:.0e}. A mistake of {least:.0e} would have been seen."
    )
    blind = [name for name in dict.fromkeys(j.name for j in gradients) if name not in best]
    vain = [name for name in blind if name[0] == "b" and f"gamma{name[1:]}" in best]
    if vain:
        text += f" Before BatchNorm {', '.join(sorted(vain))} have no effect, and a gradient of 0."
    if rest := [name for name in blind if name not in vain]:
        text += f" Nothing can be said of {', '.join(rest)}: no stimulus made it large enough."
    return text


def divergence_text(first: Judgement, judgements: Sequence[Judgement], place: str) -> list[str]:
    """Return what is wrong first, how far, how far was allowed, and where to look: `place`."""
    at = "at" if first.where.startswith("step ") else "on"
    lines = [f"First divergence: {first.quantity}, {at} {first.where}"]
    if first.detail:
        lines += paragraph(f"{first.quantity} {first.detail}", "  ")
    if math.isfinite(first.error):
        lines.append(
            f"  off by     {first.relative_error:.1e} of {first.part}; "
            f"rounding explains {first.relative_allowed:.1e}"
        )
        at = f"[{', '.join(map(str, first.index))}]" if first.index else ""
        lines.append(f"  worst at   {first.name}{at}")
        lines.append(f"  actual     {first.actual: .16g}")
        lines.append(f"  expected   {first.expected: .16g}")
    if first.ratio not in (None, 1.0):
        lines.append(
            f"  every element is {factor(first.ratio)} times what it should be, to rounding"
        )
    others = _others(first, judgements)
    if others and not any(j.fails for j in others):
        lines.append(f"  elsewhere  right, on {len(others)} other stimuli")
    here = [j for j in judgements if j.where == first.where]
    alike = [j for j in here if j.stack == first.stack]
    right = [j.quantity for j in alike if j.verdict is Verdict.SAME and j.norm]
    wrong = [j.quantity for j in here if j.verdict is not Verdict.SAME and j is not first]
    if right:
        lines += paragraph("agree      " + _names(right), "  ", hang=11)
    if wrong:
        lines += paragraph("also off   " + _names(wrong), "  ", hang=11)
    return [*lines, "", *paragraph(f"Look at {place}.")]


def _others(first: Judgement, judgements: Sequence[Judgement]) -> list[Judgement]:
    """Return the judgements of the same quantity on other stimuli in which it would be seen."""
    same = [j for j in judgements if j.quantity == first.quantity and j.where != first.where]
    return [j for j in same if j.has_power]


def place_text(first: Judgement, judgements: Sequence[Judgement], layers: int) -> str:
    """Return where in the code the first divergence comes from."""
    layer = int(match[0]) if (match := re.search(r"\d+$", first.name)) else layers
    if first.stack:
        return "the training loop around the torch network, which is not the candidate"
    if first.probe == "aliasing":
        return "how the parameters are created and handed to the layers"
    if first.name == "call before":
        return "what the layers keep between calls: results, sums of gradients, arrays used again"
    if first.probe in ("init", "data", "purity"):
        return {
            "init": "the initialisation of this parameter",
            "data": "how the files are read and batches are taken from them",
            "purity": "operations that work in place on an argument",
        }[first.probe]
    if first.name == DIFFERENCES:
        return "the loop of the numerical gradient"
    if first.name == "call":
        return "what the network does with this batch: a first plain call had worked"
    if first.probe == "forward":
        inner = any(re.match(r"[znad]\d", j.name) for j in judgements if j.where == first.where)
        if first.name in ("logits", "probabilities") and layers > 1 and not inner:
            return "the forward pass: only what comes out of it can be seen here"
        of_letter = {"n": "BatchNorm", "a": "the activation", "d": "the dropout"}
        if first.name[0] in of_letter and re.match(r"[nad]\d", first.name):
            return f"{of_letter[first.name[0]]} of layer {layer}: what goes into it is right"
        before = "" if layer == 1 else ": what goes into it is right"
        return f"the forward pass of Affine {layer}{before}"
    if first.probe == "loss" and not any(j.probe == "forward" for j in judgements):
        return "the forward pass, softmax, log and mean: of all that, only the loss can be seen"
    if first.probe == "loss":
        return "softmax, log and the mean in the loss: the forward pass before it is right"
    if first.probe == "state" and first.name.startswith("running"):
        return f"how BatchNorm {layer} moves what it remembers: its gradients are right"
    if first.probe == "state":
        return "what the optimiser remembers: the gradients that go into it are right"
    if first.probe == "update":
        return "the update of the parameters: the gradients that go into it are right"
    if "blank" in first.where and not any(j.fails for j in _others(first, judgements)):
        return "the derivative at a pre-activation of exactly 0: only blank rows show it"
    gradients = {j.name for j in judgements if j.probe == "gradient" and j.where == first.where}
    off = {j.name for j in judgements if j.where == first.where and j.verdict is not Verdict.SAME}
    if off & gradients == {name for name in gradients if name.startswith("W")}:
        return "what is added to every weight's gradient and to no bias's, such as weight decay"
    if layers > 1 and off & gradients == {name for name in gradients if name.startswith("b")}:
        return "db in the backward of Affine: in every layer it is off, and dW is right"
    if f"gamma{layer}" in gradients and layer < layers:
        judged = {j.name for j in judgements if j.where == first.where}
        return _place_around_batchnorm(first.name, layer, off, judged)
    if layer == layers and len(off & gradients) > 1:
        return "the backward of softmax with loss, where every gradient starts"
    if first.name.startswith("b") or f"b{layer}" not in off:
        return (
            f"d{first.name[0]} in the backward of Affine {layer}: the other gradient there is right"
        )
    if layer == layers:
        return f"the backward of Affine {layer}: the loss is right"
    return _between(layer, {j.name for j in judgements if j.where == first.where})


def _between(layer: int, judged: set[str]) -> str:
    """Return the backward below layer `layer` + 1 as a place."""
    dropped = any(re.match(r"d\d", name) for name in judged)
    inner = ", dropout and activation" if dropped else " and the activation"
    return (
        f"the backward between layers {layer + 1} and {layer}, dx of Affine {layer + 1}{inner}: "
        f"the gradients of layer {layer + 1} are right"
    )


def _place_around_batchnorm(name: str, layer: int, off: set[str], judged: set[str]) -> str:
    """Return where a gradient of a layer with BatchNorm comes from."""
    if name.startswith(("gamma", "beta")):
        pair = {f"gamma{layer}", f"beta{layer}"}
        if pair <= off:
            return _between(layer, judged)
        (other,) = pair - {name}
        return (
            f"d{name.rstrip('0123456789')} in the backward of BatchNorm {layer}: {other} is right"
        )
    if layer == 1:
        return "dx in the backward of BatchNorm 1, or dW in that of Affine 1"
    if not any(layer_of(other) == layer - 1 for other in off):
        return f"d{name[0]} in the backward of Affine {layer}: what lies below it is right"
    return f"dx in the backward of BatchNorm {layer}: gamma{layer} and beta{layer} are right"


def table(judgements: Iterable[Judgement], most: int | None = None) -> list[str]:
    """Return a line a quantity: the worst of it over all stimuli, and what would be seen.

    What is a limit of range has a line of its own in the report, and none here. Where there are
    more lines than `most`, those that are off stay first, and what is left out is counted.
    """
    judgements = [j for j in judgements if not j.is_limit]
    names = dict.fromkeys(j.quantity for j in judgements if j.norm or j.error)
    width = max([16, *(len(name) + 1 for name in names)])
    lines = [f"{'quantity':<{width}}{'error':>9}{'allowed':>10}{'sees':>9}  worst on"]
    worsts = {
        name: max((j for j in judgements if j.quantity == name), key=Judgement.rank)
        for name in names
    }
    shown = _chosen(worsts, len(names) if most is None else max(1, most - 2))
    for name in shown:
        all_of, worst = [j for j in judgements if j.quantity == name], worsts[name]
        whole = [j for j in all_of if j.has_power and j.norm and j.part == ALL]
        sees = min((j.relative_allowed for j in whole), default=math.inf)
        mark = "" if worst.verdict is Verdict.SAME else f"  {worst.verdict}"
        lines.append(
            f"{name:<{width}}{_number(worst.relative_error):>9}{_number(worst.relative_allowed):>10}"
            f"{_number(sees):>9}  {worst.where[: WIDTH - 30 - width - len(mark)]}{mark}"
        )
    if rest := [name for name in names if name not in shown]:
        off = sum(worsts[name].fails for name in rest)
        said = f"{off or 'none'} of them off"
        lines.append(f"... and {len(rest)} more quantities, {said}")
    return lines


def _chosen(worsts: Mapping[str, Judgement], most: int) -> list[str]:
    """Return which quantities are shown, in their order: what is off, the earliest first, then
    what comes nearest to it.
    """
    order = [*worsts]
    by_weight = sorted(
        order, key=lambda name: (not worsts[name].fails, 0 if worsts[name].fails
                                 else -worsts[name].score)
    )  # fmt: skip  # a key
    return sorted(by_weight[:most], key=order.index)


def full_table(judgements: Iterable[Judgement]) -> list[str]:
    """Return a line for everything that was judged: by stimulus, and in each in causal order."""
    lines = []
    stimulus = ""
    for j in judgements:
        if j.where != stimulus:
            stimulus = j.where
            lines.append(f"on {stimulus}")
        numbers = f"{_number(j.relative_error):>9}{_number(j.relative_allowed):>10}"
        said = "limit" if j.is_limit else "right" if j.verdict is Verdict.SAME else j.verdict
        lines.append(f"  {j.quantity:<24}{numbers if j.norm or j.error else '':<19}  {said}")
    return lines


def _not_judged_texts(report: "Report") -> Iterator[str]:
    """Yield what nothing is said of, and why."""
    yield from report.not_judged
    if report.scope:
        return  # nothing was
    open_ = [j for j in report.judgements if j.verdict is Verdict.INCONCLUSIVE]
    for where, detail in dict.fromkeys((j.where, j.detail) for j in open_):
        names = _names(j.quantity for j in open_ if (j.where, j.detail) == (where, detail))
        yield f"{names} on {where}: {detail}"


def _facts(report: "Report") -> list[str]:
    shape = "-".join(map(str, report.sizes))
    stimuli = list(dict.fromkeys(j.where for j in report.judgements if j.norm))
    rows = [
        ("network", f"{shape}, {report.activation}{' supposed' * report.is_guess}, "
                    f"{report.dtype}"),
        ("found", "; ".join(report.inferred)),
        ("judged", f"{sum(1 for j in report.judgements if j.norm)} values on {len(stimuli)} "
                   f"stimuli, seed {report.seed}"),
        *(("convention", text + " (accepted)" * (text in report.accepted))
          for text in report.conventions),
        *(("limit", text) for text in limit_texts(report.judgements)),
        *(("not judged", text) for text in _not_judged_texts(report)),
    ]  # fmt: skip  # a row a fact
    return [line for key, text in rows for line in paragraph(f"{key:<12}{text}", hang=12)]


def _inconclusive_text(judgements: Iterable[Judgement]) -> list[str]:
    reasons = dict.fromkeys(j.detail for j in judgements if j.verdict is Verdict.INCONCLUSIVE)
    reason = "; ".join(filter(None, reasons)) or "every row has a ReLU on the brink of 0"
    return paragraph(f"Nothing could be judged: {reason}. Smaller weights or more rows may help.")


def _names(quantities: Iterable[str]) -> str:
    """Join names, 'gradient' said once; of many, the first and the number of the others."""
    names = list(dict.fromkeys(quantities))
    if len(names) > LISTED:
        return f"{_names(names[:LISTED])} and {len(names) - LISTED} more"
    gradients = [name.removeprefix("gradient ") for name in names if name.startswith("gradient ")]
    others = [name for name in names if not name.startswith("gradient ")]
    return ", ".join([*others, *([f"gradient {' '.join(gradients)}"] if gradients else [])])


def _number(value: float) -> str:
    return "-" if math.isinf(value) else "0" if value == 0 else f"{value:.1e}"


def paragraph(text: str, indent: str = "", hang: int = 0) -> list[str]:
    """Return the lines of `text` wrapped to 80 columns, all but the first hanging."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent + " " * hang,
        break_long_words=False,
    )  # fmt: skip  # a call, not a table
