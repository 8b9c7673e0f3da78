"""
What an aggregate is of the values it is made of: plain sums over numbers that were counted elsewhere. No memory here.

Everything is made of whole numbers that are exact in any order; a float is made once, at the end.
"""

import math
from collections.abc import Iterable, Mapping

from goodsend.events.functions import wilson

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
DEVIATION_MOST = 10**15
"""Largest size of a scaled value that a deviation takes in: its square, added 10^8 times, stays below 10^38."""
SQUARES_MOST = 10**38
"""From here on (count times sum of squares) the engines of the set path cannot hold a deviation exactly."""


def scaled(value: float, decimals: int) -> int:
    """Return value × 10^decimals as the nearest whole number, halves away from zero."""
    product = abs(value) * 10**decimals
    if product == math.inf:
        return int(value) * int(10**decimals)  # a float that large has no decimals
    whole = int(product)
    if product - whole >= 0.5:
        whole += 1
    return whole if value >= 0 else -whole


def fitting(value: float, decimals: int | None, most: int | None) -> int | None:
    """
    Return a value as a sum takes it in, None where it is too large for one.

    `decimals` None: it is whole already. `most` bounds its size, None: 64 bits do.
    """
    whole = int(value) if decimals is None else scaled(value, decimals)
    if most is not None:
        return whole if -most <= whole <= most else None
    return whole if INTEGER_MIN <= whole <= INTEGER_MAX else None


def average(total: int, count: int, divisor: int) -> float:
    """Return (total ÷ count) ÷ divisor, in that order, each step rounded to a float."""
    return float(total) / count / divisor


def deviation(total: int, squares: int, count: int, divisor: int) -> float | None:
    """
    Return the population standard deviation, None where it cannot be held exactly.

    √(count · squares − total²) ÷ count ÷ divisor: whole up to the root. Relative error below 1e-12.
    """
    if count * squares >= SQUARES_MOST:
        return None
    return math.sqrt(count * squares - total * total) / count / divisor


def entropy(sizes: Iterable[tuple[int, int]]) -> float | None:
    """
    Return Shannon's entropy in bits, None of nothing. Absolute error below 1e-9.

    `sizes` are pairs: how often a value occurred, and how many values occurred so often. Their order does not matter.
    """
    whole = 0
    parts = []
    for size, values in sizes:
        whole += size * values
        parts.append(values * (size * math.log2(size)))
    return max(0.0, math.log2(whole) - math.fsum(parts) / whole) if whole else None


def sizes_of(counts: Mapping[object, int]) -> dict[int, int]:
    """Return how many values occurred how often."""
    sizes: dict[int, int] = {}
    for count in counts.values():
        if count:
            sizes[count] = sizes.get(count, 0) + 1
    return sizes


def ratio(above: float | None, below: float | None) -> float | None:
    """Return above ÷ below, None where one is not known, below is 0 or the result is too large for a float."""
    if above is None or not below:
        return None
    found = float(above) / float(below)
    return found if -math.inf < found < math.inf else None


def interval(above: float | None, below: float | None) -> tuple[float, float] | None:
    """Return the 95 % Wilson interval of a ratio of counts, None where it is no share (above > below, or unknown)."""
    if above is None or below is None or not 0 <= above <= below:
        return None
    return wilson(float(above), float(below))  # the set path divides floats; whole numbers would round once less
