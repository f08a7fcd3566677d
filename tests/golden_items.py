"""What golden reports are kept of: networks, optimisers and runs, right and wrong, by key."""

from collections.abc import Callable
from typing import Any

import numpy as np

import book_extended
import book_optimizers
import bugs
import correct
import planted
from compare import check_network, check_optimizer
from compare.data import load_data
from compare.judgement import first_failing
from compare.options import parse_options
from compare.run import experiment
from compare.run_report import collect
from planted_bugs.blind import BLIND, STRANGE
from planted_bugs.judging import Finding, judged, judged_compact
from planted_bugs.layered import LAYERED
from planted_bugs.pairs import PAIRS
from planted_bugs.updates import UPDATES
from planting import Bug, wrong_network
from scratch import MultiLayerNetExtend
from variants import Options, Variant

DTYPES = {"float64": np.float64, "float32": np.float32}
Items = dict[str, Callable[[], Finding]]


def of_report(report: Any) -> Finding:
    """Return what is found, of a report of `check_network` or `check_optimizer`."""
    return Finding(report.verdict, report.first_divergence, report.diagnosis, report.text(), report)


def right_networks() -> Items:
    """Return networks that compute the same in other ways; one with decay, one of each dtype."""
    items: Items = {}
    kinds = [(kind, dtype) for kind in correct.IMPLEMENTATIONS for dtype in DTYPES]
    for i, (kind, dtype) in enumerate(kinds):
        activation, decay = ("relu", "sigmoid", "tanh")[i % 3], 0.1 * (i % 4 == 0)

        def found(kind=kind, dtype=dtype, activation=activation, decay=decay) -> Finding:
            rng = np.random.default_rng(1)
            net = kind((11, 13, 6, 5), activation, DTYPES[dtype], decay, rng=rng)
            return of_report(check_network(net))

        items[f"right/{kind.__name__} {activation}, {dtype}"] = found
    return items


def right_layers() -> Items:
    """Return networks with BatchNorm and dropout: as the book's readers write them, and ours."""
    items: Items = {}
    for batchnorm, dropout in ((True, True), (True, False), (False, True)):
        for dtype in DTYPES:
            what = " and ".join(["BatchNorm"] * batchnorm + ["dropout"] * dropout)

            def found(batchnorm=batchnorm, dropout=dropout, dtype=dtype) -> Finding:
                net = book_extended.MultiLayerNetExtend(
                    use_batchnorm=batchnorm, use_dropout=dropout, dtype=DTYPES[dtype]
                )
                return of_report(check_network(net))

            def of_scratch(batchnorm=batchnorm, dropout=dropout, dtype=dtype) -> Finding:
                net = MultiLayerNetExtend(
                    11, [13, 6], 5, "tanh", "xavier", 0.1, dropout, 0.3, batchnorm,
                    rng=np.random.default_rng(1), dtype=DTYPES[dtype],
                    batchnorm={"eps": 1e-5, "unbiased": True} if batchnorm else None, inverted=True,
                )  # fmt: skip  # the book's arguments, then ours
                return of_report(check_network(net))

            items[f"right/{what} of the book, {dtype}"] = found
            items[f"right/{what} of PyTorch, {dtype}"] = of_scratch
    return items


EDGES = {
    "GELU, one-hot row by row": (Options(activation="gelu", targets="loop"), ""),
    "leaky ReLU of 0.2, float32": (Options("leaky_relu", 0.2, dtype="float32"), ""),
    "softplus and LayerNorm": (Options("softplus", layernorm=True), ""),
    "decay under another name": (Options(decay=0.1, decay_form="whole", epsilon=1e-7), ""),
    "no biases, columns": (Options("tanh", targets="columns", bias="none"), ""),
    "numerical gradient": (Options("sigmoid", step=1e-4), ""),
    "arctan": (Options("arctan"), ""),
    "arctan, log(y + 1e-7)": (Options("arctan", epsilon=1e-7, predict="probabilities"), ""),
    "squared error": (Options(loss="squared", predict="probabilities"), ""),
    "one-hot is not divided": (Options(targets="both"), "one-hot is not divided"),
    "decay missing in the gradient": (Options(decay=0.1), "decay missing in the gradient"),
    "GELU, derivative of relu": (Options("gelu"), "derivative of relu"),
    "LayerNorm without its third term": (Options(layernorm=True), "norm without its third term"),
}
"""Networks as tests/variants.py writes them, and what is wrong in them."""


def edges() -> Items:
    """Return networks at the edge of what is known."""
    items: Items = {}
    for name, (options, wrong) in EDGES.items():
        sizes = (5, 4, 3) if options.step else (9, 8, 6, 5)

        def found(options=options, wrong=wrong, sizes=sizes) -> Finding:
            return of_report(check_network(Variant(sizes, options, wrong=wrong)))

        items[f"edge/{name}"] = found
    return items


OPTIMIZERS = {
    "SGD": ("sgd", {}), "Momentum": ("momentum", {"momentum": 0.9}),
    "TorchMomentum": ("momentum", {"momentum": 0.9}), "Nesterov": ("nesterov", {"momentum": 0.9}),
    "LookingBack": ("nesterov", {"momentum": 0.9}), "AdaGrad": ("adagrad", {}),
    "RMSprop": ("rmsprop", {"decay_rate": 0.99}), "TensorFlow": ("rmsprop", {"decay_rate": 0.99}),
    "Adam": ("adam", {"beta1": 0.9, "beta2": 0.999}),
    "Paper": ("adam", {"beta1": 0.9, "beta2": 0.999}),
}  # fmt: skip  # a class, what it is, and with which numbers


def right_optimizers() -> Items:
    """Return optimisers as readers write them."""
    items: Items = {}
    for i, (name, (kind, numbers)) in enumerate(OPTIMIZERS.items()):
        dtype = [*DTYPES][i % 2]

        def found(name=name, kind=kind, numbers=numbers, dtype=dtype) -> Finding:
            optimizer = getattr(book_optimizers, name)(**numbers)
            return of_report(check_optimizer(optimizer, kind, dtype=DTYPES[dtype]))

        items[f"right/optimiser {name}, {dtype}"] = found
    return items


RUNS = {
    "sgd": [], "float32": ["--dtype", "float32", "--activation", "tanh"],
    "adam, weight decay": ["--optimizer", "adam", "--weight-decay", "0.01"],
    "BatchNorm": ["--batchnorm"], "dropout": ["--dropout", "0.3"],
    "BatchNorm and dropout, float32": ["--batchnorm", "--dropout", "0.3", "--dtype", "float32"],
    "no step judged": ["--judge", "none"], "lr of 1e200": ["--lr", "1e200"],
}  # fmt: skip  # options of a run


def right_runs() -> Items:
    """Return runs of correct code."""

    def found(words: list[str]) -> Finding:
        options = parse_options(
            ["--steps", "12", "--batch-size", "16", "--hidden", "20", "15", "--lr", "0.05",
             "--init", "he", "--data", "digits", *words]
        )  # fmt: skip  # a command line
        data = load_data("digits", None, options.dtype, "cpu", lambda _: None)
        report = collect(options, data, experiment(options, data, lambda *_: None), {})
        (init,) = report.inits
        first = first_failing(init.failing)
        return Finding(str(init.verdict), first, init.diagnosis, report.text(), init)

    return {f"run/{name}": lambda words=words: found(words) for name, words in RUNS.items()}


def wrong_layers() -> Items:
    """Return networks of scratch in which a layer is wrong."""

    def found(bug: Bug) -> Finding:
        return of_report(
            check_network(wrong_network(bug, 11, [13, 13, 6], 5, rng=np.random.default_rng(1)))
        )

    return {f"layer/{bug.name}": lambda bug=bug: found(bug) for bug in planted.BUGS}


def wrong_files() -> Items:
    """Return edits of the files of this repository, and of a network of one class."""
    items: Items = {}
    compact = [(bug, [*DTYPES][i % 4 == 3]) for i, bug in enumerate(bugs.BUGS[::4])]
    for bug, dtype in compact:
        items[f"compact/{bug.name}, {dtype}"] = lambda bug=bug, dtype=dtype: judged_compact(
            bug, DTYPES[dtype]
        )
    tables = {"layered": LAYERED[::2], "update": UPDATES[::2], "blind": BLIND[1::3],
              "strange": STRANGE[::3]}  # fmt: skip  # a table, what is taken of it
    for table, chosen in tables.items():
        for i, bug in enumerate(chosen):
            dtype = [*DTYPES][i % 5 == 4]
            items[f"{table}/{bug.name}, {dtype}"] = lambda bug=bug, dtype=dtype: judged(
                bug, dtype=DTYPES[dtype]
            )
    by_name = {bug.name: bug for bug in LAYERED}
    for names in PAIRS[::5]:
        items[f"pair/{' + '.join(names)}"] = lambda names=names: judged(*map(by_name.get, names))
    return items


ITEMS: Items = (
    right_networks() | right_layers() | right_optimizers() | right_runs() | wrong_layers()
    | wrong_files() | edges()
)  # fmt: skip  # right, then wrong
