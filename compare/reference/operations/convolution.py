"""Convolution in any number of dimensions, transposed, and backwards: columns and one product."""

from collections.abc import Iterator
from itertools import product as offsets_of
from typing import Any

import torch

from compare.reference.added import started2
from compare.reference.rounded import Rounded, value
from compare.reference.rules import form


class Geometry:
    """Where a kernel lies: for each of its elements a strided slice of the padded input.

    Parameters
    ----------
    size : list of int
        Of the input, without batch and channels.
    kernel, stride, padding, dilation : list of int
        One number a dimension.
    """

    def __init__(self, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> None:
        self.kernel, self.stride, self.dilation = list(kernel), list(stride), list(dilation)
        self.padding = list(padding)
        self.size = list(size)
        self.padded = [n + 2 * p for n, p in zip(self.size, self.padding, strict=True)]
        self.out = [
            (n - d * (k - 1) - 1) // s + 1
            for n, k, s, d in zip(self.padded, kernel, stride, dilation, strict=True)
        ]

    def slices(self) -> Iterator[tuple[Any, ...]]:
        """Yield what each element of the kernel is multiplied with."""
        for offsets in offsets_of(*map(range, self.kernel)):
            yield (
                slice(None),
                slice(None),
                *(
                    slice(d * o, d * o + s * (n - 1) + 1, s)
                    for o, d, s, n in zip(
                        offsets, self.dilation, self.stride, self.out, strict=True
                    )
                ),
            )

    def columns(self, x: Any) -> Any:
        """Return what the kernel sees of x (B, C, *size), (B, C, K, L): L places, K elements."""
        sides = [side for p in reversed(self.padding) for side in (p, p)]
        padded = torch.constant_pad_nd(x, sides) if any(sides) else x
        seen = torch.stack([padded[place] for place in self.slices()], 2)
        return seen.flatten(3)

    def added(self, columns: Any) -> Any:
        """Return the sum of columns (B, C, K, L) where they overlap, (B, C, *size)."""
        batch, channels = columns.shape[:2]
        total: Any = Rounded(
            torch.zeros(
                (batch, channels, *self.padded), dtype=torch.float64, device=columns.device
            ),
            0.0,
        )
        parts = columns.unflatten(3, self.out)
        for k, place in enumerate(self.slices()):
            total[place] += parts[:, :, k]
        inner = (slice(p, p + n) for p, n in zip(self.padding, self.size, strict=True))
        return total[(slice(None), slice(None), *inner)]


def _correlated(columns: Any, weight: Any, groups: int) -> Any:
    """Return weight (O, C / groups, *kernel) times columns (B, C, K, L): (B, O, L)."""
    batch, _, _, places = columns.shape
    parts = columns.reshape(batch, groups, -1, places)
    kernels = weight.reshape(groups, weight.shape[0] // groups, -1)
    rows = parts.permute(1, 2, 0, 3).reshape(groups, kernels.shape[2], -1)  # (G, C K / G, B L)
    made = torch.bmm(kernels, rows) if groups > 1 else torch.mm(kernels[0], rows[0]).unsqueeze(0)
    return made.reshape(groups, -1, batch, places).permute(2, 0, 1, 3).reshape(batch, -1, places)


def _spread(g: Any, weight: Any, groups: int) -> Any:
    """Return the columns (B, C, K, L) that g (B, O, L) gives through weight."""
    batch, _, places = g.shape
    kernels = weight.reshape(groups, weight.shape[0] // groups, -1)  # (G, O / G, C K / G)
    rows = (
        g.reshape(batch, groups, -1, places)
        .permute(1, 2, 0, 3)
        .reshape(groups, kernels.shape[1], -1)
    )
    if groups > 1:
        made = torch.bmm(kernels.transpose(1, 2), rows)
    else:
        made = torch.mm(kernels[0].t(), rows[0]).unsqueeze(0)
    count = _elements(weight)
    return (
        made.reshape(groups, -1, count, batch, places)
        .permute(3, 0, 1, 2, 4)
        .reshape(batch, -1, count, places)
    )


def _elements(weight: Any) -> int:
    count = 1
    for k in weight.shape[2:]:
        count *= k
    return count


def _of_weight(g: Any, columns: Any, groups: int, shape: Any) -> Any:
    """Return the gradient of the weight, from g (B, O, L) and columns (B, C, K, L)."""
    batch, _, places = g.shape
    left = (
        g.reshape(batch, groups, -1, places).permute(1, 2, 0, 3).reshape(groups, -1, batch * places)
    )
    right = (
        columns.reshape(batch, groups, -1, places)
        .permute(1, 0, 3, 2)
        .reshape(groups, batch * places, -1)
    )
    return torch.bmm(left, right).reshape(shape)


@form("convolution", "_convolution", "convolution_overrideable")
def _convolution(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    *_: Any,
) -> Any:
    """Columns times kernel, plus bias; transposed: its backward with respect to the input."""
    if transposed:
        geometry = _transposed(x, weight, stride, padding, dilation, output_padding)
        made = geometry.added(_spread(x.flatten(2), weight, groups))
    else:
        geometry = Geometry(x.shape[2:], weight.shape[2:], stride, padding, dilation)
        made = _correlated(geometry.columns(x), weight, groups)
        made = made.reshape(x.shape[0], weight.shape[0], *geometry.out)
    if bias is None:
        return made
    made = made + bias.reshape(1, -1, *[1] * (x.dim() - 2))
    channels = weight.shape[0] // groups if transposed else weight.shape[1]
    more = started2(value(bias), channels * _elements(weight))
    more = more.reshape(1, -1, *[1] * (x.dim() - 2))
    return Rounded(made.v, made.e2 + more, is_weight=made.is_weight)


def _transposed(
    x: Any, weight: Any, stride: Any, padding: Any, dilation: Any, output_padding: Any
) -> Geometry:
    """Return the geometry of the convolution whose backward a transposed one is."""
    size = [
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, s, p, d, k, extra in zip(
            x.shape[2:], stride, padding, dilation, weight.shape[2:], output_padding, strict=True
        )
    ]
    return Geometry(size, weight.shape[2:], stride, padding, dilation)


@form("convolution_backward", "convolution_backward_overrideable")
def _convolution_backward(
    g: Any,
    x: Any,
    weight: Any,
    bias_sizes: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    wanted: Any,
) -> Any:
    """Return the gradients of x, weight and bias that are wanted."""
    if transposed:
        geometry = _transposed(x, weight, stride, padding, dilation, output_padding)
        columns, outputs = geometry.columns(g), x.flatten(2)
        dx = _correlated(columns, weight, groups).reshape(x.shape) if wanted[0] else None
    else:
        geometry = Geometry(x.shape[2:], weight.shape[2:], stride, padding, dilation)
        columns, outputs = geometry.columns(x) if wanted[1] else None, g.flatten(2)
        dx = geometry.added(_spread(outputs, weight, groups)) if wanted[0] else None
    dw = _of_weight(outputs, columns, groups, weight.shape) if wanted[1] else None
    db = g.sum([0, *range(2, g.dim())]) if wanted[2] else None
    return dx, dw, db
