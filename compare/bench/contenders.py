"""The ways to do the job that are timed against each other; each returns the losses it recorded."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from compare.bench import naive_numpy, naive_torch
from compare.bench.job import Job
from compare.plan import weight_rng
from compare.run import experiment

Losses = list[float]


def scratch_alone(job: Job) -> Losses:
    """Train the networks of scratch, as the book's loop does."""
    plan, x_train, t_train = job.plan(), job.data.x, job.data.t
    inits, rng = job.options.init, weight_rng
    stacks: list[Any] = [job.subject.stack(std, rng(plan.seed), job.options) for _, std in inits]
    nets = [(stack.net, stack.optimizer) for stack in stacks]
    losses = []
    for rows in plan.batches:
        x, t = x_train[rows], t_train[rows]
        for net, optimizer in nets:
            optimizer.update(net.params, net.gradient(x, t))
            losses.append(net.loss(x, t))
    return losses


def torch_alone(job: Job) -> Losses:
    """Train the networks of torch_ref, as torch's tutorials do."""
    nets = list(job.torch_nets())
    x_train, t_train = job.data.torch_x, job.data.torch_t
    losses = []
    for rows in torch.tensor(job.plan().batches, device=x_train.device):
        x, t = x_train[rows], t_train[rows]
        for net, optimizer in nets:
            optimizer.zero_grad()
            net.loss(x, t).backward()
            optimizer.step()
            with torch.no_grad():
                losses.append(net.loss(x, t).item())
    return losses


def naive_loop(job: Job) -> Losses:
    """Train the networks of a reader who types the book's formulas in."""
    first, *hidden, last = job.sizes
    nets = [
        naive_numpy.NaiveNet(
            first, hidden, last,
            weight_init_std=std, rng=weight_rng(job.options.seed), dtype=job.options.dtype,
        )
        for _, std in job.options.init
    ]  # fmt: skip  # the book's arguments, then ours
    given = job.float32, job.data.t, job.plan().batches, job.options.lr
    losses: Losses = naive_numpy.train(nets, *given)
    return losses


def naive_torch_loop(job: Job) -> Losses:
    """Train the networks of a reader who writes the same in torch."""
    where = job.dtype, job.options.device
    nets = [
        naive_torch.NaiveNet(job.sizes, std, weight_rng(job.options.seed), *where)
        for _, std in job.options.init
    ]
    given = job.float32, job.data.t, job.plan().batches, job.options.lr
    losses: Losses = naive_torch.train(nets, *given, *where)
    return losses


def both(job: Job) -> Losses:
    """Do the first two at once, on a thread each, and look at nothing."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        ours, theirs = pool.submit(scratch_alone, job), pool.submit(torch_alone, job)
        return ours.result() + theirs.result()


def run(job: Job) -> Losses:
    """Do the whole run: both stacks in lockstep, recorded and judged as the options say."""
    trials = experiment(job.options, job.data, show=lambda *_: None)
    steps = zip(*(trial.trace.scratch for trial in trials), strict=True)
    return [loss for losses in steps for loss in losses]


def run_unjudged(job: Job) -> Losses:
    """Do the same with nothing judged."""
    return run(replace(job, options=replace(job.options, judge="none")))


def numpy_products(job: Job) -> Losses:
    """Do the matrix products of the job in numpy, on arrays that lie as in `scratch`."""
    rng, dtype = np.random.default_rng(0), job.options.dtype

    def matrix(rows: int, columns: int) -> Any:
        return rng.standard_normal((rows, columns)).astype(dtype)

    def operands(kind: str, m: int, k: int, n: int) -> tuple[Any, Any, Any]:
        a = matrix(k, m).T if kind == "x^T dout" else matrix(m, k)
        b = matrix(n, k).T if kind == "dout W^T" else matrix(k, n)
        return a, b, np.empty((m, n), dtype)

    nets = [[operands(*product) for product in job.products()] for _ in job.options.init]
    for _ in range(job.options.steps):
        for products in nets:
            for a, b, out in products:
                np.matmul(a, b, out=out)
    return []


def torch_products(job: Job) -> Losses:
    """Do the same in torch, on its device and on tensors that lie as in `torch_ref`."""
    device = torch.device(job.options.device)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, dtype=job.dtype, device=device)

    def operands(kind: str, m: int, k: int, n: int) -> tuple[torch.Tensor, ...]:
        if kind == "x^T dout":  # its weight is (fan_out, fan_in), and so is the gradient of it
            return matrix(k, n).T, matrix(k, m), matrix(n, m)
        b = matrix(n, k).T if kind == "x W" else matrix(k, n)
        return matrix(m, k), b, matrix(m, n)

    nets = [[operands(*product) for product in job.products()] for _ in job.options.init]
    for _ in range(job.options.steps):
        for products in nets:
            for a, b, out in products:
                torch.mm(a, b, out=out)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return []


CONTENDERS: dict[str, Callable[[Job], Losses]] = {
    "scratch alone": scratch_alone,
    "torch_ref alone": torch_alone,
    "naive numpy": naive_loop,
    "naive torch": naive_torch_loop,
    "both at once": both,
    "run": run,
    "run, not judged": run_unjudged,
    "products, numpy": numpy_products,
    "products, torch": torch_products,
}
"""By name, in the order in which they are shown."""
