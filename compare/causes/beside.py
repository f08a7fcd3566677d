"""What a candidate is beside its mistakes: the conventions it follows, a network without biases."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from compare.causes.case import Case, Mistakes
from compare.causes.mistake import Texts
from compare.causes.replay import Float64, Planted
from compare.conventions import EPSILONS, Entry, catalogue


def _with_zeros(values: Mapping[str, Float64]) -> dict[str, Float64]:
    """Return parameters or gradients, those of every bias 0."""
    return {k: np.zeros_like(v) if is_bias(k) else v for k, v in values.items()}


def is_bias(name: str) -> bool:
    """Whether a parameter is b1, b2, ...; beta1 is none."""
    return name[0] == "b" and name[1:].isdigit()


NO_BIASES: Mistakes = (
    Planted("params", lambda c: _with_zeros(c.params)),
    Planted("grads", lambda c: _with_zeros(c.grads)),
)
"""A network without biases, given some so that it has all parameters."""

NO_BIASES_SAYS: Texts = (
    "the network has no biases: what params holds is neither added in the forward pass nor has a "
    "gradient",
    "ネットワークにバイアスがありません(params のバイアスは順伝播で足されず、勾配も常に 0 です)",
)


USUAL = ({"mean": False}, {"epsilon": EPSILONS[0], "form": "add", "epsilon_in_gradient": False})
"""The conventions of loss and gradient that many networks follow: a sum, and the book's epsilon."""


def usual(cases: Sequence[Case]) -> Iterator[tuple[list[Case], list[str]]]:
    """Yield the cases under usual conventions, each alone and all together, and what these are
    called; not under one that makes more off than it makes agree.
    """
    entries = [entry for entry in catalogue() if entry.change in USUAL]
    off = _count_off(cases)
    for some in (*([entry] for entry in entries), entries):
        here = list(cases)
        for entry in some:
            here = under(here, entry)
        if here[0].given.convention != cases[0].given.convention and _count_off(here) <= off:
            yield here, [entry.text for entry in some]


def _count_off(cases: Sequence[Case]) -> int:
    return sum(len(case.off(())) for case in cases)


def may_lack_biases(cases: Sequence[Case]) -> bool:
    """Whether no bias has a gradient anywhere, and taking all of them out of the network makes less
    off and nothing that was not.
    """
    gradients = [v for case in cases for key, v in case.actual.items() if is_bias(key)]
    if not gradients or any(np.any(value) for value in gradients):
        return False
    return _explains(cases, (), cases, NO_BIASES)


def follow(cases: Sequence[Case], mistakes: Mistakes) -> tuple[list[Case], list[str]]:
    """Return the cases under the conventions that the candidate follows beside its mistakes, and
    what these are called.

    One is taken where the replay under it, with the mistakes in, makes some of what is off agree
    and nothing else worse: as for a candidate without mistakes.
    """
    given = cases[0].given
    batchnorm, dropout = "gamma1" in given.params, given.dropout is not None
    entries = [*catalogue(batchnorm=batchnorm, dropout=dropout)]
    found, here = list[str](), list(cases)
    while entry := next((e for e in entries if _fits(here, mistakes, e)), None):
        here = under(here, entry)
        found.append(entry.text)
        entries = [e for e in entries if not e.change.keys() & entry.change.keys()]
    return here, found


def _fits(cases: Sequence[Case], mistakes: Mistakes, entry: Entry) -> bool:
    """Whether the convention explains something; tried on one case before all."""
    off = [case for case in cases if case.off(mistakes)]
    first = max(off, key=lambda case: len(case.given.t), default=None)
    if first is None or replace(first.given.convention, **entry.change) == first.given.convention:
        return False
    return all(_explains(some, mistakes, under(some, entry), mistakes) for some in ([first], cases))


def under(cases: Sequence[Case], entry: Entry) -> list[Case]:
    """Return the cases where the network is meant to follow a convention."""
    return [case.under(replace(case.given.convention, **entry.change)) for case in cases]


def _explains(
    cases: Sequence[Case], before: Mistakes, meant: Sequence[Case], after: Mistakes
) -> bool:
    """Whether less is off with `after` in the cases as meant, and nothing that was not."""
    was = {(case.where, name) for case in cases for name in case.off(before)}
    still = {(case.where, name) for case in meant for name in case.off(after)}
    return still < was
