"""
What the console shows, read in the shape of its pages. Writing lives elsewhere; nothing here changes anything.

Every function takes the tenant and filters by it. Times are Micros both ways. Pages go backwards in time by keyset:
the cursor is the place of the last row shown, so rows that arrive meanwhile move nothing.
"""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import msgspec
from psycopg.rows import class_row

from goodsend.kit.clock import DAY, Micros
from goodsend.kit.errors import NotFound
from goodsend.store import explore
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import clean, key
from goodsend.store.paging import place_of
from goodsend.store.partitions import date_of

_Row = TypeVar("_Row")


class Bucket(msgspec.Struct, frozen=True):
    """One step of time with the number of events per verdict."""

    at: Micros
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """Events of any verdict."""
        return sum(self.counts.values())


class AtRisk(msgspec.Struct, frozen=True):
    """An account with what was decided about it lately."""

    account: str
    standing: str | None
    severity: int
    stopped: int
    events: int
    last_at: Micros


class EventFilter(msgspec.Struct, frozen=True):
    """What a page of events is narrowed to; empty strings and None mean any."""

    kind: str = ""
    account: str = ""
    verdict: str = ""
    rule: str = ""
    since: Micros | None = None
    until: Micros | None = None


class EventLine(msgspec.Struct, frozen=True):
    """One event with its decision, as a line of a list, and why it came out so; None where no rule fired."""

    event_id: str
    kind: str
    account: str | None
    at: Micros
    verdict: str
    rules: tuple[str, ...]
    shadow: tuple[str, ...]
    reason: str | None


class EventPage(msgspec.Struct, frozen=True):
    """Lines, newest first, and the cursor of the next page; None at the end."""

    lines: list[EventLine]
    after: str | None


class Evidence(msgspec.Struct, frozen=True):
    """One event of a case. `verb` is opened or joined, `hits` those of its decision as plain JSON values."""

    verb: str
    event_id: str
    decision_id: str
    kind: str
    verdict: str
    at: Micros
    hits: list[dict[str, Any]]


class Found(msgspec.Struct, frozen=True):
    """One thing the palette found: what it is, its id, and a few words."""

    what: str
    id: str
    label: str


def _all(connection: Connection, kind: type[_Row], sql: str, parameters: Sequence[Any]) -> list[_Row]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(sql, parameters).fetchall()


def _one(connection: Connection, kind: type[_Row], sql: str, parameters: Sequence[Any]) -> _Row | None:
    found = _all(connection, kind, sql, parameters)
    return found[0] if found else None


def arrivals_over_time(connection: Connection, tenant: str, since: Micros, until: Micros, step: Micros) -> list[Bucket]:
    """Return one bucket per step of the time at which events were decided, over [since, until)."""
    rows = connection.execute(
        """SELECT (extract(epoch FROM decided_at) * 1000000)::bigint / %s AS bucket, 'all', count(*)
             FROM decision WHERE tenant = %s AND decided_at >= %s AND decided_at < %s AND day >= %s GROUP BY bucket""",
        [step, tenant, At(since), At(until), date_of(since - 2 * DAY)],
    ).fetchall()
    return _buckets(rows, since, until, step)


def _buckets(rows: Sequence[tuple[Any, ...]], since: Micros, until: Micros, step: Micros) -> list[Bucket]:
    """Return every step from since to until (not included), with what the rows (step, name, count) say of it."""
    counts: dict[int, dict[str, int]] = {}
    for bucket, name, many in rows:
        counts.setdefault(bucket, {})[name] = many
    return [Bucket(at * step, counts.get(at, {})) for at in range(since // step, (until - 1) // step + 1)]


def verdicts_over_time(
    connection: Connection, tenant: str, since: Micros, until: Micros, step: Micros, account: str | None = None
) -> list[Bucket]:
    """Return one bucket per step of event time over [since, until), empty ones included."""
    found = explore.verdicts_over(connection, tenant, since, until, step=step, account=account)
    return _buckets([(one.at // step, one.name, one.count) for one in found], since, until, step)


def hits_over_time(
    connection: Connection, tenant: str, since: Micros, until: Micros, step: Micros
) -> dict[str, list[int]]:
    """Return per rule its hits (acting or not) in each step of event time over [since, until)."""
    rows = connection.execute(
        """SELECT rule, (extract(epoch FROM at) * 1000000)::bigint / %s AS bucket, count(*)
             FROM (SELECT unnest(rules || shadow) AS rule, at FROM decision
                    WHERE tenant = %s AND at >= %s AND at < %s AND day BETWEEN %s AND %s
                      AND (rules <> '{}' OR shadow <> '{}')) AS hit
            GROUP BY rule, bucket""",
        [step, tenant, At(since), At(until), date_of(since), date_of(until)],
    ).fetchall()
    first, last = since // step, (until - 1) // step
    series: dict[str, list[int]] = {}
    for rule, bucket, many in rows:
        if first <= bucket <= last:
            series.setdefault(rule, [0] * (last - first + 1))[bucket - first] = many
    return series


def accounts_at_risk(
    connection: Connection, tenant: str, since: Micros, limit: int = 8, *, besides: Collection[str] = ()
) -> list[AtRisk]:
    """
    Return the accounts with the gravest decisions since a time of events, then those stopped most often.

    Events of the kinds in `besides` do not count: there it is a stranger who acts, and the account suffers it.
    """
    return _all(
        connection,
        AtRisk,
        """SELECT d.account, a.standing, max(d.severity) AS severity, max(d.at) AS last_at, count(*) AS events,
                  count(*) FILTER (WHERE d.verdict IN ('hold', 'reject')) AS stopped
             FROM decision d LEFT JOIN account a ON a.tenant = d.tenant AND a.account = d.account
            WHERE d.tenant = %s AND d.at >= %s AND d.day >= %s AND d.verdict <> 'allow' AND d.account IS NOT NULL
              AND d.kind <> ALL(%s)
            GROUP BY d.account, a.standing ORDER BY severity DESC, stopped DESC, last_at DESC, d.account LIMIT %s""",
        [tenant, At(since), date_of(since), list(besides), limit],
    )


def open_case_severities(connection: Connection, tenant: str) -> dict[int, int]:
    """Return severity → number of cases still being worked."""
    # Asked for every page, so over the index of open cases; `explore.case_counts` reads all that ever were.
    return dict(
        connection.execute(
            """SELECT severity, count(*) FROM casework
                WHERE tenant = %s AND state NOT IN ('decided', 'closed') GROUP BY severity""",
            [tenant],
        ).fetchall()
    )


def oldest_due(connection: Connection, tenant: str) -> Micros | None:
    """Return when the longest-waiting effect was asked for; None when none waits."""
    found = connection.execute(
        "SELECT min(created_at) FROM outbox WHERE tenant = %s AND state = 'due'", [tenant]
    ).fetchone()
    return found[0] if found else None


def events_page(
    connection: Connection, tenant: str, wanted: EventFilter, after: str | None = None, limit: int = 50
) -> EventPage:
    """
    Return a page of events, newest first. `after` is a cursor of an earlier page; one that cannot be read means the
    first page.
    """
    try:
        place_of(after, int, int)
    except NotFound:
        after = None
    found = explore.events(
        connection, tenant, kind=wanted.kind or None, account=wanted.account or None,
        verdicts=[wanted.verdict] if wanted.verdict else [], rule=wanted.rule or None, shadow=True,
        since=wanted.since, until=wanted.until, cursor=after, limit=limit,
    )  # fmt: skip
    reasons = _reasons(connection, tenant, found.items)
    lines = [
        EventLine(
            row.id, row.kind, row.account, row.at, row.verdict, row.rules, row.shadow, reasons.get(row.arrival)
        )
        for row in found.items
    ]  # fmt: skip
    return EventPage(lines, found.next)


def _reasons(connection: Connection, tenant: str, rows: Sequence[explore.EventRow]) -> dict[int, str]:
    """Return per arrival the reason of the gravest hit, acting ones first; events without a hit are absent."""
    told = [row for row in rows if row.rules or row.shadow]
    found = connection.execute(
        """SELECT d.arrival, (SELECT hit ->> 'reason' FROM jsonb_array_elements(d.body -> 'hits') AS hit
                               ORDER BY (hit ->> 'acts')::boolean DESC NULLS FIRST, (hit ->> 'severity')::int DESC
                               LIMIT 1)
             FROM decision d WHERE d.tenant = %s AND d.day = ANY(%s) AND d.arrival = ANY(%s)""",
        [tenant, list({date_of(row.at) for row in told}), [row.arrival for row in told]],
    )
    return dict(found.fetchall())


def cases_of_event(connection: Connection, tenant: str, event_id: str) -> list[str]:
    """Return the ids of the cases an event opened or joined, first one first."""
    rows = connection.execute(
        """SELECT case_id FROM case_step WHERE tenant = %s AND event_id = %s
            GROUP BY case_id ORDER BY min(step_id) LIMIT 20""",
        [tenant, clean(event_id)],
    )
    return [row[0] for row in rows]


def evidence_of(connection: Connection, tenant: str, case_id: str, limit: int = 50) -> list[Evidence]:
    """Return the events of a case, gravest first and newest among equals; the opening one is always there, last."""
    found = _all(
        connection,
        Evidence,
        """SELECT s.verb, s.event_id, d.decision_id, d.kind, d.verdict, d.at, d.body -> 'hits' AS hits
             FROM case_step s
             JOIN event_key k ON k.tenant = s.tenant AND k.event_id = s.event_id
             JOIN decision d ON d.tenant = k.tenant AND d.day = k.day AND d.arrival = k.arrival
            WHERE s.tenant = %s AND s.case_id = %s AND s.verb IN ('opened', 'joined')
            ORDER BY s.verb = 'opened' DESC, d.severity DESC, d.at DESC, s.step_id DESC LIMIT %s""",
        [tenant, case_id, limit],
    )
    return [*found[1:], *found[:1]]


def decisions_of(connection: Connection, tenant: str, case_id: str) -> list[str]:
    """Return the ids of all decisions that opened or joined a case, as far as its timeline holds them."""
    rows = connection.execute(
        """SELECT DISTINCT decision_id FROM case_step
            WHERE tenant = %s AND case_id = %s AND verb IN ('opened', 'joined') AND decision_id IS NOT NULL""",
        [tenant, case_id],
    )
    return [row[0] for row in rows]


def actions_of(connection: Connection, tenant: str, decisions: Sequence[str], limit: int = 30) -> list[str]:
    """Return the outbox ids of what these decisions asked for, newest first, one for each action and target."""
    rows = connection.execute(
        """SELECT DISTINCT ON (a ->> 'name', a ->> 'target') a ->> 'id', d.at
             FROM decision d CROSS JOIN jsonb_array_elements(d.body -> 'actions') AS a
            WHERE d.tenant = %s AND d.decision_id = ANY(%s)
            ORDER BY a ->> 'name', a ->> 'target', d.at DESC LIMIT %s""",
        [tenant, list(decisions), limit],
    ).fetchall()
    return [row[0] for row in sorted(rows, key=lambda row: row[1], reverse=True)]


def gravest_event_of(connection: Connection, tenant: str, case_id: str) -> str | None:
    """Return the id of a case's gravest event: by severity, one with content before one without, then the first."""
    found = connection.execute(
        """SELECT d.event_id FROM case_step s
             JOIN event_key k ON k.tenant = s.tenant AND k.event_id = s.event_id
             JOIN decision d ON d.tenant = k.tenant AND d.day = k.day AND d.arrival = k.arrival
             JOIN event e ON e.tenant = k.tenant AND e.day = k.day AND e.arrival = k.arrival
            WHERE s.tenant = %s AND s.case_id = %s AND s.verb IN ('opened', 'joined')
            ORDER BY d.severity DESC, e.content IS NULL, d.at, d.arrival LIMIT 1""",
        [tenant, case_id],
    ).fetchone()
    return found[0] if found else None


def open_cases_of(connection: Connection, tenant: str, accounts: Sequence[str]) -> dict[str, int]:
    """Return account → number of cases about it that are still being worked; accounts without any are absent."""
    return dict(
        connection.execute(
            """SELECT subject, count(*) FROM casework WHERE tenant = %s AND subject_type = 'account'
                  AND subject = ANY(%s) AND state NOT IN ('decided', 'closed') GROUP BY subject""",
            [tenant, list(accounts)],
        ).fetchall()
    )


def deliveries_of(connection: Connection, tenant: str, account: str, since: Micros) -> dict[str, int]:
    """
    Return what became of an account's messages since a time of events: event kind → messages (an event without
    `messages` stands for one). Bounces are counted apart as `message.bounced/hard` and so on by their class.
    """
    return dict(
        connection.execute(
            """SELECT CASE WHEN kind = 'message.bounced' THEN kind || '/' || coalesce(data ->> 'bounce_class', 'other')
                           ELSE kind END AS what,
                      sum(CASE WHEN jsonb_typeof(data -> 'messages') = 'number'
                               THEN (data ->> 'messages')::numeric ELSE 1 END)::bigint
                 FROM event WHERE tenant = %s AND account = %s AND at >= %s AND day >= %s
                  AND kind LIKE ANY (ARRAY['message.%%', 'sms.%%']) GROUP BY what""",
            [tenant, key(account), At(since), date_of(since)],
        ).fetchall()
    )


def find(connection: Connection, tenant: str, text: str, limit: int = 6) -> list[Found]:
    """Return accounts, cases and events whose id holds (events: begins with) this text; few of each."""
    text = clean(text)
    part = f"%{_like(text)}%"
    found = _all(
        connection,
        Found,
        """SELECT 'Account' AS what, account AS id, account || coalesce(' · ' || (profile ->> 'company'), '') AS label
             FROM account WHERE tenant = %s AND (account ILIKE %s OR profile ->> 'company' ILIKE %s)
            ORDER BY last_at DESC LIMIT %s""",
        [tenant, part, part, limit],
    )
    number = text.lstrip("#")
    found += _all(
        connection,
        Found,
        """SELECT 'Case' AS what, case_id AS id, '#' || number || ' ' || title AS label FROM casework
            WHERE tenant = %s AND (number::text = %s OR case_id LIKE %s OR title ILIKE %s)
            ORDER BY opened_at DESC LIMIT %s""",
        [tenant, number, f"{_like(text)}%", part, limit],
    )
    found += _all(
        connection,
        Found,
        """SELECT 'Event' AS what, event_id AS id, event_id AS label FROM event_key
            WHERE tenant = %s AND event_id >= %s AND event_id < %s ORDER BY event_id LIMIT %s""",
        [tenant, text, text + "\U0010fffd", limit],
    )
    if text.startswith("dec_"):
        found += _all(
            connection,
            Found,
            """SELECT 'Event' AS what, event_id AS id, event_id || ' (decision)' AS label FROM decision
                WHERE tenant = %s AND decision_id = %s LIMIT 1""",
            [tenant, text],
        )
    return found


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
