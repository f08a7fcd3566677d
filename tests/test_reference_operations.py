"""Each rule of the arithmetic of rounding: what arrives, what is rounded, in place, in a slice."""

import numpy as np
import pytest
import torch

import compare.reference.operations  # noqa: F401 # enters the rules
from compare.reference.allowed import C
from compare.reference.context import Context, within
from compare.reference.formats import FORMATS
from compare.reference.rounded import Rounded
from reference_operations import OPERATIONS, Operation

by_name = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
MET = 0.5**0.5
LARGE = 1e6  # an error that arrives, in units of u: what is rounded besides is nothing beside it


def drawn(operation: Operation, seed: int = 0) -> list[torch.Tensor]:
    return operation.draw(np.random.default_rng(seed))


def rounded(operands, errors, *, gradient=False):
    return [
        Rounded(v, e * e).requires_grad_(gradient) for v, e in zip(operands, errors, strict=True)
    ]


def first_order(call, operands, errors):
    """E of what arrives: each element of an operand by itself, through the derivative."""
    out = call(*operands)
    squares = torch.zeros(out.numel())
    made = torch.autograd.functional.jacobian(call, tuple(operands))
    for J, x, e in zip(made, operands, errors, strict=True):
        squares = squares + J.reshape(out.numel(), x.numel()).square() @ e.flatten().square()
    return squares.sqrt().reshape(out.shape)


def assert_arrives(operation, operands, errors):
    """Every element has what arrives at first order, or more; return how much more.

    The errors of intermediate results are added as if they were independent: of x - mean(x), whose
    two terms have x in common, less would be right; of x sigmoid(x) up to the root of two more.
    """
    with within(Context()):
        got = operation.call(*rounded(operands, errors))
    assert isinstance(got, Rounded)
    expected = first_order(operation.call, operands, errors)
    small = expected <= 1e-9 * expected.max()  # what cancels, as the sum of softmax's derivatives
    assert operation.measured or (got.e >= expected * (MET - 1e-9))[~small].all()
    return float(torch.linalg.vector_norm(got.e) / torch.linalg.vector_norm(expected))


@pytest.fixture(autouse=True)
def _float64():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@by_name
def test_what_arrives_goes_through_the_derivative(operation):
    operands = drawn(operation)
    errors = [LARGE * (1 + x.abs()) for x in operands]
    assert MET < assert_arrives(operation, operands, errors) < 3


@by_name
def test_what_arrives_from_upstream_goes_through_the_backward(operation):
    operands = drawn(operation)
    plain = [x.clone().requires_grad_() for x in operands]
    out = operation.call(*plain)
    upstream = torch.cos(torch.arange(1.0, out.numel() + 1)).reshape(out.shape)
    errors = LARGE * (1 + upstream.abs())
    with within(Context()):
        given = rounded(operands, [torch.zeros(x.shape) for x in operands], gradient=True)
        (g,) = rounded([upstream], [errors])
        got = torch.autograd.grad(operation.call(*given), given, g, allow_unused=True)
    squares = [torch.zeros(x.shape) for x in operands]
    for unit, e in zip(torch.eye(out.numel()), errors.flatten(), strict=True):
        columns = torch.autograd.grad(out, plain, unit.reshape(out.shape), retain_graph=True)
        squares = [s + (e * c) ** 2 for s, c in zip(squares, columns, strict=True)]
    for grad, square in zip(got, squares, strict=True):
        assert isinstance(grad, Rounded)
        expected = square.sqrt()
        there = expected > 1e-9 * expected.max()
        assert operation.measured or (grad.e >= expected * (MET - 1e-9))[there].all()
        ratio = torch.linalg.vector_norm(grad.e) / torch.linalg.vector_norm(expected)
        assert MET < ratio < 3


@by_name
def test_float32_stays_within_what_is_allowed(operation):
    operands = [x.float() for x in drawn(operation, 1)]
    torch.set_default_dtype(torch.float32)
    actual = [x.clone().requires_grad_() for x in operands]
    out = operation.call(*actual)
    grads = torch.autograd.grad(out, actual, torch.ones_like(out))
    torch.set_default_dtype(torch.float64)
    form = FORMATS["float32"]
    with within(Context(form)):
        given = rounded(
            [x.double() for x in operands], [torch.zeros(x.shape) for x in operands], gradient=True
        )
        expected = operation.call(*given)
        ones = rounded([torch.ones(out.shape)], [torch.zeros(out.shape)])[0]
        of_grads = torch.autograd.grad(expected, given, ones)
    for mine, right in zip((out, *grads), (expected, *of_grads), strict=True):
        off = torch.linalg.vector_norm(mine.detach().double() - right.v.detach())
        assert off <= C * form.u * torch.linalg.vector_norm(right.e)


@by_name
def test_written_into_a_slice_keeps_its_error(operation):
    operands = drawn(operation)
    errors = [1 + x.abs() for x in operands]
    with within(Context()):
        out = operation.call(*rounded(operands, errors))
        into = Rounded(torch.zeros(2, *out.shape), 0.0)
        into[1] = out
    assert torch.equal(into.v[1], out.v)
    assert torch.equal(into.e2[1], out.e2)
    assert not into.e2[0].any()


IN_PLACE = [o for o in OPERATIONS if o.in_place and hasattr(torch.ops.aten, o.in_place)]


@pytest.mark.parametrize("operation", IN_PLACE, ids=lambda operation: operation.name)
def test_in_place_gives_the_same(operation):
    operands = drawn(operation)
    errors = [1 + x.abs() for x in operands]
    with within(Context()):
        expected = operation.call(*rounded(operands, errors))
        given = rounded(operands, errors)
        got = getattr(torch.ops.aten, operation.in_place)(*given)
    assert got is given[0]
    assert torch.equal(got.v, expected.v)
    assert torch.equal(got.e2, expected.e2)
