"""
Snapshots of the windows, in chunks: what lets a start read the log's tail instead of the log.

A snapshot is written in one transaction, so it is there wholly or not at all. What the chunks mean is `features`'
matter. Whoever finds one broken reads the log instead.
"""

from collections.abc import Iterable, Iterator

import msgspec

from goodsend.kit.clock import Micros
from goodsend.store.connection import At, Connection

KEPT = 2
"""How many are kept of each tenant: the latest, and one before it in case that is broken."""


class Snapshot(msgspec.Struct, frozen=True):
    """What is known of a snapshot without reading it. `arrival` is the last event in it."""

    id: int
    arrival: int
    plan: str
    entities: str
    pack: str
    chunks: int
    bytes: int
    taken_at: Micros


_FIELDS = "snapshot_id, arrival, plan, entities, pack, chunks, bytes, taken_at"


def of(connection: Connection, tenant: str) -> list[Snapshot]:
    """Return a tenant's snapshots, latest arrival first."""
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM window_snapshot WHERE tenant = %s ORDER BY arrival DESC, snapshot_id DESC", (tenant,)
    )
    return [Snapshot(*row) for row in rows]


def latest_arrivals(connection: Connection) -> dict[str, int]:
    """Return the arrival of the latest snapshot by tenant, of all that have one."""
    return dict(connection.execute("SELECT tenant, max(arrival) FROM window_snapshot GROUP BY tenant").fetchall())


def chunks_of(connection: Connection, snapshot: Snapshot) -> Iterator[bytes]:
    """Stream the chunks of a snapshot in their order."""
    for number in range(snapshot.chunks):
        row = connection.execute(
            "SELECT body FROM window_snapshot_chunk WHERE snapshot_id = %s AND number = %s",
            (snapshot.id, number), prepare=True, binary=True,
        ).fetchone()  # fmt: skip
        if row is None:
            return  # the reader finds that it ends too early
        yield row[0]


def write(
    connection: Connection, tenant: str, arrival: int, plan: str, entities: str, pack: str, chunks: Iterable[bytes],
    now: Micros,
) -> Snapshot:  # fmt: skip
    """Write a snapshot and remove all but the latest KEPT of the tenant, in the caller's transaction."""
    row = connection.execute(
        "INSERT INTO window_snapshot (tenant, arrival, plan, entities, pack, chunks, bytes, taken_at) "
        "VALUES (%s, %s, %s, %s, %s, 0, 0, %s) RETURNING snapshot_id",
        (tenant, arrival, plan, entities, pack, At(now)),
    ).fetchone()
    assert row is not None  # noqa: S101
    count, size = 0, 0
    with connection.cursor() as cursor:
        for number, chunk in enumerate(chunks):
            cursor.execute(
                "INSERT INTO window_snapshot_chunk (snapshot_id, number, body) VALUES (%s, %s, %b)",
                (row[0], number, chunk), prepare=True,
            )  # fmt: skip
            count, size = number + 1, size + len(chunk)
    connection.execute(
        "UPDATE window_snapshot SET chunks = %s, bytes = %s WHERE snapshot_id = %s", (count, size, row[0])
    )
    connection.execute(
        "DELETE FROM window_snapshot WHERE tenant = %s AND snapshot_id NOT IN (SELECT snapshot_id FROM window_snapshot "
        "WHERE tenant = %s ORDER BY arrival DESC, snapshot_id DESC LIMIT %s)",
        (tenant, tenant, KEPT),
    )
    return Snapshot(row[0], arrival, plan, entities, pack, count, size, now)
