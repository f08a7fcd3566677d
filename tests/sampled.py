"""What repeats is slow: `make test` runs one case in n, and `make test-all` every one."""

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(n: int, cases: Iterable[Any]) -> list[Any]:
    """Return the cases of a parametrized test, all but each n-th marked slow."""
    several = [case if type(case) is tuple else (case,) for case in cases]  # and no NamedTuple
    return [
        pytest.param(*case, marks=[pytest.mark.slow] * bool(i % n))
        for i, case in enumerate(several)
    ]
