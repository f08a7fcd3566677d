"""Mistakes planted as small edits in tests/compact_network.py.

A bug is a line of that file as somebody might have written it. Which quantity it spoils first is
not said here: it is what the wrong network computes first that the right one does not.
"""

# ruff: noqa: E501  # a bug a line, as a table

from typing import Any

from planting import Bug, module

FILE = "tests/compact_network.py"


def in_network(name: str, old: str, new: str, activation: str = "relu", decay: float = 0.0) -> Bug:
    """Return a bug of the compact network."""
    shows = {"activation": activation, "weight_decay_lambda": decay}
    return Bug(name, "", FILE, old, new, options=shows)


def network(bug: Bug | None, *arguments: Any) -> Any:
    """Return the compact network with `bug` in it, or without."""
    return module(FILE, *filter(None, [bug])).Network(*arguments)


AFFINE = 'return a @ self.params[f"W{i}"] + self.params[f"b{i}"]'
RELU, RELU_SLOPE = "return np.maximum(z, 0)", "return (z > 0).astype(z.dtype)"
TANH, TANH_SLOPE = "return np.tanh(z)", "return 1 - a**2"
SIGMOID, SIGMOID_SLOPE = "return 1 / (1 + np.exp(-z))", "return a * (1 - a)"
NORMAL = "return e / e.sum(axis=1, keepdims=True)"
MEAN = "data = -log_y[np.arange(len(t)), t].mean()"
PENALTY = 'return data + self.decay / 2 * sum((w**2).sum() for k, w in self.params.items() if k[0] == "W")'
SEED = "dz = (self.softmax(z) - one_hot) / len(x)"
DW = 'grads[f"W{i}"] = self.a[i - 1].T @ dz + np.asarray(self.decay, z.dtype) * W'
DB = 'grads[f"b{i}"] = dz.sum(axis=0)'
DA = "da = dz @ W.T"
DZ = "dz = da * self.slope(self.z[i - 2], self.a[i - 1], i - 1)"
END = "        return grads"

BUGS = [
    # forward
    in_network("no bias in layer 2", AFFINE, 'return a @ self.params[f"W{i}"] + (self.params[f"b{i}"] if i != 2 else 0)'),
    in_network("no bias anywhere", AFFINE, 'return a @ self.params[f"W{i}"]'),
    in_network("bias twice", AFFINE, 'return a @ self.params[f"W{i}"] + 2 * self.params[f"b{i}"]'),
    in_network("bias subtracted", AFFINE, 'return a @ self.params[f"W{i}"] - self.params[f"b{i}"]'),
    in_network("the first bias element for all", AFFINE, 'return a @ self.params[f"W{i}"] + self.params[f"b{i}"][0]'),
    in_network("square W transposed", AFFINE, 'W = self.params[f"W{i}"]; return a @ (W.T if W.shape[0] == W.shape[1] else W) + self.params[f"b{i}"]'),
    in_network("input scaled by its largest", AFFINE, 'a = a / np.abs(a).max() if i == 1 else a; return a @ self.params[f"W{i}"] + self.params[f"b{i}"]'),
    in_network("product in float16", AFFINE, 'return (a @ self.params[f"W{i}"]).astype(np.float16).astype(a.dtype) + self.params[f"b{i}"]'),
    in_network("activation left out in layer 2", RELU, "return np.maximum(z, 0) if i != 2 else z"),
    in_network("leaky relu", RELU, "return np.where(z > 0, z, 0.01 * z)"),
    in_network("relu of the magnitude", RELU, "return np.abs(z)"),
    in_network("relu capped at 6", RELU, "return np.clip(z, 0, 6)"),
    in_network("relu over 0.01", RELU, "return np.where(z > 0.01, z, 0)"),
    in_network("softplus for relu", RELU, "return np.logaddexp(0, z).astype(z.dtype)"),
    in_network("tanh by a cut series", TANH, "return z - z**3 / 3 + 2 * z**5 / 15", "tanh"),
    in_network("tanh of half", TANH, "return np.tanh(z / 2)", "tanh"),
    in_network("hard tanh", TANH, "return np.clip(z, -1, 1)", "tanh"),
    in_network("sigmoid with e = 2.718", SIGMOID, "return 1 / (1 + np.float64(2.718) ** (-z)).astype(z.dtype)", "sigmoid"),
    in_network("sigmoid clipped at 5", SIGMOID, "return 1 / (1 + np.exp(-np.clip(z, -5, 5)))", "sigmoid"),
    in_network("sigmoid of -z", SIGMOID, "return 1 / (1 + np.exp(z))", "sigmoid"),
    in_network("hard sigmoid", SIGMOID, "return np.clip(0.2 * z + 0.5, 0, 1)", "sigmoid"),
    in_network("activation on the logits", "return self.z[-1]\n", "return np.maximum(self.z[-1], 0)\n"),
    in_network("dropout of unit 0", RELU, "return np.maximum(z, 0) * (np.arange(z.shape[1]) > 0)"),
    # loss
    in_network("sum for mean in the loss", MEAN, "data = -log_y[np.arange(len(t)), t].sum()"),
    in_network("log2 in the loss", MEAN, "data = -log_y[np.arange(len(t)), t].mean() / np.log(2)"),
    in_network("log10 in the loss", MEAN, "data = -log_y[np.arange(len(t)), t].mean() / np.log(10)"),
    in_network("divided by classes in the loss", MEAN, "data = -log_y[np.arange(len(t)), t].mean() / log_y.shape[1]"),
    in_network("the first row alone in the loss", MEAN, "data = -log_y[0, t[0]]"),
    in_network("target one off in the loss", MEAN, "data = -log_y[np.arange(len(t)), t - 1].mean()"),
    in_network("1e-4 in the log", MEAN, "data = -np.log(np.exp(log_y)[np.arange(len(t)), t] + 1e-4).mean() * 1.0 if len(t) > 1 else -log_y[0, t[0]]"),
    in_network("label smoothing in the loss", MEAN, "data = -0.9 * log_y[np.arange(len(t)), t].mean() - 0.1 * log_y.mean()"),
    in_network("median for mean in the loss", MEAN, "data = -np.median(log_y[np.arange(len(t)), t])"),
    in_network("decay without the half in the loss", PENALTY, PENALTY.replace("self.decay / 2", "self.decay"), decay=0.1),
    in_network("decay of the biases in the loss", PENALTY, PENALTY.replace(' if k[0] == "W"', ""), decay=0.1),
    in_network("decay left out of the loss", PENALTY, "return data", decay=0.1),
    in_network("decay of the last layer alone in the loss", PENALTY, PENALTY.replace('k[0] == "W"', 'k == f"W{self.depth}"'), decay=0.1),
    # softmax in the gradient
    in_network("softmax over the batch in the gradient", NORMAL, "return e / e.sum(axis=0, keepdims=True)"),
    in_network("softmax over everything in the gradient", NORMAL, "return e / e.sum()"),
    in_network("1e-3 under the softmax", NORMAL, "return e / (e.sum(axis=1, keepdims=True) + 1e-3)"),
    in_network("softmax clipped", NORMAL, "return np.clip(e / e.sum(axis=1, keepdims=True), 0.01, 0.99)"),
    in_network("temperature 1.01", "e = np.exp(z - z.max(axis=1, keepdims=True))", "e = np.exp((z - z.max(axis=1, keepdims=True)) / 1.01)"),
    # the seed
    in_network("not divided by B", SEED, "dz = self.softmax(z) - one_hot"),
    in_network("divided by B twice", SEED, "dz = (self.softmax(z) - one_hot) / len(x) ** 2"),
    in_network("divided by C", SEED, "dz = (self.softmax(z) - one_hot) / z.shape[1]"),
    in_network("divided by 128", SEED, "dz = (self.softmax(z) - one_hot) / 128"),
    in_network("divided by B - 1", SEED, "dz = (self.softmax(z) - one_hot) / max(len(x) - 1, 1)"),
    in_network("sign of the seed", SEED, "dz = (one_hot - self.softmax(z)) / len(x)"),
    in_network("twice the seed", SEED, "dz = 2 * (self.softmax(z) - one_hot) / len(x)"),
    in_network("slope of softmax once more", SEED, "y = self.softmax(z); dz = (y - one_hot) * y * (1 - y) / len(x)"),
    in_network("only the target's element", SEED, "dz = (self.softmax(z) - 1) * one_hot / len(x)"),
    in_network("target one off in the gradient", SEED, "dz = (self.softmax(z) - np.roll(one_hot, 1, axis=1)) / len(x)"),
    in_network("label smoothing in the gradient", SEED, "dz = (self.softmax(z) - 0.9 * one_hot - np.asarray(0.1 / z.shape[1], z.dtype)) / len(x)"),
    # backward
    in_network("mean for sum in db", DB, 'grads[f"b{i}"] = dz.mean(axis=0)'),
    in_network("the last row for db", DB, 'grads[f"b{i}"] = dz[-1]'),
    in_network("db summed over everything", DB, 'grads[f"b{i}"] = np.full(dz.shape[1], dz.sum(), dz.dtype)'),
    in_network("db zero", DB, 'grads[f"b{i}"] = 0 * b'),
    in_network("db of layer 2 doubled", DB, 'grads[f"b{i}"] = dz.sum(axis=0) * (1 + (i == 2))'),
    in_network("decay in db", DB, 'grads[f"b{i}"] = dz.sum(axis=0) + np.asarray(self.decay, z.dtype) * b', decay=0.1),
    in_network("decay left out of dW", DW, 'grads[f"W{i}"] = self.a[i - 1].T @ dz', decay=0.1),
    in_network("decay doubled in dW", DW, DW.replace("self.decay", "2 * self.decay"), decay=0.1),
    in_network("decay divided by B in dW", DW, DW.replace("self.decay", "self.decay / len(x)"), decay=0.1),
    in_network("L1 for L2 in dW", DW, DW.replace("* W", "* np.sign(W)"), decay=0.1),
    in_network("dW divided by B again", DW, 'grads[f"W{i}"] = self.a[i - 1].T @ dz / len(x)'),
    in_network("dW of the positive inputs", DW, 'grads[f"W{i}"] = np.abs(self.a[i - 1]).T @ dz'),
    in_network("square dW transposed", DW, 'g = self.a[i - 1].T @ dz; grads[f"W{i}"] = g.T.copy() if g.shape[0] == g.shape[1] else g'),
    in_network("dW clipped at 0.01", DW, 'grads[f"W{i}"] = np.clip(self.a[i - 1].T @ dz, -0.01, 0.01)'),
    in_network("dW in float16", DW, 'grads[f"W{i}"] = (self.a[i - 1].T @ dz).astype(np.float16).astype(z.dtype)'),
    in_network("dW without the last row", DW, 'grads[f"W{i}"] = self.a[i - 1][:-1].T @ dz[:-1]'),
    in_network("dW of layer 1 without feature 0", DW, 'g = self.a[i - 1].T @ dz; g[0] *= i > 1; grads[f"W{i}"] = g'),
    in_network("square W untransposed in dx", DA, "da = dz @ (W if W.shape[0] == W.shape[1] else W.T)"),
    in_network("W after its update in dx", DA, 'da = dz @ (W - 0.01 * grads[f"W{i}"]).T'),
    in_network("db in dx", DA, "da = dz @ W.T + dz.sum(axis=1, keepdims=True)"),
    in_network("slope left out", DZ, "dz = da"),
    in_network("slope left out in layer 2", DZ, "dz = da if i == 3 else da * self.slope(self.z[i - 2], self.a[i - 1], i - 1)"),
    in_network("slope twice", DZ, "dz = da * self.slope(self.z[i - 2], self.a[i - 1], i - 1) ** 2", "tanh"),
    in_network("slope of the gradient's sign", DZ, "dz = da * (da > 0)"),
    in_network("slope of another layer's mask", DZ, "dz = da * (np.roll(self.z[i - 2], 1, axis=0) > 0)"),
    in_network("relu slope inverted", RELU_SLOPE, "return (z <= 0).astype(z.dtype)"),
    in_network("relu slope leaky", RELU_SLOPE, "return np.where(z > 0, 1, 0.01).astype(z.dtype)"),
    in_network("relu slope 1/2 at 0", RELU_SLOPE, "return np.where(z == 0, 0.5, z > 0).astype(z.dtype)"),
    in_network("tanh slope 1 - a", TANH_SLOPE, "return 1 - a", "tanh"),
    in_network("tanh slope of z", TANH_SLOPE, "return 1 - z**2", "tanh"),
    in_network("tanh slope of the sigmoid", TANH_SLOPE, "return a * (1 - a)", "tanh"),
    in_network("sigmoid slope of z", SIGMOID_SLOPE, "return z * (1 - z)", "sigmoid"),
    in_network("sigmoid slope without 1 -", SIGMOID_SLOPE, "return a * a", "sigmoid"),
    in_network("sigmoid slope 1/4", SIGMOID_SLOPE, "return np.full_like(a, 0.25)", "sigmoid"),
    in_network("equal b1 and b2 swapped", END, '        if grads["b1"].shape == grads["b2"].shape: grads["b1"], grads["b2"] = grads["b2"], grads["b1"]\n        return grads'),
    in_network("all gradients in float16", END, "        return {k: g.astype(np.float16).astype(g.dtype) for k, g in grads.items()}"),
    in_network("gradients clipped by norm", END, "        n = np.sqrt(sum((g**2).sum() for g in grads.values())); return {k: g * min(1, 0.5 / n) for k, g in grads.items()}"),
    in_network("W2 gradient stale by a factor", END, '        grads["W2"] = grads["W2"] * np.asarray(1.001, z.dtype)\n        return grads'),
]  # fmt: skip  # as above
