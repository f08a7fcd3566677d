"""How a factor reads: in one place, so that none is printed that reads as nothing."""

import math
from fractions import Fraction

import numpy as np

from compare.causes.mistake import Texts
from compare.rounding import unit_roundoff

NEARLY = math.sqrt(unit_roundoff(np.float64))
"""How near to 0 or -1 a factor is that is called so: rounding keeps half the digits at least."""

SMALL = 1000
"""The largest denominator of what is printed as a fraction."""

DIGITS = 6
"""Those that are printed."""


def factor(k: float) -> str:
    """Return k as somebody would write it: 7, 1/7, 0.356789, 1 + 2e-08; never '-0'.

    One that is 1 or -1 but for less than is printed is said by what it is off.
    """
    if not math.isfinite(k):
        return str(k)
    for whole in (1.0, -1.0):
        if k != whole and float(f"{k:.{DIGITS}g}") == whole:
            return f"{whole:g} {'+' if k > whole else '-'} {abs(k - whole):.0e}"
    decimal = f"{k or 0.0:.{DIGITS}g}"
    fraction = Fraction(k).limit_denominator(SMALL)
    as_measured = f"{k:.12g}"  # what rounding leaves of it must not choose how it reads
    if f"{float(fraction):.12g}" != as_measured:
        return decimal
    if f"{float(decimal):.12g}" != as_measured:
        return str(fraction)
    return min(str(fraction), decimal, key=len)


def times(name: str, k: float) -> Texts:
    """Return that `name` is k times what it should be, in the words for such a k; '' for 1."""
    if abs(k) < NEARLY:
        return f"{name} is 0", f"{name} が 0 です"
    if abs(k + 1) < NEARLY:
        return f"{name} has the wrong sign", f"{name} の符号が逆です"
    if k == 1:
        return "", ""
    if f"{k:.3g}" == "1":
        return (
            f"{name} is off by {abs(k - 1):.0e} of what it should be",
            f"{name} は正しい値から {abs(k - 1):.0e} の割合だけずれています",
        )
    if k > 1:
        return f"{name} is {factor(k)} times too large", f"{name} が {factor(k)} 倍大きすぎます"
    if k > 0:
        return (
            f"{name} is {factor(1 / k)} times too small",
            f"{name} が {factor(1 / k)} 倍小さすぎます",
        )
    return (
        f"{name} is {factor(k)} times what it should be",
        f"{name} は正しい値の {factor(k)} 倍です",
    )


def between(low: float, high: float) -> Texts:
    """Return that the elements that are off are from `low` to `high` times what they should be."""
    first, last = (f"{k or 0.0:.3g}" for k in (low, high))
    if max(abs(low), abs(high)) < NEARLY:
        return "where it is off it is 0", "ずれた要素は 0 です"
    if first == last == "1":
        share = f"{max(abs(low - 1), abs(high - 1)):.0e}"
        return (
            f"where it is off it is so by about {share} of what it should be",
            f"ずれた要素のずれは正しい値のおよそ {share} です",
        )
    if first == last:
        return (
            f"where it is off it is {first} times what it should be",
            f"ずれた要素は正しい値の {first} 倍です",
        )
    return (
        f"where it is off it is {first} to {last} times what it should be (the middle 80 %)",
        f"ずれた要素は正しい値の {first} 倍から {last} 倍です(中央の 80 %)",
    )
