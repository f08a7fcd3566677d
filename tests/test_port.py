"""Any torch module is the reference: networks written by hand judged by check_network."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import by_hand
from by_hand.mistakes import MISTAKES
from compare import assert_parity, check_network
from ported import is_placed, judged
from sampled import one_in


@pytest.mark.parametrize("name", one_in(3, by_hand.NAMES))  # all: make power
def test_right_networks_are_same(name):
    report = judged(by_hand.load(name))
    assert report.verdict == "SAME", report.text()


@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_right_networks_are_same_in_float32(name):
    report = judged(by_hand.load(name), dtype=np.float32)
    assert report.verdict == "SAME", report.text()


@pytest.mark.parametrize("name", one_in(3, by_hand.NAMES))
def test_mistakes_are_different_and_placed(name):
    mistakes = [m for m in MISTAKES if m.network == name]
    kind = ("gradient", "module")[by_hand.NAMES.index(name) // 2 % 2]  # both of all: make power
    mistake = next((m for m in mistakes if m.kind == kind), mistakes[0])
    report = judged(by_hand.load(name), mistake.planted())
    assert report.verdict == "DIFFERENT", (mistake.name, report.text())
    assert is_placed(mistake, report), (mistake.name, report.text())


class Port:
    """Two layers, with the book's names and shapes."""

    def __init__(self, size=6, factor=1.0):
        rng = np.random.default_rng(1)
        self.params = {"W1": rng.standard_normal((size, size)), "b1": rng.standard_normal(size),
                       "W2": rng.standard_normal((size, 3)),
                       "b2": rng.standard_normal(3)}  # fmt: skip  # a row a layer
        self.factor = factor

    def predict(self, x):
        P = self.params
        self.a = np.tanh(x @ P["W1"] + P["b1"])
        return self.a @ P["W2"] + P["b2"]

    def loss(self, x, t):
        y = self.predict(x)
        y = y - y.max(axis=1, keepdims=True)
        return -np.mean(y[np.arange(len(x)), t] - np.log(np.exp(y).sum(axis=1)))

    def gradient(self, x, t):
        y = self.predict(x)
        y = np.exp(y - y.max(axis=1, keepdims=True))
        dy = y / y.sum(axis=1, keepdims=True)
        dy[np.arange(len(x)), t] -= 1
        dy /= len(x)
        dz = self.factor * (dy @ self.params["W2"].T) * (1 - self.a**2)
        return {"W1": x.T @ dz, "b1": dz.sum(axis=0), "W2": self.a.T @ dy, "b2": dy.sum(axis=0)}


class Accumulating(Port):
    def gradient(self, x, t):
        grads = super().gradient(x, t)
        kept = getattr(self, "kept", dict.fromkeys(grads, 0.0))
        self.kept = {k: kept[k] * 0.5 + g for k, g in grads.items()}
        return self.kept


def module(size=6):
    return nn.Sequential(nn.Linear(size, size), nn.Tanh(), nn.Linear(size, 3))


def batch(size=6, rows=7):
    rng = np.random.default_rng(2)
    return rng.standard_normal((rows, size)), rng.integers(0, 3, rows)


def test_the_books_names_are_matched_and_a_square_matrix_turned():
    report = check_network(Port(), *batch(), reference=module())
    assert report.verdict == "SAME"
    assert "W1 = 0.weight, transposed" in report.matched
    assert "proved by the forward pass" in report.matched
    assert all(len(line) <= 80 for line in report.text().splitlines())


def test_the_network_is_left_as_it_came_and_assert_parity_takes_a_reference():
    net = Port()
    before = {k: v.copy() for k, v in net.params.items()}
    assert_parity(net, *batch(), reference=module())
    assert all(np.array_equal(before[k], v) for k, v in net.params.items())
    with pytest.raises(AssertionError, match=r"First divergence: gradient 0\.bias"):
        assert_parity(Port(factor=2.0), *batch(), reference=module())


def test_what_depends_on_earlier_calls_is_different():
    assert check_network(Accumulating(), *batch(), reference=module()).verdict == "DIFFERENT"


def test_names_can_be_said():
    names = {"W1": ("0.weight", "T"), "b1": "0.bias", "W2": ("2.weight", "T"), "b2": "2.bias"}
    assert check_network(Port(), *batch(), reference=module(), names=names).verdict == "SAME"


class Wrong(Port):
    def predict(self, x):
        return 2 * super().predict(x)


class Alike(Wrong):
    def __init__(self):
        super().__init__()
        self.params["W2"], self.params["b2"] = np.eye(6) + self.params["W1"], np.ones(6)


def alike():
    return nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))


class Casting(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = module()

    def forward(self, x):
        return self.net(x).half()


class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = module()

    def forward(self, x):
        return self.net(x + torch.randn_like(x))


@pytest.mark.parametrize(
    ("net", "options", "says"),
    [
        (Port(), {"reference": 3}, "reference is int; expected a torch.nn.Module"),
        (Port(), {"reference": module(5)}, "W1 has shape (6, 6)"),
        (Port(), {"reference": module(), "names": {"W9": "0.bias"}}, "the network has no 'W9'"),
        (Port(), {"reference": module(), "names": {"W1": "fc"}}, "the module has no 'fc'"),
        (Port(), {"reference": nn.Linear(6, 3)}, "W1 has shape (6, 6), which none of"),
        (Port(), {"reference": module(), "targets": "labels"}, "are of the book's networks"),
        (Port(), {"loss": F.cross_entropy}, "need a reference"),
        (Alike(), {"reference": alike()}, "the forward pass agrees with no matching"),
        (Port(), {"reference": Random()}, "the reference: "),
        (Port(), {"reference": module(), "loss": lambda y, t: y}, "the loss: shape (7, 3), where"),
    ],
)  # fmt: skip  # a row a case
def test_wrong_use_is_one_line(net, options, says):
    with pytest.raises((TypeError, ValueError)) as raised:
        check_network(net, *batch(), **options)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_module_that_casts_accuses_nobody():
    assert check_network(Port(factor=2.0), *batch(), reference=Casting()).verdict != "DIFFERENT"


def test_a_wrong_forward_with_names_is_different():
    names = {"W1": ("0.weight", "T"), "b1": "0.bias", "W2": ("2.weight", "T"), "b2": "2.bias"}
    report = check_network(Wrong(), *batch(), reference=module(), names=names)
    assert report.verdict == "DIFFERENT"
    assert report.first_divergence.probe == "forward"


def test_one_square_of_two_may_be_turned():
    class Two(Port):
        def __init__(self):
            super().__init__()
            self.params = {
                "A": self.params["W1"],
                **{k: self.params[k] for k in ("b1", "W2", "b2")},
            }
            self.params["C"] = np.random.default_rng(4).standard_normal((6, 6))

        def predict(self, x):
            P = self.params
            self.h = x @ P["A"] + P["b1"]
            self.a = np.tanh(self.h @ P["C"].T)
            return self.a @ P["W2"] + P["b2"]

        def gradient(self, x, t):
            P, y = self.params, self.predict(x)
            y = np.exp(y - y.max(axis=1, keepdims=True))
            dy = y / y.sum(axis=1, keepdims=True)
            dy[np.arange(len(x)), t] -= 1
            dy /= len(x)
            dz = (dy @ P["W2"].T) * (1 - self.a**2)
            dh = dz @ P["C"]
            return {"A": x.T @ dh, "b1": dh.sum(axis=0), "C": dz.T @ self.h,
                    "W2": self.a.T @ dy, "b2": dy.sum(axis=0)}  # fmt: skip  # a row a layer

    torch_module = nn.Sequential(
        nn.Linear(6, 6), nn.Linear(6, 6, bias=False), nn.Tanh(), nn.Linear(6, 3)
    )
    report = check_network(Two(), *batch(), reference=torch_module)
    assert report.verdict == "SAME", report.text()
    assert {"A = 0.weight, transposed", "C = 1.weight"} <= {*report.matched}


def test_a_frozen_parameter_is_not_judged():
    frozen = module()
    frozen[0].weight.requires_grad_(False)
    report = check_network(Port(), *batch(), reference=frozen)
    assert report.verdict == "SAME"
    assert "gradient 0.weight on your batch of 7: it is frozen" in " ".join(report.text().split())


def test_targets_of_any_integer_type_are_taken():
    x, t = batch()
    for dtype in (np.int32, np.uint8):
        assert check_network(Port(), x, t.astype(dtype), reference=module()).verdict == "SAME"
