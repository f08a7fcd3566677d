"""The process in which somebody's network lives, so that it can spoil nothing but itself."""

import os
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

IMPORT_LIMIT = 2.0
"""Seconds after which a file that is still being imported is taken to train there."""


def serve(
    connection: Connection, path: Path, name: str | None, given: dict[str, Any],
    sizes: tuple[int, ...], definitions_only: bool, memory: int,
) -> None:  # fmt: skip  # a call across processes
    """Load the network in `path`, say what it is, and answer for it until nobody asks.

    What is sent first is ('built', description), ('busy', line) if the import takes longer than
    IMPORT_LIMIT, or ('refused', text). Each request is a method of Candidate and its arguments; the
    answer is ('returned', value, spoiled, not_judged) or ('raised', name of the error, text).
    """
    _settle(path, memory)
    from dataclasses import asdict

    from threadpoolctl import threadpool_limits

    from compare.candidate import Candidate
    from compare.errors import InputError
    from compare.source import Source, build, find_network, search_path

    sys.path[:0] = [folder for folder in search_path(path) if folder not in sys.path]
    for ours in [m for m in sys.modules if m.split(".")[0] in ("compare", "scratch")]:
        del sys.modules[ours]  # whose names they are here is for the file to say
    source = Source(path)
    watch = threading.Timer(IMPORT_LIMIT, _say_where, [connection, path, threading.get_ident()])
    watch.daemon = True
    try:
        if not definitions_only:
            watch.start()
        module = source.load(definitions_only=definitions_only)
        found = find_network(module, name, path)
        net, call = build(found, given, sizes)
        candidate = Candidate(net)
    except InputError as error:
        connection.send(("refused", str(error)))
        return
    except (Exception, SystemExit) as error:
        connection.send(("refused", f"{path}: {type(error).__name__}: {error}"))
        return
    finally:
        watch.cancel()
    description = {
        "name": candidate.name,
        "sizes": candidate.sizes,
        "dtype": str(candidate.dtype),
        "call": call,
        "remarks": source.remarks,
        "weight_decay_lambda": getattr(net, "weight_decay_lambda", None),
        "params": candidate.read(),
        "found": asdict(candidate.found),
    }
    process = os.getpid()
    with threadpool_limits(1, user_api="blas"):
        answer: tuple[Any, ...] = ("built", description)
        while True:
            if os.getpid() != process:
                os._exit(0)  # a fork of the candidate's, which must not answer too
            connection.send(answer)
            try:
                method, targets, arguments, options = connection.recv()
            except EOFError:
                return
            candidate.targets = targets
            try:
                value = getattr(candidate, method)(*arguments, **options)
                spoiled, candidate.spoiled = candidate.spoiled, []
                answer = ("returned", value, spoiled, candidate.not_judged)
            except BaseException as error:
                answer = ("raised", type(error).__name__, str(error)[:1000])


def _settle(path: Path, memory: int) -> None:
    """Take a place of our own: no console, no display, a group and a limit of memory."""
    os.environ["MPLBACKEND"] = "Agg"
    os.chdir(path.parent)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115  # open to the end
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # too
    sys.argv = [str(path)]
    if os.name == "posix":
        import resource

        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))


def _say_where(connection: Connection, path: Path, thread: int) -> None:
    """Say which line of the file is being executed, and end."""
    frame, line = sys._current_frames().get(thread), 0
    while frame:
        if frame.f_code.co_filename == str(path) and frame.f_code.co_name == "<module>":
            line = frame.f_lineno
        frame = frame.f_back
    connection.send(("busy", line))
    os._exit(0)
