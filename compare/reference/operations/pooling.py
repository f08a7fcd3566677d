"""Pooling: maxima, which may stand on a kink, and means of windows."""

import math
from typing import Any

import torch

from compare.reference.kinks import note
from compare.reference.operations.convolution import Geometry
from compare.reference.operations.scatters import added_at
from compare.reference.rounded import Rounded, value
from compare.reference.rules import form

ops = torch.ops.aten


def _numbers(x: Any, dims: int, default: Any = None) -> list[int]:
    """Return one number for each dimension, from one for all, or none."""
    given = list(x) if isinstance(x, (list, tuple)) else [x]
    if not given:
        return list(default)
    return given * dims if len(given) == 1 else given


def _max_pool(name: str, dims: int) -> None:
    @form(name)
    def pool(
        x: Any,
        kernel: Any,
        stride: Any = (),
        padding: Any = 0,
        dilation: Any = 1,
        ceil: bool = False,
    ) -> Any:
        """E is that of the element taken; another may come close: see `_note_second`."""
        o, indices = getattr(ops, name)(value(x), kernel, stride, padding, dilation, ceil)
        if not isinstance(x, Rounded) or x.e2 is None:
            return Rounded(o), indices
        flat = x.e2.flatten(-dims).gather(-1, indices.flatten(-dims))
        kernel = _numbers(kernel, dims)
        geometry = (kernel, _numbers(stride, dims, kernel), padding, dilation)
        _note_second(name, x, o, flat.reshape(o.shape), indices, dims, geometry)
        return Rounded(o, flat.reshape(o.shape)), indices


def _note_second(
    name: str, x: Rounded, o: Any, e2: Any, indices: Any, dims: int, geometry: Any
) -> None:
    """Note windows in which another element than that taken lies within rounding of it."""
    kernel, stride, padding, dilation = geometry
    batched = x.v if x.v.dim() == dims + 2 else x.v.unsqueeze(0)
    places = Geometry(
        batched.shape[2:], kernel, stride, _numbers(padding, dims), _numbers(dilation, dims)
    )
    lead = (*batched.shape[:2], -1, *places.out)
    if math.prod(places.out) != math.prod(o.shape[-dims:]):
        return  # windows that reach beyond the edge (ceil_mode)
    numbers = torch.arange(math.prod(x.v.shape[-dims:]), dtype=torch.float64, device=x.v.device)
    numbers = numbers.reshape(1, 1, *x.v.shape[-dims:]).expand(batched.shape)
    low = [side for p in reversed(places.padding) for side in (p, p)]
    inside = torch.nn.functional.pad(torch.ones_like(batched), low)
    seen = torch.stack([inside[place] for place in places.slices()], 2).reshape(lead) > 0
    others = places.columns(batched).reshape(lead)
    errors = places.columns(x.e2.reshape(batched.shape)).reshape(lead)  # type: ignore[union-attr] # an error arrived
    which = places.columns(numbers).reshape(lead)
    shape = (*batched.shape[:2], 1, *places.out)
    other = seen & (which != indices.reshape(shape))
    margin = torch.where(other, o.reshape(shape) - others, torch.inf)
    note(name, margin, torch.where(other, errors + e2.reshape(shape), 0.0))


_max_pool("max_pool2d_with_indices", 2)
_max_pool("max_pool3d_with_indices", 3)


def _max_unpool(name: str, dims: int) -> None:
    @form(name)
    def unpool(g: Any, x: Any, *rest: Any) -> Any:
        """Add each gradient where its maximum stood."""
        indices = rest[-1]
        shape = value(x).shape
        planes, size = math.prod(shape[:-dims]), math.prod(shape[-dims:])
        base = torch.arange(planes, device=indices.device).view(-1, 1) * size
        places = (indices.reshape(planes, -1) + base).flatten()
        start = torch.zeros((planes * size, 1), dtype=torch.float64, device=indices.device)
        made: Any = added_at(start, places, g.reshape(-1, 1))
        return made.reshape(shape)


_max_unpool("max_pool2d_with_indices_backward", 2)
_max_unpool("max_pool3d_with_indices_backward", 3)
_max_unpool("adaptive_max_pool2d_backward", 2)


def _divisors(geometry: Geometry, like: Any, counts_padding: bool, divisor: Any) -> Any:
    """Return by what the sum of each window is divided."""
    if divisor is not None:
        return float(divisor)
    if counts_padding or not any(geometry.padding):
        return float(math.prod(geometry.kernel))
    ones = torch.ones((1, 1, *geometry.size), dtype=torch.float64, device=value(like).device)
    return geometry.columns(ones).sum(2).reshape(1, 1, *geometry.out)


def _avg_pool(name: str, dims: int) -> None:
    def geometry(x: Any, kernel: Any, stride: Any, padding: Any) -> Geometry:
        kernel = _numbers(kernel, dims)
        return Geometry(
            x.shape[-dims:],
            kernel,
            _numbers(stride, dims, kernel),
            _numbers(padding, dims),
            [1] * dims,
        )

    @form(name)
    def pool(
        x: Any,
        kernel: Any,
        stride: Any = (),
        padding: Any = 0,
        ceil: bool = False,
        counts_padding: bool = True,
        divisor: Any = None,
    ) -> Any:
        """The sum of a window by the number of its elements."""
        places, batched = geometry(x, kernel, stride, padding), x.reshape(-1, 1, *x.shape[-dims:])
        summed = places.columns(batched).sum(2).reshape(-1, 1, *places.out)
        made = summed / _divisors(places, x, counts_padding, divisor)
        return made.reshape(*x.shape[:-dims], *places.out)

    @form(f"{name}_backward")
    def unpool(
        g: Any,
        x: Any,
        kernel: Any,
        stride: Any,
        padding: Any,
        ceil: bool,
        counts_padding: bool,
        divisor: Any,
    ) -> Any:
        """Give each element of a window the same."""
        places = geometry(x, kernel, stride, padding)
        each = g.reshape(-1, 1, *places.out) / _divisors(places, x, counts_padding, divisor)
        count = math.prod(places.kernel)
        columns = each.reshape(each.shape[0], 1, 1, -1).expand(-1, -1, count, -1)
        return places.added(columns).reshape(x.shape)


_avg_pool("avg_pool2d", 2)
_avg_pool("avg_pool3d", 3)


def _adaptive(name: str, dims: int) -> None:
    @form(name)
    def pool(x: Any, size: Any) -> Any:
        """Means of windows [floor(i n / m), ceil((i + 1) n / m))."""
        for dim, m in zip(range(-dims, 0), size, strict=True):
            n = x.shape[dim]
            if n % m == 0:
                x = x.unflatten(dim, (m, n // m)).mean(dim)
            else:
                x = torch.stack([w.mean(dim) for w in _windows(x, dim, n, m)], dim)
        return x

    @form(f"{name}_backward")
    def unpool(g: Any, x: Any) -> Any:
        """Give each element of a window the same share."""
        for dim in range(-dims, 0):
            g = _shared(g, dim, x.shape[dim])
        return g


def _windows(x: Any, dim: int, n: int, m: int) -> list[Any]:
    return [x.narrow(dim, i * n // m, -(-(i + 1) * n // m) - i * n // m) for i in range(m)]


def _shared(g: Any, dim: int, n: int) -> Any:
    """Return the gradient of n elements along `dim` from that of their m means."""
    m = g.shape[dim]
    shape = [n if d == g.dim() + dim else size for d, size in enumerate(g.shape)]
    total: Any = Rounded(torch.zeros(shape, dtype=torch.float64, device=value(g).device), 0.0)
    for i in range(m):
        first, after = i * n // m, -(-(i + 1) * n // m)
        total.narrow(dim, first, after - first).add_(g.narrow(dim, i, 1) / (after - first))
    return total


_adaptive("_adaptive_avg_pool2d", 2)
_adaptive("_adaptive_avg_pool3d", 3)
