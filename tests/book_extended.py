"""A network with BatchNorm and Dropout as readers of the book write it, to be judged."""

import numpy as np


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        return np.where(self.mask, 0, x)

    def backward(self, dout):
        return np.where(self.mask, 0, dout)


class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class BatchNormalization:
    eps = 10e-7
    factor = staticmethod(lambda rows: 1.0)  # of the running variance

    def __init__(self, gamma, beta, momentum=0.9):
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.running_mean = self.running_var = None

    def forward(self, x, train_flg=True):
        if self.running_mean is None:
            self.running_mean, self.running_var = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        if not train_flg:
            xc = x - self.running_mean
            return self.gamma * (xc / np.sqrt(self.running_var + self.eps)) + self.beta
        mean = x.mean(axis=0)
        xc = x - mean
        var = np.mean(xc**2, axis=0)
        self.std = np.sqrt(var + self.eps)
        self.xc, self.xn, self.rows = xc, xc / self.std, len(x)
        m, var = self.momentum, var * self.factor(len(x))
        self.running_mean = m * self.running_mean + (1 - m) * mean
        self.running_var = m * self.running_var + (1 - m) * var
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dbeta, self.dgamma = dout.sum(axis=0), np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc = dxc + (2.0 / self.rows) * self.xc * dvar
        return dxc - np.sum(dxc, axis=0) / self.rows


class Dropout:
    def __init__(self, dropout_ratio=0.5):
        self.dropout_ratio = dropout_ratio

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio  # noqa: NPY002  # as people do
            return x * self.mask
        return x * (1.0 - self.dropout_ratio)

    def backward(self, dout):
        return dout * self.mask


class Inverted(Dropout):
    """Scales while it trains, as PyTorch does."""

    def forward(self, x, train_flg=True):
        if not train_flg:
            return x
        self.mask = (np.random.rand(*x.shape) > self.dropout_ratio) / (1 - self.dropout_ratio)  # noqa: NPY002  # as people do
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Loss:
    def forward(self, x, t):
        x = x - x.max(axis=1, keepdims=True)
        self.y, self.t = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True), t
        return -np.mean(x[np.arange(len(t)), t] - np.log(np.exp(x).sum(axis=1)))

    def backward(self):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx / len(dx)


class MultiLayerNetExtend:
    """Of two hidden layers; the pieces are arguments, so that one of them can be a wrong one."""

    normalization, dropout, activation = BatchNormalization, Dropout, Relu

    def __init__(
        self, input_size=11, hidden_sizes=(13, 6), output_size=5, dropout_ratio=0.3,
        use_batchnorm=True, use_dropout=True, dtype=np.float64,
    ):  # fmt: skip  # as in the book
        sizes = [input_size, *hidden_sizes, output_size]
        rng = np.random.default_rng(0)
        self.params, self.layers, self.last_layer = {}, {}, Loss()
        for i in range(1, len(sizes)):
            fan_in, fan_out = sizes[i - 1 : i + 1]
            W = rng.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)
            self.params[f"W{i}"], self.params[f"b{i}"] = W.astype(dtype), np.zeros(fan_out, dtype)
            self.layers[f"Affine{i}"] = Affine(self.params[f"W{i}"], self.params[f"b{i}"])
            if i == len(sizes) - 1:
                break
            if use_batchnorm:
                self.params[f"gamma{i}"] = np.ones(fan_out, dtype)
                self.params[f"beta{i}"] = np.zeros(fan_out, dtype)
                self.layers[f"BatchNorm{i}"] = self.normalization(
                    self.params[f"gamma{i}"], self.params[f"beta{i}"]
                )
            self.layers[f"Activation{i}"] = self.activation()
            if use_dropout:
                self.layers[f"Dropout{i}"] = self.dropout(dropout_ratio)

    def predict(self, x, train_flg=False):
        for name, layer in self.layers.items():
            beside = "Dropout" in name or "BatchNorm" in name
            x = layer.forward(x, train_flg) if beside else layer.forward(x)
        return x

    def loss(self, x, t, train_flg=False):
        return self.last_layer.forward(self.predict(x, train_flg), t)

    def gradient(self, x, t):
        self.loss(x, t, train_flg=True)
        dout = self.last_layer.backward()
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        grads = {}
        for name, layer in self.layers.items():
            if name.startswith("Affine"):
                grads |= {f"W{name[6:]}": layer.dW, f"b{name[6:]}": layer.db}
            elif name.startswith("BatchNorm"):
                grads |= {f"gamma{name[9:]}": layer.dgamma, f"beta{name[9:]}": layer.dbeta}
        return grads
