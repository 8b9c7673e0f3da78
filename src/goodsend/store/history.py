"""
History, whole, for the archive: events with their facts and decisions in order of arrival, labels, list entries, the
tenant's own definitions as they were.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from goodsend.facts import Facts, Value
from goodsend.kit.clock import Micros
from goodsend.store import definitions
from goodsend.store.connection import JSONB, Connection
from goodsend.store.lists import ListEntry
from goodsend.store.log import RawJson

_ROWS = 2_000
_ROOMS = {"rule": "rules", "feature": "features", "list": "lists", "policy": "policies"}
_VALUES = msgspec.json.Decoder(dict[str, Value])


class DecisionBody(msgspec.Struct, frozen=True):
    """What the archive takes from the whole of a decision; `hits` and `actions` stay encoded JSON."""

    hits: msgspec.Raw
    actions: msgspec.Raw
    unknown: dict[str, tuple[str, ...]]
    versions: dict[str, str]
    late: bool = False


_BODY = msgspec.json.Decoder(DecisionBody)


class DecisionRow(msgspec.Struct, frozen=True):
    """A decision as the log has it. `rules` are the hits that acted, `shadow` those that did not."""

    decision_id: str
    account: str | None
    decided_at: Micros
    verdict: str
    severity: int
    points: float
    rules: list[str]
    shadow: list[str]
    body: DecisionBody


class HistoryRow(msgspec.Struct, frozen=True):
    """One accepted event with all that was logged of it. `facts` and `decision` are None where they were deleted."""

    arrival: int
    event_id: str
    kind: str
    at: Micros
    channel: str | None
    data: dict[str, Value]
    content: str | None
    facts: Facts | None
    decision: DecisionRow | None


class LabelRow(msgspec.Struct, frozen=True):
    """What was found out about a subject, by whom, and in which case (None: outside of cases)."""

    label_id: int
    subject_type: str
    subject: str
    label: str
    certainty: str
    by: str
    case_id: str | None
    at: Micros


def history(connection: Connection, tenant: str, after: int, until: int) -> Iterator[HistoryRow]:
    """
    Stream the events with after < arrival ≤ until, in order of arrival, without holding them in memory.

    The transaction stays open while this is read.
    """
    with connection.cursor("goodsend_history", binary=True) as cursor:
        cursor.adapters.register_loader(JSONB, RawJson)
        cursor.itersize = _ROWS
        cursor.execute(
            "SELECT e.arrival, e.event_id, e.kind, e.at, e.channel, e.data, e.content, f.facts, "
            "d.decision_id, d.account, d.decided_at, d.verdict, d.severity, d.points, d.rules, d.shadow, d.body "
            "FROM event e LEFT JOIN fact f USING (tenant, day, arrival) "
            "LEFT JOIN decision d USING (tenant, day, arrival) "
            "WHERE e.tenant = %s AND e.arrival > %s AND e.arrival <= %s ORDER BY e.arrival",
            (tenant, after, until),
        )
        for row in cursor:
            yield _row(row)


def _row(row: tuple[Any, ...]) -> HistoryRow:
    arrival, event_id, kind, at, channel, data, content, facts, *_ = row
    decision_id, account, decided_at, verdict, severity, points, rules, shadow, body = row[8:]
    decision = None
    if decision_id is not None:
        decision = DecisionRow(
            decision_id, account, decided_at, verdict, severity, points, rules, shadow, _BODY.decode(body)
        )
    values = None if facts is None else _VALUES.decode(facts)
    return HistoryRow(arrival, event_id, kind, at, channel, _VALUES.decode(data), content, values, decision)


def all_layers(connection: Connection, tenant: str) -> list[dict[str, bytes]]:
    """Return what the tenant's own definitions were over time, as `definitions.layer` gives them, first state first."""
    bodies = {
        (room, id_, version): body.encode()
        for room, id_, version, body in connection.execute(
            "SELECT room, id, version, body FROM definition WHERE tenant = %s AND approved_at IS NOT NULL", (tenant,)
        )
    }
    moves = connection.execute(
        "SELECT act, target, (detail->>'version')::int FROM audit WHERE tenant = %s AND act = ANY(%s) ORDER BY seq",
        (tenant, [f"{noun}.{verb}" for noun in _ROOMS for verb in ("approved", "rolled_back", "retired")]),
    )
    state: dict[str, bytes] = {}
    states = []
    for act, id_, version in moves:
        noun, _, verb = act.partition(".")
        path = definitions.path_of(_ROOMS[noun], id_)
        body = bodies.get((_ROOMS[noun], id_, version))
        if verb == "retired" or body is None:
            state.pop(path, None)
        else:
            state[path] = body
        states.append(dict(sorted(state.items())))
    return states


def all_labels(connection: Connection, tenant: str) -> list[LabelRow]:
    """Return every label of a tenant, first given first."""
    rows = connection.execute(
        "SELECT label_id, subject_type, subject, label, certainty, by, case_id, at FROM label "
        "WHERE tenant = %s ORDER BY label_id",
        (tenant,),
    )
    return [LabelRow(*row) for row in rows]


def all_entries(connection: Connection, tenant: str) -> list[ListEntry]:
    """Return every entry of a tenant's own lists, those that expired or were removed too."""
    rows = connection.execute(
        "SELECT list, value, added_by, why, added_at, expires_at, removed_at FROM list_entry "
        "WHERE tenant = %s ORDER BY list, value",
        (tenant,),
    )
    return [ListEntry(*row) for row in rows]
