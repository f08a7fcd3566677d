"""The optimisers of torch.optim under the book's names, with the numbers as given."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from torch_ref.book import by_name
from torch_ref.net import MultiLayerNet

STATE = {
    "sgd": {},
    "momentum": {"v": "momentum_buffer"},
    "nesterov": {"v": "momentum_buffer"},
    "adagrad": {"h": "sum"},
    "rmsprop": {"h": "square_avg"},
    "adam": {"m": "exp_avg", "v": "exp_avg_sq"},
}
"""By optimiser, what the book calls a part of the state, and torch.optim."""


def optimizer(
    name: str,
    params: Iterable[Tensor] | Iterable[dict[str, Any]],
    lr: float,
    *,
    momentum: float = 0.9,
    decay_rate: float = 0.99,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> torch.optim.Optimizer:
    """Return one of torch.optim.

    Parameters
    ----------
    name : {'sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam'}
        The book's names; momentum and Nesterov are torch.optim.SGD.
    params
        Parameters, or groups of them, as for torch.optim.
    lr, momentum, decay_rate, betas, eps : float
        Those that the optimiser has.

    Raises
    ------
    KeyError
        No such name.
    """
    make: dict[str, Any] = {
        "sgd": lambda: torch.optim.SGD(params, lr),
        "momentum": lambda: torch.optim.SGD(params, lr, momentum),
        "nesterov": lambda: torch.optim.SGD(params, lr, momentum, nesterov=True),
        "adagrad": lambda: torch.optim.Adagrad(params, lr, eps=eps),
        "rmsprop": lambda: torch.optim.RMSprop(params, lr, decay_rate, eps),
        "adam": lambda: torch.optim.Adam(params, lr, betas, eps),
    }
    made: torch.optim.Optimizer = make[name]()
    return made


def state_of(
    name: str, net: MultiLayerNet, used: torch.optim.Optimizer
) -> dict[str, dict[str, Any]]:
    """Return copies of the state, by the book's names: {"v": {"W1": ...}}; 0 before an update."""
    return {
        slot: {
            key: used.state[W].get(theirs, torch.zeros_like(W)).detach().cpu().numpy().T.copy()
            for key, W in by_name(net).items()
        }
        for slot, theirs in STATE[name].items()
    }


def load_state(
    name: str,
    params: Mapping[str, Tensor],
    used: torch.optim.Optimizer,
    state: Mapping[str, Mapping[str, Any]],
    updates: int,
) -> None:
    """Set the state of `used` as it is after `updates` updates; arrays in torch's layout."""
    for key, W in params.items():
        of_W = {
            theirs: torch.tensor(state[slot][key], dtype=W.dtype, device=W.device)
            for slot, theirs in STATE[name].items()
        }
        if name in ("adagrad", "rmsprop", "adam"):
            of_W["step"] = torch.tensor(float(updates))
        used.state[W] = of_W
