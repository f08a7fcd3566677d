"""Golden reports: what is said of many networks, optimisers and runs, kept to be compared with.

    python tests/golden.py                 rewrite tests/golden/reports.json
    python tests/golden.py --out FILE      write another file, as to compare kernels

Kept is a report without its prose: verdict, first divergence, conventions, causes, and what was
proved. Of numbers only relative errors that are not allowed, to two digits: they do not depend on
the kernels of a processor. A change is a decision: the message of the commit gives the reason.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from compare.judgement import Judgement, Verdict
from compare.rounding import unit_roundoff
from compare.threads import one_thread_each
from golden_items import ITEMS
from planted_bugs.judging import Finding

GOLDEN = Path(__file__).with_name("golden") / "reports.json"
CHANGE = (
    "A change here is a decision. If it is meant, run `python tests/golden.py` and give the "
    "reason in the message of the commit."
)


def kept(finding: Finding) -> dict[str, Any]:
    """Return what is kept of a finding."""
    first, why = finding.first, finding.diagnosis
    all_judged = [j for j in judgements(finding) if j.fails or j.verdict == Verdict.SAME]
    record: dict[str, Any] = {
        "verdict": str(finding.verdict),
        "judged": extent(finding, all_judged),
    }
    if first:
        record["first"] = f"{first.quantity}, {first.where}"
        record["off"] = {
            j.quantity: size(j.relative_error)
            for j in all_judged
            if j.fails and j.where == first.where and not is_rounding(j)
        }
    if conventions := getattr(finding.report, "conventions", ()):
        record["conventions"] = list(conventions)
    if why:
        record["causes"] = [
            {"key": c.key, "certain": c.is_certain, "equal": list(c.equal_keys)} for c in why.causes
        ]
        record["proved"] = f"{why.values} values on {why.places}" if why.is_repaired else "nothing"
    return record


def size(error: float) -> str:
    """Return an error to two digits; what is rounding of float32 has none that last."""
    return f"{error:.1e}" if error > unit_roundoff(np.float32) else "rounding of float32"


def is_rounding(judged: Judgement) -> bool:
    """Return whether what is expected is rounding alone, as of a bias before BatchNorm."""
    return judged.allowed > 0 and not judged.has_power


def extent(finding: Finding, judged: list[Judgement]) -> dict[str, int]:
    """Return how many quantities were judged of each probe, and on how many places.

    Of a run only the worst of each quantity is kept, and kernels decide where that is: its places
    are the judged steps.
    """
    quantities = dict.fromkeys((j.stack, j.probe, j.name) for j in judged)
    probes = Counter(f"{stack} {probe}".strip() for stack, probe, _ in quantities)
    steps = getattr(finding.report, "points", None)
    places = len({j.where for j in judged}) if steps is None else len(steps)
    return dict(probes) | {"places": places}


def judgements(finding: Finding) -> Any:
    """Return everything judged; of a run the worst of each quantity, and the first failing step."""
    if hasattr(finding.report, "failing"):
        return [*finding.report.failing, *finding.report.worst.values()]
    return finding.report.judgements


def written(records: dict[str, dict[str, Any]]) -> str:
    """Return JSON with a part of a record in a line, so that a diff shows what changed."""
    items = []
    for key, record in records.items():
        parts = [f'  "{part}": {json.dumps(v, ensure_ascii=False)}' for part, v in record.items()]
        items.append(f"{json.dumps(key, ensure_ascii=False)}: {{\n" + ",\n".join(parts) + "\n}")
    return "{\n" + ",\n".join(items) + "\n}\n"


def read() -> dict[str, dict[str, Any]]:
    """Return the records that are kept, by key."""
    return dict(json.loads(GOLDEN.read_text(encoding="utf-8")))


def computed(key: str) -> dict[str, Any]:
    """Return the record of an item as the code is now."""
    with one_thread_each():
        return kept(ITEMS[key]())


def differences(key: str, golden: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what changed of an item, a line for each part."""
    was, found = flat(golden), flat(now)
    return [
        f"{key}: {part} was {was.get(part)!r}, is {found.get(part)!r}"
        for part in dict.fromkeys([*was, *found])
        if was.get(part) != found.get(part)
    ]


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without dicts in it: {"off": {"loss": ...}} as {"off loss": ...}."""
    parts = {}
    for part, value in record.items():
        inside = value if isinstance(value, dict) else {}
        parts |= {f"{part} {name}": v for name, v in inside.items()} or {part: value}
    return parts


def main() -> None:
    """Compute and write all records."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=GOLDEN)
    out = parser.parse_args().out
    records = {}
    for key in ITEMS:
        start = time.process_time()
        records[key] = computed(key)
        print(f"{time.process_time() - start:6.2f} s  {key}", file=sys.stderr)
    out.parent.mkdir(exist_ok=True)
    out.write_text(written(records), encoding="utf-8")
    print(f"wrote {len(records)} reports to {out}")


if __name__ == "__main__":
    main()
