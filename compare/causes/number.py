"""The number of a family of mistakes: found by least squares, then named."""

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from compare.causes.case import Case, Mistakes
from compare.causes.factor import factor
from compare.causes.mistake import Mistake
from compare.causes.replay import Float64, Planted, Replay

Layers = tuple[int, ...] | None

ITERATIONS = 8
"""Steps of Gauss and Newton; a number that enters in proportion is found in one."""

SAME = {8: 1e-9, 4: 2e-5}
"""How near a number must be to one with a name, by the bytes of the dtype. Only a proposal: the
named one is then judged."""

FORMS: dict[str, Callable[[Replay], float]] = {
    "": lambda _: 1.0,
    "B": lambda c: c.B,
    "1/B": lambda c: 1 / c.B,
    "B^2": lambda c: c.B**2,
    "1/B^2": lambda c: 1 / c.B**2,
    "sqrt(B)": lambda c: math.sqrt(c.B),
    "1/sqrt(B)": lambda c: 1 / math.sqrt(c.B),
    "B/(B-1)": lambda c: c.B / (c.B - 1) if c.B > 1 else math.inf,
    "B/max(B-1, 1)": lambda c: c.B / max(c.B - 1, 1),
    "(B-1)/B": lambda c: (c.B - 1) / c.B,
    "1/(B+1)": lambda c: 1 / (c.B + 1),
    "B/(B+1)": lambda c: c.B / (c.B + 1),
}
"""How a number may depend on the batch; it is this times a constant."""

DECAY_FORMS: dict[str, Callable[[Replay], float]] = {
    "lambda": lambda c: c.lam,
    "lambda/B": lambda c: c.lam / c.B,
    "lambda B": lambda c: c.lam * c.B,
}
"""How a weight decay may depend on the one that is declared."""

LAYER_FORMS: dict[str, Callable[[Replay], float]] = {
    "1/fan_in": lambda c: 1 / len(c.W),
    "1/sqrt(fan_in)": lambda c: 1 / math.sqrt(len(c.W)),
    "sqrt(fan_in)": lambda c: math.sqrt(len(c.W)),
    "1/fan_out": lambda c: 1 / c.W.shape[1],
    "1/sqrt(fan_out)": lambda c: 1 / math.sqrt(c.W.shape[1]),
}
"""And on the layer."""


def numbers(
    mistake: Mistake, layers: Layers, before: Mistakes, case: Case, target: str
) -> Iterator[float]:
    """Yield the numbers with which the mistake may give the candidate's `target`: those that are
    usual, then those that fit best from there.
    """
    yield from mistake.starts
    seen = [*mistake.starts]
    # One number always gives another: of the loss, only the usual ones and the nearest are tried.
    for start in mistake.starts[: 1 if target == "loss" else None]:
        k = _fitted(mistake, layers, before, case, target, start)
        if k is not None and not any(math.isclose(k, other, rel_tol=1e-9) for other in seen):
            seen.append(k)
            yield k


def variants(
    mistake: Mistake, layers: Layers, k: float, case: Case, layer: int
) -> list[tuple[Planted, str]]:
    """Return the mistake with k as it may depend on batch and layer, and what k is called then; the
    likeliest first.
    """
    c = case.network(gradients=False)
    c.i = layer
    forms = {**FORMS, **(LAYER_FORMS if layers is None and layer else {})}
    if "decay" in mistake.key:
        forms = {**DECAY_FORMS, **forms}
    found = []
    for name, form in forms.items():
        value = form(c)
        if not (value and math.isfinite(value)):
            continue
        number = _named(k / value, case, mistake)
        rank = number.rank + (1 if name else 0) - 2 * (name in DECAY_FORMS)
        planted = planted_with(mistake, layers, number.value, form)
        found.append((rank, planted, _joined(number.name, name)))
    return [(planted, name) for _, planted, name in sorted(found, key=lambda item: item[0])]


def planted_with(
    mistake: Mistake, layers: Layers, q: float, form: Callable[[Replay], float] = FORMS[""]
) -> Planted:
    """Return the mistake with the number q times what `form` says of batch and layer."""
    return Planted(mistake.piece, mistake.change, layers, lambda c: q * form(c))


def _fitted(
    mistake: Mistake, layers: Layers, before: Mistakes, case: Case, target: str, k: float
) -> float | None:
    """Return the number that brings the replay nearest to the candidate, from `k` on."""
    gradients = target[0] in "Wbg"

    def at(number: float) -> Float64:
        planted = planted_with(mistake, layers, number)
        run = case.network((*before, planted), gradients=gradients).values()
        return np.asarray(run[target], float)

    return fitted(at, np.asarray(case.actual[target], float), k)


def fitted(at: Callable[[float], Float64], actual: Float64, k: float) -> float | None:
    """Return the number k that brings at(k) nearest to `actual`, by Gauss and Newton from `k` on;
    None where it leads nowhere.
    """
    step = 0.5
    with np.errstate(all="ignore"):
        for _ in range(ITERATIONS):
            here, beside = at(k), at(k + step)
            if here.shape != actual.shape or not np.isfinite([here, beside]).all():
                return None
            d = (beside - here) / step
            square = float(np.vdot(d, d))
            if not 0 < square < math.inf:
                return k
            change = float(np.vdot(actual - here, d)) / square
            k, moved = k + change, abs(change)
            if moved <= 1e-13 * max(abs(k), 1e-12):
                break
            step = max(min(abs(step), moved) * 1e-2, 1e-7 * max(abs(k), 1e-6))
    return k if math.isfinite(k) else None


class Number(NamedTuple):
    """A number, what it is called, and how remarkable it is: the least is the most."""

    value: float
    name: str
    rank: int


NAMED = {
    "0": 0.0, "1": 1.0, "-1": -1.0, "2": 2.0, "1/2": 0.5,
    "1/ln 2": 1 / math.log(2), "1/ln 10": 1 / math.log(10), "ln 2": math.log(2),
    "ln 2.718": math.log(2.718), "ln 2.7": math.log(2.7), "sqrt(2)": math.sqrt(2),
    "1/sqrt(2)": math.sqrt(0.5), "1/sqrt(3)": math.sqrt(1 / 3),
}  # fmt: skip  # a name, a number


def _named(q: float, case: Case, mistake: Mistake) -> Number:
    """Return the number that q is nearly, if it has a name in this network; else q."""
    known: dict[str, float] = {}
    if {"1/C", "B/C"} & set(mistake.means):
        classes = len(case.given.params[[k for k in case.given.params if k[0] == "W"][-1]].T)
        known |= {"1/C": 1 / classes, "C": float(classes)}
    ratio = case.given.dropout
    if ratio and "dropout" in mistake.key:
        known |= {"1 - ratio": 1 - ratio, "1/(1 - ratio)": 1 / (1 - ratio), "ratio": ratio}
    return named(q, known, case.dtype)


def named(q: float, known: Mapping[str, float], dtype: DTypeLike) -> Number:
    """Return the number that q is nearly, of those that are known or that anybody writes."""
    tolerance = SAME[np.dtype(dtype).itemsize]
    for name, value in {**NAMED, **known}.items():
        if math.isclose(q, value, rel_tol=tolerance, abs_tol=1e-3 * tolerance):
            return Number(value, name, 0)
    for digits in (1, 2, 3):
        decimal = float(f"{q:.{digits}g}")
        if abs(q - decimal) <= tolerance * abs(q):
            return Number(decimal, f"{decimal:g}", (0, 2, 3)[digits - 1])
    fraction = Fraction(q).limit_denominator(1024)
    if abs(q - float(fraction)) <= tolerance * abs(q):
        return Number(float(fraction), str(fraction), 2)
    return Number(q, factor(q), 5)


def _joined(q: str, form: str) -> str:
    """Return 'C/B' of 'C' and '1/B', and the like."""
    if not form or q == "0":
        return q
    if " " in q:
        q = f"({q})"
    if q == "1":
        return form
    if q == "-1":
        return f"-{form}"
    if form.startswith("1/"):
        return f"{q}{form[1:]}"
    if q.startswith("1/"):
        return f"{form}/{q[2:]}"
    return f"{q} {form}"
