"""Right networks in the shapes that people write them in: what must never be called a mistake.

Written from the formulas, and knows nothing of scratch. Each option is a way in which somebody's
code differs from the book's, and yet is right; `wrong` plants one mistake.
"""

import itertools
import math
import warnings
from dataclasses import dataclass, replace

import numpy as np

ERF = np.vectorize(math.erf, otypes=[float])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gelu_tanh(z):
    return 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def gelu_tanh_prime(z):
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * (z + 0.044715 * z**3))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * c * (1 + 3 * 0.044715 * z**2)


def density(z):
    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def elu_prime(z):
    return np.where(z > 0, 1, np.exp(np.minimum(z, 0)))


ACTIVATIONS = {
    "relu": (lambda z, s: np.maximum(z, 0), lambda z, s: (z > 0) * 1.0),
    "sigmoid": (lambda z, s: sigmoid(z), lambda z, s: sigmoid(z) * (1 - sigmoid(z))),
    "tanh": (lambda z, s: np.tanh(z), lambda z, s: 1 - np.tanh(z) ** 2),
    "leaky_relu": (lambda z, s: np.where(z > 0, z, s * z), lambda z, s: np.where(z > 0, 1, s)),
    "elu": (lambda z, s: np.where(z > 0, z, elu_prime(z) - 1), lambda z, s: elu_prime(z)),
    "gelu": (
        lambda z, s: z * 0.5 * (1 + ERF(z / math.sqrt(2))),
        lambda z, s: 0.5 * (1 + ERF(z / math.sqrt(2))) + z * density(z),
    ),
    "gelu_tanh": (lambda z, s: gelu_tanh(z), lambda z, s: gelu_tanh_prime(z)),
    "silu": (
        lambda z, s: z * sigmoid(z),
        lambda z, s: sigmoid(z) + z * sigmoid(z) * (1 - sigmoid(z)),
    ),
    "softplus": (lambda z, s: np.logaddexp(0, z), lambda z, s: sigmoid(z)),
    "identity": (lambda z, s: z, lambda z, s: np.ones_like(z)),
    # known to nobody
    "arctan": (lambda z, s: np.arctan(z), lambda z, s: 1 / (1 + z**2)),
    "sine": (lambda z, s: np.sin(z), lambda z, s: np.cos(z)),
    "square": (lambda z, s: z**2 / 4, lambda z, s: z / 2),
    "shifted relu": (lambda z, s: np.maximum(z, -1), lambda z, s: (z > -1) * 1.0),
}
UNKNOWN = ("arctan", "sine", "square", "shifted relu")


@dataclass(frozen=True)
class Options:
    """How the network is written.

    targets: labels, one-hot, both, loop (row by row, one-hot), columns (samples in columns,
    one-hot). bias: flat, row, column, none. decay_form: half (lambda / 2 sum W^2) or whole.
    predict: logits, probabilities, answers, none. step: of a numerical gradient, 0 for none.
    """

    activation: str = "relu"
    slope: float = 0.01
    targets: str = "labels"
    bias: str = "flat"
    decay: float = 0.0
    decay_form: str = "half"
    predict: str = "logits"
    layernorm: bool = False
    step: float = 0.0
    central: bool = True
    epsilon: float = 0.0
    summed: bool = False
    needs_loss: bool = False
    matrix: bool = False
    dtype: str = "float64"
    loss: str = "cross-entropy"


class Variant:
    """Affine layers, LayerNorm or not, an activation; softmax with cross-entropy."""

    def __init__(self, sizes, options=Options(), seed=0, wrong=""):
        self.o, self.wrong, self.L = options, wrong, len(sizes) - 1
        rng = np.random.default_rng(seed)
        self.params = {}
        self.seen = None
        for i, (a, b) in enumerate(itertools.pairwise(sizes), 1):
            W = (rng.standard_normal((a, b)) / math.sqrt(a)).astype(options.dtype)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # np.matrix is not the recommended way, and is used
                self.params[f"W{i}"] = np.matrix(W) if options.matrix else W
            shape = {"flat": (b,), "row": (1, b), "column": (b, 1), "none": None}[options.bias]
            if shape:
                self.params[f"b{i}"] = np.zeros(shape, options.dtype)
            if options.layernorm and i < self.L:
                self.params[f"gamma{i}"] = np.ones(b, options.dtype)
                self.params[f"beta{i}"] = np.zeros(b, options.dtype)
        if options.predict != "none":
            self.predict = self._predict

    def W(self, i):  # noqa: N802  # the book's name
        return np.asarray(self.params[f"W{i}"])

    def b(self, i):
        return self.params[f"b{i}"].ravel() if self.o.bias != "none" else 0

    def forward(self, x):
        act = ACTIVATIONS[self.o.activation][0]
        self.a, self.z, self.n, self.xn, self.s = [x], [], [], [], []
        for i in range(1, self.L + 1):
            z = self.a[-1] @ self.W(i) + self.b(i)
            self.z.append(z)
            if i == self.L:
                return z
            if self.o.layernorm:
                m, v = z.mean(axis=1, keepdims=True), z.var(axis=1, keepdims=True)
                self.s.append(np.sqrt(v + np.asarray(1e-5, z.dtype)))
                self.xn.append((z - m) / self.s[-1])
                z = self.params[f"gamma{i}"] * self.xn[-1] + self.params[f"beta{i}"]
            self.n.append(z)
            self.a.append(act(z, self.o.slope).astype(z.dtype))
        raise AssertionError

    def softmax(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def _predict(self, x):
        z = self.forward(x)
        if self.o.predict == "answers":
            return np.eye(z.shape[1], dtype=int)[z.argmax(axis=1)]
        return z if self.o.predict == "logits" else self.softmax(z)

    def penalty(self):
        k = self.o.decay / 2 if self.o.decay_form == "half" else self.o.decay
        if self.wrong == "decay missing in the loss":
            return 0.0
        return k * sum(float(np.sum(self.W(i) ** 2)) for i in range(1, self.L + 1))

    def costs(self, x, t):
        """Return the cost of each row, by the form of the targets."""
        y = self.softmax(self.forward(x))
        if self.o.loss == "squared":
            return 0.5 * ((y - self.one_hot(y, t)) ** 2).sum(axis=1)
        epsilon = np.asarray(self.o.epsilon, y.dtype)
        if self.o.targets in ("labels", "both"):
            labels = t.argmax(axis=1) if t.ndim == 2 and self.o.targets == "both" else t
            return -np.log(y[np.arange(len(x)), labels] + epsilon)
        if self.o.targets == "loop":
            return np.array([-np.sum(t[r] * np.log(y[r] + epsilon)) for r in range(len(x))])
        return -(t.T * np.log(y.T + epsilon)).sum(axis=0)

    def one_hot(self, y, t):
        if self.o.targets == "columns":
            return t
        labels = t.argmax(axis=1) if t.ndim == 2 else t
        return np.eye(y.shape[1], dtype=y.dtype)[labels]

    def loss(self, x, t):
        self.seen = len(x)
        costs = self.costs(x, t)
        data = costs.sum() if self.o.summed else costs.mean()
        return data + self.penalty()

    def dz_last(self, x, t):
        y = self.softmax(self.forward(x))
        scale = 1 if self.o.summed else 1 / np.asarray(len(x), y.dtype)
        if self.o.targets == "both" and t.ndim == 2:
            scale = 1 if self.wrong == "one-hot is not divided" else scale
            return (y - t) * scale
        if self.o.loss == "squared":
            g = y - self.one_hot(y, t)
            return y * (g - (g * y).sum(axis=1, keepdims=True)) * scale
        if self.o.targets == "loop":
            return np.array([y[r] - t[r] for r in range(len(x))]) * scale
        if self.o.targets == "one-hot":
            return (y - t) * scale
        if self.o.targets == "columns":
            return ((y.T - t.T) * scale).T
        d = y.copy()
        d[np.arange(len(x)), t] -= 1
        return d * scale

    def gradient(self, x, t):
        if self.o.needs_loss:
            self.seen = self.seen[:0] if self.seen is None else self.seen
        return self.numerical(x, t) if self.o.step else self.analytic(x, t)

    def analytic(self, x, t):
        derivative = ACTIVATIONS[self.o.activation][1]
        d, grads = self.dz_last(x, t), {}
        k = self.o.decay if self.o.decay_form == "half" else 2 * self.o.decay
        k = 0.0 if self.wrong == "decay missing in the gradient" else k
        for i in range(self.L, 0, -1):
            if i < self.L:
                slope = derivative(self.n[i - 1], self.o.slope).astype(d.dtype)
                if self.wrong == "derivative of relu":
                    slope = (self.n[i - 1] > 0) * 1.0
                if self.wrong == "derivative squared":
                    slope = slope**2
                d = d * slope
                if self.o.layernorm:
                    grads[f"gamma{i}"] = (d * self.xn[i - 1]).sum(axis=0)
                    grads[f"beta{i}"] = d.sum(axis=0)
                    d = self.through_norm(d * self.params[f"gamma{i}"], i)
            W = self.a[i - 1].T @ d + np.asarray(k, d.dtype) * self.W(i)
            grads[f"W{i}"] = W * 2 if self.wrong == "dW1 doubled" and i == 1 else W
            if self.o.bias != "none":
                shape = self.params[f"b{i}"].shape
                db = d.mean(axis=0) if self.wrong == "db averaged" else d.sum(axis=0)
                grads[f"b{i}"] = db.reshape(shape)
            d = d @ self.W(i).T
        return grads

    def through_norm(self, d, i):
        xn = self.xn[i - 1]
        along = xn * (d * xn).mean(axis=1, keepdims=True)
        along = 0 if self.wrong == "norm without its third term" else along
        return (d - d.mean(axis=1, keepdims=True) - along) / self.s[i - 1]

    def numerical(self, x, t):
        h, grads = self.o.step, {}
        for key, value in self.params.items():
            grads[key] = np.zeros_like(value)
            for place in np.ndindex(value.shape):
                kept = value[place]
                value[place] = kept + h
                up = self.loss(x, t)
                value[place] = kept - h if self.o.central else kept
                down = self.loss(x, t)
                value[place] = kept
                grads[key][place] = (up - down) / (2 * h if self.o.central else h)
        return grads


def random_options(rng, known=tuple(k for k in ACTIVATIONS if k not in UNKNOWN)):
    """Return options as a user might have them, those that are rare rarely."""

    def maybe(share, value, other):
        return value if rng.random() < share else other

    numerical = rng.random() < 0.12
    layernorm = bool(rng.random() < 0.15)
    o = Options(
        activation=str(rng.choice(known)),
        slope=float(rng.choice([0.01, 0.2, 0.1, 0.3])),
        targets=str(rng.choice(["labels", "one-hot", "both", "loop", "columns"])),
        bias=str(rng.choice(["flat", "flat", "row", "column", "none"])),
        decay=float(maybe(0.3, rng.choice([1e-4, 0.01, 0.1, 0.5]), 0.0)),
        decay_form=str(rng.choice(["half", "whole"])),
        predict=str(rng.choice(["logits", "probabilities", "probabilities", "answers", "none"])),
        layernorm=layernorm,
        step=float(rng.choice([1e-3, 1e-4, 1e-5, 1e-6])) if numerical else 0.0,
        central=bool(rng.random() < 0.8),
        epsilon=float(maybe(0.3, rng.choice([1e-7, 1e-8, 1e-12]), 0.0)),
        summed=bool(rng.random() < 0.1),
        matrix=bool(rng.random() < 0.05),
        dtype=str(maybe(0.25, "float32", "float64")),
    )
    if numerical:
        o = replace(o, dtype="float64")
    if o.layernorm or o.matrix or numerical:
        o = replace(o, bias=o.bias if not o.layernorm else "flat")
    return o


def random_sizes(rng, *, numerical=False, hidden=False):
    """Return features, hidden units (some, if `hidden`), classes."""
    layers = int(rng.integers(int(hidden), 2 if numerical else 4))
    top = 8 if numerical else 40
    sizes = [int(rng.integers(2, top)) for _ in range(layers + 1)]
    return [*sizes, int(rng.integers(2, 6 if numerical else 12))]


WRONG = {
    "one-hot is not divided": {"targets": "both", "step": 0.0, "summed": False},
    "decay missing in the loss": {"decay": 0.1, "step": 0.0},
    "decay missing in the gradient": {"decay": 0.1, "step": 0.0},
    "derivative squared": {"activation": "tanh", "step": 0.0},
    "derivative of relu": {"activation": "gelu", "step": 0.0},
    "dW1 doubled": {"step": 0.0},
    "db averaged": {"bias": "row", "step": 0.0},
    "norm without its third term": {"layernorm": True, "bias": "flat", "step": 0.0},
}
"""The mistakes, and what a network must be to have them."""
