"""
Cases as they are kept: opened and joined by triage, worked by people, each step on a timeline.

Which moves are allowed is the table in `cases/workflow.py`. What evidence joins does not change a case's version; what
people do does, so that the second of two who act at once is told about the first.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec

from goodsend.cases.model import CaseChange, OpenCase
from goodsend.cases.workflow import OUTCOMES, is_allowed
from goodsend.decisions.model import Action
from goodsend.kit.clock import Micros, format_time
from goodsend.kit.errors import Conflict, NotFound
from goodsend.store import audit, outbox
from goodsend.store.connection import Asked, At, Connection, TextArray
from goodsend.store.jsonable import clean, encode, key
from goodsend.store.paging import Page, bounded, page_of, place_of

SYSTEM = "goodsend"
"""The actor of steps that no person took."""

JOINS_SHOWN = 500
"""Joined events that get a step of their own; of a flood the rest is only counted. Own starting value."""


class Case(msgspec.Struct, frozen=True):
    """One case. `opened_at` is event time; `assignee` a member id, `assignee_login` and `assignee_name` who that is."""

    id: str
    number: int
    subject_type: str
    subject: str
    policy: str
    severity: int
    queue: str
    title: str
    state: str
    assignee: int | None
    assignee_login: str | None
    assignee_name: str | None
    outcome: str | None
    opened_at: Micros
    updated_at: Micros
    closed_at: Micros | None
    events: int
    version: int


class Step(msgspec.Struct, frozen=True):
    """One step of the timeline. `actor` is `goodsend` or a login; `body` depends on the verb (text, outcome, to …)."""

    id: int
    at: Micros
    verb: str
    actor: str
    event_id: str | None
    decision_id: str | None
    body: dict[str, Any]


class Label(msgspec.Struct, frozen=True):
    """A human verdict about a subject; `certainty` is `confirmed` or `suspected`."""

    subject_type: str
    subject: str
    label: str
    certainty: str
    by: str
    case_id: str | None
    at: Micros


_FIELDS = (
    "c.case_id, c.number, c.subject_type, c.subject, c.policy, c.severity, c.queue, c.title, c.state, c.assignee, "
    "m.login, m.name, c.outcome, c.opened_at, c.updated_at, c.closed_at, c.events, c.version"
)
_FROM = "casework c LEFT JOIN member m ON m.member_id = c.assignee AND m.tenant = c.tenant"


def ask_open_cases(
    connection: Connection, tenant: str, subjects: Collection[tuple[str, str]], *, locked: bool = True
) -> Asked[list[OpenCase]]:
    """
    Ask for the cases about these (type, key) subjects that are still worked, at most one a subject.

    When `locked`, they are until the transaction ends, so nobody decides a case while evidence joins it.
    """
    pairs = list(subjects)
    named = {(type_, key(subject)): subject for type_, subject in pairs}
    cursor = connection.execute(
        "SELECT c.case_id, c.subject_type, c.subject, c.policy, c.severity, c.queue "
        "FROM casework c JOIN unnest(%s::text[], %s::text[]) AS wanted (subject_type, subject) "
        "USING (subject_type, subject) "
        "WHERE c.tenant = %s AND c.state NOT IN ('decided', 'closed') "
        "ORDER BY c.number DESC" + (" FOR NO KEY UPDATE OF c" if locked else ""),
        (TextArray([type_ for type_, _ in named]), TextArray([subject for _, subject in named]), tenant),
        prepare=True,
    )

    def answer() -> list[OpenCase]:
        found = {(row[1], row[2]): OpenCase(row[0], row[1], named[row[1], row[2]], *row[3:]) for row in cursor}
        return list(found.values())

    return answer


def open_cases(connection: Connection, tenant: str, subjects: Collection[tuple[str, str]]) -> list[OpenCase]:
    """
    Return the cases about these (type, key) subjects that are still worked, at most one a subject.

    They are locked until the transaction ends, so nobody decides a case while evidence joins it.
    """
    return ask_open_cases(connection, tenant, subjects)()


def apply_changes(connection: Connection, tenant: str, changes: Sequence[CaseChange], now: Micros) -> None:
    """Open and join cases as triage asked; opening one that is there already joins it."""
    opened = _open(connection, tenant, [change for change in changes if change.opens], now)
    joins = [change for change in changes if change.id not in opened or opened[change.id] is not change]
    if not joins:
        return
    counted: dict[str, list[CaseChange]] = {}
    for change in joins:
        counted.setdefault(change.id, []).append(change)
    before: dict[str, int] = dict(
        connection.execute(
            "SELECT case_id, events FROM casework WHERE tenant = %s AND case_id = ANY(%s)", (tenant, list(counted))
        ).fetchall()
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE casework SET events = events + %s, severity = greatest(severity, %s), updated_at = %s "
            "WHERE tenant = %s AND case_id = %s",
            [(len(some), max(c.severity for c in some), At(now), tenant, id_) for id_, some in counted.items()],
        )
        cursor.executemany(
            "UPDATE casework SET policy = %s, queue = %s, title = %s WHERE tenant = %s AND case_id = %s",
            [
                (lead.policy, lead.queue, clean(lead.title), tenant, id_)
                for id_, some in counted.items()
                if (lead := next((change for change in reversed(some) if change.leads), None)) is not None
            ],
        )
    steps = [
        _evidence(change, "joined")
        for id_, some in counted.items()
        for change in some[: max(0, JOINS_SHOWN - before.get(id_, 0))]
    ]
    _add_steps(connection, tenant, steps)


def _open(connection: Connection, tenant: str, changes: Sequence[CaseChange], now: Micros) -> dict[str, CaseChange]:
    """Insert new cases and return those by id, with the change that opened each."""
    opened: dict[str, CaseChange] = {}
    for change in changes:
        made = connection.execute(
            "INSERT INTO casework (tenant, case_id, subject_type, subject, policy, severity, queue, title, state, "
            "opened_at, updated_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'open', %s, %s) "
            "ON CONFLICT DO NOTHING RETURNING 1",
            (
                tenant, change.id, change.subject_type, key(change.subject), change.policy, change.severity,
                change.queue, clean(change.title), At(change.at), At(now),
            ),
        ).fetchone()  # fmt: skip
        if made:
            opened[change.id] = change
    _add_steps(connection, tenant, [_evidence(change, "opened") for change in opened.values()])
    return opened


def _evidence(change: CaseChange, verb: str) -> tuple[Any, ...]:
    body = {"severity": change.severity, "policy": change.policy, "title": change.title}
    return change.id, change.at, verb, SYSTEM, clean(change.event_id), change.decision_id, body


def _add_steps(connection: Connection, tenant: str, steps: Sequence[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO case_step (tenant, case_id, at, verb, actor, event_id, decision_id, body) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [(tenant, id_, At(at), *rest, encode(body)) for id_, at, *rest, body in steps],
        )


def assign(
    connection: Connection, tenant: str, case_id: str, *, version: int, actor: str, at: Micros, assignee: int
) -> Case:
    """Give a case to a member of the tenant. Raises NotFound, Conflict."""
    row = connection.execute(
        "SELECT login FROM member WHERE tenant = %s AND member_id = %s AND active", (tenant, assignee)
    ).fetchone()
    if row is None:
        raise NotFound("there is no such member")
    return _move(
        connection, tenant, case_id, "assigned", "assigned", version=version, actor=actor, at=at,
        body={"to": row[0]}, assignee=assignee,
    )  # fmt: skip


def release(connection: Connection, tenant: str, case_id: str, *, version: int, actor: str, at: Micros) -> Case:
    """Put a case back into its queue. Raises NotFound, Conflict."""
    return _move(connection, tenant, case_id, "released", "open", version=version, actor=actor, at=at, assignee=None)


def ask(connection: Connection, tenant: str, case_id: str, *, version: int, actor: str, at: Micros, text: str) -> Case:
    """Let a case wait for the customer's answer to this question. Raises NotFound, Conflict."""
    body = {"text": text}
    return _move(connection, tenant, case_id, "asked", "waiting", version=version, actor=actor, at=at, body=body)


def answer(
    connection: Connection, tenant: str, case_id: str, *, version: int, actor: str, at: Micros, text: str
) -> Case:
    """Record the customer's answer; the case goes back to who had it, else to its queue. Raises NotFound, Conflict."""
    found = one(connection, tenant, case_id)
    after = "open" if found.assignee is None else "assigned"
    body = {"text": text}
    return _move(connection, tenant, case_id, "answered", after, version=version, actor=actor, at=at, body=body)


def decide(
    connection: Connection, tenant: str, case_id: str, *, version: int, actor: str, at: Micros, outcome: str,
    because: str, label: str | None = None, actions: Sequence[Action] = (),
) -> Case:  # fmt: skip
    """
    Decide a case: `outcome` is one of OUTCOMES, `because` the reason in words.

    `label` is recorded about the subject, `actions` go to the outbox, all in the caller's transaction. Raises
    NotFound, Conflict, and ValueError for an outcome that is none.
    """
    if outcome not in OUTCOMES:
        raise ValueError(f"{outcome!r} is not one of {', '.join(OUTCOMES)}")
    body = {"outcome": outcome, "text": because, "label": label, "actions": [action.name for action in actions]}
    case = _move(
        connection, tenant, case_id, "decided", "decided", version=version, actor=actor, at=at, body=body,
        outcome=outcome,
    )  # fmt: skip
    if label is not None:
        connection.execute(
            "INSERT INTO label (tenant, subject_type, subject, label, certainty, by, case_id, at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                tenant, case.subject_type, case.subject, clean(label),
                "suspected" if outcome == "unclear" else "confirmed", clean(actor), case_id, At(at),
            ),
        )  # fmt: skip
    outbox.put(
        connection, tenant,
        [
            (action, {
                "params": action.params, "policy": action.policy, "because": action.because,
                "case": case_id, "by": actor,
                "account": case.subject if case.subject_type == "account" else None,
            })
            for action in actions
        ],
        at,
    )  # fmt: skip
    steps = [
        (case_id, at, "action_asked", clean(actor), None, None,
         {"action": action.name, "id": action.id, "target": action.target})
        for action in actions
    ]  # fmt: skip
    _add_steps(connection, tenant, steps)
    return case


def close(connection: Connection, tenant: str, case_id: str, *, version: int, actor: str, at: Micros) -> Case:
    """Close a decided case. Raises NotFound, Conflict."""
    return _move(connection, tenant, case_id, "closed", "closed", version=version, actor=actor, at=at, closed_at=at)


def reopen(
    connection: Connection, tenant: str, case_id: str, *, version: int, actor: str, at: Micros, because: str
) -> Case:
    """
    Take a decided or closed case up again. Raises NotFound, Conflict (also when its subject has a newer open case).
    """
    found = one(connection, tenant, case_id)
    newer = open_cases(connection, tenant, [(found.subject_type, found.subject)])
    if newer and newer[0].id != case_id:
        raise Conflict(f"{found.subject_type} {found.subject} has another open case already: {newer[0].id}")
    return _move(
        connection, tenant, case_id, "reopened", "open", version=version, actor=actor, at=at,
        body={"text": because}, outcome=None, closed_at=None, assignee=None,
    )  # fmt: skip


def note(connection: Connection, tenant: str, case_id: str, *, actor: str, at: Micros, text: str) -> None:
    """Add a note; notes never collide. Raises NotFound."""
    one(connection, tenant, case_id)
    _add_steps(connection, tenant, [(case_id, at, "noted", clean(actor), None, None, {"text": text})])
    audit.append(connection, tenant, at, actor, "case.noted", case_id, {"chars": len(text)})


_UNCHANGED: Any = object()


def _move(
    connection: Connection, tenant: str, case_id: str, verb: str, after: str, *, version: int, actor: str, at: Micros,
    body: Mapping[str, object] | None = None, assignee: int | None = _UNCHANGED, outcome: str | None = _UNCHANGED,
    closed_at: Micros | None = _UNCHANGED,
) -> Case:  # fmt: skip
    row = connection.execute(
        "SELECT state, version FROM casework WHERE tenant = %s AND case_id = %s FOR UPDATE", (tenant, case_id)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no case {case_id!r}")
    if row[1] != version:
        raise Conflict(_who_was_first(connection, tenant, case_id))
    if not is_allowed(verb, row[0], after):
        raise Conflict(f"the case is {row[0]}: it cannot be {verb}")
    changes: dict[str, object] = {"state": after, "updated_at": At(at)}
    if assignee is not _UNCHANGED:
        changes["assignee"] = assignee
    if outcome is not _UNCHANGED:
        changes["outcome"] = outcome
    if closed_at is not _UNCHANGED:
        changes["closed_at"] = At.of(closed_at)
    connection.execute(
        f"UPDATE casework SET version = version + 1, {', '.join(f'{name} = %s' for name in changes)} "
        "WHERE tenant = %s AND case_id = %s",
        (*changes.values(), tenant, case_id),
    )
    _add_steps(connection, tenant, [(case_id, at, verb, clean(actor), None, None, dict(body or {}))])
    audit.append(connection, tenant, at, actor, f"case.{verb}", case_id, dict(body or {}))
    return one(connection, tenant, case_id)


def _who_was_first(connection: Connection, tenant: str, case_id: str) -> str:
    row = connection.execute(
        "SELECT actor, verb, at FROM case_step WHERE tenant = %s AND case_id = %s "
        "AND verb NOT IN ('joined', 'noted', 'action_asked', 'notice_drafted') ORDER BY step_id DESC LIMIT 1",
        (tenant, case_id),
    ).fetchone()
    return f"{row[0]} {row[1]} this case at {format_time(row[2])}" if row else "the case was changed meanwhile"


def one(connection: Connection, tenant: str, case_id: str) -> Case:
    """Return a case. Raises NotFound."""
    row = connection.execute(
        f"SELECT {_FIELDS} FROM {_FROM} WHERE c.tenant = %s AND c.case_id = %s", (tenant, case_id)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no case {case_id!r}")
    return Case(*row)


def by_number(connection: Connection, tenant: str, number: int) -> Case:
    """Return the case with the number people call it by. Raises NotFound."""
    row = connection.execute(
        f"SELECT {_FIELDS} FROM {_FROM} WHERE c.tenant = %s AND c.number = %s", (tenant, number)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no case {number}")
    return Case(*row)


def timeline(connection: Connection, tenant: str, case_id: str) -> list[Step]:
    """Return the steps of a case in their order."""
    rows = connection.execute(
        "SELECT step_id, at, verb, actor, event_id, decision_id, body FROM case_step "
        "WHERE tenant = %s AND case_id = %s ORDER BY step_id",
        (tenant, case_id),
    )
    return [Step(*row) for row in rows]


def labels_of(connection: Connection, tenant: str, subject_type: str, subject: str) -> list[Label]:
    """Return what people said about a subject, latest first."""
    rows = connection.execute(
        "SELECT subject_type, subject, label, certainty, by, case_id, at FROM label "
        "WHERE tenant = %s AND subject_type = %s AND subject = %s ORDER BY label_id DESC",
        (tenant, subject_type, key(subject)),
    )
    return [Label(*row) for row in rows]


def page(
    connection: Connection, tenant: str, *, states: Collection[str] = (), queue: str | None = None,
    assignee: int | Literal["nobody"] | None = None, min_severity: int = 0, subject: tuple[str, str] | None = None,
    text: str | None = None, order: Literal["urgent", "recent"] = "urgent", cursor: str | None = None, limit: int = 50,
) -> Page[Case]:  # fmt: skip
    """
    Return cases; no states means every state.

    `urgent` puts the gravest first and among those the oldest, `recent` what changed last. `text` is looked for in
    titles, subjects and ids. A cursor belongs to the order it was made in.
    """
    limit = bounded(limit)
    place = place_of(cursor, int, int, int) if order == "urgent" else place_of(cursor, int, int)
    sign = "-c.severity, c.opened_at, c.number" if order == "urgent" else "c.updated_at, c.number"
    given: dict[str, object] = {
        "tenant": tenant, "states": list(states), "queue": queue, "severity": min_severity, "limit": limit + 1,
        "assignee": assignee if isinstance(assignee, int) else None, "nobody": assignee == "nobody",
        "type": subject[0] if subject else None, "subject": key(subject[1]) if subject else None,
        "text": None if not text else "%" + _escaped(clean(text)) + "%",
    }  # fmt: skip
    after = ""
    if place and order == "urgent":
        given |= {"p0": place[0], "p1": At(place[1]), "p2": place[2]}
        after = f"AND ({sign}) > (%(p0)s, %(p1)s, %(p2)s) "
    elif place:
        given |= {"p0": At(place[0]), "p1": place[1]}
        after = f"AND ({sign}) < (%(p0)s, %(p1)s) "
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM {_FROM} WHERE c.tenant = %(tenant)s "
        "AND (cardinality(%(states)s::text[]) = 0 OR c.state = ANY(%(states)s)) "
        "AND (%(queue)s::text IS NULL OR c.queue = %(queue)s) AND c.severity >= %(severity)s "
        "AND (%(assignee)s::bigint IS NULL OR c.assignee = %(assignee)s) "
        "AND (NOT %(nobody)s OR c.assignee IS NULL) "
        "AND (%(type)s::text IS NULL OR (c.subject_type, c.subject) = (%(type)s, %(subject)s)) "
        "AND (%(text)s::text IS NULL OR c.title ILIKE %(text)s OR c.subject ILIKE %(text)s "
        "     OR c.case_id ILIKE %(text)s OR c.number::text ILIKE %(text)s) "
        f"{after}ORDER BY {sign if order == 'urgent' else 'c.updated_at DESC, c.number DESC'} LIMIT %(limit)s",
        given,
    ).fetchall()
    items = [Case(*row) for row in rows]
    if not items:
        return Page([])
    last = items[min(limit, len(items)) - 1]
    if order == "urgent":
        return page_of(items, limit, -last.severity, last.opened_at, last.number)
    return page_of(items, limit, last.updated_at, last.number)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
