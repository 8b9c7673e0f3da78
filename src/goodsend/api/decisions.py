"""One event in, its decision out, while the client waits; and decisions, for reading."""

import asyncio
from typing import Annotated

from litestar import Response, get, post
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta, Struct

from goodsend.api.access import needs
from goodsend.api.answers import decision_answer, sync_decision
from goodsend.api.bodies import read_one
from goodsend.api.context import Asked, access_of, content_body_bytes, database, decide, masks_of, pack_of
from goodsend.api.describe import EVENT_BODY, faults
from goodsend.api.parameters import Cursor, Limit, Since, Until, checked_cursor, time_of
from goodsend.api.problems import Refused
from goodsend.api.wire import DecisionAnswer, Page, SyncDecision, Time, VerdictName, verdict_name
from goodsend.facts import Facts
from goodsend.handle import Answer
from goodsend.kit.clock import format_time
from goodsend.kit.errors import Rejection
from goodsend.store import explore

SCOPE = "decisions:write"


class DecisionItem(Struct, frozen=True):
    """One decision, in short."""

    id: str
    event_id: str
    kind: str
    account: str | None
    at: Annotated[Time, Meta(description="When the event happened.")]
    decided_at: Time
    verdict: VerdictName
    severity: int
    points: float
    rules: Annotated[list[str], Meta(description="Rules that fired and acted.")]
    shadow: Annotated[list[str], Meta(description="Rules that fired without effect.")]


@post(
    "/v1/decisions",
    guards=[needs(SCOPE)],
    status_code=200,
    operation_id="decide",
    operation_class=EVENT_BODY,
    summary="Send one event and get its decision",
    description=(
        "Takes one event and answers with the whole decision: the verdict, the rules that fired with the values they "
        "saw, the actions, what was not known, and the versions that took part. When this answers, event and decision "
        "are stored. Sending the same event again gives the earlier decision with `duplicate: true`."
    ),
    response_description="The decision.",
    responses=faults(400, 409, 413, 415, 422, 429),
    tags=["Decisions"],
)
async def decide_event(
    request: Asked,
    facts: Annotated[bool, QueryParameter(description="Answer with everything known about the event, too.")] = False,
) -> Response[SyncDecision]:
    """Hand one event to the engine and answer with its decision."""
    return Response(await decided(request, with_facts=facts))


async def decided(request: Asked, *, with_facts: bool) -> SyncDecision:
    """Hand the event of a request to the engine and return its decision. Raises Refused, Busy, Retryable."""
    body = await read_one(request, content_body_bytes(request))
    answer = (await decide(request, [body]))[0]
    if answer.rejection is not None:
        raise _refused(answer.rejection)
    if answer.decision is None:
        raise LookupError(f"no decision for event {answer.event_id}")
    return sync_decision(
        answer.decision,
        pack_of(request),
        masks_of(request),
        duplicate=answer.status == "duplicate",
        facts=await _facts(request, answer) if with_facts else None,
    )


async def _facts(request: Asked, answer: Answer) -> Facts:
    """Return the facts of a decided event: those at hand, or for one decided earlier those in the store."""
    if answer.outcome is not None:
        return answer.outcome.facts
    return await asyncio.to_thread(_stored_facts, request, str(answer.event_id))


def _stored_facts(request: Asked, event_id: str) -> Facts:
    with database(request) as connection:
        return explore.event(connection, access_of(request).tenant, event_id).facts


def _refused(rejection: Rejection) -> Refused:
    kind = "id_used" if rejection.code == "id_reused" else "rejected"
    return Refused(kind, rejection.reason, place=rejection.place or None, hint=rejection.hint, code=rejection.code)


@get(
    "/v1/decisions",
    guards=[needs("read")],
    operation_id="listDecisions",
    summary="List decisions",
    description="Decisions, latest first by the time their events happened.",
    response_description="A page of decisions.",
    responses=faults(404),
    tags=["Decisions"],
    sync_to_thread=True,
)
def list_decisions(
    request: Asked,
    kind: Annotated[str | None, QueryParameter(description="Only on this kind of event.", max_length=200)] = None,
    account: Annotated[str | None, QueryParameter(description="Only about this account.", max_length=512)] = None,
    verdict: Annotated[
        list[VerdictName] | None, QueryParameter(description="Only these verdicts; may be repeated.")
    ] = None,
    rule: Annotated[str | None, QueryParameter(description="Only where this rule acted.", max_length=200)] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[Page[DecisionItem]]:
    """Answer with one page."""
    with database(request) as connection:
        page = explore.decisions(
            connection,
            access_of(request).tenant,
            kind=kind,
            account=account,
            verdicts=verdict or (),
            rule=rule,
            since=time_of("from", since),
            until=time_of("to", until),
            cursor=checked_cursor(cursor),
            limit=limit,
        )
    return Response(Page([decision_item(row) for row in page.items], page.next))


@get(
    "/v1/decisions/{decision_id:str}",
    guards=[needs("read")],
    operation_id="readDecision",
    summary="Read a decision",
    description="One decision, whole: every rule that fired with the values it saw, and the versions that took part.",
    response_description="The decision.",
    responses=faults(404),
    tags=["Decisions"],
    sync_to_thread=True,
)
def read_decision(
    request: Asked, decision_id: Annotated[str, PathParameter(description="The decision's id, `dec_…`.")]
) -> Response[DecisionAnswer]:
    """Answer with one decision."""
    with database(request) as connection:
        found = explore.decision(connection, access_of(request).tenant, decision_id)
    return Response(decision_answer(found, pack_of(request), masks_of(request)))


def decision_item(row: explore.DecisionRow) -> DecisionItem:
    """Return a decision as a line of a list."""
    return DecisionItem(
        id=row.id,
        event_id=row.event_id,
        kind=row.kind,
        account=row.account,
        at=format_time(row.at),
        decided_at=format_time(row.decided_at),
        verdict=verdict_name(row.verdict),
        severity=row.severity,
        points=row.points,
        rules=list(row.rules),
        shadow=list(row.shadow),
    )
