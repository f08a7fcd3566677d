"""What the arithmetic of rounding costs, against a plain step in float64; part of docs/arithmetic.md.

Ratios of interleaved rounds, the median; memory as the growth of the process's peak, of float64
parameters. One thread.
"""

import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from compare.reference.evaluate import evaluate
from compare.threads import one_thread_each

ROUNDS = 7
LENGTH = 20


def _layers(*sizes):
    parts = []
    for a, b in zip(sizes[:-1], sizes[1:], strict=True):
        parts += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


class Last(nn.Module):
    """An LSTM over time, and a layer on its last output."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(28, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1])


class Block(nn.Module):
    """One block of a GPT, 64 wide, 4 heads."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(64), nn.LayerNorm(64)
        self.qkv, self.proj = nn.Linear(64, 192), nn.Linear(64, 64)
        self.up, self.down, self.fc = nn.Linear(64, 256), nn.Linear(256, 64), nn.Linear(64, 10)

    def forward(self, x):
        heads = self.qkv(self.norm1(x)).unflatten(2, (3, 4, 16)).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(*heads.unbind(0), is_causal=True)
        x = x + self.proj(a.transpose(1, 2).flatten(2))
        x = x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))
        return self.fc(x.mean(1))


NETWORKS = {
    "784-100x4-10": (lambda: _layers(784, 100, 100, 100, 100, 10), (784,)),
    "784-2000-2000-10": (lambda: _layers(784, 2000, 2000, 10), (784,)),
    "LSTM, 20 steps": (Last, (LENGTH, 28)),
    "GPT block, 20 tokens": (Block, (LENGTH, 64)),
}
BATCHES = (7, 128)


def _problem(name, rows):
    torch.manual_seed(0)
    made, shape = NETWORKS[name]
    net = made().double()
    x = torch.randn(rows, *shape, dtype=torch.float64)
    return net, x, torch.arange(rows) % 10


def ratios(name):
    """Return (evaluate / plain step) at each number of rows."""
    found = {}
    with one_thread_each():
        for rows in BATCHES:
            net, x, t = _problem(name, rows)
            parameters = dict(net.named_parameters())

            def plain(net=net, x=x, t=t, parameters=parameters):
                torch.autograd.grad(F.cross_entropy(net(x), t), list(parameters.values()))

            def ours(net=net, x=x, t=t, parameters=parameters):
                evaluate(net, F.cross_entropy, parameters, x, t)

            rounds = [(_seconds(ours), _seconds(plain)) for _ in range(ROUNDS + 1)][1:]
            found[rows] = sorted(a / b for a, b in rounds)[ROUNDS // 2]
    return found


def _seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak(name, rows):
    """Return by how much evaluating grows the peak of a fresh process, per float64 parameter."""
    code = (
        "import resource, sys, torch; sys.path[:0] = ['tests', '.']\n"
        "import arithmetic_cost as cost\n"
        "import torch.nn.functional as F\n"
        "from compare.reference.evaluate import evaluate\n"
        "torch.set_num_threads(1)\n"
        "evaluate(torch.nn.Linear(4, 3), F.cross_entropy, {}, torch.ones(2, 4), torch.ones(2).long())\n"
        f"net, x, t = cost._problem({name!r}, {rows})\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "evaluate(net, F.cross_entropy, dict(net.named_parameters()), x, t)\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print((after - before) * 1024 / sum(8 * p.numel() for p in net.parameters()))"
    )
    root = Path(__file__).parents[1]
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True
    )
    return float(out.stdout)
