"""A small network of two layers with pieces to be replaced, for the tests of explanations."""

import numpy as np


class Net:
    """Two layers, one activation; a mistake is another method."""

    def __init__(self, inputs=11, hidden=13, classes=5, scale=0.5):
        rng = np.random.default_rng(0)
        self.params = {
            "W1": scale * rng.standard_normal((inputs, hidden)), "b1": np.zeros(hidden),
            "W2": scale * rng.standard_normal((hidden, classes)), "b2": np.zeros(classes),
        }  # fmt: skip  # a layer a line

    def activation(self, u):
        return np.tanh(u)

    def slope(self, u, out):
        return 1 - out**2

    def softmax(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def logits(self, x):
        self.u = x @ self.params["W1"] + self.params["b1"]
        self.a = self.activation(self.u)
        return self.a @ self.params["W2"] + self.params["b2"]

    def predict(self, x):
        return self.softmax(self.logits(x))

    def loss(self, x, t):
        return -np.mean(np.log(self.predict(x)[np.arange(len(x)), t]))

    def gradient(self, x, t):
        dz = self.predict(x)
        dz[np.arange(len(x)), t] -= 1
        dz /= len(x)
        du = (dz @ self.params["W2"].T) * self.slope(self.u, self.a)
        return {"W1": x.T @ du, "b1": du.sum(axis=0), "W2": self.a.T @ dz, "b2": dz.sum(axis=0)}


class ReluNet(Net):
    """With ReLU."""

    def activation(self, u):
        return np.maximum(u, 0)

    def slope(self, u, out):
        return (u > 0).astype(float)


class SigmoidNet(Net):
    """With sigmoid."""

    def activation(self, u):
        return 1 / (1 + np.exp(-u))

    def slope(self, u, out):
        return out * (1 - out)
