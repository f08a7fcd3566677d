"""By how much a matrix of parameters amplifies errors, because it mixes them into few directions.

Independent errors grow by ||W||_F / sqrt(n) as they pass a matrix of smaller side n; those in the
direction of its largest singular value s grow by s. A random matrix has
s = r = w (sqrt(fan_in) + sqrt(fan_out)), w the root mean square of its elements (Marchenko and
Pastur 1967), and its errors stay independent; as far as s stands out above r, they are taken to lie
in that direction: E^2 grows by k = max(1, n (s^2 - r^2) / ||W||_F^2) more. W, its transpose and -W
have the same k.
"""

import math

import torch
from torch import Tensor

from compare.reference.context import current
from compare.reference.private import storage

VECTORS, ROUNDS = 8, 3
"""Of the block power method (Halko, Martinsson and Tropp 2011, section 4.5) for s; one that stands
out takes few."""


def amplification(W: Tensor) -> float:
    """Return k of a matrix of parameters, computed once in an evaluation."""
    if W.is_meta:
        return 1.0
    sides = frozenset(zip(W.shape, W.stride(), strict=True))
    key = (*storage(W), W.storage_offset(), sides)
    known = current().amplifications
    if key not in known:
        known[key] = _largest(W)
    return known[key]


def _largest(W: Tensor) -> float:
    size = float(torch.linalg.vector_norm(W))
    if not 0 < size < math.inf or min(W.shape) < 2:
        return 1.0
    generator = torch.Generator().manual_seed(0)  # a start that lies across no direction
    start = (W.shape[1], min(VECTORS, *W.shape))
    Q = torch.randn(start, generator=generator, dtype=W.dtype).to(W.device)
    for _ in range(ROUNDS):
        Q = torch.linalg.qr(W.T @ (W @ Q)).Q
    s = float(torch.linalg.matrix_norm(W @ Q, 2)) / size
    r = (math.sqrt(W.shape[0]) + math.sqrt(W.shape[1])) / math.sqrt(W.numel())
    return max(1.0, min(W.shape) * (s * s - r * r))
