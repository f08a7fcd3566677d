"""Scaled dot-product attention written out (Vaswani et al. 2017, equation 1)."""

import math
from typing import Any

import torch
from torch import Tensor


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(q k^T / sqrt(d) + mask) v, as torch's documentation writes it.

    Parameters
    ----------
    query : (..., L, d)
    key : (..., S, d)
    value : (..., S, dv)
    attn_mask : (..., L, S)
        bool, True where a key takes part; or numbers that are added to the scores.
        A query that sees no key at all gets 0, as torch gives it, and sends back no gradient.
    """
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    scores = query @ key.transpose(-2, -1) * scale
    if is_causal:
        seen: Any = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
        scores = scores.masked_fill(~seen, -math.inf)
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -math.inf)
        else:
            scores = scores + attn_mask
    unseeing = (scores == -math.inf).all(-1, keepdim=True)  # exp(-inf) / 0 would be no number
    weights = torch.softmax(scores.masked_fill(unseeing, 0.0), -1)
    weights = weights.masked_fill(unseeing, 0.0)
    if dropout_p > 0.0:
        weights = torch.dropout(weights, dropout_p, True)
    return weights @ value
