"""Cases: the queues, one case, and what people do with it. Which moves are allowed is the workflow's table."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from goodsend.cases.workflow import OUTCOMES
from goodsend.console import wording
from goodsend.console.contents import note_view, shown_content
from goodsend.console.desk import Asked, Desk, go, path_of, personal_texts
from goodsend.console.entry import Given
from goodsend.console.explained import fact_groups
from goodsend.console.masking import is_masked
from goodsend.decisions.actions import ActionKind
from goodsend.decisions.model import Action
from goodsend.kit.clock import Micros
from goodsend.kit.errors import Conflict, NotFound
from goodsend.kit.ids import derived_id
from goodsend.outreach.model import Notice
from goodsend.pack import Pack
from goodsend.standing.model import Move
from goodsend.store import accounts, audit, casework, explore, notices, outbox, views
from goodsend.store.casework import Case, Step
from goodsend.store.connection import Connection
from goodsend.store.members import Session

STATES: Final = (
    ("working", "To do"),
    ("mine", "Mine"),
    ("nobody", "Not taken"),
    ("decided", "Decided"),
    ("closed", "Closed"),
    ("all", "All"),
)
_WORKING: Final = ("open", "assigned", "waiting")
SORTS: Final = (("urgent", "Most urgent"), ("recent", "Last changed"))
NOTE_CHARS: Final = 4_000
ALONE: Final = 5
"""Hardest impact one person may ask for alone; beyond it (terminate) needs approval, which does not exist yet."""


class StoryStep(msgspec.Struct, frozen=True):
    """One line of a case's story. `times` counts evidence that joined in a row."""

    at: Micros
    verb: str
    actor: str
    event_id: str | None
    times: int = 1
    outcome: str = ""
    text: str = ""
    more: str = ""


@get("/cases", sync_to_thread=True, include_in_schema=False)
def show_cases(request: Asked, desk: Given) -> Response[bytes]:
    """The queues and the cases in them."""
    session: Session = request.scope["user"]
    tenant = session.member.tenant
    asked = {name: request.query_params.get(name, "")[:100] for name in ("queue", "state", "sort")}
    state = asked["state"] if asked["state"] in dict(STATES) else "working"
    sort = "recent" if asked["sort"] == "recent" else "urgent"
    cursor = request.query_params.get("after")
    states: tuple[str, ...] = _WORKING if state in ("working", "mine", "nobody") else (state,)
    with desk.pool.connection() as connection:
        page = casework.page(
            connection,
            tenant,
            states=() if state == "all" else states,
            queue=asked["queue"] or None,
            assignee=session.member.id if state == "mine" else "nobody" if state == "nobody" else None,
            order="recent" if sort == "recent" else "urgent",
            cursor=cursor,
        )
        counts = explore.case_counts(connection, tenant)
    totals: dict[str, int] = {}
    for found in counts:
        if found.state in _WORKING:
            totals[found.queue] = totals.get(found.queue, 0) + found.count

    def link(**but: str) -> str:
        chosen = {"queue": asked["queue"], "state": state, "sort": sort, **but}
        plain = {"queue": "", "state": "working", "sort": "urgent"}
        kept = {name: value for name, value in chosen.items() if value and value != plain.get(name)}
        return f"/cases?{urlencode(kept)}" if kept else "/cases"

    return desk.page(
        request,
        "cases.html",
        here="cases",
        cases=page.items,
        queues=desk.pack(session).triage.queues,
        queue=asked["queue"],
        queue_totals=totals,
        states=STATES,
        state=state,
        sorts=SORTS,
        sort=sort,
        link=link,
        older=link(after=page.next) if page.next else "",
        back=link() if cursor else "",
    )


@get("/cases/{case_id:str}", sync_to_thread=True, include_in_schema=False)
def show_case(request: Asked, desk: Given, case_id: FromPath[str]) -> Response[bytes]:
    """One case with its evidence and what can be done."""
    return _case_page(request, desk, case_id)


def _case_page(
    request: Asked, desk: Desk, case_id: str, *, conflict: str = "", problem: str = "", status: int = 200
) -> Response[bytes]:
    session: Session = request.scope["user"]
    tenant, pack = session.member.tenant, desk.pack(session)
    with desk.pool.connection() as connection:
        case = casework.one(connection, tenant, case_id)
        evidence = views.evidence_of(connection, tenant, case_id)
        gravest = views.gravest_event_of(connection, tenant, case_id)
        shown = explore.event(connection, tenant, gravest) if gravest else None
        steps = casework.timeline(connection, tenant, case_id)
        earlier = casework.page(connection, tenant, subject=(case.subject_type, case.subject), order="recent", limit=9)
        holder = case.subject if case.subject_type == "account" else shown.decision.account if shown else None
        account = explore.account(connection, tenant, holder) if holder else None
        decisions = views.decisions_of(connection, tenant, case_id)
        drafts = _hardest_first(notices.of_decisions(connection, tenant, decisions), pack)
        asked = _asked(connection, tenant, decisions, steps)
        digest = shown.event.content if shown else None
        content = shown_content(connection, session, digest, pack) if digest else None
        note_view(connection, session, content, desk.now(), {"case": case.id})
    masked = is_masked(session.member.role)
    facts = fact_groups(shown.facts, shown.event.kind, pack.catalog, masked) if shown else []
    acting = [hit for hit in shown.decision.hits if hit.acts] if shown else []
    hits = sorted(acting, key=lambda hit: -hit.severity)
    return desk.page(
        request,
        "case.html",
        status=status,
        here="cases",
        case=case,
        conflict=conflict,
        problem=problem,
        evidence=evidence,
        opening=evidence[-1] if evidence else None,
        shown=shown,
        hits=hits,
        likely=hits[0].policy if hits else case.policy,
        story=story(steps),
        others=[other for other in earlier.items if other.id != case.id],
        account=account,
        notices=drafts,
        asked=asked,
        content=content,
        facts=facts,
        facts_title="Facts of that event",
        facts_folded=True,
        facts_count=sum(group.total for group in facts),
        known_count=sum(group.known for group in facts),
        policy=pack.policies.get(case.policy),
        may_work=session.member.may("analyst"),
        mine=case.assignee == session.member.id,
        outcomes=OUTCOMES,
        labels=[("honest", "Honest use"), *((policy.id, policy.title) for policy in pack.policies.values())],
        possible=[kind for kind, _ in _possible(case, shown, pack)],
        secrets=tuple(personal_texts(shown.facts, pack.catalog)) if masked and shown else (),
    )


def _hardest_first(drafts: Sequence[tuple[Notice, str]], pack: Pack) -> list[tuple[Notice, str]]:
    """Return notices with those of the hardest actions first: a milder one may no longer be true."""
    impact = {
        template.id: max(pack.actions[action].impact for action in template.for_actions)
        for template in pack.outreach.templates.values()
    }
    return sorted(drafts, key=lambda draft: -impact.get(draft[0].template, 0))


def _asked(connection: Connection, tenant: str, decisions: Sequence[str], steps: Sequence[Step]) -> list[outbox.Entry]:
    """Return the effects asked for by people who worked the case, then those of its decisions: each action once."""
    ids = [step.body["id"] for step in reversed(steps) if step.verb == "action_asked" and "id" in step.body]
    ids += views.actions_of(connection, tenant, decisions)
    found: dict[tuple[str, str], outbox.Entry] = {}
    for outbox_id in ids:
        try:
            entry = outbox.one(connection, tenant, outbox_id)[0]
        except NotFound:  # an outbox row may be cleaned up earlier than its decision
            continue
        found.setdefault((entry.action, entry.target), entry)
    return list(found.values())


def story(steps: Sequence[Step]) -> list[StoryStep]:
    """Return the steps as lines; evidence that joined in a row becomes one."""
    lines: list[StoryStep] = []
    for step in steps:
        last = lines[-1] if lines else None
        if step.verb == "joined" and last is not None and last.verb == "joined":
            lines[-1] = msgspec.structs.replace(last, times=last.times + 1, at=max(last.at, step.at))
            continue
        body = step.body
        more = ""
        if step.verb == "decided":
            parts = [f"label: {str(body['label']).replace('_', ' ')}"] if body.get("label") else []
            more = "; ".join(parts)
        elif step.verb == "action_asked":
            more = f"{str(body.get('action', '')).replace('_', ' ')} for {body.get('target', '')}"
        elif step.verb == "assigned" and body.get("to") and body["to"] != step.actor:
            more = f"to {body['to']}"
        lines.append(
            StoryStep(
                step.at,
                step.verb,
                step.actor,
                step.event_id,
                outcome=str(body.get("outcome") or ""),
                text=str(body.get("text") or ""),
                more=more,
            )
        )  # fmt: skip
    return lines


def _possible(case: Case, shown: explore.EventDetail | None, pack: Pack) -> list[tuple[ActionKind, str]]:
    """Return the actions a person may ask for on this case, each with the key of what it is about, mildest first."""
    keys = {case.subject_type: case.subject}
    if shown is not None:
        for entity, field in pack.entity_fields.get(shown.event.kind, {}).items():
            value = shown.event.data.get(field)
            if isinstance(value, str):
                keys.setdefault(entity, value)
    found = [
        (kind, keys[kind.target]) for kind in pack.actions.values() if kind.target in keys and kind.impact <= ALONE
    ]
    return sorted(found, key=lambda pair: (pair[0].impact, pair[0].name))


@post("/cases/{case_id:str}", opt={"role": "analyst"}, sync_to_thread=True, include_in_schema=False, status_code=200)
def act_on_case(request: Asked, desk: Given, case_id: FromPath[str]) -> Response[Any]:
    """Take one step; the second of two people who act at once is told who was first."""
    form = request.state["form"]
    verb = str(form.get("verb", ""))
    note = str(form.get("note", "")).strip()[:NOTE_CHARS]
    version = str(form.get("version", ""))
    session: Session = request.scope["user"]
    if verb not in wording.VERBS or not version.isdecimal():
        return _case_page(request, desk, case_id, problem="The form was not complete.", status=400)
    if verb in ("noted", "asked", "answered", "decided", "reopened") and not note:
        return _case_page(request, desk, case_id, problem="A few words are needed for this step.", status=400)
    try:
        with desk.pool.connection() as connection:
            _act(connection, desk, session, case_id, verb, int(version), note, form)
    except Conflict as error:
        return _case_page(request, desk, case_id, conflict=f"{error}.", status=409)
    except ValueError as error:
        return _case_page(request, desk, case_id, problem=str(error), status=400)
    return go(f"/cases/{path_of(case_id)}", verb)


def _act(
    connection: Connection, desk: Desk, session: Session, case_id: str, verb: str, version: int, note: str, form: Any
) -> None:
    tenant, actor, at = session.member.tenant, session.member.login, desk.now()
    if verb == "noted":
        casework.note(connection, tenant, case_id, actor=actor, at=at, text=note)
    elif verb == "assigned":
        casework.assign(connection, tenant, case_id, version=version, actor=actor, at=at, assignee=session.member.id)
    elif verb == "released":
        casework.release(connection, tenant, case_id, version=version, actor=actor, at=at)
    elif verb == "asked":
        casework.ask(connection, tenant, case_id, version=version, actor=actor, at=at, text=note)
    elif verb == "answered":
        casework.answer(connection, tenant, case_id, version=version, actor=actor, at=at, text=note)
    elif verb == "closed":
        casework.close(connection, tenant, case_id, version=version, actor=actor, at=at)
    elif verb == "reopened":
        casework.reopen(connection, tenant, case_id, version=version, actor=actor, at=at, because=note)
    elif verb == "decided":
        _decide(connection, desk, session, case_id, version, note, form)
    else:
        raise ValueError(f"{verb} is not a step people take")


def _decide(
    connection: Connection, desk: Desk, session: Session, case_id: str, version: int, note: str, form: Any
) -> None:
    tenant, actor, at, pack = session.member.tenant, session.member.login, desk.now(), desk.pack(session)
    case = casework.one(connection, tenant, case_id)
    gravest = views.gravest_event_of(connection, tenant, case_id)
    shown = explore.event(connection, tenant, gravest) if gravest else None
    label = str(form.get("label", "")) or None
    if label is not None and label != "honest" and label not in pack.policies:
        raise ValueError("There is no such label.")
    wanted = str(form.get("action", ""))
    chosen = [(kind, target) for kind, target in _possible(case, shown, pack) if kind.name == wanted]
    if wanted and not chosen:
        raise ValueError("This action cannot be asked for on this case.")
    actions = [
        Action(
            derived_id("act", tenant, case_id, str(version), kind.name, target), kind.name, kind.target, target,
            dict(kind.params), case.policy, (),
        )
        for kind, target in chosen
    ]  # fmt: skip
    casework.decide(
        connection, tenant, case_id, version=version, actor=actor, at=at,
        outcome=str(form.get("outcome", "")), because=note, label=label, actions=actions,
    )  # fmt: skip
    for kind, target in chosen:
        if kind.standing is not None and kind.target == "account":
            _move(connection, tenant, target, kind.standing, note, actor, at)


def _move(connection: Connection, tenant: str, account: str, after: str, reason: str, actor: str, at: Micros) -> None:
    """Move the account to where the action puts it; a person may also move it back to a milder standing."""
    before = accounts.standings(connection, tenant, [account]).get(account)
    if before is None or before == after:
        return
    accounts.apply_moves(connection, tenant, [Move(account, before, after, at, reason, f"member:{actor}")])
    audit.append(connection, tenant, at, actor, "account.moved", account, {"before": before, "after": after})
