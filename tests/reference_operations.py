"""Every operation that has a rule, with operands to call it on: `OPERATIONS`.

One row an operation: what is called, of operands with errors. Operands are drawn away from kinks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

ops = torch.ops.aten


@dataclass(frozen=True)
class Operation:
    """`call` of the operands that `draw` makes.

    `in_place` names its form in place; `measured`: it has no rule, and its errors are measured.
    """

    name: str
    call: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    kind: str = "signed"
    in_place: str = ""
    measured: bool = False

    def draw(self, rng: np.random.Generator) -> list[torch.Tensor]:
        """Draw operands."""
        return [DRAWS[self.kind](rng, shape) for shape in self.shapes]


def _signed(rng, shape):
    """Return numbers of both signs, none close to another, to 0, to 1 or to a half."""
    size = int(np.prod(shape))
    sizes = 0.13 + 1.9 * (rng.permutation(size) + rng.uniform(0.3, 0.7, size)) / size
    return torch.from_numpy((sizes * rng.choice([-1.0, 1.0], size)).reshape(shape))


def _positive(rng, shape):
    return _signed(rng, shape).abs()


def _between(rng, shape):
    """Return numbers between 0 and 1."""
    return torch.from_numpy(rng.uniform(0.1, 0.9, shape))


DRAWS = {"signed": _signed, "positive": _positive, "between": _between}

A, V, IMAGES = (5, 7), (7,), (3, 4, 6, 5)
IDS = torch.tensor([2, 0, 2, 2, 1])
CLASSES = torch.tensor([1, 0, 6, 3, 1])
STATISTIC = torch.arange(1.0, 8.0) / 4
DIFFERENT = torch.tensor([1, 0, 6, 3, 5])
MASK = torch.tensor([True, False, True, True, False, True, False])


def _unary(name: str, kind: str = "signed", **kwargs: Any) -> Operation:
    return Operation(name, lambda x: getattr(ops, name)(x, **kwargs), (A,), kind, f"{name}_")


def _binary(name: str, kind: str = "signed") -> Operation:
    return Operation(name, lambda x, y: getattr(ops, name)(x, y), (A, A), kind, f"{name}_")


ARITHMETIC = (
    *map(_binary, ("add", "sub", "mul", "div", "maximum", "minimum", "atan2", "fmax", "fmin")),
    Operation("add, alpha", lambda x, y: torch.add(x, y, alpha=-0.3), (A, V)),
    Operation("sub, broadcast", lambda x, y: x - y, ((5, 1), V)),
    Operation("rsub", lambda x: 1.5 - x, (A,)),
    Operation("reciprocal of number", lambda x: 1.5 / x, (A,)),
    Operation("mul, number", lambda x: x * 0.3, (A,)),
    Operation("pow 3", lambda x: x**3, (A,)),
    Operation("pow 0.7", lambda x: x**0.7, (A,), "positive"),
    Operation("pow -2", lambda x: x**-2, (A,)),
    Operation("pow of tensors", lambda x, y: x**y, (A, A), "positive"),
    Operation("number to a power", lambda x: 1.7**x, (A,)),
    *map(_unary, ("exp", "exp2", "expm1", "sin", "cos", "tan", "atan", "sinh", "cosh", "asinh")),
    *(_unary(n, "positive") for n in ("sqrt", "rsqrt", "log", "log2", "log10", "log1p")),
    *(_unary(n, "between") for n in ("asin", "acos")),
    *map(_unary, ("neg", "abs", "square", "reciprocal", "erf", "erfc", "sigmoid", "tanh", "relu")),
    Operation("lerp", lambda x, y, w: torch.lerp(x, y, w), (A, A, A)),
    Operation("addcmul", lambda x, y, z: torch.addcmul(x, y, z, value=0.4), (A, A, A)),
    Operation("addcdiv", lambda x, y, z: torch.addcdiv(x, y, z, value=0.4), (A, A, A)),
    Operation("clamp", lambda x: x.clamp(-0.5, 0.7), (A,)),
    Operation("clamp_min", lambda x: x.clamp_min(0.05), (A,)),
    Operation("where", lambda x, y: torch.where(MASK, x, y), (A, A)),
    Operation("masked_fill", lambda x: x.masked_fill(MASK, 3.0), (A,)),
    Operation("remainder", lambda x: torch.remainder(x, 0.77), (A,)),
)

ACTIVATIONS = (
    *map(_unary, ("leaky_relu", "elu", "gelu", "silu", "softplus", "hardtanh", "hardsigmoid")),
    *map(_unary, ("hardswish", "mish", "log_sigmoid")),
    Operation("gelu, tanh", lambda x: F.gelu(x, approximate="tanh"), (A,)),
    Operation("selu", F.selu, (A,)),
    Operation("relu6", F.relu6, (A,)),
    Operation("softsign", F.softsign, (A,)),
    Operation("prelu", lambda x, w: F.prelu(x, w), (A, V)),
    Operation("glu", lambda x: F.glu(x, 0), ((6, 7),)),
    Operation("threshold", lambda x: F.threshold(x, 0.05, -2.0), (A,)),
    Operation("softmax", lambda x: torch.softmax(x, 1), (A,)),
    Operation("softmax of rows", lambda x: torch.softmax(x, 0), (A,)),
    Operation("log_softmax", lambda x: torch.log_softmax(x, -1), (A,)),
    Operation("softmin", lambda x: F.softmin(x, 1), (A,)),
    Operation("logsumexp", lambda x: torch.logsumexp(x, 1), (A,)),
    _binary("logaddexp"),
)

SUMS = (
    Operation("sum", lambda x: x.sum(), (A,)),
    Operation("sum of columns", lambda x: x.sum(0), (A,)),
    Operation("sum, kept", lambda x: x.sum((0, 2), keepdim=True), ((3, 4, 5),)),
    Operation("mean", lambda x: x.mean(1), (A,)),
    Operation("var", lambda x: x.var(0), (A,)),
    Operation("std", lambda x: x.std(1, keepdim=True), (A,)),
    Operation("var of all, biased", lambda x: x.var(unbiased=False), (A,)),
    Operation("var_mean", lambda x: torch.stack(torch.var_mean(x, 1)), (A,)),
    Operation("amax", lambda x: x.amax(1), (A,)),
    Operation("amin", lambda x: x.amin((0, 1)), (A,)),
    Operation("max", lambda x: x.max(), (A,)),
    Operation("max of rows", lambda x: x.max(1).values, (A,)),
    Operation("topk", lambda x: x.topk(3).values, (A,)),
    Operation("sort", lambda x: x.sort(0).values, (A,)),
    Operation("cumsum", lambda x: x.cumsum(0), (A,)),
    Operation("prod", lambda x: x.prod(1), (A,)),
    Operation("norm", lambda x: torch.linalg.vector_norm(x), (A,)),
    Operation("norm of rows", lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True), (A,)),
    Operation("norm, 1", lambda x: torch.linalg.vector_norm(x, 1, dim=0), (A,)),
    Operation("norm, 3", lambda x: torch.linalg.vector_norm(x, 3), (A,)),
    Operation("norm, inf", lambda x: torch.linalg.vector_norm(x, torch.inf), (A,)),
    Operation("cosine similarity", lambda x, y: F.cosine_similarity(x, y), (A, A)),
    Operation("normalize", lambda x: F.normalize(x), (A,)),
)

PRODUCTS = (
    Operation("mm", torch.mm, (A, (7, 4))),
    Operation("bmm", torch.bmm, ((3, 5, 7), (3, 7, 4))),
    Operation(
        "addmm", lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2.0), ((4,), A, (7, 4))
    ),
    Operation("baddbmm", torch.baddbmm, ((3, 5, 4), (3, 5, 7), (3, 7, 4))),
    Operation("mv", torch.mv, (A, V)),
    Operation("dot", torch.dot, (V, V)),
    Operation("outer", torch.outer, (V, (4,))),
    Operation("matmul, 4 and 2", torch.matmul, ((2, 3, 5, 7), (7, 4))),
    Operation("matmul, broadcast", torch.matmul, ((2, 1, 5, 7), (3, 7, 4))),
    Operation("matmul, row", torch.matmul, (V, (2, 7, 4))),
    Operation("einsum", lambda a, b: torch.einsum("bij,bkj->bik", a, b), ((3, 5, 7), (3, 4, 7))),
    Operation("linear", F.linear, ((2, 5, 7), (4, 7), (4,))),
    Operation("bilinear", F.bilinear, (A, (5, 3), (2, 7, 3)), measured=True),
)

CONVOLUTIONS = (
    Operation("conv2d", lambda x, w, b: F.conv2d(x, w, b, padding=1), (IMAGES, (2, 4, 3, 3), (2,))),
    Operation("conv2d, stride", lambda x, w: F.conv2d(x, w, stride=2), (IMAGES, (2, 4, 3, 2))),
    Operation(
        "conv2d, dilation, groups",
        lambda x, w: F.conv2d(x, w, dilation=2, groups=2, padding=1),
        (IMAGES, (6, 2, 3, 2)),
    ),
    Operation("conv1d", lambda x, w: F.conv1d(x, w, stride=2, padding=1), ((3, 4, 9), (2, 4, 3))),
    Operation("conv3d", lambda x, w: F.conv3d(x, w), ((2, 2, 4, 3, 3), (2, 2, 2, 2, 2))),
    Operation(
        "conv_transpose2d",
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1),
        ((2, 4, 3, 4), (4, 3, 3, 3), (3,)),
    ),
    Operation("fold", lambda x: F.fold(x, (4, 5), 2), ((2, 12, 12),)),
    Operation("unfold", lambda x: F.unfold(x, 2, stride=2), (IMAGES,)),
    Operation("max_pool2d", lambda x: F.max_pool2d(x, 2), (IMAGES,)),
    Operation("max_pool2d, overlapping", lambda x: F.max_pool2d(x, 3, 2, 1), (IMAGES,)),
    Operation("max_pool1d", lambda x: F.max_pool1d(x, 2), ((3, 4, 8),)),
    Operation("avg_pool2d", lambda x: F.avg_pool2d(x, 2), (IMAGES,)),
    Operation("avg_pool2d, padded", lambda x: F.avg_pool2d(x, 3, 2, 1, False, False), (IMAGES,)),
    Operation("avg_pool1d", lambda x: F.avg_pool1d(x, 3, 2), ((3, 4, 9),)),
    Operation("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (3, 2)), (IMAGES,)),
    Operation("adaptive_avg_pool2d, 1", lambda x: F.adaptive_avg_pool2d(x, 1), (IMAGES,)),
    Operation("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x, 4), ((3, 4, 9),)),
    Operation("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, 2), (IMAGES,)),
    Operation("interpolate", lambda x: F.interpolate(x, scale_factor=2), (IMAGES,)),
    Operation("pad, reflect", lambda x: F.pad(x, (1, 1), mode="reflect"), ((3, 4, 9),)),
)

NORMS = (
    Operation(
        "batch_norm",
        lambda x, g, b: F.batch_norm(x, None, None, g, b, True, 0.1, 1e-3),
        (A, V, V),
    ),
    Operation(
        "batch_norm of images", lambda x: F.batch_norm(x, None, None, training=True), (IMAGES,)
    ),
    Operation(
        "batch_norm in eval",
        lambda x, g, b: F.batch_norm(x, STATISTIC.to(x.dtype), STATISTIC.to(x.dtype), g, b),
        (A, V, V),
    ),
    Operation("layer_norm", lambda x, g, b: F.layer_norm(x, (7,), g, b), (A, V, V)),
    Operation("layer_norm of two", lambda x: F.layer_norm(x, (5, 7)), ((3, 5, 7),)),
    Operation("group_norm", lambda x, g, b: F.group_norm(x, 2, g, b), (IMAGES, (4,), (4,))),
    Operation("instance_norm", F.instance_norm, (IMAGES,)),
    Operation("rms_norm", lambda x, g: F.rms_norm(x, (7,), g), (A, V)),
    Operation("local_response_norm", lambda x: F.local_response_norm(x, 2), (IMAGES,)),
)

LOSSES = (
    Operation("cross_entropy", lambda z: F.cross_entropy(z, CLASSES), (A,)),
    Operation("cross_entropy, sum", lambda z: F.cross_entropy(z, CLASSES, reduction="sum"), (A,)),
    Operation(
        "cross_entropy, smoothed",
        lambda z: F.cross_entropy(z, CLASSES, label_smoothing=0.1),
        (A,),
    ),
    Operation(
        "cross_entropy, ignored",
        lambda z: F.cross_entropy(z, CLASSES, STATISTIC.to(z.dtype), ignore_index=1),
        (A,),
    ),
    Operation("cross_entropy of shares", lambda z, t: F.cross_entropy(z, t), (A, A), "between"),
    Operation(
        "cross_entropy of images",
        lambda z: F.cross_entropy(z, torch.arange(90).view(3, 6, 5) % 4),
        (IMAGES,),
    ),
    Operation("nll_loss", lambda z: F.nll_loss(z, CLASSES), (A,)),
    Operation("mse_loss", F.mse_loss, (A, A)),
    Operation("l1_loss", F.l1_loss, (A, A)),
    Operation("smooth_l1_loss", lambda x, t: F.smooth_l1_loss(x, t, beta=0.7), (A, A)),
    Operation("huber_loss", lambda x, t: F.huber_loss(x, t, delta=0.7), (A, A)),
    Operation("bce", lambda y, t: F.binary_cross_entropy(y, t), (A, A), "between"),
    Operation("bce with logits", F.binary_cross_entropy_with_logits, (A, A)),
    Operation(
        "bce with logits, weighted",
        lambda z, t: F.binary_cross_entropy_with_logits(
            z, t, pos_weight=torch.tensor(2.0).double()
        ),
        (A, A),
        "between",
    ),
    Operation("kl_div", lambda x, t: F.kl_div(x, t, reduction="batchmean"), (A, A), "between"),
    Operation("poisson_nll_loss", F.poisson_nll_loss, (A, A), "between"),
    Operation(
        "hinge_embedding_loss", lambda x: F.hinge_embedding_loss(x, torch.ones(7) * -1), (A,)
    ),
    Operation("soft_margin_loss", lambda x: F.soft_margin_loss(x, torch.ones(A) * -1), (A,)),
)

PLACES = (
    Operation("embedding", lambda W: F.embedding(IDS, W), ((4, 7),)),
    Operation("embedding, padding", lambda W: F.embedding(IDS, W, padding_idx=2), ((4, 7),)),
    Operation("index", lambda x: x[IDS, CLASSES], (A,)),
    Operation("index by a mask", lambda x: x[:, MASK], (A,)),
    Operation("index_select", lambda x: x.index_select(0, IDS), (A,)),
    Operation("gather", lambda x: x.gather(1, CLASSES.view(5, 1)), (A,)),
    Operation("scatter_add", lambda x, s: x.scatter_add(0, IDS.view(1, 5), s), ((3, 5), (1, 5))),
    Operation("scatter", lambda x, s: x.scatter(0, IDS.view(1, 5), s), ((3, 5), (1, 5))),
    Operation("index_add", lambda x, s: x.index_add(0, IDS, s), (A, A)),
    Operation("index_put", lambda x, s: x.index_put((DIFFERENT,), s), ((7, 3), (5, 3))),
    Operation(
        "index_put, accumulated",
        lambda x, s: x.index_put((CLASSES,), s, accumulate=True),
        ((7, 3), (5, 3)),
    ),
    Operation("cat", lambda x, y: torch.cat([x, y], 1), (A, A)),
    Operation("stack", lambda x, y: torch.stack([x, y], 1), (A, A)),
    Operation("flip and roll", lambda x: x.flip(0).roll(2, 1), (A,)),
    Operation("permute and view", lambda x: x.permute(2, 0, 1).reshape(5, -1), ((3, 4, 5),)),
    Operation("slice", lambda x: x[1:, ::2], (A,)),
    Operation("split", lambda x: x.split([3, 4], 1)[1] * x.chunk(2, 0)[0][:1, :4], (A,)),
    Operation("unfold of a tensor", lambda x: x.unfold(1, 3, 2), (A,)),
    Operation("pad", lambda x: F.pad(x, (1, 2), value=0.5), (A,)),
    Operation("tril", lambda x: x.tril(1), (A,)),
    Operation("diagonal", lambda x: x.diagonal(), (A,)),
    Operation("repeat", lambda x: x.repeat(2, 3), (A,)),
    Operation("repeat_interleave", lambda x: x.repeat_interleave(2, 0), (A,)),
    Operation("expand", lambda x: x[None].expand(3, 5, 7), (A,)),
    Operation("masked_select", lambda x: x.masked_select(MASK), (A,)),
)

OPERATIONS = (
    *ARITHMETIC,
    *ACTIVATIONS,
    *SUMS,
    *PRODUCTS,
    *CONVOLUTIONS,
    *NORMS,
    *LOSSES,
    *PLACES,
)
