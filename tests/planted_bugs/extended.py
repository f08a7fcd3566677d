"""Mistakes in BatchNorm and dropout: of scratch, and of a reader's network (book_extended.py)."""

# ruff: noqa: E501  # a bug a line, as a table

from planting import Bug

LAYERS, BOOK = "scratch/layers_extend.py", "tests/book_extended.py"
DX = "return np.asarray((dxn - dxn_mean - self.xn * along) / self.std)"
STD = "self.std = np.sqrt(var + self.eps)"
MOVED = "self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean"
OUT = "return self.gamma * self.xn + self.beta"
BOOK_DX = "return dxc - np.sum(dxc, axis=0) / self.rows"
BOOK_SUMS = "self.dbeta, self.dgamma = dout.sum(axis=0), np.sum(self.xn * dout, axis=0)"
BOOK_EVAL = "xc = x - self.running_mean\n            return self.gamma * (xc / np.sqrt(self.running_var + self.eps)) + self.beta"


def _batchnorm(name: str, quantity: str, old: str, new: str) -> Bug:
    return Bug(name, "forward", LAYERS, old, new, quantity=quantity, within="BatchNormalization")


def _dropout(name: str, old: str, new: str) -> Bug:
    return Bug(name, "forward", LAYERS, old, new, within="Dropout")


BATCHNORM = (
    _batchnorm("no mean path", "gradient W2", DX, DX.replace("dxn_mean", "0 * dxn_mean")),
    _batchnorm("no variance path", "gradient W2", DX, DX.replace("self.xn * along", "0 * along")),
    _batchnorm("no gamma in dx", "gradient W2", "dxn = self.gamma * dout", "dxn = dout"),
    _batchnorm("other epsilon", "gradient", STD, "self.std = np.sqrt(var + 10e-7)"),
    _batchnorm("unbiased in training", "gradient", STD, "self.std = np.sqrt((x.var(axis=0, ddof=1) if train_flg else var) + self.eps)"),
    _batchnorm("batch statistics afterwards", "logits", "            self._move(mean, var, len(x))", "            self._move(mean, var, len(x))\n        mean, var = x.mean(axis=0), x.var(axis=0)"),
    _batchnorm("running moved afterwards", "logits", "        if train_flg:\n            mean", "        if not train_flg:\n            self._move(x.mean(axis=0), x.var(axis=0), len(x))\n            mean, var = self.running_mean, self.running_var\n        else:\n            mean"),
    _batchnorm("momentum swapped", "state running_mean1", MOVED, "self.momentum = 0.1\n        " + MOVED),
    _batchnorm("biased running variance", "state running_var1", "var = var * (rows / (rows - 1))", "var = var * 1"),
    _batchnorm("twice in training", "state running_mean1", "            self._move(mean, var, len(x))", "            self._move(mean, var, len(x))\n            self._move(mean, var, len(x))"),
    _batchnorm("gradients swapped", "gradient gamma2", "dxn = self.gamma * dout", "dxn = self.gamma * dout\n        self.dgamma, self.dbeta = self.dbeta, self.dgamma"),
    _batchnorm("gamma of the output", "gradient gamma2", "(dout * self.xn).sum(axis=0)", "(dout * (self.gamma * self.xn + self.beta)).sum(axis=0)"),
    _batchnorm("means not sums", "gradient beta2", "self.dbeta = dout.sum(axis=0)", "self.dbeta = dout.mean(axis=0)"),
    _batchnorm("over units", "gradient", "mean, var = self.running_mean, self.running_var", "x = x - x.mean(axis=1, keepdims=True)\n        mean, var = self.running_mean, self.running_var"),
    _batchnorm("float32 variance", "gradient", "self.xn = (x - mean) / self.std", "self.xn = (x - mean) / self.std\n        self.std = self.std.astype(np.float32).astype(x.dtype)"),
)  # fmt: skip
DROPOUT = (
    _dropout("redrawn in backward", "        return self._kept(dout)", "        self.mask = self.rng.random(dout.shape) > self.dropout_ratio\n        return self._kept(dout)"),
    _dropout("no mask in backward", "        return self._kept(dout)", "        return dout / (1 - self.dropout_ratio)"),
    _dropout("not scaled in backward", "        return self._kept(dout)", "        return dout * self.mask"),
    _dropout("scaled twice", "x * self.mask / (1.0 - self.dropout_ratio)", "x * self.mask / (1.0 - self.dropout_ratio) ** 2"),
    _dropout("scaled by the ratio", "x * self.mask / (1.0 - self.dropout_ratio)", "x * self.mask / self.dropout_ratio"),
    _dropout("not scaled", "x * self.mask / (1.0 - self.dropout_ratio)", "x * self.mask"),
    _dropout("the book's afterwards too", "return x if self.inverted else x * (1.0 - self.dropout_ratio)", "return x * (1.0 - self.dropout_ratio)"),
    _dropout("drops afterwards", "        if train_flg:", "        if True:"),
)  # fmt: skip


def _book(name: str, old: str, new: str) -> Bug:
    return Bug(name, "forward", BOOK, old, new, within="BatchNormalization")


def _inverted(name: str, old: str, new: str) -> Bug:
    return Bug(name, "forward", BOOK, old, new, within="Inverted")


NORMALIZATIONS = (
    _book("no mean path", BOOK_DX, "return dxc"),
    _book("no variance path", "dxc = dxc + (2.0 / self.rows) * self.xc * dvar", "del dvar"),
    _book("neither path", BOOK_DX, "return dxn / self.std"),
    _book("no gamma in dx", "dxn = self.gamma * dout", "dxn = dout"),
    _book("no std in dx", BOOK_DX, "return (dxc - np.sum(dxc, axis=0) / self.rows) * self.std"),
    _book("dgamma of the output", BOOK_SUMS, BOOK_SUMS.replace("self.xn", "(self.gamma * self.xn + self.beta)")),
    _book("dgamma of xc", BOOK_SUMS, BOOK_SUMS.replace("self.xn", "self.xc")),
    _book("dgamma a mean", BOOK_SUMS, BOOK_SUMS.replace("np.sum", "np.mean")),
    _book("dbeta a mean", BOOK_SUMS, BOOK_SUMS.replace("dout.sum", "dout.mean")),
    _book("dgamma and dbeta swapped", BOOK_SUMS, BOOK_SUMS.replace("self.dbeta, self.dgamma", "self.dgamma, self.dbeta")),
    _book("no beta", OUT, "return self.gamma * self.xn"),
    _book("no gamma", OUT, "return self.xn + self.beta"),
    _book("std without root", OUT, "return self.gamma * self.xc / self.std**2 + self.beta"),
    _book("epsilon outside the root", OUT, "return self.gamma * self.xc / (np.sqrt(x.var(axis=0)) + self.eps) + self.beta"),
    _book("unbiased in training", OUT, "return self.gamma * self.xc / np.sqrt(x.var(axis=0, ddof=1) + self.eps) + self.beta"),
    _book("over the row", OUT, "return self.gamma * (x - x.mean(1, keepdims=True)) / self.std + self.beta"),
    _book("in eval the batch's own", BOOK_EVAL, BOOK_EVAL.replace("self.running_mean", "x.mean(axis=0)").replace("self.running_var", "x.var(axis=0)")),
    _book("never in eval", "if not train_flg:", "if False:"),
    _book("the mean is not kept", "self.running_mean = m * self.running_mean", "mean = m * self.running_mean"),
    _book("moved twice", "m, var = self.momentum,", "m, var = self.momentum**2,"),
    _book("std kept, not variance", "self.factor(len(x))", "0.7"),
)  # fmt: skip
DROPOUTS = (
    _inverted("redrawn in backward", "return dout * self.mask", "mask = np.random.rand(*dout.shape) > self.dropout_ratio\n        return dout * mask / (1 - self.dropout_ratio)"),
    _inverted("no mask in backward", "return dout * self.mask", "return dout"),
    _inverted("scaled in forward only", "return dout * self.mask", "return dout * (self.mask != 0)"),
    _inverted("scaled twice", "return dout * self.mask", "return dout * self.mask / (1 - self.dropout_ratio)"),
    _inverted("the book's in eval too", "            return x\n", "            return x * (1 - self.dropout_ratio)\n"),
    _inverted("drops in eval", "if not train_flg:", "if False:"),
    _inverted("scaled by the ratio", "return x * self.mask", "return x * self.mask * self.dropout_ratio"),
)  # fmt: skip
