"""
What a feature is, read from data in `packs/*/features/*.toml` and checked against the kinds. What it means over events
lives in `compute.py`, for people in docs/explanation/windows.md.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from goodsend.events.kinds import Kinds, event_facts
from goodsend.expr.check import compile_expression
from goodsend.expr.functions.model import Function
from goodsend.expr.model import Expression
from goodsend.facts import Catalog, Fact, FactType
from goodsend.kit.clock import DAY, MINUTE, Micros, format_duration, parse_duration
from goodsend.kit.errors import Problem
from goodsend.kit.text import closest

WINDOW_MIN: Micros = MINUTE
WINDOW_MAX: Micros = 90 * DAY
"""Shortest and longest window; own starting values: below, senders' clocks differ too much; beyond, state is large."""
CAP_MAX = 100_000
"""Most values that a distinct count without a window may tell apart, per key; own starting value."""
SCALE_MAX = 9


class Aggregate(Enum):
    """How the values of many events become one."""

    COUNT = "count"
    SUM = "sum"
    DISTINCT = "distinct"
    TIME_SINCE_LAST = "time_since_last"
    TIME_SINCE_FIRST = "time_since_first"
    FIRST = "first"
    LAST = "last"
    MIN = "min"
    MAX = "max"


WITHOUT_VALUE = frozenset({Aggregate.COUNT, Aggregate.TIME_SINCE_LAST, Aggregate.TIME_SINCE_FIRST})
"""These look at events, not at a value of them."""
ZERO_WHEN_EMPTY = frozenset({Aggregate.COUNT, Aggregate.SUM, Aggregate.DISTINCT})
"""Nothing seen is 0 for these, NULL for the others."""
_TAKES = {
    Aggregate.SUM: frozenset({FactType.INTEGER, FactType.NUMBER}),
    Aggregate.DISTINCT: frozenset({FactType.TEXT, FactType.INTEGER, FactType.BOOLEAN, FactType.TIME}),
    Aggregate.FIRST: frozenset(FactType) - {FactType.TEXTS},
    Aggregate.LAST: frozenset(FactType) - {FactType.TEXTS},
    Aggregate.MIN: frozenset({FactType.INTEGER, FactType.NUMBER, FactType.TIME}),
    Aggregate.MAX: frozenset({FactType.INTEGER, FactType.NUMBER, FactType.TIME}),
}


class Feature(msgspec.Struct, frozen=True):
    """
    A memory over events: an aggregate of `of` over the events of kinds `on` for which `where` is true, per `key`, in a
    sliding window of event time.

    `key` are entity types in order, `window` µs or None for ever, `type` that of the result. `scale` are the decimals
    that a sum of numbers keeps exactly, `cap` the most a distinct count without a window reaches (None elsewhere).
    `counts_itself` False leaves out the event that is being judged.
    """

    name: str
    doc: str
    owner: str
    aggregate: Aggregate
    key: tuple[str, ...]
    on: tuple[str, ...]
    window: Micros | None
    type: FactType
    of: Expression | None = None
    where: Expression | None = None
    unit: str | None = None
    counts_itself: bool = True
    scale: int = 0
    cap: int | None = None
    personal: bool = False


class _Table(msgspec.Struct):
    doc: str
    owner: str
    aggregate: Aggregate
    key: list[str]
    on: list[str]
    window: str
    of: str | None = None
    where: str | None = None
    unit: str | None = None
    counts_itself: bool = True
    scale: int = 0
    cap: int | None = None


_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


def parse_features(
    files: Mapping[str, Mapping[str, Any]],
    kinds: Kinds,
    functions: Mapping[str, Function],
    lists: Collection[str] = (),
) -> tuple[tuple[Feature, ...], list[Problem]]:
    """
    Read features from decoded TOML tables by file name; a later one replaces an earlier one of the same name.

    `lists` are the names of the lists there are. A feature with a mistake is left out and told, the rest is returned.
    """
    features: dict[str, Feature] = {}
    problems: list[Problem] = []
    reader = _Reader(kinds, functions, lists)
    for file, raw in files.items():
        problems += [
            Problem(file, f"unknown table {member!r}", "features are tables [feature.<name>]")
            for member in raw
            if member != "feature"
        ]
        tables = raw.get("feature", {})
        if not isinstance(tables, Mapping):
            problems.append(Problem(file, "`feature` is not a table", "features are tables [feature.<name>]"))
            continue
        for name, table in tables.items():
            found = reader.read(name, table)
            if isinstance(found, Feature):
                features[name] = found
            else:
                problems += [problem.at(f"{file}: {name}") for problem in found]
    return tuple(features.values()), problems


def feature_facts(features: Sequence[Feature]) -> list[Fact]:
    """Return the `f.` columns: one per feature. Any event that carries the feature's key has it, whatever its kind."""
    return [
        Fact(f"f.{feature.name}", feature.type, feature.doc, feature.unit, frozenset(), feature.personal)
        for feature in features
    ]


class _Reader:
    """Reads one feature at a time against one set of kinds, functions and lists."""

    def __init__(self, kinds: Kinds, functions: Mapping[str, Function], lists: Collection[str]) -> None:
        self._kinds = kinds
        self._functions = functions
        self._lists = lists
        self._catalog = Catalog(event_facts(kinds))

    def read(self, name: str, raw: object) -> Feature | list[Problem]:
        if not _NAME.fullmatch(name):
            return [Problem("", f"{name!r} is not a name", "small letters, digits and underscores, 63 at most")]
        if not isinstance(raw, Mapping):
            return [Problem("", "is not a table")]
        unknown = [_unknown("field", field, _Table.__struct_fields__) for field in raw if field not in _FIELDS]
        try:
            table = msgspec.convert(raw, _Table)
        except msgspec.ValidationError as error:
            return [*unknown, Problem("", str(error), _aggregate_hint(raw))]
        problems = unknown + self._check_key(table) + _check_members(table)
        window = _window(table.window)
        if isinstance(window, Problem):
            problems.append(window)
        catalog = self._catalog.for_kinds(table.on)
        of, found = self._compile("of", table.of, catalog, None)
        problems += found
        where, found = self._compile("where", table.where, catalog, FactType.BOOLEAN)
        problems += found
        if of is not None and of.type not in _TAKES.get(table.aggregate, frozenset(FactType)):
            takes = " or ".join(sorted(type_.value for type_ in _TAKES[table.aggregate]))
            problems.append(Problem("of", f"{table.aggregate.value} takes {takes}; this is {of.type.value}"))
        if problems or isinstance(window, Problem):
            return problems
        return Feature(
            name=name,
            doc=table.doc,
            owner=table.owner,
            aggregate=table.aggregate,
            key=tuple(table.key),
            on=tuple(dict.fromkeys(table.on)),
            window=window,
            type=_result_type(table.aggregate, of),
            of=of,
            where=where,
            unit=table.unit or ("s" if table.aggregate.value.startswith("time_since") else None),
            counts_itself=table.counts_itself,
            scale=table.scale,
            cap=table.cap,
            personal=of is not None and _shows_value(table.aggregate) and self._reads_personal(of),
        )

    def _compile(
        self, place: str, source: str | None, catalog: Catalog, expected: FactType | None
    ) -> tuple[Expression | None, list[Problem]]:
        if source is None:
            return None, []
        found = compile_expression(source, catalog, self._functions, self._lists, expected)
        if isinstance(found, Expression):
            return found, []
        return None, [problem.at(place) for problem in found]

    def _reads_personal(self, of: Expression) -> bool:
        return any(self._catalog[name].personal for name in of.facts if name in self._catalog)

    def _check_key(self, table: _Table) -> list[Problem]:
        problems = []
        if not table.on:
            problems.append(Problem("on", "names no kind", "say which kinds of events feed the feature"))
        if not table.key:
            problems.append(Problem("key", "names no entity", 'such as ["account"]'))
        if len(set(table.key)) != len(table.key):
            problems.append(Problem("key", "names an entity twice"))
        problems += [
            _unknown("kind", kind, self._kinds.kinds).at("on") for kind in table.on if kind not in self._kinds.kinds
        ]
        for entity in table.key:
            if entity not in self._kinds.entities:
                problems.append(_unknown("entity", entity, self._kinds.entities).at("key"))
                continue
            for kind in table.on:
                known = self._kinds.kinds.get(kind)
                if known is not None and all(field.entity != entity for field in known.fields.values()):
                    hint = "its events cannot feed the feature: take the kind out of `on`"
                    problems.append(Problem("on", f"{kind} has no field of entity {entity!r}", hint))
        return problems


_FIELDS = frozenset(_Table.__struct_fields__)


def _shows_value(aggregate: Aggregate) -> bool:
    return aggregate in (Aggregate.FIRST, Aggregate.LAST, Aggregate.MIN, Aggregate.MAX)


def _check_members(table: _Table) -> list[Problem]:
    problems = []
    aggregate = table.aggregate
    if aggregate in WITHOUT_VALUE and table.of is not None:
        problems.append(Problem("of", f"{aggregate.value} looks at events, not at a value", "leave `of` out"))
    if aggregate not in WITHOUT_VALUE and table.of is None:
        problems.append(Problem("of", f"{aggregate.value} needs a value", 'such as of = "e.recipients"'))
    ever_distinct = aggregate is Aggregate.DISTINCT and table.window == "ever"
    if ever_distinct and table.cap is None:
        hint = f"cap = 1000, at most {CAP_MAX}: counting stops there"
        problems.append(
            Problem("cap", "a distinct count without a window remembers every value, so it needs a cap", hint)
        )
    if table.cap is not None and not ever_distinct:
        problems.append(Problem("cap", 'is only for distinct over "ever"', "leave it out"))
    if table.cap is not None and not 1 <= table.cap <= CAP_MAX:
        problems.append(Problem("cap", f"lies outside 1…{CAP_MAX}"))
    if table.scale and aggregate is not Aggregate.SUM:
        problems.append(Problem("scale", "is only for sum", "leave it out"))
    if not 0 <= table.scale <= SCALE_MAX:
        problems.append(Problem("scale", f"lies outside 0…{SCALE_MAX}"))
    return problems


def _window(text: str) -> Micros | Problem | None:
    if text == "ever":
        return None
    try:
        window = parse_duration(text)
    except ValueError as error:
        return Problem("window", f"{text!r}: {error}", 'or "ever"')
    if not WINDOW_MIN <= window <= WINDOW_MAX:
        allowed = f"{format_duration(WINDOW_MIN)}…{format_duration(WINDOW_MAX)}"
        return Problem("window", f"{text!r} lies outside {allowed}", 'or "ever"')
    return window


def _result_type(aggregate: Aggregate, of: Expression | None) -> FactType:
    if of is None or aggregate is Aggregate.DISTINCT:
        return FactType.INTEGER
    return of.type


def _aggregate_hint(raw: Mapping[str, Any]) -> str | None:
    said = raw.get("aggregate")
    names = [aggregate.value for aggregate in Aggregate]
    if said is None or said in names:
        return None
    near = closest(str(said), names)
    return f"did you mean {near!r}?" if near else f"known: {', '.join(names)}"


def _unknown(what: str, word: object, known: Collection[str]) -> Problem:
    near = closest(str(word), known)
    return Problem("", f"unknown {what} {word!r}", f"did you mean {near!r}?" if near else f"known: {', '.join(known)}")
