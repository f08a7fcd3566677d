"""What a network does where it leaves the range of its numbers: described, and not explained."""

from collections.abc import Iterator, Sequence

from compare.evaluation import layer_of
from compare.judgement import Judgement, Verdict

UNDERFLOW = "as the probability of a target underflows to 0"
LOG_SOFTMAX = "z - m - log(sum(exp(z - m))), m the maximum of a row, is finite there."
OVERFLOW = "Softmax of z - z.max(axis=1, keepdims=True) is finite there."


def limit_texts(judgements: Sequence[Judgement]) -> Iterator[str]:
    """Yield what is lost, what is right all the same, and what would help where that is certain;
    one text for all stimuli on which it is the same.
    """
    texts: dict[str, list[str]] = {}
    for where in dict.fromkeys(j.where for j in judgements if j.is_limit):
        here = [j for j in judgements if j.where == where]
        texts.setdefault(_text(here), []).append(where)
    for text, places in texts.items():
        yield f"on {' and on '.join(places)} {text}"


def _text(here: Sequence[Judgement]) -> str:
    lost = [j for j in here if j.is_limit and j.verdict is Verdict.UNSTABLE]
    gradients = [j for j in here if j.probe == "gradient"]
    lost_gradients = [j for j in gradients if j in lost]
    values = [f"the {j.name} is {j.actual:g}" if j.name == "loss" else f"{j.name} is {j.actual:g}"
              for j in lost if j.probe != "gradient"]  # fmt: skip  # an item, its source
    if lost_gradients:
        names = " ".join(j.name for j in lost_gradients)
        values.append(f"gradient {names} {'is' if len(lost_gradients) == 1 else 'are'} not finite")
    said = ", ".join(values)
    only_loss = [j.name for j in lost] == ["loss"]
    if only_loss and lost[0].actual > 0 and _is_right_behind_softmax(gradients):
        said += f", {UNDERFLOW}"
    if gradients and not lost_gradients:
        off = [j.name for j in gradients if j.is_limit]
        stay = "are finite" if off else "stay right"
        said += f"; the gradients {stay}" + (f", off are {' '.join(off)}" if off else "")
    return f"{said}. {_remedy(here, only_loss=only_loss)}".strip()


def _is_right_behind_softmax(gradients: Sequence[Judgement]) -> bool:
    """Whether the gradients that come of y - t alone are right, and softmax with them."""
    last = max((layer_of(j.name) for j in gradients), default=0)
    first = [j for j in gradients if layer_of(j.name) == last and j.name[0] in "Wb"]
    return bool(first) and all(j.verdict is Verdict.SAME for j in first)


def _remedy(here: Sequence[Judgement], *, only_loss: bool) -> str:
    """Return what would stay finite, where what is lost shows in which formula that happens."""
    logits = [j for j in here if j.name in ("logits", "log-probabilities")]
    if only_loss:
        return LOG_SOFTMAX
    if logits and all(j.verdict is Verdict.SAME for j in logits):
        return OVERFLOW
    return ""
