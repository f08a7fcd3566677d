"""Says whether a network written from scratch computes what PyTorch computes.

`check_network` and `assert_parity` judge a network, `check_function` a function of arrays,
`check_optimizer` an optimiser; `compare.run` trains two networks side by side.
The only package here that knows both `scratch` and `torch_ref`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare.check import assert_parity, check_network
    from compare.optimiser_check import check_optimizer
    from compare.port.function import check_function
    from compare.report import Report
    from compare.run import run_experiment

HOMES = {
    "Report": "compare.report",
    "assert_parity": "compare.check",
    "check_function": "compare.port.function",
    "check_network": "compare.check",
    "check_optimizer": "compare.optimiser_check",
    "run_experiment": "compare.run",
}
__all__ = [
    "Report",
    "assert_parity",
    "check_function",
    "check_network",
    "check_optimizer",
    "run_experiment",
]


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes seconds, and not everything here needs it."""
    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    raise AttributeError(f"module 'compare' has no attribute {name!r}")
