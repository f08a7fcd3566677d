"""The oracle on networks with BatchNorm and Dropout: forms that are right, and mistakes."""

import numpy as np
import pytest

import book_extended as book
import scratch
from compare import check_network
from compare.judgement import Verdict
from planted_bugs.extended import DROPOUTS, NORMALIZATIONS
from planting import module
from sampled import one_in

IN_BOTH = [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)]
"""The same mistakes, by the same rules; float32 is looked at in test_extend.py, too."""

EPSILON = "BatchNorm adds 1e-6 to the variance, as in the book; PyTorch's is 1e-5"
BIASED = "the running variance is that of B rows, as in the book; PyTorch's of B - 1"
SCALED = "dropout scales by 1 - ratio afterwards, as in the book; PyTorch's in training"


def net(normalization=book.BatchNormalization, dropout=book.Dropout, **options):
    pieces = {"normalization": normalization, "dropout": dropout}
    activation = options.pop("activation", book.Relu)
    made = type("Net", (book.MultiLayerNetExtend,), {**pieces, "activation": activation})
    return made(**options)


def as_torch(normalization):
    """Return a BatchNorm of the book's with what PyTorch has in the place of the book's numbers."""

    class TorchNorm(normalization):
        eps = 1e-5
        factor = staticmethod(lambda rows: rows / (rows - 1))

        def __init__(self, gamma, beta):
            super().__init__(gamma, beta)
            self.running_mean, self.running_var = np.zeros_like(gamma), np.ones_like(gamma)

    return TorchNorm


TorchNorm = as_torch(book.BatchNormalization)


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
        normalization, dropout = TorchNorm, book.Inverted
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
    "torch": (lambda: net(TorchNorm, book.Inverted), set()),
    "batchnorm": (lambda: net(TorchNorm, use_dropout=False), set()),
    "dropout": (lambda: net(dropout=book.Inverted, use_batchnorm=False), set()),
    "neither": (lambda: net(use_batchnorm=False, use_dropout=False), set()),
    "tanh": (lambda: net(TorchNorm, book.Inverted, activation=book.Tanh), set()),
    "a generator of its own": (lambda: net(TorchNorm, OwnGenerator), {SCALED}),
    "by attribute": (by_attribute, set()),
    "by methods": (by_methods, set()),
    "always in training": (always_in_training, set()),
    "ratio 0": (lambda: net(TorchNorm, book.Inverted, dropout_ratio=0.0), set()),
    "ours, the book's": (ours, {EPSILON, BIASED, SCALED}),
    "ours, torch's": (
        lambda: ours(batchnorm={"eps": 1e-5, "unbiased": True}, inverted=True),
        set(),
    ),
}


@pytest.mark.parametrize("name", one_in(5, RIGHT))
def test_right_network_is_same_and_its_conventions_are_named(name):
    make, conventions = RIGHT[name]
    report = check_network(make())
    assert report.verdict is Verdict.SAME, report.text()
    assert set(report.conventions) == conventions
    assert max(len(line) for line in report.text().splitlines()) <= 80


@pytest.mark.parametrize("make", [net, lambda **o: net(TorchNorm, book.Inverted, **o)])
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
    report = check_network(net(TorchNorm, book.Inverted), x, t)
    assert report.verdict is Verdict.SAME, report.text()
    assert {j.where for j in report.judgements} >= {
        "your batch of 20 rows, train",
        "your batch of 20 rows, eval",
    }


def wrong_norm(bug, **options):
    """Return a network whose BatchNorm has the bug, and no dropout."""
    normalization = as_torch(module(bug.file, bug).BatchNormalization)
    return net(normalization, use_dropout=False, **options)


def wrong_dropout(bug, **options):
    return net(dropout=module(bug.file, bug).Inverted, use_batchnorm=False, **options)


def named(table, name):
    return next(bug for bug in table if bug.name == name)


EVERY_OTHER = [
    pytest.param(bug, marks=[pytest.mark.slow] * bool(i % 5), id=bug.name)
    for i, bug in enumerate(NORMALIZATIONS)
]


@pytest.mark.parametrize("dtype", IN_BOTH)
@pytest.mark.parametrize("bug", EVERY_OTHER)
def test_mistakes_in_batchnorm_are_seen(bug, dtype):
    report = check_network(wrong_norm(bug, dtype=dtype), explain=False)
    assert report.verdict is Verdict.DIFFERENT, report.text()
    assert max(len(line) for line in report.text().splitlines()) <= 80


@pytest.mark.parametrize("dtype", IN_BOTH)
@pytest.mark.parametrize("bug", DROPOUTS, ids=lambda bug: bug.name)
def test_mistakes_in_dropout_are_seen(bug, dtype):
    report = check_network(wrong_dropout(bug, dtype=dtype), explain=False)
    assert report.verdict is Verdict.DIFFERENT, report.text()


PLACES = {
    "no mean path": "dx in the backward of BatchNorm 2",
    "dgamma a mean": "dgamma in the backward of BatchNorm 2: beta2 is right",
    "no beta": "BatchNorm of layer 1",
    "moved twice": "how BatchNorm 1 moves what it remembers",
}


def test_activation_is_found_where_only_training_is_right():
    report = check_network(wrong_norm(named(NORMALIZATIONS, "never in eval")))
    assert report.activation == "relu"
    assert report.first_divergence.where.endswith(", eval")


def test_dropout_is_named_where_its_backward_is_wrong():
    made = wrong_dropout(named(DROPOUTS, "no mask in backward"))
    text = " ".join(check_network(made).text().split())
    assert "dx of Affine 3, dropout and activation: the gradients of layer 3 are right" in text


@pytest.mark.parametrize(
    "name",
    [
        "no beta",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in ("moved twice", "no mean path", "dgamma a mean")
        ),
    ],
)
def test_place_of_a_mistake_is_said(name):
    text = check_network(wrong_norm(named(NORMALIZATIONS, name)), explain=False).text()
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
