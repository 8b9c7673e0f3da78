"""Another plan keeps what means the same; the rest is rebuilt from the log; nothing is reset in silence."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodsend.events.kinds import parse_kinds
from goodsend.events.model import Event
from goodsend.features.compute import Plan, Windows, build_plan
from goodsend.features.definitions import parse_features
from goodsend.kit.clock import MINUTE, SECOND, Micros
from tests.features.test_windows import FUNCTIONS, KINDS, _prune_often, contents, entities, events, make_event

__all__ = ["_prune_often"]

HORIZON: Micros = 2 * MINUTE

_CHOICES = st.fixed_dictionaries(
    {
        "aggregate": st.sampled_from(
            ["count", "sum", "avg", "stddev", "distinct", "entropy", "is_new", "share", "last", "first", "max",
             "time_since_last", "time_since_first"]
        ),
        "of": st.sampled_from(["e.recipients", "e.source"]),
        "key": st.sampled_from([["account"], ["account", "ip"]]),
        "window": st.sampled_from(["1m", "3m", "ever"]),
        "counts_itself": st.booleans(),
        "where": st.sampled_from([None, "e.source <> 'api'", "IN_LIST('bad', e.source)"]),
    }
)  # fmt: skip
tables = st.lists(_CHOICES, min_size=1, max_size=6)


def make_plan(rows: Sequence[dict[str, Any]]) -> Plan:
    found: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows):
        table = {"doc": "d", "owner": "o", "on": ["list.imported"]} | {k: v for k, v in row.items() if v is not None}
        aggregate = table["aggregate"]
        if aggregate in ("count", "time_since_last", "time_since_first"):
            table.pop("of", None)
        elif aggregate in ("sum", "avg", "stddev", "max"):
            table["of"] = "e.recipients"
        if aggregate in ("distinct", "entropy", "is_new", "share") and table["window"] == "ever":
            table["cap"] = 2
        if aggregate == "is_new":
            table.pop("counts_itself", None)
        found[f"f{number}"] = table
    features, problems = parse_features({"f": {"feature": found}}, KINDS, FUNCTIONS, ["bad"])
    assert problems == []
    return build_plan(features, KINDS)


def observed(windows: Windows, history: Sequence[Event]) -> list[dict[str, Any]]:
    return [dict(windows.observe(event, entities(event))) for event in history]


def rebuilt(old: Windows, plan: Plan, past: Sequence[Event], lists: dict[str, set[str]]) -> Windows:
    fresh, missing = old.migrate(plan, lists)
    assert missing == fresh.missing
    for event in past:
        fresh.rebuild(event, entities(event))
    fresh.take_over(old)
    assert fresh.missing == frozenset()
    return fresh


@settings(max_examples=150, deadline=None)
@given(
    tables, tables, st.lists(events, max_size=15), st.lists(events, max_size=8), st.sampled_from(["x", "form"]),
    st.booleans(),
)  # fmt: skip
def test_migrated_and_rebuilt_is_a_fresh_replay(
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    past: list[Event],
    future: list[Event],
    listed: str,
    restart: bool,
) -> None:
    """Whatever changes between two plans, also a list: every later fact is that of a replay from the first event."""
    lists = {"bad": {listed}}
    old = Windows(make_plan(before), HORIZON, {"bad": {"x"}})
    observed(old, past)
    shared = [*before[::2], *after]
    fresh = rebuilt(old, make_plan(shared), past, lists)
    if restart:
        found = Windows.restore(fresh.snapshot(), make_plan(shared), HORIZON, lists)
        assert found is not None
        fresh = found
    replayed = Windows(make_plan(shared), HORIZON, lists)
    observed(replayed, past)

    assert (fresh.newest, fresh.late, fresh.late_past_horizon) == (
        replayed.newest,
        replayed.late,
        replayed.late_past_horizon,
    )
    assert observed(fresh, future) == observed(replayed, future)


@settings(max_examples=40, deadline=None)
@given(tables, tables, st.lists(events, max_size=12), st.lists(events, max_size=6))
def test_a_snapshot_of_another_plan_serves_for_what_means_the_same(
    before: list[dict[str, Any]], after: list[dict[str, Any]], past: list[Event], future: list[Event]
) -> None:
    """After a restart with new definitions only the groups that are missing are rebuilt."""
    old = Windows(make_plan(before), HORIZON)
    observed(old, past)
    plan = make_plan([*before[1:], *after])
    fresh = Windows.restore(old.snapshot(), plan, HORIZON, partial=True)
    assert fresh is not None
    for event in past:
        fresh.rebuild(event, entities(event))
    fresh.take_over()
    replayed = Windows(plan, HORIZON)
    observed(replayed, past)

    assert observed(fresh, future) == observed(replayed, future)


COUNT = {"aggregate": "count", "key": ["account"], "window": "3m"}
SUM = {"aggregate": "sum", "of": "e.recipients", "key": ["account"], "window": "3m"}


@pytest.mark.parametrize(
    ("before", "after", "missing"),
    [
        ([COUNT, SUM], [COUNT, SUM], set()),
        ([COUNT, SUM], [SUM, COUNT], set()),
        ([COUNT, SUM], [COUNT], set()),
        ([COUNT], [COUNT, SUM], {1}),
        ([COUNT], [COUNT | {"window": "1m"}], set()),
        ([COUNT | {"window": "1m"}], [COUNT], {0}),
        ([COUNT], [COUNT | {"window": "ever"}], {0}),
        ([COUNT], [COUNT | {"counts_itself": False}], set()),
        ([COUNT], [COUNT, COUNT | {"aggregate": "time_since_last"}], set()),
        ([COUNT], [COUNT | {"where": "e.source = 'x'"}], {0}),
        ([COUNT], [COUNT | {"key": ["account", "ip"]}], {0}),
        ([SUM], [SUM, SUM | {"aggregate": "avg"}], set()),
        ([SUM], [SUM, SUM | {"aggregate": "max"}], {0}),
        ([SUM], [SUM, SUM | {"aggregate": "stddev"}], {1}),
        ([SUM | {"aggregate": "distinct", "window": "ever"}], [SUM | {"aggregate": "entropy", "window": "ever"}], {0}),
    ],
)
def test_what_is_missing(before: list[dict[str, Any]], after: list[dict[str, Any]], missing: set[int]) -> None:
    """Kept is what was remembered long enough and in enough detail; a longer window or another filter is not."""
    assert Windows(make_plan(before)).migrate(make_plan(after))[1] == missing


def test_a_list_that_changed_makes_its_groups_missing() -> None:
    """What `where` let in by the old values is not what it lets in now."""
    plan = make_plan([COUNT, COUNT | {"where": "IN_LIST('bad', e.source)"}])
    windows = Windows(plan, lists={"bad": {"x"}})

    assert windows.migrate(plan, {"bad": {"x"}})[1] == set()
    assert windows.migrate(plan, {"bad": {"x", "y"}})[1] == {1}


def test_the_old_windows_go_on_while_groups_are_rebuilt() -> None:
    """Decisions are made by the old plan until the swap; then the new one knows all of it, shared and rebuilt."""
    history = [make_event(second * SECOND, account="a", recipients=second) for second in range(20)]
    old = Windows(make_plan([COUNT]))
    observed(old, history[:10])
    fresh, missing = old.migrate(make_plan([COUNT, SUM]))
    for event in history[:10]:
        fresh.rebuild(event, entities(event), missing)
    told = observed(old, history[10:])
    for event in history[10:]:
        fresh.rebuild(event, entities(event), missing)
    with pytest.raises(ValueError, match="rebuilt"):
        list(fresh.snapshot())
    fresh.take_over(old)
    replayed = Windows(make_plan([COUNT, SUM]))
    observed(replayed, history)

    assert [facts["f.f0"] for facts in told] == list(range(11, 21))
    assert contents(fresh) == contents(replayed)
    assert fresh.observe(history[-1], entities(history[-1])) == {"f.f0": 21, "f.f1": sum(range(20)) + 19}


def test_a_field_that_changes_its_key_makes_groups_missing() -> None:
    """The same words over other fields are another memory."""
    windows = Windows(make_plan([COUNT]))
    changed = {
        "acct": {"type": "text", "doc": "", "entity": "account"},
        "source": {"type": "text", "doc": ""},
    }
    kind = {"list.imported": {"doc": "", "fields": changed}}
    kinds, _ = parse_kinds({"k": {"entities": {"account": ""}, "kind": kind}})
    table = {"doc": "d", "owner": "o", "on": ["list.imported"]} | COUNT
    features, _ = parse_features({"f": {"feature": {"f0": table}}}, kinds, FUNCTIONS)

    assert windows.migrate(build_plan(features, kinds))[1] == {0}
