"""Switches of a constructor, such as use_batchnorm: branches that one network alone never runs."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from compare.activations import BOOK
from compare.candidate import LABELS, ONE_HOT, Candidate
from compare.first_look import stimuli_of
from compare.modes import FLAGS

IDLE = ("verbose", "debug", "quiet", "silent", "log", "plot", "copy", "seed")
"""Switches by these names change nothing that is judged."""


def switches(cls: Any) -> dict[str, Any]:
    """Return the arguments of a constructor that switch something, and their defaults."""
    try:
        parameters = inspect.signature(cls).parameters
    except (TypeError, ValueError):
        return {}
    return {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in (*FLAGS, *IDLE)
        and (
            isinstance(parameter.default, bool)
            or (isinstance(parameter.default, str) and "activation" in name)
        )
    }


def other_values(net: Any) -> tuple[str, ...]:
    """Return which switches a network may have been built with otherwise, as somebody says it."""
    return tuple(f"another {name}" for name in switches(type(net)))


def not_exercised(
    build: Callable[[Mapping[str, Any]], Any], cls: Any, used: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the switches that would make another computation, as in --arg use_batchnorm=True.

    Parameters
    ----------
    build : callable
        Builds another network, with these arguments beside those that were used: what is judged
        itself is not called before its time.
    cls : type
        Its class.
    used : mapping
        The arguments that the network was built with.
    """
    found, there = [], switches(cls)
    own = _answers(Candidate(build({}))) if there else []
    for name, default in there.items():
        value = used.get(name, default)
        others = [not value] if isinstance(value, bool) else [a for a in BOOK if a != value]
        for other in others:
            try:
                answers = _answers(Candidate(build({name: other})))
            except (Exception, SystemExit):  # which the constructor does not take
                continue
            if answers and answers != own:
                found.append(f"--arg {name}={other!r}")
    return tuple(found)


def _answers(candidate: Candidate) -> list[Any]:
    """Return names of parameters and losses at values of our own, to be compared."""
    plain = stimuli_of(candidate, np.random.default_rng(0)).plain()
    kept = candidate.read()
    try:
        candidate.write(plain.params)
        np.random.seed(0)  # noqa: NPY002  # the global one is what networks draw from
        losses = list(_losses(candidate, plain.x, plain.t))
        return [*candidate.params, *losses] if losses else []
    finally:
        candidate.write(kept)


def _losses(candidate: Candidate, x: Any, t: Any) -> Iterator[float]:
    for candidate.targets in (LABELS, ONE_HOT):
        try:
            yield candidate.loss(x, t, training=True)
        except (Exception, SystemExit):
            continue
