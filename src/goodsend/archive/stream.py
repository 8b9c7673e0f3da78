"""
Made-up streams for proofs: definitions that use every aggregate and every function, events that are as awkward as any
that may come, and the row path's own answer to them. The same seed gives the same stream.

Events go through the real Reader, windows and `process`; what is made here is only what comes in.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

import msgspec
import pyarrow as pa

from goodsend.archive.engines.model import ARROW_TYPES
from goodsend.events.canonical import EventLimits, Reader, body_hash
from goodsend.events.model import Arrived
from goodsend.expr.functions import Lists
from goodsend.expr.sql.model import column_name
from goodsend.features.compute import Windows
from goodsend.features.definitions import Aggregate
from goodsend.kit.clock import DAY, HOUR, MINUTE, SECOND, Micros, format_time, parse_time
from goodsend.kit.errors import Problem
from goodsend.pack import Pack, build_pack
from goodsend.pipeline import Known, Outcome, process

TENANT = "proof"
START: Micros = parse_time("2026-10-01T00:00:00Z")
LATE_HORIZON: Micros = 6 * HOUR
"""Short, so that a short stream has events past it."""

Item = dict[str, Any]
"""One event as it would come over the wire, before it is read."""

# -- definitions ------------------------------------------------------------------------------------------------------

_ACCOUNT = {"type": "text", "doc": "d", "entity": "account", "personal": False}
_IP = {"type": "ip", "doc": "d", "entity": "ip"}
_KINDS: dict[str, Any] = {
    "channels": {"email": "d", "sms": "d"},
    "entities": {"account": "d", "ip": "d", "device": "d"},
    "kind": {
        "thing.done": {
            "doc": "d",
            "channel": "email",
            "fields": {
                "account": _ACCOUNT,
                "ip": _IP,
                "device": {"type": "text", "doc": "d", "entity": "device"},
                "n": {"type": "integer", "doc": "d"},
                "x": {"type": "number", "doc": "d"},
                "yes": {"type": "boolean", "doc": "d"},
                "then": {"type": "time", "doc": "d"},
                "words": {"type": "texts", "doc": "d"},
                "text": {"type": "text", "doc": "d"},
                "mail": {"type": "email", "doc": "d"},
                "link": {"type": "url", "doc": "d"},
                "phone": {"type": "phone", "doc": "d"},
            },
        },
        "thing.seen": {
            "doc": "d",
            "fields": {
                "account": _ACCOUNT,
                "ip": _IP,
                "n": {"type": "integer", "doc": "d"},
                "text": {"type": "text", "doc": "d"},
            },
        },
        "ip.told": {"doc": "d", "fields": {"ip": _IP, "x": {"type": "number", "doc": "d"}}},
        "day.begun": {"doc": "d", "fields": {"text": {"type": "text", "doc": "d"}}},
    },
}
_LIST = {"doc": "d", "type": "text", "source": "made up", "licence": "CC0-1.0", "as_of": "2026-10-01"}
_LISTS: dict[str, dict[str, Any]] = {
    "colours": {**_LIST, "values": ["red", "Grün", "ß", "b", "\U0001f600", "it's", "example.com"]},
    "numbers": {**_LIST, "type": "integer", "values": ["1", "5", "-3", "9223372036854775807"]},
    "nothing": {**_LIST, "values": []},
}

EXPRESSIONS: dict[str, tuple[str, ...]] = {
    "integer": (
        "e.n", "LENGTH(e.text)", "COUNT_OF(e.words)", "DISTINCT_OF(e.words)", "FLOOR(e.x)", "CEIL(e.x)", "ABS(e.n)",
        "ROUND(e.n)", "HOUR_OF(e.at)", "HOUR_OF(e.then, 'Europe/Berlin')", "DAY_OF_WEEK(e.at)",
        "DAY_OF_WEEK(e.then, 'America/St_Johns')", "MINUTE_OF_DAY(e.at)", "MINUTE_OF_DAY(e.then, 'Asia/Kathmandu')",
        "SECONDS(e.n)", "MINUTES(e.n)", "HOURS(e.n)", "DAYS(e.n)",
        "e.n + 1", "e.n * e.n", "-e.n", "e.n - 7", "e.n % 7", "LEAST(e.n, 3)", "GREATEST(e.n, LENGTH(e.text))",
        "COALESCE(e.n, -1)", "NULLIF(e.n, 0)", "IF(e.yes, e.n, 2)",
        "CASE e.n WHEN 1 THEN 2 WHEN 5 THEN NULL ELSE e.n END",
    ),
    "number": (
        "e.x", "e.n / 3", "e.x / e.x", "e.x * 2 - 1", "ABS(e.x)", "ROUND(e.x, 2)", "ROUND(e.x, -2)",
        "ROUND(e.n / 7, 3)", "LEAST(e.x, 0.5)", "GREATEST(e.x, e.n)", "HOURS(e.x)",
        "JSON_NUMBER(e.text, '$.a.b[0]')", "WILSON_LOWER(e.n, 100)", "WILSON_UPPER(e.n, e.x)",
        "COALESCE(e.x, e.n)", "CASE WHEN e.x > 1 THEN e.x WHEN e.yes THEN 0.25 END", "e.x % 3",
    ),
    "text": (
        "e.text", "LOWER(e.text)", "UPPER(e.text)", "TRIM(e.text)", "REPLACE(e.text, 'a', 'bb')",
        "SUBSTRING(e.text, 2)", "SUBSTRING(e.text, e.n, 3)", "JOIN(e.words, '-')", "e.text || '/' || e.mail",
        "COALESCE(e.text, e.mail)", "NULLIF(e.text, '')", "IF(e.n > 1, e.text, 'x')", "EMAIL_DOMAIN(e.mail)",
        "EMAIL_LOCAL(e.mail)", "EMAIL_TAG(e.mail)", "REGISTRABLE_DOMAIN(e.mail)", "URL_HOST(e.link)",
        "URL_DOMAIN(e.link)", "IP_PREFIX(e.ip)", "PHONE_COUNTRY(e.phone)", "e.link", "e.ip", "LEAST(e.text, 'm')",
        "GREATEST(e.text, e.mail)", "e.channel", "LOCAL_DATE(e.at, 'Europe/Berlin')", "LOCAL_DATE(e.then)",
        "JSON_TEXT(e.text, '$.a.c')",
    ),
    "boolean": (
        "e.yes", "CONTAINS(e.text, 'a')", "STARTS_WITH(e.text, 'a')", "ENDS_WITH(e.text, 'ß')",
        "REGEXP_LIKE(e.text, '(?i)\\bA[0-9b]+|^é')", "HAS_TEXT(e.words, e.text)", "HAS_TEXT(TEXTS(e.text, 'a'), 'a')",
        "ANY_LIKE(e.words, '%a_')", "ANY_REGEXP(e.words, '^[a-z]+$')", "ANY_IN_LIST('colours', e.words)",
        "IN_LIST('colours', e.text)", "IN_LIST('numbers', e.n)", "IN_LIST('nothing', e.text)",
        "JSON_BOOLEAN(e.text, '$.yes')",
        "SAME_DOMAIN(e.mail, e.link)", "e.text LIKE '%b%'", "e.text ILIKE 'A_C%'", "e.text NOT LIKE 'a\\%%'",
        "e.n BETWEEN 0 AND 5", "e.x NOT BETWEEN e.n AND 10", "e.n IN (1, 2, 5)", "e.text NOT IN ('a', 'ß', '')",
        "e.text < e.mail", "e.n >= e.x", "e.n = 1 OR e.yes", "NOT (e.yes AND e.x > 0)", "e.text IS NULL",
        "e.words IS NOT NULL", "e.at > e.then", "e.yes = (e.n > 1)", "e.text <> 'é'",
    ),
    "time": ("e.at", "e.then", "LEAST(e.at, e.then)", "COALESCE(e.then, e.at)"),
}  # fmt: skip
"""Expressions over the made-up kinds by what they give; together they call every function of the language."""

_OF = {
    "sum": ("integer", "number"), "avg": ("integer", "number"), "stddev": ("integer", "number"),
    "min": ("integer", "number", "time"), "max": ("integer", "number", "time"),
    "distinct": ("text", "integer", "boolean", "time"), "entropy": ("text", "integer", "boolean"),
    "share": ("text", "integer", "boolean"), "is_new": ("text", "integer", "boolean"),
    "first": ("text", "number", "boolean", "time", "integer"), "last": ("text", "number", "boolean", "time", "integer"),
}  # fmt: skip
_SCALED = ("sum", "avg", "stddev")
_CAPPED = ("distinct", "entropy", "share", "is_new")
_WINDOWS = ("1m", "10m", "1h", "1d", "90d", "ever")
_WHERE = (None, None, None, "e.text <> 'a'", "e.n > 0", "IN_LIST('colours', e.text)", "e.kind = 'thing.done'")
_KEYS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("account",), ("thing.done", "thing.seen")),
    (("account",), ("thing.done",)),
    (("ip",), ("thing.done", "thing.seen", "ip.told")),
    (("account", "ip"), ("thing.done", "thing.seen")),
    (("device", "account"), ("thing.done",)),
)
_SHARED = {"n", "text", "ip", "account", "at", "kind", "channel"}


def make_features(
    random: Random, each: int, aggregates: Iterable[Aggregate] = tuple(Aggregate)
) -> dict[str, dict[str, Any]]:
    """Return feature tables by name: `each` of these aggregates, their windows, keys and values drawn."""
    tables: dict[str, dict[str, Any]] = {}
    for aggregate in aggregates:
        for number in range(each):
            if aggregate is Aggregate.RATIO:
                tables |= _ratio(random, number)
            else:
                tables[f"{aggregate.value}_{number}"] = _feature(random, aggregate.value, number)
    return tables


def _feature(random: Random, aggregate: str, number: int) -> dict[str, Any]:
    key, on = random.choice(_KEYS)
    table: dict[str, Any] = {"doc": "d", "owner": "o", "aggregate": aggregate, "key": list(key), "on": list(on)}
    window = _WINDOWS[(number + random.randrange(len(_WINDOWS))) % len(_WINDOWS)]
    types = _OF.get(aggregate)
    if types is not None:
        type_ = types[number % len(types)]
        table["of"] = random.choice(EXPRESSIONS[type_])
        if aggregate in _SCALED and type_ == "number":
            table["scale"] = random.choice([0, 2, 4, 9])
        if aggregate in _CAPPED and window == "ever":
            table["cap"] = random.choice([1, 2, 5, 1000])
        if set(on) != {"thing.done"}:
            table["on"] = ["thing.done"]
    where = random.choice(_WHERE)
    if where is not None and "ip.told" not in table["on"]:
        table["where"] = where
    if random.random() < 0.3:
        table["counts_itself"] = False
    return table | {"window": window}


def _ratio(random: Random, number: int) -> dict[str, dict[str, Any]]:
    of = _feature(random, "count", number)
    part = {name: value for name, value in of.items() if name != "where"} | {"where": "e.n > 0"}
    if "ip.told" in of["on"]:
        of["on"] = part["on"] = ["thing.done"]
    top, below = f"ratio_{number}_part", f"ratio_{number}_whole"
    made = {"doc": "d", "owner": "o", "aggregate": "ratio", "numerator": top, "denominator": below}
    return {top: part, below: of, f"ratio_{number}": made}


VALUES = 20
"""Expressions of one pack that are features of their own; packs of consecutive seeds have all of them in turn."""
SEEDS = range(1, 2 + sum(map(len, EXPRESSIONS.values())) // VALUES)
"""Consecutive seeds whose packs together have every expression."""


def _some_expressions(seed: int) -> dict[str, dict[str, Any]]:
    """Return a feature per expression that gives its very value, so that values are compared, not only truths."""
    tables: dict[str, dict[str, Any]] = {}
    for type_, sources in EXPRESSIONS.items():
        for number, source in enumerate(sources):
            tables[f"value_{type_}_{number}"] = {
                "doc": "d", "owner": "o", "aggregate": "last", "key": ["account"], "on": ["thing.done"],
                "of": source, "window": "1m",
            }  # fmt: skip
    names = list(tables)
    turn = seed * VALUES % len(names)
    return {name: tables[name] for name in (names + names)[turn : turn + VALUES]}


def make_rules(features: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return rule tables by id: every boolean expression, and one over every feature that is no plain value."""
    tables = {
        f"expression_{number}": _rule(source, ["thing.done"]) for number, source in enumerate(EXPRESSIONS["boolean"])
    }
    for name in features:
        if not name.startswith("value_"):
            tables[f"knows_{name}"] = _rule(f"f.{name} IS NOT NULL", [])
            if name.startswith(("count", "sum_0", "distinct", "ratio_0_whole", "time_since")):
                tables[f"high_{name}"] = _rule(f"f.{name} > 3 AND COALESCE(e.n, 0) <> 5", ["thing.done", "thing.seen"])
    return tables


def _rule(when: str, on: list[str]) -> dict[str, Any]:
    return {
        "doc": "d", "owner": "o", "policy": "made_up", "severity": 1, "when": when, "verdict": "review", "reason": "r",
        "on": on, "weight": 1.0, "case": [{"given": {}, "fires": "unknown"}],
    }  # fmt: skip


def make_pack(
    shipped: Mapping[str, bytes], seed: int, each: int = 8, *, aggregates: Iterable[Aggregate] = tuple(Aggregate),
    values: bool = True,
) -> Pack:  # fmt: skip
    """
    Return a pack with made-up kinds, features and rules. `shipped` are the files of the shipped layer: what it scans
    and how it reads addresses is taken from there.

    `values`: with features that are the very values of some expressions. Raises ValueError with every problem: a bug.
    """
    features = make_features(Random(f"features {seed}"), each, aggregates)  # noqa: S311
    if values:
        features |= _some_expressions(seed)
    kept = {
        path: body for path, body in shipped.items()
        if path.split("/")[1] in ("pack.toml", "scanning", "lists", "addresses.toml")
    }  # fmt: skip
    tables: dict[str, dict[str, Any]] = {
        "made/kinds/made.toml": _KINDS,
        "made/features/made.toml": {"feature": features},
        "made/rules/made.toml": {"rule": make_rules(features)},
        "made/policies/made.toml": {"policy": {"made_up": _POLICY}},
        "made/decisions.toml": {"points": {"hold": 30.0}, "cap_per_policy": 50.0, "source": "made up"},
    } | {f"made/lists/{name}.toml": table for name, table in _LISTS.items()}
    pack, problems = build_pack(kept | {path: toml(table) for path, table in tables.items()})
    if pack is None:
        raise ValueError("\n".join(map(Problem.render, problems)))
    return pack


_POLICY = {
    "clause": "1", "title": "d", "text": "d", "severity": 1, "source": "made up", "effective_from": "2026-01-01",
}  # fmt: skip


def toml(table: Mapping[str, Any]) -> bytes:
    """Return a table as TOML: a line per member, everything below as inline tables."""
    return "\n".join(f"{_value(name)} = {_value(value)}" for name, value in table.items()).encode()


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_value(name)} = {_value(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


# -- events -----------------------------------------------------------------------------------------------------------

_TEXTS = (
    "a", "b", "", " ", "abc", "A1 b", "ß", "é", "e\u0301", "İstanbul", "ﬁn", "日本語", "\U0001f600", "\u202eevil",
    "it's", '"q"', "a\\%b", "50% off_now", "line\nbreak\ttab", "\x00nul", "red", "Grün", "x" * 300, "NULL",
    "a\u200b", '{"a": {"b": [2.5, 1], "c": "ü"}, "yes": true}', '{"a": {"b": ["no"]}, "yes": 0',
)  # fmt: skip
_INTEGERS = (0, 1, 2, 3, 5, -1, -3, 7, 100, 10**6, 10**12, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63))
_NUMBERS = (
    0.0, -0.0, 0.1, 0.2, 0.3, 0.005, 1.005, 2.5, -2.5, 2.675, 1e-9, 1e15, 1e16, -1e18, 1e300, -1e300, 5e-324, 1.5, 3, 7,
    1e22, 9007199254740993.0, 123456.789,
)  # fmt: skip
_MAILS = ("Bob.Smith+x@example.com", "a@b.example", "ü@bücher.example", "x@mail.example.co.uk", "A@EXAMPLE.com")
_LINKS = (
    "https://example.com/a?b=c#d", "http://192.0.2.1:8080/", "https://xn--bcher-kva.example/", "http://localhost/",
    "https://user:pw@Evil.Example/login", "https://a.b.example.co.uk/",
)  # fmt: skip
_IPS = ("192.0.2.1", "192.0.2.2", "198.51.100.7", "2001:db8::1", "2001:db8:0:0::2")
_PHONES = ("+34911234567", "+442079460000", "+12025550123")
_ACCOUNTS = ("a", "a", "a", "b", "b", "ü", "c\u200d", "A", "acc_1'); --")
_STEPS = (0, 0, 0, 1, SECOND, SECOND, 30 * SECOND, MINUTE, MINUTE, 10 * MINUTE, HOUR)


def make_items(seed: int, count: int) -> Iterator[Item]:
    """
    Return wire events in order of arrival: ties, late and very late ones, repeats, used ids, some that are refused.

    Times mostly go on in steps that meet the edges of the windows.
    """
    random = Random(f"items {seed}")  # noqa: S311
    at = START + 10 * DAY
    earlier: list[Item] = []
    for number in range(count):
        chance = random.random()
        if earlier and chance < 0.04:
            yield random.choice(earlier[-50:])
            continue
        if chance < 0.05:
            yield random.choice(_REFUSED)
            continue
        at += random.choice(_STEPS) if random.random() < 0.7 else random.randrange(20 * MINUTE)
        item = _item(random, f"e{number}", at - _lateness(random))
        earlier.append(item)
        yield item


_REFUSED: tuple[Item, ...] = (
    {"id": "refused", "kind": "no.such", "at": format_time(START), "data": {}},
    {"id": "refused", "kind": "thing.done", "at": "1970-01-01T00:00:00Z", "data": {"account": "a"}},
    {"id": "e1", "kind": "thing.done", "at": format_time(START + 10 * DAY), "data": {"account": "reused"}},
)


def _lateness(random: Random) -> Micros:
    chance = random.random()
    if chance < 0.8:
        return 0
    if chance < 0.93:
        return random.choice([1, SECOND, MINUTE, 10 * MINUTE, HOUR, random.randrange(2 * HOUR)])
    if chance < 0.97:
        return random.choice([LATE_HORIZON, LATE_HORIZON + 1, LATE_HORIZON - 1, random.randrange(DAY)])
    return random.randrange(9 * DAY)


def _item(random: Random, id_: str, at: Micros) -> Item:
    kind = random.choice(["thing.done"] * 6 + ["thing.seen"] * 3 + ["ip.told", "day.begun"])
    made: dict[str, Sequence[Any]] = {
        "account": _ACCOUNTS, "ip": _IPS, "device": ("d1", "d2", "\U0001f4f1"), "n": _INTEGERS, "x": _NUMBERS,
        "yes": (True, False), "text": _TEXTS, "mail": _MAILS, "link": _LINKS, "phone": _PHONES,
        "then": [format_time(at - lag) for lag in (0, 1, HOUR, -HOUR, 200 * DAY)],
    }  # fmt: skip
    fields = _KINDS["kind"][kind]["fields"]
    data: dict[str, Any] = {}
    for name in fields:
        if random.random() < (0.08 if name in ("account", "ip") else 0.25):
            if random.random() < 0.3:
                data[name] = None
        elif name == "words":
            data[name] = random.choices(_TEXTS, k=random.randrange(4))
        elif name == "n" and random.random() < 0.5:
            data[name] = random.randrange(-5, 20)
        elif name == "x" and random.random() < 0.5:
            data[name] = round(random.uniform(-10, 10), random.randrange(6))
        else:
            data[name] = random.choice(made[name])
    item: Item = {"id": id_, "kind": kind, "at": format_time(at), "data": data}
    return item | {"channel": "sms"} if random.random() < 0.1 else item


# -- the row path -----------------------------------------------------------------------------------------------------


class Played(msgspec.Struct, frozen=True):
    """What the row path made of one event. `arrival` counts from 1."""

    arrival: int
    outcome: Outcome


def play(
    pack: Pack, items: Iterable[object], *, now: Micros, late_horizon: Micros = LATE_HORIZON, lists: Lists | None = None
) -> Iterator[Played]:
    """Judge wire events in their order, as the engine does; what is refused or known already is passed over."""
    reader = Reader(pack.kinds, EventLimits(), pack.address_rules)
    windows = Windows(pack.plan, late_horizon, pack.list_values)
    known = Known(lists if lists is not None else pack.list_values)
    seen: dict[str, bytes] = {}
    for item in items:
        read = reader.read(item, TENANT, now)
        if not isinstance(read, Arrived) or read.event.id in seen:
            continue
        seen[read.event.id] = body_hash(read.event)
        outcome = process(read, known, windows, pack)
        known.learn(outcome)
        yield Played(len(seen), outcome)


def tables(played: Sequence[Played], pack: Pack) -> dict[str, pa.Table]:
    """Return the engine's tables `events`, `facts` and `decisions` of a stream, as an archive would hold them."""
    facts = [one.outcome.facts for one in played]
    arrivals = pa.array([one.arrival for one in played], pa.int64())

    def of(prefixes: tuple[str, ...]) -> pa.Table:
        columns = {"arrival": arrivals}
        for name, fact in pack.catalog.items():
            if name.startswith(prefixes):
                columns[column_name(name)] = pa.array([row.get(name) for row in facts], ARROW_TYPES[fact.type])
        return pa.table(columns)

    decided = [one.outcome.decision for one in played]
    decisions = {
        "arrival": arrivals,
        "pack": pa.array([decision.versions["pack"] for decision in decided], pa.string()),
        "lists": pa.nulls(len(decided), pa.int64()),
        "rules": pa.array([[hit.rule for hit in one.hits if hit.acts] for one in decided], pa.list_(pa.string())),
        "shadow": pa.array([[hit.rule for hit in one.hits if not hit.acts] for one in decided], pa.list_(pa.string())),
        "unknown": pa.array([list(decision.unknown) for decision in decided], pa.list_(pa.string())),
    }
    return {"events": of(("e.",)), "facts": of(("f.", "s.", "m.", "a.", "l.")), "decisions": pa.table(decisions)}
