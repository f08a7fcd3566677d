"""make power: which causes are named of the bugs in tests/planted_bugs. Writes docs/causes.md."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import bugs
from compare.environment import environment
from compare.threads import one_thread_each
from planted_bugs import expected
from planted_bugs.blind import BLIND, STRANGE
from planted_bugs.judging import Finding, judged, judged_compact
from planted_bugs.layered import LAYERED
from planted_bugs.pairs import PAIRS
from planted_bugs.updates import UPDATES
from tasks import Task

OUT = Path(__file__).parents[1] / "docs" / "causes.md"
DTYPES = {"float64": np.float64, "float32": np.float32}
PARTS = ("init", "forward", "loss", "gradient", "update", "state", "data", "numerics")
SETS: dict[str, Any] = {"LAYERED": LAYERED, "UPDATES": UPDATES, "BLIND": BLIND, "STRANGE": STRANGE}
LAYER = {b.name: b for b in LAYERED}
COMPACT_PARTS = (
    ("decay out of the loss", "loss"), ("in the loss", "loss"), ("in the log", "loss"),
    ("float16", "numerics"),
)  # fmt: skip  # words in a name, the part; else by the place
HIDDEN_IN_FLOAT32 = ("float32", "single precision", "1e-4 in the log")
"""What changes nothing in a network of float32, in words of the names."""


class Job(NamedTuple):
    """A bug, or two, and the dtype in which it is judged."""

    table: str
    names: tuple[str, ...]
    dtype: str


class Row(NamedTuple):
    """What was found of it."""

    job: Job
    part: str
    detected: bool
    placed: bool
    first: bool
    three: bool
    repaired: bool
    false_certainty: bool
    both: bool


def part_of(table: str, name: str) -> str:
    """Return the part that a bug is in."""
    if table != "COMPACT":
        return str(next(bug.part for bug in SETS[table] if bug.name == name))
    by_word = (part for word, part in COMPACT_PARTS if word in name)
    index = [bug.name for bug in bugs.BUGS].index(name)
    starts = [bug.name for bug in bugs.BUGS]
    place = "forward"
    if index >= starts.index("softmax over the batch in the gradient"):
        place = "gradient"
    elif index >= starts.index("sum for mean in the loss"):
        place = "loss"
    return next(by_word, place)


def measured(*of_job: Any) -> dict[str, Any]:
    """Plant, judge, and hold what is said against what must be said."""
    table, names, dtype_name = of_job
    job, dtype = Job(table, tuple(names), dtype_name), DTYPES[dtype_name]
    with one_thread_each():
        if job.table == "PAIRS":
            found = judged(*(LAYER[name] for name in job.names), dtype=dtype)
            return row(job, found, [expected.LAYERED[name] for name in job.names])._asdict()
        (name,) = job.names
        if job.table == "COMPACT":
            found = judged_compact(next(b for b in bugs.BUGS if b.name == name), dtype)
        else:
            found = judged(next(b for b in SETS[job.table] if b.name == name), dtype=dtype)
    return row(job, found, [getattr(expected, job.table)[name]])._asdict()


def row(job: Job, found: Finding, wanted: list[tuple[str, tuple[str, ...]]]) -> Row:
    """Return the row of a finding."""
    causes = found.diagnosis.causes if found.diagnosis else ()
    said = [{cause.key, *cause.equal_keys} for cause in causes]
    keys = [set(keys) for _, keys in wanted]
    named = [any(k & s for s in said) for k in keys]
    part = part_of(job.table if job.table != "PAIRS" else "LAYERED", job.names[0])
    all_keys = set().union(*keys)
    sure = [c for c in causes[:1] if c.is_certain and c.key not in all_keys]
    return Row(
        job, part,
        detected=found.verdict in ("DIFFERENT", "UNSTABLE"),
        placed=found.place in [place for place, _ in wanted],
        first=bool(said) and bool(said[0] & all_keys),
        three=any(s & all_keys for s in said[:3]),
        repaired=found.diagnosis is not None and found.diagnosis.is_repaired and bool(causes),
        false_certainty=bool(sure),
        both=all(named),
    )  # fmt: skip  # a field a line


def jobs() -> list[Job]:
    """Return all that is to be planted."""
    found = []
    for dtype in DTYPES:
        tables = {"COMPACT": bugs.BUGS, **SETS}
        for table, items in tables.items():
            for bug in items:
                if dtype == "float32" and any(word in bug.name for word in HIDDEN_IN_FLOAT32):
                    continue
                found.append(Job(table, (bug.name,), dtype))
        found += [Job("PAIRS", names, dtype) for names in PAIRS if dtype == "float64"]
    return found


RUNS = 0
"""Nothing is drawn at random."""


def key_of(job: Job) -> str:
    """Return the key of a task: causes/float64/PAIRS/one mistake + another."""
    return f"causes/{job.dtype}/{job.table}/{' + '.join(job.names)}"


def tasks(_: int) -> list[Task]:
    """Return a task for each job."""
    return [Task(key_of(job), "causes.measured", tuple(job)) for job in jobs()]


def share(rows: Iterable[Row], field: str) -> str:
    """Return '12' of what holds, with the share if it is not all."""
    rows = list(rows)
    count = sum(bool(getattr(r, field)) for r in rows)
    percent = math.floor(100 * count / len(rows))
    return str(count) if count == len(rows) else f"{count} ({percent} %)"


COLUMNS = {
    "detected": "detected", "place right": "placed", "cause first": "first",
    "cause among three": "three", "repaired": "repaired",
}  # fmt: skip  # a head, a field


def table(groups: dict[str, list[Row]]) -> str:
    """Return a table in Markdown, a group a line."""
    heads = ["", "planted", *COLUMNS, "wrong and certain"]
    lines = [heads, ["---", *(["--:"] * (len(heads) - 1))]]
    for name, rows in groups.items():
        if rows:
            cells = [share(rows, field) for field in COLUMNS.values()]
            wrong = str(sum(r.false_certainty for r in rows))
            lines.append([name, str(len(rows)), *cells, wrong])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def document(results: dict[str, dict[str, Any]]) -> str:
    """Return docs/causes.md; print what was missed, or called something else with certainty."""
    rows = [Row(**results[key_of(job)] | {"job": job}) for job in jobs()]
    text = [HEAD]
    for dtype in DTYPES:
        here = [r for r in rows if r.job.dtype == dtype]
        ours = [r for r in here if r.job.table in ("COMPACT", "LAYERED", "UPDATES")]
        groups = {part: [r for r in ours if r.part == part] for part in PARTS}
        groups |= {"all": ours, "blind": [r for r in here if r.job.table == "BLIND"]}
        text.append(f"## {dtype}\n\n{table(groups)}")
        strange = [
            r for r in here if r.job.table == "STRANGE" and not expected.STRANGE[r.job.names[0]][1]
        ]
        if pairs := [r for r in here if r.job.table == "PAIRS"]:
            both = sum(r.both for r in pairs)
            repaired = sum(r.repaired for r in pairs)
            text.append(
                f"Files with two bugs: {len(pairs)}; both named in {both}, repaired {repaired}."
            )
        text.append(
            f"Mistakes in no row of the catalogue: {len(strange)}; detected "
            f"{sum(r.detected for r in strange)}, placed {sum(r.placed for r in strange)}, called "
            f"something else with certainty {sum(r.false_certainty for r in strange)}."
        )
        text.append("Not named first: " + _list(r for r in ours if not r.first) + ".")
        text.append(
            "Of the blind writer's: "
            + _list(r for r in here if r.job.table == "BLIND" and not r.first) + "."
        )  # fmt: skip  # a text
    e = environment()
    text.append(f"Measured with Python {e['python']}, numpy {e['numpy']}, torch {e['torch']}.")
    for r in rows:
        if r.false_certainty or not r.detected:
            print(r)
    return "\n\n".join(text) + "\n"


def _list(rows: Iterable[Row]) -> str:
    return "; ".join(" + ".join(r.job.names) for r in rows) or "none"


HEAD = """# Which causes are named

Bugs are planted as small edits in the files of this repository (`tests/planted_bugs`): in the
layers and networks of `scratch`, its optimisers, its reader of MNIST, the loop, and in a network of
one class of which only loss and gradient can be seen. For each is written down where it must be
found and what must be said.

- detected: DIFFERENT or UNSTABLE. Place right: probe and quantity of the first divergence.
- cause first: the mistake is said first, or among those that are said to give the same values.
- repaired: with what was said taken out of the candidate's values, everything agrees.
- wrong and certain: said first, called certain, and not the mistake.
- blind: by a writer who had seen neither the catalogue nor any list of mistakes. When they were
  first tried, 33 of the 45 were named first and two were called something else with certainty;
  after that the catalogue and the search were mended by what they showed."""
