"""Tasks with keys, spread over processes; what each gives is kept, so that a killed run goes on.

Results are lines of JSON: what a task gave, why it failed, or that this processor cannot run it.
What other code gave, or other versions of numpy and torch, does not count.
"""

import asyncio
import hashlib
import importlib
import json
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
LONGEST = 2**24
"""Bytes of a line that a worker answers."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
KERNELS = {
    "default": {},
    "OpenBLAS Prescott, MKL plain": {"OPENBLAS_CORETYPE": "Prescott", "MKL_CBWR": "COMPATIBLE"},
    "OpenBLAS Haswell, MKL AVX2": {"OPENBLAS_CORETYPE": "Haswell", "MKL_CBWR": "AVX2"},
    "OpenBLAS SkylakeX, MKL AVX512": {"OPENBLAS_CORETYPE": "SkylakeX", "MKL_CBWR": "AVX512"},
    "two threads": {"OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
}  # fmt: skip  # a kernel a line
Record = dict[str, Any]
Keep = Callable[[str, Record], None]


class Task(NamedTuple):
    """`call` is module.function beside this file; arguments and result are JSON."""

    key: str
    call: str
    arguments: tuple[Any, ...] = ()
    kernel: str = "default"


def run(path: Path, tasks: Sequence[Task], processes: int = 2) -> dict[str, Record]:
    """Run the tasks of which nothing is kept in `path`; return what is kept of each, by key."""
    assert len({task.key for task in tasks}) == len(tasks), "two tasks have one key"
    path.parent.mkdir(parents=True, exist_ok=True)
    code = fingerprint()
    kept = {k: r for k, r in whole_lines(path).items() if r["code"] == code and "error" not in r}
    todo = deque(task for task in tasks if task.key not in kept)
    total, done = len(todo), 0
    print(f"{path.stem}: {total} of {len(tasks)} tasks to run", file=sys.stderr)
    with path.open("a", encoding="utf-8") as file:

        def keep(key: str, record: Record) -> None:
            nonlocal done
            done += 1
            kept[key] = record
            file.write(json.dumps({"key": key, "code": code} | record, ensure_ascii=False) + "\n")
            file.flush()
            if "error" in record:
                print(f"{key} failed: {record['error'].strip()}", file=sys.stderr)
            if done * 20 // total > (done - 1) * 20 // total:
                print(f"{path.stem}: {done} of {total}", file=sys.stderr)

        asyncio.run(shared_out(todo, keep, processes))
    return {task.key: kept[task.key] for task in tasks}


def fingerprint() -> str:
    """Return what tells this code and these versions from others."""
    found = hashlib.sha256(f"{sys.version} {version('numpy')} {version('torch')}".encode())
    for package in ("scratch", "torch_ref", "compare", "tests"):
        for path in sorted((HERE.parent / package).rglob("*.[pt][yx]*")):
            found.update(path.read_bytes())
    return found.hexdigest()[:12]


def whole_lines(path: Path) -> dict[str, Record]:
    """Return what is kept, the last of each key; cut off a line that a kill left unfinished."""
    if not path.exists():
        return {}
    text = path.read_bytes()
    os.truncate(path, text.rfind(b"\n") + 1)
    records = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]
    return {record.pop("key"): record for record in records}


async def shared_out(todo: deque[Task], keep: Keep, processes: int) -> None:
    """Run the tasks in so many processes at once."""
    lacking: set[str] = set()
    async with asyncio.TaskGroup() as group:
        for _ in range(processes):
            group.create_task(one_by_one(todo, keep, lacking))


async def one_by_one(todo: deque[Task], keep: Keep, lacking: set[str]) -> None:
    """Run tasks until none is left, in a process for each kernel: libraries choose theirs once."""
    process, kernel = None, ""
    try:
        while todo:
            task = todo.popleft()
            if task.kernel in lacking:
                keep(task.key, {"not_run": "this processor lacks the instructions"})
                continue
            if process is None or process.returncode is not None or kernel != task.kernel:
                await ended(process)
                process, kernel = await started(task.kernel), task.kernel
            record = await answer(process, task)
            if "not_run" in record:
                lacking.add(task.kernel)
            keep(task.key, record)
    finally:
        await ended(process)


async def started(kernel: str) -> asyncio.subprocess.Process:
    """Start a worker whose libraries will choose this kernel."""
    return await asyncio.create_subprocess_exec(
        sys.executable, __file__, env={**os.environ, **ONE_THREAD, **KERNELS[kernel]},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LONGEST,
    )  # fmt: skip  # what, how


async def ended(process: asyncio.subprocess.Process | None) -> None:
    """End a worker, if it runs."""
    if process and process.returncode is None:
        process.kill()
        await process.wait()


async def answer(process: asyncio.subprocess.Process, task: Task) -> Record:
    """Return what the worker says of the task, or how it ended."""
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps([task.call, task.arguments]).encode() + b"\n")
    if line := await process.stdout.readline():
        return dict(json.loads(line))
    code = await process.wait()
    if code == -signal.SIGILL:
        return {"not_run": "this processor lacks the instructions"}
    return {"error": f"its process ended with status {code}"}


def work() -> None:
    """Run the tasks that come in as lines; what they print is no answer."""
    answers, sys.stdout = sys.stdout, Path(os.devnull).open("w")  # noqa: SIM115  # until the end
    sys.path.insert(0, str(HERE.parent))
    for line in sys.stdin:
        call, arguments = json.loads(line)
        module, function = call.split(".")
        try:
            record = {"result": getattr(importlib.import_module(module), function)(*arguments)}
        except Exception:
            record = {"error": traceback.format_exc()}
        print(json.dumps(record), file=answers, flush=True)


if __name__ == "__main__":
    work()
