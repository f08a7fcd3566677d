"""One rule for each operation of ATen, by family; importing this enters them all."""

from compare.reference.operations import (
    activations,
    arithmetic,
    convolution,
    losses,
    made,
    moves,
    normalization,
    pooling,
    products,
    scatters,
    selections,
    softmax,
    sums,
)

__all__ = [
    "activations",
    "arithmetic",
    "convolution",
    "losses",
    "made",
    "moves",
    "normalization",
    "pooling",
    "products",
    "scatters",
    "selections",
    "softmax",
    "sums",
]
