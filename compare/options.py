"""The options of a run, checked one by one; what is wrong with them is said in one line."""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from compare.cause_wording import LANGUAGES
from compare.errors import InputError
from compare.optimiser import NAMES

HIDDEN = (100, 100, 100, 100)
"""Units of the book's network."""

MOST = 10**15
"""Beyond what any memory holds, and within what a float64 counts."""


@dataclass(frozen=True)
class Options:
    """A run as it was asked for; the fields are the options of the command line."""

    data: str
    data_root: Path | None
    steps: int
    batch_size: int
    lr: float
    optimizer: str
    weight_decay: float
    batchnorm: bool
    dropout: float | None
    seed: int
    init: tuple[tuple[str, float | str], ...]
    activation: str
    hidden: tuple[int, ...]
    dtype: str
    device: str
    judge: str
    out: Path
    candidate: str | None = None
    lang: str | None = None


class _Help(argparse.HelpFormatter):
    """Adds the default to each help text, unless it says so itself."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        own = action.help or ""
        if "default:" in own or action.default in (None, argparse.SUPPRESS):
            return own
        return f"{own} (default: %(default)s)"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError instead of printing usage and exiting."""
        raise InputError(f"{message} (--help lists the options)")


def parse_options(argv: Sequence[str] | None) -> Options:
    """Return the options; InputError, in one line, for what cannot be used."""
    parser = Parser(
        prog="netparity run",
        description="Train the same networks in numpy and in torch, and judge whether they agree.",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    add = parser.add_argument
    # fmt: off  # an option, and below it what it means
    add(
        "--data",
        choices=["auto", "mnist", "digits"],
        default="auto",
        help="auto: MNIST where found or downloadable, else the embedded digits",
    )
    add("--data-root", type=Path, metavar="DIR", help="folder that holds the four files of MNIST")
    add("--steps", type=at_least(1), default=2000, metavar="N", help="updates of each network")
    add("--batch-size", type=at_least(1), default=128, metavar="N", help="samples of a batch")
    add("--lr", type=_positive, default=0.01, metavar="LR", help="learning rate")
    add(
        "--optimizer",
        choices=[*NAMES],
        default="sgd",
        help="scratch's beside that of torch.optim",
    )
    add(
        "--weight-decay",
        type=not_negative,
        default=0.0,
        metavar="LAMBDA",
        help="of the term LAMBDA / 2 sum(W^2) in the loss",
    )
    add(
        "--batchnorm",
        action="store_true",
        help="BatchNorm before every activation, with PyTorch's numbers",
    )
    add(
        "--dropout",
        type=_share,
        metavar="RATIO",
        help="drop this share of the units after every activation, in training",
    )
    add("--seed", type=at_least(0), default=0, metavar="N", help="of the weights and the batches")
    add(
        "--init",
        type=_init,
        nargs="+",
        metavar="RULE",
        default=[_init("std=0.01"), _init("xavier"), _init("he")],
        help="any of xavier, he, std=NUMBER or NUMBER (default: std=0.01 xavier he)",
    )
    add(
        "--activation",
        choices=["relu", "sigmoid", "tanh"],
        default="relu",
        help="of the hidden layers",
    )
    add(
        "--hidden",
        type=at_least(1),
        nargs="*",
        default=[*HIDDEN],
        metavar="N",
        help="units of each hidden layer (default: 100 100 100 100)",
    )
    add("--dtype", choices=["float64", "float32"], default="float64", help="of both stacks")
    add("--device", default="cpu", metavar="DEVICE", help="of the torch stack: cpu, cuda, cuda:N")
    add(
        "--judge",
        choices=["auto", "every", "none"],
        default="auto",
        help="auto: steps 0, 1, 3, 10, 30, ..., the last, and where the two stand out",
    )
    add(
        "--candidate",
        metavar="FILE[:NAME]",
        help="train the network of this file, which is run with your rights, in place of scratch",
    )
    add(
        "--lang",
        choices=LANGUAGES,
        help="of what is said of causes (default: that of the locale, else en)",
    )
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="folder for the results")
    # fmt: on
    given = vars(parser.parse_args(argv))
    inits = tuple(given["init"])
    labels = [label for label, _ in inits]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise InputError(f"--init: {twice[0]} is there twice; each initialisation once")
    if given["batchnorm"] and given["batch_size"] < 2:
        raise InputError("--batch-size 1: --batchnorm needs at least 2 samples, to have a variance")
    for option in ("batchnorm", "dropout"):
        if given[option] and not given["hidden"]:
            raise InputError(f"--{option}: there is no hidden layer for it; give --hidden sizes")
    _see_that_it_fits(given["lr"], "--lr", given["dtype"])
    for _, rule in inits:
        if not isinstance(rule, str) and rule > 0:
            _see_that_it_fits(rule, "--init", given["dtype"])
    return Options(**{**given, "init": inits, "hidden": tuple(given["hidden"])})


def _see_that_it_fits(value: float, option: str, dtype: str) -> None:
    """Raise InputError where a positive number is 0 or infinite in `dtype`."""
    numbers = np.finfo(dtype)
    if not float(numbers.smallest_subnormal) <= value <= float(numbers.max):
        raise InputError(f"{option} {value:g}: {dtype} cannot hold it; choose another --dtype")


def at_least(least: int) -> Callable[[str], int]:
    """Return what reads an integer of at least `least`."""

    def integer(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(
                f"expected an integer of at least {least}, not {text!r}"
            )
        if value > MOST:
            raise argparse.ArgumentTypeError("expected an integer of at most 10^15")
        return value

    return integer


def _positive(text: str) -> float:
    value = _number(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"expected a finite number above 0, not {text!r}")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to below 1, not {text!r}")
    return value


def not_negative(text: str) -> float:
    """Return a finite number of at least 0."""
    value = _number(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"expected a finite number of at least 0, not {text!r}")
    return value


def _init(text: str) -> tuple[str, float | str]:
    """Return the label and the rule of 'he', 'xavier', 'std=0.01' or '0.01'."""
    if text.lower() in ("he", "xavier", "relu", "sigmoid"):
        rule = {"relu": "he", "sigmoid": "xavier"}.get(text.lower(), text.lower())
        return rule, rule
    value = _number(text.removeprefix("std="))
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(
            f"expected xavier, he, or std=NUMBER with a finite number of at least 0, not {text!r}"
        )
    return f"std={value:g}" if float(f"{value:g}") == value else f"std={value}", value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
