"""
Windows kept in the database and read back: a start restores the latest snapshot and reads the log from there on.

They are taken by a short-lived process of its own (`goodsend snapshot`): it restores the last one, reads the log's tail
as a start would, and writes the next. So taking one stalls no decision, and each new one is a start that was tried.
"""

import hashlib
import logging

from goodsend.features.compute import Windows
from goodsend.kit.clock import Micros
from goodsend.pack import Pack
from goodsend.pipeline import entities_of
from goodsend.store import log, snapshots
from goodsend.store.connection import Connection, Pool
from goodsend.store.snapshots import Snapshot

_LOG = logging.getLogger("goodsend.engine")


def entities_digest(pack: Pack) -> str:
    """Return a digest of which field of each kind carries which key: beside the plan, what windows depend on."""
    said = sorted((kind, sorted(fields.items())) for kind, fields in pack.entity_fields.items())
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def restore(connection: Connection, tenant: str, pack: Pack, late_horizon: Micros) -> tuple[Windows, int] | None:
    """
    Return the windows of the latest snapshot that answers this pack, and their arrival; None when there is none.

    One that is broken, or that is ahead of the log, is left out with a line in the log.
    """
    entities = entities_digest(pack)
    last = None
    for found in snapshots.of(connection, tenant):
        if found.entities != entities or found.plan != pack.plan.digest:
            continue
        last = log.last_arrival(connection, tenant) if last is None else last
        if found.arrival > last:
            _LOG.warning("snapshot %d of tenant %s is ahead of the log: it is left out", found.id, tenant)
            continue
        chunks = snapshots.chunks_of(connection, found)
        windows = Windows.restore(chunks, pack.plan, late_horizon, pack.list_values)
        if windows is not None:
            return windows, found.arrival
        _LOG.warning("snapshot %d of tenant %s is broken or of other lists: it is left out", found.id, tenant)
    return None


def take(pool: Pool, tenant: str, pack: Pack, late_horizon: Micros, now: Micros) -> Snapshot | None:
    """Restore, read the tail of the log, and keep the windows as they are then. None when nothing is new."""
    with pool.connection() as connection:
        found = restore(connection, tenant, pack, late_horizon)
        windows, arrival = found or (Windows(pack.plan, late_horizon, pack.list_values), 0)
        before = arrival
        for arrival, event in log.tail(connection, tenant, before):  # noqa: B007 - the last one counts
            windows.observe(event, entities_of(event, pack))
    if arrival == before:
        return None
    return keep(pool, tenant, pack, windows, arrival, now)


def keep(pool: Pool, tenant: str, pack: Pack, windows: Windows, arrival: int, now: Micros) -> Snapshot:
    """Write windows that hold the log up to an arrival."""
    with pool.connection() as connection:
        return snapshots.write(
            connection, tenant, arrival, pack.plan.digest, entities_digest(pack), pack.version, windows.snapshot(), now
        )
