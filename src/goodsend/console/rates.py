"""Rates as they are drawn: places on a scale and a tone. What a rate is and says is the reports' business."""

from collections.abc import Sequence
from typing import Final

import msgspec

from goodsend.reports.rates import Level, Rate

_TONES: Final = {Level.UNKNOWN: "quiet", Level.FINE: "review", Level.RAISED: "throttle", Level.HIGH: "reject"}


class DrawnRate(msgspec.Struct, frozen=True):
    """
    One rate, ready to be drawn: `left`, `width`, `point` and the limits are places on the scale, in percent of its
    length. `enough` is False where too little was seen to name a figure.
    """

    rate: Rate
    enough: bool
    tone: str
    left: float
    width: float
    point: float
    look: float
    stop: float
    scale: str


def drawn(rates: Sequence[Rate]) -> list[DrawnRate]:
    """Return the rates as they are drawn, in their order."""
    return [_drawn(rate) for rate in rates]


def _drawn(rate: Rate) -> DrawnRate:
    def place(share: float) -> float:
        return round(min(100.0, 10_000 * share / rate.kind.scale), 2)

    left = place(rate.low)
    return DrawnRate(
        rate, rate.level != Level.UNKNOWN, _TONES[rate.level], left, max(1.0, round(place(rate.high) - left, 2)),
        place(rate.share), place(rate.kind.look), place(rate.kind.stop), f"{rate.kind.scale:g}",
    )  # fmt: skip
