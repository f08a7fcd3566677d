"""Operations that add elements up at places given by indices: backwards of reading by index."""

from typing import Any

import torch
from torch import Tensor

from compare.reference.added import block, multiplicity
from compare.reference.allowed import C
from compare.reference.context import current
from compare.reference.rounded import Rounded, value
from compare.reference.rules import form

ops = torch.ops.aten


def added_at(start: Any, places: Tensor, terms: Any) -> Rounded:
    """Return `start` (n, m) with rows `terms` (k, m) added at `places` (k,), one by one.

    As `compare.reference.added.by_rows` for each place; what was there is its first term.
    """
    at, kind = value(start), current().format
    v, arriving = value(terms), terms.e2 if isinstance(terms, Rounded) else None
    order = torch.argsort(places, stable=True)
    places, v = places[order], v[order]
    o = at.index_add(0, places, v)
    first = torch.ones(len(places), dtype=torch.bool, device=places.device)
    first[1:] = places[1:] != places[:-1]
    began = torch.where(first, torch.arange(len(places), device=places.device), 0).cummax(0).values
    running = v.cumsum(0)
    before = (running - v)[began]  # what was added up for others
    partial = running - before + at[places]
    partial = torch.where((first & ~at.any(-1)[places]).unsqueeze(-1), 0.0, partial)
    counts = torch.zeros(len(at), dtype=v.dtype, device=v.device).index_add(
        0, places, torch.ones(len(places), dtype=v.dtype, device=v.device)
    )
    n = int(counts.max()) if len(v) and not v.is_meta else 1
    several = torch.where(counts[places] > 1, float(block(n)), 0.0).unsqueeze(-1)
    none, from_the_end = torch.zeros_like(at), o[places] - partial
    e2 = torch.maximum(
        none.index_add(0, places, partial * partial),
        none.index_add(0, places, from_the_end * from_the_end),
    ).index_add(0, places, several * v * v)
    bound = (
        torch.maximum(
            none.index_add(0, places, partial.abs()), none.index_add(0, places, from_the_end.abs())
        )
        / C
    )
    e2 = (e2 + bound * bound) * kind.added2
    if arriving is not None:
        arriving = arriving[order]
        m = multiplicity(v, arriving, places)
        e2 = e2.index_add(0, places, arriving if m is None else arriving * m)
    if isinstance(start, Rounded) and start.e2 is not None:
        e2 = e2 + start.e2
    return Rounded(o, e2 + kind.floor2)


@form("embedding_dense_backward")
def _embedding_backward(g: Any, ids: Tensor, count: int, padding: int, scale: bool) -> Any:
    """Add the gradient of each id up; none of `padding`."""
    rows, places = g.reshape(-1, g.shape[-1]), ids.reshape(-1)
    if scale:
        often = torch.bincount(places, minlength=count)[places].unsqueeze(-1)
        rows = rows / often.double()
    kept = (places != padding).nonzero().flatten()
    start = torch.zeros((count, g.shape[-1]), dtype=torch.float64, device=value(g).device)
    return added_at(start, places[kept], rows[kept])


@form("index_add")
def _index_add(x: Any, dim: int, index: Tensor, source: Any, *, alpha: float = 1) -> Any:
    """Add slices of `source` along `dim`."""
    moved = x.movedim(dim, 0)
    terms = (source if alpha == 1 else source * alpha).movedim(dim, 0).reshape(len(index), -1)
    made: Any = added_at(moved.reshape(len(moved), -1), index, terms)
    return made.reshape(moved.shape).movedim(0, dim)


@form("scatter_add")
def _scatter_add(x: Any, dim: int, index: Tensor, source: Any) -> Any:
    """Add each element of `source` at its index along `dim`."""
    places = _flat_places(value(x), dim, index)
    source = source[tuple(slice(n) for n in index.shape)]
    made: Any = added_at(x.reshape(-1, 1), places.reshape(-1), source.reshape(-1, 1))
    return made.reshape(x.shape)


def _flat_places(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return where each element of `index` goes in `x`, flattened."""
    strides = torch.empty(x.shape, device="meta").stride()
    places = index * strides[dim]
    for d, (n, stride) in enumerate(zip(index.shape, strides, strict=True)):
        if d != dim % x.dim():
            along = torch.arange(n, device=index.device) * stride
            places = places + along.view([-1 if i == d else 1 for i in range(x.dim())])
    return places


@form("index_put", "_unsafe_index_put", "_index_put_impl")
def _index_put(
    x: Any, indices: Any, values: Any, accumulate: bool = False, unsafe: bool = False
) -> Any:
    """Write or, accumulating, add `values` at `indices`."""
    numbers = torch.arange(x.numel(), device=value(x).device).reshape(x.shape)
    places = ops.index.Tensor(numbers, indices)
    values = values.expand(places.shape).reshape(-1, 1)
    flat = x.reshape(-1, 1)
    if accumulate:
        made: Any = added_at(flat, places.reshape(-1), values)
        return made.reshape(x.shape)
    places = places.reshape(-1)
    zeros = torch.zeros_like(value(values))
    written = value(flat).index_copy(0, places, value(values))
    old = (
        flat.e2
        if isinstance(flat, Rounded) and flat.e2 is not None
        else torch.zeros_like(value(flat))
    )
    new = values.e2 if isinstance(values, Rounded) and values.e2 is not None else zeros
    return Rounded(written, old.index_copy(0, places, new)).reshape(x.shape)


@form("unfold_backward")
def _unfold_backward(g: Any, sizes: list[int], dim: int, size: int, step: int) -> Any:
    """Add windows up where they overlap."""
    numbers = torch.arange(_count(sizes), device=value(g).device).reshape(sizes)
    places = numbers.unfold(dim, size, step)
    start = torch.zeros((_count(sizes), 1), dtype=torch.float64, device=value(g).device)
    made: Any = added_at(start, places.reshape(-1), g.reshape(-1, 1))
    return made.reshape(sizes)


def _count(sizes: list[int]) -> int:
    count = 1
    for n in sizes:
        count *= n
    return count


def _returned(g: Any, moved: Tensor, sizes: Any) -> Any:
    """Return the backward of a move: `moved` holds the number, from 1, of what was copied."""
    start = torch.zeros((_count(sizes) + 1, 1), dtype=torch.float64, device=value(g).device)
    made: Any = added_at(start, moved.reshape(-1).long(), g.reshape(-1, 1))
    return made[1:].reshape(sizes)


def _numbered(sizes: Any, like: Any) -> Tensor:
    """Return numbers from 1; what is filled in is 0."""
    device = value(like).device
    return torch.arange(1.0, _count(sizes) + 1, dtype=torch.float64, device=device).reshape(sizes)


def _backward_of_padding(name: str) -> None:
    @form(f"{name}_backward")
    def unpad(g: Any, x: Any, padding: Any) -> Any:
        """Add what was copied up."""
        return _returned(g, getattr(ops, name)(_numbered(x.shape, g), padding), x.shape)


for _name in ("reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d"):
    _backward_of_padding(_name)


def _backward_of_upsampling(name: str) -> None:
    @form(f"{name}_backward")
    def down(g: Any, size: Any, sizes: Any, *scales: Any) -> Any:
        """Add what was copied up."""
        moved = getattr(ops, name)(_numbered(sizes, g), size, *scales)
        return _returned(g, moved, sizes)


for _name in ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"):
    _backward_of_upsampling(_name)


@form("col2im")
def _col2im(x: Any, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """Add the columns up where they overlap."""
    channels = x.shape[-2] // _count(kernel)
    sizes = [*x.shape[:-2], channels, *size]
    return _returned(x, ops.im2col(_numbered(sizes, x), kernel, dilation, padding, stride), sizes)
