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
from goodsend.expr.check import compile_expression, zero_divisors
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
"""Most values that an aggregate without a window may tell apart, per key; own starting value."""
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
    AVG = "avg"
    STDDEV = "stddev"
    ENTROPY = "entropy"
    SHARE = "share"
    IS_NEW = "is_new"
    RATIO = "ratio"


WITHOUT_VALUE = frozenset({Aggregate.COUNT, Aggregate.TIME_SINCE_LAST, Aggregate.TIME_SINCE_FIRST})
"""These look at events, not at a value of them."""
SCALED = frozenset({Aggregate.SUM, Aggregate.AVG, Aggregate.STDDEV})
"""These add whole numbers: a NUMBER is taken as a whole multiple of 10^-scale."""
REMEMBERS = frozenset({Aggregate.DISTINCT, Aggregate.ENTROPY, Aggregate.SHARE, Aggregate.IS_NEW})
"""These tell values apart, so without a window they need a cap."""
OF_CURRENT = frozenset({Aggregate.SHARE, Aggregate.IS_NEW})
"""These compare with the value of the event that is judged: NULL on other kinds than `on`, and where it has none."""
ZERO_WHEN_EMPTY = frozenset({Aggregate.COUNT, Aggregate.SUM, Aggregate.DISTINCT})
"""Nothing seen is 0 for these, NULL for the others."""
_TAKES = {
    **dict.fromkeys(SCALED, frozenset({FactType.INTEGER, FactType.NUMBER})),
    **dict.fromkeys(REMEMBERS, frozenset({FactType.TEXT, FactType.INTEGER, FactType.BOOLEAN, FactType.TIME})),
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
    of a NUMBER that sum, avg and stddev keep exactly. `cap` is how many values of a key are told apart without a window
    (None elsewhere). `counts_itself` False leaves out the event that is being judged; it is False for is_new.

    A ratio has `numerator` and `denominator`, the names of two features of its key; `on` is empty, `window`, `of` and
    `where` are None. `interval` says that both count something, so that the facts `f.<name>_lower` and
    `f.<name>_upper` come with it.
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
    numerator: str | None = None
    denominator: str | None = None
    interval: bool = False


class _Table(msgspec.Struct):
    doc: str
    owner: str
    aggregate: Aggregate
    key: list[str] | None = None
    on: list[str] = []
    window: str | None = None
    of: str | None = None
    where: str | None = None
    unit: str | None = None
    counts_itself: bool | None = None
    scale: int = 0
    cap: int | None = None
    numerator: str | None = None
    denominator: str | None = None


_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_NAME_HINT = "small letters, digits and underscores, 63 at most"


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
    ratios: dict[str, tuple[str, _Table]] = {}
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
            if isinstance(found, list):
                problems += [problem.at(f"{file}: {name}") for problem in found]
                continue
            ratios.pop(name, None)
            features.pop(name, None)
            if isinstance(found, Feature):
                features[name] = found
            else:
                ratios[name] = file, found
    for name, (file, table) in ratios.items():
        made = _ratio(name, table, features, ratios)
        if isinstance(made, Feature):
            features[name] = made
        else:
            problems += [problem.at(f"{file}: {name}") for problem in made]
    problems += _collisions(features, ratios)
    return tuple(features.values()), problems


def feature_facts(features: Sequence[Feature]) -> list[Fact]:
    """
    Return the `f.` columns: one per feature, three for a ratio with an interval.

    Any event that carries the feature's key has it, whatever its kind; those of OF_CURRENT only on the kinds in `on`.
    """
    facts = []
    for feature in features:
        kinds = frozenset(feature.on) if feature.aggregate in OF_CURRENT else frozenset()
        facts.append(Fact(f"f.{feature.name}", feature.type, feature.doc, feature.unit, kinds, feature.personal))
        if feature.interval:
            facts += [
                Fact(f"f.{feature.name}_{end}", FactType.NUMBER, f"{which} end of the 95 % interval of: {feature.doc}")
                for end, which in (("lower", "lower"), ("upper", "upper"))
            ]
    return facts


class _Reader:
    """Reads one feature at a time against one set of kinds, functions and lists."""

    def __init__(self, kinds: Kinds, functions: Mapping[str, Function], lists: Collection[str]) -> None:
        self._kinds = kinds
        self._functions = functions
        self._lists = lists
        self._catalog = Catalog(event_facts(kinds))

    def read(self, name: str, raw: object) -> "Feature | _Table | list[Problem]":
        """Return the feature; a ratio as its table, because the features it is made of may come later."""
        if not _NAME.fullmatch(name):
            return [Problem("", f"{name!r} is not a name", _NAME_HINT)]
        if not isinstance(raw, Mapping):
            return [Problem("", "is not a table")]
        unknown = [_unknown("field", field, _Table.__struct_fields__) for field in raw if field not in _FIELDS]
        try:
            table = msgspec.convert(raw, _Table)
        except msgspec.ValidationError as error:
            return [*unknown, Problem("", str(error), _aggregate_hint(raw))]
        if table.aggregate is Aggregate.RATIO:
            problems = unknown + _check_ratio(table, raw)
            return problems or table
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
            key=tuple(table.key or ()),
            on=tuple(dict.fromkeys(table.on)),
            window=window,
            type=_result_type(table.aggregate, of),
            of=of,
            where=where,
            unit=table.unit or _UNITS.get(table.aggregate),
            counts_itself=table.aggregate is not Aggregate.IS_NEW and table.counts_itself is not False,
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
            return found, [problem.at(place) for problem in zero_divisors(found)]
        return None, [problem.at(place) for problem in found]

    def _reads_personal(self, of: Expression) -> bool:
        return any(self._catalog[name].personal for name in of.facts if name in self._catalog)

    def _check_key(self, table: _Table) -> list[Problem]:
        problems = []
        if not table.on:
            problems.append(Problem("on", "names no kind", "say which kinds of events feed the feature"))
        key = table.key or []
        if not key:
            problems.append(Problem("key", "names no entity", 'such as ["account"]'))
        if len(set(key)) != len(key):
            problems.append(Problem("key", "names an entity twice"))
        problems += [
            _unknown("kind", kind, self._kinds.kinds).at("on") for kind in table.on if kind not in self._kinds.kinds
        ]
        for entity in key:
            if entity not in self._kinds.entities:
                problems.append(_unknown("entity", entity, self._kinds.entities).at("key"))
                continue
            if not _NAME.fullmatch(entity):  # it is a part of a column's name in SQL, which knows no capitals
                problems.append(Problem("key", f"{entity!r} cannot be a key", f"its name needs {_NAME_HINT}"))
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
    problems += [
        Problem(name, "is only for ratio", "leave it out")
        for name in ("numerator", "denominator")
        if getattr(table, name) is not None
    ]
    if aggregate is Aggregate.IS_NEW and table.counts_itself:
        problems.append(Problem("counts_itself", "is_new always leaves the event itself out", "leave it out"))
    return problems + _check_cap(table) + _check_scale(table)


def _check_cap(table: _Table) -> list[Problem]:
    problems = []
    needs_cap = table.aggregate in REMEMBERS and table.window == "ever"
    if needs_cap and table.cap is None:
        hint = f"cap = 1000, at most {CAP_MAX}: {_CAPPED[table.aggregate]}"
        said = f"{table.aggregate.value} without a window remembers every value, so it needs a cap"
        problems.append(Problem("cap", said, hint))
    if table.cap is not None and not needs_cap:
        problems.append(Problem("cap", 'is only for distinct, entropy, share and is_new over "ever"', "leave it out"))
    if table.cap is not None and not 1 <= table.cap <= CAP_MAX:
        problems.append(Problem("cap", f"lies outside 1…{CAP_MAX}"))
    return problems


def _check_scale(table: _Table) -> list[Problem]:
    if table.scale and table.aggregate not in SCALED:
        return [Problem("scale", "is only for sum, avg and stddev", "leave it out")]
    if not 0 <= table.scale <= SCALE_MAX:
        return [Problem("scale", f"lies outside 0…{SCALE_MAX}")]
    return []


_CAPPED = {
    Aggregate.DISTINCT: "counting stops there",
    Aggregate.ENTROPY: "later values count together as one",
    Aggregate.SHARE: "of later values the share is NULL",
    Aggregate.IS_NEW: "for later values it is NULL",
}
_OF_RATIO = frozenset({"doc", "owner", "aggregate", "unit", "key", "numerator", "denominator"})


def _check_ratio(table: _Table, raw: Mapping[str, Any]) -> list[Problem]:
    problems = [
        Problem(name, "a ratio has no such field: it is made of two features", "leave it out")
        for name in raw
        if name in _FIELDS and name not in _OF_RATIO
    ]
    return problems + [
        Problem(name, "a ratio needs it", f'the name of a feature: {name} = "complaints_24h"')
        for name in ("numerator", "denominator")
        if getattr(table, name) is None
    ]


def _ratio(
    name: str, table: _Table, features: Mapping[str, Feature], ratios: Collection[str]
) -> Feature | list[Problem]:
    """Return the ratio, now that the features it may be made of are known."""
    problems = []
    parts = []
    for place, part in (("numerator", table.numerator), ("denominator", table.denominator)):
        found = features.get(str(part))
        if found is None and part in ratios:
            problems.append(Problem(place, f"{part!r} is a ratio itself", "name what it is made of"))
        elif found is None or found.aggregate is Aggregate.RATIO:
            problems.append(_unknown("feature", part, [known for known in features if known not in ratios]).at(place))
        elif found.type not in (FactType.INTEGER, FactType.NUMBER):
            problems.append(Problem(place, f"a ratio is of numbers; {part!r} is {found.type.value}"))
        else:
            parts.append(found)
    if problems:
        return problems
    above, below = parts
    if above.key != below.key:
        said = f"{above.name!r} is kept per {' and '.join(above.key)}, {below.name!r} per {' and '.join(below.key)}"
        return [Problem("denominator", said, "both features of a ratio have the same key")]
    if table.key is not None and tuple(table.key) != above.key:
        return [Problem("key", f"is not the key of {above.name!r}", "leave it out: it follows from the two features")]
    return Feature(
        name=name,
        doc=table.doc,
        owner=table.owner,
        aggregate=Aggregate.RATIO,
        key=above.key,
        on=(),
        window=None,
        type=FactType.NUMBER,
        unit=table.unit,
        numerator=above.name,
        denominator=below.name,
        interval=_counts(above) and _counts(below),
    )


def _counts(feature: Feature) -> bool:
    """Whether it says how many: a count, a distinct count, or a sum of whole numbers such as messages."""
    return feature.type is FactType.INTEGER and feature.aggregate in ZERO_WHEN_EMPTY


def _collisions(features: dict[str, Feature], ratios: Mapping[str, tuple[str, _Table]]) -> list[Problem]:
    """Leave out ratios whose interval would have the name of another feature."""
    problems = []
    for name, (file, _) in ratios.items():
        taken = [end for end in ("lower", "upper") if f"{name}_{end}" in features]
        if name in features and features[name].interval and taken:
            del features[name]
            said = f"another feature is named {name}_{taken[0]}, as an end of this ratio's interval is"
            problems.append(Problem(f"{file}: {name}", said, "give one of them another name"))
    return problems


def _window(text: str | None) -> Micros | Problem | None:
    if text is None:
        return Problem("window", "missing required field `window`", 'from "1m" to "90d", or "ever"')
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


_RESULTS = {
    Aggregate.DISTINCT: FactType.INTEGER,
    Aggregate.AVG: FactType.NUMBER,
    Aggregate.STDDEV: FactType.NUMBER,
    Aggregate.ENTROPY: FactType.NUMBER,
    Aggregate.SHARE: FactType.NUMBER,
    Aggregate.IS_NEW: FactType.BOOLEAN,
}
_UNITS = {Aggregate.TIME_SINCE_LAST: "s", Aggregate.TIME_SINCE_FIRST: "s", Aggregate.ENTROPY: "bits"}


def _result_type(aggregate: Aggregate, of: Expression | None) -> FactType:
    return _RESULTS.get(aggregate) or (FactType.INTEGER if of is None else of.type)


def _aggregate_hint(raw: Mapping[str, Any]) -> str | None:
    said = raw.get("aggregate")
    names = [aggregate.value for aggregate in Aggregate]
    if said is None or said in names:
        return None
    near = closest(str(said), names, 0.75)  # 'min' is near to 'median' by its letters alone
    return f"did you mean {near!r}?" if near else f"known: {', '.join(names)}"


def _unknown(what: str, word: object, known: Collection[str]) -> Problem:
    near = closest(str(word), known)
    return Problem("", f"unknown {what} {word!r}", f"did you mean {near!r}?" if near else f"known: {', '.join(known)}")
