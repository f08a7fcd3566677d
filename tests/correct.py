"""Correct networks that compute the same in different ways: what a judge must not complain of.

Each overrides one piece of `Plain`, which is written from the formulas and knows nothing of
scratch. Rounding is all that may differ.
"""

import numpy as np


class Plain:
    """Affine layers with an activation between them, softmax cross-entropy, L2 weight decay."""

    def __init__(
        self, sizes, activation="relu", dtype=np.float64, weight_decay_lambda=0.0, *, rng,
        one_hot=False,
    ):  # fmt: skip  # a signature
        self.depth = len(sizes) - 1
        self.activation = activation
        self.dtype = np.dtype(dtype)
        self.weight_decay_lambda = weight_decay_lambda
        self.one_hot = one_hot
        self.params = {}
        for i in range(1, len(sizes)):
            W = rng.standard_normal(sizes[i - 1 : i + 1]) * np.sqrt(2 / sizes[i - 1])
            self.params[f"W{i}"] = W.astype(dtype)
            self.params[f"b{i}"] = np.zeros(sizes[i], dtype)

    # what the others replace

    def product(self, a, b):
        return a @ b

    def affine(self, x, i):
        return self.product(x, self.params[f"W{i}"]) + self.params[f"b{i}"]

    def affine_grads(self, x, dz):
        return self.product(x.T, dz), dz.sum(axis=0)

    def act(self, z):
        if self.activation == "relu":
            return np.maximum(z, 0)
        if self.activation == "tanh":
            return np.tanh(z)
        e = np.exp(-np.abs(z))
        return np.where(z >= 0, 1, e) / (1 + e)

    def act_back(self, da, z, a):
        if self.activation == "relu":
            return np.where(z > 0, da, 0).astype(self.dtype)
        return da * (1 - a * a) if self.activation == "tanh" else da * a * (1 - a)

    def softmax(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def log_likelihood(self, z, t):
        z = z - z.max(axis=1, keepdims=True)
        return z[np.arange(len(t)), t] - np.log(np.exp(z).sum(axis=1))

    # the network

    def forward(self, x):
        a, seen = x, [(x, None)]
        for i in range(1, self.depth):
            z = self.affine(a, i)
            a = self.act(z)
            seen.append((a, z))
        return self.affine(a, self.depth), seen

    def predict(self, x):
        return self.forward(x)[0]

    def loss(self, x, t):
        t = t.argmax(axis=1) if self.one_hot else t
        squares = sum((W * W).sum() for key, W in self.params.items() if key[0] == "W")
        penalty = self.weight_decay_lambda / 2 * squares
        return -self.log_likelihood(self.predict(x), t).mean() + penalty

    def gradient(self, x, t):
        return self.with_decay(self.data_gradient(x, t))

    def with_decay(self, grads):
        decay = self.dtype.type(self.weight_decay_lambda)
        return {
            key: grad + decay * self.params[key] if key[0] == "W" else grad
            for key, grad in grads.items()
        }

    def data_gradient(self, x, t):
        t = t.argmax(axis=1) if self.one_hot else t
        logits, seen = self.forward(x)
        dz = self.softmax(logits)
        dz[np.arange(len(t)), t] -= 1
        dz /= len(t)
        grads = {}
        for i in range(self.depth, 0, -1):
            a, z = seen[i - 1]
            W = self.params[f"W{i}"]
            grads[f"W{i}"], grads[f"b{i}"] = self.affine_grads(a, dz)
            if i > 1:
                dz = self.act_back(self.product(dz, W.T), z, a)
        return grads


class Einsum(Plain):
    """Products without BLAS."""

    def product(self, a, b):
        return np.einsum("ij,jk->ik", a, b)


class Columns(Plain):
    """Samples in columns, as other books have them."""

    def product(self, a, b):
        return np.asfortranarray((b.T @ a.T).T)


class Augmented(Plain):
    """The bias as one more row of the weights, for a feature that is always 1."""

    def affine(self, x, i):
        rows = np.vstack([self.params[f"W{i}"], self.params[f"b{i}"]])
        return np.column_stack([x, np.ones(len(x), self.dtype)]) @ rows

    def affine_grads(self, x, dz):
        both = np.column_stack([x, np.ones(len(x), self.dtype)]).T @ dz
        return both[:-1], both[-1]


class Sequential(Plain):
    """Sums over the rows taken sample by sample."""

    def affine_grads(self, x, dz):
        dW = np.zeros((x.shape[1], dz.shape[1]), self.dtype)
        db = np.zeros(dz.shape[1], self.dtype)
        for row, back in zip(x, dz, strict=True):
            dW += np.outer(row, back)
            db += back
        return dW, db


class Terms(Plain):
    """Products as a running sum of rank-one terms, the bias added first."""

    def product(self, a, b):
        total = np.zeros((a.shape[0], b.shape[1]), self.dtype)
        for column, row in zip(a.T, b, strict=True):
            total += np.outer(column, row)
        return total

    def affine(self, x, i):
        total = np.tile(self.params[f"b{i}"], (len(x), 1))
        for column, row in zip(x.T, self.params[f"W{i}"], strict=True):
            total += np.outer(column, row)
        return total


class Halves(Plain):
    """Products in two halves that are added."""

    def product(self, a, b):
        half = a.shape[1] // 2
        return a[:, :half] @ b[:half] + a[:, half:] @ b[half:]


class Double(Plain):
    """Products in float64, rounded to the working type."""

    def product(self, a, b):
        return (a.astype(np.float64) @ b.astype(np.float64)).astype(self.dtype)


class Backwards(Plain):
    """Rows, and what is summed in a product, in the opposite order."""

    def product(self, a, b):
        return (a[::-1, ::-1] @ b[::-1])[::-1]

    def affine_grads(self, x, dz):
        return super().affine_grads(x[::-1], dz[::-1])


class FromOutput(Plain):
    """Masks from outputs, sigmoid by tanh, derivatives multiplied out in another order."""

    def act(self, z):
        if self.activation == "sigmoid":
            return 0.5 * (1 + np.tanh(0.5 * z))
        return super().act(z)

    def act_back(self, da, z, a):
        if self.activation == "relu":
            return da * (a > 0)
        return da - da * a**2 if self.activation == "tanh" else a * da - a * a * da


class ByLogarithm(Plain):
    """Softmax as the exponential of log-softmax, and the mean taken into the seed."""

    def softmax(self, z):
        shifted = z - z.max(axis=1, keepdims=True)
        return np.exp(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


class RowByRow(Plain):
    """One sample at a time, gradients averaged at the end, and then the decay."""

    def gradient(self, x, t):
        total = {}
        for i in range(len(x)):
            for key, grad in self.data_gradient(x[i : i + 1], t[i : i + 1]).items():
                total[key] = total.get(key, 0) + grad
        return self.with_decay({key: grad / self.dtype.type(len(x)) for key, grad in total.items()})


IMPLEMENTATIONS = (
    Plain, Einsum, Columns, Augmented, Sequential, Terms, Halves, Double, Backwards, FromOutput,
    ByLogarithm, RowByRow,
)  # fmt: skip  # a list


def random_network(rng, implementation, dtype):
    """Return a network of random architecture, as any user might bring it."""
    depth = int(rng.integers(1, 7))
    sizes = [int(np.exp(rng.uniform(0, np.log(300)))) for _ in range(depth)]
    classes = int(rng.integers(2, 41))
    activation = str(rng.choice(["relu", "sigmoid", "tanh"]))
    decay = float(rng.choice([0.0, 0.0, 0.01, 0.1]))
    one_hot = bool(rng.integers(2))
    return implementation(
        [*sizes, classes], activation, dtype, decay, rng=rng, one_hot=one_hot
    )  # fmt: skip  # a call
