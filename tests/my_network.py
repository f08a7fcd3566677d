"""The network of the README: the book's two-layer network, with one mistake in it."""

import numpy as np


class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size):
        rng = np.random.default_rng(0)
        self.params = {
            "W1": 0.01 * rng.standard_normal((input_size, hidden_size)),
            "b1": np.zeros(hidden_size),
            "W2": 0.01 * rng.standard_normal((hidden_size, output_size)),
            "b2": np.zeros(output_size),
        }

    def predict(self, x):
        h = np.maximum(x @ self.params["W1"] + self.params["b1"], 0)
        return h @ self.params["W2"] + self.params["b2"]

    def loss(self, x, t):
        return -np.log(softmax(self.predict(x))[np.arange(len(x)), t] + 1e-7).mean()

    def gradient(self, x, t):
        h = np.maximum(x @ self.params["W1"] + self.params["b1"], 0)
        dy = softmax(self.predict(x))
        dy[np.arange(len(x)), t] -= 1
        dy /= len(x)
        dh = dy @ self.params["W2"].T * (h > 0)
        return {
            "W1": x.T @ dh,
            "b1": dh.mean(axis=0),
            "W2": h.T @ dy,
            "b2": dy.sum(axis=0),
        }


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
