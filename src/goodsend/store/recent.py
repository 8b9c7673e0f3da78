"""The latest events that were decided, with their facts as they were: what a draft is tried on."""

from collections.abc import Collection, Iterator

import msgspec

from goodsend.decisions.model import Decision
from goodsend.drafts import Row
from goodsend.kit.clock import Micros
from goodsend.store.connection import At, Connection
from goodsend.store.explore import event
from goodsend.store.partitions import date_of

_PAGE = 500


def latest(connection: Connection, tenant: str, kinds: Collection[str], limit: int) -> Iterator[Row]:
    """Yield up to `limit` events of these kinds (none given: of all), latest arrival first, read page by page."""
    arrival = 2**62
    while limit > 0:
        rows = connection.execute(
            """
            SELECT d.event_id, d.kind, d.at, d.account, d.verdict, d.rules || d.shadow, f.facts, d.arrival
              FROM decision d JOIN fact f ON f.tenant = d.tenant AND f.day = d.day AND f.arrival = d.arrival
             WHERE d.tenant = %s AND d.arrival < %s AND (%s OR d.kind = ANY(%s))
             ORDER BY d.arrival DESC LIMIT %s
            """,
            (tenant, arrival, not kinds, list(kinds), min(limit, _PAGE)),
        ).fetchall()
        for row in rows:
            facts = {name: tuple(value) if isinstance(value, list) else value for name, value in row[6].items()}
            yield Row(row[0], row[1], row[2], row[3], row[4], tuple(row[5]), facts)
        if len(rows) < min(limit, _PAGE):
            return
        limit -= len(rows)
        arrival = rows[-1][7]


def one(connection: Connection, tenant: str, event_id: str) -> Row:
    """Return one event. Raises NotFound."""
    found = event(connection, tenant, event_id)
    decision = found.decision
    rules = tuple(hit.rule for hit in decision.hits)
    return Row(event_id, found.event.kind, found.event.at, decision.account, decision.verdict.value, rules, found.facts)


def not_acting(connection: Connection, tenant: str, since: Micros, limit: int) -> list[Decision]:
    """Return the latest decisions on events since a time that have hits which did not act, latest first."""
    rows = connection.execute(
        "SELECT body FROM decision WHERE tenant = %s AND at >= %s AND day >= %s AND shadow <> '{}' "
        "ORDER BY at DESC, arrival DESC LIMIT %s",
        (tenant, At(since), date_of(since), limit),
    )
    return [msgspec.convert(body, Decision) for (body,) in rows]
