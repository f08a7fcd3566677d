"""How often networks at the edge of what is known are judged wrongly; part of `make power`.

Right networks of random shape, written in the ways of tests/variants.py (activations, forms of
targets, biases, weight decay, LayerNorm, finite differences, what predict returns, both dtypes),
drawn at random; the same with an activation, or a loss, that nobody knows; and each of the mistakes
planted there.

- A right network that is called DIFFERENT or UNSTABLE is a false alarm; INCONCLUSIVE is a refusal.
- One of an unknown function should be INCONCLUSIVE: SAME would be as wrong as DIFFERENT.
- A mistake is seen where the verdict is DIFFERENT.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from compare import check_network
from power import measured_with, row
from tasks import Task
from variants import UNKNOWN, WRONG, Options, Variant, random_options, random_sizes

OUT = Path(__file__).parents[1] / "docs" / "edges.md"
RUNS = 1000
EACH = 20
"""Networks of a task."""


def tasks(runs: int) -> list[Task]:
    """Return the tasks: so many right networks, and a share of that of the others."""
    found = [
        Task(f"edges/{kind}/{first}", f"edges.{kind}", (first, first + EACH))
        for kind, count in (("right", runs), ("unknown", runs // 25))
        for first in range(0, count, EACH)
    ]
    return found + [
        Task(f"edges/wrong/{wrong}", "edges.planted", (wrong, max(1, runs // 100)))
        for wrong in WRONG
    ]


def right(first: int, last: int) -> dict[str, Any]:
    """Judge right networks; return the verdicts, and what each false alarm was."""
    return counted((seed, random_options(rng), rng, "") for seed, rng in generators(first, last, 1))


def unknown(first: int, last: int) -> dict[str, Any]:
    """Judge right networks of a function that is none of the known."""
    drawn = []
    for seed, rng in generators(first, last, 2):
        options = replace(random_options(rng), step=0.0, layernorm=False)
        if seed % 4 == 0:
            options = replace(options, loss="squared", targets="one-hot", predict="probabilities")
        else:
            options = replace(options, activation=str(rng.choice(UNKNOWN)))
        drawn.append((seed, options, rng, ""))
    return counted(iter(drawn), hidden=True)


def planted(wrong: str, runs: int) -> dict[str, Any]:
    """Judge networks with one mistake."""
    drawn = []
    for seed, rng in generators(0, runs, 3):
        options = replace(random_options(rng), **WRONG[wrong])
        drawn.append((seed, options, rng, wrong))
    return counted(iter(drawn), hidden=True)


def generators(first: int, last: int, kind: int) -> Iterator[tuple[int, np.random.Generator]]:
    """Yield seeds with a generator each."""
    return ((seed, np.random.default_rng([seed, 47, kind])) for seed in range(first, last))


def counted(networks: Iterator[tuple[int, Options, Any, str]], *, hidden: bool = False) -> Any:
    """Return how often each verdict was given, and for which networks, but for SAME."""
    verdicts, found = Counter[str](), list[str]()
    for seed, options, rng, wrong in networks:
        sizes = random_sizes(rng, numerical=bool(options.step), hidden=hidden)
        report = check_network(Variant(sizes, options, seed, wrong), explain=False)
        verdicts[str(report.verdict)] += 1
        if report.verdict != "SAME":
            differing = {k: v for k, v in asdict(options).items() if v != getattr(Options(), k)}
            found.append(f"{report.verdict} seed {seed} {sizes} {differing}")
    return {"verdicts": dict(verdicts), "found": found}


def document(results: dict[str, Any]) -> str:
    """Return docs/edges.md."""
    groups: dict[str, Counter[str]] = {}
    found: dict[str, list[str]] = {}
    for key, result in results.items():
        _, kind, what = key.split("/")
        name = {"right": "right", "unknown": "right, of an unknown function"}.get(kind, what)
        groups.setdefault(name, Counter()).update(result["verdicts"])
        found.setdefault(name, []).extend(result["found"])
    kinds = ("SAME", "INCONCLUSIVE", "DIFFERENT", "UNSTABLE")
    head = ["", "networks", *kinds]
    lines = ["# At the edge of what is known", "", *(__doc__ or "").splitlines()[2:], ""]
    lines += [row(head), row(["---", *["--:"] * (len(head) - 1)])]
    lines += [row([name, c.total(), *(c[kind] for kind in kinds)]) for name, c in groups.items()]
    odd = [text for text in found["right"] if not text.startswith("INCONCLUSIVE")]
    odd += [t for t in found["right, of an unknown function"] if not t.startswith("INCONCLUSIVE")]
    lines += ["", "Called wrong, and right:", "", *(f"- {text}" for text in odd or ["none"])]
    return "\n".join([*lines, "", f"Measured with {measured_with()}.", ""])
