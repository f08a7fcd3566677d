"""The network of scratch by itself: its definition, its own consistency, its complaints."""

import math

import numpy as np
import pytest

import scratch
from scratch import MultiLayerNet

# |f(x + h) - f(x - h)| / 2h is off by h^2 |f'''| / 6 + u |f| / h: for h = 1e-4, a loss near 2 and
# third derivatives below 100, less than this.
NUMERICAL = 1e-8 * 100 / 6 + 2.0**-53 * 2 / 1e-4


def net(rng, activation="tanh", **options):
    return MultiLayerNet(6, [5, 4], 3, activation, rng=rng, **options)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("decay", [0, 0.1])
@pytest.mark.parametrize("one_hot", [False, True])
def test_gradient_is_the_numerical_one(rng, activation, decay, one_hot):
    network = net(rng, activation, weight_decay_lambda=decay)
    for key in ("b1", "b2", "b3"):
        network.params[key] += 0.1 * rng.standard_normal(network.params[key].shape)
    x, t = rng.standard_normal((7, 6)), rng.integers(3, size=7)
    t = np.eye(3)[t] if one_hot else t
    numerical = network.numerical_gradient(x, t)
    for key, grad in network.gradient(x, t).items():
        assert np.abs(grad - numerical[key]).max() < NUMERICAL, key


def test_numerical_gradient_sees_a_wrong_one(rng):
    network = net(rng)
    x, t = rng.standard_normal((7, 6)), rng.integers(3, size=7)
    wrong = network.gradient(x, t)["W1"] * (1 + 1e-3)
    assert np.abs(wrong - network.numerical_gradient(x, t)["W1"]).max() > NUMERICAL


@pytest.mark.parametrize(
    ("rule", "std"),
    [("he", math.sqrt(2 / 784)), ("relu", math.sqrt(2 / 784)), ("xavier", math.sqrt(1 / 784)),
     ("sigmoid", math.sqrt(1 / 784)), ("He", math.sqrt(2 / 784)), (0.01, 0.01), (0, 0.0)],
)  # fmt: skip  # a rule and what it means
def test_weights_are_std_times_the_draws(rule, std):
    network = MultiLayerNet(784, [20], 10, weight_init_std=rule, rng=np.random.default_rng(3))
    draws = np.random.default_rng(3)
    np.testing.assert_array_equal(network.params["W1"], std * draws.standard_normal((784, 20)))
    assert network.params["W2"].shape == (20, 10)
    assert not network.params["b1"].any()


def test_float32_is_rounded_once(rng):
    network = MultiLayerNet(784, [20], 10, rng=np.random.default_rng(3), dtype=np.float32)
    double = MultiLayerNet(784, [20], 10, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(network.params["W1"], double.params["W1"].astype(np.float32))
    x = np.ones((2, 784), np.float32)
    assert {grad.dtype for grad in network.gradient(x, np.array([0, 1])).values()} == {
        np.dtype(np.float32)
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"activation": "swish"}, "relu, sigmoid, tanh"),
        ({"weight_init_std": "glorot"}, "'sigmoid' or 'xavier'"),
        ({"weight_init_std": -0.1}, "at least 0"),
        ({"weight_init_std": math.nan}, "finite"),
        ({"weight_init_std": math.inf}, "finite"),
        ({"weight_init_std": None}, "'relu' or 'he'"),
        ({"input_size": 0}, "at least 1"),
        ({"hidden_size_list": [5, -1]}, "at least 1"),
        ({"output_size": 2.5}, "integer"),
        ({"weight_decay_lambda": -1}, "at least 0"),
    ],
)
def test_what_cannot_be_is_refused(rng, arguments, says):
    given = {"input_size": 4, "hidden_size_list": [3], "output_size": 2, "rng": rng}
    with pytest.raises(ValueError, match=says):
        MultiLayerNet(**(given | arguments))


def test_accuracy_and_predict(rng):
    network = net(rng)
    x = rng.standard_normal((7, 6))
    best = network.predict(x).argmax(axis=1)
    assert network.accuracy(x, best) == 1
    assert network.accuracy(x, np.eye(3)[(best + 1) % 3]) == 0


def test_training_lowers_the_loss(rng):
    network, optimizer = net(rng), scratch.SGD(lr=0.5)
    x, t = rng.standard_normal((7, 6)), rng.integers(3, size=7)
    first = network.loss(x, t)
    for _ in range(50):
        optimizer.update(network.params, network.gradient(x, t))
    assert network.loss(x, t) < first / 2


def test_sgd_changes_arrays_in_place(rng):
    params = {"W1": np.array([[1.0, 2.0]])}
    kept = params["W1"]
    scratch.SGD(lr=0.5).update(params, {"W1": np.array([[2.0, 4.0]])})
    assert params["W1"] is kept
    np.testing.assert_array_equal(kept, [[0.0, 0.0]])


def test_smooth_curve_is_the_books():
    raw = np.arange(10.0)
    np.testing.assert_array_equal(scratch.smooth_curve(raw), raw)
    # the formula of the book, in its own words
    x = np.sin(np.arange(50.0)) + 2
    window_len = 11
    s = np.r_[x[window_len - 1 : 0 : -1], x, x[-1:-window_len:-1]]
    w = np.kaiser(window_len, 2)
    y = np.convolve(w / w.sum(), s, mode="valid")
    np.testing.assert_array_equal(scratch.smooth_curve(x), y[5 : len(y) - 5])
    assert scratch.smooth_curve(list(x)).shape == x.shape
