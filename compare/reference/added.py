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

import numpy as np
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

FLOORS = 2.0**10
"""E^2, in floors of the format, up to which a term of 0 is that of a few operations, and exact."""

HASH = 0x9E3779B97F4A7C15 - 2**64
"""2^64 by the golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4)."""
HASH_OF_PLACE = 0x2545F4914F6CDD1D
"""Another odd number, so that the place is not undone by the digits."""


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


def started2(c: Tensor, n: int) -> Tensor:
    """Return the E^2 that a sum of n terms has more of where it starts at c, not at 0.

    A product to which a bias is added may as well start with it: c stands in every partial sum.
    """
    return c * c * (n * current().format.added2)


def multiplicity(terms: Tensor, e2: Tensor, places: Tensor | None = None) -> Tensor | None:
    """Return of (..., n, m) how many terms of its column each is equal to, None for no two.

    Equal is what rounds to the same in the candidate's format but for its last KEPT digits. Those
    without an error do not count. With `places` (n,), only those count that are added at the same.
    Of more than SAMPLE terms a sample is counted.
    """
    n = terms.shape[-2]
    if n < 2 or terms.is_meta or terms.numel() == 0:
        return None
    step = -(-n // SAMPLE)
    keys = _keys(terms, e2, places)
    # numpy's sort: several times as fast as torch's
    ordered = torch.from_numpy(np.sort(keys[..., ::step].cpu().numpy(), axis=-1)).to(keys.device)
    if not bool(((ordered[..., 1:] == ordered[..., :-1]) & ordered[..., 1:].isfinite()).any()):
        return None
    equal = torch.searchsorted(ordered, keys, right=True) - torch.searchsorted(ordered, keys)
    is_one = (equal < 2) | keys.isinf()
    return torch.where(is_one, 1.0, equal * (n / ordered.shape[-1])).to(terms.dtype).mT


def _keys(terms: Tensor, e2: Tensor, places: Tensor | None) -> Tensor:
    """Return (..., m, n): the digits that are compared (Veltkamp 1968), inf where nothing errs."""
    digits = round(-math.log2(current().format.u)) - KEPT
    high = terms * (2.0 ** (53 - digits) + 1)
    keys = high - (high - terms)
    if places is not None:
        bits = (keys + 0.0).contiguous().view(torch.int64)  # + 0.0: no -0.0
        hashed = (bits ^ (bits >> 29)) * HASH + places.unsqueeze(-1) * HASH_OF_PLACE
        keys = (hashed >> 11).to(torch.float64)  # whole numbers below 2^53: exact
    errs = torch.where(terms == 0, e2 > FLOORS * current().format.floor2, e2 > 0)
    return torch.where(errs & high.isfinite(), keys, torch.inf).mT.contiguous()
