"""Another function is no mistake: what a network is that is consistent with itself and unknown."""

from collections.abc import Collection, Iterable

from compare.activations import KNOWN
from compare.judgement import Judgement

ENDS = ("logits", "probabilities", "log-probabilities")


def unknown_part(judgements: Iterable[Judgement], stress: Collection[str]) -> str:
    """Return what of a network agrees with nothing that is known, on no stimulus at all.

    Parameters
    ----------
    judgements : sequence of Judgement
        Of all stimuli.
    stress : set of str
        Those that training never visits.

    Returns
    -------
    str
        'forward', if what comes out of its forward pass is off wherever it was judged; 'loss', if
        the loss is, and what is before it nowhere; else empty.
    """
    judged = [j for j in judgements if j.where not in stress]
    ends = [j for j in judged if j.name in ENDS]
    losses = [j for j in judged if j.name == "loss"]
    if not losses or not all(j.fails for j in losses):
        return ""
    if not ends or all(j.fails for j in ends):
        return "forward"
    return "" if any(j.fails for j in judged if j.probe == "forward") else "loss"


def scope_text(part: str, supposed: str) -> str:
    """Return why nothing is said of a network, what was supposed, and what to declare."""
    if part == "loss":
        return (
            "Its gradients are the derivative of its own loss, and its forward pass is right, but "
            "that loss is none that is known: softmax cross-entropy was supposed, with or without "
            "weight decay. If it is meant to be that, there is a mistake in loss and gradient "
            "alike."
        )
    return (
        "Its gradients are the derivative of its own loss, and its forward pass is none that is "
        f"known: affine layers with {', '.join(KNOWN)} between them. If it is meant to be one of "
        f"these, say so, as in activation={supposed!r} (--activation {supposed}): then it is "
        "judged as that."
    )
