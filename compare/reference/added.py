"""What rounding does to a sum, whichever way its terms are added up.

Adding n terms t one by one rounds each of the partial sums S_k: independently, the squares add to
sum S_k^2; in the worst case to |sum S_k| (Higham 2002, equations 4.2 and 4.3). Terms that are equal
or of one sign and nearly equal round the same way again and again and come up to that bound, which
is granted to sums over data; it is a bound, so that C is taken out of it. Adding in another order
makes other partial sums: n terms in blocks of s, each added by itself, give s sum t^2 more.

Rows that are equal bring equal errors, which add up m-fold where m of them are added: by
Cauchy-Schwarz, m times the sum of their squares.
"""

import math

import torch
from torch import Tensor

from compare.reference.allowed import C
from compare.reference.context import current

LEAST = 32
"""Terms in a block at least: what a kernel adds up in registers."""

KEPT = 2
"""Digits of a number's last that do not tell rows apart whose errors are equal."""


def block(n: int) -> int:
    """Return how many of n terms stand in a block."""
    return max(1, min(n, max(LEAST, math.isqrt(n))))


def by_rows(terms: Tensor) -> Tensor:
    """Return E^2 of the sum of `terms` (n, ...) over their first dimension, terms exact.

    E^2 = sum_(k >= 2) S_k^2 + s sum t^2 + (sum_(k >= 2) |S_k| / C)^2
    """
    n = len(terms)
    if n <= 1:
        return torch.zeros(terms.shape[1:], dtype=terms.dtype, device=terms.device)
    partial = terms.cumsum(0)[1:]
    bound = partial.abs().sum(0) / C
    squares = (partial * partial).sum(0) + block(n) * (terms * terms).sum(0)
    return (squares + bound * bound) * current().format.added2


def multiplicity(rows: Tensor) -> Tensor | None:
    """Return how many rows of (..., n, m) are equal to each, (..., n, 1); None where all differ.

    Equal is what rounds to the same in the candidate's format but for its last KEPT digits.
    """
    n = rows.shape[-2]
    if n < 2 or rows.is_meta or rows.numel() == 0:
        return None
    keys = _hashed(rows)
    ordered, places = keys.sort(-1)
    starts = torch.ones_like(ordered, dtype=torch.bool)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    if bool(starts.all()):
        return None
    group = starts.cumsum(-1) - 1
    counts = torch.zeros_like(group).scatter_add_(-1, group, torch.ones_like(group))
    equal = torch.empty_like(group).scatter_(-1, places, counts.gather(-1, group))
    return equal.to(rows.dtype).unsqueeze(-1)


def _hashed(rows: Tensor) -> Tensor:
    """Return an integer for each row, equal for equal rows."""
    digits = round(-math.log2(current().format.u)) - KEPT
    high = rows * (2.0 ** (53 - digits) + 1)  # Veltkamp 1968: rounds to `digits` digits
    rounded = torch.where(high.isfinite(), high - (high - rows), rows) + 0.0  # + 0.0: no -0.0
    generator = torch.Generator().manual_seed(0)
    odd = torch.randint(-(2**62), 2**62, (rows.shape[-1],), generator=generator) * 2 + 1
    bits = rounded.contiguous().view(torch.int64)
    return ((bits ^ (bits >> 29)) * odd.to(rows.device)).sum(-1)
