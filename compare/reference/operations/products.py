"""Products of matrices: sums of products, and errors that pass a matrix."""

import torch
from torch import Tensor

from compare.reference.added import block, multiplicity, started2
from compare.reference.allowed import C
from compare.reference.amplification import amplification
from compare.reference.context import current
from compare.reference.rules import form
from compare.reference.values import Value


def _exact(x: Value) -> bool:
    """Return whether a factor has no error."""
    return x.e2 is None or (not x.v.is_meta and not x.e2.any())


def _amplified(factor: Value) -> Tensor | float:
    """Return k by which E^2 of the other factor grows through `factor`, per matrix."""
    if not factor.is_weight:
        return 1.0
    W = factor.v
    if W.dim() == 2:
        return amplification(W)
    matrices = {m.data_ptr(): m for m in W.flatten(0, -3)} if not W.is_meta else {}
    ks = [amplification(matrices[m.data_ptr()]) for m in W.flatten(0, -3)] if matrices else [1.0]
    return torch.tensor(ks, dtype=W.dtype, device=W.device).view(-1, 1, 1)


def _dominance(x: Value) -> float:
    """Return the share of the largest direction of a matrix of parameters in its square, 0 to 1."""
    if not x.is_weight or x.v.dim() != 2 or min(x.v.shape) < 2:
        return 0.0
    smaller: int = min(x.v.shape)
    return (amplification(x.v) - 1) / (smaller - 1)


def product(a: Value, b: Value) -> Value:
    """Return a @ b of (..., p, n) and (..., n, q), of two or three dimensions.

    With P the partial sums at the ends of blocks of s terms t = a b, k of `amplification` through a
    factor that is made of parameters alone, m of `multiplicity` of the rows that are added up,

        E^2 = (k m Ea^2) b^2 + a^2 (k m Eb^2) + sum t^2 + (n - 1) / n (s sum P^2 + s sum t^2)

    and beside it the bound (s sum |P| + s / 2 sum |t|) / C where neither is made of parameters;
    else the share of its square that the dominant direction has in theirs: equal weights make equal
    terms, which round the same way again and again.
    Factors that are rounded before (TF32) add 2 f^2 sum t^2.
    """
    A, B, kind = a.v, b.v, current().format
    n = A.shape[-1]
    s, of_data = block(n), not (a.is_weight or b.is_weight)
    systematic = 1.0 if of_data else max(_dominance(a), _dominance(b))
    o, partial2, sizes = _in_blocks(A, B, s, systematic > 0)
    added = (n - 1) / n * kind.added2 if n else 0.0
    A2, B2 = A * A, B * B
    left = A2 * (added * s + (kind.added2 if n > 1 else 1.0) + 2 * kind.factors2)
    if not _exact(a):
        m = multiplicity(A.mT, a.e2.mT) if of_data else None
        Ea2 = a.e2 if m is None else a.e2 * m.mT
        left = left.add_(Ea2 * _amplified(b))
    e2 = left @ B2
    if not _exact(b):
        m = multiplicity(B, b.e2) if of_data else None
        Eb2 = b.e2 if m is None else b.e2 * m
        e2 += A2 @ (Eb2 * _amplified(a))
    e2.add_(partial2, alpha=added * s)
    if sizes is not None:
        bound = (A.abs() @ B.abs()).mul_(0.5 * (s + 1)).add_(sizes, alpha=s)
        e2.addcmul_(bound, bound, value=systematic * kind.added2 / C**2)
    return Value(o, e2.add_(kind.floor2), a.is_weight and b.is_weight)


def _in_blocks(A: Tensor, B: Tensor, s: int, of_data: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return A @ B, sum P^2 and, of data, sum |P|, P the sum before each block of s terms.

    Of the last block half of P^2 is added: on the way there it is that, in the mean. Of data the
    terms may be added from the last as well.
    """
    n = A.shape[-1]
    if n <= s:
        o = A @ B
        return o, 0.5 * o * o, torch.zeros_like(o[..., :1, :1]) if of_data and n > 1 else None
    starts = range(0, n, s)
    o, partial2, sizes = _partial(A, B, s, starts, squares=True, absolute=of_data)
    if of_data:
        *_, of_last = _partial(A, B, s, starts[::-1], squares=False, absolute=True)
        sizes = torch.maximum(sizes, of_last, out=sizes)
    return o, partial2, sizes if of_data else None


def _partial(
    A: Tensor, B: Tensor, s: int, starts: range, *, squares: bool, absolute: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sum of the blocks in this order, sum P^2 and sum |P|."""
    first, *others = starts
    o = A[..., first : first + s] @ B[..., first : first + s, :]
    partial2 = o * o if squares else o
    sizes = o.abs() if absolute else o
    add = o.addmm_ if o.dim() == 2 else o.baddbmm_
    for start in others:
        add(A[..., start : start + s], B[..., start : start + s, :])
        last = start == others[-1]
        if squares:
            partial2.addcmul_(o, o, value=0.5 if last else 1.0)
        if absolute and not last:
            sizes += o.abs()
    return o, partial2, sizes


@form("mm", "bmm", of_values=True)
def _mm(a: Value, b: Value) -> Value:
    """See `product`."""
    return product(a, b)


def _column(x: Value) -> Value:
    return x.moved(lambda v: v.unsqueeze(-1))


@form("mv", of_values=True)
def _mv(a: Value, b: Value) -> Value:
    """A product with one column."""
    return product(a, _column(b)).reshape(-1)


@form("dot", "vdot", of_values=True)
def _dot(a: Value, b: Value) -> Value:
    """A product with one row and one column."""
    return product(a.reshape(1, -1), _column(b)).reshape(())


@form("addmm", "baddbmm", of_values=True)
def _addmm(c: Value, a: Value, b: Value, *, beta: float = 1, alpha: float = 1) -> Value:
    """beta c + alpha a b."""
    made = product(a, b)
    made = made if alpha == 1 else made * alpha
    return made if beta == 0 else _added_to(c if beta == 1 else c * beta, made, a.shape[-1])


def _added_to(c: Value, made: Value, n: int) -> Value:
    """Return c + a product of n terms, whichever comes first."""
    o = made + c
    return Value(o.v, o.e2 + started2(c.v, n), o.is_weight)


@form("addmv", of_values=True)
def _addmv(c: Value, a: Value, b: Value, *, beta: float = 1, alpha: float = 1) -> Value:
    """beta c + alpha a b."""
    made = _addmm(_column(c), a, _column(b), beta=beta, alpha=alpha)
    return made.reshape(-1)


@form("addbmm", of_values=True)
def _addbmm(c: Value, a: Value, b: Value, *, beta: float = 1, alpha: float = 1) -> Value:
    """beta c + alpha sum over the batch of a b."""
    rows = a.moved(lambda v: v.transpose(0, 1).flatten(1))
    return _addmm(c, rows, b.moved(lambda v: v.flatten(0, 1)), beta=beta, alpha=alpha)


@form("addr", of_values=True)
def _addr(c: Value, a: Value, b: Value, *, beta: float = 1, alpha: float = 1) -> Value:
    """beta c + alpha a b^T."""
    return _addmm(c, _column(a), b.reshape(1, -1), beta=beta, alpha=alpha)


@form("linear", of_values=True)
def _linear(x: Value, W: Value, b: Value | None = None) -> Value:
    """x W^T + b."""
    made = product(x.reshape(-1, x.shape[-1]), W.moved(torch.t))
    made = made if b is None else _added_to(b, made, x.shape[-1])
    return made.reshape(*x.shape[:-1], W.shape[0])
