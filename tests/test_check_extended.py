"""The oracle on networks with BatchNorm and Dropout: forms that are right, and mistakes."""

import numpy as np
import pytest

import book_extended as book
import scratch
from compare import check_network
from compare.judgement import Verdict

EPSILON = "BatchNorm adds 1e-6 to the variance, as in the book; PyTorch's is 1e-5"
BIASED = "the running variance is that of B rows, as in the book; PyTorch's of B - 1"
SCALED = "dropout scales by 1 - ratio afterwards, as in the book; PyTorch's in training"


def net(normalization=book.BatchNormalization, dropout=book.Dropout, **options):
    pieces = {"normalization": normalization, "dropout": dropout}
    activation = options.pop("activation", book.Relu)
    made = type("Net", (book.MultiLayerNetExtend,), {**pieces, "activation": activation})
    return made(**options)


class TorchNorm(book.BatchNormalization):
    eps = 1e-5
    factor = staticmethod(lambda rows: rows / (rows - 1))

    def __init__(self, gamma, beta):
        super().__init__(gamma, beta)
        self.running_mean, self.running_var = np.zeros_like(gamma), np.ones_like(gamma)


class Inverted(book.Dropout):
    def forward(self, x, train_flg=True):
        if not train_flg:
            return x
        self.mask = (np.random.rand(*x.shape) > self.dropout_ratio) / (1 - self.dropout_ratio)  # noqa: NPY002  # as people do
        return x * self.mask


class OwnGenerator(book.Dropout):
    def __init__(self, ratio):
        super().__init__(ratio)
        self.rng = np.random.default_rng(0)

    def forward(self, x, train_flg=True):
        self.mask = self.rng.random(x.shape) > self.dropout_ratio
        return x * self.mask if train_flg else x * (1.0 - self.dropout_ratio)


class HiddenMask(book.Dropout):
    """Whose mask cannot be read."""

    def forward(self, x, train_flg=True):
        if not train_flg:
            return x * (1.0 - self.dropout_ratio)
        self._kept = np.random.rand(*x.shape) > self.dropout_ratio  # noqa: NPY002  # as people do
        return x * self._kept

    def backward(self, dout):
        return dout * self._kept


def by_attribute():
    class Net(book.MultiLayerNetExtend):
        normalization, dropout = TorchNorm, Inverted
        training = True

        def __init__(self):
            super().__init__()
            self.training = True

        def predict(self, x):
            return super().predict(x, self.training)

        def loss(self, x, t):
            return self.last_layer.forward(self.predict(x), t)

        def gradient(self, x, t):
            self.loss(x, t)
            right = super().loss
            self.loss = lambda *_, **__: None  # the forward pass is done
            try:
                return super().gradient(x, t)
            finally:
                del self.loss
                assert right

    return Net()


def by_methods():
    net = by_attribute()

    class Net(type(net)):
        def train(self):
            self.__dict__["mode"] = True

        def eval(self):
            self.__dict__["mode"] = False

        def predict(self, x):
            return book.MultiLayerNetExtend.predict(self, x, self.mode)

    made = object.__new__(Net)
    made.__dict__.update({k: v for k, v in net.__dict__.items() if k != "training"}, mode=True)
    return made


def always_in_training():
    class Net(book.MultiLayerNetExtend):
        normalization = TorchNorm

        def __init__(self):
            super().__init__(use_dropout=False)

        def predict(self, x):
            return super().predict(x, True)

        def loss(self, x, t, *_, **__):
            return self.last_layer.forward(self.predict(x), t)

    return Net()


def ours(**options):
    return scratch.MultiLayerNetExtend(
        11, [13, 6], 5, use_dropout=True, dropout_ration=0.3, use_batchnorm=True,
        rng=np.random.default_rng(0), **options,
    )  # fmt: skip  # one call


RIGHT = {
    "book": (lambda: net(), {EPSILON, BIASED, SCALED}),
    "torch": (lambda: net(TorchNorm, Inverted), set()),
    "batchnorm": (lambda: net(TorchNorm, use_dropout=False), set()),
    "dropout": (lambda: net(dropout=Inverted, use_batchnorm=False), set()),
    "neither": (lambda: net(use_batchnorm=False, use_dropout=False), set()),
    "tanh": (lambda: net(TorchNorm, Inverted, activation=book.Tanh), set()),
    "a generator of its own": (lambda: net(TorchNorm, OwnGenerator), {SCALED}),
    "by attribute": (by_attribute, set()),
    "by methods": (by_methods, set()),
    "always in training": (always_in_training, set()),
    "ratio 0": (lambda: net(TorchNorm, Inverted, dropout_ratio=0.0), set()),
    "ours, the book's": (ours, {EPSILON, BIASED, SCALED}),
    "ours, torch's": (
        lambda: ours(batchnorm={"eps": 1e-5, "unbiased": True}, inverted=True),
        set(),
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_network_is_same_and_its_conventions_are_named(name):
    make, conventions = RIGHT[name]
    report = check_network(make())
    assert report.verdict is Verdict.SAME, report.text()
    assert set(report.conventions) == conventions
    assert max(len(line) for line in report.text().splitlines()) <= 80


@pytest.mark.parametrize("make", [net, lambda **o: net(TorchNorm, Inverted, **o)])
def test_float32_is_same(make):
    report = check_network(make(dtype=np.float32))
    assert report.verdict is Verdict.SAME, report.text()


def test_hidden_masks_are_done_without():
    made = net(TorchNorm, HiddenMask)
    report = check_network(made)
    assert report.verdict is Verdict.SAME, report.text()
    assert "dropout is judged with ratio 0: its masks cannot be read" in " ".join(report.inferred)
    assert [layer.dropout_ratio for layer in made.layers.values() if hasattr(layer, "dropout_ratio")] == [0.3, 0.3]  # fmt: skip  # put back  # noqa: E501


def test_the_network_is_left_as_it_came():
    for made in (net(), by_attribute()):
        before = {k: v.copy() for k, v in made.params.items()}
        state = np.random.get_state()[1].copy()  # noqa: NPY002  # the one that networks use
        running = made.layers["BatchNorm1"].running_mean
        check_network(made)
        assert made.layers["BatchNorm1"].running_mean is running or np.array_equal(
            made.layers["BatchNorm1"].running_mean, running
        )
        assert all(np.array_equal(made.params[k], v) for k, v in before.items())
        assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002  # as above
        assert getattr(made, "training", True) is True


def test_a_batch_of_one_s_own_is_judged(rng):
    x, t = rng.standard_normal((20, 11)), rng.integers(5, size=20)
    report = check_network(net(TorchNorm, Inverted), x, t)
    assert report.verdict is Verdict.SAME, report.text()
    assert {j.where for j in report.judgements} >= {
        "your batch of 20 rows, train",
        "your batch of 20 rows, eval",
    }


def wrong(base, **methods):
    return type("Wrong", (base,), methods)


def forward_with(change):
    """Return a normalisation whose forward in training is changed afterwards."""

    def forward(self, x, train_flg=True):
        out = TorchNorm.forward(self, x, train_flg)
        return change(self, x, out) if train_flg else out

    return wrong(TorchNorm, forward=forward)


def backward_with(change):
    def backward(self, dout):
        return change(self, dout, TorchNorm.backward(self, dout))

    return wrong(TorchNorm, backward=backward)


def set_to(name, value):
    def change(self, dout, dx):
        setattr(self, name, value(self, dout))
        return dx

    return backward_with(change)


def eval_by_the_batch(self, x, train_flg=True):
    kept = self.running_mean, self.running_var
    out = TorchNorm.forward(self, x, True)
    if not train_flg:
        self.running_mean, self.running_var = kept
    return out


def always_training(self, x, train_flg=True):
    return TorchNorm.forward(self, x, True)


def rebinding(self, x, train_flg=True):
    """Keeps the statistics of the first batch."""
    mean = self.running_mean
    out = TorchNorm.forward(self, x, train_flg)
    self.running_mean = mean
    return out


def twice(self, x, train_flg=True):
    TorchNorm.forward(self, x, train_flg)
    return TorchNorm.forward(self, x, train_flg)


NORMALIZATIONS = {
    "no mean path": backward_with(lambda s, d, dx: dx + (s.gamma * d).mean(axis=0) / s.std),
    "no variance path": backward_with(
        lambda s, d, dx: dx + s.xn * (s.gamma * d * s.xn).mean(axis=0) / s.std
    ),
    "neither path": backward_with(lambda s, d, dx: s.gamma * d / s.std),
    "no gamma in dx": backward_with(lambda s, d, dx: dx / s.gamma),
    "no std in dx": backward_with(lambda s, d, dx: dx * s.std),
    "dgamma of the output": set_to("dgamma", lambda s, d: (d * (s.gamma * s.xn + s.beta)).sum(0)),
    "dgamma of xc": set_to("dgamma", lambda s, d: (d * s.xc).sum(0)),
    "dgamma a mean": set_to("dgamma", lambda s, d: (d * s.xn).mean(0)),
    "dbeta a mean": set_to("dbeta", lambda s, d: d.mean(0)),
    "dgamma and dbeta swapped": backward_with(
        lambda s, d, dx: (s.__dict__.update(dgamma=s.dbeta, dbeta=s.dgamma), dx)[1]
    ),
    "no beta": forward_with(lambda s, x, out: out - s.beta),
    "no gamma": forward_with(lambda s, x, out: s.xn + s.beta),
    "std without root": forward_with(lambda s, x, out: s.gamma * s.xc / (s.std**2) + s.beta),
    "epsilon outside the root": forward_with(
        lambda s, x, out: s.gamma * s.xc / (np.sqrt(x.var(axis=0)) + s.eps) + s.beta
    ),
    "unbiased in training": forward_with(
        lambda s, x, out: s.gamma * s.xc / np.sqrt(x.var(axis=0, ddof=1) + s.eps) + s.beta
    ),
    "over the row": forward_with(
        lambda s, x, out: s.gamma * (x - x.mean(1, keepdims=True)) / s.std + s.beta
    ),
    "in eval the batch's own": wrong(TorchNorm, forward=eval_by_the_batch),
    "never in eval": wrong(TorchNorm, forward=always_training),
    "the mean is not kept": wrong(TorchNorm, forward=rebinding),
    "moved twice": wrong(TorchNorm, forward=twice),
    "std kept, not variance": wrong(TorchNorm, factor=staticmethod(lambda rows: 0.7)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_mistakes_in_batchnorm_are_seen(name, dtype):
    report = check_network(net(NORMALIZATIONS[name], use_dropout=False, dtype=dtype), explain=False)
    assert report.verdict is Verdict.DIFFERENT, report.text()
    assert max(len(line) for line in report.text().splitlines()) <= 80


def redrawn(self, dout):
    self.mask = np.random.rand(*dout.shape) > self.dropout_ratio  # noqa: NPY002  # as people do
    return dout * self.mask / (1 - self.dropout_ratio)


DROPOUTS = {
    "redrawn in backward": {"backward": redrawn},
    "no mask in backward": {"backward": lambda self, dout: dout},
    "scaled in forward only": {"backward": lambda self, dout: dout * (self.mask != 0)},
    "scaled twice": {"backward": lambda self, dout: dout * self.mask / (1 - self.dropout_ratio)},
    "the book's in eval too": {
        "forward": lambda self, x, train_flg=True: (
            Inverted.forward(self, x, train_flg) * (1 if train_flg else 1 - self.dropout_ratio)
        )
    },
    "drops in eval": {"forward": lambda self, x, *_: Inverted.forward(self, x, True)},
    "scaled by the ratio": {
        "forward": lambda self, x, train_flg=True: (
            Inverted.forward(self, x, train_flg) * (self.dropout_ratio if train_flg else 1)
        )
    },
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", DROPOUTS)
def test_mistakes_in_dropout_are_seen(name, dtype):
    made = net(dropout=wrong(Inverted, **DROPOUTS[name]), use_batchnorm=False, dtype=dtype)
    report = check_network(made, explain=False)
    assert report.verdict is Verdict.DIFFERENT, report.text()


PLACES = {
    "no mean path": "dx in the backward of BatchNorm 2",
    "dgamma a mean": "dgamma in the backward of BatchNorm 2: beta2 is right",
    "no beta": "BatchNorm of layer 1",
    "moved twice": "how BatchNorm 1 moves what it remembers",
}


def test_activation_is_found_where_only_training_is_right():
    report = check_network(net(NORMALIZATIONS["never in eval"], use_dropout=False))
    assert report.activation == "relu"
    assert report.first_divergence.where.endswith(", eval")


def test_dropout_is_named_where_its_backward_is_wrong():
    made = net(dropout=wrong(Inverted, **DROPOUTS["no mask in backward"]), use_batchnorm=False)
    text = " ".join(check_network(made).text().split())
    assert "dx of Affine 3, dropout and activation: the gradients of layer 3 are right" in text


@pytest.mark.parametrize("name", PLACES)
def test_place_of_a_mistake_is_said(name):
    text = check_network(net(NORMALIZATIONS[name], use_dropout=False)).text()
    assert PLACES[name] in " ".join(text.split())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p.pop("beta2"), "gamma1, beta1, ... for each hidden layer"),
        (lambda p: p.update(gamma1=np.ones(3)), "gamma1 has shape (3,); expected (13,)"),
    ],
)
def test_what_is_no_network_is_refused(change, says):
    made = net()
    change(made.params)
    with pytest.raises(ValueError) as caught:
        check_network(made)
    assert says in str(caught.value)
