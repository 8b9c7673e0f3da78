"""Plain makers of what the store takes, for its tests."""

from typing import Any

from goodsend.decisions.model import Action, Decision
from goodsend.events.model import Event
from goodsend.kit.ids import derived_id
from goodsend.rules.model import Hit, Mode, Verdict
from goodsend.store.connection import Connection
from goodsend.store.log import LogRow, append, last_arrival
from tests.conftest import NOW, make_event


def make_hit(**but: Any) -> Hit:
    """A live hit of `big_import` that asks for a hold, but with these fields."""
    given: dict[str, Any] = {
        "rule": "big_import", "version": "v1", "policy": "purchased_list", "severity": 3, "mode": Mode.LIVE,
        "verdict": Verdict.HOLD, "reason": "500 addresses were imported.", "values": {"e.recipients": 500},
    }  # fmt: skip
    return Hit(**(given | but))


def make_action(**but: Any) -> Action:
    """A `hold_campaign`, but with these fields."""
    given: dict[str, Any] = {
        "id": "act_1", "name": "hold_campaign", "target_type": "campaign", "target": "cmp_1", "params": {"hours": 4},
        "policy": "purchased_list", "because": ("big_import",),
    }  # fmt: skip
    return Action(**(given | but))


def make_decision(event: Event | None = None, **but: Any) -> Decision:
    """The decision on an event: allowed, without a hit, but with these fields."""
    event = event or make_event()
    account = event.data.get("account")
    given: dict[str, Any] = {
        "id": derived_id("dec", event.tenant, event.id), "tenant": event.tenant, "event_id": event.id,
        "kind": event.kind, "at": event.at, "account": account, "verdict": Verdict.ALLOW, "severity": 0,
        "points": 0.0, "hits": (), "actions": (), "unknown": {}, "versions": {"pack": "p1", "engine": "0"},
    }  # fmt: skip
    return Decision(**(given | but))


def log_events(connection: Connection, *events: Event, **decision: Any) -> list[LogRow]:
    """Log these events as the engine would, each with a decision that has these fields."""
    if not events:
        return []
    tenant = events[0].tenant
    first = last_arrival(connection, tenant) + 1
    rows = [
        LogRow(first + n, event, bytes(16), {"e.recipients": 500}, make_decision(event, **decision))
        for n, event in enumerate(events)
    ]
    append(connection, tenant, rows, NOW)
    return rows
