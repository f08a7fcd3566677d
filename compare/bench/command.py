"""`netparity bench`: how fast both stacks are on this machine."""

import argparse
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch_ref
from compare.bench.bench_figure import draw_job
from compare.bench.growth import bench_growth
from compare.bench.job import load_job
from compare.bench.job_bench import bench_job
from compare.bench.rounds import busy
from compare.bench.start import bench_start
from compare.bench.thread_bench import bench_threads
from compare.environment import environment
from compare.figure import png
from compare.files import prepare_folder, write_results
from compare.options import Parser, at_least
from compare.progress import say
from compare.report import strict_json
from compare.run import check_device
from compare.threads import one_thread_each
from compare.wording import paragraph

SCHEMA = 1
ROUNDS, STEPS = 5, 300
QUICK_ROUNDS, QUICK_STEPS = 3, 20
BENCHES = {
    "job": "the run and its parts, beside naive loops and matrix products alone",
    "threads": "the run with other numbers of threads",
    "growth": "how time and memory grow with steps, networks, width and batch",
    "start": "from Enter to the first line, and to the end",
}


def bench(arguments: Sequence[str]) -> int:
    """Run the command; return 0."""
    options = _parse(arguments)
    name = "bench" if options.what == "job" else f"bench_{options.what}"
    files = {f"{name}.json": b""} | ({f"{name}.png": b""} if options.what == "job" else {})
    check_device(options.device)
    prepare_folder(options.out, files)
    result: Any
    beside = f", beside {options.busy} busy" if options.busy else ""
    say("\n".join(paragraph(_machine() + beside)))
    with busy(options.busy):
        if options.what == "start":
            result = bench_start(options.rounds)
        else:
            with (
                warnings.catch_warnings(),
                one_thread_each(),
                torch_ref.exact_arithmetic(options.device),
            ):
                measure: dict[str, Callable[..., Any]] = {
                    "job": bench_job, "threads": bench_threads, "growth": bench_growth,
                }  # fmt: skip  # by name
                result = measure[options.what](load_job(_words(options)), options.rounds)
    say(f"\n{result.text()}")
    content = {"schema": SCHEMA, "what": options.what, "busy": options.busy}
    text = strict_json(content | {"environment": environment(), **result.to_data()})
    files[f"{name}.json"] = text.encode()
    if options.what == "job":
        files[f"{name}.png"] = png(draw_job(result))
    write_results(options.out, files)
    say("\nwrote " + " and ".join(str(options.out / file) for file in files))
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="netparity bench",
        description="Measure how fast both stacks are on this machine.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name:<8} {text}" for name, text in BENCHES.items()),
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("what", choices=BENCHES, nargs="?", default="job", help="see below (default: job)")
    add("--quick", action="store_true", help="less than a minute: few rounds of few steps")
    add("--rounds", type=at_least(1), metavar="N", help=f"interleaved (default: {ROUNDS})")
    add("--steps", type=at_least(1), metavar="N", help=f"of the job (default: {STEPS})")
    add("--dtype", choices=["float64", "float32"], default="float64", help="of both stacks")
    add("--device", default="cpu", metavar="DEVICE", help="of the torch stack: cpu, cuda, cuda:N")
    add("--data", choices=["auto", "mnist", "digits"], default="auto", help="as for netparity run")
    add("--data-root", type=Path, metavar="DIR", help="folder that holds the four files of MNIST")
    add("--busy", type=at_least(0), default=0, metavar="N", help="processes to keep busy beside it")
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="folder for the results")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    options.steps = options.steps or (QUICK_STEPS if options.quick else STEPS)
    return options


def _words(options: argparse.Namespace) -> list[str]:
    """Return the job as options of `netparity run`."""
    words = [f"--{key}={getattr(options, key)}" for key in ("steps", "dtype", "device", "data")]
    return [*words, *(["--data-root", str(options.data_root)] if options.data_root else [])]


def _machine() -> str:
    """Return what this is measured on, in a line."""
    known = environment()
    blas = ", ".join(f"{info['internal_api']} {info['architecture']}" for info in known["blas"])
    return (
        f"{os.cpu_count()} cores, Python {known['python']}, numpy {known['numpy']} ({blas}), "
        f"torch {known['torch']}"
    )
