"""Decisions in which some rule fired without acting, for comparing them with what was decided (`reports/shadow.py`)."""

from collections.abc import Iterator

import msgspec

from goodsend.decisions.model import Decision
from goodsend.kit.clock import Micros
from goodsend.store.connection import JSONB, At, Connection
from goodsend.store.log import RawJson
from goodsend.store.partitions import date_of

MOST = 20_000
"""Decisions that are looked at, latest first: about half a second of work. Own starting value."""

_DECISION = msgspec.json.Decoder(Decision)


def decisions(
    connection: Connection, tenant: str, since: Micros, until: Micros, *, rule: str | None = None, most: int = MOST
) -> Iterator[Decision]:
    """
    Yield decisions over [since, until) of event time in which a rule fired without acting, latest first.

    With `rule` all in which that rule fired, acting or not. At most `most`: whoever asks for one more than he shows
    knows whether there were more.
    """
    cursor = connection.cursor(binary=True)
    cursor.adapters.register_loader(JSONB, RawJson)
    rows = cursor.execute(
        "SELECT body FROM decision WHERE tenant = %(tenant)s AND day BETWEEN %(first)s AND %(last)s "
        "AND at >= %(since)s AND at < %(until)s AND (shadow <> '{}' OR %(rule)s::text = ANY(rules)) "
        "AND (%(rule)s::text IS NULL OR %(rule)s::text = ANY(shadow || rules)) "
        "ORDER BY at DESC, arrival DESC LIMIT %(most)s",
        {
            "tenant": tenant, "first": date_of(since), "last": date_of(until), "since": At(since), "until": At(until),
            "rule": rule, "most": most,
        },
    )  # fmt: skip
    for (body,) in rows:
        yield _DECISION.decode(body)
