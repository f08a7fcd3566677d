"""check_network: right networks are SAME, planted bugs are seen and placed."""

import json
import random
import sys
import threading
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import compare.conventions
import compare.examination
import compare.kept
import compare.stimuli
import compare.torch_network
from compare import assert_parity, check_network
from compare.architecture import Extras
from compare.evaluation import Mode
from compare.initialisation import judge_init, name_rule
from compare.judgement import Verdict
from compare.kept import Kept, digest
from compare.stimuli import Stimuli
from compare.torch_network import Reference
from correct import IMPLEMENTATIONS, random_network
from my_network import TwoLayerNet
from planted import BUGS
from planting import wrong_network
from sampled import one_in
from scratch import Affine, MultiLayerNet, Relu, Sigmoid, SoftmaxWithLoss

SIZES = (11, [13, 13, 6], 5)  # a square layer, and no batch of as many rows as classes


def net(activation="relu", sizes=SIZES, dtype=np.float64, **options):
    return MultiLayerNet(*sizes, activation, rng=np.random.default_rng(1), dtype=dtype, **options)


def wrong_net(name):
    (bug,) = (bug for bug in BUGS if bug.name == name)
    return wrong_network(bug, *SIZES, rng=np.random.default_rng(1))


SOME = one_in(5, BUGS)


@pytest.mark.parametrize("bug", SOME, ids=[bug.name for bug in BUGS])
def test_planted_bug_is_seen_and_placed(bug):
    report = check_network(wrong_net(bug.name), explain=False)
    first = report.first_divergence
    assert report.verdict is Verdict.DIFFERENT
    assert (first.probe, first.name) == (bug.probe, bug.quantity)
    assert report.exit_code() == 1
    assert max(map(len, report.text().splitlines())) <= 80


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("decay", [0, pytest.param(0.1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "sizes",
    one_in(2, [(s,) for s in (SIZES, (2, [3, 2], 7), (5, [], 3), (20, [30, 1, 30], 8))]),
    ids=str,
)
def test_right_network_is_same(dtype, activation, decay, sizes):
    network = net(activation, sizes, dtype, weight_decay_lambda=decay)
    report = check_network(network)
    assert report.exit_code(strict=True) == 0, report.text()
    assert not sizes[1] or f"activation {activation}" in report.inferred


@pytest.mark.parametrize("dtype", one_in(2, [np.float64, np.float32]))
@pytest.mark.parametrize("implementation", one_in(2, IMPLEMENTATIONS))
def test_other_ways_of_computing_are_the_same(implementation, dtype):
    seed = IMPLEMENTATIONS.index(implementation)
    network = random_network(np.random.default_rng(seed), implementation, dtype)
    report = check_network(network)
    assert report.exit_code(strict=True) == 0, report.text()
    assert max(j.score for j in report.judgements if j.norm) < (0.2 if dtype is np.float64 else 0.8)


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
    network = wrong_net("B03 mean in db")
    network.last_layer = BookLoss()
    report = check_network(network)
    assert report.conventions == ("log(y + 1e-7) in the loss as in the book",)
    assert report.first_divergence.name == "b4"


def test_half_of_a_convention_is_a_bug():
    class OnlyLoss(SummedLoss):
        backward = SoftmaxWithLoss.backward

    report = check_network(with_last(OnlyLoss))
    assert (report.verdict, report.conventions) == (Verdict.DIFFERENT, ())


def test_catalogue_of_conventions_has_no_doubles():
    texts = [entry.text for entry in compare.conventions.catalogue()]
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
    assert any(limit.probe == "gradient" for limit in report.limits)
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

    said = (
        r"Broken fails: test_check_network.py, line .*: KeyError: 'W9' .called as gradient.x .7, 11"
    )
    with pytest.raises(ValueError, match=said):
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
        ({"activation": "step"}, "relu, sigmoid, tanh"),
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
    wrong = wrong_net("B01 not divided by B")
    with pytest.raises(AssertionError, match="First divergence: gradient W4"):
        assert_parity(wrong)


def test_report_is_strict_json():
    wrong = wrong_net("F05 softmax over the batch axis")
    report = json.loads(check_network(wrong).to_json(), parse_constant=pytest.fail)
    assert report["schema"] == 1
    assert report["verdict"] == "DIFFERENT"


def test_same_seed_same_report():
    assert check_network(net(), seed=5) == check_network(net(), seed=5)
    assert check_network(net(), seed=5) != check_network(net(), seed=6)


# what a network keeps, and what it gives away


class UsesLastLoss(MultiLayerNet):
    """The forward pass of whatever loss() saw last: right in a loop that calls loss first."""

    def gradient(self, x, t):
        if not hasattr(self.last_layer, "y"):
            self.loss(x, t)
        dout = self.last_layer.backward()
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        affines = [layer for layer in self.layers.values() if isinstance(layer, Affine)]
        return {
            f"{letter}{i}": getattr(affine, f"d{letter}")
            for i, affine in enumerate(affines, start=1)
            for letter in "Wb"
        }


class RemembersArrays(MultiLayerNet):
    """Logits kept by the identity of the array: stale once a loader fills the same array again."""

    def predict(self, x):
        if getattr(self, "last", None) is not x:
            self.last, self.logits = x, super().predict(x)
        return self.logits


class KeptLogits(RemembersArrays):
    def predict(self, x):
        if getattr(self, "params_seen", None) != [W.tobytes() for W in self.params.values()]:
            self.params_seen, self.last = [W.tobytes() for W in self.params.values()], None
        return super().predict(x)


@pytest.mark.parametrize("kind", [UsesLastLoss, KeptLogits])
def test_what_is_left_from_another_call_is_seen(kind):
    report = check_network(kind(*SIZES, rng=np.random.default_rng(1)))
    first = report.first_divergence
    assert (first.probe, first.name) == ("purity", "call before"), report.text()
    assert "keep between calls" in report.text()


def test_gradient_that_is_the_array_of_a_parameter_is_seen():
    class Overlaps(MultiLayerNet):
        def gradient(self, x, t):
            return {**super().gradient(x, t), "b1": self.params["b1"]}

    network = Overlaps(11, [5], 5, rng=np.random.default_rng(1))
    first = check_network(network).first_divergence
    assert (first.probe, first.name) == ("aliasing", "gradient b1")


# correct networks of other kinds


def answering(answer):
    """Return a class whose predict gives what `answer` makes of the logits."""

    class Answers(MultiLayerNet):
        def predict(self, x):
            return answer(super().predict(x))

        def loss(self, x, t):
            return self.last_layer.forward(super().predict(x), t)

        def gradient(self, x, t):
            held = MultiLayerNet(*SIZES, rng=np.random.default_rng(0))
            for key, value in self.params.items():
                held.params[key][...] = value
            return held.gradient(x, t)

    return Answers(*SIZES, rng=np.random.default_rng(1))


def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (log_softmax, "predict returns log-probabilities"),
        (lambda logits: logits.argmax(axis=1), "predict is not judged: it returns int64 of shape"),
        (lambda logits: (logits, None), "predict is not judged: it returns tuple"),
    ],
)
def test_other_answers_of_predict_are_found_or_left_alone(answer, said):
    report = check_network(answering(answer))
    assert report.verdict is Verdict.SAME, report.text()
    assert said in "; ".join(report.inferred)


@pytest.mark.parametrize("rows", [1000, 20000])
def test_large_batch_of_equal_rows_is_no_mistake(rows):
    """Rounding of equal rows all goes one way, and sums over them are not random."""
    rng = np.random.default_rng(2)
    x, t = np.repeat(rng.standard_normal((1, 11)), rows, axis=0), np.full(rows, 3)
    for batch in (x, 0 * x):
        report = check_network(net(), batch, t)
        assert report.verdict is Verdict.SAME, report.text()


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_weights_of_one_sign_are_no_mistake(activation):
    """They mix the errors of all units into one, layer after layer."""
    rng = np.random.default_rng(4)
    network = MultiLayerNet(50, [100] * 6, 10, activation, rng=rng)
    for key, value in network.params.items():
        if key.startswith("W"):
            value[...] = rng.random(value.shape) * 2 / len(value)
    report = check_network(network, rng.random((3, 50)), rng.integers(10, size=3))
    assert report.verdict is Verdict.SAME, report.text()


def test_deep_sigmoid_whose_first_weights_drown_in_rounding_is_no_mistake():
    rng = np.random.default_rng(5063)
    network = MultiLayerNet(2, [194, 7, 45, 7, 22], 38, "sigmoid", rng=rng, dtype=np.float32)
    report = check_network(network, seed=63)
    assert report.verdict is Verdict.SAME, report.text()


class HalfTanh(Sigmoid):
    def forward(self, x):
        self.out = 0.5 * (1 + np.tanh(x / 2))
        return self.out


class Ratio(Sigmoid):
    """Right until exp overflows: e^x / (1 + e^x)."""

    def forward(self, x):
        self.out = np.exp(x) / (1 + np.exp(x))
        return self.out


def test_sigmoid_by_tanh_is_the_same_and_by_exp_has_a_limit():
    for kind, limits in ((HalfTanh, set()), (Ratio, {"8 rows, huge units"})):
        network = net("sigmoid")
        for layer in network.layers.values():
            if isinstance(layer, Sigmoid):
                layer.__class__ = kind
        report = check_network(network)
        assert report.verdict is Verdict.SAME, report.text()
        assert {limit.where for limit in report.limits} == limits


@pytest.mark.parametrize(
    "form", one_in(3, ["y + {e}", "np.maximum(y, {e})", "np.clip(y, {e}, 1 - {e})"])
)
@pytest.mark.parametrize("epsilon", [2.220446049250313e-16, 3e-9, 1e-300, 1e-4])
def test_epsilon_of_any_size_is_read_off_the_loss(form, epsilon):
    class Keeps(SoftmaxWithLoss):
        def forward(self, x, t):
            super().forward(x, t)
            y = self.y[np.arange(len(x)), t]
            return float(-np.log(eval(form.format(e=repr(epsilon)), {"np": np, "y": y})).mean())

    network = with_last(Keeps)
    report = check_network(network)
    assert report.verdict is Verdict.SAME, report.text()
    assert len(report.conventions) == 1


# hints


def test_hint_at_the_derivative_of_relu_at_zero():
    class Half(Relu):
        def forward(self, x):
            self.slope = np.where(x > 0, 1, np.where(x == 0, 0.5, 0))
            return np.maximum(x, 0)

        def backward(self, dout):
            return dout * self.slope

    network = net()
    for layer in network.layers.values():
        if isinstance(layer, Relu):
            layer.__class__ = Half
    text = check_network(network).text()
    assert "derivative at a pre-activation of exactly 0" in text
    assert "elsewhere  right" in text


def test_hint_at_the_bias_gradient_of_every_layer():
    network = net()
    for layer in network.layers.values():
        if isinstance(layer, Affine):
            layer.__class__ = type("Mean", (Affine,), {"backward": mean_bias})
    text = check_network(network).text()
    assert "Look at db in the backward of Affine: in every layer it is off" in text


def mean_bias(self, dout):
    dx = Affine.backward(self, dout)
    self.db = dout.mean(axis=0)
    return dx


class Forgets(MultiLayerNet):
    """A mistake that the book's own code once had: weight decay in the loss alone."""

    def gradient(self, x, t):
        return undecayed(self, x, t)


@pytest.mark.parametrize("declared", [0, 0.1])
def test_weight_decay_is_judged_on_and_off(declared):
    right = net(weight_decay_lambda=declared)
    report = check_network(right)
    assert report.verdict is Verdict.SAME
    assert right.weight_decay_lambda == declared
    other = 0 if declared else 0.1
    assert f"weight_decay_lambda {declared} and, in one stimulus, {other}" in report.inferred
    assert any(j.where.endswith(f"weight decay {other}") for j in report.judgements)
    wrong = Forgets(*SIZES, weight_decay_lambda=declared, rng=np.random.default_rng(1))
    first = check_network(wrong).first_divergence
    assert first.quantity == f"gradient W{len(SIZES[1]) + 1}"


def test_a_lambda_that_nobody_reads_is_not_judged():
    network = TwoLayerNet(11, 13, 5)
    network.weight_decay_lambda = 0
    said = "weight_decay_lambda 0: weight decay is not judged"
    assert said in check_network(network).inferred


def test_hint_at_weight_decay():
    network = net()
    network.weight_decay_lambda = 0.1
    network.__class__ = type("Forgets", (MultiLayerNet,), {"gradient": undecayed})
    assert "such as\nweight decay" in check_network(network).text()


def undecayed(self, x, t):
    kept, self.weight_decay_lambda = self.weight_decay_lambda, 0
    try:
        return MultiLayerNet.gradient(self, x, t)
    finally:
        self.weight_decay_lambda = kept


# arguments


@pytest.mark.parametrize("wrong", [np.nan, -1, "big", np.inf])
def test_weight_decay_that_is_no_number_is_refused(wrong):
    with pytest.raises(ValueError, match="weight_decay_lambda must be finite and at least 0"):
        check_network(net(), weight_decay_lambda=wrong)


def test_batch_that_says_nothing_is_refused_or_named(rng):
    x, t = rng.standard_normal((3, 11)), np.full((3, 5), 0.2)
    with pytest.raises(ValueError, match="rows that are not one-hot"):
        check_network(net(), x, t)
    network = net()
    network.params["W1"][0, 0] = np.nan
    with pytest.raises(ValueError, match="W1 has values that are not finite"):
        check_network(network, x, np.zeros(3, int))
    network = net()
    network.params["W1"][...] = 1
    on_the_edge = np.resize([1.0, -1.0], (3, 11))
    on_the_edge[:, -1] = 0  # so that what each unit adds up cancels, up to rounding
    report = check_network(network, on_the_edge, [0, 1, 2])
    assert "not judged  your batch of 3 rows" in report.text()


def test_rules_are_right_about_our_own_networks():
    """Each rule holds for nets drawn by it, and no other is mistaken for it."""
    for seed in range(20):
        for rule in ("he", "xavier", 0.01):
            network = MultiLayerNet(
                100, [60, 50], 10, "relu", rule, rng=np.random.default_rng(seed)
            )
            for declared in ("he", "xavier", 0.01):
                failing = [j for j in judge_init(network.params, declared) if j.fails]
                assert bool(failing) == (declared != rule)
            assert name_rule(network.params).startswith(
                f"init {rule}" if isinstance(rule, str) else "init std=0.01"
            )


def test_caller_keeps_output_random_states_and_settings(capsys):
    class Loud(MultiLayerNet):
        def loss(self, x, t):
            print("loss!")
            print("loss!", file=sys.stderr)
            np.random.seed(3)  # noqa: NPY002  # what such networks do
            random.seed(3)
            torch.manual_seed(3)
            np.seterr(all="ignore")
            torch.set_default_dtype(torch.float64)
            warnings.simplefilter("ignore")
            return super().loss(x, t)

    def state():
        return (
            np.random.get_state()[1].tolist(), random.getstate(),  # noqa: NPY002  # as above
            torch.get_rng_state().tolist(), torch.get_default_dtype(), np.geterr(),
            list(warnings.filters), torch.get_num_threads(),
        )  # fmt: skip  # a list

    before = state()
    assert check_network(Loud(*SIZES, rng=np.random.default_rng(1))).verdict is Verdict.SAME
    assert state() == before
    assert capsys.readouterr() == ("", "")


def test_nothing_is_evaluated_twice(monkeypatch, rng):
    made, errors = [], Reference._errors

    def counted(reference, e, dtype):
        given = (*e.params.values(), e.x, e.t, *e.mode.running.values())
        made.append((digest(given), e.convention, e.mode.training, reference.weight_decay_lambda))
        return errors(reference, e, dtype)

    monkeypatch.setattr(Reference, "_errors", counted)
    assert check_network(MultiLayerNet(12, [8, 6], 4, rng=rng)).verdict is Verdict.SAME
    assert len(made) == len(set(made)) == 9  # what it is found by, 7 stimuli, one with weight decay


@pytest.mark.parametrize(
    ("alive", "on_edge", "draws"),
    [
        (True, False, 1),
        (True, True, compare.stimuli.EDGES + 1),
        (False, True, compare.stimuli.DRAWS),
    ],
)
def test_a_batch_is_drawn_again_as_long_as_that_may_help(monkeypatch, rng, alive, on_edge, draws):
    made, stimuli = [], Stimuli((3, 4, 2), np.float64, rng)
    errors = SimpleNamespace(on_edge=np.array([on_edge]))
    e = SimpleNamespace(grads={"W1": np.array([float(alive)])}, errors=lambda _: errors)
    monkeypatch.setattr(compare.stimuli, "evaluated", lambda *_: made.append(e) or e)
    stimuli._draw(stimuli.plain, None)
    assert len(made) == draws


def test_a_second_check_evaluates_nothing_again(monkeypatch, rng):
    net = MultiLayerNet(4, [3], 2, rng=rng)
    first = check_network(net)
    monkeypatch.setattr(compare.torch_network, "evaluate", None)  # which would raise
    assert check_network(net).judgements == first.judgements


def test_what_is_kept_is_its_own(rng):
    reference = Reference((3, 4, 2), "relu", 0.0, Extras(True, 0.3), kept=Kept())
    s = Stimuli((3, 4, 2), np.float64, rng, normalized=True).plain()
    mode = Mode(True, s.running, [rng.random((len(s.x), 4)) > 0.3])
    first = reference.evaluate(s.params, s.x, s.t, mode=mode)
    theirs = [*s.params.values(), s.x, s.t, *s.running.values(), *mode.masks]
    kept = [*first.params.values(), first.x, first.t]
    kept += [*first.mode.running.values(), *first.mode.masks]
    for mine, other in zip(kept, theirs, strict=True):
        assert np.array_equal(mine, other)
        assert not np.shares_memory(mine, other)


def test_each_thread_keeps_its_own():
    kept, made = Kept(), []
    e = SimpleNamespace(params={}, x=np.zeros(1), named={})
    for _ in range(2):
        kept.get("a", lambda: made.append(1) or e)
    thread = threading.Thread(target=lambda: kept.get("a", lambda: made.append(2) or e))
    thread.start()
    thread.join()
    assert made == [1, 2]


def test_what_is_patched_is_kept_apart(monkeypatch):
    assert compare.examination.KEPT is not compare.kept.KEPT
    monkeypatch.undo()
    assert compare.examination.KEPT is compare.kept.KEPT


def test_evaluations_are_kept_up_to_so_many_bytes(monkeypatch, rng):
    monkeypatch.setattr(compare.kept, "BYTES", 10_000)
    reference, made = Reference((3, 4, 2), "relu", kept=Kept()), []
    stimuli = Stimuli((3, 4, 2), np.float64, rng)
    for stimulus in [stimuli.plain() for _ in range(9)] * 2:
        made.append(reference.evaluate(stimulus.params, stimulus.x, stimulus.t))
        assert made[-1] is reference.evaluate(stimulus.params, stimulus.x, stimulus.t)
    assert not any(a is b for a, b in zip(made[:9], made[9:], strict=True))
