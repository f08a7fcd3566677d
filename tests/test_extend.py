"""BatchNorm and Dropout: scratch against its own definition, against torch, within rounding."""

import numpy as np
import pytest
import torch

import scratch
import torch_ref
from compare.architecture import Extras
from compare.evaluation import Convention, Mode
from compare.judge import judge_values
from compare.judgement import first_failing
from compare.rounding import unit_roundoff
from compare.rules import Derived
from compare.torch_network import Reference
from planted_bugs.extended import BATCHNORM, DROPOUT
from planting import planted
from sampled import one_in
from scratch import BatchNormalization, Dropout, MultiLayerNetExtend
from scratch.layers_extend import BatchNormalization as Base
from test_scratch_net import NUMERICAL

SIZES = (11, 13, 6, 5)
TORCH = {"eps": 1e-5, "unbiased": True, "initial_var": 1.0}


class Stepwise(Base):
    """Goes back through mean and variance one by one, as the book does."""

    def backward(self, dout):
        rows = len(dout)
        self.dbeta, self.dgamma = dout.sum(axis=0), np.sum(self.xn * dout, axis=0)
        dxn, xc = self.gamma * dout, self.xn * self.std
        dstd = -np.sum((dxn * xc) / (self.std * self.std), axis=0)
        dxc = dxn / self.std + (2.0 / rows) * xc * (0.5 * dstd / self.std)
        return dxc - np.sum(dxc, axis=0) / rows


class Folded(Base):
    """var = mean(x^2) - mean^2, and one factor and one shift for each unit."""

    def forward(self, x, train_flg=True):
        mean, var = self.running_mean, self.running_var
        if train_flg:
            mean = x.mean(axis=0)
            var = np.maximum((x**2).mean(axis=0) - mean**2, 0)
            self._move(mean, var, len(x))
        self.std = np.sqrt(var + self.eps)
        self.xn = (x - mean) / self.std
        factor = self.gamma / self.std
        return x * factor + (self.beta - mean * factor)


def network(
    rng, kind=None, *, activation="tanh", batchnorm=TORCH, ratio=None, package=scratch, **options
):
    """Return a network with every parameter away from its start."""
    net = package.MultiLayerNetExtend(
        SIZES[0], SIZES[1:-1], SIZES[-1], activation, 1.0, options.pop("decay", 0),
        ratio is not None, ratio or 0, batchnorm is not None,
        batchnorm=batchnorm, rng=rng, dropout_rng=rng, **options,
    )  # fmt: skip  # the book's arguments, then ours
    for value in net.params.values():
        value += rng.standard_normal(value.shape).astype(value.dtype) / 3
    for layer in net.layers.values():
        if isinstance(layer, package.BatchNormalization):
            layer.__class__ = kind or layer.__class__
            layer.running_mean += rng.standard_normal(layer.running_mean.shape).astype(
                layer.running_mean.dtype
            )
    return net


def batch(rng, dtype=np.float64, rows=7):
    return rng.standard_normal((rows, SIZES[0])).astype(dtype), rng.integers(SIZES[-1], size=rows)


def running_of(net):
    return {
        f"{name}{key.removeprefix('BatchNorm')}": getattr(layer, name).copy()
        for key, layer in net.layers.items()
        if key.startswith("BatchNorm")
        for name in ("running_mean", "running_var")
    }


def judged(net, x, t, convention, dtype, decay=0.0, activation="tanh"):
    """Return the judgements of a step in training, and of what the network computes afterwards."""
    masks = {key: layer for key, layer in net.layers.items() if key.startswith("Dropout")}
    ratio = next(iter(masks.values())).dropout_ratio if masks else None
    reference = Reference(SIZES, activation, decay, Extras(bool(running_of(net)), ratio))
    before = running_of(net)
    actual = net.gradient(x, t)
    mode = Mode(True, before, [layer.mask for layer in masks.values()])
    e = reference.evaluate(net.params, x, t, convention, mode)
    assert not e.errors(dtype).on_edge.any()
    judgements = judge_values(actual | running_of(net), e, Derived(e, dtype), "training")
    after = reference.evaluate(net.params, x, t, convention, Mode(False, running_of(net)),
                               gradients=False)  # fmt: skip  # as above
    actual = {"logits": net.predict(x), "loss": net.loss(x, t)}
    return judgements + judge_values(actual, after, Derived(after, dtype), "afterwards")


@pytest.mark.parametrize("batchnorm", [None, {}, TORCH])
def test_gradient_is_the_numerical_one(rng, batchnorm):
    net = network(rng, batchnorm=batchnorm, ratio=None if batchnorm else 0.0, decay=0.1)
    x, t = batch(rng)
    numerical = net.numerical_gradient(x, t)
    for key, grad in net.gradient(x, t).items():
        assert np.abs(grad - numerical[key]).max() < NUMERICAL, key


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", [None, Stepwise, Folded])
@pytest.mark.parametrize("book", [True, False])
@pytest.mark.parametrize("ratio", [None, 0.3])
@pytest.mark.parametrize("activation", one_in(3, ["relu", "sigmoid", "tanh"]))
def test_correct_code_stays_within_what_is_allowed(rng, dtype, kind, book, ratio, activation):
    batchnorm = {"initial_var": 1.0} if book else TORCH
    net = network(rng, kind, activation=activation, batchnorm=batchnorm, ratio=ratio,
                  inverted=not book, decay=0.01, dtype=dtype)  # fmt: skip  # one call
    book_s = Convention(variance_epsilon=10e-7, unbiased=False, inverted=False)
    x, t = batch(rng, dtype)
    judgements = judged(net, x, t, book_s if book else Convention(), dtype, 0.01, activation)
    assert first_failing(judgements) is None
    assert len(judgements) == 6 + 4 + 4 + 2


def package_with(bug):
    """Return the package scratch with the bug in it."""
    with planted(bug):
        import scratch as wrong

        return wrong


def seen(bug, dtype):
    """Return the first failing judgement of a network with this BatchNorm."""
    rng = np.random.default_rng(0)
    net = network(rng, package=package_with(bug), dtype=dtype)
    net.params["W1"] *= dtype(0.05)  # small variances, where an epsilon shows
    return first_failing(judged(net, *batch(rng, dtype), Convention(), dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bug", BATCHNORM, ids=lambda bug: bug.name)
def test_mistakes_in_batchnorm_are_seen(bug, dtype):
    if bug.name == "float32 variance" and dtype == np.float32:
        pytest.skip("the same in float32")
    first = seen(bug, dtype)
    assert first and first.quantity.startswith(bug.quantity)


def seen_dropout(bug, dtype):
    """Return the first failing judgement of a network in which dropout is wrong."""
    rng = np.random.default_rng(0)
    options = {"batchnorm": None, "ratio": 0.3, "inverted": True, "dtype": dtype}
    net = network(rng, package=package_with(bug), **options)
    return first_failing(judged(net, *batch(rng, dtype), Convention(), dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bug", DROPOUT, ids=lambda bug: bug.name)
def test_mistakes_in_dropout_are_seen(bug, dtype):
    assert seen_dropout(bug, dtype)


def test_masks_follow_the_draws():
    """Two generators with one seed: the masks of both stacks are one, in every dtype."""
    ours = Dropout(0.3, rng=np.random.default_rng(5))
    theirs = torch_ref.Dropout(0.3, np.random.default_rng(5))
    for dtype in (np.float64, np.float32):
        ours.forward(np.ones((7, 11), dtype))
        theirs(torch.ones(7, 11))
        np.testing.assert_array_equal(ours.mask, theirs.mask.numpy())
    assert 0.5 < ours.mask.mean() < 0.9


def test_torch_ref_is_torch_s_own(rng):
    """With torch's own Dropout's mask, ours gives the bits of torch's own."""
    x = torch.tensor(rng.standard_normal((7, 11)))
    own = torch.nn.Dropout(0.3)(x)
    replayed = torch_ref.Dropout(0.3)
    replayed.given = own != 0
    # torch multiplies with 1 / (1 - p), which is rounded, and rounds; ours divides, and rounds.
    torch.testing.assert_close(replayed(x), own, rtol=3 * unit_roundoff(np.float64), atol=0)
    replayed.eval()
    assert torch.equal(replayed(x), x)
    with pytest.raises(ValueError, match="generator, or a mask"):
        torch_ref.Dropout(0.3)(x)


def test_an_unbiased_variance_needs_two_rows():
    layer = BatchNormalization(np.ones(3), np.zeros(3), unbiased=True)
    with pytest.raises(ValueError, match="at least 2"):
        layer.forward(np.ones((1, 3)))


def test_running_statistics_are_those_of_torch(rng):
    net = network(rng)
    reference = torch_ref.MultiLayerNetExtend(
        SIZES[0], SIZES[1:-1], SIZES[-1], "tanh", batchnorm=True,
        draws=[np.zeros(s) for s in ((11, 13), (13, 6), (6, 5))],
    )  # fmt: skip  # shape, then the rest
    torch_ref.load_params(reference, net.params)
    torch_ref.load_running(reference, running_of(net))
    evaluator = Reference(SIZES, "tanh", extras=Extras(batchnorm=True))
    allowed = dict.fromkeys(running_of(net), 0.0)
    for _ in range(3):
        x, t = batch(rng)
        e = evaluator.evaluate(net.params, x, t, mode=Mode(True, running_of(net)))
        for key in allowed:  # what one batch errs at most; of what came before, 0.9 is left
            allowed[key] += Derived(e, np.float64).allowed(key)
        net.gradient(x, t)
        reference(torch.tensor(x))
    theirs = torch_ref.to_running(reference)
    for key, value in running_of(net).items():
        assert np.linalg.norm(value - theirs[key]) <= allowed[key]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"use_dropout": True, "dropout_ration": 1.0}, "below 1"),
        ({"use_dropout": True, "dropout_ration": -0.1}, "at least 0"),
    ],
)
def test_what_cannot_be_is_refused(rng, arguments, says):
    with pytest.raises(ValueError, match=says):
        MultiLayerNetExtend(4, [3], 2, rng=rng, **arguments)


def test_plain_extend_is_the_plain_network(rng):
    """Without BatchNorm and Dropout, every bit is that of MultiLayerNet."""
    x, t = batch(rng)
    make = {"rng": np.random.default_rng(3)}
    plain = scratch.MultiLayerNet(11, [13, 6], 5, weight_decay_lambda=0.1, **make)
    make = {"rng": np.random.default_rng(3)}
    extended = MultiLayerNetExtend(11, [13, 6], 5, weight_decay_lambda=0.1, **make)
    assert plain.loss(x, t) == extended.loss(x, t)
    theirs = extended.gradient(x, t)
    for key, value in plain.gradient(x, t).items():
        np.testing.assert_array_equal(value, theirs[key])
