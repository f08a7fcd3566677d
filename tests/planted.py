"""Mistakes that people make, planted in the layers and the network of scratch.

The table says where the judge must find each: probe and quantity of the first divergence. The
identifiers are those under which the mistake is known in the project's catalogue: I init,
F forward, L loss, B backward, S state. Networks have a square second layer; no other is.
"""

# ruff: noqa: E501  # a bug a line, as a table

from planting import Bug

LAYERS, NET = "scratch/layers.py", "scratch/multi_layer_net.py"
SQUARE = "self.W.shape[0] == self.W.shape[1]"
AFFINE = "return x @ self.W + self.b  # (B, fan_out)"
DW = "self.dW = self.x.T @ dout  # (fan_in, fan_out)"
DB = "self.db = dout.sum(axis=0)  # (fan_out,)"
DX = "return dout @ self.W.T if self.needs_dx else None  # (B, fan_in)"
RELU, RELU_BACK = "return np.maximum(x, 0)", "return np.where(self.mask, 0, dout)"
SIGMOID = '''self.out = np.where(x >= 0, 1, e) / (1 + e)
        return self.out

    def backward(self, dout: Array) -> Array:
        """Return dout * out * (1 - out)."""
        return dout * (1.0 - self.out) * self.out'''
OF_INPUT = SIGMOID.replace("return self.out\n", "self.x = x\n        return self.out\n").replace(
    "(1.0 - self.out) * self.out", "(1 - self.x) * self.x"
)
TANH_BACK = "return dout * (1.0 - self.out**2)"
SHIFTED = "shifted = x - x.max(axis=1, keepdims=True)"
LOG_Y = "log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (B, classes)"
MEAN = "return float(-log_y[np.arange(len(x)), self.t].mean())"
SEED = "return dx / len(dx)  # (B, classes)"
PREDICT = "            x = layer.forward(x)\n        return x"
GRADS = '            grads[f"b{i}"] = affine.db\n        return grads'
LAST = "        self.last_layer = SoftmaxWithLoss()\n"


def planted(
    name: str, file: str, old: str, new: str, probe: str, quantity: str, activation: str = "relu"
) -> Bug:
    """Return a bug that must be found there."""
    return Bug(name, "", file, old, new, "", {"activation": activation}, probe, quantity)


def one_layer(layer: str, kind: str, *method: str) -> str:
    """Return the end of the network's constructor, where one layer gets another method."""
    wrong = [f"class Wrong({kind}):", *(f"    {line}" for line in method)]
    lines = [*wrong, f'self.layers["{layer}"].__class__ = Wrong', ""]
    return "\n".join(f"        {line}".rstrip() for line in lines) + "\n" + LAST


NO_BIAS = one_layer(
    "Affine2", "Affine", "def forward(self, x):", "    self.x = x", "    return x @ self.W"
)
NO_RELU = one_layer(
    "Activation_function2",
    "Relu",
    "def forward(self, x):",
    "    self.mask = np.zeros(x.shape, bool)",
    "    return x.copy()",
)
FLOAT32 = one_layer(
    "Affine3",
    "Affine",
    "def forward(self, x):",
    "    self.x = x",
    "    return (x.astype(np.float32) @ self.W.astype(np.float32)).astype(x.dtype) + self.b",
)
LAST_ROW = one_layer(
    "Affine3",
    "Affine",
    "def backward(self, dout):",
    "    dx = Affine.backward(self, dout)",
    "    self.db = dout[-1].copy()",
    "    return dx",
)
NO_TANH_BACK = one_layer(
    "Activation_function2", "Tanh", "def backward(self, dout):", "    return dout"
)
COPIES = (
    '        for i in range(1, len(sizes)):\n            self.layers[f"Affine{i}"].W = self.params[f"W{i}"].copy()\n'
    + LAST
)

BUGS = [
    planted("F01 bias left out of layer 2", NET, LAST, NO_BIAS, "forward", "z2"),
    planted("F02 activation on the output too", NET, PREDICT, PREDICT.replace("return x", "return np.maximum(x, 0)"), "forward", "logits"),
    planted("F03 one activation missing", NET, LAST, NO_RELU, "forward", "a2"),
    planted("F04 leaky ReLU", LAYERS, RELU, "return np.where(self.mask, 0.01 * x, x)", "forward", "a1"),
    planted("F05 softmax over the batch axis", LAYERS, SHIFTED + "\n        " + LOG_Y, SHIFTED.replace("1", "0") + "\n        " + LOG_Y.replace("axis=1", "axis=0"), "loss", "loss"),
    planted("F06 softmax over everything", LAYERS, SHIFTED + "\n        " + LOG_Y, "shifted = x - x.max()\n        log_y = shifted - np.log(np.exp(shifted).sum())", "loss", "loss"),
    planted("F09 softmax twice", LAYERS, SHIFTED, "e = np.exp(x - x.max(axis=1, keepdims=True)); x = e / e.sum(axis=1, keepdims=True)\n        " + SHIFTED, "loss", "loss"),
    planted("F10 square W transposed", LAYERS, AFFINE, f"return x @ (self.W.T if {SQUARE} else self.W) + self.b", "forward", "z2"),
    planted("N01 float32 product in float64", NET, LAST, FLOAT32, "forward", "z3"),
    planted("L01 sum in the loss alone", LAYERS, MEAN, "return float(-log_y[np.arange(len(x)), self.t].sum())", "loss", "loss"),
    planted("L03 log2", LAYERS, MEAN, "return float(-log_y[np.arange(len(x)), self.t].mean() / np.log(2))", "loss", "loss"),
    planted("L05 nominal batch size", LAYERS, SEED, "return dx / 128", "gradient", "W4"),
    planted("L12 decay on biases", NET, GRADS, GRADS.replace("affine.db", "affine.db + 1e-3 * affine.b"), "gradient", "b4"),
    planted("B01 not divided by B", LAYERS, SEED, "return dx", "gradient", "W4"),
    planted("B02 divided by B twice", LAYERS, SEED, "return dx / len(dx) ** 2", "gradient", "W4"),
    planted("B03 mean in db", LAYERS, DB, "self.db = dout.mean(axis=0)", "gradient", "b4"),
    planted("B03c db of the last row", NET, LAST, LAST_ROW, "gradient", "b3"),
    planted("B05 sign", LAYERS, SEED, "return -dx / len(dx)", "gradient", "W4"),
    planted("B08 ReLU not in backward", LAYERS, RELU_BACK, "return dout", "gradient", "W3"),
    planted("B09 sigmoid slope of its input", LAYERS, SIGMOID, OF_INPUT, "gradient", "W3", "sigmoid"),
    planted("B11 tanh slope 1 - out", LAYERS, TANH_BACK, "return dout * (1 - self.out)", "gradient", "W3", "tanh"),
    planted("B12 dx with W untransposed", LAYERS, DX, f"return dout @ (self.W if {SQUARE} else self.W.T) if self.needs_dx else None", "gradient", "W1"),
    planted("B13 dW transposed", LAYERS, DW, f"self.dW = (self.x.T @ dout).T if {SQUARE} else self.x.T @ dout", "gradient", "W2"),
    planted("B14 extra y (1 - y)", LAYERS, SEED, "return dx / len(dx) * self.y * (1 - self.y)", "gradient", "W4"),
    planted("B17 gradients accumulate", LAYERS, DW, "self.dW = getattr(self, 'dW', 0) + self.x.T @ dout", "purity", "call before"),
    planted("B19 b1 and b2 swapped", NET, GRADS, GRADS.replace("return grads", "grads['b1'], grads['b2'] = grads['b2'], grads['b1']\n        return grads"), "gradient", "b2"),
    planted("B23 W changed before dx", LAYERS, DX, "return dout @ (self.W - 0.01 * self.dW).T if self.needs_dx else None", "gradient", "W3"),
    planted("B38 divided by C", LAYERS, SEED, "return dx / len(dx) / dx.shape[1]", "gradient", "W4"),
    planted("B42 slope skipped in layer 2", NET, LAST, NO_TANH_BACK, "gradient", "W2", "tanh"),
    planted("I11 one array for b1 and b2", NET, "        self.layers: dict", "        self.params[\"b2\"] = self.params[\"b1\"]\n        self.layers: dict", "aliasing", "b2"),
    planted("S01 layers hold copies", NET, LAST, COPIES, "aliasing", "params"),
]  # fmt: skip  # a bug a line, as a table
