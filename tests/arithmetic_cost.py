"""What the arithmetic of rounding costs against a plain float64 step, in docs/arithmetic.md.

The median ratio of interleaved rounds; memory: by how much a process grows at most meanwhile, per
byte of parameters in float64. One thread.
"""

import threading
import time
from itertools import pairwise

import psutil
import torch
import torch.nn.functional as F
from torch import nn

from compare.reference.evaluate import evaluate
from compare.threads import one_thread_each

ROUNDS = 7
LARGE = 10**6
LENGTH = 20


def _layers(*sizes):
    parts = []
    for a, b in pairwise(sizes):
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
    """Return evaluate / plain step at each number of rows."""
    found = []
    with one_thread_each():
        for rows in BATCHES:
            net, x, t = _problem(name, rows)
            parameters = dict(net.named_parameters())

            def plain(net=net, x=x, t=t, parameters=parameters):
                torch.autograd.grad(F.cross_entropy(net(x), t), list(parameters.values()))

            def ours(net=net, x=x, t=t, parameters=parameters):
                evaluate(net, F.cross_entropy, parameters, x, t)

            rounds = [(_seconds(ours), _seconds(plain)) for _ in range(ROUNDS + 1)][1:]
            found.append(sorted(a / b for a, b in rounds)[ROUNDS // 2])
    return found


def cost(name):
    """Return the ratios of time at each number of rows, then those of memory, where they count.

    In a small network it is the batch that takes the memory, and not the parameters.
    """
    count = sum(p.numel() for p in NETWORKS[name][0]().parameters())
    memory = [peak(name, rows) for rows in BATCHES] if count > LARGE else []
    return [*ratios(name), *memory]


def _seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak(name, rows):
    """Return by how much evaluating grows the process, per byte of its float64 parameters."""
    net, x, t = _problem(name, rows)
    process, done = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    highest = [before]

    def watch():
        while not done.wait(0.0005):
            highest[0] = max(highest[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with one_thread_each():
        evaluate(net, F.cross_entropy, dict(net.named_parameters()), x, t)
    done.set()
    watcher.join()
    return (highest[0] - before) / sum(8 * p.numel() for p in net.parameters())
