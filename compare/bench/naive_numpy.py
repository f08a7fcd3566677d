"""The experiment as a reader types it in from the book's formulas, before any thought of speed.

It is a yardstick of `netparity bench` and stays as it is. Beside what `scratch` does, it converts
the float32 images in each product with float64 weights, computes the gradient of the images, takes
the softmax once for the loss and again for its gradient, and sums a decay term that is 0.
"""

from collections import OrderedDict

import numpy as np

EPSILON = 1e-7
"""What the book adds inside the log (section 4.2.2)."""


def softmax(x):
    """Book, section 3.5, for a batch."""
    x = x - np.max(x, axis=1, keepdims=True)
    return np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)


def cross_entropy_error(y, t, epsilon):
    """Book, section 4.2.4."""
    batch_size = y.shape[0]
    return -np.sum(np.log(y[np.arange(batch_size), t] + epsilon)) / batch_size


class Relu:
    """Book, section 5.5.1."""

    def forward(self, x):
        """Keep what is positive."""
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        """Pass on what was kept."""
        dout[self.mask] = 0
        return dout


class Affine:
    """Book, section 5.6."""

    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        """Return x W + b."""
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        """Set dW and db; return dx."""
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx


class NaiveNet:
    """A fully connected network with ReLU, as in the book's chapter 6."""

    def __init__(
        self, input_size=784, hidden_size_list=(100, 100, 100, 100), output_size=10, *,
        weight_init_std="he", rng=None, dtype=np.float64, epsilon=EPSILON,
    ):  # fmt: skip  # the book's arguments, then ours
        rng = rng or np.random.default_rng(0)
        sizes = [input_size, *hidden_size_list, output_size]
        self.weight_decay_lambda = 0
        self.epsilon = epsilon
        self.params = {}
        self.layers = OrderedDict()
        for i in range(1, len(sizes)):
            fan_in, fan_out = sizes[i - 1], sizes[i]
            scale = weight_init_std
            if weight_init_std == "he":
                scale = np.sqrt(2.0 / fan_in)
            elif weight_init_std == "xavier":
                scale = np.sqrt(1.0 / fan_in)
            W = scale * rng.standard_normal((fan_in, fan_out))
            self.params[f"W{i}"] = W.astype(dtype)
            self.params[f"b{i}"] = np.zeros(fan_out, dtype=dtype)
            self.layers[f"Affine{i}"] = Affine(self.params[f"W{i}"], self.params[f"b{i}"])
            if i < len(sizes) - 1:
                self.layers[f"Relu{i}"] = Relu()

    def predict(self, x):
        """Return the logits."""
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        """Return the mean cross-entropy and the decay term."""
        self.score = self.predict(x)
        weight_decay = 0
        for key, W in self.params.items():
            if key.startswith("W"):
                weight_decay += 0.5 * self.weight_decay_lambda * np.sum(W**2)
        return cross_entropy_error(softmax(self.score), t, self.epsilon) + weight_decay

    def gradient(self, x, t):
        """Return the gradients by backpropagation."""
        self.loss(x, t)
        batch_size = x.shape[0]
        dout = softmax(self.score)
        dout[np.arange(batch_size), t] -= 1
        dout = dout / batch_size
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        grads = {}
        affines = [layer for layer in self.layers.values() if isinstance(layer, Affine)]
        for i, layer in enumerate(affines, start=1):
            grads[f"W{i}"] = layer.dW + self.weight_decay_lambda * layer.W
            grads[f"b{i}"] = layer.db
        return grads


def train(nets, x_train, t_train, batches, lr):
    """Train each network on the same batches; return the losses after each update.

    `x_train` holds float32 from 0 to 1, as the book's loader gives it.
    """
    losses = []
    for rows in batches:
        x_batch = x_train[rows]
        t_batch = t_train[rows]
        for net in nets:
            grads = net.gradient(x_batch, t_batch)
            for key in net.params:
                net.params[key] -= lr * grads[key]
            losses.append(net.loss(x_batch, t_batch))
    return losses
