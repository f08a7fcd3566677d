"""Recurrent layers and attention written out in Python compute what torch's own do."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from compare.reference.composites import FORMS, Composites, written_out
from compare.reference.private import with_names

C = 16.0  # as in compare.reference.allowed: two right ways of adding a sum of n terms


@pytest.fixture(autouse=True)
def _float64():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def assert_equal_up_to_rounding(actual, expected, n):
    """n products are added up, in another order, to numbers of order 1."""
    for mine, right in zip(actual, expected, strict=True):
        size = 1 + torch.linalg.vector_norm(right)
        assert torch.linalg.vector_norm(mine - right) <= C * math.sqrt(n) * 2**-53 * size


def tensors(x):
    if isinstance(x, torch.Tensor):
        return [x]
    return [leaf for part in x if part is not None for leaf in tensors(part)]


def values(call, parameters):
    out = [x for x in tensors(call()) if x.is_floating_point()]
    weights = [torch.cos(torch.arange(x.numel()).double()).reshape(x.shape) for x in out]
    total = sum((w * x).sum() for w, x in zip(weights, out, strict=True))
    return [*out, *torch.autograd.grad(total, parameters, allow_unused=False)]


def both(call, parameters):
    expected = values(call, parameters)
    with Composites():
        return values(call, parameters), expected


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"batch_first": True}], ids=str)
def test_layers(kind, layers, bidirectional, packed, options):
    net = kind(3, 5, layers, bidirectional=bidirectional, **options)
    x = torch.randn(7, 4, 3)
    if packed:
        lengths = torch.tensor([7, 4, 4, 1])
        first = options.get("batch_first", False)
        x = x.transpose(0, 1) if first else x
        x = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=first)
    assert_equal_up_to_rounding(*both(lambda: net(x), list(net.parameters())), 7 * 5)


def test_projection_initial_state_relu_and_one_sequence():
    projected = nn.LSTM(3, 5, 2, proj_size=2, bidirectional=True)
    state = (torch.randn(4, 6, 2), torch.randn(4, 6, 5))
    x = torch.randn(7, 6, 3)
    result = both(lambda: projected(x, state), list(projected.parameters()))
    assert_equal_up_to_rounding(*result, 7 * 5)
    relu = nn.RNN(3, 5, nonlinearity="relu")
    result = both(lambda: relu(x[:, 0]), list(relu.parameters()))
    assert_equal_up_to_rounding(*result, 7 * 5)


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
@pytest.mark.parametrize("bias", [False, True])
def test_cells(cell, bias):
    net = cell(3, 5, bias)
    x, h = torch.randn(4, 3), torch.randn(4, 5)
    state = (h, torch.randn(4, 5)) if cell is nn.LSTMCell else h
    assert_equal_up_to_rounding(*both(lambda: net(x, state), list(net.parameters())), 5)


ATTENTIONS = {
    "plain": {},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.3},
    "bool": {"attn_mask": torch.tensor(np.tri(5, 6, 1) > 0)},
    "numbers": {"attn_mask": torch.tensor(np.tri(5, 6))},
}


@pytest.mark.parametrize("options", ATTENTIONS.values(), ids=ATTENTIONS)
def test_attention(options):
    q, k, v = (torch.randn(2, 3, n, 4, requires_grad=True) for n in (5, 6, 6))
    result = both(lambda: F.scaled_dot_product_attention(q, k, v, **options), [q, k, v])
    assert_equal_up_to_rounding(*result, 6)


def test_attention_in_which_queries_share_keys():
    q = torch.randn(2, 6, 5, 4, requires_grad=True)
    k, v = (torch.randn(2, 3, 5, 4, requires_grad=True) for _ in range(2))
    result = both(lambda: F.scaled_dot_product_attention(q, k, v, enable_gqa=True), [q, k, v])
    assert_equal_up_to_rounding(*result, 6)


SEEN = torch.arange(6) < torch.tensor([4, 6, 0, 1, 6])[:, None]
MASKS = {"bool": SEEN, "numbers": torch.zeros(5, 6).double().masked_fill(~SEEN, -torch.inf)}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_query_that_sees_no_key_gets_zero_and_sends_back_nothing(mask):
    q, k, v = (torch.randn(2, 3, n, 4, requires_grad=True) for n in (5, 6, 6))
    actual, expected = both(
        lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=mask), [q, k, v]
    )
    assert_equal_up_to_rounding(actual, expected, 6)
    assert not actual[0][..., 2, :].any() and not actual[1][..., 2, :].any()


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_an_empty_batch_stays_one(kind):
    net = kind(3, 5)
    with Composites():
        actual = tensors(net(torch.randn(7, 0, 3)))
    assert [x.shape for x in actual] == [x.shape for x in tensors(net(torch.randn(7, 0, 3)))]


X = torch.arange(7 * 4 * 3, dtype=torch.float64).sin().reshape(7, 4, 3)
USES = {
    "rnn_tanh": (lambda: nn.RNN(3, 5)(X), torch.rnn_tanh),
    "rnn_relu": (lambda: nn.RNN(3, 5, nonlinearity="relu")(X), torch.rnn_relu),
    "lstm": (lambda: nn.LSTM(3, 5)(X), torch.lstm),
    "gru": (lambda: nn.GRU(3, 5)(X), torch.gru),
    "rnn_tanh_cell": (lambda: nn.RNNCell(3, 5)(X[0]), torch.rnn_tanh_cell),
    "rnn_relu_cell": (lambda: nn.RNNCell(3, 5, nonlinearity="relu")(X[0]), torch.rnn_relu_cell),
    "lstm_cell": (lambda: nn.LSTMCell(3, 5)(X[0]), torch.lstm_cell),
    "gru_cell": (lambda: nn.GRUCell(3, 5)(X[0]), torch.gru_cell),
    "attention": (
        lambda: F.scaled_dot_product_attention(X, X, X),
        F.scaled_dot_product_attention,
    ),
    "MultiheadAttention": (
        lambda: nn.MultiheadAttention(3, 1)(X, X, X, need_weights=False),
        F.scaled_dot_product_attention,
    ),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(3, 1, 6, batch_first=True).eval()(X),
        F.scaled_dot_product_attention,
    ),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(3, 1, 6).eval()(X, X),
        F.scaled_dot_product_attention,
    ),
}


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("use", USES)
def test_the_form_is_what_is_called(use, grad, monkeypatch):
    call, function = USES[use]
    calls, form = [], FORMS[function]
    monkeypatch.setitem(FORMS, function, lambda *a, **kw: (calls.append(use), form(*a, **kw))[1])
    with torch.set_grad_enabled(grad), written_out():
        call()
    assert len(calls) == (2 if use == "TransformerDecoderLayer" else 1)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("need_weights", [False, True])
def test_multi_head_attention(padded, need_weights):
    net = nn.MultiheadAttention(4, 2, batch_first=True, add_bias_kv=True)
    x = torch.randn(2, 3, 4)
    mask = torch.tensor([[False, False, True], [False, False, False]]) if padded else None
    result = both(
        lambda: net(x, x, x, key_padding_mask=mask, need_weights=need_weights),
        list(net.parameters()),
    )
    assert_equal_up_to_rounding(*result, 4)


def test_a_name_that_torchs_function_no_longer_uses_is_an_error():
    with pytest.raises(LookupError, match="multi_head_attention_forward does not use another"):
        with_names(F.multi_head_attention_forward, another=None)


def test_a_wrong_form_is_seen(monkeypatch):
    net = nn.LSTM(3, 5)
    x = torch.randn(7, 4, 3)
    right = FORMS[torch._VF.lstm]
    monkeypatch.setitem(FORMS, torch._VF.lstm, lambda x, *rest: right(-x, *rest))
    with pytest.raises(AssertionError):
        assert_equal_up_to_rounding(*both(lambda: net(x), list(net.parameters())), 7 * 5)


def test_attention_inside_torchs_own_functions_is_taken_apart():
    seen = []

    class Seen(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(func._schema.name)
            return func(*args, **(kwargs or {}))

    net = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True).eval()
    before = torch.backends.mha.get_fastpath_enabled()
    with written_out(), Seen(), torch.no_grad():
        net(torch.randn(2, 3, 4))
    assert {"aten::_softmax", "aten::_safe_softmax"} & set(seen)
    assert not any("attention" in name or "encoder" in name for name in seen)
    assert torch.backends.mha.get_fastpath_enabled() == before
