"""The command `netparity`."""

import sys
from collections.abc import Sequence

ABOUT = "Says whether a network written from scratch computes what PyTorch computes."
COMMANDS = {"run": "train the same networks in numpy and in torch, and judge whether they agree"}


def main(argv: Sequence[str] | None = None) -> int:
    """Hand over to the command that is named first."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["run"]:
        from compare.run import main as run  # imports torch: seconds that --help does not need

        return run(arguments[1:])
    usage = "\n".join(f"  netparity {name} --help    {text}" for name, text in COMMANDS.items())
    if arguments[:1] in (["-h"], ["--help"]):
        print(f"{ABOUT}\n\n{usage}")
        return 0
    given = f"no command {arguments[0]!r}" if arguments else "no command given"
    print(f"netparity: {given}; there is: {', '.join(COMMANDS)}", file=sys.stderr)
    return 2
