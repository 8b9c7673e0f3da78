"""
What the console shows, read in the shape of its pages. Writing lives elsewhere; nothing here changes anything.

Every function takes the tenant and filters by it. Times are Micros both ways. Pages go backwards in time by keyset:
the cursor is the place of the last row shown, so rows that arrive meanwhile move nothing.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from psycopg.rows import class_row

from goodsend.kit.clock import DAY, Micros, day_of
from goodsend.store.connection import At, Connection

_Row = TypeVar("_Row")


class Bucket(msgspec.Struct, frozen=True):
    """One step of time with the number of events per verdict."""

    at: Micros
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """Events of any verdict."""
        return sum(self.counts.values())


class RuleHits(msgspec.Struct, frozen=True):
    """How often a rule fired since a time: with effect, and recorded only."""

    rule: str
    acted: int
    shadowed: int
    last_at: Micros


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
    """One event with its decision, as a line of a list. `day` and `arrival` are its place in the log."""

    event_id: str
    kind: str
    channel: str | None
    account: str | None
    at: Micros
    arrival: int
    verdict: str
    severity: int
    rules: list[str]
    shadow: list[str]
    reason: str | None


class EventPage(msgspec.Struct, frozen=True):
    """Lines, newest first, and the cursor of the next page; None at the end."""

    lines: list[EventLine]
    after: str | None


class StoredEvent(msgspec.Struct, frozen=True):
    """One event with everything kept of it. `decision` is the Decision as plain JSON values, `facts` the row."""

    event_id: str
    kind: str
    channel: str | None
    account: str | None
    at: Micros
    received_at: Micros
    data: dict[str, Any]
    content: str | None
    facts: dict[str, Any]
    decision: dict[str, Any]
    decision_id: str
    decided_at: Micros
    verdict: str
    severity: int


class StoredContent(msgspec.Struct, frozen=True):
    """A content with its last scan as plain JSON values; None when it was never scanned."""

    digest: str
    media_type: str
    body: bytes
    scan: dict[str, Any] | None


class Evidence(msgspec.Struct, frozen=True):
    """One event of a case. `verb` is opened or joined, `hits` those of its decision as plain JSON values."""

    verb: str
    event_id: str
    decision_id: str
    kind: str
    verdict: str
    at: Micros
    hits: list[dict[str, Any]]


class AccountLine(msgspec.Struct, frozen=True):
    """One account as a line of a list; `cases` are those still being worked."""

    account: str
    standing: str
    standing_since: Micros
    first_at: Micros
    last_at: Micros
    events: int
    worst: str
    profile: dict[str, Any]
    cases: int


class Related(msgspec.Struct, frozen=True):
    """
    Another account that was seen with the same things. `shared` are (entity type, key) pairs, `strength` 0…1:
    1 minus the product of (1 − weight) over the shared things, each weakened by how many accounts have it.
    """

    account: str
    standing: str
    worst: str
    shared: list[tuple[str, str]]
    strength: float


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


def verdicts_over_time(
    connection: Connection, tenant: str, since: Micros, until: Micros, step: Micros, account: str | None = None
) -> list[Bucket]:
    """Return one bucket per step of event time over [since, until), empty ones included."""
    clause, more = ("AND account = %s", [account]) if account is not None else ("", [])
    rows = connection.execute(
        f"""SELECT (extract(epoch FROM at) * 1000000)::bigint / %s AS bucket, verdict, count(*)
              FROM decision WHERE tenant = %s AND at >= %s AND at < %s AND day BETWEEN %s AND %s {clause}
             GROUP BY bucket, verdict""",
        [step, tenant, At(since), At(until), day_of(since), day_of(until), *more],
    ).fetchall()
    return _buckets(rows, since, until, step)


def arrivals_over_time(connection: Connection, tenant: str, since: Micros, until: Micros, step: Micros) -> list[Bucket]:
    """Return one bucket per step of the time at which events were decided, over [since, until)."""
    rows = connection.execute(
        """SELECT (extract(epoch FROM decided_at) * 1000000)::bigint / %s AS bucket, 'all', count(*)
             FROM decision WHERE tenant = %s AND decided_at >= %s AND decided_at < %s AND day >= %s GROUP BY bucket""",
        [step, tenant, At(since), At(until), day_of(since - 2 * DAY)],
    ).fetchall()
    return _buckets(rows, since, until, step)


def _buckets(rows: Sequence[tuple[Any, ...]], since: Micros, until: Micros, step: Micros) -> list[Bucket]:
    counts: dict[int, dict[str, int]] = {}
    for bucket, name, many in rows:
        counts.setdefault(bucket, {})[name] = many
    first, last = since // step, (until - 1) // step
    return [Bucket(number * step, counts.get(number, {})) for number in range(first, last + 1)]


def hits_by_rule(connection: Connection, tenant: str, since: Micros) -> list[RuleHits]:
    """Return the rules that fired since a time of events, most often first."""
    return _all(
        connection,
        RuleHits,
        """SELECT rule, count(*) FILTER (WHERE acted) AS acted, count(*) FILTER (WHERE NOT acted) AS shadowed,
                  max(at) AS last_at
             FROM (SELECT unnest(rules) AS rule, TRUE AS acted, at FROM decision
                    WHERE tenant = %s AND at >= %s AND day >= %s AND rules <> '{}'
                   UNION ALL
                   SELECT unnest(shadow), FALSE, at FROM decision
                    WHERE tenant = %s AND at >= %s AND day >= %s AND shadow <> '{}') AS hit
            GROUP BY rule ORDER BY acted DESC, shadowed DESC, rule""",
        [tenant, At(since), day_of(since)] * 2,
    )


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
        [step, tenant, At(since), At(until), day_of(since), day_of(until)],
    ).fetchall()
    first, last = since // step, (until - 1) // step
    series: dict[str, list[int]] = {}
    for rule, bucket, many in rows:
        if first <= bucket <= last:
            series.setdefault(rule, [0] * (last - first + 1))[bucket - first] = many
    return series


def accounts_at_risk(connection: Connection, tenant: str, since: Micros, limit: int = 8) -> list[AtRisk]:
    """Return the accounts with the gravest decisions since a time of events, then those stopped most often."""
    return _all(
        connection,
        AtRisk,
        """SELECT d.account, a.standing, max(d.severity) AS severity, max(d.at) AS last_at, count(*) AS events,
                  count(*) FILTER (WHERE d.verdict IN ('hold', 'reject')) AS stopped
             FROM decision d LEFT JOIN account a ON a.tenant = d.tenant AND a.account = d.account
            WHERE d.tenant = %s AND d.at >= %s AND d.day >= %s AND d.verdict <> 'allow' AND d.account IS NOT NULL
            GROUP BY d.account, a.standing ORDER BY severity DESC, stopped DESC, last_at DESC, d.account LIMIT %s""",
        [tenant, At(since), day_of(since), limit],
    )


def open_case_severities(connection: Connection, tenant: str) -> dict[int, int]:
    """Return severity → number of cases still being worked."""
    return dict(
        connection.execute(
            """SELECT severity, count(*) FROM casework
                WHERE tenant = %s AND state NOT IN ('decided', 'closed') GROUP BY severity""",
            [tenant],
        ).fetchall()
    )


def case_counts(connection: Connection, tenant: str) -> dict[tuple[str, str], int]:
    """Return (queue, state) → number of cases."""
    rows = connection.execute(
        "SELECT queue, state, count(*) FROM casework WHERE tenant = %s GROUP BY queue, state", [tenant]
    ).fetchall()
    return {(queue, state): many for queue, state, many in rows}


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
    conditions = ["d.tenant = %s"]
    parameters: list[Any] = [tenant]
    for column, value in (("kind", wanted.kind), ("account", wanted.account), ("verdict", wanted.verdict)):
        if value:
            conditions.append(f"d.{column} = %s")
            parameters.append(value)
    if wanted.rule:
        conditions.append("(d.rules @> ARRAY[%s] OR d.shadow @> ARRAY[%s])")
        parameters += [wanted.rule, wanted.rule]
    if wanted.since is not None:
        conditions.append("d.at >= %s AND d.day >= %s")
        parameters += [At(wanted.since), day_of(wanted.since)]
    if wanted.until is not None:
        conditions.append("d.at < %s AND d.day <= %s")
        parameters += [At(wanted.until), day_of(wanted.until)]
    place = _read_cursor(after)
    if place is not None:
        conditions.append("(d.at, d.arrival) < (%s, %s)")
        parameters += [At(place[0]), place[1]]
    lines = _all(
        connection,
        EventLine,
        f"""SELECT d.event_id, d.kind, e.channel, d.account, d.at, d.arrival, d.verdict, d.severity, d.rules, d.shadow,
                   (SELECT hit ->> 'reason' FROM jsonb_array_elements(d.body -> 'hits') AS hit
                     ORDER BY (hit ->> 'acts')::boolean DESC NULLS FIRST, (hit ->> 'severity')::int DESC
                     LIMIT 1) AS reason
              FROM decision d JOIN event e ON e.tenant = d.tenant AND e.day = d.day AND e.arrival = d.arrival
             WHERE {" AND ".join(conditions)} ORDER BY d.at DESC, d.arrival DESC LIMIT %s""",
        [*parameters, limit + 1],
    )
    more = len(lines) > limit
    lines = lines[:limit]
    return EventPage(lines, f"{lines[-1].at}.{lines[-1].arrival}" if more else None)


def _read_cursor(text: str | None) -> tuple[int, int] | None:
    at, dot, arrival = (text or "").partition(".")
    if dot and at.lstrip("-").isdecimal() and arrival.isdecimal() and len(at) < 18 and len(arrival) < 18:
        return int(at), int(arrival)
    return None


def stored_event(connection: Connection, tenant: str, event_id: str) -> StoredEvent | None:
    """Return one event by its id, None when there is none."""
    return _one(
        connection,
        StoredEvent,
        """SELECT e.event_id, e.kind, e.channel, e.account, e.at, e.received_at, e.data, e.content, f.facts,
                  d.body AS decision, d.decision_id, d.decided_at, d.verdict, d.severity
             FROM event_key k
             JOIN event e ON e.tenant = k.tenant AND e.day = k.day AND e.arrival = k.arrival
             JOIN fact f ON f.tenant = k.tenant AND f.day = k.day AND f.arrival = k.arrival
             JOIN decision d ON d.tenant = k.tenant AND d.day = k.day AND d.arrival = k.arrival
            WHERE k.tenant = %s AND k.event_id = %s""",
        [tenant, event_id],
    )


def event_of_decision(connection: Connection, tenant: str, decision_id: str) -> str | None:
    """Return the id of the event a decision answers, None when there is no such decision."""
    found = connection.execute(
        "SELECT event_id FROM decision WHERE tenant = %s AND decision_id = %s", [tenant, decision_id]
    ).fetchone()
    return found[0] if found else None


def stored_content(connection: Connection, tenant: str, digest: str) -> StoredContent | None:
    """Return a content with its last scan, None when it is not kept."""
    return _one(
        connection,
        StoredContent,
        """SELECT c.digest, c.media_type, c.body, s.body AS scan
             FROM content c LEFT JOIN scan s ON s.tenant = c.tenant AND s.digest = c.digest
            WHERE c.tenant = %s AND c.digest = %s""",
        [tenant, digest],
    )


def cases_of_event(connection: Connection, tenant: str, event_id: str) -> list[str]:
    """Return the ids of the cases an event opened or joined, first one first."""
    rows = connection.execute(
        """SELECT case_id FROM case_step WHERE tenant = %s AND event_id = %s
            GROUP BY case_id ORDER BY min(step_id) LIMIT 20""",
        [tenant, event_id],
    )
    return [row[0] for row in rows]


def evidence_of(connection: Connection, tenant: str, case_id: str, limit: int = 50) -> list[Evidence]:
    """Return the events of a case, newest first, the opening one always among them (last)."""
    found = _all(
        connection,
        Evidence,
        """SELECT s.verb, s.event_id, d.decision_id, d.kind, d.verdict, d.at, d.body -> 'hits' AS hits
             FROM case_step s
             JOIN event_key k ON k.tenant = s.tenant AND k.event_id = s.event_id
             JOIN decision d ON d.tenant = k.tenant AND d.day = k.day AND d.arrival = k.arrival
            WHERE s.tenant = %s AND s.case_id = %s AND s.verb IN ('opened', 'joined')
            ORDER BY s.verb = 'opened', d.at DESC, s.step_id DESC""",
        [tenant, case_id],
    )
    return found if len(found) <= limit else [*found[: limit - 1], found[-1]]


_ACCOUNT = """SELECT a.account, a.standing, a.standing_since, a.first_at, a.last_at, a.events, a.worst, a.profile,
                     (SELECT count(*) FROM casework c WHERE c.tenant = a.tenant AND c.subject_type = 'account'
                         AND c.subject = a.account AND c.state NOT IN ('decided', 'closed')) AS cases
                FROM account a"""


def accounts_page(
    connection: Connection, tenant: str, *, search: str = "", standing: str = "", skip: int = 0, limit: int = 50
) -> list[AccountLine]:
    """Return accounts, last seen first; `search` is part of the id or of the profile (company, domain, address …)."""
    conditions = ["a.tenant = %s"]
    parameters: list[Any] = [tenant]
    if search:
        conditions.append("(a.account ILIKE %s OR a.profile::text ILIKE %s)")
        parameters += [f"%{_like(search)}%"] * 2
    if standing:
        conditions.append("a.standing = %s")
        parameters.append(standing)
    return _all(
        connection,
        AccountLine,
        f"{_ACCOUNT} WHERE {' AND '.join(conditions)} ORDER BY a.last_at DESC, a.account LIMIT %s OFFSET %s",
        [*parameters, limit, skip],
    )


def standing_counts(connection: Connection, tenant: str) -> dict[str, int]:
    """Return standing → number of accounts."""
    return dict(
        connection.execute(
            "SELECT standing, count(*) FROM account WHERE tenant = %s GROUP BY standing", [tenant]
        ).fetchall()
    )


def one_account(connection: Connection, tenant: str, account: str) -> AccountLine | None:
    """Return one account, None when it was never seen."""
    return _one(connection, AccountLine, f"{_ACCOUNT} WHERE a.tenant = %s AND a.account = %s", [tenant, account])


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
            [tenant, account, At(since), day_of(since)],
        ).fetchall()
    )


LINK_WEIGHTS = {"card": 0.9, "device": 0.8, "domain": 0.7, "phone": 0.7, "email": 0.7, "key": 0.6, "user": 0.5}
"""How telling it is that two accounts share a thing of this type, 0…1; types that are not here (a network address,
a recipient) say too little alone. Own starting values."""


def related_accounts(connection: Connection, tenant: str, account: str, limit: int = 12) -> list[Related]:
    """
    Return the accounts that share telling things with this one, strongest first.

    A thing that many accounts have is weak: its weight is divided by the number of others that have it, and one that
    more than 50 have says nothing.
    """
    rows = connection.execute(
        """WITH mine AS (
             SELECT entity_type, entity FROM entity_link
              WHERE tenant = %s AND account = %s AND entity_type = ANY(%s) LIMIT 500),
           spread AS (
             SELECT m.entity_type, m.entity, (SELECT count(*) FROM (SELECT 1 FROM entity_link l WHERE l.tenant = %s
                    AND l.entity_type = m.entity_type AND l.entity = m.entity LIMIT 52) AS few) AS holders
               FROM mine m)
           SELECT l.account, a.standing, a.worst, s.entity_type, s.entity, s.holders
             FROM spread s
             JOIN entity_link l ON l.tenant = %s AND l.entity_type = s.entity_type AND l.entity = s.entity
             JOIN account a ON a.tenant = l.tenant AND a.account = l.account
            WHERE l.account <> %s AND s.holders BETWEEN 2 AND 51
            ORDER BY l.account, s.entity_type, s.entity LIMIT 2000""",
        [tenant, account, list(LINK_WEIGHTS), tenant, tenant, account],
    ).fetchall()
    shared: dict[str, list[tuple[str, str]]] = {}
    apart: dict[str, float] = {}
    known: dict[str, tuple[str, str]] = {}
    for other, standing, worst, entity_type, entity, holders in rows:
        known[other] = (standing, worst)
        shared.setdefault(other, []).append((entity_type, entity))
        apart[other] = apart.get(other, 1.0) * (1 - LINK_WEIGHTS[entity_type] / (holders - 1))
    found = [Related(name, *known[name], shared[name], 1 - apart[name]) for name in shared]
    return sorted(found, key=lambda one: (-one.strength, one.account))[:limit]


def find(connection: Connection, tenant: str, text: str, limit: int = 6) -> list[Found]:
    """Return accounts, cases and events whose id holds (events: begins with) this text; few of each."""
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
        [tenant, text, text + "\U0010ffff", limit],
    )
    if text.startswith("dec_"):
        event_id = event_of_decision(connection, tenant, text)
        if event_id is not None:
            found.append(Found("Event", event_id, f"{event_id} (decision)"))
    return found


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
