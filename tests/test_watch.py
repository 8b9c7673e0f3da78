"""What the worker sees once an hour: rules that do what they never did."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from goodsend import worker
from goodsend.kit.clock import HOUR, MINUTE
from goodsend.store import alarms, tenants
from goodsend.store.connection import Pool, open_pool
from goodsend.store.log import LogRow, append, last_arrival
from goodsend.wiring import load_pack
from tests.conftest import NOW, make_event
from tests.store.made import make_decision, make_hit

PACK = load_pack(())
LAST = NOW // HOUR * HOUR - HOUR


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """A pool on an empty database with one tenant."""
    with open_pool(database_url) as opened:
        with opened.connection() as connection:
            connection.execute("TRUNCATE tenant, decision, event, fact, event_key, rule_hour, alarm CASCADE")
            tenants.ensure(connection, "demo", "Demo", NOW)
        yield opened


def installed(pool: Pool, now: int) -> Any:
    """As much of an installation as the worker looks at, at this time."""
    return SimpleNamespace(pool=pool, pack=lambda tenant: PACK, now=lambda: now)


RULE = next(id_ for id_, rule in sorted(PACK.ruleset.rules.items()) if "list.imported" in rule.on)


def happened(pool: Pool, hour: int, accounts: int, hits: int) -> None:
    """In this hour so many accounts imported lists, and RULE fired on so many of them."""
    with pool.connection() as connection:
        first = last_arrival(connection, "demo") + 1
        rows = []
        for number in range(accounts):
            data = {"account": f"acc_{number}", "recipients": 5}
            event = make_event(id=f"e_{hour}_{number}", at=hour + number, data=data)
            fired = (make_hit(rule=RULE),) if number < hits else ()
            rows.append(LogRow(first + number, event, bytes(16), {}, make_decision(event, hits=fired)))
        append(connection, "demo", rows, NOW)


def test_a_rule_that_ran_wild_is_told_once(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty quiet hours are counted first, some at a time; the hour in which it leaps is an alarm, and one only."""
    monkeypatch.setattr(worker, "CATCH_UP", 20)
    for hours in range(30, 0, -1):
        happened(pool, LAST - hours * HOUR, 30, 1)
    happened(pool, LAST, 30, 30)

    early = worker.watch(installed(pool, LAST + HOUR + MINUTE))
    first = worker.watch(installed(pool, LAST + HOUR + 2 * MINUTE))
    second = worker.watch(installed(pool, LAST + HOUR + 3 * MINUTE))
    third = worker.watch(installed(pool, LAST + HOUR + 4 * MINUTE))

    assert (early, first, third) == ([], [], [])
    assert [(alarm.kind, alarm.subject, alarm.at) for alarm in second] == [("rule_rose", RULE, LAST)]
    with pool.connection() as connection:
        (raised,) = alarms.latest(connection, "demo", unseen=True)
        assert alarms.last_tallied(connection, "demo") == LAST
    assert "fired on 30 of 30 accounts (100 %); in the 30 hours before on 3.33 %" in raised.reason


def test_without_events_nothing_is_counted(pool: Pool) -> None:
    """An installation that has seen nothing has no history and raises nothing."""
    assert worker.watch(installed(pool, NOW + 30 * MINUTE)) == []
    with pool.connection() as connection:
        assert alarms.last_tallied(connection, "demo") is None
