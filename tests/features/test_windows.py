"""Windows equal a plain reading of the whole history, however events come in; what is too old is told, not guessed."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodsend.events.functions import ADDRESS_FUNCTIONS, wilson
from goodsend.events.kinds import parse_kinds
from goodsend.events.model import Event
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.facts import Facts
from goodsend.features import compute as compute_module
from goodsend.features import windows as windows_module
from goodsend.features.compute import Plan, Windows, build_plan
from goodsend.features.definitions import OF_CURRENT, ZERO_WHEN_EMPTY, Aggregate, Feature, parse_features
from goodsend.features.measures import entropy, scaled
from goodsend.kit.clock import HOUR, MINUTE, SECOND, Micros, parse_time

KINDS, _ = parse_kinds(
    {
        "test.toml": {
            "entities": {"account": "", "ip": ""},
            "kind": {
                "list.imported": {
                    "doc": "",
                    "fields": {
                        "account": {"type": "text", "doc": "", "entity": "account"},
                        "ip": {"type": "ip", "doc": "", "entity": "ip"},
                        "recipients": {"type": "integer", "doc": ""},
                        "share": {"type": "number", "doc": ""},
                        "source": {"type": "text", "doc": ""},
                    },
                },
                "page.seen": {"doc": "", "fields": {"account": {"type": "text", "doc": "", "entity": "account"}}},
                "thing.done": {"doc": "", "fields": {"ip": {"type": "ip", "doc": "", "entity": "ip"}}},
            },
        }
    }
)
FUNCTIONS = {**CORE_FUNCTIONS, **ADDRESS_FUNCTIONS}
_VALUES: dict[str, list[str | None]] = {
    "count": [None],
    "time_since_last": [None],
    "time_since_first": [None],
    "sum": ["e.recipients", "e.share"],
    "distinct": ["e.source", "e.recipients"],
    "first": ["e.source", "e.share"],
    "last": ["e.source", "e.recipients"],
    "min": ["e.recipients", "e.share"],
    "max": ["e.recipients"],
    "avg": ["e.recipients", "e.share"],
    "stddev": ["e.recipients", "e.share"],
    "entropy": ["e.source", "e.recipients"],
    "share": ["e.source"],
    "is_new": ["e.source", "e.recipients"],
}


def every_feature() -> tuple[Feature, ...]:
    """One feature for every aggregate, value, window and way of counting itself, over two sorts of key."""
    tables: dict[str, dict[str, Any]] = {}
    for aggregate, values in _VALUES.items():
        for of in values:
            for window in ("1m", "3m", "ever"):
                for itself in (True, False):
                    for key in (["account"], ["account", "ip"]):
                        table: dict[str, Any] = {
                            "doc": "d",
                            "owner": "o",
                            "aggregate": aggregate,
                            "key": key,
                            "on": ["list.imported"],
                            "window": window,
                            "counts_itself": itself,
                        }
                        if of:
                            table["of"] = of
                        if of == "e.share" and aggregate in ("sum", "avg", "stddev"):
                            table["scale"] = 2
                        if aggregate in ("distinct", "entropy", "share", "is_new") and window == "ever":
                            table["cap"] = 3 if aggregate == "distinct" else 2
                        if aggregate in ("count", "sum", "share"):
                            table["where"] = "e.source <> 'api'"
                        if aggregate == "is_new":
                            del table["counts_itself"]
                        tables[f"f{len(tables)}"] = table
    some, whole = [name for name, table in tables.items() if table["aggregate"] == "count" and len(table["key"]) == 1][
        :2
    ]
    for above, below in (
        (some, whole),
        (whole, some),
        ("f0", next(n for n in tables if tables[n]["aggregate"] == "avg")),
    ):
        name = f"f{len(tables)}"
        tables[name] = {"doc": "d", "owner": "o", "aggregate": "ratio", "numerator": above, "denominator": below}
    features, problems = parse_features({"f.toml": {"feature": tables}}, KINDS, FUNCTIONS)
    assert problems == []
    return features


FEATURES = every_feature()
PLAN = build_plan(FEATURES, KINDS)


@pytest.fixture(autouse=True, scope="module")
def _prune_often() -> Iterator[None]:
    """Short histories must meet the pruning, the sweeping and the long form that long ones meet."""
    before = windows_module._FIRST_PRUNE, windows_module.FEW, compute_module._EVERY
    windows_module._FIRST_PRUNE, windows_module.FEW, compute_module._EVERY = 2, 2, 5
    yield
    windows_module._FIRST_PRUNE, windows_module.FEW, compute_module._EVERY = before


def make_event(at: Micros = 0, kind: str = "list.imported", **data: Any) -> Event:
    known = KINDS.kinds[kind].fields if kind in KINDS.kinds else ()
    values = {name: value for name, value in data.items() if value is not None and name in known}
    return Event("acme", "e", kind, at, None, values)


def entities(event: Event) -> dict[str, str]:
    return {name: str(event.data[name]) for name in ("account", "ip") if name in event.data}


def value_of(feature: Feature, event: Event) -> Any:
    """What a feature takes of an event, None where it takes nothing."""
    if feature.of is None:
        return True
    value = event.data.get(feature.of.sql.removeprefix("e."))
    if value is None or feature.aggregate not in (Aggregate.SUM, Aggregate.AVG, Aggregate.STDDEV):
        return value
    assert isinstance(value, int | float)
    whole = scaled(value, feature.scale) if isinstance(value, float) else value
    if feature.aggregate is Aggregate.STDDEV:
        return whole if abs(whole) <= 10**15 else None
    return whole if -(2**63) <= whole < 2**63 else None


def feeds(feature: Feature, event: Event) -> bool:
    fed = event.kind in feature.on and value_of(feature, event) is not None
    return fed and (feature.where is None or event.data.get("source", "api") != "api")


def reference(feature: Feature, history: list[Event], late_horizon: Micros) -> Any:
    """What the feature is for the last event of a history, told in the simplest way; ... means it is not there."""
    event = history[-1]
    keys = entities(event)
    if any(part not in keys for part in feature.key):
        return ...
    newest = max(one.at for one in history)
    always = feature.window is None and feature.aggregate in (Aggregate.FIRST, Aggregate.TIME_SINCE_FIRST)
    if event.at < newest - late_horizon and not always:
        return ...
    fed = [
        one
        for one in (history if feature.counts_itself else history[:-1])
        if feeds(feature, one) and all(entities(one).get(part) == keys[part] for part in feature.key)
    ]
    remembered = list(dict.fromkeys(value_of(feature, one) for one in fed))[: feature.cap]
    seen = [one for one in fed if one.at <= event.at and (feature.window is None or one.at > event.at - feature.window)]
    seen.sort(key=lambda one: one.at)  # stable, so ties stay in order of arrival
    values = [value_of(feature, one) for one in seen]
    if feature.aggregate in OF_CURRENT:
        return compared(feature, event, values, remembered)
    if not seen and feature.aggregate not in ZERO_WHEN_EMPTY:
        return ...
    scale = 10**feature.scale if feature.of is not None and feature.of.sql == "e.share" else 1
    match feature.aggregate:
        case Aggregate.COUNT:
            return len(seen)
        case Aggregate.SUM if feature.of is not None and feature.of.sql == "e.share":
            return sum(values) / scale
        case Aggregate.SUM:
            return sum(values) if -(2**63) <= sum(values) < 2**63 else ...
        case Aggregate.AVG:
            return float(sum(values)) / len(values) / scale
        case Aggregate.STDDEV:
            spread = len(values) * sum(value * value for value in values) - sum(values) ** 2
            too_much = len(values) * sum(value * value for value in values) >= 10**38
            return ... if too_much else math.sqrt(spread) / len(values) / scale
        case Aggregate.ENTROPY:
            known = Counter(value if feature.cap is None or value in remembered else "other" for value in values)
            return abs(sum(-count / len(values) * math.log2(count / len(values)) for count in known.values()))
        case Aggregate.DISTINCT:
            return min(len(set(values)), feature.cap or len(values))
        case Aggregate.TIME_SINCE_LAST:
            return (event.at - seen[-1].at) // SECOND
        case Aggregate.TIME_SINCE_FIRST:
            return (event.at - seen[0].at) // SECOND
        case Aggregate.FIRST:
            return values[0]
        case Aggregate.LAST:
            return values[-1]
        case Aggregate.MIN:
            return min(values)
        case Aggregate.MAX:
            return max(values)


def compared(feature: Feature, event: Event, values: list[Any], remembered: list[Any]) -> Any:
    """What share and is_new are: the event's own value against those of the window."""
    own = value_of(feature, event) if event.kind in feature.on else None
    if own is None or (feature.cap is not None and own not in remembered and len(remembered) == feature.cap):
        return ...
    if feature.aggregate is Aggregate.IS_NEW:
        return own not in values
    return values.count(own) / len(values) if values else ...


def check_ratio(feature: Feature, facts: Facts) -> None:
    """A ratio follows from the two facts beside it."""
    above, below = facts.get(f"f.{feature.numerator}"), facts.get(f"f.{feature.denominator}")
    found = facts.get(f"f.{feature.name}")
    assert not isinstance(above, str | tuple)
    assert not isinstance(below, str | tuple)
    assert found == (None if above is None or not below else above / below)
    lower, upper = facts.get(f"f.{feature.name}_lower"), facts.get(f"f.{feature.name}_upper")
    if feature.interval and above is not None and below and above <= below:
        assert isinstance(lower, float)
        assert isinstance(upper, float)
        assert 0 <= lower <= above / below <= upper <= 1
    else:
        assert (lower, upper) == (None, None)


def check(plan: Plan, history: list[Event], late_horizon: Micros, *, restart: bool = False) -> Windows:
    windows = Windows(plan, late_horizon)
    for count, event in enumerate(history, 1):
        facts = windows.observe(event, entities(event))
        for feature in FEATURES:
            if feature.aggregate is Aggregate.RATIO:
                check_ratio(feature, facts)
                continue
            expected = reference(feature, history[:count], late_horizon)
            found = facts.get("f." + feature.name, ...)
            if feature.aggregate is Aggregate.ENTROPY and expected is not ...:
                assert isinstance(found, float)
                assert abs(expected - found) < 1e-9, feature
                continue
            assert (type(expected), expected) == (type(found), found), feature
        if restart:
            again = Windows.restore(windows.snapshot(), plan, late_horizon)
            assert again is not None
            # Written in two forms, few first: from the second time on the order stays.
            assert contents(again) == contents(windows)
            windows = again
    return windows


def contents(windows: Windows) -> list[dict[str, Any]]:
    """The whole memory, as plain values."""
    return [
        {key: memory.dump() if isinstance(memory, windows_module.Log) else memory for key, memory in table.items()}
        for table in windows._tables
    ]


times = st.one_of(
    st.integers(0, 600).map(lambda second: second * SECOND),
    st.sampled_from([0, MINUTE, MINUTE + 1, 3 * MINUTE - 1, 3 * MINUTE, 4 * MINUTE, 8 * MINUTE]),
)
events = st.builds(
    make_event,
    at=times,
    kind=st.sampled_from(["list.imported"] * 6 + ["page.seen", "thing.done", "no.such"]),
    account=st.sampled_from(["a", "a", "a", "b", "ü\u202e", None]),
    ip=st.sampled_from(["192.0.2.1", "192.0.2.1", "192.0.2.2", None]),
    recipients=st.one_of(st.none(), st.integers(-5, 5), st.just(2**63 - 1)),
    share=st.one_of(
        st.none(), st.sampled_from([0.1, 0.2, 0.005, -0.015, 1e300]), st.floats(-10, 10).map(lambda x: x + 0.0)
    ),
    source=st.sampled_from(["api", "file", "form", "x", "ß", None]),
)
horizons = st.sampled_from([0, 30 * SECOND, 2 * MINUTE, 20 * MINUTE])


@settings(max_examples=200, deadline=None)
@given(st.lists(events, max_size=25), horizons)
def test_windows_equal_the_whole_history(history: list[Event], late_horizon: Micros) -> None:
    """In any order of times, with ties, late events, several keys and missing values, at every age of pruning."""
    check(PLAN, history, late_horizon)


@settings(max_examples=100, deadline=None)
@given(st.lists(events, max_size=40), horizons)
def test_windows_equal_the_whole_history_when_events_come_in_order(history: list[Event], late_horizon: Micros) -> None:
    """The common case: times never go back."""
    check(PLAN, sorted(history, key=lambda event: event.at), late_horizon)


@settings(max_examples=60, deadline=None)
@given(st.lists(events, max_size=15), horizons)
def test_a_snapshot_between_any_two_events_changes_nothing(history: list[Event], late_horizon: Micros) -> None:
    """What is restored goes on exactly as before, and is the same snapshot again."""
    check(PLAN, history, late_horizon, restart=True)


def plan_of(**table: Any) -> Plan:
    whole = {
        "doc": "d",
        "owner": "o",
        "aggregate": "count",
        "key": ["account"],
        "on": ["list.imported"],
        "window": "1m",
    }
    features, problems = parse_features({"f.toml": {"feature": {"x": whole | table}}}, KINDS, FUNCTIONS)
    assert problems == []
    return build_plan(features, KINDS)


def observed(windows: Windows, *events: Event) -> list[Facts]:
    return [windows.observe(event, entities(event)) for event in events]


def test_the_edge_of_a_window_is_open_at_the_start() -> None:
    """A window of w at t holds (t − w, t]: what happened exactly w ago is out, a microsecond later is in."""
    windows = Windows(plan_of())
    found = observed(windows, make_event(0, account="a"), make_event(1, account="a"), make_event(MINUTE, account="a"))

    assert [facts["f.x"] for facts in found] == [1, 2, 2]


def test_a_feature_is_read_on_every_kind_that_carries_its_key() -> None:
    """An event that feeds nothing still sees the account's numbers; one without the key sees none."""
    windows = Windows(plan_of())
    found = observed(
        windows,
        make_event(0, account="a"),
        make_event(1, "page.seen", account="a"),
        make_event(2, "page.seen", account="b"),
        make_event(3, "thing.done", ip="192.0.2.1"),
    )

    assert found == [{"f.x": 1}, {"f.x": 1}, {"f.x": 0}, {}]


def test_late_events_are_counted() -> None:
    """Late is after one that happened later; past the horizon is counted again, and its facts are unknown."""
    windows = Windows(plan_of(), late_horizon=10 * SECOND)
    found = observed(
        windows,
        make_event(MINUTE, account="a"),
        make_event(50 * SECOND, account="a"),
        make_event(49 * SECOND, account="a"),
        make_event(MINUTE, account="a"),
    )

    assert found == [{"f.x": 1}, {"f.x": 1}, {}, {"f.x": 4}]
    assert (windows.late, windows.late_past_horizon, windows.is_late(MINUTE), windows.is_late(MINUTE - 1)) == (
        2,
        1,
        False,
        True,
    )


def test_an_event_older_than_what_was_pruned_still_counts_for_ever() -> None:
    """The trap: it lies before everything that is still held, so only the summary can take it in."""
    windows = Windows(plan_of(window="ever"), late_horizon=0)
    history = [make_event(second * MINUTE, account="a") for second in range(100)]
    observed(windows, *history, make_event(-MINUTE, account="a"))

    assert observed(windows, make_event(100 * MINUTE, account="a")) == [{"f.x": 102}]


def test_an_account_keeps_its_age_at_any_lateness() -> None:
    """The first event ever is known however late an event comes, and moves back when an older one arrives."""
    windows = Windows(plan_of(window="ever", aggregate="time_since_first"), late_horizon=0)
    found = observed(
        windows,
        make_event(2 * MINUTE, account="a"),
        make_event(100 * MINUTE, account="b"),
        make_event(3 * MINUTE, "page.seen", account="a"),
        make_event(MINUTE, account="a"),
        make_event(3 * MINUTE, "page.seen", account="a"),
    )

    assert [facts["f.x"] for facts in found] == [0, 0, 60, 0, 120]


def test_keys_that_nobody_can_ask_about_are_forgotten() -> None:
    """Memory follows what lies in the windows, not all keys there ever were."""
    windows = Windows(plan_of(), late_horizon=MINUTE)
    for second in range(5_000):
        observed(windows, make_event(second * SECOND, account=f"a{second}"))

    assert windows.keys() < 500


def test_logs_of_busy_keys_are_pruned() -> None:
    """Memory of one key follows what lies in its longest window."""
    windows = Windows(plan_of(), late_horizon=MINUTE)
    for second in range(5_000):
        observed(windows, make_event(second * SECOND, account="a"))

    assert sum(map(len, windows.snapshot())) < 10_000


def test_lists_are_consulted() -> None:
    """`where` may ask a list; without it nothing is fed."""
    features, problems = parse_features(
        {
            "f.toml": {
                "feature": {
                    "x": {
                        "doc": "d",
                        "owner": "o",
                        "aggregate": "count",
                        "key": ["account"],
                        "on": ["list.imported"],
                        "window": "1m",
                        "where": "IN_LIST('bad', e.source)",
                    }
                }
            }
        },
        KINDS,
        FUNCTIONS,
        ["bad"],
    )
    windows = Windows(build_plan(features, KINDS), lists={"bad": {"x"}})
    found = observed(windows, make_event(0, account="a", source="x"), make_event(1, account="a", source="y"))

    assert problems == []
    assert found == [{"f.x": 1}, {"f.x": 1}]


def test_state_of_another_plan_is_refused() -> None:
    """A snapshot belongs to the definitions it was made by."""
    state = list(Windows(plan_of()).snapshot())

    assert Windows.restore(state, plan_of()) is not None
    assert Windows.restore(state, plan_of(window="2m")) is None
    assert Windows.restore(state, plan_of(), late_horizon=30 * 24 * HOUR) is None


@pytest.mark.parametrize(
    "broken",
    [
        lambda chunks: [],
        lambda chunks: [b"nonsense"],
        lambda chunks: chunks[:-1],
        lambda chunks: [chunks[0], chunks[-1]],
        lambda chunks: [chunks[0], chunks[1][:-3], chunks[2]],
        lambda chunks: [chunks[0], chunks[1][:9] + bytes([chunks[1][9] ^ 1]) + chunks[1][10:], chunks[2]],
        lambda chunks: [*chunks, chunks[1]],
        lambda chunks: chunks[1:],
    ],
)
def test_a_broken_snapshot_is_refused(broken: Callable[[list[bytes]], list[bytes]]) -> None:
    """Cut short, damaged, doubled or nonsense: None, so that the caller replays the log."""
    windows = Windows(plan_of())
    observed(windows, make_event(0, account="a"))
    chunks = list(windows.snapshot())

    assert len(chunks) == 3
    assert Windows.restore(chunks, plan_of()) is not None
    assert Windows.restore(broken(chunks), plan_of()) is None


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0.5, 0, 1),
        (-0.5, 0, -1),
        (0.49999999999999994, 0, 0),
        (1.005, 2, 100),
        (2.5, 0, 3),
        (1e308, 9, int(1e308) * 10**9),
    ],
)
def test_numbers_are_scaled_to_the_nearest_whole(value: float, decimals: int, expected: int) -> None:
    """Halves go away from zero; the product is that of floats, as SQL has it."""
    assert expected == scaled(value, decimals)


def test_the_examples_of_the_documentation_are_true() -> None:
    """The two tables of docs/explanation/windows.md."""
    monday = parse_time("2026-11-16T00:00:00Z")
    edges = Windows(plan_of(aggregate="sum", of="e.recipients", window="24h"))
    late = Windows(plan_of(aggregate="sum", of="e.recipients", window="1h"))

    def told(windows: Windows, *rows: tuple[int, int]) -> list[object]:
        found = observed(windows, *(make_event(monday + at, account="a", recipients=count) for at, count in rows))
        return [facts["f.x"] for facts in found]

    assert told(edges, (10 * HOUR, 100), (15 * HOUR, 50), (34 * HOUR - SECOND, 7), (34 * HOUR, 1)) == [
        100,
        150,
        157,
        58,
    ]
    ten = 10 * HOUR
    assert told(late, (ten, 100), (ten + 30 * MINUTE, 50), (ten + 10 * MINUTE, 7), (ten + 40 * MINUTE, 1)) == [
        100,
        150,
        107,
        158,
    ]
    assert ([], set()) == (windows_module._NO_LIST, windows_module._NO_SET)


def test_a_value_of_another_type_is_unknown() -> None:
    """An event kept from before a field changed its type does not stop the replay; it is passed over."""
    windows = Windows(plan_of(aggregate="sum", of="e.recipients"))
    found = observed(windows, make_event(0, account="a", recipients="many"), make_event(1, account="a", recipients=2))

    assert found == [{"f.x": 0}, {"f.x": 2}]


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(odd, odd, odd, times), max_size=12))
def test_odd_values_are_unknown_and_never_stop_a_replay(rows: list[tuple[Any, Any, Any, Micros]]) -> None:
    """Events kept from before a kind was defined otherwise, numbers beyond 64 bits, NaN: passed over, and kept out."""
    windows = Windows(PLAN)
    for recipients, share, source, at in rows:
        data = {"account": "a", "ip": "192.0.2.1", "recipients": recipients, "share": share, "source": source}
        event = Event("acme", "e", "list.imported", at, None, data)
        facts = windows.observe(event, {"account": "a", "ip": "192.0.2.1"})
        assert all(not isinstance(value, float) or math.isfinite(value) for value in facts.values())
    again = Windows.restore(windows.snapshot(), PLAN)

    assert again is not None
    assert contents(again) == contents(windows)


def test_a_pack_without_features_has_windows_too() -> None:
    """Nothing to remember is not a mistake."""
    windows = Windows(build_plan((), KINDS))
    for second in range(200):
        assert windows.observe(make_event(second, account="a"), {"account": "a"}) == {}
    again = Windows.restore(windows.snapshot(), windows.plan)

    assert again is not None
    assert (again.newest, again.keys()) == (199, 0)


def test_sums_are_exact_and_end_at_64_bits() -> None:
    """A whole sum that does not fit is unknown; a sum of numbers goes on; and both come back when the window moves."""
    whole = Windows(plan_of(aggregate="sum", of="e.recipients"))
    most = 2**63 - 1
    rows = [(0, most), (1, 1), (MINUTE, 5), (MINUTE + 1, 6)]
    found = observed(whole, *(make_event(at, account="a", recipients=value) for at, value in rows))
    mean = Windows(plan_of(aggregate="avg", of="e.recipients"))
    means = observed(mean, *(make_event(at, account="a", recipients=most) for at in range(9)))

    assert [facts.get("f.x") for facts in found] == [most, None, 6, 11]
    assert [facts["f.x"] for facts in means] == [float(9 * most) / 9 if n == 8 else float(most) for n in range(9)]


def test_a_deviation_leaves_out_what_is_too_large() -> None:
    """A scaled value beyond 10^15 does not enter; too many large ones together are unknown."""
    windows = Windows(plan_of(aggregate="stddev", of="e.recipients"))
    found = observed(
        windows,
        make_event(0, account="a", recipients=2),
        make_event(1, account="a", recipients=10**15 + 1),
        make_event(2, account="a", recipients=4),
    )

    assert [facts["f.x"] for facts in found] == [0.0, 0.0, 1.0]


def test_idle_keys_are_forgotten_while_others_go_on() -> None:
    """No new key is needed: time alone, as other events tell it, lets old ones go."""
    windows = Windows(plan_of(), late_horizon=0)
    observed(windows, *(make_event(second, account=f"a{second}") for second in range(1_000)))
    before = windows.keys()
    observed(windows, *(make_event(2 * MINUTE + second, account="busy") for second in range(4_000)))

    assert before == 1_000
    assert windows.keys() == 1


def test_the_numbers_of_the_documentation_are_true() -> None:
    """The worked examples of docs/explanation/windows.md: eight values, a cap, an entropy, two intervals."""
    values = [2, 4, 4, 4, 5, 5, 7, 9]

    def told(aggregate: str, **table: Any) -> list[object]:
        of = {} if aggregate == "count" else {"of": "e.recipients"}
        windows = Windows(plan_of(aggregate=aggregate, **of, **table))
        history = [make_event(at, account="a", recipients=value) for at, value in enumerate(values)]
        return [facts.get("f.x") for facts in observed(windows, *history)]

    page = (Path(__file__).parents[2] / "docs/explanation/windows.md").read_text(encoding="utf-8")
    last = {name: round(float(str(told(name)[-1])), 4) for name in ("sum", "avg", "stddev", "distinct", "entropy")}

    assert last == {"sum": 40, "avg": 5.0, "stddev": 2.0, "distinct": 5, "entropy": 2.1556}
    assert all(f"{value:g}" in page for value in last.values())
    assert told("share")[5] == 2 / 6
    assert (told("is_new")[7], told("is_new")[5]) == (True, False)
    assert [round(end, 3) for end in wilson(1, 10) or ()] == [0.018, 0.404]
    assert [round(end, 3) for end in wilson(100, 1000) or ()] == [0.083, 0.12]
    assert entropy([(1, 64)]) == 6.0
    countries = Windows(plan_of(aggregate="is_new", of="e.source", window="ever", cap=2))
    history = [make_event(at, account="a", source=name) for at, name in enumerate(["DE", "FR", "DE", "US", "US"])]
    assert [facts.get("f.x") for facts in observed(countries, *history)] == [True, True, False, None, None]
