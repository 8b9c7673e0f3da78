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

    `before` is read before the event is added (it does not count itself), `after` afterwards, None: nothing. `span` is
    the longest window (0 without any). `scale` is None where values are kept as they are, else the power of ten they
    are taken by.
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


class Step(msgspec.Struct, frozen=True):
    """
    What one kind does to one group. `fed` says whether it adds an event; `where` and `of` are places in the row of the
    kind's expressions, None where there is none; `field` is the data field when `of` is nothing but that.
    """

    group: int
    fed: bool
    where: int | None = None
    of: int | None = None
    field: str | None = None


class Recipe(msgspec.Struct, frozen=True):
    """What one kind does: its steps, and the function over its expressions with the `e.` columns that reads."""

    steps: tuple[Step, ...]
    row: Callable[[Facts, Lists], tuple[Value, ...]] | None
    columns: tuple[tuple[str, str], ...]


class Plan(msgspec.Struct, frozen=True):
    """Every feature of a pack, arranged once. `digest` changes when a meaning does; other plans' state is refused."""

    groups: tuple[Group, ...]
    recipes: dict[str, Recipe]
    digest: str


def build_plan(features: Sequence[Feature], kinds: Kinds) -> Plan:
    """Arrange features into groups, and say per kind which are fed and which are read."""
    together: dict[tuple[Any, ...], list[Feature]] = {}
    for feature in features:
        together.setdefault(_group_key(feature), []).append(feature)
    groups = tuple(_group(members) for members in together.values())
    recipes = {kind.name: _recipe(kind.name, _entities(kinds, kind.name), groups) for kind in kinds.kinds.values()}
    said = [(feature.name, feature.aggregate.value, feature.window, feature.counts_itself, feature.cap, *map(str, key))
            for key, members in together.items() for feature in members]  # fmt: skip
    return Plan(groups, recipes, hashlib.sha256(repr(said).encode()).hexdigest()[:16])


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


def _entities(kinds: Kinds, kind: str) -> frozenset[str]:
    return frozenset(field.entity for field in kinds.kinds[kind].fields.values() if field.entity)


def _recipe(kind: str, entities: frozenset[str], groups: Sequence[Group]) -> Recipe:
    steps = []
    expressions: dict[str, Expression] = {}

    def place(expression: Expression) -> int:
        expressions.setdefault(expression.sql, expression)
        return list(expressions).index(expression.sql)

    for number, group in enumerate(groups):
        if not entities.issuperset(group.key):
            continue
        if kind not in group.on:
            steps.append(Step(number, fed=False))
            continue
        field = _plain_field(group.of)
        of = place(group.of) if group.of is not None and field is None else None
        where = place(group.where) if group.where is not None else None
        steps.append(Step(number, fed=True, where=where, of=of, field=field))
    columns = sorted({name for expression in expressions.values() for name in expression.facts})
    row = build_row(expressions) if expressions else None
    return Recipe(tuple(steps), row, tuple((name, name.removeprefix("e.")) for name in columns))


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
        self._logs: tuple[dict[Key, Log], ...] = tuple({} for _ in plan.groups)
        self._turns: tuple[deque[Key], ...] = tuple(deque() for _ in plan.groups)
        self._ready = {kind: (recipe, self._steps(recipe)) for kind, recipe in plan.recipes.items()}

    def _steps(self, recipe: Recipe) -> list[tuple[dict[Key, Log], str | None, Step, Group]]:
        """Return a recipe's steps beside the logs they work on, and the entity whose value alone is the key."""
        groups = [(step, self.plan.groups[step.group]) for step in recipe.steps]
        return [
            (self._logs[step.group], group.key[0] if len(group.key) == 1 else None, step, group)
            for step, group in groups
        ]

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
        found = self._ready.get(event.kind)
        if found is None:
            return facts
        recipe, ready = found
        row: tuple[Value, ...] = ()
        if recipe.row is not None:
            row = recipe.row(_columns(event, recipe.columns), self.lists)
        for logs, entity, step, group in ready:
            key = entities.get(entity) if entity is not None else _key(group.key, entities)
            if key is None:
                continue
            log = logs.get(key)
            if group.before is not None:
                _read(group.before, log, at, past, facts)
            if step.fed and (step.where is None or row[step.where] is True):
                value: Any = None
                if step.field is not None:
                    value = event.data.get(step.field)
                elif step.of is not None:
                    value = row[step.of]
                if value is not None or group.of is None:
                    if log is None:
                        log = self._remember(step.group, key)
                    if group.scale is not None:
                        value = scaled(value, group.scale)
                    log.add(at, value, newest - group.span - self.late_horizon)
            if group.after is not None:
                _read(group.after, log, at, past, facts)
        return facts

    def _remember(self, number: int, key: Key) -> Log:
        """Begin a log; and look at two old ones, so that what is forgotten keeps up with what is new."""
        group = self.plan.groups[number]
        logs, turns = self._logs[number], self._turns[number]
        log = logs[key] = Log(group.needs)
        turns.append(key)
        if not group.needs.ever and group.needs.events and self.newest is not None:
            boundary = self.newest - group.span - self.late_horizon
            for _ in range(min(2, len(turns) - 1)):
                old = turns.popleft()
                times = logs[old].times
                if times and times[-1] <= boundary and not _outlives(group):
                    del logs[old]
                else:
                    turns.append(old)
        return log

    # -- keeping ------------------------------------------------------------------------------------------------------

    def keys(self) -> int:
        """Return how many logs are held."""
        return sum(len(logs) for logs in self._logs)

    def snapshot(self) -> bytes:
        """Return the whole memory as bytes that `restore` reads."""
        return msgspec.json.encode(
            _Snapshot(
                self.plan.digest,
                self.newest,
                self.late,
                self.late_past_horizon,
                [
                    [([key] if isinstance(key, str) else list(key), logs[key].dump()) for key in turns]
                    for logs, turns in zip(self._logs, self._turns, strict=True)
                ],
            )
        )

    @classmethod
    def restore(
        cls, state: bytes, plan: Plan, late_horizon: Micros = LATE_HORIZON, lists: Lists | None = None
    ) -> "Windows | None":
        """Return the memory a snapshot was taken of; None when it is of another plan, or no snapshot."""
        try:
            read = msgspec.json.decode(state, type=_Snapshot)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if read.plan != plan.digest or len(read.logs) != len(plan.groups):
            return None
        windows = cls(plan, late_horizon, lists)
        windows.newest, windows.late, windows.late_past_horizon = read.newest, read.late, read.late_past_horizon
        for number, entries in enumerate(read.logs):
            group = plan.groups[number]
            for parts, dumped in entries:
                key = parts[0] if len(group.key) == 1 else tuple(parts)
                windows._logs[number][key] = Log.load(group.needs, dumped)
                windows._turns[number].append(key)
        return windows


class _Snapshot(msgspec.Struct, array_like=True):
    plan: str
    newest: Micros | None
    late: int
    late_past_horizon: int
    logs: list[list[tuple[list[str], list[Any]]]]


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


def _outlives(group: Group) -> bool:
    """The very first event is known for ever, so a log that is asked for it is never forgotten."""
    return any(readings is not None and readings.always for readings in (group.before, group.after))


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


def _read(readings: Readings, log: Log | None, at: Micros, past: bool, facts: Facts) -> None:
    if past:
        if log is not None:
            _read_others(readings.always, log, at, 0, facts)
        return
    if log is None:
        facts.update(readings.empty)
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
