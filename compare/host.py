"""The process in which somebody's network lives, so that it can spoil nothing but itself."""

import inspect
import os
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

IMPORT_LIMIT = 2.0
"""Seconds after which a file that is still being imported is taken to train there."""


def serve(
    connection: Connection, path: Path, name: str | None, given: dict[str, Any],
    sizes: tuple[int, ...], definitions_only: bool, memory: int,
) -> None:  # fmt: skip  # a call across processes
    """Load the network in `path`, say what it is, and answer for it until nobody asks.

    What is sent first is ('built', description), ('busy', line) if the import takes longer than
    IMPORT_LIMIT, or ('refused', text, whether there is no network at all). Each request is a method
    of Candidate and its arguments; the answer is ('returned', value, spoiled, not_judged) or
    ('raised', what and where, call).
    """
    _settle(path, memory)
    from dataclasses import asdict

    from threadpoolctl import threadpool_limits

    from compare.any_network import look_at_any
    from compare.candidate import Candidate
    from compare.errors import InputError
    from compare.source import build, find_network
    from compare.switches import not_exercised
    from compare.user_frame import CandidateError, account

    def make(module: ModuleType) -> tuple[Any, str]:
        cls = find_network(module, name, path)
        net, call, used = build(cls, given, sizes)
        try:
            candidate = Candidate(net)
            if isinstance(cls, type):
                again = lambda changed: build(cls, {**used, **changed}, sizes)[0]  # noqa: E731
                candidate.not_exercised = not_exercised(again, cls, used)
            return candidate, call
        except (TypeError, ValueError) as error:
            refused = InputError(f"{path}: {type(net).__name__} is not taken: {error}")
            look = look_at_any(net)
            refused.seen = f"built {call}; {look}" if look else ""
            raise refused from error

    loaded = _loaded(connection, path, make, definitions_only=definitions_only)
    if loaded is None:
        return
    candidate, call, remarks = loaded
    description = {
        "name": candidate.name,
        "sizes": candidate.sizes,
        "absent": candidate.absent,
        "not_exercised": candidate.not_exercised,
        "dtype": str(candidate.dtype),
        "call": call,
        "remarks": remarks,
        "weight_decay_lambda": candidate.weight_decay_lambda,
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
                method, how, arguments, options = connection.recv()
            except EOFError:
                return
            candidate.__dict__.update(how)
            try:
                value = getattr(candidate, method)(*arguments, **options)
                spoiled, candidate.spoiled = candidate.spoiled, []
                answer = ("returned", value, spoiled, candidate.not_judged)
            except CandidateError as error:
                answer = ("raised", error.text, error.call)
            except BaseException as error:  # the candidate raises KeyboardInterrupt, too
                answer = ("raised", account(error, str(path)), "")


def serve_optimizer(
    connection: Connection, path: Path, name: str, given: dict[str, Any], seed: int, lang: str,
    definitions_only: bool, memory: int,
) -> None:  # fmt: skip  # a call across processes
    """Load the optimiser `name` in `path`, judge it, and send what was found, in the words of
    `lang`.

    That is ('judged', {text, plain, strict, json}, remarks); else as `serve` does. Of `given`, the
    constructor gets the arguments that it has, and the judge the others.
    """
    _settle(path, memory)
    # Before the file says what `compare` is.
    from compare.errors import InputError
    from compare.optimiser_check import check_optimizer
    from compare.source import SIZES, build, find_optimizer

    def make(module: ModuleType) -> tuple[Any, str]:
        found = find_optimizer(module, name, path)
        own = _own(found, given)
        made, call, _ = build(found, own, SIZES, "--optimizer-arg")
        said = {key: value for key, value in given.items() if key not in own}
        try:
            return check_optimizer(made, seed=seed, **said), call
        except (TypeError, ValueError) as error:
            raise InputError(f"--optimizer {name}: {error}") from error

    loaded = _loaded(connection, path, make, definitions_only=definitions_only)
    if loaded is not None:
        report, call, remarks = loaded
        result = {
            "text": f"built {call}\n\n{report.text(lang)}",
            "plain": report.exit_code(),
            "strict": report.exit_code(strict=True),
            "json": report.to_json(),
        }
        connection.send(("judged", result, remarks))


def serve_against(
    connection: Connection, path: Path, name: str | None, given: dict[str, Any], reference: Path,
    module: str, seed: int, definitions_only: bool, memory: int,
) -> None:  # fmt: skip  # a call across processes
    """Load the network in `path`, judge it against `module` of the file `reference`, and send what
    was found, as `serve_optimizer` does.
    """
    _settle(path, memory)
    # Before the file says what `compare` is.
    from compare.check import check_network
    from compare.errors import InputError
    from compare.port.meant import meant_in
    from compare.source import SIZES, Source, build, find_network, search_path

    def make(file: ModuleType) -> tuple[Any, str]:
        net, call, _ = build(find_network(file, name, path), given, SIZES)
        sys.path[:0] = [folder for folder in search_path(reference) if folder not in sys.path]
        meant = meant_in(Source(reference).load(), module, reference)
        try:
            report = check_network(
                net, meant.x, meant.t, reference=meant.module, loss=meant.loss, names=meant.names,
                seed=seed,
            )  # fmt: skip  # both, how
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: {call} against {module}: {error}") from error
        return report, call

    loaded = _loaded(connection, path, make, definitions_only=definitions_only)
    if loaded is not None:
        report, call, remarks = loaded
        result = {
            "text": f"built {call}\n\n{report.text()}",
            "text_strict": f"built {call}\n\n{report.text(strict=True)}",
            "plain": report.exit_code(),
            "strict": report.exit_code(strict=True),
            "json": report.to_json(),
        }
        connection.send(("judged", result, remarks))


def _own(found: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return which of `given` the constructor of an optimiser takes; `name` is for the judge."""
    if not isinstance(found, type):
        return {}
    parameters = inspect.signature(found).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {
        key: value
        for key, value in given.items()
        if key in parameters or (takes_all and key != "name")
    }


def _loaded(
    connection: Connection,
    path: Path,
    make: Callable[[ModuleType], tuple[Any, str]],
    *,
    definitions_only: bool,
) -> tuple[Any, str, list[str]] | None:
    """Return what is made of the module, how, and remarks; None where the reason was sent."""
    from compare.errors import InputError, NoNetworkError
    from compare.source import Source, search_path
    from compare.user_frame import account

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
        watch.cancel()
        return (*make(module), source.remarks)
    except InputError as error:
        connection.send(("refused", str(error), isinstance(error, NoNetworkError), error.seen))
    except (Exception, SystemExit) as error:
        connection.send(("refused", f"{path}: {account(error, str(path))}", False, ""))
    finally:
        watch.cancel()
    return None


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
