"""
Rates with their uncertainty: what came of an account's messages, and how sure that is. No evidence is not zero.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec

_Z: Final = 1.959963984540054
"""Standard normal quantile of 97.5 %: a 95 % interval."""

ENOUGH: Final = 100
"""Fewest messages of which a share is said as a figure. Own starting value."""


class RateKind(msgspec.Struct, frozen=True):
    """
    One rate: the kinds of events counted above and below the line, and where its scale ends, in percent.

    `worrying` is the share (0…1) from which the lower bound is shown as a warning.
    """

    name: str
    above: tuple[str, ...]
    below: tuple[str, ...]
    unit: str
    scale: float
    worrying: float


RATES: Final = (
    # 0.3 %: Gmail's limit for user-reported spam, support.google.com/a/answer/81126
    RateKind("Complaints", ("message.complained",), ("message.delivered",), "delivered", 1.0, 0.003),
    # 5 %: own starting value, in the range that providers name for invalid addresses
    RateKind(
        "Hard bounces",
        ("message.bounced/hard",),
        ("message.delivered", "message.bounced/hard", "message.bounced/soft", "message.bounced/block"),
        "delivered or bounced",
        20.0,
        0.05,
    ),
    RateKind("Unsubscribes", ("message.unsubscribed",), ("message.delivered",), "delivered", 5.0, 0.02),
    RateKind("SMS not delivered", ("sms.failed",), ("sms.delivered", "sms.failed"), "messages", 50.0, 0.1),
)
"""What an account's page shows, with the source of each limit beside it; unmarked ones are own starting values."""


class Rate(msgspec.Struct, frozen=True):
    """
    One rate of one account, ready to be drawn. Shares are 0…1; `left`, `width`, `point` are places on the scale, in
    percent of its length. `enough` is False where too little was seen to name a figure.
    """

    name: str
    unit: str
    count: int
    of: int
    share: float
    low: float
    high: float
    enough: bool
    tone: str
    left: float
    width: float
    point: float
    scale: str


def interval(count: int, of: int) -> tuple[float, float]:
    """
    Return the 95 % interval of a share, each bound 0…1; (0, 1) without evidence.

    Source: Wilson, E. B. (1927), Journal of the American Statistical Association 22, 209–212.
    """
    if of <= 0:
        return 0.0, 1.0
    share = min(1.0, count / of)
    spread = _Z * _Z / of
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def rates_of(counts: Mapping[str, int]) -> list[Rate]:
    """Return the rates of an account from counts per event kind; those without any evidence come as such."""
    return [_rate(kind, counts) for kind in RATES]


def _rate(kind: RateKind, counts: Mapping[str, int]) -> Rate:
    count = sum(counts.get(name, 0) for name in kind.above)
    of = max(sum(counts.get(name, 0) for name in kind.below), count)
    low, high = interval(count, of)
    share = count / of if of else 0.0

    def place(value: float) -> float:
        return round(min(100.0, 10_000 * value / kind.scale), 2)

    enough = of >= ENOUGH
    tone = "reject" if enough and low > kind.worrying else "throttle" if enough and share > kind.worrying else "review"
    return Rate(
        kind.name, kind.unit, count, of, share, low, high, enough, tone if enough else "quiet",
        place(low), max(1.0, round(place(high) - place(low), 2)), place(share), f"{kind.scale:g}",
    )  # fmt: skip
