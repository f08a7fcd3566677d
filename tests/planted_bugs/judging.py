"""What the judge says of planted bugs.

A bug in a network is judged by `check_network`, one in an optimiser by `check_optimizer`, all
others by a run of the experiment.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bugs import network
from compare import check_network, check_optimizer
from compare.cause import Diagnosis
from compare.judgement import Judgement, first_failing
from planting import Bug, planted

SIZES = (11, [13, 13, 17], 5)
STEPS = "12"
NETWORK_FILES = ("layers.py", "layers_extend.py", "multi_layer_net.py", "multi_layer_net_extend.py")


class Finding(NamedTuple):
    """What was found: the first divergence, and why; and all that was reported."""

    verdict: str
    first: Judgement | None
    diagnosis: Diagnosis | None
    text: str
    report: Any = None

    @property
    def place(self) -> str:
        """Probe and quantity of the first divergence."""
        return f"{self.first.probe} {self.first.name}" if self.first else ""


def judged(*bugs: Bug, dtype: Any = np.float64, explain: bool = True) -> Finding:
    """Return what is found where these bugs are planted."""
    options = {key: value for bug in bugs for key, value in bug.options.items()}
    files = {Path(bug.file).name for bug in bugs}
    init = any(bug.part == "init" for bug in bugs)
    if files == {"optimizer.py"} and not options.get("run"):
        return _optimizer(bugs, options, dtype, explain)
    if files <= set(NETWORK_FILES) and not init and not options.get("run"):
        return _network(bugs, options, dtype, explain)
    return _run(bugs, options, dtype)


def _network(bugs: tuple[Bug, ...], options: dict[str, Any], dtype: Any, explain: bool) -> Finding:
    with planted(*bugs):
        import scratch

        activation, decay = options.get("activation", "relu"), options.get("weight_decay_lambda", 0)
        sizes = (*SIZES, activation, options.get("std", "he"), decay)
        rng = np.random.default_rng(1)
        if "batchnorm" in options or "dropout" in options:
            ratio = options.get("dropout")
            net: Any = scratch.MultiLayerNetExtend(
                *sizes, ratio is not None, ratio or 0.5, options.get("batchnorm", False),
                rng=rng, dtype=dtype, inverted=options.get("inverted", False),
            )  # fmt: skip  # the book's arguments, then ours
        else:
            net = scratch.MultiLayerNet(*sizes, rng=rng, dtype=dtype)
    report = check_network(net, explain=explain)
    return Finding(report.verdict, report.first_divergence, report.diagnosis, report.text(), report)


FORMS = ("decoupled", "decay_biases", "lr_inside", "eps_hat", "eps_inside")
DECLARED = {
    "SGD": {}, "Momentum": {"momentum": 0.9}, "Nesterov": {"momentum": 0.9},
    "AdaGrad": {"eps": 1e-7}, "RMSProp": {"decay_rate": 0.99, "eps": 1e-7},
    "Adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-7},
}  # fmt: skip  # what each says of itself


def _optimizer(
    bugs: tuple[Bug, ...], options: dict[str, Any], dtype: Any, explain: bool
) -> Finding:
    with planted(*bugs):
        import scratch

        name = options["optimizer"]
        given = {key: value for key, value in options.items() if key in FORMS}
        decay = options.get("weight_decay", 0.0)
        optimizer = getattr(scratch, name)(lr=0.01, weight_decay=decay, **given)
        numbers = {"lr": 0.01, "weight_decay": decay, **DECLARED[name]}
        report = check_optimizer(optimizer, name.lower(), dtype=dtype, explain=explain, **numbers)
    return Finding(report.verdict, report.first_divergence, report.diagnosis, str(report), report)


def _run(bugs: tuple[Bug, ...], options: dict[str, Any], dtype: Any) -> Finding:
    words = [
        "--steps", STEPS, "--batch-size", "16", "--hidden", "20", "20", "15", "--lr", "0.05",
        "--init", str(options.get("init", "he")), "--data", "digits",
        "--dtype", np.dtype(dtype).name, "--activation", options.get("activation", "relu"),
    ]  # fmt: skip  # a command line
    if decay := options.get("weight_decay_lambda"):
        words += ["--weight-decay", str(decay)]
    words += ["--batchnorm"] * options.get("batchnorm", False)
    if ratio := options.get("dropout"):
        words += ["--dropout", str(ratio)]
    words += ["--optimizer", options["optimizer"].lower()] if "optimizer" in options else []
    with planted(*bugs):
        from compare.data import load_data
        from compare.options import parse_options
        from compare.run import experiment
        from compare.run_report import collect

        asked = parse_options(words)
        data = load_data("digits", None, asked.dtype, "cpu", print)
        (trial,) = experiment(asked, data, lambda *_: None)
        report = collect(asked, data, [trial], {})
        (init,) = report.inits
        return Finding(
            str(init.verdict), first_failing(init.failing), init.diagnosis, report.text(), init
        )


COMPACT = (11, 13, 13, 17, 5)


def judged_compact(bug: Any, dtype: Any = np.float64, explain: bool = True) -> Finding:
    """Return what is found of a bug of tests/bugs.py: one class, of which only loss and gradient
    can be seen.
    """
    rng, params = np.random.default_rng(1), {}
    for i in range(1, len(COMPACT)):
        W = rng.standard_normal(COMPACT[i - 1 : i + 1]) / 2
        params[f"W{i}"], params[f"b{i}"] = W.astype(dtype), np.zeros(COMPACT[i], dtype)
    net = network(bug, params, bug.activation, bug.decay)
    report = check_network(
        net, activation=bug.activation, weight_decay_lambda=bug.decay or None, explain=explain
    )
    return Finding(report.verdict, report.first_divergence, report.diagnosis, report.text(), report)
