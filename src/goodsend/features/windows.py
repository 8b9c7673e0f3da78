"""
The memory of one key: the events that fed one group of features, in order of time, kept so that every window over them
is read in a few binary searches. What is fed and what is read is decided in `plan.py` and `compute.py`.

Most keys see few events, so a memory has two forms. *Few* is one tuple, the times of at most FEW events and after them
their values; it is read by looking at all of them. A `Log` is for what grows beyond: packed columns, running totals.

Both are exact for every time that is not older than what was pruned. Events may be added out of order; adding at the
end is the fast case. Ties in time stand in order of arrival.
"""

import math
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from goodsend.features.measures import entropy, sizes_of
from goodsend.kit.clock import Micros

FEW = 4
"""Most events that the short form holds; own choice: more would make reading slower than it makes keys smaller."""
_FIRST_PRUNE = 64
_BEGINNING: Micros = -(2**62)
_ABOVE = math.inf  # above every value: a pair of a time and this stands behind all events of that time
# Shared by every log that does not need one of its own, because there are many logs; never added to.
_NO_LIST: list[Any] = []
_NO_SET: set[Any] = set()

Few = tuple[Any, ...]


class Needs(msgspec.Struct, frozen=True, array_like=True):
    """
    What the features of a group read, and so what is kept of a key.

    `events`: the events themselves (without it only the very first is remembered). `first`: that one, for ever.
    `valued`: events have a value. `values`: a log keeps it for each event. `sums`, `squares`: running totals.
    `lowest`, `highest`, `entropy`: over windows. `ever`: what is pruned still counts, as a summary where `folds`, else
    by its last event alone. `ever_distinct`: most values counted for ever. `cap`: most values remembered for ever with
    their number and first time. 0: none.
    """

    events: bool = False
    first: bool = False
    valued: bool = False
    values: bool = False
    sums: bool = False
    squares: bool = False
    lowest: bool = False
    highest: bool = False
    entropy: bool = False
    ever: bool = False
    folds: bool = False
    ever_distinct: int = 0
    cap: int = 0

    def covers(self, other: "Needs") -> bool:
        """Whether a memory kept for these needs answers the others as well."""
        return self.cap == other.cap and all(
            getattr(self, name) >= getattr(other, name) for name in Needs.__struct_fields__
        )


# -- few events -------------------------------------------------------------------------------------------------------


def begin(needs: Needs, at: Micros, value: Any) -> "Few | Log":
    """Return the memory of a key that has seen one event."""
    if needs.cap:  # which values came first is told by arrival, and the short form does not keep that
        log = Log(needs)
        log.add(at, value, _BEGINNING)
        return log
    return (at, value) if needs.valued else (at,)


def added(few: Few, needs: Needs, at: Micros, value: Any, boundary: Micros) -> "Few | Log":
    """Return a short memory with one more event. No window will be asked about what is no later than `boundary`."""
    if not needs.events:
        return few if few[0] <= at else begin(needs, at, value)
    count = len(few) >> 1 if needs.valued else len(few)
    if count < FEW and few[count - 1] <= at:  # the common case
        return (*few[:count], at, *few[count:], value) if needs.valued else (*few, at)
    if count >= FEW:
        few = _shortened(few, count, needs, boundary)
        count = len(few) >> 1 if needs.valued else len(few)
        if count >= FEW:
            log = Log(needs)
            values = few[count:] if needs.valued else few
            for time, known in zip(few[:count], values, strict=True):
                log.add(time, known, _BEGINNING)
            log.add(at, value, boundary)
            return log
    place = count if not count or few[count - 1] <= at else bisect_right(few, at, 0, count)
    if not needs.valued:
        return (*few[:place], at, *few[place:])
    middle = count + place
    return (*few[:place], at, *few[place:middle], value, *few[middle:])


def _shortened(few: Few, count: int, needs: Needs, boundary: Micros) -> Few:
    """Forget what no feature asks for any more."""
    cut = bisect_right(few, boundary, 0, count)
    if not cut or (needs.ever and needs.folds):
        return few
    kept = list(range(cut, count))
    if needs.ever:
        kept.insert(0, cut - 1)
    if needs.first and 0 not in kept:
        kept.insert(0, 0)
    times = tuple(few[place] for place in kept)
    return (*times, *(few[count + place] for place in kept)) if needs.valued else times


# -- many events ------------------------------------------------------------------------------------------------------


class Tally:
    """
    How often each value occurs among the events with time in (after, upto]; moved along as it is asked.

    `next` is not later than the first event in it: while `after` stays below, nothing leaves.
    """

    __slots__ = ("after", "counts", "next", "sizes", "upto")

    def __init__(self, *, sizes: bool) -> None:
        self.after: Micros = _BEGINNING
        self.upto: Micros = _BEGINNING
        self.next: Micros = _BEGINNING
        self.counts: dict[Any, int] = {}
        self.sizes: dict[int, int] | None = {} if sizes else None

    def add(self, values: Iterable[Any], step: int = 1) -> None:
        """Count values in, or out with a step of -1."""
        counts, sizes = self.counts, self.sizes
        for value in values:
            before = counts.get(value, 0)
            after = before + step
            if after:
                counts[value] = after
            else:
                del counts[value]
            if sizes is not None:
                if after:
                    sizes[after] = sizes.get(after, 0) + 1
                if before:
                    left = sizes[before] - 1
                    if left:
                        sizes[before] = left
                    else:
                        del sizes[before]

    def move(self, times: Sequence[Micros], values: list[Any], after: Micros, upto: Micros) -> None:
        """Let it cover (after, upto] instead."""
        if self.after <= after < self.next and times and self.upto <= upto and times[-1] <= upto:
            place = len(times)  # the common case: time went on a little, and nothing leaves
            while place and times[place - 1] > self.upto:
                place -= 1
            if place < len(times):
                self.add(values[place:])
                self.next = min(self.next, times[place])
            self.after, self.upto = after, upto
            return
        old_low, old_high = bisect_right(times, self.after), bisect_right(times, self.upto)
        low, high = bisect_right(times, after), bisect_right(times, upto)
        self.after, self.upto = after, upto
        self.next = times[low] if low < len(times) else upto + 1
        if low >= old_high or high <= old_low:
            self.counts = {}
            self.sizes = {} if self.sizes is not None else None
            self.add(values[low:high])
            return
        if low < old_low:
            self.add(values[low:old_low])
        if old_high < high:
            self.add(values[old_high:high])
        if old_low < low:
            self.add(values[old_low:low], -1)
        if high < old_high:
            self.add(values[high:old_high], -1)


class Known:
    """The values of a key that came first, `cap` at most: how often and when first; `other` counts all the rest."""

    __slots__ = ("cap", "counts", "firsts", "other", "sizes")

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.counts: dict[Any, int] = {}
        self.firsts: dict[Any, Micros] = {}
        self.sizes: dict[int, int] = {}
        self.other = 0

    def add(self, at: Micros, value: Any) -> None:
        """Take in an event, in order of arrival."""
        before = self.counts.get(value, 0)
        if not before and len(self.counts) >= self.cap:
            self.other += 1
            return
        self.counts[value] = before + 1
        if not before or at < self.firsts[value]:
            self.firsts[value] = at
        self.sizes[before + 1] = self.sizes.get(before + 1, 0) + 1
        if before:
            self.sizes[before] -= 1
            if not self.sizes[before]:
                del self.sizes[before]


class Log:
    """
    The events of one key in one group.

    `times` and `values` are parallel. `totals[i]` is the sum of everything up to and including event i, `squares[i]`
    that of the squares; `folded`, `folded_total` and `folded_squares` count and sum what was pruned. `floor` is the
    time up to which it was pruned.
    """

    __slots__ = (
        "first_time",
        "first_value",
        "floor",
        "folded",
        "folded_distinct",
        "folded_extremes",
        "folded_last",
        "folded_squares",
        "folded_total",
        "highest",
        "known",
        "limit",
        "lowest",
        "needs",
        "plain",
        "seen",
        "squares",
        "tallies",
        "times",
        "totals",
        "values",
    )

    def __init__(self, needs: Needs) -> None:
        self.needs = needs
        # Nothing is kept of an event in order but its time, its value and the running total.
        self.plain = not (needs.cap or needs.ever_distinct or needs.squares or needs.lowest or needs.highest)
        self.times: array[int] = array("q")
        self.values: list[Any] = [] if needs.values else _NO_LIST
        self.totals: array[int] | list[int] = array("q") if needs.sums else _NO_LIST
        self.squares: list[int] = [] if needs.squares else _NO_LIST
        self.first_time: Micros | None = None
        self.first_value: Any = None
        self.floor: Micros = _BEGINNING
        self.limit = _FIRST_PRUNE
        self.folded = 0
        self.folded_total = 0
        self.folded_squares = 0
        self.folded_last: tuple[Micros, Any] | None = None
        self.folded_extremes: tuple[Any, Any] | None = None
        self.folded_distinct: set[Any] = set() if needs.ever_distinct else _NO_SET
        self.seen: set[Any] = set() if needs.ever_distinct else _NO_SET
        self.known: Known | None = Known(needs.cap) if needs.cap else None
        # By window; one for events in order and one for late ones, so that two sources at two paces do not fight.
        self.tallies: dict[tuple[Micros, bool], Tally] | None = None
        # Events that no later one is as low as (times rise, values rise), and the same for highs (values fall).
        self.lowest: list[tuple[Micros, Any]] = [] if needs.lowest else _NO_LIST
        self.highest: list[tuple[Micros, Any]] = [] if needs.highest else _NO_LIST

    # -- adding -------------------------------------------------------------------------------------------------------

    def add(self, at: Micros, value: Any, boundary: Micros) -> None:
        """Add an event. What is no later than `boundary` no window will be asked about any more."""
        times = self.times
        if not (self.plain and times and times[-1] <= at):
            self._add_with_all(at, value)
        else:
            times.append(at)
            needs = self.needs
            if needs.values:
                self.values.append(value)
            if needs.sums:
                self._push(value)
        if self.tallies is not None and at > self.floor:
            for tally in self.tallies.values():
                if tally.after < at <= tally.upto:
                    tally.add((value,))
                    tally.next = min(tally.next, at)
        if len(times) >= self.limit:
            self.prune(boundary)

    def _add_with_all(self, at: Micros, value: Any) -> None:
        if self.first_time is None or at < self.first_time:
            self.first_time, self.first_value = at, value
        needs = self.needs
        times = self.times
        if self.known is not None:
            self.known.add(at, value)
        if needs.ever_distinct and len(self.seen) < needs.ever_distinct:
            self.seen.add(value)
        if at <= self.floor:
            self._fold(at, value)
            return
        if times and at < times[-1]:
            self._add_late(at, value)
        else:
            times.append(at)
            if needs.values:
                self.values.append(value)
            if needs.sums:
                self._push(value)
            if needs.squares:
                squares = self.squares
                squares.append((squares[-1] if squares else self.folded_squares) + value * value)
        if needs.lowest:
            _keep(self.lowest, at, value, -1)
        if needs.highest:
            _keep(self.highest, at, value, 1)

    def _push(self, value: int) -> None:
        totals = self.totals
        total = (totals[-1] if totals else self.folded_total) + value
        try:
            totals.append(total)
        except OverflowError:
            self.totals = [*totals, total]

    def _add_late(self, at: Micros, value: Any) -> None:
        place = bisect_right(self.times, at)
        self.times.insert(place, at)
        if self.needs.values:
            self.values.insert(place, value)
        if self.needs.sums:
            totals = self.totals
            before = totals[place - 1] if place else self.folded_total
            self.totals = _packed([*totals[:place], before + value, *(total + value for total in totals[place:])])
        if self.needs.squares:
            squares = self.squares
            squares.insert(place, squares[place - 1] if place else self.folded_squares)
            for later in range(place, len(squares)):
                squares[later] += value * value

    # -- pruning ------------------------------------------------------------------------------------------------------

    def prune(self, boundary: Micros) -> None:
        """Forget what lies at or before `boundary`, or fold it into the summary; cheap when called too often."""
        cut = bisect_right(self.times, boundary)
        if cut:
            self._cut(cut, boundary)
        self.limit = max(_FIRST_PRUNE, 2 * len(self.times))

    def _cut(self, cut: int, boundary: Micros) -> None:
        needs = self.needs
        for tally in (self.tallies or {}).values():
            if tally.after < boundary:
                tally.move(self.times, self.values, boundary, max(tally.upto, boundary))
        if needs.ever:
            self._remember(cut)
        if needs.sums:
            self.folded_total = self.totals[cut - 1]
            del self.totals[:cut]
        if needs.squares:
            self.folded_squares = self.squares[cut - 1]
            del self.squares[:cut]
        self.folded += cut
        self.floor = boundary
        del self.times[:cut]
        if needs.values:
            del self.values[:cut]
        for kept in (self.lowest, self.highest):
            if kept:
                del kept[: bisect_right(kept, (boundary, _ABOVE))]

    def _remember(self, cut: int) -> None:
        gone = self.values[:cut]
        self.folded_last = (self.times[cut - 1], gone[-1] if gone else None)
        if gone and (self.needs.lowest or self.needs.highest):
            known = (*gone, *(self.folded_extremes or ()))
            self.folded_extremes = (min(known), max(known))
        if self.needs.ever_distinct:
            self._fold_distinct(gone)

    def _fold_distinct(self, values: Iterable[Any]) -> None:
        for value in values:
            if len(self.folded_distinct) >= self.needs.ever_distinct:
                return
            self.folded_distinct.add(value)

    def _fold(self, at: Micros, value: Any) -> None:
        """Add an event that is older than what was pruned: no window will see it, the summary must."""
        self.folded += 1
        if self.needs.sums:
            self.folded_total += value
            self.totals = _packed([total + value for total in self.totals])
        if self.needs.squares:
            self.folded_squares += value * value
            self.squares = [square + value * value for square in self.squares]
        if not self.needs.ever:
            return
        if self.folded_last is None or at >= self.folded_last[0]:
            self.folded_last = (at, value if self.needs.values else None)
        if self.needs.lowest or self.needs.highest:
            known = (value, *(self.folded_extremes or ()))
            self.folded_extremes = (min(known), max(known))
        if self.needs.ever_distinct:
            self._fold_distinct([value])

    # -- reading: `high` is the number of events up to the time asked about, `after` the open start of the window -----

    def low(self, high: int, after: Micros) -> int:
        """Return the place of the first event of the window."""
        return bisect_right(self.times, after, 0, high)

    def count(self, high: int, after: Micros | None) -> int:
        """Return the number of events in the window, or of all when `after` is None."""
        return high + self.folded if after is None else high - bisect_right(self.times, after, 0, high)

    def total(self, high: int, after: Micros | None) -> int:
        """Return the sum of the window, or of everything when `after` is None."""
        return self._sum(self.totals, self.folded_total, high, after)

    def square(self, high: int, after: Micros | None) -> int:
        """Return the sum of the squares of the window, or of everything when `after` is None."""
        return self._sum(self.squares, self.folded_squares, high, after)

    def _sum(self, running: Sequence[int], folded: int, high: int, after: Micros | None) -> int:
        upper = running[high - 1] if high else folded
        if after is None:
            return upper
        low = bisect_right(self.times, after, 0, high)
        return upper - (running[low - 1] if low else folded)

    def tally(self, at: Micros, high: int, window: Micros) -> Tally:
        """Return how often each value occurs in the window of this length up to `at`."""
        if self.tallies is None:
            self.tallies = {}
        name = (window, high < len(self.times))
        tally = self.tallies.get(name)
        if tally is None:
            tally = self.tallies[name] = Tally(sizes=self.needs.entropy)
        # Never below what was pruned: it is not there, and what comes late from there is not added either.
        tally.move(self.times, self.values, max(at - window, self.floor), max(at, self.floor))
        return tally

    def entropy(self, at: Micros, high: int, window: Micros | None) -> float | None:
        """Return the entropy of the values of the window, or of all that were remembered."""
        if window is not None:
            return entropy((self.tally(at, high, window).sizes or {}).items())
        known = self.known
        assert known is not None, "asked only where a cap is"  # noqa: S101
        sizes, other = known.sizes, known.other
        if high < len(self.times):
            later = Counter(self.values[high:])
            counts = {value: count - later.pop(value, 0) for value, count in known.counts.items()}
            sizes, other = sizes_of(counts), other - later.total()
        return entropy([*sizes.items(), (other, 1)] if other else sizes.items())

    def share(self, at: Micros, high: int, window: Micros | None, value: Any) -> float | None:
        """Return how often the value occurs among the events of the window; None without any, or beyond the cap."""
        if window is not None:
            count = high - bisect_right(self.times, at - window, 0, high)
            return self.tally(at, high, window).counts.get(value, 0) / count if count else None
        known = self.known
        assert known is not None, "asked only where a cap is"  # noqa: S101
        count = high + self.folded
        if not count or (value not in known.counts and len(known.counts) >= known.cap):
            return None
        return (known.counts.get(value, 0) - self.values[high:].count(value)) / count

    def is_new(self, at: Micros, high: int, window: Micros | None, value: Any) -> bool | None:
        """Whether no event of the window has the value; None for one beyond the cap."""
        if window is not None:
            return value not in self.tally(at, high, window).counts
        known = self.known
        assert known is not None, "asked only where a cap is"  # noqa: S101
        first = known.firsts.get(value)
        if first is None:
            return True if len(known.firsts) < known.cap else None
        return first > at

    def distinct(self, at: Micros, high: int, window: Micros | None, cap: int) -> int:
        """Return how many different values the window holds, or there ever were, `cap` at most."""
        if window is not None:
            return len(self.tally(at, high, window).counts)
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
        place = 0 if after is None else bisect_right(kept, (after, _ABOVE))
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
        known = self.known
        return [
            self.times.tobytes(),
            self.values,
            self.totals.tobytes() if isinstance(self.totals, array) else _written(self.totals),
            _written(self.squares),
            self.first_time,
            self.first_value,
            self.floor,
            _written([self.folded, self.folded_total, self.folded_squares]),
            self.folded_last,
            self.folded_extremes,
            sorted(self.folded_distinct),
            sorted(self.seen),
            None if known is None else [known.other, [[v, n, known.firsts[v]] for v, n in known.counts.items()]],
        ]

    @classmethod
    def load(cls, needs: Needs, state: Sequence[Any]) -> "Log":
        """Return the log that `dump` was called on. ValueError, TypeError or IndexError where it is none."""
        log = cls(needs)
        times, values, totals, squares, log.first_time, log.first_value, log.floor, folded, *rest = state
        log.times.frombytes(times)
        if needs.values:
            log.values = values
        if needs.sums:
            if isinstance(totals, bytes):
                log.totals = array("q")
                log.totals.frombytes(totals)
            else:
                log.totals = _read(totals)
        if needs.squares:
            log.squares = _read(squares)
        log.folded, log.folded_total, log.folded_squares = _read(folded)
        log.folded_last = tuple(rest[0]) if rest[0] is not None else None
        log.folded_extremes = tuple(rest[1]) if rest[1] is not None else None
        if needs.ever_distinct:
            log.folded_distinct, log.seen = set(rest[2]), set(rest[3])
        if log.known is not None:
            log.known.other, entries = rest[4]
            for value, count, first in entries:
                log.known.counts[value], log.known.firsts[value] = count, first
            log.known.sizes = sizes_of(log.known.counts)
        log.limit = max(_FIRST_PRUNE, 2 * len(log.times))
        for kept, sign, wanted in ((log.lowest, -1, needs.lowest), (log.highest, 1, needs.highest)):
            if wanted:
                for at, value in zip(log.times, log.values, strict=True):
                    _keep(kept, at, value, sign)
        return log


def _written(numbers: Iterable[int]) -> str:
    """Whole numbers of any size as text: the format of snapshots ends at 64 bits."""
    return " ".join(map(str, numbers))


def _read(text: str) -> list[int]:
    return [int(number) for number in text.split()]


def _packed(numbers: list[int]) -> "array[int] | list[int]":
    try:
        return array("q", numbers)
    except OverflowError:
        return numbers


def _keep(kept: list[tuple[Micros, Any]], at: Micros, value: Any, sign: int) -> None:
    """Add to the events with none as extreme after them; an event that a later one outdoes is not kept."""
    place = len(kept)
    if kept and at < kept[-1][0]:
        place = bisect_right(kept, (at, _ABOVE))
        if sign * (kept[place][1] - value) >= 0:
            return
    start = place
    while start and sign * (kept[start - 1][1] - value) <= 0:
        start -= 1
    kept[start:place] = [(at, value)]
