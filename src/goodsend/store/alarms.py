"""
Alarms as they were raised, and what rules did hour by hour, from which they follow. When to raise one is `reports/`.

A breaker's alarm is raised with the decisions it held back; those about rules once an hour is over (see `worker.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from goodsend.decisions.model import Action
from goodsend.kit.clock import HOUR, Micros
from goodsend.kit.errors import NotFound
from goodsend.reports.alarms import Alarm, RuleHour
from goodsend.store import audit, outbox
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import encode
from goodsend.store.partitions import date_of

TELL = "tell_operators"
"""The action by which an alarm reaches a tenant's destination; its target is the tenant itself."""


class Raised(msgspec.Struct, frozen=True):
    """An alarm with when it was raised, and who has seen it (None: nobody yet)."""

    id: str
    kind: str
    subject: str
    at: Micros
    raised_at: Micros
    reason: str
    body: dict[str, Any]
    seen_by: str | None
    seen_at: Micros | None


_FIELDS = "alarm_id, kind, subject, at, raised_at, reason, body, seen_by, seen_at"


def raise_all(connection: Connection, tenant: str, alarms: Sequence[Alarm], now: Micros) -> list[Alarm]:
    """Keep alarms and send the new ones to the tenant's destination, where it has one; returns the new ones."""
    new = []
    for alarm in alarms:
        row = connection.execute(
            "INSERT INTO alarm (tenant, alarm_id, kind, subject, at, raised_at, reason, body) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
            (tenant, alarm.id, alarm.kind, alarm.subject, At(alarm.at), At(now), alarm.reason, encode(alarm.body)),
        ).fetchone()
        if row is not None:
            new.append(alarm)
    if new and outbox.destination(connection, tenant) is not None:
        asked: list[tuple[Action, dict[str, object]]] = [
            (
                Action(alarm.id, TELL, "tenant", tenant, {}, "", ()),
                {"kind": alarm.kind, "subject": alarm.subject, "reason": alarm.reason, "detail": alarm.body},
            )
            for alarm in new
        ]
        outbox.put(connection, tenant, asked, now)
    return new


def latest(connection: Connection, tenant: str, *, unseen: bool = False, limit: int = 20) -> list[Raised]:
    """Return alarms, latest first; `unseen` leaves out those somebody has seen."""
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM alarm WHERE tenant = %s AND (NOT %s OR seen_at IS NULL) "
        "ORDER BY raised_at DESC, alarm_id LIMIT %s",
        (tenant, unseen, limit),
    )
    return [Raised(*row) for row in rows]


def see(connection: Connection, tenant: str, alarm_id: str, actor: str, now: Micros) -> Raised:
    """Note that somebody has seen an alarm; the first to see it stays named. Raises NotFound."""
    row = connection.execute(
        "UPDATE alarm SET seen_by = coalesce(seen_by, %s), seen_at = coalesce(seen_at, %s) "
        f"WHERE tenant = %s AND alarm_id = %s RETURNING {_FIELDS}",
        (actor, At(now), tenant, alarm_id),
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no alarm {alarm_id!r}")
    alarm = Raised(*row)
    audit.append(connection, tenant, now, actor, "alarm.seen", alarm_id, {"kind": alarm.kind, "subject": alarm.subject})
    return alarm


def last_raised(connection: Connection, tenant: str, since: Micros) -> dict[tuple[str, str], Micros]:
    """Return by (kind, subject) the latest hour from `since` on that an alarm was about."""
    rows = connection.execute(
        "SELECT kind, subject, max(at) FROM alarm WHERE tenant = %s AND at >= %s GROUP BY kind, subject",
        (tenant, At(since)),
    )
    return {(kind, subject): at for kind, subject, at in rows}


def last_tallied(connection: Connection, tenant: str) -> Micros | None:
    """Return the latest hour that was tallied, None when none was."""
    row = connection.execute("SELECT max(hour) FROM rule_hour WHERE tenant = %s", (tenant,)).fetchone()
    return row[0] if row else None


def first_decided(connection: Connection, tenant: str, since: Micros) -> Micros | None:
    """Return the time of the first event from `since` on that was decided, None when there is none."""
    row = connection.execute(
        "SELECT at FROM decision WHERE tenant = %s AND at >= %s ORDER BY at LIMIT 1", (tenant, At(since))
    ).fetchone()
    return row[0] if row else None


def tally(connection: Connection, tenant: str, hour: Micros, rules: Mapping[str, tuple[str, Collection[str]]]) -> None:
    """
    Count what each rule did in one hour of event time, and keep it; again is no harm.

    `rules` are by id (version, kinds it looks at); no kinds are all kinds. Events without an account do not count.
    """
    pairs = [(rule, kind) for rule, (_, kinds) in rules.items() for kind in kinds or (None,)]
    connection.execute(
        """
        WITH looked AS MATERIALIZED (
            SELECT DISTINCT kind, account FROM decision
            WHERE tenant = %(tenant)s AND day = %(day)s AND at >= %(from)s AND at < %(to)s AND account IS NOT NULL
        ), fired AS (
            SELECT rule, count(*) AS hits, count(DISTINCT account) AS accounts
            FROM decision, unnest(rules || shadow) AS rule
            WHERE tenant = %(tenant)s AND day = %(day)s AND at >= %(from)s AND at < %(to)s AND account IS NOT NULL
            GROUP BY rule
        ), seen AS (
            SELECT w.rule, count(DISTINCT looked.account) AS accounts
            FROM unnest(%(rules)s::text[], %(kinds)s::text[]) AS w (rule, kind)
            JOIN looked ON w.kind IS NULL OR w.kind = looked.kind
            GROUP BY w.rule
        )
        INSERT INTO rule_hour (tenant, rule, hour, version, hits, accounts, seen)
        SELECT %(tenant)s, r.rule, %(from)s, r.version, coalesce(fired.hits, 0), coalesce(fired.accounts, 0),
               coalesce(seen.accounts, 0)
        FROM unnest(%(ids)s::text[], %(versions)s::text[]) AS r (rule, version)
        LEFT JOIN fired USING (rule) LEFT JOIN seen USING (rule)
        ON CONFLICT (tenant, rule, hour) DO UPDATE SET version = EXCLUDED.version, hits = EXCLUDED.hits,
            accounts = EXCLUDED.accounts, seen = EXCLUDED.seen
        """,
        {
            "tenant": tenant, "day": date_of(hour), "from": At(hour), "to": At(hour + HOUR),
            "rules": [rule for rule, _ in pairs], "kinds": [kind for _, kind in pairs],
            "ids": list(rules), "versions": [version for version, _ in rules.values()],
        },
    )  # fmt: skip


def hours(connection: Connection, tenant: str, since: Micros) -> dict[str, list[RuleHour]]:
    """Return what each rule did in the hours from `since` on, earliest first, by rule."""
    rows = connection.execute(
        "SELECT rule, hour, version, hits, accounts, seen FROM rule_hour WHERE tenant = %s AND hour >= %s "
        "ORDER BY hour",
        (tenant, At(since)),
    )
    found: dict[str, list[RuleHour]] = {}
    for rule, *columns in rows:
        found.setdefault(rule, []).append(RuleHour(*columns))
    return found
