"""A Convention as torch computes it: definitions in the place of its own, and a loss."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import torch_ref
from compare.evaluation import Convention
from compare.port.conventions import Substituting
from compare.port.layers import BIASED, ONE_AT_ZERO

Loss = Callable[[Tensor, Tensor, Any], Tensor]
"""Of logits, labels and the network, for its weight decay."""


def under(convention: Convention) -> AbstractContextManager[Any]:
    """Compute by the definitions of layers that a convention has in the place of torch's."""
    definitions = [ONE_AT_ZERO] * convention.relu_at_zero + [BIASED] * (not convention.unbiased)
    return Substituting(*definitions) if definitions else nullcontext()


def loss_of(convention: Convention) -> Loss:
    """Return the mean or summed cross-entropy of logits, and weight decay."""
    reduction = "mean" if convention.mean else "sum"

    def loss(logits: Tensor, t: Tensor, net: torch_ref.MultiLayerNet) -> Tensor:
        if not convention.epsilon:
            total = F.cross_entropy(logits, t, reduction=reduction)
        else:
            log_y = torch.log_softmax(logits, dim=1)
            kept = _log_from_zero(log_y, convention.form, convention.epsilon)
            total = F.nll_loss(kept, t, reduction=reduction)
        return total + net.weight_penalty()

    return loss


def _log_from_zero(log_y: Tensor, form: str, epsilon: float) -> Tensor:
    """Return the log of a softmax that is kept from 0, by its own log: no epsilon is too small."""
    least = math.log(epsilon)
    if form == "add":
        return torch.logaddexp(log_y, torch.full_like(log_y, least))
    return log_y.clamp(least, math.log1p(-epsilon) if form == "clip" else None)
