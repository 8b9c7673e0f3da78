"""
The log: events in the order of their arrival, each with its facts and its decision. The engine's write path.

`arrival` counts from 1 per tenant without gaps; whoever holds the tenant's lock gives the numbers. Content bodies are
in `contents.py`; reads for people are in `explore.py`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

from goodsend.decisions.model import Decision
from goodsend.events.model import Event
from goodsend.facts import Facts, Value
from goodsend.kit.clock import Micros
from goodsend.store.connection import JSONB, At, Connection
from goodsend.store.jsonable import clean, encode, key, optional_key
from goodsend.store.partitions import date_of, ensure_days

_TAIL_ROWS = 5_000
FEW = 4
"""Up to so many rows are inserted, more are copied: the two cost the same at about five rows (measured, 2 cores)."""

_DATA = msgspec.json.Decoder(dict[str, Value])
_DECISION = msgspec.json.Decoder(Decision)


class _Table:
    """A table of the log with its columns as `name type` pairs, and the two ways of writing to it."""

    def __init__(self, name: str, columns: str) -> None:
        pairs = [column.split() for column in columns.split(",")]
        self.types = [type_ for _, type_ in pairs]
        names = f"{name} ({', '.join(column for column, _ in pairs)})"
        self.copy = f"COPY {names} FROM STDIN (FORMAT BINARY)"
        self.insert = f"INSERT INTO {names} VALUES ({', '.join(f'%s::{type_}' for type_ in self.types)})"


_KEYS = _Table("event_key", "tenant text, event_id text, day date, arrival int8, body_hash bytea")
_EVENTS = _Table(
    "event",
    "tenant text, day date, arrival int8, event_id text, kind text, channel text, account text, at timestamptz, "
    "received_at timestamptz, data jsonb, content text",
)
_FACTS = _Table("fact", "tenant text, day date, arrival int8, event_id text, facts jsonb")
_DECISIONS = _Table(
    "decision",
    "tenant text, day date, arrival int8, decision_id text, event_id text, kind text, account text, at timestamptz, "
    "decided_at timestamptz, verdict text, severity int2, points float8, rules text[], shadow text[], body jsonb",
)


class LogRow(msgspec.Struct, frozen=True):
    """One accepted event with all that is logged of it. `body_hash` has 16 bytes (see `events.canonical`)."""

    arrival: int
    event: Event
    body_hash: bytes
    facts: Facts
    decision: Decision


def lock_tenant(connection: Connection, tenant: str) -> None:
    """Become the tenant's writer until the transaction ends; waits for another writer."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('goodsend tenant ' || %s, 0))", (tenant,))


def last_arrival(connection: Connection, tenant: str) -> int:
    """Return the number of the last event, 0 when there is none."""
    row = connection.execute(
        "SELECT arrival FROM event_key WHERE tenant = %s ORDER BY arrival DESC LIMIT 1", (tenant,)
    ).fetchone()
    return int(row[0]) if row else 0


def known_ids(connection: Connection, tenant: str, ids: Collection[str]) -> dict[str, tuple[date, int, bytes]]:
    """Return day, arrival and body hash of those of these event ids that were accepted before."""
    rows = connection.execute(
        "SELECT event_id, day, arrival, body_hash FROM event_key WHERE tenant = %s AND event_id = ANY(%s)",
        (tenant, [clean(event_id) for event_id in ids]),
    )
    return {event_id: (day, arrival, body_hash) for event_id, day, arrival, body_hash in rows}


def decisions_for(connection: Connection, tenant: str, ids: Collection[str]) -> dict[str, Decision]:
    """Return the decisions on these events by event id; unknown ids are absent."""
    known = known_ids(connection, tenant, ids) if ids else {}
    if not known:
        return {}
    rows = _raw_json(connection).execute(
        "SELECT event_id, body FROM decision WHERE tenant = %s AND day = ANY(%s) AND arrival = ANY(%s)",
        (tenant, list({day for day, _, _ in known.values()}), [arrival for _, arrival, _ in known.values()]),
    )
    return {event_id: _DECISION.decode(body) for event_id, body in rows}


def tail(
    connection: Connection, tenant: str, after: int = 0, since: Micros | None = None
) -> Iterator[tuple[int, Event]]:
    """
    Stream the events after an arrival, in order of arrival, without holding them in memory.

    `since` leaves out events that happened before that day (UTC). The transaction stays open while this is read.
    """
    with connection.cursor("goodsend_tail", binary=True) as cursor:
        cursor.adapters.register_loader(JSONB, RawJson)
        cursor.itersize = _TAIL_ROWS
        cursor.execute(
            "SELECT arrival, event_id, kind, at, channel, data, content FROM event "
            "WHERE tenant = %s AND arrival > %s AND day >= %s ORDER BY arrival",
            (tenant, after, date.min if since is None else date_of(since)),
        )
        for arrival, event_id, kind, at, channel, data, content in cursor:
            yield arrival, Event(tenant, event_id, kind, at, channel, _DATA.decode(data), content)


class RawJson(Loader):
    """Hands binary JSON through undecoded, for those who know its type."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        """Cut off the version byte."""
        return bytes(data)[1:]


def _raw_json(connection: Connection) -> Any:
    cursor = connection.cursor(binary=True)
    cursor.adapters.register_loader(JSONB, RawJson)
    return cursor


def append(connection: Connection, tenant: str, rows: Sequence[LogRow], now: Micros) -> None:
    """
    Write events, facts and decisions. The caller holds the tenant's lock and has left out known ids.

    Days that are new get their partitions.
    """
    if not rows:
        return
    days = [date_of(row.event.at) for row in rows]
    ensure_days(connection, set(days))
    keyed = list(zip(rows, days, strict=True))
    written: dict[_Table, list[tuple[Any, ...]]] = {
        _KEYS: [(tenant, clean(r.event.id), day, r.arrival, r.body_hash) for r, day in keyed],
        _EVENTS: [_event_fields(tenant, r, day, now) for r, day in keyed],
        _FACTS: [(tenant, day, r.arrival, clean(r.event.id), encode(r.facts)) for r, day in keyed],
        _DECISIONS: [_decision_fields(tenant, r, day, now) for r, day in keyed],
    }
    write = _insert if len(rows) <= FEW else _copy
    write(connection, written)


def _event_fields(tenant: str, row: LogRow, day: date, now: Micros) -> tuple[Any, ...]:
    event = row.event
    channel = None if event.channel is None else clean(event.channel)
    return (
        tenant, day, row.arrival, clean(event.id), key(event.kind), channel, optional_key(row.decision.account),
        At(event.at), At(now), encode(event.data), event.content,
    )  # fmt: skip


def _decision_fields(tenant: str, row: LogRow, day: date, now: Micros) -> tuple[Any, ...]:
    decision = row.decision
    acted = [hit.rule for hit in decision.hits if hit.acts]
    shadow = [hit.rule for hit in decision.hits if not hit.acts]
    return (
        tenant, day, row.arrival, decision.id, clean(row.event.id), key(decision.kind), optional_key(decision.account),
        At(decision.at), At(now), decision.verdict.value, decision.severity, decision.points, acted, shadow,
        encode(decision),
    )  # fmt: skip


def _copy(connection: Connection, written: Mapping[_Table, list[tuple[Any, ...]]]) -> None:
    with connection.cursor() as cursor:
        for table, rows in written.items():
            with cursor.copy(table.copy) as copy:
                copy.set_types(table.types)
                for row in rows:
                    copy.write_row(row)


def _insert(connection: Connection, written: Mapping[_Table, list[tuple[Any, ...]]]) -> None:
    """Send prepared inserts without waiting for each answer: for few rows a COPY a table costs more than it saves."""
    with connection.pipeline(), connection.cursor() as cursor:
        for table, rows in written.items():
            for row in rows:
                cursor.execute(table.insert, row, prepare=True)
