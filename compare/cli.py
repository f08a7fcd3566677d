"""The command `netparity`: what every command shares, from exit statuses to interruption."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from compare.errors import InputError
from compare.imports import import_unwatched
from compare.interruption import Interruption

ABOUT = "Says whether a network written from scratch computes what PyTorch computes."


def main(argv: Sequence[str] | None = None) -> int:
    """Hand over to the command that is named first; return the exit status.

    0, 1 and 3 are verdicts, 2 is input that is no use, 128 + n an interruption by signal n.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a path may hold what the console cannot show
            stream.reconfigure(errors="backslashreplace")
    with Interruption() as interruption:
        try:
            return _dispatch(arguments)
        except BrokenPipeError:
            sys.stdout = None  # whoever read has gone, and Python would try once more at its end
            return 1
        except InputError as error:
            print(f"netparity: {_one_line(error)}", file=sys.stderr)
            return 2
        except BaseException:
            if interruption.signum is None:
                raise
            print("netparity: interrupted; earlier results are untouched", file=sys.stderr)
            return 128 + interruption.signum


def _dispatch(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]][1](arguments[1:])
    if arguments[:1] in (["-h"], ["--help"]):
        usage = (f"  netparity {name} --help    {text}" for name, (text, _) in COMMANDS.items())
        print(f"{ABOUT}\n\n" + "\n".join(usage))
        return 0
    if arguments[:1] == ["--version"]:
        from importlib.metadata import version

        print(f"netparity {version('netparity')}")
        return 0
    given = f"no command {arguments[0]!r}" if arguments else "no command given"
    raise InputError(f"{given}; there is: {', '.join(COMMANDS)}")


def _run(arguments: Sequence[str]) -> int:
    """`netparity run`."""
    from compare.options import parse_options

    options = parse_options(arguments)
    see_own_packages()
    import_unwatched("compare.run")  # and torch: seconds that --help does not need
    from compare.run import FIGURE, REPORT, run
    from compare.user_frame import CandidateError
    from compare.wording import paragraph

    try:
        report = run(options)
        print(report.text())
        print(f"\nwrote {options.out / FIGURE} and {options.out / REPORT}", flush=True)
    except CandidateError as error:
        said = f"DIFFERENT  The network of {options.candidate} raises while it is trained: {error}"
        print("\n" + "\n".join(paragraph(said)))
        print(f"\nwrote {options.out / REPORT}; there is no figure", flush=True)
        return 1
    except (MemoryError, RuntimeError) as error:  # torch says RuntimeError, on CUDA too
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        raise InputError("not enough memory; smaller --hidden or --batch-size") from error
    return report.exit_code()


def _check(arguments: Sequence[str]) -> int:
    """`netparity check`."""
    see_own_packages()
    from compare.check_command import check

    return check(arguments)


def _inits(arguments: Sequence[str]) -> int:
    """`netparity inits`."""
    see_own_packages()
    import_unwatched("compare.inits_command")
    from compare.inits_command import inits

    return inits(arguments)


def _bench(arguments: Sequence[str]) -> int:
    """`netparity bench`."""
    see_own_packages()
    import_unwatched("compare.bench.command")
    from compare.bench.command import bench

    return bench(arguments)


COMMANDS: dict[str, tuple[str, Callable[[Sequence[str]], int]]] = {
    "run": ("train the same networks in numpy and in torch, and judge whether they agree", _run),
    "check": ("judge the network in a file", _check),
    "inits": ("show what initial weights do, in three figures of both stacks", _inits),
    "bench": ("measure how fast both stacks are on this machine", _bench),
}


def see_own_packages() -> None:
    """Raise InputError where a folder of the user's hides `scratch` or `torch_ref`."""
    home = Path(__file__).resolve().parents[1]
    for name in ("scratch", "torch_ref"):
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve() if spec and spec.origin else None
        if found != home / name / "__init__.py":
            where = found or next(iter((spec and spec.submodule_search_locations) or []), "nothing")
            raise InputError(
                f"{where} hides netparity's own {name!r}: use the command `netparity`, or start "
                "Python in another folder"
            )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
