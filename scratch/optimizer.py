"""The optimisers of the book, section 6.1, and the forms in which PyTorch has them.

Each says how one parameter `W` moves by its gradient `dW`. Where the book and PyTorch differ, both
forms exist by argument:

============  ==========================================  ======================================
              the book (default)                          PyTorch
============  ==========================================  ======================================
Momentum,     v <- m v - lr dW                            v <- m v + dW
Nesterov      W <- W + v                                  W <- W - lr v
              the same as long as lr is; a new lr acts on what is added from then on, or on all
AdaGrad       eps 1e-7                                    eps 1e-10
RMSProp       eps 1e-7                                    eps 1e-8
Adam          eps 1e-7, beside sqrt(v)                    eps 1e-8, beside sqrt(v / (1 - beta2^t))
============  ==========================================  ======================================
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from scratch.layers import Array

Arrays = dict[str, Array]


class Optimizer:
    """What all have in common: a state for each network, and weight decay.

    Parameters
    ----------
    lr : float
        Learning rate; may be changed between updates.
    weight_decay : float
        lambda. Coupled, lambda W is added to the gradient, as a term lambda / 2 * sum(W^2) in the
        loss does; decoupled, W shrinks by lr lambda W before the update (Loshchilov and Hutter
        2019, algorithm 2).
    decoupled, decay_biases : bool
        The second form; and whether biases decay, too, as in torch.optim.

    Raises
    ------
    ValueError
        A number is outside its range.
    """

    slots: tuple[str, ...] = ()
    """What is remembered of each parameter: m, v or h, which begin at 0."""

    move: Callable[..., None]
    """Changes W, and its m, v or h, in place, given dW."""

    def __init__(
        self,
        lr: float = 0.01,
        *,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        decay_biases: bool = False,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and at least 0, not {value!r}")
        self.lr = lr
        self.weight_decay = weight_decay
        self.decoupled = decoupled
        self.decay_biases = decay_biases
        self.t = 0  # the number of this update of this network, from 1
        self._states: dict[int, tuple[Arrays, dict[str, Arrays]]] = {}
        self._updates: dict[int, int] = {}

    def update(self, params: Arrays, grads: Arrays) -> None:
        """Change every array of `params` in place, by the gradient of the same name."""
        state = self.state(params)
        self.t = self._updates[id(params)] = self._updates.get(id(params), 0) + 1
        for key, W in params.items():
            dW = grads[key]
            if self.weight_decay and (key.startswith("W") or self.decay_biases):
                if self.decoupled:
                    W -= self.lr * self.weight_decay * W
                else:
                    dW = dW + self.weight_decay * W
            self.move(W, dW, *(state[slot][key] for slot in self.slots))

    def state(self, params: Arrays) -> dict[str, Arrays]:
        """Return what is remembered of `params`: under m, v or h, an array for each parameter."""
        if id(params) not in self._states:
            zeros = {s: {key: np.zeros_like(W) for key, W in params.items()} for s in self.slots}
            self._states[id(params)] = params, zeros  # kept, so that no other dict gets its id
        return self._states[id(params)][1]


class SGD(Optimizer):
    """W <- W - lr dW (book, section 6.1.2)."""

    def move(self, W: Array, dW: Array) -> None:
        """Change `W` in place."""
        W -= self.lr * dW


class Momentum(Optimizer):
    """v <- m v - lr dW;  W <- W + v (book, section 6.1.4; Polyak 1964).

    Parameters
    ----------
    momentum : float
        m, from 0 to less than 1.
    lr_inside : bool
        False: v <- m v + dW;  W <- W - lr v, as PyTorch has it.
    lr, options
        As for Optimizer.
    """

    slots = ("v",)

    def __init__(
        self, lr: float = 0.01, momentum: float = 0.9, *, lr_inside: bool = True, **options: Any
    ) -> None:
        super().__init__(lr, **options)
        _see_shares({"momentum": momentum})
        self.momentum = momentum
        self.lr_inside = lr_inside

    def move(self, W: Array, dW: Array, v: Array) -> None:
        """Change `W` and v in place."""
        v *= self.momentum
        if self.lr_inside:
            v -= self.lr * dW
            W += v
        else:
            v += dW
            W -= self.lr * v


class Nesterov(Momentum):
    """v <- m v - lr dW;  W <- W + m v - lr dW, v being the new one (Bengio et al. 2013, eq. 7).

    Parameters are those of Momentum; without `lr_inside`, v <- m v + dW;  W <- W - lr (dW + m v).
    The book's code before 2021 used the new v where the old one belongs.
    """

    def move(self, W: Array, dW: Array, v: Array) -> None:
        """Change `W` and v in place."""
        v *= self.momentum
        if self.lr_inside:
            v -= self.lr * dW
            W += self.momentum * v - self.lr * dW
        else:
            v += dW
            W -= self.lr * (dW + self.momentum * v)


class AdaGrad(Optimizer):
    """h <- h + dW^2;  W <- W - lr dW / (sqrt(h) + eps) (book, section 6.1.5; Duchi et al. 2011).

    Parameters
    ----------
    eps : float
        Above 0.
    lr, options
        As for Optimizer.
    """

    slots = ("h",)

    def __init__(self, lr: float = 0.01, *, eps: float = 1e-7, **options: Any) -> None:
        super().__init__(lr, **options)
        _see_eps(eps)
        self.eps = eps

    def move(self, W: Array, dW: Array, h: Array) -> None:
        """Change `W` and h in place."""
        h += dW * dW
        W -= self.lr * dW / (np.sqrt(h) + self.eps)


class RMSProp(Optimizer):
    """h <- r h + (1 - r) dW^2;  W <- W - lr dW / (sqrt(h) + eps) (Tieleman and Hinton 2012).

    Parameters
    ----------
    decay_rate : float
        r, from 0 to less than 1.
    eps : float
        Above 0.
    eps_inside : bool
        True: sqrt(h + eps), as in TensorFlow.
    lr, options
        As for Optimizer.
    """

    slots = ("h",)

    def __init__(
        self,
        lr: float = 0.01,
        decay_rate: float = 0.99,
        *,
        eps: float = 1e-7,
        eps_inside: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        _see_shares({"decay_rate": decay_rate})
        _see_eps(eps)
        self.decay_rate, self.eps, self.eps_inside = decay_rate, eps, eps_inside

    def move(self, W: Array, dW: Array, h: Array) -> None:
        """Change `W` and h in place."""
        h *= self.decay_rate
        h += (1 - self.decay_rate) * dW * dW
        W -= self.lr * dW / (np.sqrt(h + self.eps) if self.eps_inside else np.sqrt(h) + self.eps)


class Adam(Optimizer):
    """m <- b1 m + (1 - b1) dW;  v <- b2 v + (1 - b2) dW^2;  W <- W - lr_t m / (sqrt(v) + eps).

    lr_t = lr sqrt(1 - b2^t) / (1 - b1^t) (book, section 6.1.6; Kingma and Ba 2015, the form at the
    end of section 2).

    Parameters
    ----------
    beta1, beta2 : float
        b1 and b2, from 0 to less than 1.
    eps : float
        Above 0.
    eps_hat : bool
        False: W <- W - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps), algorithm 1 of the
        paper, as PyTorch has it.
    lr, options
        As for Optimizer.
    """

    slots = ("m", "v")

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        *,
        eps: float = 1e-7,
        eps_hat: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        _see_shares({"beta1": beta1, "beta2": beta2})
        _see_eps(eps)
        self.beta1, self.beta2, self.eps, self.eps_hat = beta1, beta2, eps, eps_hat

    def move(self, W: Array, dW: Array, m: Array, v: Array) -> None:
        """Change `W`, m and v in place."""
        m += (1 - self.beta1) * (dW - m)
        v += (1 - self.beta2) * (dW * dW - v)
        first, second = 1 - self.beta1**self.t, math.sqrt(1 - self.beta2**self.t)
        if self.eps_hat:
            W -= self.lr * second / first * m / (np.sqrt(v) + self.eps)
        else:
            W -= self.lr / first * m / (np.sqrt(v) / second + self.eps)


def _see_shares(shares: dict[str, float]) -> None:
    for name, value in shares.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be at least 0 and less than 1, not {value!r}")


def _see_eps(eps: float) -> None:
    if not (math.isfinite(eps) and eps > 0):
        raise ValueError(f"eps must be finite and above 0, not {eps!r}")
