"""The set path of features equals the row path: every fact of every event, late or not, on every engine."""

import math
from random import Random
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodsend.archive.engines.model import SqlEngine
from goodsend.events.functions import ADDRESS_FUNCTIONS
from goodsend.events.kinds import parse_kinds
from goodsend.events.model import Event
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.expr.sql.model import Dialect
from goodsend.facts import Facts
from goodsend.features.compute import Windows, build_plan
from goodsend.features.definitions import Aggregate, Feature, feature_facts, parse_features
from goodsend.features.sql.steps import FEATURES, feature_steps
from goodsend.kit.clock import MINUTE, SECOND, Micros
from tests.engines import ENGINES

FIELDS = {
    "account": {"type": "text", "doc": "", "entity": "account"},
    "ip": {"type": "ip", "doc": "", "entity": "ip"},
    "recipients": {"type": "integer", "doc": ""},
    "share": {"type": "number", "doc": ""},
    "source": {"type": "text", "doc": ""},
    "paid": {"type": "boolean", "doc": ""},
}
KINDS, _ = parse_kinds(
    {
        "test.toml": {
            "entities": {"account": "", "ip": ""},
            "kind": {
                "list.imported": {"doc": "", "fields": FIELDS},
                "list.cleaned": {"doc": "", "fields": {name: FIELDS[name] for name in ("account", "ip", "recipients")}},
                "page.seen": {"doc": "", "fields": {"user": {"type": "text", "doc": "", "entity": "account"}}},
                "thing.done": {"doc": "", "fields": {"ip": FIELDS["ip"]}},
            },
        }
    }
)
ENTITY_FIELDS = {
    kind.name: {field.entity: field.name for field in reversed(kind.fields.values()) if field.entity}
    for kind in KINDS.kinds.values()
}
COLUMNS = {
    "e_id": pa.string(),
    "e_kind": pa.string(),
    "e_at": pa.int64(),
    "e_account": pa.string(),
    "e_user": pa.string(),
    "e_ip": pa.string(),
    "e_recipients": pa.int64(),
    "e_share": pa.float64(),
    "e_source": pa.string(),
    "e_paid": pa.bool_(),
}
_OF = {
    "count": (None,),
    "time_since_last": (None,),
    "time_since_first": (None,),
    "sum": ("e.recipients", "e.share"),
    "avg": ("e.recipients", "e.share"),
    "stddev": ("e.recipients", "e.share"),
    "distinct": ("e.source", "e.recipients", "e.paid"),
    "entropy": ("e.source", "e.recipients"),
    "share": ("e.source", "e.paid"),
    "is_new": ("e.source", "e.recipients"),
    "first": ("e.source", "e.share", "e.paid"),
    "last": ("e.source", "e.recipients", "e.paid"),
    "min": ("e.recipients", "e.share"),
    "max": ("e.recipients", "e.share"),
}
_CAPPED = ("distinct", "entropy", "share", "is_new")
_WINDOWS = ("1m", "3m", "ever")


def every_feature() -> tuple[Feature, ...]:
    """One feature for every aggregate, value, window, way of counting itself, filter and sort of key."""
    tables: dict[str, dict[str, Any]] = {}
    for aggregate, values in _OF.items():
        for of in values:
            for number in range(24):
                window, rest = _WINDOWS[number % 3], number // 3
                table: dict[str, Any] = {
                    "doc": "d",
                    "owner": "o",
                    "aggregate": aggregate,
                    "window": window,
                    "key": ["account", "ip"] if rest & 1 else ["account"],
                    "on": ["list.imported"] if rest & 2 or of not in (None, "e.recipients")
                    else ["list.imported", "list.cleaned"],
                }  # fmt: skip
                if aggregate != "is_new":
                    table["counts_itself"] = not rest & 4
                if of is not None:
                    table["of"] = of
                if rest & 2:
                    table["where"] = "e.source <> 'api'"
                if of == "e.share" and aggregate in ("sum", "avg", "stddev"):
                    table["scale"] = 2
                if aggregate in _CAPPED and window == "ever":
                    table["cap"] = 2
                tables[f"{aggregate}_{len(tables)}"] = table
    counts = [name for name, table in tables.items() if table["aggregate"] == "count" and len(table["key"]) == 1]
    for number, (above, below) in enumerate(zip(counts, reversed(counts), strict=True)):
        tables[f"ratio_{number}"] = {
            "doc": "d", "owner": "o", "aggregate": "ratio", "numerator": above, "denominator": below,
        }  # fmt: skip
    functions = {**CORE_FUNCTIONS, **ADDRESS_FUNCTIONS}
    features, problems = parse_features({"f.toml": {"feature": tables}}, KINDS, functions)
    assert problems == []
    return features


POOL = every_feature()
BY_NAME = {feature.name: feature for feature in POOL}


def with_parts(features: list[Feature]) -> tuple[Feature, ...]:
    """Add what ratios are made of."""
    parts = [BY_NAME[name] for feature in features for name in (feature.numerator, feature.denominator) if name]
    return tuple({feature.name: feature for feature in (*parts, *features)}.values())


def make_event(at: Micros, kind: str = "list.imported", **data: Any) -> Event:
    fields = KINDS.kinds[kind].fields if kind in KINDS.kinds else {}
    if "user" in fields:
        data["user"] = data.get("account")
    return Event("acme", "e", kind, at, None, {k: v for k, v in data.items() if v is not None and k in fields})


def events_table(events: list[Event]) -> pa.Table:
    own: dict[str, list[Any]] = {
        "e_id": [event.id for event in events],
        "e_kind": [event.kind for event in events],
        "e_at": [event.at for event in events],
    }
    columns = {"arrival": pa.array(range(1, len(events) + 1), pa.int64())}
    for name, type_ in COLUMNS.items():
        values = own.get(name) or [event.data.get(name.removeprefix("e_")) for event in events]
        columns[name] = pa.array(values, type_)
    return pa.table(columns)


def by_rows(features: tuple[Feature, ...], events: list[Event], late_horizon: Micros) -> list[Facts]:
    """The row path."""
    windows = Windows(build_plan(features, KINDS), late_horizon)
    found = []
    for event in events:
        fields = ENTITY_FIELDS.get(event.kind, {})
        keys = {entity: str(event.data[field]) for entity, field in fields.items() if field in event.data}
        found.append(windows.observe(event, keys))
    return found


def by_sets(
    engine: SqlEngine,
    features: tuple[Feature, ...],
    events: list[Event],
    late_horizon: Micros,
    *,
    on_time: bool = False,
    broad: bool = False,
) -> list[dict[str, Any]]:
    """The set path; `broad` says of every key that it has very many events to a value."""
    keys = {feature.key for feature in features} if broad else set()
    engine.clear()
    engine.add_rows("events", events_table(events))
    engine.run(feature_steps(features, ENTITY_FIELDS, engine.dialect, {}, late_horizon, on_time=on_time, broad=keys))
    return list(engine.table(f"SELECT * FROM {FEATURES} ORDER BY arrival").to_pylist())


def is_equal(aggregate: Aggregate, row: Any, set_: Any) -> bool:
    """Equal in type and value; the two aggregates with logarithms and roots within their stated bounds."""
    if type(row) is not type(set_):
        return False
    if row is not None and aggregate is Aggregate.ENTROPY:
        return bool(abs(row - set_) < 1e-9)
    if row is not None and aggregate is Aggregate.STDDEV:
        return math.isclose(row, set_, rel_tol=1e-12, abs_tol=0.0)
    return bool(row == set_)


def differences(features: tuple[Feature, ...], rows: list[Facts], sets: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    assert len(rows) == len(sets)
    aggregates = {fact.name: feature.aggregate for feature in features for fact in feature_facts([feature])}
    return [
        (arrival, name, row.get(name), set_[name.replace(".", "_", 1)])
        for arrival, (row, set_) in enumerate(zip(rows, sets, strict=True), 1)
        for name, aggregate in aggregates.items()
        if not is_equal(aggregate, row.get(name), set_[name.replace(".", "_", 1)])
    ]


times = st.one_of(
    st.integers(0, 600).map(lambda second: second * SECOND),
    st.sampled_from([0, MINUTE, MINUTE + 1, 3 * MINUTE - 1, 3 * MINUTE, 4 * MINUTE, 8 * MINUTE]),
)
_KIND = ["list.imported"] * 6 + ["list.cleaned", "page.seen", "thing.done", "no.such"]
_ACCOUNT = ["a", "a", "a", "b", "ü\u202e", "", None]
_IP = ["192.0.2.1", "192.0.2.1", "192.0.2.2", None]
_RECIPIENTS = [None, 0, 1, 1, 2, 5, -3, 2**63 - 1, -(2**63), 2**53 + 1, 10**15, 10**15 + 1]
_SHARE = [None, 0.0, 0.1, 0.2, 0.005, -0.015, 2.5, -2.5, 1.005, 1e15, 9.3e16, -9.3e16, 1e300, 5e-324, -0.0]
_SOURCE = ["api", "file", "form", "x", "ß", "", "it's", None]
events_drawn = st.builds(
    make_event,
    at=times,
    kind=st.sampled_from(_KIND),
    account=st.sampled_from(_ACCOUNT),
    ip=st.sampled_from(_IP),
    recipients=st.one_of(st.sampled_from(_RECIPIENTS), st.integers(-5, 5)),
    share=st.one_of(st.sampled_from(_SHARE), st.floats(-10, 10).map(lambda x: x + 0.0)),
    source=st.sampled_from(_SOURCE),
    paid=st.sampled_from([True, False, None]),
)
horizons = st.sampled_from([0, 30 * SECOND, 2 * MINUTE, 20 * MINUTE])
pools = st.lists(st.sampled_from(POOL), min_size=1, max_size=6).map(with_parts)
broads = st.booleans()
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stream(seed: int, count: int, *, late: float = 0.3) -> list[Event]:
    """Made-up events; `late` is the share of those whose time goes back."""
    random = Random(seed)
    made, at = [], 0
    for _ in range(count):
        at += random.choice([0, 0, 1, SECOND, 10 * SECOND, MINUTE])
        lag = random.choice([0, 1, 20 * SECOND, MINUTE, 5 * MINUTE]) if random.random() < late else 0
        data = {
            "account": random.choice(_ACCOUNT), "ip": random.choice(_IP), "recipients": random.choice(_RECIPIENTS),
            "share": random.choice(_SHARE), "source": random.choice(_SOURCE),
            "paid": random.choice([True, False, None]),
        }  # fmt: skip
        made.append(make_event(max(at - lag, 0), random.choice(_KIND), **data))
    return made


@few
@given(features=pools, events=st.lists(events_drawn, min_size=1, max_size=30), late_horizon=horizons, broad=broads)
def test_the_set_path_equals_the_row_path(
    duckdb_engine: SqlEngine, features: tuple[Feature, ...], events: list[Event], late_horizon: Micros, broad: bool
) -> None:
    """Whatever comes in, in whatever order: ties, late and very late events, missing values, extreme numbers."""
    found = by_sets(duckdb_engine, features, events, late_horizon, broad=broad)

    assert differences(features, by_rows(features, events, late_horizon), found) == []


@settings(few, max_examples=12)
@given(features=pools, events=st.lists(events_drawn, min_size=1, max_size=30), late_horizon=horizons, broad=broads)
def test_as_if_on_time_is_the_log_in_order_of_time(
    duckdb_engine: SqlEngine, features: tuple[Feature, ...], events: list[Event], late_horizon: Micros, broad: bool
) -> None:
    """`on_time` is the row path over the same events sorted by time, ties by arrival."""
    found = by_sets(duckdb_engine, features, events, late_horizon, on_time=True, broad=broad)
    order = sorted(range(len(events)), key=lambda number: (events[number].at, number))
    in_order = [events[number] for number in order]

    assert differences(features, by_rows(features, in_order, late_horizon), [found[number] for number in order]) == []


@pytest.mark.parametrize(("engine_name", "seed"), [*((name, 1) for name in ENGINES), ("duckdb_engine", 2)])
def test_every_aggregate_on_every_engine(engine_name: str, seed: int, request: pytest.FixtureRequest) -> None:
    """A longer stream, a tenth of which is late, with features of every aggregate."""
    engine = request.getfixturevalue(engine_name)
    random = Random(seed)
    drawn = [random.choice([feature for feature in POOL if feature.aggregate is each]) for each in Aggregate]
    features = with_parts(drawn)
    events = stream(seed, 120, late=0.1)
    found = by_sets(engine, features, events, 4 * MINUTE, broad=seed == 2)

    assert differences(features, by_rows(features, events, 4 * MINUTE), found) == []


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_sql_parses_in_its_dialect(dialect: Dialect) -> None:
    """Every step of every feature is SQL of the engine it was written for; BigQuery is not run here, only read."""
    for on_time in (False, True):
        for step in feature_steps(POOL[::7], ENTITY_FIELDS, dialect, {}, MINUTE, on_time=on_time):
            text = step.sql(dialect)
            assert sqlglot.parse_one(text, dialect=dialect.value).sql(dialect=dialect.value) == text


def test_a_log_without_events_has_no_features(duckdb_engine: SqlEngine) -> None:
    """No event, no row; the columns are there."""
    assert by_sets(duckdb_engine, with_parts(list(POOL[:3])), [], MINUTE) == []


def test_no_features_are_no_columns(duckdb_engine: SqlEngine) -> None:
    """Without definitions there is one row per event and nothing in it."""
    assert by_sets(duckdb_engine, (), stream(1, 3), MINUTE) == [{"arrival": 1}, {"arrival": 2}, {"arrival": 3}]
