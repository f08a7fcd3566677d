"""Mistakes that people make, planted in the code of a network: a layer replaced, never a number.

Each changes a network of scratch that it is given. The table says where the judge must find it:
probe and quantity of the first divergence. The identifiers are those under which the mistake is
known in the project's catalogue: I init, F forward, L loss, B backward, S state.
"""

# ruff: noqa: E501  # the table at the end has a bug a line

from typing import NamedTuple

import numpy as np

from scratch import Affine, MultiLayerNet, Relu, Sigmoid, SoftmaxWithLoss, Tanh


class Planted(NamedTuple):
    name: str
    plant: object
    probe: str
    quantity: str
    activation: str = "relu"


def layers(kind, **methods):
    """Return a plant that replaces every layer of `kind` by one with other methods."""
    wrong = type(f"Wrong{kind.__name__}", (kind,), methods)

    def plant(net, which=None):
        for name, layer in net.layers.items():
            if isinstance(layer, kind) and which in (None, name):
                layer.__class__ = wrong
        if isinstance(net.last_layer, kind):
            net.last_layer.__class__ = wrong

    return plant


def only(plant, which):
    return lambda net: plant(net, which)


def network(**methods):
    """Return a plant that gives the network itself other methods."""

    def plant(net):
        net.__class__ = type("WrongNet", (MultiLayerNet,), methods)

    return plant


# forward


def forward_without_bias(self, x):
    self.x = x
    return x @ self.W


def forward_transposed(self, x):
    self.x = x
    return x @ (self.W.T if self.W.shape[0] == self.W.shape[1] else self.W) + self.b


def forward_leaky(self, x):
    self.mask = x <= 0
    return np.where(self.mask, 0.01 * x, x)


def forward_identity(self, x):
    self.mask = np.zeros(x.shape, bool)
    return x.copy()


def predict_activated(self, x):
    return np.maximum(MultiLayerNet.predict(self, x), 0)


def softmax_over(axis):
    def forward(self, x, t):
        self.t = t.argmax(axis=1) if t.ndim == 2 else t
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        self.y = e / e.sum(axis=axis, keepdims=True)
        return float(-np.log(self.y[np.arange(len(x)), self.t]).mean())

    return forward


def softmax_twice(self, x, t):
    SoftmaxWithLoss.forward(self, x, t)
    return SoftmaxWithLoss.forward(self, self.y, t)


# loss


def loss_scaled(factor):
    def forward(self, x, t):
        return factor(len(x)) * SoftmaxWithLoss.forward(self, x, t)

    return forward


def backward_scaled(factor):
    def backward(self):
        return SoftmaxWithLoss.backward(self) * factor(*self.y.shape)

    return backward


def nominal_batch_backward(self):
    return SoftmaxWithLoss.backward(self) * len(self.y) / 128


# backward


def mean_db(self, dout):
    dx = Affine.backward(self, dout)
    self.db = dout.mean(axis=0)
    return dx


def last_row_db(self, dout):
    dx = Affine.backward(self, dout)
    self.db = dout[-1].copy()
    return dx


def dx_untransposed(self, dout):
    dx = Affine.backward(self, dout)
    return dout @ self.W if self.needs_dx and self.W.shape[0] == self.W.shape[1] else dx


def transposed_dw(self, dout):
    dx = Affine.backward(self, dout)
    self.dW = self.dW.T if self.dW.shape[0] == self.dW.shape[1] else self.dW
    return dx


def extra_softmax_slope(self):
    return SoftmaxWithLoss.backward(self) * self.y * (1 - self.y)


def pass_through(self, dout):
    return dout


def accumulate(self, dout):
    before = getattr(self, "dW", 0)
    dx = Affine.backward(self, dout)
    self.dW = before + self.dW
    return dx


def updated_early(self, dout):
    W = self.W
    self.W = W - 0.01 * self.x.T @ dout
    dx = Affine.backward(self, dout)
    self.W = W
    return dx


def keep_input(self, x):
    self.x = x
    return Sigmoid.forward(self, x)


def swapped(self, x, t):
    grads = MultiLayerNet.gradient(self, x, t)
    grads["b1"], grads["b2"] = grads["b2"], grads["b1"]
    return grads


def decayed_biases(self, x, t):
    grads = MultiLayerNet.gradient(self, x, t)
    return {key: grads[key] + 1e-3 * self.params[key] * (key[0] == "b") for key in grads}


def through_float32(self, x):
    self.x = x
    return (x.astype(np.float32) @ self.W.astype(np.float32)).astype(x.dtype) + self.b


# state


def share_biases(net):
    net.params["b2"] = net.params["b1"]
    net.layers["Affine2"].b = net.params["b1"]


def copy_weights(net):
    for name in ("Affine1", "Affine2", "Affine3", "Affine4"):
        net.layers[name].W = net.layers[name].W.copy()


BUGS = [
    Planted("F01 bias left out of layer 2", only(layers(Affine, forward=forward_without_bias), "Affine2"), "forward", "z2"),
    Planted("F02 activation on the output too", network(predict=predict_activated), "forward", "logits"),
    Planted("F03 one activation missing", only(layers(Relu, forward=forward_identity), "Activation_function2"), "forward", "a2"),
    Planted("F04 leaky ReLU", layers(Relu, forward=forward_leaky), "forward", "a1"),
    Planted("F05 softmax over the batch axis", layers(SoftmaxWithLoss, forward=softmax_over(0)), "loss", "loss"),
    Planted("F06 softmax over everything", layers(SoftmaxWithLoss, forward=softmax_over(None)), "loss", "loss"),
    Planted("F09 softmax twice", layers(SoftmaxWithLoss, forward=softmax_twice), "loss", "loss"),
    Planted("F10 square W transposed", only(layers(Affine, forward=forward_transposed), "Affine2"), "forward", "z2"),
    Planted("N01 float32 product in float64", only(layers(Affine, forward=through_float32), "Affine3"), "forward", "z3"),
    Planted("L01 sum in the loss alone", layers(SoftmaxWithLoss, forward=loss_scaled(lambda B: B)), "loss", "loss"),
    Planted("L03 log2", layers(SoftmaxWithLoss, forward=loss_scaled(lambda _: 1 / np.log(2))), "loss", "loss"),
    Planted("L05 nominal batch size", layers(SoftmaxWithLoss, backward=nominal_batch_backward), "gradient", "W4"),
    Planted("L12 decay on biases", network(gradient=decayed_biases), "gradient", "b4"),
    Planted("B01 not divided by B", layers(SoftmaxWithLoss, backward=backward_scaled(lambda B, _: B)), "gradient", "W4"),
    Planted("B02 divided by B twice", layers(SoftmaxWithLoss, backward=backward_scaled(lambda B, _: 1 / B)), "gradient", "W4"),
    Planted("B03 mean in db", layers(Affine, backward=mean_db), "gradient", "b4"),
    Planted("B03c db of the last row", only(layers(Affine, backward=last_row_db), "Affine3"), "gradient", "b3"),
    Planted("B05 sign", layers(SoftmaxWithLoss, backward=backward_scaled(lambda *_: -1)), "gradient", "W4"),
    Planted("B08 ReLU not in backward", layers(Relu, backward=pass_through), "gradient", "W3"),
    Planted("B09 sigmoid slope of its input", layers(Sigmoid, forward=keep_input, backward=lambda self, dout: dout * (1 - self.x) * self.x), "gradient", "W3", "sigmoid"),
    Planted("B11 tanh slope 1 - out", layers(Tanh, backward=lambda self, dout: dout * (1 - self.out)), "gradient", "W3", "tanh"),
    Planted("B12 dx with W untransposed", layers(Affine, backward=dx_untransposed), "gradient", "W1"),
    Planted("B13 dW transposed", layers(Affine, backward=transposed_dw), "gradient", "W2"),
    Planted("B14 extra y (1 - y)", layers(SoftmaxWithLoss, backward=extra_softmax_slope), "gradient", "W4"),
    Planted("B17 gradients accumulate", layers(Affine, backward=accumulate), "purity", "call before"),
    Planted("B19 b1 and b2 swapped", network(gradient=swapped), "gradient", "b2"),
    Planted("B23 W changed before dx", layers(Affine, backward=updated_early), "gradient", "W3"),
    Planted("B38 divided by C", layers(SoftmaxWithLoss, backward=backward_scaled(lambda _, C: 1 / C)), "gradient", "W4"),
    Planted("B42 slope skipped in layer 2", only(layers(Tanh, backward=pass_through), "Activation_function2"), "gradient", "W2", "tanh"),
    Planted("I11 one array for b1 and b2", share_biases, "aliasing", "b2"),
    Planted("S01 layers hold copies", copy_weights, "aliasing", "params"),
]  # fmt: skip  # a bug a line, as a table
