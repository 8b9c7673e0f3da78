"""
The outbox: effects asked of the platform, written with the decision that asks for them, handed out for delivery.

An entry's id is the action's id and the receiver's idempotency key. How it is delivered is the connectors' matter,
when it is tried again the worker's.
"""

from collections.abc import Sequence

import msgspec

from goodsend.decisions.model import Action, Decision
from goodsend.kit.clock import Micros
from goodsend.kit.errors import NotFound
from goodsend.kit.text import shorten
from goodsend.store import audit
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean, encode, key
from goodsend.store.paging import Page, bounded, page_of, place_of

ANSWER_CHARS = 1_000


class Entry(msgspec.Struct, frozen=True):
    """One effect. `payload` is what the receiver gets beside id, action and target; `state` is due, done or dead."""

    id: str
    connector: str
    action: str
    target_type: str
    target: str
    payload: dict[str, object]
    state: str
    attempts: int
    due_at: Micros
    created_at: Micros
    done_at: Micros | None
    last_error: str | None


class Attempt(msgspec.Struct, frozen=True):
    """One delivery. `status` is the HTTP status (None when none came), `answer` its first 1,000 characters."""

    attempt: int
    at: Micros
    status: int | None
    error: str | None
    answer: str | None


class Due(msgspec.Struct, frozen=True):
    """An entry handed out for delivery, with where to. `tries` counts this one, since it was asked for or re-sent."""

    tenant: str
    id: str
    connector: str
    action: str
    target_type: str
    target: str
    payload: dict[str, object]
    created_at: Micros
    attempt: int
    tries: int
    url: str | None
    secret: str | None


class Destination(msgspec.Struct, frozen=True):
    """Where a tenant's actions go. `secret` signs the calls of a webhook."""

    connector: str
    url: str | None
    secret: str | None
    updated_at: Micros


_FIELDS = (
    "outbox_id, connector, action, target_type, target, payload, state, attempts, due_at, created_at, done_at, "
    "last_error"
)


def add(connection: Connection, tenant: str, asked: Sequence[tuple[Action, Decision]], now: Micros) -> None:
    """Put the actions of decisions into the outbox; one that is there already stays as it is."""
    put(
        connection, tenant,
        [
            (action, {
                "params": action.params, "policy": action.policy, "because": action.because,
                "decision": decision.id, "event": decision.event_id, "account": decision.account,
            })
            for action, decision in asked
        ],
        now,
    )  # fmt: skip


def put(connection: Connection, tenant: str, asked: Sequence[tuple[Action, dict[str, object]]], now: Micros) -> None:
    """Put actions with their payloads into the outbox of the tenant's destination; `printed` when it has none."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO outbox (tenant, outbox_id, connector, action, target_type, target, payload, due_at, "
            "created_at) VALUES (%(tenant)s, %(id)s, coalesce((SELECT connector FROM destination "
            "WHERE tenant = %(tenant)s), 'printed'), %(action)s, %(type)s, %(target)s, %(payload)s, %(now)s, %(now)s) "
            "ON CONFLICT DO NOTHING",
            [
                {
                    "tenant": tenant, "id": action.id, "action": action.name, "type": action.target_type,
                    "target": key(action.target), "payload": encode(payload), "now": At(now),
                }
                for action, payload in asked
            ],
        )  # fmt: skip


def claim(connection: Connection, now: Micros, limit: int, lease: Micros) -> list[Due]:
    """
    Take entries that are due, of all tenants, longest due first, and hide them from others for the lease.

    Commit before delivering: a worker that dies leaves them to be taken again after the lease, with the same ids.
    """
    rows = connection.execute(
        """
        WITH taken AS (
            SELECT tenant, outbox_id FROM outbox WHERE state = 'due' AND due_at <= %s
            ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE outbox o SET attempts = attempts + 1, tries = tries + 1, due_at = %s
            FROM taken t WHERE o.tenant = t.tenant AND o.outbox_id = t.outbox_id
            RETURNING o.*
        )
        SELECT c.tenant, c.outbox_id, c.connector, c.action, c.target_type, c.target, c.payload, c.created_at,
               c.attempts, c.tries, d.url, d.secret
        FROM claimed c LEFT JOIN destination d ON d.tenant = c.tenant AND d.connector = c.connector
        ORDER BY c.created_at, c.outbox_id
        """,
        (At(now), limit, At(now + lease)),
    )
    return [Due(*row) for row in rows]


def settle(connection: Connection, due: Due, attempt: Attempt, *, is_done: bool, again_at: Micros | None) -> None:
    """
    Record what became of a delivery: done, tried again at `again_at`, or dead when that is None.

    When the lease ran out and another worker has taken the entry meanwhile, only success changes it.
    """
    connection.execute(
        "INSERT INTO outbox_attempt (tenant, outbox_id, attempt, at, status, error, answer) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            due.tenant, due.id, attempt.attempt, At(attempt.at), attempt.status, _cut(attempt.error),
            _cut(attempt.answer),
        ),
    )  # fmt: skip
    if is_done:
        connection.execute(
            "UPDATE outbox SET state = 'done', done_at = %s, last_error = NULL "
            "WHERE tenant = %s AND outbox_id = %s AND state <> 'done'",
            (At(attempt.at), due.tenant, due.id),
        )
    else:
        connection.execute(
            "UPDATE outbox SET state = %s, due_at = coalesce(%s, due_at), last_error = %s "
            "WHERE tenant = %s AND outbox_id = %s AND state = 'due' AND attempts = %s",
            ("dead" if again_at is None else "due", At.of(again_at), _cut(attempt.error), due.tenant, due.id,
             due.attempt),
        )  # fmt: skip


def _cut(text: str | None) -> str | None:
    return None if text is None else shorten(clean(text), ANSWER_CHARS)


def resend(connection: Connection, tenant: str, outbox_id: str, actor: str, now: Micros) -> Entry:
    """Make a dead or done entry due again, with its whole schedule. Raises NotFound."""
    row = connection.execute(
        "UPDATE outbox SET state = 'due', due_at = %s, tries = 0, done_at = NULL, "
        f"connector = coalesce((SELECT d.connector FROM destination d WHERE d.tenant = outbox.tenant), connector) "
        f"WHERE tenant = %s AND outbox_id = %s RETURNING {_FIELDS}",
        (At(now), tenant, outbox_id),
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no action {outbox_id!r} in the outbox")
    audit.append(connection, tenant, now, actor, "outbox.resent", outbox_id, {"action": row[2], "target": row[4]})
    return Entry(*row)


def page(
    connection: Connection, tenant: str, *, state: str | None = None, target: str | None = None,
    cursor: str | None = None, limit: int = 50,
) -> Page[Entry]:  # fmt: skip
    """Return entries, latest first; `state` is due, done or dead."""
    limit = bounded(limit)
    place = place_of(cursor, int, str)
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM outbox WHERE tenant = %(tenant)s AND (%(state)s::text IS NULL OR state = %(state)s) "
        "AND (%(target)s::text IS NULL OR target = %(target)s) "
        "AND (%(id)s::text IS NULL OR (created_at, outbox_id) < (%(at)s, %(id)s)) "
        "ORDER BY created_at DESC, outbox_id DESC LIMIT %(limit)s",
        {
            "tenant": tenant, "state": state, "target": target, "limit": limit + 1,
            "at": At.of(place[0] if place else None), "id": place[1] if place else None,
        },
    ).fetchall()  # fmt: skip
    items = [Entry(*row) for row in rows]
    if not items:
        return Page([])
    last = items[min(limit, len(items)) - 1]
    return page_of(items, limit, last.created_at, last.id)


def one(connection: Connection, tenant: str, outbox_id: str) -> tuple[Entry, list[Attempt]]:
    """Return an entry with its attempts, first one first. Raises NotFound."""
    row = connection.execute(
        f"SELECT {_FIELDS} FROM outbox WHERE tenant = %s AND outbox_id = %s", (tenant, outbox_id)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no action {outbox_id!r} in the outbox")
    attempts = connection.execute(
        "SELECT attempt, at, status, error, answer FROM outbox_attempt WHERE tenant = %s AND outbox_id = %s "
        "ORDER BY attempt",
        (tenant, outbox_id),
    )
    return Entry(*row), [Attempt(*found) for found in attempts]


def counts(connection: Connection, tenant: str) -> dict[str, int]:
    """Return how many entries are due, done and dead."""
    rows = connection.execute("SELECT state, count(*) FROM outbox WHERE tenant = %s GROUP BY state", (tenant,))
    return {"due": 0, "done": 0, "dead": 0} | dict(rows.fetchall())


def destination(connection: Connection, tenant: str) -> Destination | None:
    """Return where the tenant's actions go, None when nobody has chosen (they are printed then)."""
    row = connection.execute(
        "SELECT connector, url, secret, updated_at FROM destination WHERE tenant = %s", (tenant,)
    ).fetchone()
    return Destination(*row) if row else None


def set_destination(
    connection: Connection, tenant: str, connector: str, url: str | None, secret: str | None, now: Micros
) -> None:
    """Choose where actions go from now on; what is waiting goes there too."""
    connection.execute(
        "INSERT INTO destination (tenant, connector, url, secret, updated_at) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (tenant) DO UPDATE SET connector = EXCLUDED.connector, url = EXCLUDED.url, "
        "secret = EXCLUDED.secret, updated_at = EXCLUDED.updated_at",
        (tenant, connector, url, secret, At(now)),
    )
    connection.execute("UPDATE outbox SET connector = %s WHERE tenant = %s AND state = 'due'", (connector, tenant))
