"""What is timed: the run of the options, and its matrix products alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compare.data import Data, load_data
from compare.options import Options, parse_options
from compare.plan import Plan, draw_plan
from compare.run import CLASSES
from compare.subject import Subject, optimiser_of, scratch_subject, torch_net, torch_optimizer


@dataclass(frozen=True)
class Job:
    """A run and its data, read before the clock starts.

    Attributes
    ----------
    options : Options
        As for `netparity run`.
    """

    options: Options
    data: Data

    @cached_property
    def float32(self) -> NDArray[np.float32]:
        """The images as the book's loader gives them, for the naive loops."""
        return self.data.x.astype(np.float32)

    @property
    def subject(self) -> Subject:
        """The networks of scratch."""
        return scratch_subject(self.options, self.data.x.shape[1], CLASSES)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Features, hidden units, classes."""
        return self.subject.sizes

    @property
    def dtype(self) -> torch.dtype:
        """Of both stacks, as torch names it."""
        dtype: torch.dtype = getattr(torch, self.options.dtype)
        return dtype

    def network(self) -> str:
        """Return what is trained, in a line."""
        o = self.options
        return (
            f"{'-'.join(map(str, self.sizes))}, {o.activation}, {len(o.init)} networks, batches of "
            f"{o.batch_size}, {o.steps} steps, {o.dtype}, {o.device}"
        )

    def plan(self) -> Plan:
        """Return the draws and batches of the run."""
        o = self.options
        return draw_plan(self.sizes, len(self.data.x), o.steps, o.batch_size, seed=o.seed)

    def torch_nets(self) -> Iterator[tuple[Any, torch.optim.Optimizer]]:
        """Yield the network of torch_ref for each initialisation, and its optimiser."""
        plan = self.plan()
        for _, std in self.options.init:
            net = torch_net(self.subject, std, plan, self.dtype, self.options.device)
            yield net, torch_optimizer(optimiser_of(self.options), net.parameters())

    def products(self) -> list[tuple[str, int, int, int]]:
        """Return the matrix products of one step of one network: rows, length of a sum, columns.

        x W of each layer, x^T dout and, but for the first layer, dout W^T; then x W once more for
        the loss after the update.
        """
        B, pairs = self.options.batch_size, list(pairwise(self.sizes))
        forward = [("x W", B, fan_in, fan_out) for fan_in, fan_out in pairs]
        weights = [("x^T dout", fan_in, B, fan_out) for fan_in, fan_out in pairs]
        back = [("dout W^T", B, fan_out, fan_in) for fan_in, fan_out in pairs[1:]]
        return [*forward, *weights, *back, *forward]

    def operations(self) -> float:
        """Return the multiplications and additions of these products in the whole run."""
        one = sum(2.0 * m * k * n for _, m, k, n in self.products())
        return one * self.options.steps * len(self.options.init)


def load_job(words: list[str]) -> Job:
    """Return the job of the options of `netparity run` in `words`."""
    options = parse_options(words)
    given = options.data, options.data_root, options.dtype, options.device
    data = load_data(*given, say=lambda _: None)
    return Job(options, data)
