"""The network of the book with BatchNorm and Dropout (`common/multi_layer_net_extend.py`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.layers import Array, Targets
from scratch.layers_extend import BatchNormalization, Dropout
from scratch.multi_layer_net import MultiLayerNet


class MultiLayerNetExtend(MultiLayerNet):
    """MultiLayerNet with Affine, BatchNorm, activation, Dropout in each hidden layer.

    Parameters
    ----------
    input_size, hidden_size_list, output_size, activation, weight_init_std, weight_decay_lambda
        As for MultiLayerNet; weight decay is of W1, W2, ... alone.
    use_dropout, use_batchnorm : bool
        Which of them there are.
    dropout_ration : float
        Share of the units that are dropped, at least 0 and below 1; spelled as in the book.
    batchnorm : mapping
        Arguments of BatchNormalization beyond gamma and beta; the book's where left out.
    inverted : bool
        Of Dropout.
    rng : numpy.random.Generator
        Source of the weights, as for MultiLayerNet.
    dropout_rng : numpy.random.Generator, optional
        Source of the masks, layer by layer in each forward pass in training; else `rng`.
    dtype : dtype
        Of the parameters.

    Attributes
    ----------
    params : dict of str to ndarray
        W1, b1, ..., and with BatchNorm gamma1 (units,), of ones, and beta1 (units,), of zeros, ...
    layers : dict of str to layer
        Affine1, BatchNorm1, Activation_function1, Dropout1, Affine2, ...

    Raises
    ------
    ValueError
        As MultiLayerNet does, and for a ratio outside [0, 1).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size_list: Sequence[int],
        output_size: int,
        activation: str = "relu",
        weight_init_std: float | str = "relu",
        weight_decay_lambda: float = 0,
        use_dropout: bool = False,
        dropout_ration: float = 0.5,
        use_batchnorm: bool = False,
        *,
        batchnorm: Mapping[str, Any] | None = None,
        inverted: bool = False,
        rng: np.random.Generator,
        dropout_rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if use_dropout and not 0 <= dropout_ration < 1:
            raise ValueError(f"dropout_ration must be at least 0 and below 1, not {dropout_ration}")
        super().__init__(
            input_size, hidden_size_list, output_size, activation, weight_init_std,
            weight_decay_lambda, rng=rng, dtype=dtype,
        )  # fmt: skip  # the book's arguments, then ours
        plain, self.layers = self.layers, {}
        for name, layer in plain.items():
            i = name.removeprefix("Activation_function")
            if i == name:
                self.layers[name] = layer
                continue
            if use_batchnorm:
                gamma = np.ones_like(self.params[f"b{i}"])
                beta = np.zeros_like(gamma)
                self.params |= {f"gamma{i}": gamma, f"beta{i}": beta}
                normalization = BatchNormalization(gamma, beta, **(batchnorm or {}))
                self.layers[f"BatchNorm{i}"] = normalization
            self.layers[name] = layer
            if use_dropout:
                self.layers[f"Dropout{i}"] = Dropout(
                    dropout_ration, rng=dropout_rng or rng, inverted=inverted
                )

    def predict(self, x: Array, train_flg: bool = False) -> Array:
        """Return the logits, (B, output_size), of `x`, (B, input_size)."""
        for layer in self.layers.values():
            if isinstance(layer, BatchNormalization | Dropout):
                x = layer.forward(x, train_flg)
            else:
                x = layer.forward(x)
        return x

    def loss(self, x: Array, t: Targets, train_flg: bool = False) -> float:
        """Return mean cross-entropy + lambda / 2 * sum(W^2); after training, unless `train_flg`."""
        return self.last_layer.forward(self.predict(x, train_flg), t) + self.weight_penalty()

    def gradient(self, x: Array, t: Targets) -> dict[str, Array]:
        """Return the gradient of the loss in training by every parameter, by backpropagation."""
        self.last_layer.forward(self.predict(x, train_flg=True), t)
        grads = self.backward()
        for name, layer in self.layers.items():
            if isinstance(layer, BatchNormalization):
                i = name.removeprefix("BatchNorm")
                grads |= {f"gamma{i}": layer.dgamma, f"beta{i}": layer.dbeta}
        return grads

    def numerical_gradient(self, x: Array, t: Targets) -> dict[str, Array]:
        """Return the same by finite differences; of no use with Dropout, whose masks change."""
        return self.differences(lambda: self.loss(x, t, train_flg=True))
