"""Cases, for reading. People work them in the console."""

from typing import Annotated, Any, Literal

from litestar import Response, get
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta, Struct

from goodsend.api.access import needs
from goodsend.api.context import Asked, access_of, database, masks_of, pack_of
from goodsend.api.describe import faults
from goodsend.api.masking import Masks
from goodsend.api.parameters import Cursor, Limit, checked_cursor
from goodsend.api.wire import Page, PolicyRef, Time, moment, policy_ref
from goodsend.kit.clock import format_time
from goodsend.pack import Pack
from goodsend.store import casework

State = Literal["open", "assigned", "waiting", "decided", "closed"]


class Assignee(Struct, frozen=True):
    """The member a case is given to."""

    login: str | None
    name: str | None


class CaseAnswer(Struct, frozen=True):
    """One case."""

    id: str
    number: Annotated[int, Meta(description="What people call it by.")]
    subject_type: Annotated[str, Meta(description="The type of entity it is about.", examples=["account"])]
    subject: str
    policy: PolicyRef
    severity: Annotated[int, Meta(description="1 (low) … 5 (grave).")]
    queue: str
    title: str
    state: State
    assignee: Assignee | None
    outcome: Annotated[str | None, Meta(description="confirmed, unfounded or unclear; null until it is decided.")]
    opened_at: Annotated[Time, Meta(description="The time of the event that opened it.")]
    updated_at: Time
    closed_at: Time | None
    events: Annotated[int, Meta(description="How many events joined it.")]
    version: Annotated[int, Meta(description="Grows with each act of a person.")]


class StepAnswer(Struct, frozen=True):
    """One step of a case."""

    at: Time
    verb: Annotated[str, Meta(examples=["opened", "joined", "assigned", "noted", "decided", "closed"])]
    actor: Annotated[str, Meta(description="`goodsend`, or a member's login.")]
    event_id: str | None
    decision_id: str | None
    body: dict[str, Any]


class CaseDetail(CaseAnswer, frozen=True):
    """One case with everything that happened to it, oldest first."""

    timeline: list[StepAnswer]


@get(
    "/v1/cases",
    guards=[needs("read")],
    operation_id="listCases",
    summary="List cases",
    description="By default every case, the gravest first and among those the oldest; `order=recent` by last change.",
    response_description="A page of cases.",
    responses=faults(404),
    tags=["Cases"],
    sync_to_thread=True,
)
def list_cases(
    request: Asked,
    in_state: Annotated[
        list[State] | None, QueryParameter(name="state", description="Only in these states; may be repeated.")
    ] = None,
    queue: Annotated[str | None, QueryParameter(description="Only of this queue.", max_length=200)] = None,
    account: Annotated[str | None, QueryParameter(description="Only about this account.", max_length=512)] = None,
    severity: Annotated[int, QueryParameter(description="Only of at least this severity.", ge=0, le=5)] = 0,
    order: Annotated[Literal["urgent", "recent"], QueryParameter(description="Which come first.")] = "urgent",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[Page[CaseAnswer]]:
    """Answer with one page."""
    with database(request) as connection:
        page = casework.page(
            connection,
            access_of(request).tenant,
            states=in_state or (),
            queue=queue,
            subject=("account", account) if account is not None else None,
            min_severity=severity,
            order=order,
            cursor=checked_cursor(cursor),
            limit=limit,
        )
    pack, masks = pack_of(request), masks_of(request)
    return Response(Page([CaseAnswer(**_columns(case, pack, masks)) for case in page.items], page.next))


@get(
    "/v1/cases/{case_id:str}",
    guards=[needs("read")],
    operation_id="readCase",
    summary="Read a case",
    description="One case with its timeline: the evidence that joined, notes, assignments, decisions.",
    response_description="The case.",
    responses=faults(404),
    tags=["Cases"],
    sync_to_thread=True,
)
def read_case(
    request: Asked, case_id: Annotated[str, PathParameter(description="The case's id, `case_…`.")]
) -> Response[CaseDetail]:
    """Answer with one case."""
    tenant = access_of(request).tenant
    with database(request) as connection:
        case = casework.one(connection, tenant, case_id)
        steps = casework.timeline(connection, tenant, case_id)
    masks = masks_of(request)
    timeline = [_step(step, case, masks) for step in steps]
    return Response(CaseDetail(**_columns(case, pack_of(request), masks), timeline=timeline))


def _columns(case: casework.Case, pack: Pack, masks: Masks) -> dict[str, Any]:
    assigned = case.assignee is not None
    return {
        "id": case.id,
        "number": case.number,
        "subject_type": case.subject_type,
        "subject": masks.entity(case.subject_type, case.subject),
        "policy": policy_ref(case.policy, pack),
        "severity": case.severity,
        "queue": case.queue,
        "title": masks.naming(case.title, case.subject_type, case.subject),
        "state": case.state,
        "assignee": Assignee(case.assignee_login, case.assignee_name) if assigned else None,
        "outcome": case.outcome,
        "opened_at": format_time(case.opened_at),
        "updated_at": format_time(case.updated_at),
        "closed_at": moment(case.closed_at),
        "events": case.events,
        "version": case.version,
    }


def _step(step: casework.Step, case: casework.Case, masks: Masks) -> StepAnswer:
    body = {
        name: masks.naming(value, case.subject_type, case.subject) if isinstance(value, str) else value
        for name, value in step.body.items()
    }
    return StepAnswer(format_time(step.at), step.verb, step.actor, step.event_id, step.decision_id, body)
