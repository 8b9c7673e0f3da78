"""Rejections: what came and was not taken, with where, why and the thing itself. Nothing is lost."""

from collections.abc import Sequence

import msgspec

from goodsend.kit.clock import Micros
from goodsend.kit.errors import NotFound, Rejection
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean
from goodsend.store.paging import Page, bounded, page_of, place_of

RAW_BYTES = 16_384
"""What is kept of one rejected thing; `raw_bytes` tells its whole size. Own starting value."""


class StoredRejection(msgspec.Struct, frozen=True):
    """A rejection with where it came from (`api`, `ingest:<file>`); `rejection.raw` is cut, `raw_bytes` is not."""

    id: int
    source: str
    rejection: Rejection
    raw_bytes: int
    received_at: Micros


_FIELDS = "rejection_id, source, code, place, reason, hint, item_id, raw, raw_bytes, received_at"


def add(connection: Connection, tenant: str, source: str, rejections: Sequence[Rejection], now: Micros) -> None:
    """Keep rejections, each cut to RAW_BYTES."""
    rows = [
        (tenant, clean(source), clean(r.code), clean(r.place)[:1_000], clean(r.reason)[:2_000],
         None if r.hint is None else clean(r.hint)[:2_000], None if r.item_id is None else clean(r.item_id)[:200],
         r.raw[:RAW_BYTES], len(r.raw), At(now))
        for r in rejections
    ]  # fmt: skip
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY rejection (tenant, source, code, place, reason, hint, item_id, raw, raw_bytes, received_at) "
            "FROM STDIN (FORMAT BINARY)"
        ) as copy,
    ):
        copy.set_types(["text", "text", "text", "text", "text", "text", "text", "bytea", "int8", "timestamptz"])
        for row in rows:
            copy.write_row(row)


def page(
    connection: Connection, tenant: str, *, code: str | None = None, source: str | None = None,
    cursor: str | None = None, limit: int = 50,
) -> Page[StoredRejection]:  # fmt: skip
    """Return rejections, latest first."""
    limit = bounded(limit)
    place = place_of(cursor, int, int)
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM rejection WHERE tenant = %(tenant)s "
        "AND (%(code)s::text IS NULL OR code = %(code)s) AND (%(source)s::text IS NULL OR source = %(source)s) "
        "AND (%(id)s::bigint IS NULL OR (received_at, rejection_id) < (%(at)s, %(id)s)) "
        "ORDER BY received_at DESC, rejection_id DESC LIMIT %(limit)s",
        {
            "tenant": tenant, "code": code, "source": source, "limit": limit + 1,
            "at": At.of(place[0] if place else None), "id": place[1] if place else None,
        },
    ).fetchall()  # fmt: skip
    items = [_read(row) for row in rows]
    if not items:
        return Page([])
    last = items[min(limit, len(items)) - 1]
    return page_of(items, limit, last.received_at, last.id)


def one(connection: Connection, tenant: str, rejection_id: int) -> StoredRejection:
    """Return a rejection. Raises NotFound."""
    row = connection.execute(
        f"SELECT {_FIELDS} FROM rejection WHERE tenant = %s AND rejection_id = %s", (tenant, rejection_id)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no rejection {rejection_id}")
    return _read(row)


def counts(connection: Connection, tenant: str, since: Micros) -> dict[str, int]:
    """Return how many were rejected since then, by code, most first."""
    rows = connection.execute(
        "SELECT code, count(*) FROM rejection WHERE tenant = %s AND received_at >= %s GROUP BY code ORDER BY 2 DESC, 1",
        (tenant, At(since)),
    )
    return dict(rows.fetchall())


def _read(row: tuple[object, ...]) -> StoredRejection:
    id_, source, code, place, reason, hint, item_id, raw, raw_bytes, received_at = row
    return msgspec.convert(
        {
            "id": id_, "source": source, "raw_bytes": raw_bytes, "received_at": received_at,
            "rejection": {
                "code": code, "place": place, "reason": reason, "hint": hint, "item_id": item_id,
                "raw": bytes(raw),  # type: ignore[call-overload]
            },
        },
        StoredRejection,
        builtin_types=(bytes,),
    )  # fmt: skip
