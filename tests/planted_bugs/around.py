"""Mistakes around a run: in data, init, layers, update and loop, and with BatchNorm and dropout."""

# ruff: noqa: E501  # a bug a line, as a table

from planted_bugs.layered import (
    AFFINE,
    HE,
    LAYERS,
    LOOP,
    MEAN,
    MNIST,
    NET,
    NET_EXTEND,
    OPTIMIZER,
    PIXELS,
    RELU_BACK,
    STEP,
    ZEROS,
)
from planting import Bug

RUN, SUBJECT = "compare/run.py", "compare/subject.py"
TARGETS, BATCH = "t.astype(np.int64)\n", "self.batch = self.x[rows], self.t[rows]"
SGD = "W -= self.lr * dW\n\n\nclass Momentum"
MOVE = "self.move(W, dW, *(state[slot][key] for slot in self.slots))"
GRADIENT = "self.grads = self.net.gradient(x, t)\n        layers"
TWIN = "twin = torch_net(subject, std, plan, dtype, device)"
ONE_MEMORY = (
    TWIN
    + '\n        for i, linear in enumerate(twin.linears(), start=1):\n            linear.weight.data = torch.from_numpy(ours.net.params[f"W{i}"]).T'
)
TRAIN = "self.last_layer.forward(self.predict(x, train_flg=True), t)"
GAMMA = 'grads |= {f"gamma{i}": layer.dgamma, f"beta{i}": layer.dbeta}'
AS_TORCH = 'AS_TORCH = {"eps": 1e-5, "unbiased": True, "initial_var": 1.0}'


def around(name: str, file: str, old: str, new: str, quantity: str, where: str) -> Bug:
    """Return a bug that must be found there; a quantity with its probe: gradient W4."""
    probe, _, of = quantity.partition(" ")
    return Bug(name, "", file, old, new, probe=probe, quantity=of, where=where)


OTHER_FORM = Bug(
    "1 / sqrt where the rule is sqrt(1 / .)",
    "",
    NET,
    HE,
    HE.replace("math.sqrt(2 / fan_in)", "1 / math.sqrt(fan_in / 2)"),
)
"""Another last bit, for some fan_in."""

PLAIN = [
    around("wrong pixels", MNIST, PIXELS, PIXELS.replace("255", "256"), "data x", "the files"),
    around("through float32", MNIST, PIXELS, "x = (x.astype(np.float32) / np.float32(255)).astype(dtype)", "data x", "the files"),
    around("shifted labels", MNIST, TARGETS, "np.roll(t.astype(np.int64), 1)\n", "data t", "the files"),
    around("short batch", LOOP, BATCH, "rows = rows if isinstance(rows, Tensor) else rows[:-1]\n        " + BATCH, "data batch", "step 0"),
    around("next batch", LOOP, BATCH, "rows = rows if isinstance(rows, Tensor) else (rows + 1) % len(self.x)\n        " + BATCH, "data batch", "step 0"),
    around("std is variance", NET, HE, HE.replace("math.sqrt(2 / fan_in)", "2 / fan_in"), "init W1", "the start"),
    around("xavier for he", NET, HE, HE.replace("2 / fan_in", "1 / fan_in"), "init W1", "the start"),
    around("biases not zero", NET, ZEROS, 'self.params[f"b{i}"] = np.full(fan_out, 0.01 * (i == 1), dtype=dtype)', "init b1", "the start"),
    around("shared memory", RUN, TWIN, ONE_MEMORY, "aliasing params", "the start"),
    around("no bias in layer two", LAYERS, AFFINE, "return x @ self.W + (0 if self.W.shape == (20, 20) else self.b)", "forward z2", "step 0"),
    around("book epsilon", LAYERS, MEAN, "return float(-np.log(self.y[np.arange(len(x)), self.t] + 1e-7).mean())", "loss loss", "step 0"),
    around("no slope", LAYERS, RELU_BACK, "return dout", "gradient W3", "step 0"),
    around("uphill", OPTIMIZER, SGD, SGD.replace("-=", "+="), "update W1", "step 0"),
    around("lr in float32", OPTIMIZER, SGD, SGD.replace("self.lr", "float(np.float32(self.lr))"), "update W1", "step 0"),
    around("first parameter skipped", OPTIMIZER, "in params.items():\n            dW", "in list(params.items())[1:]:\n            dW", "update W1", "step 0"),
    around("rebinding", OPTIMIZER, MOVE, "W = params[key] = W.copy()\n            " + MOVE, "update W1", "step 0"),
    around("once double", OPTIMIZER, "dW = grads[key]\n", "dW = grads[key] * (1 + (self.t == 8))\n", "update W1", "step 7"),
    around("loss before update", LOOP, STEP, "self.loss = self.net.loss(x, t)\n        self.optimizer.update(self.net.params, self.grads)", "loss loss", "step 0"),
    around("stale gradients", LOOP, GRADIENT, GRADIENT.replace("= self.net", "= self.grads or self.net"), "gradient W4", "step 1"),
    around("updated twice", LOOP, STEP, "self.optimizer.update(self.net.params, self.grads)\n        " + STEP, "update W1", "step 0"),
    around("no zero_grad", LOOP, "        self.optimizer.zero_grad()\n", "", "gradient W4", "step 1"),
    around("torch lr", RUN, "torch_optimizer(optimiser, twin.parameters())", "torch.optim.SGD(twin.parameters(), lr=0.06)", "update W1", "step 0"),
    around("nan once", OPTIMIZER, MOVE, MOVE + '\n            if key == "W2" and self.t == 6:\n                W[3, 3] = np.nan', "update W2", "step 5"),
]  # fmt: skip  # a bug a line

BATCHNORM, DROPOUT = ("--batchnorm",), ("--dropout", "0.3")


def extended(
    name: str, extras: tuple[str, ...], file: str, old: str, new: str, quantity: str, where: str
) -> Bug:
    """Return a bug that shows with these options of a run."""
    return around(name, file, old, new, quantity, where)._replace(options={"words": extras})


EXTENDED = [
    extended("other masks", DROPOUT, SUBJECT, "dropout_rng(options.seed)", "dropout_rng(options.seed + 1)", "data dropout masks", "step 0"),
    extended("drops what it should keep", DROPOUT, "scratch/layers_extend.py", "self.rng.random(x.shape) > self.dropout_ratio", "self.rng.random(x.shape) < 1 - self.dropout_ratio", "data dropout masks", "step 0"),
    extended("not inverted", DROPOUT, SUBJECT, "inverted=True", "inverted=False", "gradient W4", "step 0"),
    extended("running start at zero", BATCHNORM, SUBJECT, AS_TORCH, AS_TORCH.replace("1.0", "0.0"), "init running_var1", "the start"),
    extended("book epsilon", BATCHNORM, SUBJECT, AS_TORCH, AS_TORCH.replace("1e-5", "10e-7"), "gradient W4", "step 0"),
    extended("biased", BATCHNORM, SUBJECT, AS_TORCH, AS_TORCH.replace("True", "False"), "state running_var1", "step 0"),
    extended("moved twice", BATCHNORM, NET_EXTEND, TRAIN, "self.loss(x, t, train_flg=True)\n        " + TRAIN, "state running_mean1", "step 0"),
    extended("loss in training", DROPOUT, NET_EXTEND, "self.last_layer.forward(self.predict(x, train_flg), t)", "self.last_layer.forward(self.predict(x, True), t)", "loss loss", "step 0"),
    extended("gradient after training", BATCHNORM, NET_EXTEND, "x = layer.forward(x, train_flg)", "x = layer.forward(x, False)", "gradient W4", "step 0"),
    extended("gamma is not trained", BATCHNORM, NET_EXTEND, GAMMA, GAMMA.replace("layer.dgamma", '(i != "2") * layer.dgamma'), "gradient gamma2", "step 0"),
    extended("decays gamma", (*BATCHNORM, "--weight-decay", "0.01"), NET_EXTEND, GAMMA, GAMMA.replace("layer.dgamma", "layer.dgamma + self.weight_decay_lambda * layer.gamma"), "gradient gamma3", "step 0"),
    extended("torch never in eval", BATCHNORM, LOOP, "        self.net.eval()\n", "", "state running_mean1", "step 0")._replace(probe="torch state"),
]  # fmt: skip  # a bug a line
