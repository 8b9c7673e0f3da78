"""
The worker: takes what is due from the outbox, hands it to connectors, records what became of it. Once an hour it looks
whether rules do what they used to (see `reports/alarms.py`).

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
from goodsend.jobs import Jobs
from goodsend.kit.clock import DAY, HOUR, MINUTE, SECOND, Micros
from goodsend.reports.alarms import Alarm, alarms_of
from goodsend.rules.model import Mode
from goodsend.store import alarms, entity_labels, outbox, tenants
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

WATCH_EVERY: Micros = MINUTE
GRACE: Micros = 2 * MINUTE
"""How long after its end an hour is counted: by then what happened in it has mostly arrived. Own starting value."""

CATCH_UP = 24
"""Most hours that are counted at once, of a tenant, so that deliveries do not wait."""

LABELS_KEPT: Micros = 100 * DAY
"""How long after its end a label on an entity is kept: longer than any late event may be. Own starting value."""

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


def watch(installation: Installation) -> list[Alarm]:
    """
    Count what rules did in the hours that are over, for every tenant, and raise the alarms of the last one.

    Hours of the past, after a stop or at first, are counted at most CATCH_UP at a time and raise none: nobody can act
    on them any more. Several workers may do this at once: hours and alarms are the same whoever writes them.
    """
    now = installation.now()
    with installation.pool.connection() as connection:
        names = tenants.names(connection)
        entity_labels.purge(connection, now - LABELS_KEPT)
    return [alarm for tenant in names for alarm in _watched(installation, tenant, now)]


def _watched(installation: Installation, tenant: str, now: Micros) -> list[Alarm]:
    pack = installation.pack(tenant)
    limits = pack.watch
    last = now // HOUR * HOUR - HOUR
    if limits is None or now < last + HOUR + GRACE:
        return []
    reach = (limits.history_hours + limits.silent_hours) * HOUR
    judged = {
        id_: (rule.version, sorted(rule.on)) for id_, rule in pack.ruleset.rules.items() if rule.mode is not Mode.OFF
    }
    with installation.pool.connection() as connection:
        tallied = alarms.last_tallied(connection, tenant)
        if tallied is None:
            first = alarms.first_decided(connection, tenant, last - reach)
            tallied = last if first is None else first // HOUR * HOUR - HOUR
        todo = range(max(tallied + HOUR, last - reach), last + HOUR, HOUR)[:CATCH_UP]
        for hour in todo:
            alarms.tally(connection, tenant, hour, judged)
        if last not in todo:
            return []
        recent = alarms.last_raised(connection, tenant, last - limits.repeat_after_hours * HOUR)
        by_rule = alarms.hours(connection, tenant, last - reach)
        found = alarms_of(tenant, last, {id_: by_rule.get(id_, []) for id_ in judged}, limits, recent)
        return alarms.raise_all(connection, tenant, found, now)


def connectors_of(installation: Installation) -> dict[str, Connector]:
    """Return the connectors of an installation by name."""
    return {"printed": Printed(), "webhook": Webhook(installation.settings.webhook_private_hosts)}


def run(installation: Installation, stop: threading.Event) -> None:
    """Drain the outbox and run backtests until told to stop; a database that is away is waited for."""
    connectors = connectors_of(installation)
    jobs = Jobs(installation)
    try:
        _work(installation, stop, connectors, jobs)
    finally:
        jobs.stop()


def _work(installation: Installation, stop: threading.Event, connectors: dict[str, Connector], jobs: Jobs) -> None:
    watch_at = installation.now() + WATCH_EVERY
    while not stop.is_set():
        try:
            if installation.now() >= watch_at:
                watch_at = installation.now() + WATCH_EVERY
                watch(installation)
            jobs.tick()
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
