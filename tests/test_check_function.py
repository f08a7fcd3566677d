"""Functions of arrays, of whichever library, judged against functions of tensors."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from compare import check_function

RNG = np.random.default_rng(6)
X, W, B = RNG.standard_normal((5, 7)), RNG.standard_normal((7, 4)), RNG.standard_normal(4)


def softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def softmax_backward(dout, x):
    y = softmax(x)
    return y * (dout - (dout * y).sum(axis=-1, keepdims=True))


def torch_softmax(x):
    return torch.softmax(x, -1)


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def torch_affine(x, w, b):
    return x @ w + b


class Layer:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dout):
        return dout * (self.x > 0)


LAYER = Layer()


def moments(x):
    return x.mean(axis=0), x.var(axis=0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("f", "reference", "inputs", "backward"),
    [
        (softmax, torch_softmax, (X,), None),
        (softmax, torch_softmax, (X,), softmax_backward),
        (affine, torch_affine, (X, W, B), affine_backward),
        (LAYER.forward, torch.relu, (X,), LAYER.backward),
        (LAYER.forward, nn.ReLU(), (X,), LAYER.backward),
        (moments, lambda x: (x.mean(0), x.var(0, unbiased=False)), (X,), None),
        (lambda x, n: x**n, lambda x, n: x**n, (X, 3), lambda dout, x, n: dout * n * x ** (n - 1)),
        (lambda w, i: w[i], lambda w, i: F.embedding(i, w), (W, np.array([2, 2, 0])), None),
    ],
)
def test_right_functions_are_same(f, reference, inputs, backward, dtype):
    inputs = [v.astype(dtype) if str(getattr(v, "dtype", "")) == "float64" else v for v in inputs]
    report = check_function(f, reference, *inputs, backward=backward)
    assert report.verdict == "SAME", report.text()
    assert any(j.probe == "gradient" for j in report.judgements) == (backward is not None)
    assert all(len(line) <= 80 for line in report.text().splitlines())
    assert ("Not exercised" in report.text()) == (backward is None)


def cut(dout, x):
    return softmax(x) * dout


def scattered(dout, w, i):
    dw = np.zeros_like(w)
    dw[i] = dout
    return dw


@pytest.mark.parametrize(
    ("f", "reference", "inputs", "backward", "first"),
    [
        (lambda x: softmax(x) * (1 + 1e-14), torch_softmax, (X,), None, "output"),
        (softmax, torch_softmax, (X,), cut, "x"),
        (affine, torch_affine, (X, W, B),
         lambda dout, cache: (*affine_backward(dout, cache)[:2], dout.mean(axis=0)), "b"),
        (lambda w, i: w[i], lambda w, i: F.embedding(i, w), (W, np.array([2, 2, 0])),
         scattered, "w"),
        (lambda x: (x.mean(0), x.var(0, ddof=1)), lambda x: (x.mean(0), x.var(0, unbiased=False)),
         (X,), None, "output[1]"),
        (lambda x: x.T, lambda x: x, (X,), None, "output"),
    ],
)  # fmt: skip  # a row a case
def test_wrong_functions_are_different(f, reference, inputs, backward, first):
    report = check_function(f, reference, *inputs, backward=backward)
    assert (report.verdict, report.first_divergence.name) == ("DIFFERENT", first), report.text()


class Wrapped:
    """What speaks `__array__` and nothing else, as arrays of MLX or others do."""

    def __init__(self, value):
        self.value = value

    def __array__(self, dtype=None, copy=None):
        return self.value

    def __mul__(self, other):
        return Wrapped(self.value * other)


class Exchanged:
    """What speaks DLPack and nothing else, as arrays of CuPy or JAX do."""

    def __init__(self, value):
        self.value = value

    def __dlpack__(self, **options):
        return self.value.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.value.__dlpack_device__()

    def __mul__(self, other):
        return Exchanged(self.value * other)


@pytest.mark.parametrize("kind", [Wrapped, Exchanged, torch.from_numpy])
def test_any_library_is_taken_as_it_is(kind):
    assert check_function(lambda x: x * 3, lambda x: 3 * x, kind(X)).verdict == "SAME"
    report = check_function(lambda x: x * 3.001, lambda x: 3 * x, kind(X))
    assert report.verdict == "DIFFERENT"


def test_an_argument_that_is_changed_is_seen():
    def spoiling(x):
        x *= 2
        return x

    report = check_function(spoiling, lambda x: 2 * x, X)
    assert (report.verdict, report.first_divergence.probe) == ("DIFFERENT", "purity")


def test_a_state_that_is_carried_over_is_seen():
    seen = []

    def counting(x):
        seen.append(x)
        return x * (1 + 1e-6 * (len(seen) > 3))

    report = check_function(counting, lambda x: x, X)
    assert report.first_divergence.where == "your inputs, once more"


def test_on_an_edge_nobody_is_accused():
    x = np.linspace(0.1, 5, 50)

    def other(x):
        return np.where(x * 0.1 * 3 > x * 0.3, x, 0)

    def reference(x):
        return torch.where(x * (0.1 * 3) > x * 0.3, x, torch.zeros_like(x))

    assert (other(x) != reference(torch.from_numpy(x)).numpy()).any()
    assert check_function(other, reference, x).verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("f", "reference", "inputs", "says"),
    [
        (softmax, torch_softmax, (), "inputs of no floating-point dtype"),
        (softmax, torch_softmax, (X, X.astype(np.float32)), "inputs of float32 and float64"),
        (softmax, torch_softmax, (X * np.inf,), "values that are not finite"),
        (softmax, lambda x, y: x, (X,), "the reference raises on (5, 7): TypeError"),
        (lambda x: x["a"], torch_softmax, (X,), "the first plain call fails: "),
        (lambda x: "no", torch_softmax, (X,), "f returned str; expected arrays: 1"),
        (softmax, lambda x: x + torch.randn_like(x), (X,), "the reference: "),
    ],
)  # fmt: skip  # a row a case
def test_wrong_use_is_one_line(f, reference, inputs, says):
    with pytest.raises((TypeError, ValueError)) as raised:
        check_function(f, reference, *inputs)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
