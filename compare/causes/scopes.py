"""In which piece, and in which layers, a mistake may be that shows first in a given quantity."""

import re
from collections.abc import Iterator

from compare.causes.case import Case
from compare.causes.mistake import Mistake
from compare.causes.number import Layers
from compare.evaluation import layer_of, probe_of

FORWARD = ("params", "x", "affine", "statistics", "std", "norm", "act", "drop", "logits")
OUT = ("softmax", "loss_softmax", "loss", "penalty")
BACK = ("seed_softmax", "seed", "dW", "decay", "db", "dx", "undrop", "slope", "unnorm", "dgamma",
        "dbeta", "grads")  # fmt: skip  # as they come

BATCHNORM = {"statistics", "std", "norm", "moved", "unnorm", "dgamma", "dbeta"}
DROPOUT = {"drop", "undrop"}
LAYERED = {"affine", "act", "dW", "decay", "db", "dx", "slope", *BATCHNORM, *DROPOUT}
"""The pieces of one layer."""


def scopes(mistake: Mistake, case: Case, target: str) -> Iterator[tuple[Layers, int]]:
    """Yield the layers that a mistake may be in to show first in `target`, and the one by which a
    number is fitted; none where it cannot be in this network, or shows elsewhere.
    """
    piece, probe = mistake.piece, probe_of(target)
    if not _is_there(mistake, case) or piece not in _pieces(case, target):
        return
    if piece not in LAYERED:
        yield None, 0
        return
    last = sum(key.startswith("W") for key in case.given.params)
    layer = layer_of(target) or last
    yield None, layer
    if probe in ("gradient", "state") or (case.sees_inside and re.match(r"[znad]\d", target)):
        at = layer + 1 if piece == "dx" else layer
        if at <= last:
            yield (at,), at
        if last > 2 and layer < last:
            yield tuple(range(1, last)), layer
        return
    if target in ("logits", "probabilities", "log-probabilities") and case.sees_inside:
        yield (last,), last
        return
    if not mistake.is_general:
        for single in range(1, last + 1):
            yield (single,), single


def _is_there(mistake: Mistake, case: Case) -> bool:
    """Whether the network has the part in which the mistake is made."""
    if mistake.of and case.given.activation not in mistake.of.split():
        return False
    if mistake.part == "numerics" and str(case.dtype) in mistake.key:
        return False  # which is no less than it has
    if mistake.piece in BATCHNORM and "gamma1" not in case.given.params:
        return False
    return mistake.piece not in DROPOUT or case.given.dropout is not None


def _pieces(case: Case, target: str) -> tuple[str, ...]:
    """Return the pieces that may be wrong where `target` is what is off first."""
    probe = probe_of(target)
    if probe == "gradient":
        return BACK
    if probe == "state":
        return ("moved",)
    if probe == "loss":
        seen = case.sees_inside or any(probe_of(name) == "forward" for name in case.actual)
        return OUT if seen else (*FORWARD, *OUT)
    return (*FORWARD, "softmax")
