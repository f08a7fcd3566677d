"""Sums in which rounding does not average out: equal terms, and matrices with one direction."""

import numpy as np
import pytest
import torch

from by_hand import deep
from by_hand.judged import at, compared
from by_hand.ways import WAYS, way
from compare.reference import added
from compare.reference.allowed import C, allowed
from compare.reference.amplification import amplification
from compare.reference.context import Context, within
from compare.reference.evaluate import Quantity, evaluate
from compare.reference.formats import FORMATS, format_of
from compare.reference.operations import convolution, products
from compare.reference.problems import UnsupportedError

SINGLE = FORMATS["float32"]


def one_by_one(terms):
    return np.add.accumulate(terms.astype(np.float32), 0)[-1].astype(np.float64)


@pytest.mark.parametrize("n", [2, 33, 1000, 20000])
@pytest.mark.parametrize("kind", ["equal", "one sign", "both signs", "equal last", "zigzag"])
def test_adding_one_by_one_stays_within_what_is_allowed(n, kind):
    rng = np.random.default_rng(n)
    terms = {
        "equal": np.full((n, 3), 0.1),
        "one sign": rng.uniform(0.09, 0.1, (n, 3)),
        "both signs": rng.standard_normal((n, 3)),
        "equal last": np.concatenate([rng.standard_normal((n // 2, 3)), np.full((n, 3), 0.1)]),
        "zigzag": np.where(np.arange(n) % 10 == 0, -0.9, 0.1)[:, None] * np.ones(3),
    }[kind]
    terms = terms.astype(np.float32).astype(np.float64)
    with within(Context(SINGLE)):
        e2 = added.by_rows(torch.from_numpy(terms)).numpy()
    for order in (terms, terms[::-1]):
        off = np.abs(one_by_one(order) - terms.sum(0))
        assert (off <= C * SINGLE.u * np.sqrt(e2)).all()


@pytest.mark.parametrize("convolves", [False, True])
def test_a_product_may_start_at_its_bias(monkeypatch, convolves):
    rng = np.random.default_rng(0)
    n = 3000
    x, W = (rng.standard_normal(shape).astype(np.float32) / 300 for shape in ((8, n), (n, 5)))
    b = np.full(5, 1.1, np.float32)
    terms = np.concatenate([np.tile(b, (1, 8, 1)), x.T[:, :, None] * W[:, None, :]])
    off = one_by_one(terms)
    module = torch.nn.Conv1d(n, 5, 1) if convolves else torch.nn.Linear(n, 5)
    given = {"weight": torch.tensor(W.T.copy()), "bias": torch.tensor(b)}
    given["weight"] = given["weight"].unsqueeze(-1) if convolves else given["weight"]
    batch = torch.tensor(x).unsqueeze(-1) if convolves else torch.tensor(x)

    def worst():
        found = evaluate(module, lambda y, _: y.sum(), given, batch.double(), None, form=SINGLE)
        y = found.values[Quantity("output")]
        errors = np.abs(off - y.v.numpy().reshape(8, 5)) / np.sqrt(y.e2.numpy().reshape(8, 5))
        return errors.max() / SINGLE.u

    assert worst() <= C / 2
    monkeypatch.setattr(products, "started2", lambda c, n: 0.0)
    monkeypatch.setattr(convolution, "started2", lambda c, n: torch.zeros_like(c))
    assert worst() > C


def test_without_the_bound_equal_terms_would_be_outside(monkeypatch):
    terms = np.full((20000, 1), np.float32(0.1)).astype(np.float64)
    monkeypatch.setattr(added, "C", np.inf)
    with within(Context(SINGLE)):
        e2 = added.by_rows(torch.from_numpy(terms)).numpy()
    assert np.abs(one_by_one(terms) - terms.sum(0)) > 2 * SINGLE.u * np.sqrt(e2)


def counted(n, is_one):
    """How many of n terms are estimated to be such, of those that are sampled."""
    step = -(-n // added.SAMPLE)
    return step * sum(map(is_one, range(0, n, step)))


@pytest.mark.parametrize("n", [10, 5000])
def test_equal_terms_are_counted_in_their_column(n):
    terms = torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    terms[: n // 2, 0] = 0.3
    e2 = torch.ones_like(terms)
    with within(Context(SINGLE)):
        found = added.multiplicity(terms, e2)
        assert (found[: n // 2, 0] == n // 2).all()
        assert (found[:, 1] == 1).all() and (found[n // 2 :] == 1).all()
        assert added.multiplicity(terms[n // 2 :], e2[n // 2 :]) is None
        assert added.multiplicity(terms, e2 * 0) is None
        places = torch.arange(n) % 2
        assert added.multiplicity(terms, e2, torch.arange(n)) is None
        halved = added.multiplicity(terms, e2, places)
        for place in (0, 1):
            here = counted(n, lambda i, place=place: i < n // 2 and i % 2 == place)
            assert (halved[place : n // 2 : 2, 0] == here).all()


@pytest.mark.parametrize("n", [100, 5000])
def test_equal_terms_are_counted_among_those_that_are_exact(n):
    terms = torch.full((n, 1), 0.3, dtype=torch.float64)
    e2 = (torch.arange(n) % 7 == 0).double().unsqueeze(1)
    with within(Context(SINGLE)) as context:
        found = added.multiplicity(terms, e2)
        assert (found[::7, 0] == counted(n, lambda i: i % 7 == 0)).all()
        assert (found[1::7] == 1).all()
        least = context.format.floor2
        assert added.multiplicity(terms * 0, e2 * least) is None, "a 0 of the format's floor"
        small = terms * 1e-30  # errs by its own rounding, which is no more than some floors
        assert torch.equal(added.multiplicity(small, small**2 * e2), found)


def test_amplification_is_that_of_the_transpose_and_of_the_opposite():
    rng = torch.Generator().manual_seed(0)
    W = torch.rand(30, 20, generator=rng, dtype=torch.float64) + 0.5
    with within(Context()) as context:
        k = amplification(W)
        assert k > 10  # one direction: up to the smaller side, 20
        assert amplification(W.T) == k
        assert len(context.amplifications) == 1
        assert amplification(-W) == k
        W.mul_(2)
        amplification(W)
        assert len(context.amplifications) == 3  # written to: another version
        assert amplification(torch.randn(60, 40, generator=rng, dtype=torch.float64)) < 1.5
        half = torch.ones(8, 8, dtype=torch.float64)
        half[:, 4:] = -1
        assert amplification(half) > 3


def odd(kind, dtype):
    rng = np.random.default_rng(5)
    network = deep.network([20, 30, 10])
    rows = 1000 if "rows" in kind else 40
    x, t = rng.random((rows, 20)), rng.integers(0, 10, rows)
    if "equal" in kind:
        x[:] = x[0]
    if "blank" in kind:
        x[: rows // 2] = 0
    params = {}
    for name, p in network.module().named_parameters():
        params[name] = rng.standard_normal(tuple(p.shape)) * 0.3
        if "negative" in kind:
            params[name] = -np.abs(params[name]) if p.dim() == 2 else np.abs(params[name]) + 9
    return at(network, {k: v.astype(dtype) for k, v in params.items()}, x, t, dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["equal rows", "half of the rows blank", "negative weights"])
def test_odd_data_and_parameters_in_every_way(kind, dtype):
    problem = odd(kind, dtype)
    for name in WAYS:
        assert max(compared(problem, way(name, dtype)).values()) <= C


def test_what_is_allowed_of_parts_adds_up_to_the_whole():
    e2 = torch.arange(1.0, 13, dtype=torch.float64).reshape(3, 4)
    whole = allowed(e2, SINGLE.u)
    assert whole == C * SINGLE.u * e2.sum().sqrt()
    for axes in ((0,), (1,), (0, 1)):
        assert torch.allclose(allowed(e2, SINGLE.u, axes).square().sum(), whole.square())


def test_a_product_of_parameters_counts_as_one(monkeypatch):
    """W1 W2 of a factorized layer amplifies as one matrix."""

    class Factorized(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = (torch.nn.Parameter(torch.rand(9, 9)) for _ in range(2))

        def forward(self, x):
            W = self.a @ self.b
            return x @ W @ W @ W

    x, t = torch.rand(4, 9).double(), torch.zeros(4, 9).double()
    net, output = Factorized(), Quantity("output")
    loss = torch.nn.functional.mse_loss
    found = evaluate(net, loss, {}, x, t).values[output].e2
    monkeypatch.setattr(products, "amplification", lambda W: 1.0)
    without = evaluate(net, loss, {}, x, t).values[output].e2
    assert found.sum() > 1.5 * without.sum()


def test_a_format_that_is_not_known_is_not_judged_as_another():
    with pytest.raises(UnsupportedError, match=r"longdouble.*float64, float32"):
        format_of("longdouble")
    assert format_of("float32") is SINGLE
