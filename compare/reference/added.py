"""What rounding does to a sum, whichever way its terms are added up.

Adding n terms t one by one rounds each of the partial sums S_k: independently, the squares add to
sum S_k^2; in the worst case to |sum S_k| (Higham 2002, equations 4.2 and 4.3). Terms that are equal
or of one sign and nearly equal round the same way again and again and come up to that bound, which
is granted to sums over data; it is a bound, so that C is taken out of it. Adding in another order
makes other partial sums: n terms in blocks of s, each added by itself, give s sum t^2 more.

Terms that are equal bring equal errors, which add up m-fold where m of them are added: by
Cauchy-Schwarz, m times the sum of their squares. They are counted term by term and not row by row:
the gradients of logits of equal rows differ where their targets do, and only there.
"""

import math

import torch
from torch import Tensor

from compare.reference.allowed import C
from compare.reference.context import current

LEAST = 32
"""Terms in a block at least: what a kernel adds up in registers."""

KEPT = 2
"""Digits of a number's last that do not tell apart terms whose errors are equal."""

SAMPLE = 1024
"""Terms among which those are counted that are equal."""


HASH = 0x9E3779B97F4A7C15 - 2**64
"""2^64 by the golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4)."""


def block(n: int) -> int:
    """Return how many of n terms stand in a block."""
    return max(1, min(n, max(LEAST, math.isqrt(n))))


def by_rows(terms: Tensor) -> Tensor:
    """Return E^2 of the sum of `terms` (n, ...) over their first dimension, terms exact.

    E^2 = sum_(k >= 2) S_k^2 + s sum t^2 + (sum_(k >= 2) |S_k| / C)^2,

    S_k the sums from the first or from the last, whichever is more.
    """
    n = len(terms)
    if n <= 1:
        return torch.zeros(terms.shape[1:], dtype=terms.dtype, device=terms.device)
    partial = terms.cumsum(0)
    total, others = partial[-1], block(n) * (terms * terms).sum(0)
    from_the_end = (total - partial)[:-1]
    partial = partial[1:]
    bound = torch.maximum(partial.abs().sum(0), from_the_end.abs().sum(0)) / C
    squares = torch.maximum((partial * partial).sum(0), (from_the_end * from_the_end).sum(0))
    return (squares + others + bound * bound) * current().format.added2


def multiplicity(terms: Tensor) -> Tensor | None:
    """Return of (..., n, m) how many terms of its column each is equal to, None for no two.

    Equal is what rounds to the same in the candidate's format but for its last KEPT digits. Of more
    than SAMPLE terms, a sample is counted.
    """
    if terms.shape[-2] < 2 or terms.is_meta or terms.numel() == 0:
        return None
    return _counted(_rounded(terms).mT.contiguous(), terms.dtype)


def multiplicity_at(places: Tensor, terms: Tensor) -> Tensor | None:
    """Return `multiplicity` of (n, m) among those that are added at the same of `places` (n,)."""
    if len(terms) < 2 or terms.is_meta or terms.numel() == 0:
        return None
    bits = _rounded(terms).mT.contiguous().view(torch.int64)
    return _counted((bits ^ (bits >> 29)) * HASH + places * (HASH | 1) * 3, terms.dtype)


def _counted(columns: Tensor, dtype: torch.dtype) -> Tensor | None:
    """Return how many of its row of (..., m, n) each is equal to, (..., n, m)."""
    n = columns.shape[-1]
    if n <= SAMPLE:
        ordered, places = columns.sort(-1)
        starts = torch.ones_like(ordered, dtype=torch.bool)
        starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
        if bool(starts.all()):
            return None
        group = starts.cumsum(-1) - 1
        counts = torch.zeros_like(group).scatter_add_(-1, group, torch.ones_like(group))
        equal = torch.empty_like(group).scatter_(-1, places, counts.gather(-1, group))
    else:
        sample = columns[..., :: -(-n // SAMPLE)].sort(-1).values
        equal = torch.searchsorted(sample, columns, right=True)
        equal -= torch.searchsorted(sample, columns)
        if not bool((equal > 1).any()):
            return None
        equal = torch.where(equal > 1, equal * (n / sample.shape[-1]), 1.0)
    return equal.to(dtype).mT


def _rounded(x: Tensor) -> Tensor:
    """Return `x` with the digits of the candidate's format, but for KEPT (Veltkamp 1968)."""
    digits = round(-math.log2(current().format.u)) - KEPT
    high = x * (2.0 ** (53 - digits) + 1)
    return torch.where(high.isfinite(), high - (high - x), x) + 0.0  # + 0.0: no -0.0
