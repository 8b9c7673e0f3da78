"""
Features of one tenant, advanced event by event: what each event feeds, and the `f.` facts it is judged by.

An event at time t sees, for a window w, the events with time in (t − w, t] that had arrived by then. Which of the
features an event feeds and reads follows from its kind and the keys it carries. No clock: time moves with the events.

How late an event may come is `late_horizon`. Up to there everything is exact. An event that is later still is taken
into memory where it can still matter, counted in `late_past_horizon`, and judged without the features that would need
what was forgotten: those are NULL. Only `first` and `time_since_first` over "ever" are known at any age.
"""

import hashlib
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from goodsend.events.kinds import Kinds
from goodsend.events.model import Event
from goodsend.expr.compile import build_row
from goodsend.expr.evaluate import read
from goodsend.expr.functions.model import Lists
from goodsend.expr.model import Expression
from goodsend.expr.nodes import Name
from goodsend.facts import Facts, FactType, Value
from goodsend.features.definitions import ZERO_WHEN_EMPTY, Aggregate, Feature
from goodsend.features.windows import Log, Needs
from goodsend.kit.clock import DAY, SECOND, Micros

LATE_HORIZON: Micros = 7 * DAY
"""Default of how late an event may come and still be judged by everything; a setting overrides it."""

_OTHER_VALUE = {
    Aggregate.FIRST,
    Aggregate.LAST,
    Aggregate.DISTINCT,
    Aggregate.MIN,
    Aggregate.MAX,
}
_ALWAYS_KNOWN = {Aggregate.FIRST, Aggregate.TIME_SINCE_FIRST}

_OWN = frozenset({"id", "kind", "at", "channel"})
"""Columns of `e.` that are the event's own members, not fields of its data."""

Key = str | tuple[str, ...]
_Shelf = dict[int, Log]
"""The logs of one key, by the number of their group; a group that nothing fed has none."""
_Shelves = dict[Key, _Shelf]


class Readings(msgspec.Struct, frozen=True):
    """The features of a group that are read at one moment, by how they are read; `window` None is ever."""

    counts: tuple[tuple[str, Micros | None], ...] = ()
    sums: tuple[tuple[str, Micros | None, int], ...] = ()
    distincts: tuple[tuple[str, Micros | None, int], ...] = ()
    others: tuple[tuple[str, Micros | None, Aggregate], ...] = ()
    always: tuple[tuple[str, Micros | None, Aggregate], ...] = ()
    empty: dict[str, int | float] = {}


class Group(msgspec.Struct, frozen=True):
    """
    Features that share key, kinds, `where` and `of`, and so one log a key.

    `before` is read before the event is added (it does not count itself), `after` afterwards, None: nothing; `both` is
    for events that add nothing. `span` is the longest window (0 without any). `scale` is None where values are kept as
    they are, else the power of ten they are taken by.
    """

    key: tuple[str, ...]
    on: frozenset[str]
    of: Expression | None
    where: Expression | None
    scale: int | None
    span: Micros
    needs: Needs
    before: Readings | None
    after: Readings | None
    both: Readings


class Step(msgspec.Struct, frozen=True):
    """
    How one kind feeds one group. `where` and `of` are places in the row of the kind's expressions, None where there is
    none; `field` is the data field when `of` is nothing but that, `type` what it must hold: events of the log may be
    older than the kind's present definition.
    """

    group: int
    where: int | None = None
    of: int | None = None
    field: str | None = None
    type: FactType | None = None


class Shape(msgspec.Struct, frozen=True):
    """The groups of one key, whatever feeds them. `empty` is what they give for a key that nothing is known of."""

    key: tuple[str, ...]
    groups: tuple[int, ...]
    empty: dict[str, int | float]


class Recipe(msgspec.Struct, frozen=True):
    """
    What one kind does: which shapes of key it reads and, in each, which groups it feeds; the function over its
    expressions, and the `e.` columns that reads.
    """

    parts: tuple[tuple[int, dict[int, Step]], ...]
    row: Callable[[Facts, Lists], tuple[Value, ...]] | None
    columns: tuple[tuple[str, str], ...]


class Plan(msgspec.Struct, frozen=True):
    """Every feature of a pack, arranged once. `digest` changes when a meaning does; other plans' state is refused."""

    groups: tuple[Group, ...]
    shapes: tuple[Shape, ...]
    recipes: dict[str, Recipe]
    digest: str


def build_plan(features: Sequence[Feature], kinds: Kinds) -> Plan:
    """Arrange features into groups, and say per kind which are fed and which are read."""
    together: dict[tuple[Any, ...], list[Feature]] = {}
    for feature in features:
        together.setdefault(_group_key(feature), []).append(feature)
    groups = tuple(_group(members) for members in together.values())
    shapes = _shapes(groups)
    recipes = {name: _recipe(name, _entities(kinds, name), groups, shapes) for name in kinds.kinds}
    said = [(feature.name, feature.aggregate.value, feature.window, feature.counts_itself, feature.cap, *map(str, key))
            for key, members in together.items() for feature in members]  # fmt: skip
    return Plan(groups, shapes, recipes, hashlib.sha256(repr(said).encode()).hexdigest()[:16])


def _group_key(feature: Feature) -> tuple[Any, ...]:
    scale = _scale(feature)
    of = feature.of.sql if feature.of is not None else None
    where = feature.where.sql if feature.where is not None else None
    return feature.key, tuple(sorted(feature.on)), of, where, scale


def _scale(feature: Feature) -> int | None:
    """Sums of numbers are sums of integers: exact in any order, and taken out again as they went in."""
    if feature.aggregate is Aggregate.SUM and feature.type is FactType.NUMBER:
        return feature.scale
    return None


def _group(members: Sequence[Feature]) -> Group:
    some = members[0]
    kinds_of = {feature.aggregate for feature in members}
    ever = {feature.aggregate for feature in members if feature.window is None}
    windowed = {feature.aggregate for feature in members if feature.window is not None}
    needs = Needs(
        events=bool(windowed or ever - _ALWAYS_KNOWN),
        values=bool(kinds_of & _OTHER_VALUE),
        sums=Aggregate.SUM in kinds_of,
        distinct=Aggregate.DISTINCT in windowed,
        lowest=Aggregate.MIN in kinds_of,
        highest=Aggregate.MAX in kinds_of,
        ever=bool(ever - _ALWAYS_KNOWN),
        ever_distinct=max((feature.cap or 0 for feature in members), default=0),
    )
    return Group(
        key=some.key,
        on=frozenset(some.on),
        of=some.of,
        where=some.where,
        scale=_scale(some),
        span=max((feature.window or 0 for feature in members), default=0),
        needs=needs,
        before=_readings([feature for feature in members if not feature.counts_itself]),
        after=_readings([feature for feature in members if feature.counts_itself]),
        both=_readings(members) or Readings(),
    )


def _readings(features: Sequence[Feature]) -> Readings | None:
    if not features:
        return None
    named = [("f." + feature.name, feature) for feature in features]
    others = tuple(
        (name, f.window, f.aggregate)
        for name, f in named
        if f.aggregate not in (Aggregate.COUNT, Aggregate.SUM, Aggregate.DISTINCT)
    )
    return Readings(
        counts=tuple((name, f.window) for name, f in named if f.aggregate is Aggregate.COUNT),
        sums=tuple(
            (name, f.window, 10**f.scale if f.type is FactType.NUMBER else 0)
            for name, f in named
            if f.aggregate is Aggregate.SUM
        ),
        distincts=tuple((name, f.window, f.cap or 0) for name, f in named if f.aggregate is Aggregate.DISTINCT),
        others=others,
        always=tuple(other for other in others if other[1] is None and other[2] in _ALWAYS_KNOWN),
        empty={name: 0.0 if f.type is FactType.NUMBER else 0 for name, f in named if f.aggregate in ZERO_WHEN_EMPTY},
    )


def _shapes(groups: Sequence[Group]) -> tuple[Shape, ...]:
    together: dict[tuple[str, ...], list[int]] = {}
    for number, group in enumerate(groups):
        together.setdefault(group.key, []).append(number)
    return tuple(
        Shape(key, tuple(numbers), {name: zero for n in numbers for name, zero in groups[n].both.empty.items()})
        for key, numbers in together.items()
    )


def _entities(kinds: Kinds, kind: str) -> frozenset[str]:
    return frozenset(field.entity for field in kinds.kinds[kind].fields.values() if field.entity)


def _recipe(kind: str, entities: frozenset[str], groups: Sequence[Group], shapes: Sequence[Shape]) -> Recipe:
    expressions: dict[str, Expression] = {}

    def place(expression: Expression | None) -> int | None:
        if expression is None:
            return None
        expressions.setdefault(expression.sql, expression)
        return list(expressions).index(expression.sql)

    def step(number: int) -> Step:
        group = groups[number]
        field = _plain_field(group.of)
        of = None if field is not None else place(group.of)
        return Step(number, place(group.where), of, field, group.of.type if group.of is not None else None)

    parts = tuple(
        (number, {n: step(n) for n in shape.groups if kind in groups[n].on})
        for number, shape in enumerate(shapes)
        if entities.issuperset(shape.key)
    )
    columns = sorted({name for expression in expressions.values() for name in expression.facts})
    row = build_row(expressions) if expressions else None
    return Recipe(parts, row, tuple((name, name.removeprefix("e.")) for name in columns))


def _plain_field(of: Expression | None) -> str | None:
    """A field that is read as it is needs no expression: the canonical event already holds its type."""
    if of is None or not isinstance(of.node, Name) or of.type is FactType.TEXTS:
        return None
    name = of.node.name.removeprefix("e.")
    return None if name in _OWN else name


class Windows:
    """
    The features' memory of one tenant. Not shared between threads: one writer advances it, in order of arrival.

    `newest` is the latest time seen (None before the first event), `late` counts events that came after later ones,
    `late_past_horizon` those that came later than `late_horizon` allows. `lists` are what `where` and `of` consult.
    """

    def __init__(self, plan: Plan, late_horizon: Micros = LATE_HORIZON, lists: Lists | None = None) -> None:
        self.plan = plan
        self.late_horizon = late_horizon
        self.lists: Lists = lists if lists is not None else {}
        self.newest: Micros | None = None
        self.late = 0
        self.late_past_horizon = 0
        self._shelves: tuple[_Shelves, ...] = tuple({} for _ in plan.shapes)
        self._turns: tuple[deque[Key], ...] = tuple(deque() for _ in plan.shapes)

    def is_late(self, at: Micros) -> bool:
        """Return whether an event of this time comes after one that happened later."""
        return self.newest is not None and at < self.newest

    def observe(self, event: Event, entities: Mapping[str, str]) -> Facts:
        """
        Take in one event and return its `f.` facts, as known when it arrived. A fact that is not there is NULL.

        `entities` are the keys the event carries, by entity type. Calls are made in order of arrival.
        """
        at = event.at
        newest = self.newest
        if newest is None or at > newest:
            self.newest = newest = at
        elif at < newest:
            self.late += 1
        past = at < newest - self.late_horizon
        if past:
            self.late_past_horizon += 1
        facts: Facts = {}
        recipe = self.plan.recipes.get(event.kind)
        if recipe is None:
            return facts
        row: tuple[Value, ...] = ()
        if recipe.row is not None:
            row = recipe.row(_columns(event, recipe.columns), self.lists)
        groups = self.plan.groups
        for number, fed in recipe.parts:
            shape = self.plan.shapes[number]
            key = entities.get(shape.key[0]) if len(shape.key) == 1 else _key(shape.key, entities)
            if key is None:
                continue
            if not past:
                facts.update(shape.empty)
            shelf = self._shelves[number].get(key)
            if shelf is not None:
                for which, log in shelf.items():
                    if which not in fed:
                        _read(groups[which].both, log, at, past, facts)
            for which, step in fed.items():
                log_of = shelf.get(which) if shelf is not None else None
                group = groups[which]
                if group.before is not None and log_of is not None:
                    _read(group.before, log_of, at, past, facts)
                if step.where is None or row[step.where] is True:
                    value: Any = None
                    if step.field is not None:
                        value = read(step.type, event.data.get(step.field))
                    elif step.of is not None:
                        value = row[step.of]
                    if value is not None or group.of is None:
                        if log_of is None:
                            shelf, log_of = self._begin(number, key, which)
                        if group.scale is not None:
                            value = scaled(value, group.scale)
                        log_of.add(at, value, newest - group.span - self.late_horizon)
                if group.after is not None and log_of is not None:
                    _read(group.after, log_of, at, past, facts)
        return facts

    def _begin(self, number: int, key: Key, which: int) -> tuple["_Shelf", Log]:
        """Begin a log; and look at two old keys, so that what is forgotten keeps up with what is new."""
        shelves, turns = self._shelves[number], self._turns[number]
        for _ in range(min(2, len(turns))):
            old = turns.popleft()
            shelf = shelves[old]
            for stale in [place for place, log in shelf.items() if self._is_stale(place, log)]:
                del shelf[stale]
            if shelf or old == key:
                turns.append(old)
            else:
                del shelves[old]
        if key not in shelves:
            shelves[key] = {}
            turns.append(key)
        shelf = shelves[key]
        shelf[which] = log = Log(self.plan.groups[which].needs)
        return shelf, log

    def _is_stale(self, which: int, log: Log) -> bool:
        """Whether no event that may still come can ask for anything in a log."""
        group = self.plan.groups[which]
        if group.needs.ever or group.both.always or self.newest is None:
            return False
        return not log.times or log.times[-1] <= self.newest - group.span - self.late_horizon

    # -- keeping ------------------------------------------------------------------------------------------------------

    def keys(self) -> int:
        """Return how many logs are held."""
        return sum(len(shelf) for shelves in self._shelves for shelf in shelves.values())

    def snapshot(self) -> bytes:
        """Return the whole memory as bytes that `restore` reads."""
        return msgspec.json.encode(
            _Snapshot(
                self.plan.digest,
                self.newest,
                self.late,
                self.late_past_horizon,
                [
                    [_dumped(key, shelves[key]) for key in turns]
                    for shelves, turns in zip(self._shelves, self._turns, strict=True)
                ],
            )
        )

    @classmethod
    def restore(
        cls, state: bytes, plan: Plan, late_horizon: Micros = LATE_HORIZON, lists: Lists | None = None
    ) -> "Windows | None":
        """Return the memory a snapshot was taken of; None when it is of another plan, or no snapshot."""
        try:
            saved = msgspec.json.decode(state, type=_Snapshot)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if saved.plan != plan.digest or len(saved.shelves) != len(plan.shapes):
            return None
        windows = cls(plan, late_horizon, lists)
        windows.newest, windows.late, windows.late_past_horizon = saved.newest, saved.late, saved.late_past_horizon
        for number, entries in enumerate(saved.shelves):
            for parts, logs in entries:
                key = parts[0] if len(parts) == 1 else tuple(parts)
                windows._turns[number].append(key)
                windows._shelves[number][key] = {
                    which: Log.load(plan.groups[which].needs, dumped) for which, dumped in logs
                }
        return windows


class _Snapshot(msgspec.Struct, array_like=True):
    plan: str
    newest: Micros | None
    late: int
    late_past_horizon: int
    shelves: list[list[tuple[list[str], list[tuple[int, list[Any]]]]]]


def _dumped(key: Key, shelf: "_Shelf") -> tuple[list[str], list[tuple[int, list[Any]]]]:
    parts = [key] if isinstance(key, str) else list(key)
    return parts, [(which, log.dump()) for which, log in shelf.items()]


def scaled(value: float, decimals: int) -> int:
    """Return value × 10^decimals as the nearest whole number, halves away from zero."""
    product = abs(value) * 10**decimals
    if product == math.inf:
        return int(value) * int(10**decimals)  # a float that large has no decimals
    whole = int(product)
    if product - whole >= 0.5:
        whole += 1
    return whole if value >= 0 else -whole


def _unscaled(total: int, divisor: int) -> float | None:
    try:
        return total / divisor
    except OverflowError:
        return None


def _key(types: tuple[str, ...], entities: Mapping[str, str]) -> Key | None:
    if len(types) == 1:
        return entities.get(types[0])
    parts = []
    for type_ in types:
        part = entities.get(type_)
        if part is None:
            return None
        parts.append(part)
    return tuple(parts)


def _columns(event: Event, columns: Sequence[tuple[str, str]]) -> Facts:
    data = event.data
    return {name: getattr(event, field) if field in _OWN else data.get(field) for name, field in columns}


def _read(readings: Readings, log: Log, at: Micros, past: bool, facts: Facts) -> None:
    if past:
        _read_others(readings.always, log, at, 0, facts)
        return
    times = log.times
    high = len(times)
    if high and at < times[-1]:
        high = bisect_right(times, at)
    for name, window in readings.counts:
        facts[name] = high + log.folded if window is None else high - bisect_right(times, at - window, 0, high)
    for name, window, divisor in readings.sums:
        total = log.total(high, None if window is None else at - window)
        facts[name] = _unscaled(total, divisor) if divisor else total
    for name, window, cap in readings.distincts:
        facts[name] = log.distinct_ever(high, cap) if window is None else log.distinct(high, at - window)
    if readings.others:
        _read_others(readings.others, log, at, high, facts)


def _read_others(
    others: Sequence[tuple[str, Micros | None, Aggregate]], log: Log, at: Micros, high: int, facts: Facts
) -> None:
    for name, window, aggregate in others:
        after = None if window is None else at - window
        if aggregate is Aggregate.MIN or aggregate is Aggregate.MAX:
            found = log.extreme(1 if aggregate is Aggregate.MAX else -1, high, after)
            if found is not None:
                facts[name] = found
            continue
        if aggregate is Aggregate.FIRST or aggregate is Aggregate.TIME_SINCE_FIRST:
            event = log.first(at, high, after)
        else:
            event = log.last(high, after)
        if event is None:
            continue
        if aggregate is Aggregate.FIRST or aggregate is Aggregate.LAST:
            facts[name] = event[1]
        else:
            facts[name] = (at - event[0]) // SECOND
