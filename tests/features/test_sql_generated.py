"""Generated streams and definitions on Sail and Spark: few of them, because each takes these engines seconds."""

from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from goodsend.archive.engines.model import SqlEngine
from goodsend.events.model import Event
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.features.definitions import Aggregate, Feature, parse_features
from goodsend.kit.clock import DAY, Micros
from tests.features.test_sql import (
    KINDS,
    POOL,
    by_rows,
    by_sets,
    differences,
    events_drawn,
    horizons,
    make_event,
    with_parts,
)

_PLAIN = frozenset({Aggregate.COUNT, Aggregate.SUM, Aggregate.AVG, Aggregate.LAST, Aggregate.TIME_SINCE_FIRST})
"""What Spark plans in seconds; the rest is for `./dev prove`."""

streams = st.lists(events_drawn, min_size=1, max_size=25)
at_first = settings(
    deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def check(
    engine: SqlEngine, features: tuple[Feature, ...], events: Sequence[Event], horizon: Micros, *, on_time: bool
) -> None:
    """Compare every fact of every event; `on_time`: with the row path over the stream in order of time."""
    order = list(range(len(events)))
    if on_time:
        order.sort(key=lambda number: (events[number].at, number))
    found = by_sets(engine, features, list(events), horizon, on_time=on_time)
    rows = by_rows(features, [events[number] for number in order], horizon)

    assert differences(features, rows, [found[number] for number in order]) == []


@settings(at_first, max_examples=10)
@given(
    features=st.lists(st.sampled_from(POOL), min_size=1, max_size=3).map(with_parts), events=streams,
    horizon=horizons, on_time=st.sampled_from([False, False, True]),
)  # fmt: skip
def test_sail_gives_what_the_row_path_gives(
    sail_engine: SqlEngine, features: tuple[Feature, ...], events: list[Event], horizon: Micros, on_time: bool
) -> None:
    """Whatever aggregate is drawn: ties, late events, missing values, extreme numbers."""
    check(sail_engine, features, events, horizon, on_time=on_time)


@settings(at_first, max_examples=1)
@given(
    feature=st.sampled_from([one for one in POOL if one.aggregate in _PLAIN and len(one.key) == 1]),
    events=st.lists(events_drawn, min_size=12, max_size=25),
    horizon=horizons,
)
def test_spark_gives_what_the_row_path_gives(
    spark_engine: SqlEngine, feature: Feature, events: list[Event], horizon: Micros
) -> None:
    """One of the quick aggregates at a time."""
    check(spark_engine, (feature,), events, horizon, on_time=False)


def test_a_ratio_of_sums_beyond_what_floats_hold(duckdb_engine: SqlEngine) -> None:
    """Its interval is made of the same floats on both paths: whole numbers divided as they are round once less."""
    table = {"doc": "d", "owner": "o", "key": ["account"], "on": ["list.imported"], "window": "ever"}
    tables = {
        "part": table | {"aggregate": "count"},
        "whole": table | {"aggregate": "sum", "of": "e.recipients"},
        "ratio": {"doc": "d", "owner": "o", "aggregate": "ratio", "numerator": "part", "denominator": "whole"},
    }
    features, problems = parse_features({"f.toml": {"feature": tables}}, KINDS, CORE_FUNCTIONS)
    events = [make_event(number, account="a", recipients=2**53 + 3**number) for number in range(36)]

    assert problems == []
    check(duckdb_engine, features, events, DAY, on_time=False)
