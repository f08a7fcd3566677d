"""Networks of tests/by_hand as people show them, judged by check_network against their modules."""

import numpy as np
import torch

from by_hand.judged import drawn
from by_hand.ways import way
from compare import check_network


class ByHand:
    """A network of tests/by_hand as a reader would write it."""

    def __init__(self, network, problem, chosen):
        self.network, self.way = network, chosen
        names = [name for name, _ in network.module().named_parameters()]
        self.buffers = {k: v for k, v in problem.params.items() if k not in names}
        self.params = {k: np.array(problem.params[k]) for k in names}

    def values(self, x, t):
        with np.errstate(all="ignore"):
            values = self.network.by_hand({**self.params, **self.buffers}, x, t, self.way)
        self.outputs = {k: v for (kind, k), v in values.items() if kind == "module"}
        for name in self.buffers:
            self.buffers[name] = values["buffer", name]
        return values

    def predict(self, x):
        t = self.network.draw(np.random.default_rng(0), len(x))[1]  # it does not depend on it
        return self.values(x, t)["output", ""]

    def loss(self, x, t):
        return float(self.values(x, t)["loss", ""])

    def gradient(self, x, t):
        values = self.values(x, t)
        return {k: values["gradient", k] for k in self.params}


def judged(
    network, candidate=None, dtype=np.float64, *, seed=5, rows=7, scale=1.0, chosen="blas",
    **options,
):  # fmt: skip  # what, at what
    """Judge a network, or `candidate` in its place, in one of the ways of by_hand/ways.py."""
    problem = drawn(network, np.random.default_rng(seed), rows, dtype, scale)
    net = ByHand(candidate or network, problem, way(chosen, dtype))
    module = network.module()
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            if name in problem.params:
                buffer.copy_(torch.from_numpy(problem.params[name]))
    return check_network(net, problem.x, problem.t, reference=module, loss=network.loss, **options)


def is_placed(mistake, report):
    """Return whether the first divergence is where the mistake shows first."""
    first = report.first_divergence
    if first is None:
        return False
    kind = {"forward": "module", "state": "buffer"}.get(first.probe, first.probe)
    if first.name in ("output", "loss"):
        return mistake.is_at(first.name, "")
    return mistake.is_at(kind, first.name)
