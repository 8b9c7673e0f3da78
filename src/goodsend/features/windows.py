"""
The memory of one key: the events that fed one group of features, in order of time, kept so that every window over them
is read in a few binary searches. What is fed and what is read is decided in `compute.py`.

A log is exact for every time that is not older than what was pruned. Events may be added out of order; adding at the
end is the fast case. Ties in time stand in order of arrival.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from typing import Any

import msgspec

from goodsend.kit.clock import Micros

_FIRST_PRUNE = 64
_BEGINNING: Micros = -(2**62)
# Shared by every log that does not need one of its own, because there are many logs; never added to.
_NO_LIST: list[Any] = []
_NO_SET: set[Any] = set()
_NO_DICT: dict[Any, Any] = {}


class Needs(msgspec.Struct, frozen=True):
    """
    What the features of a group read, and so what a log of it keeps.

    `events`: the log itself (without it only the very first event is remembered). `values`: the value of each event.
    `sums`: running totals. `distinct`, `lowest`, `highest`: over windows. `ever_distinct` (the cap, 0 for not),
    `ever`: what was pruned is folded into a summary instead of being forgotten.
    """

    events: bool = False
    values: bool = False
    sums: bool = False
    distinct: bool = False
    lowest: bool = False
    highest: bool = False
    ever: bool = False
    ever_distinct: int = 0


class Log:
    """
    The events of one key in one group.

    `times` and `values` are parallel. `totals[i]` is the sum of everything up to and including event i; `folded` and
    `folded_total` count and sum what was pruned into the summary. `floor` is the time up to which it was pruned.
    """

    __slots__ = (
        "earlier",
        "first_time",
        "first_value",
        "floor",
        "folded",
        "folded_distinct",
        "folded_extremes",
        "folded_last",
        "folded_total",
        "highest",
        "last_seen",
        "last_times",
        "limit",
        "lowest",
        "needs",
        "seen",
        "times",
        "totals",
        "values",
    )

    def __init__(self, needs: Needs) -> None:
        self.needs = needs
        self.times: list[Micros] = []
        self.values: list[Any] = [] if needs.values else _NO_LIST
        self.totals: list[int] = [] if needs.sums else _NO_LIST
        self.first_time: Micros | None = None
        self.first_value: Any = None
        self.floor: Micros = _BEGINNING
        self.limit = _FIRST_PRUNE
        self.folded = 0
        self.folded_total = 0
        self.folded_last: tuple[Micros, Any] | None = None
        self.folded_extremes: tuple[Any, Any] | None = None
        self.folded_distinct: set[Any] = set() if needs.ever_distinct else _NO_SET
        self.seen: set[Any] = set() if needs.ever_distinct else _NO_SET
        # When each value was last seen, those times in order (a window holds as many values as lie in it), and when
        # a value was seen before its last time.
        self.last_seen: dict[Any, Micros] = {} if needs.distinct else _NO_DICT
        self.last_times: list[Micros] = [] if needs.distinct else _NO_LIST
        self.earlier: dict[Any, list[Micros]] = {} if needs.distinct else _NO_DICT
        # Events that no later one is as low as (times rise, values rise), and the same for highs (values fall).
        self.lowest: list[tuple[Micros, Any]] = [] if needs.lowest else _NO_LIST
        self.highest: list[tuple[Micros, Any]] = [] if needs.highest else _NO_LIST

    # -- adding -------------------------------------------------------------------------------------------------------

    def add(self, at: Micros, value: Any, boundary: Micros) -> None:
        """Add an event. What is no later than `boundary` no window will be asked about any more."""
        if self.first_time is None or at < self.first_time:
            self.first_time, self.first_value = at, value
        needs = self.needs
        if not needs.events:
            return
        times = self.times
        if times and at < times[-1]:
            self._add_late(at, value)
        elif at <= self.floor:
            self._fold(at, value)
        else:
            times.append(at)
            if needs.values:
                self.values.append(value)
            if needs.sums:
                totals = self.totals
                totals.append((totals[-1] if totals else self.folded_total) + value)
        if needs.distinct:
            self._see(at, value)
        if needs.lowest:
            _keep(self.lowest, at, value, -1)
        if needs.highest:
            _keep(self.highest, at, value, 1)
        if needs.ever_distinct and len(self.seen) < needs.ever_distinct:
            self.seen.add(value)
        if len(times) >= self.limit:
            self.prune(boundary)

    def _add_late(self, at: Micros, value: Any) -> None:
        if at <= self.floor:
            self._fold(at, value)
            return
        place = bisect_right(self.times, at)
        self.times.insert(place, at)
        if self.needs.values:
            self.values.insert(place, value)
        if self.needs.sums:
            totals = self.totals
            totals.insert(place, totals[place - 1] if place else self.folded_total)
            for later in range(place, len(totals)):
                totals[later] += value

    def _see(self, at: Micros, value: Any) -> None:
        before = self.last_seen.get(value)
        if before is None:
            if at <= self.floor:
                return
        elif at > before:
            self.earlier.setdefault(value, []).append(before)
            last_times = self.last_times
            del last_times[bisect_left(last_times, before)]
        else:
            if self.floor < at < before:
                insort(self.earlier.setdefault(value, []), at)
            return
        self.last_seen[value] = at
        insort(self.last_times, at)

    # -- pruning ------------------------------------------------------------------------------------------------------

    def prune(self, boundary: Micros) -> None:
        """Forget what lies at or before `boundary`, or fold it into the summary; cheap when called too often."""
        cut = bisect_right(self.times, boundary)
        if cut:
            self._cut(cut, boundary)
        self.limit = max(_FIRST_PRUNE, 2 * len(self.times))

    def _cut(self, cut: int, boundary: Micros) -> None:
        needs = self.needs
        gone = self.values[:cut] if needs.values else []
        if needs.ever:
            self._remember(cut, gone)
        if needs.sums:
            self.folded_total = self.totals[cut - 1]
            del self.totals[:cut]
        self.folded += cut
        self.floor = boundary
        del self.times[:cut]
        if needs.values:
            del self.values[:cut]
        if needs.distinct:
            self._forget_values(gone, boundary)
        for kept in (self.lowest, self.highest):
            del kept[: bisect_right(kept, boundary, key=_time_of)]

    def _forget_values(self, gone: Sequence[Any], boundary: Micros) -> None:
        del self.last_times[: bisect_right(self.last_times, boundary)]
        for value in set(gone):
            earlier = self.earlier.get(value)
            if self.last_seen[value] <= boundary:
                del self.last_seen[value]
                self.earlier.pop(value, None)
            elif earlier is not None:
                del earlier[: bisect_right(earlier, boundary)]
                if not earlier:
                    del self.earlier[value]

    def _remember(self, cut: int, gone: Sequence[Any]) -> None:
        self.folded_last = (self.times[cut - 1], gone[-1] if gone else None)
        if gone and (self.needs.lowest or self.needs.highest):
            known = (*gone, *(self.folded_extremes or ()))
            self.folded_extremes = (min(known), max(known))
        if self.needs.ever_distinct:
            self._fold_distinct(gone)

    def _fold_distinct(self, values: Sequence[Any]) -> None:
        for value in values:
            if len(self.folded_distinct) >= self.needs.ever_distinct:
                return
            self.folded_distinct.add(value)

    def _fold(self, at: Micros, value: Any) -> None:
        """Add an event that is older than what was pruned: no window will see it, the summary must."""
        self.folded += 1
        if self.needs.sums:
            self.folded_total += value
            self.totals = [total + value for total in self.totals]
        if not self.needs.ever:
            return
        if self.folded_last is None or at >= self.folded_last[0]:
            self.folded_last = (at, value)
        if self.needs.lowest or self.needs.highest:
            known = (value, *(self.folded_extremes or ()))
            self.folded_extremes = (min(known), max(known))
        if self.needs.ever_distinct:
            self._fold_distinct([value])

    # -- reading: `high` is the number of events up to the time asked about, `after` the open start of the window -----

    def total(self, high: int, after: Micros | None) -> int:
        """Return the sum of the window, or of everything when `after` is None."""
        totals = self.totals
        upper = totals[high - 1] if high else self.folded_total
        if after is None:
            return upper
        low = bisect_right(self.times, after, 0, high)
        return upper - (totals[low - 1] if low else self.folded_total)

    def distinct(self, high: int, after: Micros) -> int:
        """Return how many different values the window holds."""
        found = len(self.last_times) - bisect_right(self.last_times, after)
        if high == len(self.times):
            return found
        for value in set(self.values[high:]):  # later than asked about: does not count unless seen in time as well
            earlier = self.earlier.get(value)
            place = bisect_right(earlier, self.times[high] - 1) if earlier else 0
            if not earlier or not place or earlier[place - 1] <= after:
                found -= 1
        return found

    def distinct_ever(self, high: int, cap: int) -> int:
        """Return how many different values there were, `cap` at most."""
        if high == len(self.times):
            return min(len(self.seen), cap)
        return min(len(self.folded_distinct.union(self.values[:high])), cap)

    def last(self, high: int, after: Micros | None) -> tuple[Micros, Any] | None:
        """Return time and value of the last event, None when there is none."""
        if high:
            time = self.times[high - 1]
            if after is None or time > after:
                return time, self.values[high - 1] if self.needs.values else None
            return None
        return self.folded_last if after is None else None

    def first(self, at: Micros, high: int, after: Micros | None) -> tuple[Micros, Any] | None:
        """Return time and value of the first event, None when there is none."""
        if after is None:
            if self.first_time is None or self.first_time > at:
                return None
            return self.first_time, self.first_value
        low = bisect_right(self.times, after, 0, high)
        if low == high:
            return None
        return self.times[low], self.values[low] if self.needs.values else None

    def extreme(self, sign: int, high: int, after: Micros | None) -> Any:
        """Return the highest (`sign` 1) or lowest (-1) value, None when there is none."""
        best = max if sign > 0 else min
        kept = self.highest if sign > 0 else self.lowest
        place = 0 if after is None else bisect_right(kept, after, key=_time_of)
        found: Any = kept[place][1] if place < len(kept) else None
        if high < len(self.times) and place < len(kept) and kept[place][0] >= self.times[high]:
            # the extreme of everything since lies later than asked about
            low = 0 if after is None else bisect_right(self.times, after, 0, high)
            found = best(self.values[low:high], default=None)
        if after is None and self.folded_extremes is not None:
            folded = self.folded_extremes[1 if sign > 0 else 0]
            return folded if found is None else best(found, folded)
        return found

    # -- keeping ------------------------------------------------------------------------------------------------------

    def dump(self) -> list[Any]:
        """Return what a log is made of, as plain values; everything else follows from it."""
        return [
            self.times,
            self.values,
            self.totals,
            self.first_time,
            self.first_value,
            self.floor,
            self.folded,
            self.folded_total,
            self.folded_last,
            self.folded_extremes,
            sorted(self.folded_distinct),
        ]

    @classmethod
    def load(cls, needs: Needs, state: Sequence[Any]) -> "Log":
        """Return the log that `dump` was called on."""
        log = cls(needs)
        log.times, log.values, log.totals, log.first_time, log.first_value, log.floor, log.folded = state[:7]
        log.folded_total = state[7]
        log.folded_last = tuple(state[8]) if state[8] is not None else None
        log.folded_extremes = tuple(state[9]) if state[9] is not None else None
        if needs.ever_distinct:
            log.folded_distinct = set(state[10])
        log.limit = max(_FIRST_PRUNE, 2 * len(log.times))
        for at, value in zip(log.times, log.values, strict=False):
            if needs.distinct:
                log._see(at, value)
            if needs.lowest:
                _keep(log.lowest, at, value, -1)
            if needs.highest:
                _keep(log.highest, at, value, 1)
        if needs.ever_distinct:
            for value in (*log.folded_distinct, *log.values):
                if len(log.seen) < needs.ever_distinct:
                    log.seen.add(value)
        return log


def _time_of(kept: tuple[Micros, Any]) -> Micros:
    return kept[0]


def _keep(kept: list[tuple[Micros, Any]], at: Micros, value: Any, sign: int) -> None:
    """Add to the events with none as extreme after them; an event that a later one outdoes is not kept."""
    place = len(kept)
    if kept and at < kept[-1][0]:
        place = bisect_right(kept, at, key=_time_of)
        if sign * (kept[place][1] - value) >= 0:
            return
    start = place
    while start and sign * (kept[start - 1][1] - value) <= 0:
        start -= 1
    kept[start:place] = [(at, value)]
