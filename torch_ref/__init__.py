"""The same networks in torch, and nothing but torch: plain nn.Module and torch.optim.

It never imports `scratch`: init rules, formulas and file reading are written a second time here,
so that a mistake in one stack is not repeated by the other.
"""

from torch_ref.book import (
    by_name,
    load_params,
    load_running,
    to_grads,
    to_params,
    to_running,
)
from torch_ref.exact import exact_arithmetic
from torch_ref.extend import Dropout, MultiLayerNetExtend
from torch_ref.mnist import load_mnist
from torch_ref.net import MultiLayerNet
from torch_ref.optim import STATE, load_state, optimizer, state_of

__all__ = [
    "STATE",
    "Dropout",
    "MultiLayerNet",
    "MultiLayerNetExtend",
    "by_name",
    "exact_arithmetic",
    "load_mnist",
    "load_params",
    "load_running",
    "load_state",
    "optimizer",
    "state_of",
    "to_grads",
    "to_params",
    "to_running",
]
