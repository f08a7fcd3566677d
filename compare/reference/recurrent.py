"""nn.RNN, nn.LSTM, nn.GRU and their cells, written out: each gate on a line of its own.

In C++ a layer is one operation over all time steps. The equations are those of torch's
documentation, which are those of Elman 1990, of Hochreiter and Schmidhuber 1997 with the forget
gate of Gers, Schmidhuber and Cummins 2000, and of Cho et al. 2014 with the reset gate after the
product.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

State = tuple[Tensor, ...]
Cell = Callable[[Tensor, State, Sequence[Tensor]], State]
"""(inputs' part of the gates, state, [W_hh, b_hh, W_hr]) -> next state, h first."""


def _hidden(h: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Return h W_hh^T + b_hh (B, gates H)."""
    return F.linear(h, weights[0], weights[1])


def _tanh_step(inputs: Tensor, state: State, weights: Sequence[Tensor]) -> State:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""
    return (torch.tanh(inputs + _hidden(state[0], weights)),)


def _relu_step(inputs: Tensor, state: State, weights: Sequence[Tensor]) -> State:
    """h' = relu(W_ih x + b_ih + W_hh h + b_hh)."""
    return (torch.relu(inputs + _hidden(state[0], weights)),)


def _lstm_step(inputs: Tensor, state: State, weights: Sequence[Tensor]) -> State:
    """c' = f c + i g, h' = o tanh(c'), projected by W_hr where there is one (Sak et al. 2014)."""
    h, c = state
    gates = (inputs + _hidden(h, weights)).chunk(4, 1)
    i = torch.sigmoid(gates[0])
    f = torch.sigmoid(gates[1])
    g = torch.tanh(gates[2])
    o = torch.sigmoid(gates[3])
    c = f * c + i * g
    h = o * torch.tanh(c)
    if weights[2] is not None:
        h = F.linear(h, weights[2])
    return h, c


def _gru_step(inputs: Tensor, state: State, weights: Sequence[Tensor]) -> State:
    """h' = (1 - z) n + z h, n = tanh(W_in x + b_in + r (W_hn h + b_hn))."""
    h = state[0]
    of_x, of_h = inputs.chunk(3, 1), _hidden(h, weights).chunk(3, 1)
    r = torch.sigmoid(of_x[0] + of_h[0])
    z = torch.sigmoid(of_x[1] + of_h[1])
    n = torch.tanh(of_x[2] + r * of_h[2])
    return ((1 - z) * n + z * h,)


def _over_time(
    cell: Cell, x: Tensor, sizes: list[int], state: State, weights: Any, *, reverse: bool
) -> tuple[Tensor, State]:
    """Return h of each step, and the last state, of rows `x` that stand step by step.

    sizes[k] sequences, the longest first, are still going on in step k: in reverse they come in.
    """
    W_ih, b_ih, *of_h = weights
    inputs = torch.split(F.linear(x, W_ih, b_ih), sizes)
    outputs: list[Tensor] = [x] * len(sizes)
    now = tuple(part[: sizes[-1 if reverse else 0]] for part in state)
    ended: list[State] = []
    for k in reversed(range(len(sizes))) if reverse else range(len(sizes)):
        going = now[0].shape[0]
        if sizes[k] < going:
            ended.append(tuple(part[sizes[k] :] for part in now))
            now = tuple(part[: sizes[k]] for part in now)
        elif sizes[k] > going:
            now = tuple(
                torch.cat([part, first[going : sizes[k]]])
                for part, first in zip(now, state, strict=True)
            )
        now = cell(inputs[k], now, of_h)
        outputs[k] = now[0]
    last = tuple(
        torch.cat([part, *(rows[i] for rows in reversed(ended))]) for i, part in enumerate(now)
    )
    return torch.cat(outputs), last


def _layers(
    cell: Cell,
    x: Tensor,
    sizes: list[int],
    state: State,
    flat: Sequence[Tensor],
    has_biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, State]:
    """Run the layers, one or two directions each, one after the other."""
    directions = 2 if bidirectional else 1
    count = len(flat) // (layers * directions)
    ends: list[State] = []
    for layer in range(layers):
        sides = []
        for direction in range(directions):
            place = layer * directions + direction
            W_ih, W_hh, *rest = flat[place * count : (place + 1) * count]
            b_ih, b_hh, *projection = rest if has_biases else (None, None, *rest)
            weights = (W_ih, b_ih, W_hh, b_hh, projection[0] if projection else None)
            own = tuple(part[place] for part in state)
            out, last = _over_time(cell, x, sizes, own, weights, reverse=direction == 1)
            sides.append(out)
            ends.append(last)
        x = torch.cat(sides, 1) if bidirectional else sides[0]
        if dropout and train and layer + 1 < layers:
            x = torch.dropout(x, dropout, True)
    return x, tuple(torch.stack(parts) for parts in zip(*ends, strict=True))


def _layer(cell: Cell) -> Callable[..., tuple[Tensor, ...]]:
    """Return a function with the two lists of arguments of torch.lstm and its like."""

    def run(x: Tensor, *given: Any) -> tuple[Tensor, ...]:
        # (x, hx, weights, ...), or (data, batch_sizes, hx, weights, ...)
        is_packed = isinstance(given[0], Tensor) and not given[0].is_floating_point()
        return _packed(cell, x, *given) if is_packed else _batched(cell, x, *given)

    return run


def _batched(cell: Cell, x: Tensor, hx: Any, flat: Any, *options: Any) -> tuple[Tensor, ...]:
    *numbers, batch_first = options
    steps = x.transpose(0, 1) if batch_first else x  # (T, B, features)
    length, batch = steps.shape[:2]
    state = (hx,) if isinstance(hx, Tensor) else tuple(hx)
    sizes = [batch] * length
    rows = steps.reshape(length * batch, steps.shape[2])  # not -1: a batch may be empty
    out, last = _layers(cell, rows, sizes, state, flat, *numbers)
    out = out.reshape(length, batch, out.shape[1])
    return (out.transpose(0, 1) if batch_first else out, *last)


def _packed(
    cell: Cell, x: Tensor, batch_sizes: Tensor, hx: Any, flat: Any, *options: Any
) -> tuple[Tensor, ...]:
    state = (hx,) if isinstance(hx, Tensor) else tuple(hx)
    out, last = _layers(cell, x, batch_sizes.tolist(), state, flat, *options)
    return (out, *last)


def _single(cell: Cell) -> Callable[..., Any]:
    """Return a function with the arguments of torch.lstm_cell and its like."""

    def run(
        x: Tensor, hx: Any, W_ih: Tensor, W_hh: Tensor, b_ih: Any = None, b_hh: Any = None
    ) -> Any:
        state = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        made = cell(F.linear(x, W_ih, b_ih), state, (W_hh, b_hh, None))  # type: ignore[arg-type] # no projection
        return made if len(made) > 1 else made[0]

    return run


rnn_tanh, rnn_relu = _layer(_tanh_step), _layer(_relu_step)
lstm, gru = _layer(_lstm_step), _layer(_gru_step)
rnn_tanh_cell, rnn_relu_cell = _single(_tanh_step), _single(_relu_step)
lstm_cell, gru_cell = _single(_lstm_step), _single(_gru_step)
