"""Layers of the book, sections 6.3 and 6.4.3, that differ in training and afterwards."""

import numpy as np

from scratch.layers import Array


class BatchNormalization:
    """out = gamma xn + beta,  xn = (x - mean) / sqrt(var + eps), each unit over the batch.

    While training, mean and var are those of the batch, var = sum((x - mean)^2) / B (Ioffe and
    Szegedy 2015, algorithm 1; book, section 6.3). Afterwards they are the running ones, which every
    batch in training moves by

        running_mean <- momentum running_mean + (1 - momentum) mean
        running_var  <- momentum running_var  + (1 - momentum) var

    Where the book and PyTorch differ, the defaults are the book's:

        the book                      PyTorch
        eps = 10e-7, that is 1e-6     eps=1e-5
        running_var starts at 0       initial_var=1
        and takes var                 unbiased=True takes var B / (B - 1)
        momentum = 0.9 of the old     is called momentum 0.1, of the new

    Parameters
    ----------
    gamma, beta : ndarray (units,)
        Kept by reference, as the weights of Affine.
    momentum, eps, unbiased, initial_var
        As above.
    """

    def __init__(
        self,
        gamma: Array,
        beta: Array,
        momentum: float = 0.9,
        *,
        eps: float = 10e-7,
        unbiased: bool = False,
        initial_var: float = 0.0,
    ) -> None:
        self.gamma = gamma
        self.beta = beta
        self.momentum = momentum
        self.eps = eps
        self.unbiased = unbiased
        self.running_mean = np.zeros_like(gamma)
        self.running_var = np.full_like(gamma, initial_var)
        self.xn: Array
        self.std: Array
        self.dgamma: Array
        self.dbeta: Array

    def forward(self, x: Array, train_flg: bool = True) -> Array:
        """Return gamma xn + beta, the shape of x, (B, units).

        Raises
        ------
        ValueError
            A batch of 1 in training with `unbiased`: its variance would be divided by 0.
        """
        mean, var = self.running_mean, self.running_var
        if train_flg:
            mean = x.mean(axis=0)
            var = ((x - mean) ** 2).mean(axis=0)
            self._move(mean, var, len(x))
        self.std = np.sqrt(var + self.eps)
        self.xn = (x - mean) / self.std
        return self.gamma * self.xn + self.beta

    def _move(self, mean: Array, var: Array, rows: int) -> None:
        if self.unbiased:
            if rows < 2:
                raise ValueError("an unbiased variance needs a batch of at least 2")
            var = var * (rows / (rows - 1))
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var

    def backward(self, dout: Array) -> Array:
        """Set `dgamma` and `dbeta`; return dx of a batch in training, mean and var moving with x.

        dx = (dxn - mean(dxn) - xn mean(dxn xn)) / std,  dxn = gamma dout.
        """
        self.dbeta = dout.sum(axis=0)
        self.dgamma = (dout * self.xn).sum(axis=0)
        dxn = self.gamma * dout
        dxn_mean, along = dxn.mean(axis=0), (dxn * self.xn).mean(axis=0)
        return np.asarray((dxn - dxn_mean - self.xn * along) / self.std)


class Dropout:
    """Drops units at random while training (Srivastava et al. 2014; book, section 6.4.3).

    What is left must be scaled, either afterwards or at once:

        the book                      PyTorch, inverted=True
        training    x mask            x mask / (1 - dropout_ratio)
        afterwards  x (1 - ratio)     x

    Parameters
    ----------
    dropout_ratio : float
        Share of the units that are dropped: those whose draw from [0, 1) is not above it.
    rng : numpy.random.Generator
        Of the draws, one for each element of `x`, in float64 whatever the dtype of x.
    inverted : bool
        As above.

    Attributes
    ----------
    mask : ndarray of bool (B, units)
        What the last forward in training kept.
    """

    def __init__(
        self, dropout_ratio: float = 0.5, *, rng: np.random.Generator, inverted: bool = False
    ) -> None:
        self.dropout_ratio = dropout_ratio
        self.rng = rng
        self.inverted = inverted
        self.mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

    def forward(self, x: Array, train_flg: bool = True) -> Array:
        """Return what is left of x, its shape."""
        if train_flg:
            self.mask = self.rng.random(x.shape) > self.dropout_ratio
            return self._kept(x)
        return x if self.inverted else x * (1.0 - self.dropout_ratio)

    def backward(self, dout: Array) -> Array:
        """Return dout where x was kept, scaled as it was, else 0."""
        return self._kept(dout)

    def _kept(self, x: Array) -> Array:
        return x * self.mask / (1.0 - self.dropout_ratio) if self.inverted else x * self.mask
