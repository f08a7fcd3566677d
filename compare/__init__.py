"""Says whether a network written from scratch computes what PyTorch computes.

`check_network` and `assert_parity` judge a network; `compare.run` trains two of them side by side.
The only package here that knows both `scratch` and `torch_ref`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare.check import assert_parity, check_network
    from compare.report import Report

__all__ = ["Report", "assert_parity", "check_network"]


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes seconds, and not everything here needs it."""
    if name == "Report":
        from compare.report import Report

        return Report
    if name in __all__:
        from compare import check

        return getattr(check, name)
    raise AttributeError(f"module 'compare' has no attribute {name!r}")
