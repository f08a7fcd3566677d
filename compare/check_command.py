"""`netparity check FILE[:NAME]`: is the network in this file right?"""

import argparse
import ast
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compare.activations import KNOWN
from compare.baseline import accepted_conventions
from compare.broken_off import broken_off
from compare.candidate import LABELS, ONE_HOT
from compare.cause_wording import LANGUAGES, language
from compare.errors import InputError, NoNetworkError
from compare.first_look import first_look
from compare.imports import import_unwatched
from compare.json_file import refusal_json, see_json, text_beside, write_json
from compare.options import Parser, at_least, not_negative
from compare.remote import RemoteCandidate, file_and_name, judged_against, judged_optimizer
from compare.report import Report
from compare.user_frame import CandidateError
from compare.wording import paragraph


def check(arguments: Sequence[str]) -> int:
    """Run the command; return the exit status of the verdict."""
    options = _parse(arguments)
    see_json(options.json, options.file)
    reports: list[str] = []
    refused, status = None, 2
    with text_beside(options.json):
        try:
            status = _judged(options, reports)
        except InputError as error:
            reports.append(refusal_json(error))
            refused = error
    write_json(options.json, reports)
    if refused:
        raise refused
    return status


def _judged(options: argparse.Namespace, reports: list[str]) -> int:
    """Judge what is asked for, print it, keep the JSON in `reports`; return the exit status."""
    path, name = file_and_name(options.file)
    if options.reference:
        return _judged_against(path, name, options, reports)
    accepted = accepted_conventions(path.parent)
    statuses = []
    try:
        report = replace(_judged_network(path, name, options), accepted=accepted)
        how = {key: getattr(options, key) for key in ("strict", "verbose", "lang")}
        print("\n" + report.text(**how), flush=True)
        statuses.append(report.exit_code(strict=options.strict))
        reports.append(report.to_json())
    except NoNetworkError:
        if not options.optimizer:
            raise
    if options.optimizer:
        numbers = dict(options.optimizer_arg)
        asked = options.seed, language(options.lang)  # the console is this process's
        found, remarks = judged_optimizer(path, options.optimizer, numbers, *asked)
        for remark in remarks:
            _say(f"{path.name}: {remark}")
        print(("\n" if reports else "") + found["text"], flush=True)
        statuses.append(found["strict" if options.strict else "plain"])
        reports.append(found["json"])
    return next((status for status in (1, 3) if status in statuses), 0)


def _judged_against(
    path: Path, name: str | None, options: argparse.Namespace, reports: list[str]
) -> int:
    """Judge a network against the module that is named; return the exit status."""
    declared = ("activation", "targets", "weight_decay", "init", "optimizer")
    if given := [f"--{key.replace('_', '-')}" for key in declared if getattr(options, key)]:
        raise InputError(f"{', '.join(given)}: not with --reference, which says what is meant")
    reference, module = file_and_name(options.reference)
    if module is None:
        raise InputError(f"--reference {options.reference}: name the module, as in FILE:NAME")
    found, remarks = judged_against(path, name, dict(options.arg), reference, module, options.seed)
    for remark in remarks:
        _say(f"{path.name}: {remark}")
    print(found["text_strict" if options.strict else "text"], flush=True)
    reports.append(found["json"])
    return int(found["strict" if options.strict else "plain"])


def _judged_network(path: Path, name: str | None, options: argparse.Namespace) -> Report:
    """Judge the network of the file, saying what is known before."""
    # torch takes seconds to import, and the candidate's process as long to start: both at once.
    importing = threading.Thread(target=import_unwatched, args=["compare.check"])
    importing.start()
    try:
        with RemoteCandidate(path, name, dict(options.arg)) as candidate:
            for remark in candidate.remarks:
                _say(f"{path.name}: {remark}")
            _say(f"built {candidate.call}")
            try:
                return _examined(candidate, importing, options)
            except (TypeError, ValueError) as error:
                raise InputError(f"{path}: {error}") from error
    except InputError as error:
        if error.seen:
            _say(error.seen)
        raise
    finally:
        importing.join()


def _examined(
    candidate: RemoteCandidate, importing: threading.Thread, options: argparse.Namespace
) -> Report:
    """Judge the network; what it raises once a first call has worked is a finding."""
    worked = False
    try:
        given = candidate.read()
        _say(f"before PyTorch: {first_look(candidate, options.targets)}")
        worked = True
        importing.join()
        from compare.check import check_candidate

        candidate.write(given)
        return check_candidate(
            candidate,
            activation=options.activation,
            targets=options.targets,
            weight_decay_lambda=options.weight_decay,
            init=options.init,
            seed=options.seed,
        )
    except CandidateError as error:
        raised = error
    except ValueError as error:  # of a first call, which is the second here
        if not (worked and isinstance(error.__cause__, CandidateError)):
            raise
        raised = error.__cause__
    return replace(broken_off(candidate, raised), seed=options.seed)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="netparity check",
        description="Judge whether the network in a file computes what PyTorch computes. The file "
        "is run, in a process of its own, with your rights.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("file", metavar="FILE[:NAME]", help="a Python file, and the class in it if several fit")
    add(
        "--arg", type=_argument, action="append", default=[], metavar="NAME=VALUE",
        help="an argument of the constructor; may be given again",
    )  # fmt: skip  # what, how, why
    add(
        "--activation", choices=tuple(KNOWN), metavar="NAME",
        help=f"of the hidden layers, one of {', '.join(KNOWN)} (default: found)",
    )  # fmt: skip  # as above
    add(
        "--targets", choices=(LABELS, ONE_HOT),
        help="the form in which the network takes targets (default: each that it takes)",
    )  # fmt: skip  # as above
    add(
        "--weight-decay", type=not_negative, metavar="LAMBDA",
        help="of lambda / 2 sum(W^2) in the loss (default: found)",
    )  # fmt: skip  # as above
    add(
        "--init", type=_rule, metavar="RULE",
        help="he, xavier or a standard deviation: judge the weights that the network starts with",
    )  # fmt: skip  # as above
    add(
        "--reference", metavar="FILE:NAME",
        help="a torch.nn.Module, or a class or function that makes one, that says what is meant; "
        "its file has batch(), which returns x and t, and may have loss(output, t) and names",
    )  # fmt: skip  # as above
    add(
        "--optimizer", metavar="NAME",
        help="judge this class of the file, too, which has update(params, grads)",
    )  # fmt: skip  # as above
    add(
        "--optimizer-arg", type=_argument, action="append", default=[], metavar="NAME=VALUE",
        help="an argument of its constructor, or a number that is no attribute of it; name=adam "
        "says what it is to be",
    )  # fmt: skip  # as above
    add("--seed", type=at_least(0), default=0, metavar="N", help="of the stimuli (default: 0)")
    add("--strict", action="store_true", help="refuse conventions other than PyTorch's, and limits")
    add("--verbose", action="store_true", help="print every value on every stimulus, too")
    add(
        "--lang", choices=LANGUAGES,
        help="of what is said of causes (default: that of the locale, else en)",
    )  # fmt: skip  # as above
    add("--json", type=Path, metavar="FILE", help="write the whole report there; - for stdout")
    return parser.parse_args(arguments)


def _argument(text: str) -> tuple[str, Any]:
    """Return name and value of NAME=VALUE; what is no literal of Python is a string."""
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, not {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _rule(text: str) -> str | float:
    """Return 'he', 'xavier' or a number above 0."""
    if text.lower() in ("he", "xavier"):
        return text.lower()
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected he, xavier or a number above 0, not {text!r}")
    return value


def _say(text: str) -> None:
    print("\n".join(paragraph(text)), flush=True)
