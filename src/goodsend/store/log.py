"""
The log: events in the order of their arrival, each with its facts and its decision. The engine's write path.

`arrival` counts from 1 per tenant without gaps; whoever holds the tenant's lock gives the numbers. Content bodies are
in `contents.py`; reads for people are in `explore.py`.
"""

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

from goodsend.decisions.model import Decision
from goodsend.events.model import Event
from goodsend.facts import Facts, Value
from goodsend.kit.clock import DAY, Micros
from goodsend.store.connection import JSONB, TEXT, Asked, AsText, At, Connection, TextArray
from goodsend.store.jsonable import clean, encode, json_bytes, key
from goodsend.store.partitions import date_of, ensure_days, forget_days

_TAIL_ROWS = 5_000
FEW = 200
"""Up to so many rows go as one JSON parameter of one statement, more are copied (measured: benchmarks/durable.py)."""

_DATA = msgspec.json.Decoder(dict[str, Value])
_DECISION = msgspec.json.Decoder(Decision)


_DECIDED = "decided_at, verdict, severity, points, rules, shadow, body"
_COPIES = tuple(
    f"COPY {table} FROM STDIN (FORMAT BINARY)"
    for table in (
        "event_key (tenant, event_id, day, arrival, body_hash)",
        "event (tenant, day, arrival, event_id, kind, channel, account, at, received_at, content, data)",
        "fact (tenant, day, arrival, event_id, facts)",
        f"decision (tenant, day, arrival, decision_id, event_id, kind, account, at, {_DECIDED})",
    )
)


_WRITE_FEW = """
WITH r AS MATERIALIZED (
    SELECT r.*, timestamptz 'epoch' + at * interval '1 microsecond' AS happened
    FROM json_to_recordset(%(rows)s::json) AS r (
        arrival int8, day date, event_id text, body_hash text, kind text, channel text, account text, at int8,
        data jsonb, content text, facts jsonb, decision_id text, verdict text, severity int2, points float8,
        rules text[], shadow text[], body jsonb
    )
), k AS (
    INSERT INTO event_key (tenant, event_id, day, arrival, body_hash)
    SELECT %(tenant)s, event_id, day, arrival, decode(body_hash, 'hex') FROM r
), e AS (
    INSERT INTO event (tenant, day, arrival, event_id, kind, channel, account, at, received_at, data, content)
    SELECT %(tenant)s, day, arrival, event_id, kind, channel, account, happened, %(now)s, data, content FROM r
), f AS (
    INSERT INTO fact (tenant, day, arrival, event_id, facts) SELECT %(tenant)s, day, arrival, event_id, facts FROM r
)
INSERT INTO decision (tenant, day, arrival, decision_id, event_id, kind, account, at, decided_at, verdict, severity,
    points, rules, shadow, body)
SELECT %(tenant)s, day, arrival, decision_id, event_id, kind, account, happened, %(now)s, verdict, severity, points,
    rules, shadow, body FROM r
"""


class _Row(msgspec.Struct):
    """What `_WRITE_FEW` reads of one event."""

    arrival: int
    day: date
    event_id: str
    body_hash: str
    kind: str
    channel: str | None
    account: str | None
    at: Micros
    data: Mapping[str, Value]
    content: str | None
    facts: Facts
    decision_id: str
    verdict: str
    severity: int
    points: float
    rules: list[str]
    shadow: list[str]
    body: Decision


class LogRow(msgspec.Struct, frozen=True):
    """One accepted event with all that is logged of it. `body_hash` has 16 bytes (see `events.canonical`)."""

    arrival: int
    event: Event
    body_hash: bytes
    facts: Facts
    decision: Decision


_LOCK = "hashtextextended('goodsend tenant ' || %s, 0)"


def lock_tenant(connection: Connection, tenant: str) -> None:
    """Become the tenant's writer until the transaction ends; waits for another writer."""
    connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})", (tenant,))


def hold_tenant(connection: Connection, tenant: str) -> None:
    """Become the tenant's writer until `release_tenant` or the end of the connection; waits for another writer."""
    connection.execute(f"SELECT pg_advisory_lock({_LOCK})", (tenant,), prepare=True)


def release_tenant(connection: Connection, tenant: str) -> None:
    """Let others write."""
    connection.execute(f"SELECT pg_advisory_unlock({_LOCK})", (tenant,), prepare=True)


def ask_last_arrival(connection: Connection, tenant: str) -> Asked[int]:
    """Ask for the number of the last event, 0 when there is none."""
    cursor = connection.execute(
        "SELECT arrival FROM event_key WHERE tenant = %s ORDER BY arrival DESC LIMIT 1", (tenant,), prepare=True
    )

    def answer() -> int:
        row = cursor.fetchone()
        return int(row[0]) if row else 0

    return answer


def last_arrival(connection: Connection, tenant: str) -> int:
    """Return the number of the last event, 0 when there is none."""
    return ask_last_arrival(connection, tenant)()


def ask_known_ids(
    connection: Connection, tenant: str, ids: Collection[str]
) -> Asked[dict[str, tuple[date, int, bytes]]]:
    """Ask for day, arrival and body hash of those of these event ids that were accepted before."""
    cursor = connection.execute(
        "SELECT event_id, day, arrival, body_hash FROM event_key WHERE tenant = %s AND event_id = ANY(%s)",
        (tenant, TextArray([clean(event_id) for event_id in ids])), prepare=True,
    )  # fmt: skip
    return lambda: {event_id: (day, arrival, body_hash) for event_id, day, arrival, body_hash in cursor}


def known_ids(connection: Connection, tenant: str, ids: Collection[str]) -> dict[str, tuple[date, int, bytes]]:
    """Return day, arrival and body hash of those of these event ids that were accepted before."""
    return ask_known_ids(connection, tenant, ids)()


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


class Copies(msgspec.Struct, frozen=True):
    """Rows of the log as they go over the wire, one body a table: made ahead, while the database is busy."""

    days: frozenset[date]
    bodies: tuple[bytes, ...]


def append(
    connection: Connection, tenant: str, rows: Sequence[LogRow], now: Micros, copies: Copies | None = None
) -> None:
    """
    Write events, facts and decisions. The caller holds the tenant's lock and has left out known ids.

    Days that are new get their partitions. `copies` are these rows from `copies_of`, where they were made ahead.
    """
    if not rows:
        return
    if copies is None and len(rows) > FEW:
        copies = copies_of(tenant, rows, now)
    if copies is None:
        days = [date_of(row.event.at) for row in rows]
        ensure_days(connection, set(days))
    else:
        ensure_days(connection, copies.days)
    try:
        if copies is None:
            _write_few(connection, tenant, rows, days, now)
        else:
            _copy(connection, copies)
    except psycopg.errors.CheckViolation:  # a day that was there before has been taken away
        forget_days(connection)
        raise


def _write_few(connection: Connection, tenant: str, rows: Sequence[LogRow], days: Sequence[date], now: Micros) -> None:
    """Write all four tables with one statement and one parameter: what costs with few rows is asking."""
    document = encode([_row(row, day) for row, day in zip(rows, days, strict=True)])
    connection.execute(_WRITE_FEW, {"rows": AsText(document), "tenant": tenant, "now": At(now)}, prepare=True)


def _row(row: LogRow, day: date) -> _Row:
    event, decision = row.event, row.decision
    account = decision.account
    return _Row(
        row.arrival, day, event.id, row.body_hash.hex(), key(event.kind), event.channel,
        None if account is None else key(account), event.at, event.data, event.content, row.facts, decision.id,
        decision.verdict.value, decision.severity, decision.points, [hit.rule for hit in decision.hits if hit.acts],
        [hit.rule for hit in decision.hits if not hit.acts], decision,
    )  # fmt: skip


# -- the binary form of COPY (PostgreSQL's documentation, "Binary Format" of COPY) ------------------------------------
#
# Each field is its length and its bytes. What many rows have in common is made once; the driver would make every value
# of every row by itself, which takes three times as long.

_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_EPOCH_DAY = date(2000, 1, 1).toordinal()
_EPOCH: Micros = (_EPOCH_DAY - date(1970, 1, 1).toordinal()) * DAY
_length = struct.Struct("!i").pack
_place = struct.Struct("!iiiq").pack  # a date and an int8
_times = struct.Struct("!iqiq").pack  # two timestamps
_sums = struct.Struct("!ihid").pack  # an int2 and a float8
_array = struct.Struct("!iiiii").pack
_NO_TEXTS = _length(12) + struct.pack("!iii", 0, 0, TEXT)
_JSONB = b"\x01"


def _text(text: str) -> bytes:
    raw = text.encode()
    return _length(len(raw)) + raw


def _texts(texts: Sequence[str]) -> bytes:
    if not texts:
        return _NO_TEXTS
    body = _array(1, 0, TEXT, len(texts), 1) + b"".join(map(_text, texts))
    return _length(len(body)) + body


def copies_of(tenant: str, rows: Sequence[LogRow], now: Micros) -> Copies:
    """Return rows as `append` copies them."""
    of_tenant, received = _text(tenant), now - _EPOCH
    heads = [struct.pack("!h", fields) + of_tenant for fields in (5, 11, 5, 15)]
    to_key, to_event, to_fact, to_decision = heads
    known: dict[str | None, bytes] = {None: _NULL}  # kinds and accounts: few, in many rows
    channels: dict[str | None, bytes] = {None: _NULL}
    days: dict[int, date] = {}
    keys, events, facts, decisions = [_BEGIN], [_BEGIN], [_BEGIN], [_BEGIN]
    for row in rows:
        event, decision = row.event, row.decision
        at = event.at
        number = at // DAY
        day = days.get(number)
        if day is None:
            day = days[number] = date_of(at)
        place = _place(4, day.toordinal() - _EPOCH_DAY, 8, row.arrival)
        times = _times(8, at - _EPOCH, 8, received)
        event_id = _text(clean(event.id))
        if (kind := known.get(event.kind)) is None:
            kind = known[event.kind] = _text(key(event.kind))
        if (account := known.get(decision.account)) is None:
            account = known[decision.account] = _text(key(str(decision.account)))
        if (channel := channels.get(event.channel)) is None:
            channel = channels[event.channel] = _text(clean(str(event.channel)))
        acted = shadow = _NO_TEXTS
        if decision.hits:
            acted = _texts([hit.rule for hit in decision.hits if hit.acts])
            shadow = _texts([hit.rule for hit in decision.hits if not hit.acts])
        keys += (to_key, event_id, place, _length(len(row.body_hash)), row.body_hash)
        body = json_bytes(event.data)
        content = _NULL if event.content is None else _text(event.content)
        events += (
            to_event, place, event_id, kind, channel, account, times, content, _length(len(body) + 1), _JSONB, body,
        )  # fmt: skip
        body = json_bytes(row.facts)
        facts += (to_fact, place, event_id, _length(len(body) + 1), _JSONB, body)
        body = json_bytes(decision)
        decisions += (
            to_decision, place, _text(decision.id), event_id, kind, account, times, _text(decision.verdict.value),
            _sums(2, decision.severity, 8, decision.points), acted, shadow, _length(len(body) + 1), _JSONB, body,
        )  # fmt: skip
    for written in (keys, events, facts, decisions):
        written.append(_END)
    return Copies(frozenset(days.values()), tuple(map(b"".join, (keys, events, facts, decisions))))


def _copy(connection: Connection, copies: Copies) -> None:
    with connection.cursor() as cursor:
        for statement, body in zip(_COPIES, copies.bodies, strict=True):
            with cursor.copy(statement) as copy:
                copy.write(body)
