"""Activation functions and their derivatives, written out in their parts."""

import math

import torch
from torch import Tensor

from compare.reference.context import current
from compare.reference.kinks import note
from compare.reference.operations.arithmetic import ELEMENTARY
from compare.reference.operations.sums import either
from compare.reference.rules import Squares, errors, form
from compare.reference.values import Value, chosen, own, through

ROOT = math.sqrt(2 / math.pi)
CUBIC = 0.044715
LEAK = Value(0.01, None)


@errors("tanh")
def _tanh(o: Tensor, x: Value) -> Squares:
    """E^2 = ((1 - o^2) Ex)^2 + own."""
    return through(1 - o * o, x) + ELEMENTARY * own(o)


@errors("tanh_backward")
def _tanh_backward(o: Tensor, g: Value, y: Value) -> Squares:
    """g (1 - y^2): E^2 = ((1 - y^2) Eg)^2 + (2 g y Ey)^2 + g^2 (y^4 + (1 - y^2)^2) + o^2."""
    y2 = y.v * y.v
    rounds = g.v * g.v * (y2 * y2 + (1 - y2) ** 2)
    return through(1 - y2, g) + through(2 * g.v * y.v, y) + rounds + own(o)


@errors("sigmoid")
def _sigmoid(o: Tensor, x: Value) -> Squares:
    """E^2 = (o (1 - o) Ex)^2 + 1: (1 + tanh(x / 2)) / 2 is it, too, and adds to 1."""
    return through(o * (1 - o), x) + 1.0 + ELEMENTARY * own(o)


@errors("sigmoid_backward")
def _sigmoid_backward(o: Tensor, g: Value, y: Value) -> Squares:
    """g y (1 - y): E^2 = (y (1 - y) Eg)^2 + (g (1 - 2 y) Ey)^2 + (g y (1 - y))^2 + 2 o^2."""
    return through(y.v * (1 - y.v), g) + through(g.v * (1 - 2 * y.v), y) + 3 * own(o)


@errors("leaky_relu")
def _leaky_relu(o: Tensor, x: Value, slope: Value = LEAK) -> Squares:
    """x, or s x: E = Ex or |s| Ex, and s x is rounded twice, as s is."""
    note("leaky_relu", x.v, through(1, x))
    negative = x.v <= 0
    return through(torch.where(negative, slope.v, 1.0), x) + 2 * own(o) * negative


@errors("leaky_relu_backward")
def _leaky_relu_backward(
    o: Tensor, g: Value, x: Value, slope: Value, self_is_result: bool
) -> Squares:
    """g, or s g."""
    negative = x.v <= 0
    return through(torch.where(negative, slope.v, 1.0), g) + 2 * own(o) * negative


@form("elu", of_values=True)
def _elu(x: Value, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Value:
    """scale x, or scale alpha (exp(input_scale x) - 1), which errs by 1 where exp is taken."""
    below = chosen(x.v > 0, 0.0, x)
    negative = alpha * either(
        (below * input_scale).map("expm1"), (below * input_scale).map("exp") - 1
    )
    made = chosen(x.v > 0, x, negative)
    return made if scale == 1 else made * scale


@form("elu_backward", of_values=True)
def _elu_backward(
    g: Value, alpha: float, scale: float, input_scale: float, is_result: bool, x: Value
) -> Value:
    """scale g, or scale g input_scale alpha exp(input_scale x), of the result y = x: y + alpha."""
    if is_result:
        inner = (x + alpha) * input_scale
    else:
        e = (chosen(x.v > 0, 0.0, x) * input_scale).map("exp")
        inner = either(e, (e - 1) + 1) * (alpha * input_scale)
    made = chosen(x.v > 0, g, g * inner)
    return made if scale == 1 else made * scale


def _phi(x: Value) -> tuple[Value, Value]:
    """Return the normal distribution's function and density."""
    root = 1 / math.sqrt(2)
    cdf = ((x * root).map("erf") + 1) * 0.5
    density = (x * x * -0.5).map("exp") * (ROOT / 2)
    return either(cdf, (x * -root).map("erfc") * 0.5), density


def _inner(x: Value) -> tuple[Value, Value]:
    """Return tanh(sqrt(2 / pi) (x + 0.044715 x^3)), and the derivative of what it is taken of."""
    x2 = x * x
    inside = (x + x2 * x * CUBIC) * ROOT
    return inside.map("tanh"), (x2 * (3 * CUBIC) + 1) * ROOT


@form("gelu", of_values=True)
def _gelu(x: Value, *, approximate: str = "none") -> Value:
    """x Phi(x) (Hendrycks and Gimpel 2016), or 0.5 x (1 + tanh(...)) (ibid., section 2)."""
    if approximate == "none":
        return x * _phi(x)[0]
    return x * 0.5 * (_inner(x)[0] + 1)


@form("gelu_backward", of_values=True)
def _gelu_backward(g: Value, x: Value, *, approximate: str = "none") -> Value:
    """g (Phi(x) + x phi(x)), or g (0.5 (1 + a) + 0.5 x (1 - a^2) a')."""
    if approximate == "none":
        cdf, density = _phi(x)
        return g * (cdf + x * density)
    a, da = _inner(x)
    return g * ((a + 1) * 0.5 + x * 0.5 * (1 - a * a) * da)


@form("silu", of_values=True)
def _silu(x: Value) -> Value:
    """x sigmoid(x)."""
    return x * x.map("sigmoid")


@form("silu_backward", of_values=True)
def _silu_backward(g: Value, x: Value) -> Value:
    """g s (1 + x (1 - s)), or g (s + x s (1 - s))."""
    s = x.map("sigmoid")
    one = s * (x * (1 - s) + 1)
    return g * either(one, s + x * (s * (1 - s)))


def log_of_one_and_exp(x: Value) -> Value:
    """Return log(1 + exp(x)) of a Value: E^2 = (s Ex)^2 + 2 s^2 (of the exponential) + 1 + own.

    log(1 + y) without log1p errs by the 1 of 1 + y.
    """
    v, s = torch.logaddexp(torch.zeros_like(x.v), x.v), torch.sigmoid(x.v)
    e2 = (0.0 if x.e2 is None else s * s * x.e2) + 2.0 * s * s + 1.0 + ELEMENTARY * own(v)
    return Value(v, e2)


def _cut(made: Value, size: Tensor) -> Value:
    """Return `made` with what torch leaves out where it takes a function for linear.

    torch's softplus is x where b x > 20, which leaves out exp(-b x) / b; both are right.
    """
    left_out = (size / current().format.u) ** 2
    return Value(made.v, left_out if made.e2 is None else made.e2 + left_out)


@form("softplus", of_values=True)
def _softplus(x: Value, beta: float = 1, threshold: float = 20) -> Value:
    """log(1 + exp(b x)) / b."""
    scaled = x if beta == 1 else x * beta
    made = log_of_one_and_exp(scaled)
    made = made if beta == 1 else made / beta
    beyond = scaled.v > threshold
    return _cut(made, torch.where(beyond, torch.exp(-scaled.v) / beta, 0.0))


@form("softplus_backward", of_values=True)
def _softplus_backward(g: Value, x: Value, beta: float, threshold: float) -> Value:
    """g sigmoid(b x)."""
    scaled = x if beta == 1 else x * beta
    made = g * scaled.map("sigmoid")
    beyond = scaled.v > threshold
    return _cut(made, torch.where(beyond, g.v * torch.exp(-scaled.v), 0.0))


@form("log_sigmoid_forward", of_values=True)
def _log_sigmoid(x: Value) -> tuple[Value, Value]:
    """-softplus(-x), and a buffer that only torch's own backward reads."""
    made = -log_of_one_and_exp(-x)
    return made, Value(torch.zeros_like(x.v), None)


@form("log_sigmoid_backward", of_values=True)
def _log_sigmoid_backward(g: Value, x: Value, buffer: Value) -> Value:
    """g sigmoid(-x)."""
    return g * (-x).map("sigmoid")


@form("hardsigmoid", of_values=True)
def _hardsigmoid(x: Value) -> Value:
    """clamp(x + 3, 0, 6) / 6."""
    return (x + 3).map("clamp", 0, 6) / 6


@form("hardswish", of_values=True)
def _hardswish(x: Value) -> Value:
    """x clamp(x + 3, 0, 6) / 6."""
    return x * (x + 3).map("clamp", 0, 6) / 6


@form("mish", of_values=True)
def _mish(x: Value) -> Value:
    """x tanh(softplus(x)) (Misra 2019)."""
    return x * log_of_one_and_exp(x).map("tanh")


@form("mish_backward", of_values=True)
def _mish_backward(g: Value, x: Value) -> Value:
    """g (a + x (1 - a^2) sigmoid(x)), a = tanh(softplus(x))."""
    a = log_of_one_and_exp(x).map("tanh")
    return g * (a + x * (1 - a * a) * x.map("sigmoid"))


@form("_prelu_kernel", of_values=True)
def _prelu(x: Value, weight: Value) -> Value:
    """x, or w x."""
    return chosen(x.map("gt", 0).v, x, weight * x)


@form("_prelu_kernel_backward", of_values=True)
def _prelu_backward(g: Value, x: Value, weight: Value) -> tuple[Value, Value]:
    """g or w g, and 0 or g x."""
    positive = x.map("gt", 0).v
    return chosen(positive, g, weight * g), chosen(positive, 0.0, g * x)


@errors("logaddexp")
def _logaddexp(o: Tensor, x: Value, y: Value) -> Squares:
    """E^2 = (p Ex)^2 + ((1 - p) Ey)^2 + 2 + own, p = e^(x - o).

    In max + log(1 + e^-d) the exponential and the sum with 1 err by 1 at most.
    """
    p = torch.exp(x.v - o)
    return through(p, x) + through(1 - p, y) + 2.0 + ELEMENTARY * own(o)
