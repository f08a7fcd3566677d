"""Mistakes of the catalogue, planted in the files of scratch and in the loop of compare."""

# ruff: noqa: E501  # a bug a line, as a table

from planting import Bug

LAYERS, EXTEND = "scratch/layers.py", "scratch/layers_extend.py"
NET, NET_EXTEND = "scratch/multi_layer_net.py", "scratch/multi_layer_net_extend.py"
MNIST, LOOP, OPTIMIZER = "scratch/mnist.py", "compare/lockstep.py", "scratch/optimizer.py"

AFFINE = "return x @ self.W + self.b  # (B, fan_out)"
DW = "self.dW = self.x.T @ dout  # (fan_in, fan_out)"
DB = "self.db = dout.sum(axis=0)  # (fan_out,)"
DX = "return dout @ self.W.T if self.needs_dx else None  # (B, fan_in)"
RELU = "return np.maximum(x, 0)"
RELU_BACK = "return np.where(self.mask, 0, dout)"
SIGMOID = "self.out = np.where(x >= 0, 1, e) / (1 + e)"
SIGMOID_BACK = "return dout * (1.0 - self.out) * self.out"
TANH, TANH_BACK = "self.out = np.tanh(x)", "return dout * (1.0 - self.out**2)"
LOG_Y = "log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (B, classes)"
MEAN = "return float(-log_y[np.arange(len(x)), self.t].mean())"
SEED = "dx[np.arange(len(dx)), self.t] -= 1\n        return dx / len(dx)  # (B, classes)"
PENALTY = "return 0.5 * self.weight_decay_lambda * sum(float((W**2).sum()) for W in weights)"
DECAY = 'grads[f"W{i}"] = affine.dW + self.weight_decay_lambda * affine.W'
DRAW = 'self.params[f"W{i}"] = (std * rng.standard_normal((fan_in, fan_out))).astype(dtype)'
ZEROS = 'self.params[f"b{i}"] = np.zeros(fan_out, dtype=dtype)'
HE = 'if rule.lower() in ("relu", "he"):\n            return math.sqrt(2 / fan_in)'
NORM = "return self.gamma * self.xn + self.beta"
STD = "self.std = np.sqrt(var + self.eps)"
VAR = "var = ((x - mean) ** 2).mean(axis=0)"
NORM_BACK = "return np.asarray((dxn - dxn_mean - self.xn * along) / self.std)"
DGAMMA = "self.dgamma = (dout * self.xn).sum(axis=0)"
MOVE_MEAN = "self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean"
MOVE_VAR = "self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var"
AFTER = "return x if self.inverted else x * (1.0 - self.dropout_ratio)"
KEPT = "return self._kept(dout)"
BN, DROP, INVERTED = {"batchnorm": True}, {"dropout": 0.3}, {"dropout": 0.3, "inverted": True}
PIXELS = "x = x.astype(dtype) / np.asarray(255, dtype=dtype)"
STEP = "self.optimizer.update(self.net.params, self.grads)\n        self.loss = self.net.loss(x, t)"

LAYERED = [
    # forward
    Bug("affine without bias", "forward", LAYERS, AFFINE, "return x @ self.W"),
    Bug("affine with twice the bias", "forward", LAYERS, AFFINE, "return x @ self.W + 2 * self.b"),
    Bug("affine with W transposed", "forward", LAYERS, AFFINE, "return x @ (self.W.T if self.W.shape[0] == self.W.shape[1] else self.W) + self.b"),
    Bug("affine divided by root of fan_in", "forward", LAYERS, AFFINE, "return x @ self.W / len(self.W) ** 0.5 + self.b"),
    Bug("relu leaks", "forward", LAYERS, RELU, "return np.where(self.mask, 0.01 * x, x)"),
    Bug("relu capped at 6", "forward", LAYERS, RELU, "return np.clip(x, 0, 6)"),
    Bug("sigmoid of twice the input", "forward", LAYERS, "e = np.exp(-np.abs(x))", "x = 2 * x\n        e = np.exp(-np.abs(x))", options={"activation": "sigmoid"}),
    Bug("softsign for tanh", "forward", LAYERS, TANH, "self.out = x / (1 + np.abs(x))", options={"activation": "tanh"}),
    Bug("relu on the logits", "forward", NET, "            x = layer.forward(x)\n        return x", "            x = layer.forward(x)\n        return np.maximum(x, 0)"),
    Bug("softmax in predict and in the loss", "forward", NET, "return self.last_layer.forward(self.predict(x), t) + self.weight_penalty()", "z = self.predict(x); e = np.exp(z - z.max(axis=1, keepdims=True)); return self.last_layer.forward(e / e.sum(axis=1, keepdims=True), t) + self.weight_penalty()"),
    # loss
    Bug("loss summed", "loss", LAYERS, MEAN, "return float(-log_y[np.arange(len(x)), self.t].sum())"),
    Bug("loss in bits", "loss", LAYERS, MEAN, "return float(-log_y[np.arange(len(x)), self.t].mean() / np.log(2))"),
    Bug("loss over all elements", "loss", LAYERS, MEAN, "return float(-log_y[np.arange(len(x)), self.t].sum() / log_y.size)"),
    Bug("loss of every pair", "loss", LAYERS, MEAN, "return float(-log_y[:, self.t].mean())"),
    Bug("softmax over the batch axis", "loss", LAYERS, LOG_Y, "log_y = shifted - np.log(np.exp(shifted).sum(axis=0, keepdims=True))"),
    Bug("penalty without its half", "loss", NET, PENALTY, PENALTY.replace("0.5 * ", ""), options={"weight_decay_lambda": 0.1}),
    Bug("penalty of the norm", "loss", NET, PENALTY, "return 0.5 * self.weight_decay_lambda * sum(float(np.sqrt((W**2).sum())) for W in weights)", options={"weight_decay_lambda": 0.1}),
    Bug("penalty of the last layer", "loss", NET, PENALTY, "return 0.5 * self.weight_decay_lambda * float((weights[-1] ** 2).sum())", options={"weight_decay_lambda": 0.1}),
    # gradient
    Bug("seed not divided", "gradient", LAYERS, SEED, SEED.replace("dx / len(dx)", "dx")),
    Bug("seed divided twice", "gradient", LAYERS, SEED, SEED.replace("dx / len(dx)", "dx / len(dx) ** 2")),
    Bug("seed divided by the classes", "gradient", LAYERS, SEED, SEED.replace("len(dx)  #", "dx.shape[1]  #")),
    Bug("dW of magnitudes", "gradient", LAYERS, DW, "self.dW = np.abs(self.x).T @ dout"),
    Bug("db averaged", "gradient", LAYERS, DB, "self.db = dout.mean(axis=0)"),
    Bug("db of the last sample", "gradient", LAYERS, DB, "self.db = dout[-1]"),
    Bug("dx by W", "gradient", LAYERS, DX, "return (dout @ (self.W if self.W.shape[0] == self.W.shape[1] else self.W.T)) if self.needs_dx else None"),
    Bug("relu lets all back", "gradient", LAYERS, RELU_BACK, "return dout"),
    Bug("relu by the gradient's sign", "gradient", LAYERS, RELU_BACK, "return dout * (dout > 0)"),
    Bug("sigmoid slope of out alone", "gradient", LAYERS, SIGMOID_BACK, "return dout * self.out", options={"activation": "sigmoid"}),
    Bug("tanh slope not squared", "gradient", LAYERS, TANH_BACK, "return dout * (1.0 - self.out)", options={"activation": "tanh"}),
    Bug("decay left out of the gradient", "gradient", NET, DECAY, 'grads[f"W{i}"] = affine.dW', options={"weight_decay_lambda": 0.1}),
    Bug("decay doubled in the gradient", "gradient", NET, DECAY, DECAY.replace("+ self", "+ 2 * self"), options={"weight_decay_lambda": 0.1}),
    Bug("decay of the biases in the gradient", "gradient", NET, 'grads[f"b{i}"] = affine.db', 'grads[f"b{i}"] = affine.db + self.weight_decay_lambda * affine.b', options={"weight_decay_lambda": 0.1}),
    # BatchNorm and dropout
    Bug("batchnorm without beta", "forward", EXTEND, NORM, "return self.gamma * self.xn", options=BN),
    Bug("batchnorm by the variance", "forward", EXTEND, STD, "self.std = var + self.eps", options=BN),
    Bug("batchnorm unbiased", "forward", EXTEND, VAR, "var = ((x - mean) ** 2).sum(axis=0) / max(len(x) - 1, 1)", options=BN),
    Bug("batchnorm over the units", "forward", EXTEND, VAR, "var = ((x - mean) ** 2).mean()", options=BN),
    Bug("batchnorm back without the mean", "gradient", EXTEND, NORM_BACK, "return np.asarray((dxn - self.xn * along) / self.std)", options=BN),
    Bug("batchnorm back without the variance", "gradient", EXTEND, NORM_BACK, "return np.asarray((dxn - dxn_mean) / self.std)", options=BN),
    Bug("batchnorm back without gamma", "gradient", EXTEND, "dxn = self.gamma * dout", "dxn = dout", options=BN),
    Bug("dgamma of the output", "gradient", EXTEND, DGAMMA, "self.dgamma = (dout * (self.gamma * self.xn + self.beta)).sum(axis=0)", options=BN),
    Bug("dgamma averaged", "gradient", EXTEND, DGAMMA, "self.dgamma = (dout * self.xn).mean(axis=0)", options=BN),
    Bug("running mean never moves", "state", EXTEND, MOVE_MEAN, "pass", options=BN),
    Bug("running variance of the deviation", "state", EXTEND, MOVE_VAR, MOVE_VAR.replace("* var", "* np.sqrt(var)"), options=BN),
    Bug("running statistics of the last batch", "state", EXTEND, "self.momentum = momentum\n", "self.momentum = 0.0\n", options=BN),
    Bug("dropout not scaled afterwards", "forward", EXTEND, AFTER, "return x", options=DROP),
    Bug("dropout scaled by the ratio", "forward", EXTEND, AFTER, "return x if self.inverted else x * self.dropout_ratio", options=DROP),
    Bug("dropout back without its mask", "gradient", EXTEND, KEPT, "return dout", options=DROP),
    Bug("dropout back not scaled", "gradient", EXTEND, KEPT, "return dout * self.mask", options=INVERTED),
    # state
    Bug("dW added up", "state", LAYERS, DW, "self.dW = self.x.T @ dout + getattr(self, 'dW', 0)"),
    Bug("layers copy W", "state", LAYERS, "self.W = W\n", "self.W = W.copy()\n"),
    Bug("loss before the update", "state", LOOP, STEP, "self.loss = self.net.loss(x, t)\n        self.optimizer.update(self.net.params, self.grads)"),
    Bug("updated twice", "state", LOOP, STEP, "self.optimizer.update(self.net.params, self.grads)\n        " + STEP),
    Bug("gradient of the step before", "state", LOOP, "self.grads = self.net.gradient(x, t)\n        layers", "self.grads, self.kept = getattr(self, 'kept', None) or self.net.gradient(x, t), self.net.gradient(x, t)\n        layers"),
    Bug("biases are one array", "state", NET, ZEROS, "self.params[f\"b{i}\"] = self.params[f\"b{i - 1}\"] if i > 1 and len(self.params[f\"b{i - 1}\"]) == fan_out else np.zeros(fan_out, dtype=dtype)"),
    # init
    Bug("root missing in He", "init", NET, HE, HE.replace("math.sqrt(2 / fan_in)", "2 / fan_in")),
    Bug("Xavier for He", "init", NET, HE, HE.replace("2 / fan_in", "1 / fan_in")),
    Bug("He by fan_out", "init", NET, "std = weight_std(weight_init_std, fan_in)", "std = weight_std(weight_init_std, fan_out)"),
    Bug("Glorot for He", "init", NET, "std = weight_std(weight_init_std, fan_in)", "std = math.sqrt(2 / (fan_in + fan_out))"),
    Bug("fan_in of the images", "init", NET, "std = weight_std(weight_init_std, fan_in)", "std = weight_std(weight_init_std, input_size)"),
    Bug("weights without a std", "init", NET, DRAW, DRAW.replace("std * ", "1.0 * ")),
    Bug("weights of magnitudes", "init", NET, DRAW, DRAW.replace("rng.standard_normal((fan_in, fan_out))", "np.abs(rng.standard_normal((fan_in, fan_out)))")),
    Bug("weights uniform", "init", NET, DRAW, DRAW.replace("rng.standard_normal((fan_in, fan_out))", "rng.uniform(-1, 1, (fan_in, fan_out))")),
    Bug("generator begun anew", "init", NET, DRAW, "state = getattr(self, '_s', None) or rng.bit_generator.state; self._s = rng.bit_generator.state = state\n            " + DRAW),
    Bug("biases of 0.01", "init", NET, ZEROS, 'self.params[f"b{i}"] = np.full(fan_out, 0.01, dtype=dtype)'),
    # data
    Bug("pixels not divided", "data", MNIST, PIXELS, "x = x.astype(dtype)"),
    Bug("pixels by 256", "data", MNIST, PIXELS, "x = x.astype(dtype) / np.asarray(256, dtype=dtype)"),
    Bug("pixels divided twice", "data", MNIST, PIXELS, PIXELS + " / 255"),
    Bug("pixels through float32", "numerics", MNIST, PIXELS, "x = (x.astype(np.float32) / np.float32(255)).astype(dtype)"),
    Bug("pixels standardised", "data", MNIST, PIXELS, PIXELS + "\n            x = (x - 0.1307) / 0.3081"),
    Bug("black on white", "data", MNIST, PIXELS, PIXELS + "\n            x = 1 - x"),
    Bug("images by columns", "data", MNIST, "x.reshape(len(x), -1) if flatten", "x.transpose(0, 2, 1).reshape(len(x), -1) if flatten"),
    Bug("header of 8 bytes", "data", MNIST, "dtype=np.uint8, offset=header).reshape(shape)", "dtype=np.uint8, offset=header if raw[3] == 1 else 8, count=math.prod(shape)).reshape(shape)"),
    Bug("targets one late", "data", MNIST, "t.astype(np.int64)\n", "np.roll(t.astype(np.int64), 1)\n"),
    Bug("targets counted backwards", "data", MNIST, "t.astype(np.int64)\n", "9 - t.astype(np.int64)\n"),
    Bug("batch one short", "data", LOOP, "self.grads = self.net.gradient(x, t)\n        layers", "x, t = x[:-1], t[:-1]\n        self.grads = self.net.gradient(x, t)\n        layers"),
    Bug("batch without its end", "data", LOOP, "self.batch = self.x[rows], self.t[rows]", "rows = rows if hasattr(rows, 'device') and not isinstance(rows, np.ndarray) else rows[:-1]\n        self.batch = self.x[rows], self.t[rows]"),
    Bug("targets rolled in the batch", "data", LOOP, "self.batch = self.x[rows], self.t[rows]", "self.batch = self.x[rows], self.t[rows] if isinstance(self.t, Tensor) else np.roll(self.t[rows], 1)"),
    # numerics
    Bug("product in float32", "numerics", LAYERS, AFFINE, "return (x.astype(np.float32) @ self.W.astype(np.float32)).astype(x.dtype) + self.b"),
    Bug("activations in float16", "numerics", LAYERS, RELU, "return np.maximum(x, 0).astype(np.float16).astype(x.dtype)"),
    Bug("gradients in float16", "numerics", LAYERS, DW, "self.dW = (self.x.T @ dout).astype(np.float16).astype(dout.dtype)"),
    Bug("loss in float16", "numerics", LAYERS, MEAN, "return float(np.float16(-log_y[np.arange(len(x)), self.t].mean()))"),
    Bug("logits in float32", "numerics", LAYERS, "shifted = x - x.max(axis=1, keepdims=True)", "x = x.astype(np.float32).astype(x.dtype)\n        shifted = x - x.max(axis=1, keepdims=True)"),
    Bug("weights drawn in float16", "numerics", NET, DRAW, DRAW.replace(".astype(dtype)", ".astype(np.float16).astype(dtype)"), options={"run": True}),
]  # fmt: skip  # a bug a line
