"""
The audit: who did what and saw what, append-only, each row bound to the one before it by a hash.

A row's hash is SHA-256 over the previous row's hash and the row as JSON with sorted names. A change or a gap anywhere
breaks the chain there; what the chain cannot show is that its newest rows were cut off.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from goodsend.kit.clock import Micros
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean, encode
from goodsend.store.paging import Page, bounded, page_of, place_of

_START = bytes(32)
_ENCODER = msgspec.json.Encoder(order="deterministic")


class AuditRow(msgspec.Struct, frozen=True):
    """One act. `actor` is a member's login, `key:<id>` or `goodsend`; `act` is `subject.verbed`."""

    seq: int
    at: Micros
    actor: str
    act: str
    target: str
    detail: dict[str, Any]


def append(
    connection: Connection, tenant: str, at: Micros, actor: str, act: str, target: str, detail: Mapping[str, object]
) -> int:
    """Write an act in the caller's transaction and return its number; numbers of a tenant have no gaps."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('goodsend audit ' || %s, 0))", (tenant,))
    last = connection.execute(
        "SELECT seq, hash FROM audit WHERE tenant = %s ORDER BY seq DESC LIMIT 1", (tenant,)
    ).fetchone()
    seq, before = (last[0] + 1, last[1]) if last else (1, _START)
    # Numbers change their form in jsonb (1e16 has no exponent there), so the hash is over what will be read back.
    read_back = connection.execute("SELECT %s", (encode(detail),)).fetchone()
    row = AuditRow(seq, at, clean(actor), clean(act), clean(target), read_back[0] if read_back else {})
    connection.execute(
        "INSERT INTO audit (tenant, seq, at, actor, act, target, detail, hash) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (tenant, seq, At(at), row.actor, row.act, row.target, encode(row.detail), _chained(before, row)),
    )
    return seq


def _chained(before: bytes, row: AuditRow) -> bytes:
    return hashlib.sha256(before + _ENCODER.encode(row)).digest()


def newest(connection: Connection, tenant: str) -> int:
    """Return the number of the latest row; 0 without any."""
    found = connection.execute("SELECT max(seq) FROM audit WHERE tenant = %s", (tenant,)).fetchone()
    return (found[0] if found else None) or 0


def verify(connection: Connection, tenant: str, first: int = 1, most: int | None = None) -> int | None:
    """
    Return the number of the first row that is missing or was changed, None when the chain holds.

    Looked at are `most` rows (None: all) from `first` on; that the hash of the row before `first` is right is taken
    for granted.
    """
    before = _START
    expected = max(1, first)
    if expected > 1:
        found = connection.execute(
            "SELECT hash FROM audit WHERE tenant = %s AND seq = %s", (tenant, expected - 1)
        ).fetchone()
        if found is None:
            return expected - 1
        before = found[0]
    with connection.cursor("goodsend_audit") as cursor:
        cursor.execute(
            "SELECT seq, at, actor, act, target, detail, hash FROM audit WHERE tenant = %s AND seq >= %s "
            "ORDER BY seq LIMIT %s",
            (tenant, expected, most),
        )
        for *fields, stored in cursor:
            row = AuditRow(*fields)
            if row.seq != expected or _chained(before, row) != stored:
                return expected
            before = stored
            expected += 1
    return None


def recent(
    connection: Connection, tenant: str, *, actor: str | None = None, act: str | None = None,
    target: str | None = None, cursor: str | None = None, limit: int = 50,
) -> Page[AuditRow]:  # fmt: skip
    """Return acts, latest first. `act` may be a whole act or its beginning (`case.`)."""
    limit = bounded(limit)
    place = place_of(cursor, int)
    rows = connection.execute(
        "SELECT seq, at, actor, act, target, detail FROM audit WHERE tenant = %(tenant)s "
        "AND (%(actor)s::text IS NULL OR actor = %(actor)s) AND (%(act)s::text IS NULL OR starts_with(act, %(act)s)) "
        "AND (%(target)s::text IS NULL OR target = %(target)s) AND (%(before)s::bigint IS NULL OR seq < %(before)s) "
        "ORDER BY seq DESC LIMIT %(limit)s",
        {
            "tenant": tenant, "actor": actor, "act": act, "target": target,
            "before": place[0] if place else None, "limit": limit + 1,
        },
    ).fetchall()  # fmt: skip
    items = [AuditRow(*row) for row in rows]
    return page_of(items, limit, items[min(limit, len(items)) - 1].seq) if items else Page([])
