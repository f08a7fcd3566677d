"""check_network: right networks are SAME, planted bugs are seen and placed."""

import json

import numpy as np
import pytest

import compare.conventions
from compare import assert_parity, check_network
from compare.judgement import Verdict
from planted import BUGS
from scratch import Affine, MultiLayerNet, Relu, SoftmaxWithLoss

SIZES = (11, [13, 13, 6], 5)  # a square layer, and no batch of as many rows as classes


def net(activation="relu", sizes=SIZES, dtype=np.float64, **options):
    return MultiLayerNet(*sizes, activation, rng=np.random.default_rng(1), dtype=dtype, **options)


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_planted_bug_is_seen_and_placed(bug):
    network = net(bug.activation)
    bug.plant(network)
    report = check_network(network)
    first = report.first_divergence
    assert report.verdict is Verdict.DIFFERENT
    assert (first.probe, first.name) == (bug.probe, bug.quantity)
    assert report.exit_code() == 1
    assert max(map(len, report.text().splitlines())) <= 80


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("decay", [0, 0.1])
@pytest.mark.parametrize(
    "sizes", [SIZES, (5, [], 3), (2, [3, 2], 7), (20, [30, 1, 30], 8)], ids=str
)
def test_right_network_is_same(dtype, activation, decay, sizes):
    network = net(activation, sizes, dtype, weight_decay_lambda=decay)
    report = check_network(network)
    assert report.exit_code(strict=True) == 0, report.text()
    assert not sizes[1] or f"activation {activation}" in report.inferred


@pytest.mark.parametrize("seed", range(5))
def test_narrow_network_is_judged_where_it_is_alive(seed):
    report = check_network(net("relu", (3, [1, 1, 1, 1], 2)), seed=seed)
    assert report.verdict is Verdict.SAME
    assert "all 10 tensors" in report.text()


def test_what_no_stimulus_reaches_is_said():
    network = net("relu", (3, [1] * 12, 2))
    report = check_network(network)
    assert "Nothing can be said of" in report.text()


def in_place(self, x):
    self.mask = x <= 0
    x[self.mask] = 0
    return x


def mask_from_output(self, x):
    out = np.maximum(x, 0)
    self.mask = out <= 0
    return out


EQUIVALENT = {
    "B34 mask from the output": mask_from_output,
    "B24 in-place ReLU that nothing else reads": in_place,
}


@pytest.mark.parametrize("forward", EQUIVALENT.values(), ids=EQUIVALENT)
def test_equivalent_code_is_same(forward):
    network = net()
    for layer in network.layers.values():
        if isinstance(layer, Relu):
            layer.__class__ = type("Equivalent", (Relu,), {"forward": forward})
    # what a layer was given is overwritten by an in-place ReLU, so its z cannot be looked at
    network.layers = dict(network.layers) if forward is mask_from_output else List(network.layers)
    report = check_network(network)
    assert report.exit_code(strict=True) == 0, report.text()


class List:
    """Layers that are not a Mapping: nothing between input and logits can be looked at."""

    def __init__(self, layers):
        self.values = layers.values
        self.__getitem__ = layers.__getitem__

    def __getitem__(self, key):
        return self.__dict__["__getitem__"](key)


class BookLoss(SoftmaxWithLoss):
    """The book's: log(y + 1e-7) in the loss, and the gradient of the loss without it."""

    epsilon = 1e-7

    def forward(self, x, t):
        super().forward(x, t)
        return float(-np.log(self.y[np.arange(len(x)), self.t] + self.epsilon).mean())


class ClippedLoss(BookLoss):
    def forward(self, x, t):
        SoftmaxWithLoss.forward(self, x, t)
        return float(-np.log(np.maximum(self.y[np.arange(len(x)), self.t], 1e-12)).mean())


class SummedLoss(SoftmaxWithLoss):
    def forward(self, x, t):
        return super().forward(x, t) * len(x)

    def backward(self):
        return super().backward() * len(self.y)


class OneAtZero(Relu):
    def forward(self, x):
        self.mask = x < 0
        return np.where(self.mask, 0, x)


class WholeDecay(MultiLayerNet):
    def loss(self, x, t):
        decay = sum((W**2).sum() for key, W in self.params.items() if key[0] == "W")
        return super().loss(x, t) + 0.5 * self.weight_decay_lambda * decay

    def gradient(self, x, t):
        grads = super().gradient(x, t)
        for key in grads:
            if key[0] == "W":
                grads[key] = grads[key] + self.weight_decay_lambda * self.params[key]
        return grads


def with_last(kind):
    network = net()
    network.last_layer = kind()
    return network


def with_relu(kind, network=None):
    network = network or net()
    for key in network.layers:
        if key.startswith("Activation"):
            network.layers[key] = kind()
    return network


CONVENTIONS = {
    "log(y + 1e-7) in the loss as in the book": lambda: with_last(BookLoss),
    "log(max(y, 1e-12)) in the loss": lambda: with_last(ClippedLoss),
    "loss and gradient are sums over the batch, not means": lambda: with_last(SummedLoss),
    "ReLU'(0) is 1; PyTorch's is 0": lambda: with_relu(OneAtZero),
    "weight decay is lambda sum(W^2), without the half": lambda: WholeDecay(
        *SIZES, weight_decay_lambda=0.1, rng=np.random.default_rng(1)
    ),
}


@pytest.mark.parametrize("text", CONVENTIONS)
def test_convention_is_named_and_strict_refuses_it(text):
    report = check_network(CONVENTIONS[text]())
    assert report.verdict is Verdict.SAME, report.text()
    assert report.conventions == (text,)
    assert (report.exit_code(), report.exit_code(strict=True)) == (0, 1)
    assert text in " ".join(report.text().split())


def test_two_conventions_at_once():
    report = check_network(with_relu(OneAtZero, with_last(BookLoss)))
    assert report.verdict is Verdict.SAME, report.text()
    assert len(report.conventions) == 2


def test_a_convention_does_not_hide_a_bug():
    network = with_last(BookLoss)
    BUGS[15].plant(network)  # mean in db
    report = check_network(network)
    assert report.conventions == ("log(y + 1e-7) in the loss as in the book",)
    assert report.first_divergence.name == "b4"


def test_half_of_a_convention_is_a_bug():
    class OnlyLoss(SummedLoss):
        backward = SoftmaxWithLoss.backward

    report = check_network(with_last(OnlyLoss))
    assert (report.verdict, report.conventions) == (Verdict.DIFFERENT, ())


def test_catalogue_of_conventions_has_no_doubles():
    texts = [entry.text for entry in compare.conventions.CATALOGUE]
    assert len(set(texts)) == len(texts)


class NaiveSoftmax(SoftmaxWithLoss):
    """F08: no maximum subtracted. Right until exp overflows."""

    def forward(self, x, t):
        self.t = t
        self.y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        return float(-np.log(self.y[np.arange(len(x)), t]).mean())


class WholeMaximum(SoftmaxWithLoss):
    """F07: the maximum of the batch subtracted. Right until rows differ by 745."""

    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max())
        self.y = e / e.sum(axis=1, keepdims=True)
        return float(-np.log(self.y[np.arange(len(x)), t]).mean())


@pytest.mark.parametrize("kind", [NaiveSoftmax, WholeMaximum])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_overflow_under_stress_is_a_limit_and_no_mistake(kind, activation):
    network = net(activation)
    network.last_layer = kind()
    report = check_network(network)
    assert report.verdict is Verdict.SAME, report.text()
    assert any("gradient" in limit for limit in report.limits)
    assert report.exit_code(strict=True) == 1


def test_not_finite_in_a_state_that_training_visits_is_unstable():
    class Fragile(MultiLayerNet):
        def gradient(self, x, t):
            grads = super().gradient(x, t)
            return {key: grad * (np.nan if len(x) == 1 else 1) for key, grad in grads.items()}

    report = check_network(Fragile(*SIZES, rng=np.random.default_rng(1)))
    assert report.verdict is Verdict.UNSTABLE
    assert report.exit_code() == 1


def test_raising_on_a_stimulus_is_different_and_at_first_is_an_error():
    class OneRow(MultiLayerNet):
        def gradient(self, x, t):
            if len(x) == 1:
                raise ZeroDivisionError("rows - 1")
            return super().gradient(x, t)

    report = check_network(OneRow(*SIZES, rng=np.random.default_rng(1)))
    assert report.verdict is Verdict.DIFFERENT
    assert "ZeroDivisionError: rows - 1" in report.text()

    class Broken(MultiLayerNet):
        def gradient(self, x, t):
            raise KeyError("W9")

    with pytest.raises(ValueError, match=r"Broken fails on x .7, 11. and t .7,.: KeyError: 'W9'"):
        check_network(Broken(*SIZES, rng=np.random.default_rng(1)))


def test_spoiled_input_is_seen():
    class Spoils(MultiLayerNet):
        def predict(self, x):
            x *= 0.5
            return super().predict(2 * x)

    report = check_network(Spoils(*SIZES, rng=np.random.default_rng(1)))
    assert report.first_divergence.probe == "purity"


def test_network_keeps_its_parameters_and_knows_nothing_of_the_judge():
    network = net()
    before = {key: value.copy() for key, value in network.params.items()}
    arrays = dict(network.params)
    check_network(network)
    assert all(network.params[key] is arrays[key] for key in arrays)
    assert all(np.array_equal(network.params[key], before[key]) for key in before)


@pytest.mark.parametrize("one_hot", [False, True])
def test_own_batch_is_judged_at_own_parameters(rng, one_hot):
    x, t = rng.standard_normal((20, 11)), rng.integers(5, size=20)
    report = check_network(net(), x, np.eye(5)[t] if one_hot else t)
    assert any(j.where == "your batch of 20 rows" and j.norm for j in report.judgements)
    assert report.verdict is Verdict.SAME


def test_one_hot_network_and_probabilities_are_found():
    class OneHot(MultiLayerNet):
        def predict(self, x):
            logits = super().predict(x)
            e = np.exp(logits - logits.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)

        def loss(self, x, t):
            return float(-(t * np.log(self.predict(x))).sum(axis=1).mean())

        def gradient(self, x, t):
            if t.shape != (len(x), 5):
                raise ValueError("one-hot targets only")
            self.last_layer.forward(MultiLayerNet.predict(self, x), t)
            dout = self.last_layer.backward()
            for layer in reversed(self.layers.values()):
                dout = layer.backward(dout)
            affine = [layer for layer in self.layers.values() if isinstance(layer, Affine)]
            return {
                f"{p}{i}": getattr(layer, f"d{p}")
                for i, layer in enumerate(affine, 1)
                for p in "Wb"
            }

    report = check_network(OneHot(*SIZES, rng=np.random.default_rng(1)))
    assert report.verdict is Verdict.SAME, report.text()
    assert {"targets as one-hot", "predict returns probabilities"} <= set(report.inferred)


class Bare:
    """Only what is asked for: no predict, no layers, another way to compute."""

    def __init__(self, rng):
        self.params = {"W1": rng.standard_normal((4, 3)), "b1": np.zeros(3)}
        self.params |= {"W2": rng.standard_normal((3, 2)), "b2": np.zeros(2)}

    def _forward(self, x):
        h = np.tanh(np.einsum("ij,jk->ik", x, self.params["W1"]) + self.params["b1"])
        z = np.einsum("ij,jk->ik", h, self.params["W2"]) + self.params["b2"]
        return h, z - np.log(np.exp(z - z.max(1)[:, None]).sum(1))[:, None] - z.max(1)[:, None]

    def loss(self, x, t):
        return -np.mean(self._forward(x)[1][np.arange(len(x)), t])

    def gradient(self, x, t):
        h, log_y = self._forward(x)
        d = (np.exp(log_y) - np.eye(2)[t]) / len(x)
        dh = d @ self.params["W2"].T * (1 - h * h)
        return {"b2": d.sum(0), "W2": h.T @ d, "b1": dh.sum(0), "W1": x.T @ dh}


def test_network_without_predict_is_judged_by_its_loss(rng):
    report = check_network(Bare(rng))
    assert report.exit_code(strict=True) == 0, report.text()
    assert report.activation == "tanh"


def test_declared_activation_is_believed(rng):
    assert check_network(Bare(rng), activation="sigmoid").first_divergence.name == "loss"


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"params": None}, TypeError, "expected a dict"),
        ({"params": {"W1": np.eye(2), "c1": np.zeros(2)}}, ValueError, "expected W1, b1"),
        ({"params": {"W1": np.eye(2, dtype=int), "b1": np.zeros(2)}}, TypeError, "int64"),
        ({"params": {"W1": np.eye(2), "b1": np.zeros(3)}}, ValueError, "b1 has shape"),
        ({"params": {"W1": np.ones((4, 1)), "b1": np.zeros(1)}}, ValueError, "2 or more"),
        ({"params": {"W1": np.eye(2), "b1": np.zeros(2, np.float32)}}, TypeError, "mixes"),
        ({"loss": lambda x, t: np.ones(3)}, ValueError, "not a number"),
        ({"gradient": lambda x, t: {"W1": 0}}, ValueError, "expected a dict of W1"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(rng, change, error, says):
    network = Bare(rng)
    for name, value in change.items():
        setattr(network, name, value)
    with pytest.raises(error, match=says) as info:
        check_network(network)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"activation": "gelu"}, "relu, sigmoid, tanh"),
        ({"targets": "int"}, "labels"),
        ({"x": np.zeros((3, 4))}, "together"),
        ({"x": np.zeros((3, 5)), "t": [0, 1, 0]}, "expected .B, 4."),
        ({"x": np.full((3, 4), np.nan), "t": [0, 1, 0]}, "not finite"),
        ({"x": np.zeros((3, 4)), "t": [0, 1, 2]}, "outside 0 to 1"),
        ({"x": np.zeros((3, 4)), "t": [0.0, 1.0, 1.0]}, "integers"),
    ],
)
def test_arguments_are_checked(rng, options, says):
    with pytest.raises(ValueError, match=says):
        check_network(Bare(rng), **options)


def test_assert_parity_returns_or_raises_the_report():
    assert_parity(net())
    with pytest.raises(AssertionError, match=r"log.y . 1e-7. in the loss"):
        assert_parity(with_last(BookLoss), strict=True)
    wrong = net()
    BUGS[13].plant(wrong)
    with pytest.raises(AssertionError, match="First divergence: gradient W4"):
        assert_parity(wrong)


def test_report_is_strict_json():
    wrong = net()
    BUGS[4].plant(wrong)
    report = json.loads(check_network(wrong).to_json(), parse_constant=pytest.fail)
    assert report["schema"] == 1
    assert report["verdict"] == "DIFFERENT"


def test_same_seed_same_report():
    assert check_network(net(), seed=5) == check_network(net(), seed=5)
    assert check_network(net(), seed=5) != check_network(net(), seed=6)
