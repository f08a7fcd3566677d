"""Operations that copy elements: their errors are copied alike."""

from compare.reference.rules import moves

# views
moves("t", "transpose", "view", "_unsafe_view", "_reshape_alias", "expand", "permute", "alias")
moves("select", "slice", "unsqueeze", "squeeze", "detach", "as_strided", "narrow", "diagonal")
moves("split", "split_with_sizes", "unbind", "chunk", "unfold", "movedim", "view_as_real")

# copies
moves("clone", "contiguous", "copy", "cat", "stack", "repeat", "roll", "flip", "rot90", "zero")
moves("index_select", "index", "_unsafe_index", "gather", "take", "masked_select", "embedding")
moves("tril", "triu", "where", "im2col", "reflection_pad1d", "reflection_pad2d")
moves(
    "replication_pad1d",
    "replication_pad2d",
    "upsample_nearest1d",
    "upsample_nearest2d",
    "upsample_nearest3d",
)
moves("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "lift_fresh_copy", "diag_embed")
moves("select_scatter", "slice_scatter", "as_strided_scatter", "diagonal_scatter")
moves("constant_pad_nd", "masked_fill", "fill", "scatter", "index_fill", fills="value")

# their backwards, each element of which goes to one place
moves("select_backward", "slice_backward", "diagonal_backward")
moves("masked_scatter")
