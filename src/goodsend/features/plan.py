"""
Features arranged once: which of them share a memory, which kinds feed it, and what is read from it for which event.
Pure definitions; the memory itself is advanced in `compute.py`.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from goodsend.events.kinds import Kinds
from goodsend.expr.compile import build_row
from goodsend.expr.functions.model import Lists
from goodsend.expr.model import Expression
from goodsend.expr.nodes import Name
from goodsend.facts import Facts, FactType, Value
from goodsend.features.definitions import OF_CURRENT, Aggregate, Feature
from goodsend.features.measures import DEVIATION_MOST, average, deviation, entropy, sizes_of
from goodsend.features.windows import Few, Log, Needs
from goodsend.kit.clock import SECOND, Micros

FORMAT = 2
"""Part of what every memory means: raise it when the same definition comes to mean something else."""
OWN = frozenset({"id", "kind", "at", "channel"})
"""Columns of `e.` that are the event's own members, not fields of its data."""
_EDGES = {Aggregate.FIRST, Aggregate.LAST, Aggregate.TIME_SINCE_FIRST, Aggregate.TIME_SINCE_LAST}
_FROM_FIRST = {Aggregate.FIRST, Aggregate.TIME_SINCE_FIRST}
_KEEPS_VALUES = {
    Aggregate.FIRST, Aggregate.LAST, Aggregate.MIN, Aggregate.MAX, Aggregate.DISTINCT, Aggregate.ENTROPY,
    Aggregate.SHARE, Aggregate.IS_NEW,
}  # fmt: skip
_SUMS = {Aggregate.SUM, Aggregate.AVG, Aggregate.STDDEV}

FromLog = Callable[[Log, Micros, int, "Micros | None", int], Value]
"""(log, time asked about, events up to it, window, divisor or cap) → value, None for NULL."""
FromFew = Callable[[Few, int, int, int, Micros, int], Value]
"""(few, first and last place of the window, where values begin, time asked about, divisor or cap) → value."""
Other = tuple[str, "Micros | None", FromLog, FromFew, int]


class Readings(msgspec.Struct, frozen=True):
    """
    The features of a group that are read at one moment, by how they are read; `window` None is ever.

    `always` are those known at any lateness, by whether their value (or else their age) is asked. `current` compare
    with the judged event's value: they are read where it feeds, and of those True means share, False means is_new.
    """

    counts: tuple[tuple[str, Micros | None], ...] = ()
    sums: tuple[tuple[str, Micros | None, int], ...] = ()
    others: tuple[Other, ...] = ()
    always: tuple[tuple[str, bool], ...] = ()
    current: tuple[tuple[str, Micros | None, bool], ...] = ()
    valued: bool = False


class Group(msgspec.Struct, frozen=True):
    """
    Features that share key, kinds, `where` and `of`, and so one memory a key.

    `before` is read before the event is added (it does not count itself), `after` afterwards, None: nothing; `both` is
    for kinds that feed nothing, None: they cannot know it. `span` is the longest window (0 without any). `scale` is
    None where values are kept as they are, else the power of ten they are taken by; `most` bounds the size of what a
    deviation takes in. `lists` are those that `where` and `of` ask. `digest` names what the memory means, lists apart.
    """

    key: tuple[str, ...]
    on: frozenset[str]
    of: Expression | None
    where: Expression | None
    scale: int | None
    most: int | None
    span: Micros
    needs: Needs
    before: Readings | None
    after: Readings | None
    both: Readings | None
    lists: tuple[str, ...]
    digest: str


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


class Ratio(msgspec.Struct, frozen=True):
    """One ratio by the names of its facts; `lower` and `upper` are None where it has no interval."""

    name: str
    above: str
    below: str
    lower: str | None
    upper: str | None


class Part(msgspec.Struct, frozen=True):
    """What one kind does with the groups of one key: which it feeds, which it only reads, and the ratios of the key."""

    key: tuple[str, ...]
    reads: tuple[int, ...]
    feeds: tuple[Step, ...]
    empty: dict[str, int | float]
    ratios: tuple[Ratio, ...]


class Recipe(msgspec.Struct, frozen=True):
    """What one kind does, key by key; the function over its expressions, and the `e.` columns that reads."""

    parts: tuple[Part, ...]
    row: Callable[[Facts, Lists], tuple[Value, ...]] | None
    columns: tuple[tuple[str, str], ...]


class Plan(msgspec.Struct, frozen=True):
    """Every feature of a pack, arranged once. `digest` changes when a meaning does, lists apart."""

    groups: tuple[Group, ...]
    recipes: dict[str, Recipe]
    digest: str


def build_plan(features: Sequence[Feature], kinds: Kinds) -> Plan:
    """Arrange features into groups, and say per kind which are fed and which are read."""
    together: dict[tuple[Any, ...], list[Feature]] = {}
    for feature in features:
        if feature.aggregate is not Aggregate.RATIO:
            together.setdefault(_group_key(feature), []).append(feature)
    groups = tuple(_group(members, kinds) for members in together.values())
    ratios: dict[tuple[str, ...], list[Ratio]] = {}
    for feature in features:
        if feature.aggregate is Aggregate.RATIO:
            ratios.setdefault(feature.key, []).append(_ratio(feature))
    recipes = {name: _recipe(name, _entities(kinds, name), groups, ratios) for name in kinds.kinds}
    said = [
        (f.name, f.aggregate.value, f.window, f.counts_itself, f.cap, f.numerator, f.denominator, f.key)
        for f in features
    ]
    digest = hashlib.sha256(repr((said, [group.digest for group in groups])).encode()).hexdigest()[:16]
    return Plan(groups, recipes, digest)


def _group_key(feature: Feature) -> tuple[Any, ...]:
    of = feature.of.sql if feature.of is not None else None
    where = feature.where.sql if feature.where is not None else None
    cap = None if feature.aggregate is Aggregate.DISTINCT else feature.cap
    return feature.key, tuple(sorted(feature.on)), of, where, _scale(feature), _most(feature), cap


def _scale(feature: Feature) -> int | None:
    """Sums of numbers are sums of integers: exact in any order, and taken out again as they went in."""
    if feature.aggregate in _SUMS and feature.of is not None and feature.of.type is FactType.NUMBER:
        return feature.scale
    return None


def _most(feature: Feature) -> int | None:
    return DEVIATION_MOST if feature.aggregate is Aggregate.STDDEV else None


def _group(members: Sequence[Feature], kinds: Kinds) -> Group:
    some = members[0]
    aggregates = {feature.aggregate for feature in members}
    ever = {feature.aggregate for feature in members if feature.window is None}
    windowed = {feature.aggregate for feature in members if feature.window is not None}
    needs = Needs(
        events=bool(windowed or ever - _FROM_FIRST),
        first=bool(ever & _FROM_FIRST),
        valued=some.of is not None,
        values=bool(aggregates & _KEEPS_VALUES),
        sums=bool(aggregates & _SUMS),
        squares=Aggregate.STDDEV in aggregates,
        lowest=Aggregate.MIN in aggregates,
        highest=Aggregate.MAX in aggregates,
        entropy=Aggregate.ENTROPY in windowed,
        ever=bool(ever - _FROM_FIRST),
        folds=bool(ever - _EDGES),
        ever_distinct=max((f.cap or 0 for f in members if f.aggregate is Aggregate.DISTINCT), default=0),
        cap=max((f.cap or 0 for f in members if f.aggregate is not Aggregate.DISTINCT), default=0),
    )
    scale, most = _scale(some), _most(some)
    lists = sorted({name for part in (some.of, some.where) if part is not None for name in part.lists})
    return Group(
        key=some.key,
        on=frozenset(some.on),
        of=some.of,
        where=some.where,
        scale=scale,
        most=most,
        span=max((feature.window or 0 for feature in members), default=0),
        needs=needs,
        before=_readings([feature for feature in members if not feature.counts_itself]),
        after=_readings([feature for feature in members if feature.counts_itself]),
        both=_readings([feature for feature in members if feature.aggregate not in OF_CURRENT]),
        lists=tuple(lists),
        digest=_digest(some, scale, most, needs.cap, kinds),
    )


def _digest(some: Feature, scale: int | None, most: int | None, cap: int, kinds: Kinds) -> str:
    """Name what is remembered: the definition, and how events of its kinds name their keys and fields."""
    read = sorted({name for part in (some.of, some.where) if part is not None for name in part.facts})
    fields = []
    for kind in sorted(some.on):
        known = kinds.kinds[kind].fields
        keys = [[name for name, field in known.items() if field.entity == entity] for entity in some.key]
        types = [known[name.removeprefix("e.")].type.value for name in read if name.removeprefix("e.") in known]
        fields.append((kind, keys, types))
    of = (some.of.sql, some.of.type.value) if some.of is not None else None
    where = some.where.sql if some.where is not None else None
    said = (FORMAT, some.key, of, where, scale, most, cap, read, fields)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def _readings(features: Sequence[Feature]) -> Readings | None:
    if not features:
        return None
    named = [("f." + feature.name, feature) for feature in features]
    return Readings(
        counts=tuple((name, f.window) for name, f in named if f.aggregate is Aggregate.COUNT),
        sums=tuple((name, f.window, _detail(f)) for name, f in named if f.aggregate is Aggregate.SUM),
        others=tuple((name, f.window, *_READ[f.aggregate], _detail(f)) for name, f in named if f.aggregate in _READ),
        always=tuple(
            (name, f.aggregate is Aggregate.FIRST)
            for name, f in named
            if f.window is None and f.aggregate in _FROM_FIRST
        ),
        current=tuple(
            (name, f.window, f.aggregate is Aggregate.SHARE) for name, f in named if f.aggregate in OF_CURRENT
        ),
        valued=features[0].of is not None,
    )


def _detail(feature: Feature) -> int:
    """Return what a sum is divided by (0: it stays whole), or the cap of a distinct count."""
    if feature.aggregate in _SUMS:
        number = feature.of is not None and feature.of.type is FactType.NUMBER
        whole = 0 if feature.aggregate is Aggregate.SUM else 1
        return int(10**feature.scale) if number else whole
    return feature.cap or 0


def _ratio(feature: Feature) -> Ratio:
    name = "f." + feature.name
    ends = (name + "_lower", name + "_upper") if feature.interval else (None, None)
    return Ratio(name, f"f.{feature.numerator}", f"f.{feature.denominator}", *ends)


def _entities(kinds: Kinds, kind: str) -> frozenset[str]:
    return frozenset(field.entity for field in kinds.kinds[kind].fields.values() if field.entity)


def _recipe(
    kind: str,
    entities: frozenset[str],
    groups: Sequence[Group],
    ratios: Mapping[tuple[str, ...], Sequence[Ratio]],
) -> Recipe:
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

    by_key: dict[tuple[str, ...], list[int]] = {}
    for number, group in enumerate(groups):
        if entities.issuperset(group.key):
            by_key.setdefault(group.key, []).append(number)
    parts = tuple(
        Part(
            key=key,
            reads=tuple(n for n in numbers if kind not in groups[n].on and groups[n].both is not None),
            feeds=tuple(step(number) for number in numbers if kind in groups[number].on),
            empty=_empty([groups[number] for number in numbers]),
            ratios=tuple(ratios.get(key, ())),
        )
        for key, numbers in by_key.items()
    )
    columns = sorted({name for expression in expressions.values() for name in expression.facts})
    row = build_row(expressions) if expressions else None
    return Recipe(parts, row, tuple((name, name.removeprefix("e.")) for name in columns))


def _empty(groups: Sequence[Group]) -> dict[str, int | float]:
    """Return what counts, sums and distinct counts are for a key that nothing is known of."""
    found: dict[str, int | float] = {}
    for readings in (group.both for group in groups if group.both is not None):
        found |= {name: 0 for name, _ in readings.counts}
        found |= {name: 0.0 if divisor else 0 for name, _, divisor in readings.sums}
        found |= {name: 0 for name, _, from_log, *_ in readings.others if from_log is _log_distinct}
    return found


def _plain_field(of: Expression | None) -> str | None:
    """A field that is read as it is needs no expression: the canonical event already holds its type."""
    if of is None or not isinstance(of.node, Name) or of.type is FactType.TEXTS:
        return None
    name = of.node.name.removeprefix("e.")
    return None if name in OWN else name


# -- reading: from a log, and from few events -------------------------------------------------------------------------


def _after(at: Micros, window: Micros | None) -> Micros | None:
    return None if window is None else at - window


def _log_distinct(log: Log, at: Micros, high: int, window: Micros | None, cap: int) -> Value:
    return log.distinct(at, high, window, cap)


def _few_distinct(few: Few, low: int, high: int, values: int, at: Micros, cap: int) -> Value:
    found = len(set(few[values + low : values + high]))
    return min(found, cap) if cap else found


def _log_first(log: Log, at: Micros, high: int, window: Micros | None, _: int) -> Value:
    found = log.first(at, high, _after(at, window))
    return None if found is None else found[1]


def _few_first(few: Few, low: int, high: int, values: int, at: Micros, _: int) -> Value:
    return few[values + low]  # type: ignore[no-any-return]


def _log_last(log: Log, at: Micros, high: int, window: Micros | None, _: int) -> Value:
    found = log.last(high, _after(at, window))
    return None if found is None else found[1]


def _few_last(few: Few, low: int, high: int, values: int, at: Micros, _: int) -> Value:
    return few[values + high - 1]  # type: ignore[no-any-return]


def _log_since_first(log: Log, at: Micros, high: int, window: Micros | None, _: int) -> Value:
    found = log.first(at, high, _after(at, window))
    return None if found is None else (at - found[0]) // SECOND


def _few_since_first(few: Few, low: int, high: int, values: int, at: Micros, _: int) -> Value:
    return (at - few[low]) // SECOND  # type: ignore[no-any-return]


def _log_since_last(log: Log, at: Micros, high: int, window: Micros | None, _: int) -> Value:
    found = log.last(high, _after(at, window))
    return None if found is None else (at - found[0]) // SECOND


def _few_since_last(few: Few, low: int, high: int, values: int, at: Micros, _: int) -> Value:
    return (at - few[high - 1]) // SECOND  # type: ignore[no-any-return]


def _log_min(log: Log, at: Micros, high: int, window: Micros | None, _: int) -> Value:
    return log.extreme(-1, high, _after(at, window))  # type: ignore[no-any-return]


def _few_min(few: Few, low: int, high: int, values: int, at: Micros, _: int) -> Value:
    return min(few[values + low : values + high])  # type: ignore[no-any-return]


def _log_max(log: Log, at: Micros, high: int, window: Micros | None, _: int) -> Value:
    return log.extreme(1, high, _after(at, window))  # type: ignore[no-any-return]


def _few_max(few: Few, low: int, high: int, values: int, at: Micros, _: int) -> Value:
    return max(few[values + low : values + high])  # type: ignore[no-any-return]


def _log_avg(log: Log, at: Micros, high: int, window: Micros | None, divisor: int) -> Value:
    after = _after(at, window)
    count = log.count(high, after)
    return average(log.total(high, after), count, divisor) if count else None


def _few_avg(few: Few, low: int, high: int, values: int, at: Micros, divisor: int) -> Value:
    return average(sum(few[values + low : values + high]), high - low, divisor)


def _log_stddev(log: Log, at: Micros, high: int, window: Micros | None, divisor: int) -> Value:
    after = _after(at, window)
    count = log.count(high, after)
    return deviation(log.total(high, after), log.square(high, after), count, divisor) if count else None


def _few_stddev(few: Few, low: int, high: int, values: int, at: Micros, divisor: int) -> Value:
    found = few[values + low : values + high]
    return deviation(sum(found), sum(value * value for value in found), high - low, divisor)


def _log_entropy(log: Log, at: Micros, high: int, window: Micros | None, _: int) -> Value:
    return log.entropy(at, high, window)


def _few_entropy(few: Few, low: int, high: int, values: int, at: Micros, _: int) -> Value:
    counts: dict[object, int] = {}
    for value in few[values + low : values + high]:
        counts[value] = counts.get(value, 0) + 1
    return entropy(sizes_of(counts).items())


_READ: Mapping[Aggregate, tuple[FromLog, FromFew]] = {
    Aggregate.DISTINCT: (_log_distinct, _few_distinct),
    Aggregate.FIRST: (_log_first, _few_first),
    Aggregate.LAST: (_log_last, _few_last),
    Aggregate.TIME_SINCE_FIRST: (_log_since_first, _few_since_first),
    Aggregate.TIME_SINCE_LAST: (_log_since_last, _few_since_last),
    Aggregate.MIN: (_log_min, _few_min),
    Aggregate.MAX: (_log_max, _few_max),
    Aggregate.AVG: (_log_avg, _few_avg),
    Aggregate.STDDEV: (_log_stddev, _few_stddev),
    Aggregate.ENTROPY: (_log_entropy, _few_entropy),
}


def read_few(others: Sequence[Other], few: Few, count: int, high: int, at: Micros, facts: Facts) -> None:
    """Write what `count` events, `high` of them in time, say of it; what is not known is left out."""
    for name, window, _, from_few, detail in others:
        low = 0 if window is None else bisect_right(few, at - window, 0, high)
        if low < high:
            found = from_few(few, low, high, count, at, detail)
            if found is not None:
                facts[name] = found


def read_log(others: Sequence[Other], log: Log, high: int, at: Micros, facts: Facts) -> None:
    """Write what a log says of a time; what is not known is left out."""
    for name, window, from_log, _, detail in others:
        found = from_log(log, at, high, window, detail)
        if found is not None:
            facts[name] = found


def read_always(readings: Readings, memory: "Few | Log", at: Micros, facts: Facts) -> None:
    """Write what is known of an event however late it is: the first one ever."""
    for name, shows_value in readings.always:
        if isinstance(memory, Log):
            first, value = memory.first_time, memory.first_value
        else:
            first, value = memory[0], memory[len(memory) >> 1] if readings.valued else None
        if first is not None and first <= at:
            facts[name] = value if shows_value else (at - first) // SECOND


def read_current(
    current: Sequence[tuple[str, Micros | None, bool]],
    memory: "Few | Log | None",
    at: Micros,
    value: object,
    facts: Facts,
) -> None:
    """Write how the value of the judged event compares with what a memory holds; None: it holds nothing."""
    for name, window, is_share in current:
        found: Value
        if isinstance(memory, Log):
            high = bisect_right(memory.times, at)
            found = memory.share(at, high, window, value) if is_share else memory.is_new(at, high, window, value)
        elif memory is None:
            found = None if is_share else True
        else:
            count = len(memory) >> 1
            high = bisect_right(memory, at, 0, count)
            low = 0 if window is None else bisect_right(memory, at - window, 0, high)
            same = memory[count + low : count + high].count(value)
            found = (same / (high - low) if high > low else None) if is_share else same == 0
        if found is not None:
            facts[name] = found
