"""
Reads for people and programs: events with what was decided on them, accounts with their history and relations, counts.

Nothing here writes. Pages go back in time; every function looks at one tenant only.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from goodsend.decisions.model import Decision
from goodsend.events.model import Event
from goodsend.facts import Facts, Value
from goodsend.kit.clock import HOUR, Micros
from goodsend.kit.errors import NotFound
from goodsend.scanning.model import Scan
from goodsend.store.connection import At, Connection
from goodsend.store.contents import scan_of
from goodsend.store.jsonable import clean, key
from goodsend.store.log import known_ids
from goodsend.store.paging import Page, bounded, page_of, place_of
from goodsend.store.partitions import date_of

WEAK = frozenset({"ip", "recipient", "email", "list"})
"""Entity types that many honest accounts share (an office, a mobile network, a reader): they never relate two alone."""

HUB = 50
"""An entity seen with more accounts than this relates none of them. Own starting value."""


class EventRow(msgspec.Struct, frozen=True):
    """One event as a line of a list. `rules` acted, `shadow` fired without effect."""

    id: str
    kind: str
    channel: str | None
    account: str | None
    at: Micros
    received_at: Micros
    data: dict[str, Value]
    content: str | None
    arrival: int
    decision_id: str
    verdict: str
    severity: int
    rules: tuple[str, ...]
    shadow: tuple[str, ...]


class EventDetail(msgspec.Struct, frozen=True):
    """One event with everything known about it. `scan` is the last scan of its content, None without one."""

    event: Event
    arrival: int
    received_at: Micros
    facts: Facts
    decision: Decision
    decided_at: Micros
    scan: Scan | None


class DecisionRow(msgspec.Struct, frozen=True):
    """One decision as a line of a list."""

    id: str
    event_id: str
    kind: str
    account: str | None
    at: Micros
    decided_at: Micros
    arrival: int
    verdict: str
    severity: int
    points: float
    rules: tuple[str, ...]
    shadow: tuple[str, ...]


class AccountRow(msgspec.Struct, frozen=True):
    """One account. `worst` is the gravest verdict so far, `profile` the last known plan, country and so on."""

    account: str
    standing: str
    standing_since: Micros
    first_at: Micros
    last_at: Micros
    events: int
    worst: str
    profile: dict[str, Any]


class Count(msgspec.Struct, frozen=True):
    """How many within one step of time; `at` is where the step begins, `name` a verdict or a kind."""

    at: Micros
    name: str
    count: int


class Related(msgspec.Struct, frozen=True):
    """
    An account that shares entities with another.

    `strength` is the sum over shared entities that are not weak of 1 / (other accounts that share it): 1.0 for one
    card that only these two have used. `shared` holds (type, key, accounts that share it), strongest first.
    """

    account: str
    standing: str
    worst: str
    strength: float
    shared: tuple[tuple[str, str, int], ...]


class RuleHits(msgspec.Struct, frozen=True):
    """How often a rule fired in the last 24 hours and 7 days, with effect and (`shadow`) without."""

    rule: str
    hits_24h: int
    hits_7d: int
    shadow_24h: int
    shadow_7d: int


class CaseCount(msgspec.Struct, frozen=True):
    """How many cases are in a state, by queue and severity."""

    state: str
    queue: str
    severity: int
    count: int


_DECISION_FIELDS = (
    "decision_id, event_id, kind, account, at, decided_at, arrival, verdict, severity, points, rules, shadow"
)


def decisions(
    connection: Connection, tenant: str, *, kind: str | None = None, account: str | None = None,
    verdicts: Collection[str] = (), rule: str | None = None, shadow: bool = False, since: Micros | None = None,
    until: Micros | None = None, cursor: str | None = None, limit: int = 50,
) -> Page[DecisionRow]:  # fmt: skip
    """
    Return decisions, latest event first.

    `rule` finds those in which it acted, with `shadow` also those in which it fired without effect; `since` is
    included, `until` is not; no verdicts means any.
    """
    limit = bounded(limit)
    place = place_of(cursor, int, int)
    # Conditions are put together, not written as `x IS NULL OR …`: only so the planner sees which index serves.
    conditions: list[tuple[str, object]] = [
        *([("kind = %s", clean(kind))] if kind is not None else []),
        *([("account = %s", key(account))] if account is not None else []),
        *([("verdict = ANY(%s)", list(verdicts))] if verdicts else []),
        *([("verdict <> 'allow' AND %s", True)] if verdicts and "allow" not in verdicts else []),
        *([("rules @> ARRAY[%s] AND rules <> '{}'", clean(rule))] if rule is not None and not shadow else []),
        *([("%s = ANY(rules || shadow)", clean(rule))] if rule is not None and shadow else []),
        *([("at >= %s", At(since)), ("day >= %s", date_of(since))] if since is not None else []),
        *([("at < %s", At(until)), ("day <= %s", date_of(until))] if until is not None else []),
    ]
    if place:
        conditions += [("at <= %s", At(place[0])), ("day <= %s", date_of(place[0]))]
        conditions += [("NOT (at = %s AND arrival >= " + str(place[1]) + ")", At(place[0]))]
    rows = connection.execute(
        f"SELECT {_DECISION_FIELDS} FROM decision WHERE tenant = %s"
        + "".join(f" AND {condition}" for condition, _ in conditions)
        + " ORDER BY at DESC, arrival DESC LIMIT %s",
        (tenant, *(value for _, value in conditions), limit + 1),
    ).fetchall()
    items = [DecisionRow(*row[:-2], *map(tuple, row[-2:])) for row in rows]
    if not items:
        return Page([])
    last = items[min(limit, len(items)) - 1]
    return page_of(items, limit, last.at, last.arrival)


def events(
    connection: Connection, tenant: str, *, kind: str | None = None, account: str | None = None,
    verdicts: Collection[str] = (), rule: str | None = None, shadow: bool = False, since: Micros | None = None,
    until: Micros | None = None, cursor: str | None = None, limit: int = 50,
) -> Page[EventRow]:  # fmt: skip
    """Return events with what was decided on them, latest first; filters as for `decisions`."""
    found = decisions(
        connection, tenant, kind=kind, account=account, verdicts=verdicts, rule=rule, shadow=shadow, since=since,
        until=until, cursor=cursor, limit=limit,
    )  # fmt: skip
    rows = connection.execute(
        "SELECT arrival, channel, received_at, data, content FROM event "
        "WHERE tenant = %s AND day = ANY(%s) AND arrival = ANY(%s)",
        (tenant, list({date_of(item.at) for item in found.items}), [item.arrival for item in found.items]),
    )
    by_arrival = {row[0]: row for row in rows}
    items = []
    for item in found.items:
        _, channel, received_at, data, content = by_arrival[item.arrival]
        items.append(
            EventRow(
                item.event_id, item.kind, channel, item.account, item.at, received_at, _values(data), content,
                item.arrival, item.id, item.verdict, item.severity, item.rules, item.shadow,
            )
        )  # fmt: skip
    return Page(items, found.next)


def _values(data: dict[str, Any]) -> dict[str, Value]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


def event(connection: Connection, tenant: str, event_id: str) -> EventDetail:
    """Return one event with facts, decision and scan. Raises NotFound."""
    place = known_ids(connection, tenant, [event_id]).get(clean(event_id))
    if place is None:
        raise NotFound(f"there is no event {event_id!r}")
    day, arrival, _ = place
    row = connection.execute(
        """
        SELECT e.kind, e.at, e.channel, e.data, e.content, e.received_at, f.facts, d.body, d.decided_at
        FROM event e
        JOIN fact f ON f.tenant = e.tenant AND f.day = %(day)s AND f.arrival = e.arrival
        JOIN decision d ON d.tenant = e.tenant AND d.day = %(day)s AND d.arrival = e.arrival
        WHERE e.tenant = %(tenant)s AND e.day = %(day)s AND e.arrival = %(arrival)s
        """,
        {"tenant": tenant, "day": day, "arrival": arrival},
    ).fetchone()
    if row is None:
        raise NotFound(f"the event {event_id!r} is no longer kept")
    kind, at, channel, data, content, received_at, facts, body, decided_at = row
    return EventDetail(
        Event(tenant, clean(event_id), kind, at, channel, _values(data), content), arrival, received_at,
        _values(facts), msgspec.convert(body, Decision), decided_at,
        None if content is None else scan_of(connection, tenant, content),
    )  # fmt: skip


def decision(connection: Connection, tenant: str, decision_id: str) -> Decision:
    """Return one decision, whole. Raises NotFound."""
    row = connection.execute(
        "SELECT body FROM decision WHERE tenant = %s AND decision_id = %s LIMIT 1", (tenant, clean(decision_id))
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no decision {decision_id!r}")
    return msgspec.convert(row[0], Decision)


_ACCOUNT_FIELDS = "account, standing, standing_since, first_at, last_at, events, worst, profile"


def account(connection: Connection, tenant: str, name: str) -> AccountRow:
    """Return one account. Raises NotFound."""
    row = connection.execute(
        f"SELECT {_ACCOUNT_FIELDS} FROM account WHERE tenant = %s AND account = %s", (tenant, key(name))
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no account {name!r}")
    return AccountRow(*row)


def accounts(
    connection: Connection, tenant: str, *, standing: str | None = None, text: str | None = None,
    cursor: str | None = None, limit: int = 50,
) -> Page[AccountRow]:  # fmt: skip
    """Return accounts, last seen first; `text` is looked for in the id and in the profile's values."""
    limit = bounded(limit)
    place = place_of(cursor, int, str)
    rows = connection.execute(
        f"SELECT {_ACCOUNT_FIELDS} FROM account WHERE tenant = %(tenant)s "
        "AND (%(standing)s::text IS NULL OR standing = %(standing)s) "
        "AND (%(text)s::text IS NULL OR strpos(lower(account), lower(%(text)s)) > 0 OR EXISTS "
        "     (SELECT 1 FROM jsonb_each_text(profile) WHERE strpos(lower(value), lower(%(text)s)) > 0)) "
        "AND (%(name)s::text IS NULL OR (last_at, account) < (%(at)s, %(name)s)) "
        "ORDER BY last_at DESC, account DESC LIMIT %(limit)s",
        {
            "tenant": tenant, "standing": standing, "text": clean(text) if text else None, "limit": limit + 1,
            "at": At.of(place[0] if place else None), "name": place[1] if place else None,
        },
    ).fetchall()  # fmt: skip
    items = [AccountRow(*row) for row in rows]
    if not items:
        return Page([])
    last = items[min(limit, len(items)) - 1]
    return page_of(items, limit, last.last_at, last.account)


def verdicts_over(
    connection: Connection, tenant: str, since: Micros, until: Micros, *, step: Micros = HOUR,
    account: str | None = None,
) -> list[Count]:  # fmt: skip
    """Return how many events got each verdict, by steps of event time; steps without any are absent."""
    return _over(connection, tenant, "verdict", since, until, step, account)


def kinds_over(
    connection: Connection, tenant: str, since: Micros, until: Micros, *, step: Micros = HOUR,
    account: str | None = None,
) -> list[Count]:  # fmt: skip
    """Return how many events of each kind happened, by steps of event time; steps without any are absent."""
    return _over(connection, tenant, "kind", since, until, step, account)


def _over(
    connection: Connection, tenant: str, name: str, since: Micros, until: Micros, step: Micros, account: str | None
) -> list[Count]:
    rows = connection.execute(
        f"SELECT date_bin(%(step)s * interval '1 microsecond', at, timestamptz '1970-01-01Z'), {name}, count(*) "
        "FROM decision WHERE tenant = %(tenant)s AND at >= %(since)s AND at < %(until)s "
        "AND day >= %(first)s AND day <= %(last)s"
        + (" AND account = %(account)s" if account is not None else "")
        + " GROUP BY 1, 2 ORDER BY 1, 2",
        {
            "tenant": tenant, "since": At(since), "until": At(until), "step": step, "first": date_of(since),
            "last": date_of(until), "account": None if account is None else key(account),
        },
    )  # fmt: skip
    return [Count(*row) for row in rows]


def rule_hits(connection: Connection, tenant: str, now: Micros) -> list[RuleHits]:
    """Return how often each rule fired in the last 24 hours and 7 days of event time, most hits first."""
    rows = connection.execute(
        """
        SELECT rule, count(*) FILTER (WHERE acted AND at > %(day)s), count(*) FILTER (WHERE acted),
               count(*) FILTER (WHERE NOT acted AND at > %(day)s), count(*) FILTER (WHERE NOT acted)
        FROM (
            SELECT unnest(rules) AS rule, true AS acted, at FROM decision
            WHERE tenant = %(tenant)s AND at > %(week)s AND at <= %(now)s AND day >= %(first)s AND rules <> '{}'
            UNION ALL
            SELECT unnest(shadow), false, at FROM decision
            WHERE tenant = %(tenant)s AND at > %(week)s AND at <= %(now)s AND day >= %(first)s AND shadow <> '{}'
        ) AS hit
        GROUP BY rule ORDER BY 3 DESC, 5 DESC, 1
        """,
        {
            "tenant": tenant, "day": At(now - 24 * HOUR), "week": At(now - 168 * HOUR), "now": At(now),
            "first": date_of(now - 168 * HOUR),
        },
    )  # fmt: skip
    return [RuleHits(*row) for row in rows]


def case_counts(connection: Connection, tenant: str) -> list[CaseCount]:
    """Return how many cases there are by state, queue and severity."""
    rows = connection.execute(
        "SELECT state, queue, severity, count(*) FROM casework WHERE tenant = %s "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 DESC",
        (tenant,),
    )
    return [CaseCount(*row) for row in rows]


def standing_counts(connection: Connection, tenant: str) -> dict[str, int]:
    """Return how many accounts have each standing."""
    rows = connection.execute("SELECT standing, count(*) FROM account WHERE tenant = %s GROUP BY 1", (tenant,))
    return dict(rows.fetchall())


def related(
    connection: Connection, tenant: str, name: str, *, weak: Collection[str] = WEAK, hub: int = HUB, limit: int = 20
) -> list[Related]:
    """
    Return accounts that share entities with this one, strongest first.

    A shared entity of a weak type, or one that more than `hub` accounts share, relates nobody by itself; weak ones
    are listed where something else relates the two.
    """
    rows = connection.execute(
        """
        WITH mine AS (
            SELECT l.entity_type, l.entity, n.accounts
            FROM entity_link l CROSS JOIN LATERAL (
                SELECT count(*) AS accounts FROM (
                    SELECT 1 FROM entity_link o WHERE o.tenant = l.tenant AND o.entity_type = l.entity_type
                    AND o.entity = l.entity LIMIT %(hub)s + 1
                ) AS sharing
            ) AS n
            WHERE l.tenant = %(tenant)s AND l.account = %(account)s AND n.accounts BETWEEN 2 AND %(hub)s
        )
        SELECT o.account, coalesce(a.standing, ''), coalesce(a.worst, 'allow'),
               array_agg(o.entity_type ORDER BY m.accounts, o.entity_type, o.entity),
               array_agg(o.entity ORDER BY m.accounts, o.entity_type, o.entity),
               array_agg(m.accounts ORDER BY m.accounts, o.entity_type, o.entity),
               sum(CASE WHEN o.entity_type = ANY(%(weak)s) THEN 0 ELSE 1.0 / (m.accounts - 1) END)::float8 AS strength
        FROM mine m
        JOIN entity_link o ON o.tenant = %(tenant)s AND o.entity_type = m.entity_type AND o.entity = m.entity
            AND o.account <> %(account)s
        LEFT JOIN account a ON a.tenant = o.tenant AND a.account = o.account
        GROUP BY o.account, a.standing, a.worst
        HAVING bool_or(o.entity_type <> ALL(%(weak)s))
        ORDER BY strength DESC, o.account LIMIT %(limit)s
        """,
        {"tenant": tenant, "account": key(name), "weak": list(weak), "hub": hub, "limit": limit},
    )
    return [
        Related(other, standing, worst, strength, tuple(zip(types, entities, numbers, strict=True)))
        for other, standing, worst, types, entities, numbers, strength in rows
    ]
