"""A module evaluated with its errors: nothing is lost, nothing outside is touched."""

import copy
import math
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from compare.reference import rules
from compare.reference.allowed import allowed
from compare.reference.evaluate import Quantity, evaluate
from compare.reference.formats import FORMATS
from compare.reference.problems import UnsupportedError

X = torch.linspace(-1, 1, 5 * 4, dtype=torch.float64).reshape(5, 4).sin() + 0.1
T = torch.tensor([0, 2, 1, 2, 0])


def params(module):
    return {name: p.detach().double() for name, p in module.named_parameters()}


def run(module, x=X, t=T, loss=F.cross_entropy, **options):
    return evaluate(module, loss, params(module), x, t, **options)


def errors(evaluation):
    return {q: v.e2 for q, v in evaluation.values.items()}


def assert_close(value, expected):
    """Judge `expected`, which was computed in float64, too, by the errors of the value."""
    error = torch.linalg.vector_norm(value.v - expected)
    assert error <= allowed(value.e2, FORMATS["float64"].u)


def assert_same(first, second):
    assert list(first.values) == list(second.values)
    for quantity, one in first.values.items():
        assert torch.equal(one.v, second.values[quantity].v)
        assert (one.e2 is None) == (second.values[quantity].e2 is None)
        assert one.e2 is None or torch.equal(one.e2, second.values[quantity].e2)


class Forward(nn.Module):
    """A module of one function of (self, x), with two layers to use."""

    def __init__(self, forward):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 3)
        self.register_buffer("scale", torch.tensor([1.0, 0.5, 2.0]))
        self.kept = torch.ones(5, 3)
        self.call = forward

    def forward(self, x):
        return self.call(self, x)


def plain(self, x):
    return self.second(torch.tanh(self.first(x)))


def into_a_slice(self, x):
    y = torch.zeros(5, 3)
    y[:, :] = plain(self, x)
    return y


def row_by_row(self, x):
    y = x.new_zeros(5, 3)
    for i in range(5):
        y[i] = plain(self, x[i : i + 1])[0]
    return y


def in_place(self, x):
    h = self.first(x)
    h.tanh_()
    y = self.second(h)
    y += 0
    return y


def through_a_buffer(self, x):
    self.scale.copy_(self.scale * 0 + 1)
    return plain(self, x) * self.scale


def through_an_attribute(self, x):
    self.kept[:] = plain(self, x)
    return self.kept * 1


def through_out(self, x):
    y = torch.zeros(5, 3)
    with torch.no_grad():
        torch.add(self.scale, 1, out=y[0])
    return plain(self, x) + 0 * y


WAYS = [into_a_slice, row_by_row, in_place, through_a_buffer, through_an_attribute, through_out]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_whatever_way_it_is_written_the_error_arrives(way):
    expected, got = run(Forward(plain)), run(Forward(way))
    for quantity, value in expected.values.items():
        if quantity.kind in ("output", "loss", "gradient"):
            other = got.values[quantity]
            assert_close(other, value.v)
            assert (other.e2 >= 0.25 * value.e2).all()
            assert torch.linalg.vector_norm(other.e2) < 4 * torch.linalg.vector_norm(value.e2)


def test_every_value_has_an_error_and_stands_in_causal_order():
    found = run(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)))
    assert [f"{q.kind} {q.name}".strip() for q in found.values] == [
        *(f"module {i}" for i in range(4)),
        "output",
        "loss",
        "gradient 3.weight",
        "gradient 3.bias",
        "gradient 1.weight",
        "gradient 1.bias",
        "gradient 0.weight",
        "gradient 0.bias",
        "buffer 1.running_mean",
        "buffer 1.running_var",
        "buffer 1.num_batches_tracked",
    ] or {q.kind for q in found.values} == {"module", "output", "loss", "gradient", "buffer"}
    for quantity, value in found.values.items():
        if value.v.is_floating_point():
            assert value.e2.any(), quantity
    zero = found.values[Quantity("gradient", "0.bias")]  # a bias before a norm
    assert torch.linalg.vector_norm(zero.v) < 16 * 2**-53 * zero.e2.sum().sqrt()


def test_two_evaluations_are_equal_and_the_module_is_untouched():
    module = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    before = copy.deepcopy(module.state_dict())
    first, second = run(module), run(module)
    assert_same(first, second)
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert all(p.grad is None and type(p) is nn.Parameter for p in module.parameters())
    assert all(not part._forward_hooks for part in module.modules())
    kept = Forward(through_an_attribute)
    run(kept)
    assert torch.equal(kept.kept, torch.ones(5, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_default_dtype_is_restored(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        run(nn.Linear(4, 3).double())
        assert torch.get_default_dtype() == dtype
        with pytest.raises(ZeroDivisionError):
            run(Forward(lambda self, x: 1 / 0))
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(before)


def test_a_cast_below_float64_is_named_and_not_made():
    def cast(self, x):
        return self.second(torch.tanh(self.first(x)).float().to(torch.float64))

    class Inner(nn.Module):
        def forward(self, x):
            return x.half()

    found = run(Forward(cast))
    assert [(n.module, n.operation) for n in found.casts] == [("", "float32")]
    assert_same_values(found, run(Forward(plain)))
    found = run(nn.Sequential(nn.Linear(4, 3), Inner()))
    assert [(n.module, n.operation) for n in found.casts] == [("1", "float16")]
    assert not run(Forward(plain)).casts


def assert_same_values(first, second):
    for quantity in (Quantity("output"), Quantity("loss")):
        assert torch.equal(first.values[quantity].v, second.values[quantity].v)


def test_masks_that_are_given_are_dropouts():
    net = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.Linear(6, 3))
    mask = (torch.arange(30).reshape(5, 6) % 3 > 0) * 2.0
    found = run(net, masks=[mask])
    expected = F.linear(F.linear(X, *params(net[0]).values()) * mask, *params(net[2]).values())
    assert_close(found.values[Quantity("output")], expected)
    with pytest.raises(UnsupportedError, match=r"1: .*masks"):
        run(net)
    with pytest.raises(UnsupportedError, match=r"1: .*\(5, 6\)"):
        run(net, masks=[mask[:4]])
    run(net.eval())


def test_a_form_that_loses_the_error_is_an_error_of_ours(monkeypatch):
    assert "gelu" in rules.OF_VALUES
    monkeypatch.setitem(rules.FORMS, "gelu", lambda x, approximate="none": x.v.clone())
    with pytest.raises(AssertionError, match=r"gelu.* loses the error"):
        run(nn.Sequential(nn.Linear(4, 3), nn.GELU()))


def test_what_cannot_be_followed_is_named():
    outside = torch.zeros(5, 3, dtype=torch.float64)

    def writes_outside(self, x):
        outside[:] = plain(self, x)
        return outside

    with pytest.raises(UnsupportedError, match="made outside of the forward pass"):
        run(Forward(writes_outside))
    with pytest.raises(UnsupportedError, match="random numbers"):
        run(Forward(lambda self, x: plain(self, x + torch.randn(4))))
    with pytest.raises(UnsupportedError, match="writes into a parameter"):
        run(Forward(lambda self, x: plain(self, x) * self.second.bias.data.mul_(2).sum()))
    found = run(Forward(lambda self, x: plain(self, x) * self.first(x).sum().item()))
    assert [n.operation for n in found.read] == ["item"]


def test_an_operation_without_a_rule_is_named_and_measured():
    found = run(Forward(lambda self, x: self.second(torch.lgamma(self.first(x).exp()))))
    assert "lgamma" in {n.operation for n in found.unruled}
    assert found.values[Quantity("output")].e2.all()
    assert not run(Forward(plain)).unruled


def test_samples_on_a_kink_are_found():
    net = nn.Sequential(nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 3))
    weight = torch.ones(6, 4, dtype=torch.float64)
    x = X.clone()
    x[3] = torch.tensor([0.1, 0.2, -0.3, 1e-17], dtype=torch.float64)
    given = {**params(net), "0.weight": weight}
    found = evaluate(net, F.cross_entropy, given, x, T)
    assert {k.samples for k in found.kinks} == {(3,)}
    assert {(k.module, k.operation) for k in found.kinks} == {("1", "relu")}
    assert all(k.elements == 6 and k.margin < 1 for k in found.kinks)  # units that are equal
    x[3] = 0  # a blank row is no kink
    assert not evaluate(net, F.cross_entropy, given, x, T).kinks
    pooled = nn.Sequential(nn.Unflatten(1, (1, 4)), nn.MaxPool1d(4), nn.Flatten(), nn.Linear(1, 3))
    tied = torch.stack([X[0], X[1] * 0 + 0.3])
    tied = torch.cat([tied, tied[1:] + torch.tensor([0, 0, 1e-17, 0])])
    assert not run(pooled, tied, T[:3]).kinks  # given without error


def test_tied_parameters_are_one_and_unused_ones_are_named():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.out = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
            self.out.weight = self.embedding.weight
            self.unused = nn.Linear(2, 2)

        def forward(self, ids):
            return self.out(self.embedding(ids))

    ids = torch.tensor([1, 2, 2, 5, 2])
    found = run(Tied(), ids, torch.tensor([0, 1, 6, 3, 4]))
    gradients = [q.name for q in found.values if q.kind == "gradient"]
    assert gradients == ["embedding.weight"]
    assert found.without_gradient == ["unused.weight", "unused.bias"]


def test_a_loss_may_need_the_module():
    def penalized(output, t, module):
        return F.cross_entropy(output, t) + 0.1 * sum(p.square().sum() for p in module.parameters())

    net = nn.Linear(4, 3)
    found, without = run(net, loss=penalized), run(net)
    added = sum((p.detach().double() ** 2).sum() for p in net.parameters()) * 0.1
    loss = Quantity("loss")
    assert_close(found.values[loss], without.values[loss].v + added)
    assert found.values[loss].e2 > without.values[loss].e2


@pytest.mark.parametrize("name", ["tf32", "float16", "bfloat16"])
def test_other_formats_round_as_much_as_they_do(name):
    """The product of float16 is added up in float32; TF32 rounds its factors only."""
    net, form = nn.Linear(4, 3), FORMATS[name]
    torch.manual_seed(0)
    x = torch.randn(50, 4)
    dtype = form.dtype
    low = x.to(dtype)
    weight, bias = (p.detach().to(dtype) for p in net.parameters())
    given = {"weight": weight.double(), "bias": bias.double()}
    found = evaluate(net, F.mse_loss, given, low.double(), torch.zeros(50, 3), form=form)
    if name == "tf32":
        cut = [(y.view(torch.int32) + 0x1000 & -0x2000).view(torch.float32) for y in (low, weight)]
        actual = F.linear(*cut, bias)
    else:
        actual = F.linear(low.float(), weight.float(), bias.float()).to(dtype)
    value = found.values[Quantity("output")]
    ratio = torch.linalg.vector_norm(actual.double() - value.v) / (form.u * value.e2.sum().sqrt())
    assert 0.05 < ratio < 2


def test_on_the_meta_device():
    with torch.device("meta"):
        net = nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        )
        net.append(nn.Linear(4 * 3 * 3, 3))
        x, t = torch.zeros(5, 2, 8, 8), torch.zeros(5, dtype=torch.int64)
    found = evaluate(net, F.cross_entropy, {}, x, t)
    assert all(v.v.is_meta and (v.e2 is None or v.e2.is_meta) for v in found.values.values())
    assert sum(q.kind == "gradient" for q in found.values) == 6


def test_an_infinite_score_is_no_error():
    def masked(self, x):
        scores = self.second(torch.tanh(self.first(x)))
        hidden = torch.full((5, 3), 0.0).triu(1) > -1
        return scores.masked_fill(~hidden, -math.inf)

    found = run(Forward(masked))
    assert all(torch.isfinite(v.e2).all() for v in found.values.values() if v.e2 is not None)


def test_an_evaluation_needs_no_compiler():
    """torch's own modes, and operations of a subclass outside of a mode, import it, and sympy."""
    script = (
        "import sys, torch; from torch import nn; from compare.reference.evaluate import evaluate;"
        "layers = nn.BatchNorm1d(3), nn.ReLU(), nn.Dropout(0.0), nn.GELU(), nn.LayerNorm(3);"
        "x, t = torch.randn(4, 3), torch.tensor([0, 1, 2, 1]);"
        "net = nn.Sequential(nn.Linear(3, 3), *layers, nn.Linear(3, 3));"
        "evaluate(net, nn.functional.cross_entropy, {}, x, t);"
        "sys.exit(not {'torch._dynamo', 'sympy'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
