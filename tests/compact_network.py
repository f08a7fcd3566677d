"""A correct network of one class; tests/bugs.py has the mistakes that are planted in it."""

# ruff: noqa: E501  # a line that bugs replace stays one

import numpy as np


class Network:
    def __init__(self, params, activation, decay=0.0):
        self.params, self.activation, self.decay = params, activation, decay
        self.depth = len(params) // 2

    def affine(self, a, i):
        return a @ self.params[f"W{i}"] + self.params[f"b{i}"]

    def act(self, z, i):
        if self.activation == "relu":
            return np.maximum(z, 0)
        if self.activation == "tanh":
            return np.tanh(z)
        return 1 / (1 + np.exp(-z))

    def slope(self, z, a, i):
        if self.activation == "relu":
            return (z > 0).astype(z.dtype)
        if self.activation == "tanh":
            return 1 - a**2
        return a * (1 - a)

    def forward(self, x):
        self.a, self.z = [x], []
        for i in range(1, self.depth + 1):
            self.z.append(self.affine(self.a[-1], i))
            if i < self.depth:
                self.a.append(self.act(self.z[-1], i))
        return self.z[-1]

    def softmax(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def loss(self, x, t):
        z = self.forward(x)
        z = z - z.max(axis=1, keepdims=True)
        log_y = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        data = -log_y[np.arange(len(t)), t].mean()
        return data + self.decay / 2 * sum((w**2).sum() for k, w in self.params.items() if k[0] == "W")  # fmt: skip  # a bug replaces it

    def gradient(self, x, t):
        z = self.forward(x)
        one_hot = np.eye(z.shape[1], dtype=z.dtype)[t]
        dz = (self.softmax(z) - one_hot) / len(x)
        grads = {}
        for i in range(self.depth, 0, -1):
            W, b = self.params[f"W{i}"], self.params[f"b{i}"]  # noqa: F841  # bugs use b
            grads[f"W{i}"] = self.a[i - 1].T @ dz + np.asarray(self.decay, z.dtype) * W
            grads[f"b{i}"] = dz.sum(axis=0)
            if i > 1:
                da = dz @ W.T
                dz = da * self.slope(self.z[i - 2], self.a[i - 1], i - 1)
        return grads
