"""`check_optimizer`: optimisers as readers of the book write them, and mistakes in them."""

import copy
from dataclasses import replace

import numpy as np
import pytest

import book_optimizers as book
import scratch
from compare import check_optimizer
from compare.judgement import Verdict
from compare.optimiser import NAMES, Optimiser
from compare.optimiser_check import SHAPES
from compare.subject import scratch_optimizer
from planting import Bug, module
from sampled import one_in

M, R, B = {"momentum": 0.9}, {"decay_rate": 0.99}, {"beta1": 0.9, "beta2": 0.999}
RIGHT = {
    "SGD": ("sgd", {}, ""),
    "Momentum": ("momentum", M, "lr inside the velocity"),
    "Downhill": ("momentum", M, "lr inside the velocity"),
    "TorchMomentum": ("momentum", M, ""),
    "Nesterov": ("nesterov", M, "lr inside the velocity"),
    "LookingBack": ("nesterov", M, "lr inside the velocity"),
    "AdaGrad": ("adagrad", {}, ""),
    "RMSprop": ("rmsprop", R, ""),
    "TensorFlow": ("rmsprop", R, "epsilon inside the root"),
    "Adam": ("adam", B, "epsilon beside sqrt(v) before"),
    "Paper": ("adam", B, ""),
}
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])


@dtypes
@pytest.mark.parametrize("name", RIGHT)
def test_right_optimizers_are_same_and_their_form_is_named(name, dtype):
    kind, numbers, convention = RIGHT[name]
    report = check_optimizer(getattr(book, name)(**numbers), kind, dtype=dtype)
    assert report.verdict is Verdict.SAME, str(report)
    forms = [text for text in report.conventions if "one optimiser serves" not in text]
    assert [text[: len(convention)] for text in forms] == ([convention] if convention else [])
    assert report.exit_code() == 0
    assert report.exit_code(strict=True) == (1 if report.conventions else 0)
    assert max(map(len, str(report).splitlines())) <= 80


@pytest.mark.parametrize("name", NAMES)
def test_the_optimizers_of_scratch_are_same(name):
    report = check_optimizer(scratch_optimizer(Optimiser(name, 0.03)))
    assert (report.verdict, report.conventions) == (Verdict.SAME, ())


DECAYS = {
    "": {"decay_biases": True},
    "weight decay of W1, W2, ... and of no bias": {},
    "weight decay apart from the gradient, W - lr lambda W, as": {
        "decoupled": True,
        "decay_biases": True,
    },
    "weight decay apart from the gradient, W - lr lambda W, of": {"decoupled": True},
}


@dtypes
@pytest.mark.parametrize("name", one_in(2, NAMES))
@pytest.mark.parametrize("convention", DECAYS)
def test_weight_decay_is_judged_and_its_form_is_named(name, convention, dtype):
    how = replace(Optimiser(name, 0.03), weight_decay=0.1, **DECAYS[convention])
    report = check_optimizer(scratch_optimizer(how), dtype=dtype)
    assert report.verdict is Verdict.SAME, str(report)
    forms = [text[: len(convention)] for text in report.conventions]
    if name != "sgd" or "apart" not in convention:  # where it is the same
        assert forms == ([convention] if convention else [])
    assert "weight decay 0.1" in str(report)
    wrong = scratch_optimizer(how)
    report = check_optimizer(wrong, dtype=dtype, weight_decay=0.1 * (1 + 1e-4), explain=False)
    assert report.verdict is Verdict.DIFFERENT


COUNT = "np.sqrt(1.0 - self.beta2**self.iter) / (1.0 - self.beta1**self.iter)"


def mistake(within, old, new):
    return Bug(f"{within}: {new}", "update", "tests/book_optimizers.py", old, new, within=within)


MISTAKES = [
    mistake("SGD", "-= self.lr", "+= self.lr"),
    mistake("SGD", "params[key] -= self.lr * g", "params[key] = params[key] - self.lr * g"),
    mistake("SGD", "self.lr * g", "np.float32(self.lr) * g"),
    mistake("SGD", "self.lr * g", "0.01 * g"),
    mistake("SGD", "params[key] -= self.lr * g", "g *= self.lr; params[key] -= g"),
    mistake("Momentum", "self.momentum * self.v[key] -", "self.momentum * self.v[key] +"),
    mistake("Momentum", "self.lr * g", "(1 - self.momentum) * self.lr * g"),
    mistake(
        "Momentum", "self.v[key] = self.momentum * self.v[key]", "self.v[key] = 0.99 * self.v[key]"
    ),
    mistake("Momentum", "self.v[key] = self.momentum * self.v[key]", "self.v[key] = 0"),
    mistake("Nesterov", "self.momentum * self.momentum", "self.momentum"),
    mistake("Nesterov", "(1 + self.momentum)", "(1 + self.momentum + self.momentum**2)"),
    mistake("LookingBack", "(1 + self.momentum) *", ""),
    mistake("AdaGrad", "self.h[key] += g * g", "self.h[key] = g * g"),
    mistake("AdaGrad", "self.h[key] += g * g", "self.h[key] += np.abs(g)"),
    mistake("AdaGrad", "np.sqrt(self.h[key])", "self.h[key]"),
    mistake("RMSprop", "(1 - self.decay_rate) *", ""),
    mistake("RMSprop", "*= self.decay_rate", "*= 0.9"),
    mistake("Adam", "correction * self.m", "self.m"),
    mistake("Adam", "np.sqrt(1.0 - self.beta2**self.iter)", "(1.0 - self.beta2**self.iter)"),
    mistake("Adam", COUNT, COUNT.replace("self.iter", "(self.iter + 1)")),
    mistake("Adam", COUNT, COUNT.replace("self.iter", "1")),
    mistake("Adam", "(g**2 - ", "(g - "),
    mistake("Adam", "(1 - self.beta2)", "0.01"),
    mistake("Paper", "(np.sqrt(v) + 1e-8)", "np.sqrt(v + 1e-8)"),
    mistake("Paper", "* g * g", "* g * g + 1e-12"),
    mistake("Paper", "self.lr * m", "self.lr * (m + 1e-4 * params[key])"),
]


def judged(bug, dtype):
    """Return the report on the class with the mistake in it."""
    kind, numbers, _ = RIGHT[bug.within]
    wrong = getattr(module(bug.file, bug), bug.within)
    return check_optimizer(wrong(**numbers), kind, dtype=dtype, explain=False)


@pytest.mark.parametrize("bug", MISTAKES, ids=lambda bug: bug.name)
@dtypes
def test_a_mistake_is_seen(bug, dtype):
    report = judged(bug, dtype)
    if dtype is np.float32 and bug.name == "SGD: np.float32(self.lr) * g":
        assert report.verdict is Verdict.SAME  # no mistake there
        return
    assert report.verdict is Verdict.DIFFERENT
    assert "First divergence: " in str(report)
    assert max(map(len, str(report).splitlines())) <= 80


def test_one_optimizer_for_two_networks_is_named_where_it_mixes_them():
    mixed = "one optimiser serves one network: what it remembers has its keys"
    assert mixed in check_optimizer(book.Momentum(momentum=0.9)).conventions
    assert mixed not in check_optimizer(scratch.Momentum()).conventions


def test_the_optimizer_that_is_passed_is_left_alone():
    optimizer = book.Adam(beta1=0.9, beta2=0.999)
    before = copy.deepcopy(vars(optimizer))
    check_optimizer(optimizer)
    assert vars(optimizer) == before


class Used(book.Momentum):
    def __init__(self):
        super().__init__(momentum=0.9)
        self.update({"W1": np.ones((11, 7))}, {"W1": np.ones((11, 7))})
        self.v = {key: np.ones(shape) for key, shape in SHAPES.items()}


class Secretive(book.SGD):
    def update(self, params, grads):
        self.hidden = {f"v of {key}": g for key, g in grads.items()}
        super().update(params, grads)


class Failing(book.SGD):
    def move(self, params, key, g):
        raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("optimizer", "options", "error", "says"),
    [
        (object(), {}, TypeError, r"object has no method update\(params, grads\)"),
        (book.Downhill(), {}, ValueError, "the class Downhill is none of sgd, momentum"),
        (book.SGD(), {"name": "lion"}, ValueError, "name 'lion' is none of sgd"),
        (book.Momentum(), {}, TypeError, "momentum has no attribute momentum: pass momentum="),
        (book.SGD(lr="fast"), {}, ValueError, "lr must be a number, not 'fast'"),
        (book.SGD(), {"beta1": 0.9}, TypeError, "beta1 is no number of sgd; it has lr"),
        (Used(), {"name": "momentum"}, ValueError, "remembers something before its first update"),
        (Secretive(), {"name": "momentum", "momentum": 0.9}, TypeError, "keeps 0 dicts of arrays"),
        (book.SGD(), {"dtype": int}, ValueError, "float64 or float32, not int64"),
        (Failing(), {"name": "sgd"}, ValueError, "at call 1: .*, in move: .*ZeroDivisionError: d"),
    ],
)
def test_what_cannot_be_judged_is_said(optimizer, options, error, says):
    with pytest.raises(error, match=says):
        check_optimizer(optimizer, **options)
