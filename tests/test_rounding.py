"""The allowed error: wide enough for correct code however it computes, and no wider than it is."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compare.judge import judge_values
from compare.optimiser import Optimiser
from compare.reference.allowed import C
from compare.reference.evaluate import Evaluated, Quantity, evaluate
from compare.reference.formats import format_of
from compare.reference.operations import products
from compare.rounding import Step, unit_roundoff, update_allowed
from compare.rules import Derived, OfValue
from compare.stimuli import Stimuli, without_kink_rows
from compare.torch_network import Reference
from scratch import MultiLayerNet

PRODUCTS = {
    "einsum": lambda a, b: np.einsum("ij,jk->ik", a, b),
    "one term after the other": lambda a, b: sum(
        (np.outer(a[:, k], b[k]) for k in range(a.shape[1])),
        np.zeros((len(a), b.shape[1]), a.dtype),
    ),
    "transposed": lambda a, b: (b.T @ a.T).T,
    "row by row": lambda a, b: np.stack([row @ b for row in a]),
}


def other_way(params, x, t, activation, product):
    """Return loss and gradients as somebody else may write them."""
    layers = len(params) // 2
    a, z = [x], x
    for i in range(1, layers + 1):
        z = product(a[-1], params[f"W{i}"]) + params[f"b{i}"]
        if i < layers:
            with np.errstate(over="ignore"):
                a.append({"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh,
                          "sigmoid": lambda z: 1 / (1 + np.exp(-z))}[activation](z))  # fmt: skip
    m = z.max(axis=1, keepdims=True)
    e = np.exp(z - m)
    total = sum((e[:, [j]] for j in range(e.shape[1])), np.zeros((len(e), 1), e.dtype))
    loss = np.mean(m[:, 0] + np.log(total[:, 0]) - z[np.arange(len(t)), t])
    d = e / total
    d[np.arange(len(t)), t] -= 1
    d /= len(t)
    grads = {}
    for i in range(layers, 0, -1):
        grads[f"W{i}"] = product(a[i - 1].T, d)
        grads[f"b{i}"] = sum(d, np.zeros(d.shape[1], d.dtype))
        if i > 1:
            h, out = product(d, params[f"W{i}"].T), a[i - 1]
            d = {"relu": lambda h, o: h * (o > 0), "tanh": lambda h, o: h * (1 - o * o),
                 "sigmoid": lambda h, o: h * (1 - o) * o}[activation](h, out)  # fmt: skip
    return loss, grads


@st.composite
def networks(draw):
    depth = draw(st.integers(1, 5))
    sizes = [draw(st.integers(1, 40)) for _ in range(depth)] + [draw(st.integers(2, 12))]
    return (
        tuple(sizes),
        draw(st.sampled_from(["relu", "sigmoid", "tanh"])),
        draw(st.sampled_from([np.float64, np.float32])),
        draw(st.integers(1, 40)),
        draw(st.sampled_from([0.01, 0.3, 1.0, 5.0, 30.0])),
        draw(st.integers(0, 2**32)),
    )


def case(network):
    """Return parameters, a batch without kinks, the reference's evaluation and what it allows."""
    sizes, activation, dtype, rows, scale, seed = network
    stimuli = Stimuli(sizes, dtype, np.random.default_rng(seed))
    stimulus = stimuli.plain()
    params = {
        key: value * dtype(scale if key[0] == "W" else 1) for key, value in stimulus.params.items()
    }
    x, t = stimuli.batch(rows)
    x[::3] = 0
    reference = Reference(sizes, activation)
    kept = without_kink_rows(type(stimulus)("", params, x, t), reference)
    if kept is None:
        return None
    e = reference.evaluate(params, kept.x, kept.t)
    return params, kept, e, Derived(e, dtype)


def worst_score(actual_loss, actual, e, rule):
    judged = judge_values({"loss": actual_loss, **actual}, e, rule, "")
    return max(judgement.score for judgement in judged)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(networks(), st.sampled_from(sorted(PRODUCTS)))
def test_correct_code_stays_within_what_is_allowed(network, product):
    found = case(network)
    if found is None:
        return
    params, batch, e, rule = found
    net = MultiLayerNet(
        network[0][0], network[0][1:-1], network[0][-1], network[1],
        rng=np.random.default_rng(0), dtype=network[2],
    )  # fmt: skip  # shape, then the rest
    for key, value in params.items():
        net.params[key][...] = value
    ours = net.loss(batch.x, batch.t), net.gradient(batch.x, batch.t)
    theirs = other_way(params, batch.x, batch.t, network[1], PRODUCTS[product])
    assert worst_score(*ours, e, rule) < 1
    if np.isfinite(theirs[0]):
        assert worst_score(*theirs, e, rule) < 1


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_what_is_allowed_is_no_wider_than_a_thousand_roundings(activation):
    """A mistake of 1e-12 in any one tensor or column is outside it, in float64."""
    _, _, e, rule = case(((30, 20, 20, 5), activation, np.float64, 7, 1.0, 0))
    for key, grad in e.grads.items():
        assert rule.allowed(key) < 1e-12 * np.linalg.norm(grad), key


def test_allowed_error_scales_with_the_network():
    """Scale-free: the data and W1 by inverse powers of two change W1's gradient, not the ratio."""
    stimulus = Stimuli((9, 7, 3), np.float64, np.random.default_rng(0)).plain()
    reference = Reference((9, 7, 3), "tanh")
    factor = 2.0**-40
    scaled = {**stimulus.params, "W1": stimulus.params["W1"] / factor}
    ratios = []
    for params, x in ((stimulus.params, stimulus.x), (scaled, stimulus.x * factor)):
        e = reference.evaluate(params, x, stimulus.t)
        ratios.append(Derived(e, np.float64).allowed("W1") / np.linalg.norm(e.grads["W1"]))
    assert ratios[0] == ratios[1]


def test_kinks_are_found_and_exact_zeros_are_none():
    params = {"W1": np.eye(2), "b1": np.zeros(2), "W2": np.ones((2, 2)), "b2": np.zeros(2)}
    x = np.array([[1.0, -1.0], [0.0, 0.0], [1.0, 1e-18], [1.0, 1e-12]])
    params["W1"][0, 1] = 0.0
    params["b1"][1] = 0.0
    e = Reference((2, 2, 2), "relu").evaluate(params, x, np.zeros(4, int))
    assert e.errors(np.float64).on_edge.tolist() == [False, False, False, False]
    params["W1"][0, 1] = 1.0  # 1 * x0 + 1 * x1 now cancels in the first row, to exactly 0
    e = Reference((2, 2, 2), "relu").evaluate(params, x, np.zeros(4, int))
    assert e.errors(np.float64).on_edge.tolist() == [True, False, False, False]


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
def test_update_bound_holds_for_sgd_and_sees_a_wrong_lr(rng, dtype):
    theta = rng.standard_normal(10_000).astype(dtype)
    grad = (rng.standard_normal(10_000) * 10.0 ** rng.uniform(-8, 2, 10_000)).astype(dtype)
    lr = 0.01
    after = theta - lr * grad
    change = lr * grad.astype(np.float64)
    expected = theta.astype(np.float64) - change
    step = Step(theta, grad.astype(np.float64), {}, 1)
    allowed = update_allowed(Optimiser("sgd", lr), step, expected, dtype)["W"]
    assert (np.abs(after - expected) <= allowed).all()
    wrong = theta - lr * (1 + 64 * unit_roundoff(dtype)) * grad
    assert (np.abs(wrong - expected) > allowed).any()


def test_floors_of_the_formats_change_no_digit_of_an_allowed_error():
    e = case(((4, 3), "relu", np.float32, 3, 1.0, 0))[2]
    least = min(np.abs(grad[grad != 0]).min() for grad in e.grads.values())
    for name in ("float32", "float64"):
        form = format_of(name)
        assert form.floor2**0.5 < form.u**2 * least


@pytest.mark.parametrize(
    ("shape", "at", "part"),
    [((50, 40), (3, 5), "element 3, 5"), ((9, 8, 7), (1, 2, 3), "element 1, 2, 3"),
     ((50, 40), (3, slice(None)), "row 3"), ((9, 8, 7), (1,), "slice 1 along axis 0")],
)  # fmt: skip  # a part a line
def test_a_part_that_alone_is_off_is_seen_and_called(shape, at, part):
    """1.5 C u in each element of a part, where E is 1: much less than is allowed to the whole."""
    ones = torch.ones(shape, dtype=torch.float64)
    u = unit_roundoff(np.float64)
    rule = OfValue(Evaluated(ones, ones), u)
    error = np.zeros(shape)
    error[at] = 1.5 * C * u
    found = rule.extent("W1", error, ones.numpy())
    assert found.part.endswith(part) and found.error > found.allowed
    assert np.linalg.norm(error) < rule.allowed(), "the whole does not show it"
    whole = rule.extent("W1", 0.5 * error, ones.numpy())
    assert whole.part == "its size" and whole.error <= whole.allowed


def test_an_operand_that_stands_twice_is_no_two_errors():
    """Columns far from 0 that vary little: the folded form and one pass are right, and not wide."""
    rng = np.random.default_rng(0)
    x = torch.tensor((0.5 + 0.005 * rng.standard_normal((7, 5))).astype(np.float32)).double()
    module, form = torch.nn.BatchNorm1d(5, dtype=torch.float64), format_of("float32")
    found = evaluate(module, lambda y, _: y.sum(), {}, x, None, form=form)
    value = found.values[Quantity("output")]
    single = x.numpy().astype(np.float32)
    mean = single.mean(axis=0)
    var = (single * single).mean(axis=0) - mean * mean
    scale = 1 / np.sqrt(var + np.float32(1e-5))
    folded = single * scale - mean * scale
    off = np.linalg.norm(folded.astype(np.float64) - value.v.numpy())
    size = float(np.linalg.norm(value.v.numpy()))
    assert off < OfValue(value, form.u).allowed() < 0.1 * size


def test_equal_weights_round_alike(monkeypatch):
    """What is added is equal and rounds the same way; without its bound half is soon reached."""
    sizes, rng = (13, 1000, 1000, 10), np.random.default_rng(0)
    net = MultiLayerNet(sizes[0], sizes[1:-1], sizes[-1], "tanh", rng=rng)
    for key in ("W1", "W2", "W3"):
        net.params[key][...] = 1 / len(net.params[key])
    x, t = rng.random((1, sizes[0])), np.zeros(1, int)

    def worst():
        e = Reference(sizes, "tanh").evaluate(net.params, x, t)
        return worst_score(net.loss(x, t), {"logits": net.predict(x)}, e, Derived(e, np.float64))

    granted = worst()
    monkeypatch.setattr(products, "_dominance", lambda _: 0.0)
    assert granted < 0.5 < worst()
