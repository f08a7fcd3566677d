"""Every layer of scratch against torch's, forward and backward.

Affine and ReLU are given small integers, on which any order of summation is exact, so that they
must be equal in every bit. Sigmoid and tanh come from two mathematical libraries, each within
ULPS / 2 of the true value.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from compare.reference.allowed import C
from compare.rounding import unit_roundoff
from compare.rules import Derived
from compare.torch_network import Reference
from scratch import Affine, Relu, Sigmoid, SoftmaxWithLoss, Tanh

ULPS = 8
DTYPES = [np.float64, np.float32]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)


def integers(rng, shape, dtype):
    return rng.integers(-9, 10, size=shape).astype(dtype)


@dtypes
@pytest.mark.parametrize("rows", [1, 7])
def test_affine_is_linear_in_every_bit(rng, dtype, rows):
    x, W, b = integers(rng, (rows, 5), dtype), integers(rng, (5, 3), dtype), integers(rng, 3, dtype)
    dout = integers(rng, (rows, 3), dtype)
    layer = Affine(W, b)
    tx, tW, tb = (torch.tensor(value, requires_grad=True) for value in (x, W.T.copy(), b))

    out = layer.forward(x)
    dx = layer.backward(dout)
    expected = F.linear(tx, tW, tb)
    expected.backward(torch.tensor(dout))

    np.testing.assert_array_equal(out, expected.detach().numpy())
    np.testing.assert_array_equal(dx, tx.grad.numpy())
    np.testing.assert_array_equal(layer.dW, tW.grad.numpy().T)
    np.testing.assert_array_equal(layer.db, tb.grad.numpy())
    assert {array.dtype for array in (out, dx, layer.dW, layer.db)} == {np.dtype(dtype)}


def test_first_affine_leaves_out_dx(rng):
    layer = Affine(integers(rng, (5, 3), float), np.zeros(3), needs_dx=False)
    layer.forward(integers(rng, (2, 5), float))
    assert layer.backward(np.ones((2, 3))) is None
    assert layer.dW.shape == (5, 3)


@dtypes
def test_relu_is_torchs_in_every_bit_and_passes_nothing_at_zero(rng, dtype):
    x, dout = integers(rng, (7, 50), dtype), integers(rng, (7, 50), dtype)
    x[3] = 0
    kept = x.copy(), dout.copy()
    layer, tx = Relu(), torch.tensor(x, requires_grad=True)
    out, dx = layer.forward(x), layer.backward(dout)
    expected = F.relu(tx)
    expected.backward(torch.tensor(dout))
    np.testing.assert_array_equal(out, expected.detach().numpy())
    np.testing.assert_array_equal(dx, tx.grad.numpy())
    assert not dx[3].any()
    np.testing.assert_array_equal((x, dout), kept)  # neither argument was spoiled


@dtypes
@pytest.mark.parametrize(
    ("layer", "function"), [(Sigmoid, torch.sigmoid), (Tanh, torch.tanh)], ids=["sigmoid", "tanh"]
)
def test_smooth_activations_are_torchs(rng, dtype, layer, function):
    x = np.concatenate([np.linspace(-20, 20, 401), [0.0, -1e4, 1e4]]).astype(dtype)
    ours, tx = layer(), torch.tensor(x, requires_grad=True)
    out, expected = ours.forward(x), function(tx)
    np.testing.assert_array_max_ulp(out, expected.detach().numpy(), ULPS)
    assert out.dtype == dtype

    # backward is exact arithmetic on its own output
    dout = rng.standard_normal(x.shape).astype(dtype)
    slope = 1 - out**2 if layer is Tanh else out * (1 - out)
    np.testing.assert_array_max_ulp(ours.backward(dout), dout * slope, ULPS)


@dtypes
@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("one_hot", [False, True])
def test_softmax_with_loss_is_cross_entropy(rng, dtype, rows, scale, one_hot):
    classes = 5
    logits = (scale * rng.standard_normal((rows, classes))).astype(dtype)
    t = rng.integers(classes, size=rows)
    layer = SoftmaxWithLoss()
    loss = layer.forward(logits, np.eye(classes, dtype=int)[t] if one_hot else t)

    # the reference whose pre-activations are the logits themselves: W is the identity
    params = {"W1": np.eye(classes), "b1": np.zeros(classes)}
    e = Reference((classes, classes), "relu").evaluate(params, logits, t)
    rule = Derived(e, dtype)
    assert abs(loss - e.loss) <= rule.allowed("loss")
    onehot = np.eye(classes)[t]
    dlogits = layer.backward()
    u = unit_roundoff(dtype)
    assert np.linalg.norm(dlogits * rows - (layer.y - onehot)) <= C * u * np.sqrt(rows)
    assert np.linalg.norm(layer.y - e.named["probabilities"]) <= rule.allowed("probabilities")
    assert dlogits.dtype == dtype


@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 1e4), (np.float64, 1e300)])
def test_softmax_with_loss_is_finite_and_exact_on_huge_logits(dtype, huge):
    logits = np.array([[huge, -huge, 0.0], [-huge, huge, 0.0]], dtype=dtype)
    layer = SoftmaxWithLoss()
    right, wrong = np.array([0, 1]), np.array([1, 0])
    assert layer.forward(logits, right) == 0
    assert layer.forward(logits, wrong) == float(dtype(2 * huge))
    np.testing.assert_array_equal(layer.backward(), [[0.5, -0.5, 0], [-0.5, 0.5, 0]])
