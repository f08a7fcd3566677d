"""Runs sweeps, and writes their documents: `make power`, `make calibrate`.

    python tests/measure.py power chapter causes      what has no result yet; then the documents
    python tests/measure.py power --only power/bugs   the tasks whose keys begin so; no document
    python tests/measure.py calibrate --runs 2        few runs; the document is printed, not written
    python tests/measure.py power --fresh             forget what was measured before

A sweep is a module beside this one: RUNS, tasks(runs), document(results) and OUT. What its tasks
gave is kept in out/tasks/SWEEP.jsonl, so that a sweep that was killed goes on where it was.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks import HERE, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweeps that are asked for; 1 where a task failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sweeps", nargs="+", help="modules in tests/, such as power")
    parser.add_argument("--runs", type=int, help="of random networks, with each kernel")
    parser.add_argument("--only", default="", metavar="PREFIX", help="of keys")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "out" / "tasks")
    asked = parser.parse_args(arguments)
    sys.path.insert(0, str(HERE.parent))
    return max([swept(name, asked) for name in asked.sweeps])


def swept(name: str, asked: argparse.Namespace) -> int:
    """Run one sweep; return 1 where a task failed."""
    sweep = importlib.import_module(name)
    tasks = [t for t in sweep.tasks(asked.runs or sweep.RUNS) if t.key.startswith(asked.only)]
    path = asked.folder / f"{name}.jsonl"
    if asked.fresh:
        path.unlink(missing_ok=True)
    kept = run(path, tasks, asked.processes)
    failed = [key for key, record in kept.items() if "error" in record]
    if failed or asked.only:
        print(f"{name}: {len(failed)} of {len(kept)} tasks failed; no document", file=sys.stderr)
        return int(bool(failed))
    text = sweep.document({key: r["result"] for key, r in kept.items() if "result" in r})
    print(text)
    if not asked.runs:
        sweep.OUT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
