"""
The worker: takes what is due from the outbox, hands it to connectors, records what became of it.

Delivery is at least once, always under the same id. A connector is never called inside a transaction: what is taken is
hidden from other workers for a lease, and a worker that dies leaves it to be taken again when the lease ends.
"""

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from goodsend.connectors.model import Call, Connector, Delivery
from goodsend.connectors.printed import Printed
from goodsend.connectors.webhook import Webhook
from goodsend.kit.clock import MINUTE, SECOND, Micros
from goodsend.store import outbox
from goodsend.store.connection import Pool
from goodsend.store.outbox import Attempt, Due
from goodsend.wiring import Installation

_LOG = logging.getLogger("goodsend.worker")

WAITS: Final[tuple[Micros, ...]] = tuple(
    SECOND * seconds for seconds in (5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600)
)
"""
How long to wait after each failed try; after one more try than there are waits the entry is dead. About two and a half
hours in all: longer than a restart or a deployment of the receiver, shorter than a shift. Own starting values.
"""

JITTER = 0.25
"""Waits are stretched or shortened by up to this share, so that what failed together does not come back together."""

LEASE: Micros = 3 * MINUTE
BATCH = 32
AT_ONCE = 8
"""A batch takes at most BATCH / AT_ONCE times a connector's time limit, well below the lease."""

_IDLE_S = 0.5
_AWAY_S = 5.0


def wait_after(outbox_id: str, tries: int) -> Micros | None:
    """Return the wait after this many failed tries, None when it was the last. The same id waits the same, always."""
    if tries > len(WAITS):
        return None
    digest = hashlib.sha256(f"{outbox_id}/{tries}".encode()).digest()
    spread = int.from_bytes(digest[:4], "big") / 0xFFFFFFFF * 2 - 1
    return round(WAITS[tries - 1] * (1 + JITTER * spread))


def drain(
    pool: Pool, connectors: Mapping[str, Connector], now: Callable[[], Micros], limit: int = BATCH
) -> "Counter[str]":
    """
    Deliver up to `limit` entries that are due, and return how many were done, will be tried again (`retry`), or are
    `dead`. Several workers may do this at once.
    """
    with pool.connection() as connection:
        taken = outbox.claim(connection, now(), limit, LEASE)
    if not taken:
        return Counter()
    with ThreadPoolExecutor(min(AT_ONCE, len(taken)), thread_name_prefix="delivery") as threads:
        return Counter(threads.map(lambda due: _deliver(pool, connectors, now, due), taken))


def _deliver(pool: Pool, connectors: Mapping[str, Connector], now: Callable[[], Micros], due: Due) -> str:
    delivery = _carried_out(connectors.get(due.connector), due, now())
    at = now()
    wait = wait_after(due.id, due.tries) if delivery.retryable else None
    attempt = Attempt(due.attempt, at, delivery.status, delivery.error, delivery.answer)
    with pool.connection() as connection:
        outbox.settle(connection, due, attempt, is_done=delivery.ok, again_at=None if wait is None else at + wait)
    if delivery.ok:
        return "done"
    _LOG.warning("%s %s of tenant %s: %s", due.action, due.id, due.tenant, delivery.error)
    return "dead" if wait is None else "retry"


def _carried_out(connector: Connector | None, due: Due, at: Micros) -> Delivery:
    if connector is None:
        return Delivery(ok=False, error=f"there is no connector named {due.connector!r}")
    call = Call(
        due.tenant, due.id, due.action, due.target_type, due.target, due.payload, due.created_at, at,
        due.attempt, due.url, due.secret,
    )  # fmt: skip
    try:
        return connector.deliver(call)
    except Exception as error:  # noqa: BLE001 - outermost loop: a connector's mistake must not stop the other deliveries
        _LOG.exception("the connector %s failed on %s", due.connector, due.id)
        return Delivery(ok=False, error=f"our mistake: {type(error).__name__}", retryable=True)


def connectors_of(installation: Installation) -> dict[str, Connector]:
    """Return the connectors of an installation by name."""
    return {"printed": Printed(), "webhook": Webhook(installation.settings.webhook_private_hosts)}


def run(installation: Installation, stop: threading.Event) -> None:
    """Drain the outbox until told to stop; a database that is away is waited for."""
    connectors = connectors_of(installation)
    while not stop.is_set():
        try:
            counts = drain(installation.pool, connectors, installation.now)
        except (psycopg.OperationalError, PoolTimeout) as error:
            _LOG.warning("the database is away: %s", error)
            stop.wait(_AWAY_S)
            continue
        except Exception:  # noqa: BLE001 - outermost loop: what was taken comes back when its lease ends
            _LOG.exception("the worker failed; it goes on")
            stop.wait(_AWAY_S)
            continue
        if not counts:
            stop.wait(_IDLE_S)
