"""Functions that C++ computes as one, and the forms in Python that stand in their place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from compare.reference import attention, recurrent
from compare.reference.private import RECURRENT, with_names

FORMS: dict[Any, Callable[..., Any]] = {
    F.scaled_dot_product_attention: attention.scaled_dot_product_attention,
    F.multi_head_attention_forward: with_names(
        F.multi_head_attention_forward,
        # Looked up when it is called, so that another form in the table stands here, too.
        scaled_dot_product_attention=lambda *args, **kwargs: FORMS[F.scaled_dot_product_attention](
            *args, **kwargs
        ),
    ),
    **{function: getattr(recurrent, name) for name, function in RECURRENT.items()},
}


class Composites(TorchFunctionMode):
    """Computes what is in `FORMS` by them.

    While torch calls `__torch_function__` the mode is off, so that a function of torch in Python
    that calls a composite hides it. nn.MultiheadAttention's is the one, and is a form itself.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func`, or the form in its place."""
        return FORMS.get(func, func)(*args, **(kwargs or {}))


@contextmanager
def written_out() -> Iterator[None]:
    """Compute composite functions by their parts, also where torch's own functions call them."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), Composites():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
