"""What decisions leave behind for later ones, through the engine and a real database: labels, and counts of actions."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from goodsend.decisions.model import Decision
from goodsend.handle import Engine
from goodsend.kit.clock import DAY, HOUR, MINUTE, format_time
from goodsend.pack import Pack, build_pack
from goodsend.settings import Settings
from goodsend.store import alarms, entity_labels
from goodsend.store.connection import open_pool
from goodsend.wiring import SHIPPED, read_layer
from tests.conftest import NOW

RULES = """
[rule.mark_address]
doc = "A huge import marks the address it came from."
owner = "trust"
policy = "purchased_list"
severity = 3
on = ["list.imported"]
when = "e.recipients > 90000"
verdict = "review"
labels = [{ entity = "ip", label = "suspicious", for = "7 d" }]
reason = "{e.recipients} addresses."
[[rule.mark_address.case]]
given = { "e.recipients" = 90001 }
fires = true

[rule.login_from_marked]
doc = "A login from a marked address."
owner = "trust"
policy = "account_takeover"
severity = 2
on = ["account.logged_in"]
when = "HAS_TEXT(l.ip_labels, 'suspicious')"
verdict = "review"
actions = ["warn_account"]
reason = "The address is marked: {l.ip_labels}."
[[rule.login_from_marked.case]]
given = { "l.ip_labels" = ["suspicious"] }
fires = true
[[rule.login_from_marked.case]]
given = { "l.ip_labels" = [] }
fires = false
"""
ACTIONS = """
[action.warn_account]
doc = "Tell the holder."
target = "account"
impact = 1
per_hour = 2
per_hour_source = "test"
"""


def make_pack() -> Pack:
    """The shipped pack with two rules over it, and two warnings an hour at most."""
    files = read_layer(SHIPPED) | {"local/rules/marks.toml": RULES.encode(), "local/actions.toml": ACTIONS.encode()}
    pack, problems = build_pack(files)
    assert problems == []
    assert pack is not None
    return pack


PACK = make_pack()
T = NOW - 10 * HOUR


@contextmanager
def running(url: str) -> Iterator[Engine]:
    """An engine of its own with that pack."""
    with open_pool(url, size=3) as pool:
        engine = Engine(pool, lambda tenant: PACK, lambda: NOW, dataclasses.replace(Settings()))
        engine.start()
        try:
            yield engine
        finally:
            engine.close()


def huge_import(number: int, at: int = T, ip: str = "203.0.113.9") -> dict[str, Any]:
    """An import that marks its address."""
    data = {"account": f"acc_i{number}", "recipients": 99_999, "ip": ip}
    return {"id": f"imp_{number}", "kind": "list.imported", "at": format_time(at), "data": data}


def login(number: int, at: int = T, ip: str = "203.0.113.9") -> dict[str, Any]:
    """A login of an account of its own."""
    data = {"account": f"acc_{number}", "user": "u", "ip": ip}
    return {"id": f"log_{number}", "kind": "account.logged_in", "at": format_time(at), "data": data}


def decided(engine: Engine, tenant: str, *batches: list[dict[str, Any]]) -> list[Decision]:
    """The decisions on these batches, which are handed in without waiting."""
    futures = [engine.submit(tenant, items) for items in batches]
    decisions = [answer.decision for future in futures for answer in future.result()]
    assert None not in decisions
    return [decision for decision in decisions if decision is not None]


def rules(decision: Decision) -> list[str]:
    """Which of our two rules fired."""
    return [hit.rule for hit in decision.hits if hit.rule in ("mark_address", "login_from_marked")]


def label_facts(url: str, tenant: str) -> list[list[str] | None]:
    """The labels of the address in the stored facts, in order of arrival."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT facts -> 'l.ip_labels' FROM fact WHERE tenant = %s ORDER BY arrival", (tenant,)
        )
        return [row[0] for row in rows]


def test_a_label_is_seen_by_the_next_event_of_the_batch_and_by_later_batches(database_url: str) -> None:
    """Not by the event that set it, nor by events of before; until it expires; by a process that starts later, too."""
    late = [login(6, T + 2 * MINUTE), huge_import(2, T - 30 * DAY), login(7, T - 8 * DAY)]
    first = [login(1), huge_import(1), login(2), login(3, T - 1), login(4, ip="203.0.113.1")]
    with running(database_url) as engine:
        found = decided(engine, "labels", first, [login(5, T + MINUTE)])
    with running(database_url) as engine:
        found += decided(engine, "labels", late)

    assert [rules(decision) for decision in found] == [
        [], ["mark_address"], ["login_from_marked"], [], [], ["login_from_marked"],
        ["login_from_marked"], ["mark_address"], [],
    ]  # fmt: skip
    marked = ["suspicious"]
    assert label_facts(database_url, "labels") == [[], [], marked, [], [], marked, marked, [], []]


def test_labels_of_a_batch_are_kept_with_rule_and_decision(database_url: str) -> None:
    """Two events of a batch that set one label leave one row."""
    with running(database_url) as engine:
        found = decided(engine, "kept", [huge_import(1), huge_import(2, T + HOUR)], [huge_import(3, T - HOUR)])
        with engine._pool.connection() as connection:
            labels = entity_labels.of(connection, "kept", [("ip", "203.0.113.9")], 0)

    (label,) = labels["ip", "203.0.113.9"]
    assert (label.since, label.until) == (T - HOUR, T + HOUR + 7 * DAY)
    assert (label.because, label.decision) == (("mark_address",), found[2].id)


def test_a_tenants_labels_are_its_own(database_url: str) -> None:
    """Another platform's events see nothing of them."""
    with running(database_url) as engine:
        decided(engine, "one", [huge_import(1)])

        assert rules(decided(engine, "other", [login(1)])[0]) == []


@pytest.mark.parametrize("size", [1, 3, 60])
def test_the_breaker_holds_however_events_are_batched(database_url: str, size: int) -> None:
    """The same events are held back whether they come one by one, overlapping, in one batch, or after a restart."""
    tenant = f"breaker_{size}"
    items = [huge_import(0)] + [login(n, T + n * 6 * MINUTE) for n in range(1, 41)]
    batches = [items[first : first + size] for first in range(0, len(items), size)]
    middle = len(batches) // 2
    with running(database_url) as engine:
        found = decided(engine, tenant, *batches[:middle])
    with running(database_url) as engine:
        found += decided(engine, tenant, *batches[middle:])
        with engine._pool.connection() as connection:
            raised = alarms.latest(connection, tenant)

    assert [n for n in range(1, 41) if found[n].actions] == [1, 2, 10, 11, 20, 21, 30, 31, 40]
    assert all(len(decision.actions) + len(decision.held_back) == 1 for decision in found[1:])
    assert {alarm.at for alarm in raised} == {T + hour * HOUR for hour in range(4)}
    assert {alarm.subject for alarm in raised} == {"warn_account"}


def test_the_shipped_pack_looks_only_for_labels_that_rules_use() -> None:
    """Entities are looked up where a rule sets or reads labels of their type, and nowhere else."""
    pack, _ = build_pack(read_layer(SHIPPED))
    assert pack is not None

    used = {label.entity for rule in pack.ruleset.rules.values() for label in rule.labels}
    used |= {
        entity
        for expression in pack.ruleset.expressions.values()
        for entity in pack.kinds.entities
        if f"l.{entity}_labels" in expression.facts
    }

    assert set(pack.labelled) == used
    assert set(PACK.labelled) == used | {"ip"}
