"""
Rates with their uncertainty: what came of an account's messages, and how sure that is. No evidence is not zero.

Counting is the store's, drawing the console's; which rates there are and their limits are data (`rates.toml`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from goodsend.events.functions import wilson
from goodsend.kit.errors import Problem


class RateKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    One rate: the kinds of events counted above and below the line (`message.bounced/hard`: bounces of that class).

    `look` and `stop` are the shares (0…1) from which somebody should look and from which providers stop a sender;
    `scale` is where its drawing ends, in percent.
    """

    name: str
    above: tuple[str, ...]
    below: tuple[str, ...]
    unit: str
    look: float
    stop: float
    scale: float
    source: str


class Rates(msgspec.Struct, frozen=True):
    """The rates in their order, and how many messages it takes to say a figure."""

    kinds: tuple[RateKind, ...]
    enough: int


class Level(StrEnum):
    """What a rate says: too little is known, nothing, somebody should look, or it is as high as providers stop at."""

    UNKNOWN = "unknown"
    FINE = "fine"
    RAISED = "raised"
    HIGH = "high"


class Rate(msgspec.Struct, frozen=True):
    """One rate of one account. `share` and its 95 % interval from `low` to `high` are 0…1; (0, 1) without evidence."""

    kind: RateKind
    count: int
    of: int
    share: float
    low: float
    high: float
    level: Level


class _File(msgspec.Struct, forbid_unknown_fields=True):
    enough: int | None = None
    rate: dict[str, RateKind] = {}


def parse_rates(files: Mapping[str, Mapping[str, Any]]) -> tuple[Rates, list[Problem]]:
    """Read rates.toml; a later file replaces rates of the same id and adds the others after them."""
    kinds: dict[str, RateKind] = {}
    enough, problems = 0, []
    for file, raw in files.items():
        try:
            read = msgspec.convert(raw, _File)
        except msgspec.ValidationError as error:
            problems.append(Problem(file, str(error)))
            continue
        for id_, kind in read.rate.items():
            if not 0 < kind.look <= kind.stop <= 1:
                problems.append(Problem(f"{file}: {id_}", "needs 0 < look ≤ stop ≤ 1"))
            if kind.scale <= 0 or not kind.above or not kind.below:
                problems.append(Problem(f"{file}: {id_}", "needs kinds above and below the line, and a scale above 0"))
        kinds |= read.rate
        enough = enough if read.enough is None else read.enough
    return Rates(tuple(kinds.values()), max(1, enough)), problems


def rates_of(counts: Mapping[str, int], rates: Rates) -> list[Rate]:
    """Return the rates of an account from messages per event kind; those without any evidence come as such."""
    return [_rate(kind, counts, rates.enough) for kind in rates.kinds]


def _rate(kind: RateKind, counts: Mapping[str, int], enough: int) -> Rate:
    count = sum(counts.get(name, 0) for name in kind.above)
    of = max(sum(counts.get(name, 0) for name in kind.below), count)
    share = count / of if of else 0.0
    low, high = wilson(count, of) or (0.0, 1.0)
    if of < enough:
        level = Level.UNKNOWN
    elif low >= kind.stop:
        level = Level.HIGH
    else:
        level = Level.RAISED if low >= kind.look else Level.FINE
    return Rate(kind, count, of, share, low, high, level)


def share_of(count: int, of: int) -> float | None:
    """Return a share (0…1), None without anything it could be of."""
    return min(1.0, count / of) if of > 0 else None
