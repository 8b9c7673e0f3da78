"""Events in, with an answer for every item; and events out, with what was known and decided."""

from typing import Annotated, Any

from litestar import Response, get, post
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta, Struct

from goodsend.api.access import needs
from goodsend.api.answers import decision_answer
from goodsend.api.bodies import read_batch
from goodsend.api.context import Asked, access_of, database, decide, installation_of, masks_of, pack_of
from goodsend.api.describe import EVENTS_BODY, faults
from goodsend.api.masking import Masks
from goodsend.api.parameters import Cursor, Limit, Since, Until, checked_cursor, tail_of, time_of
from goodsend.api.wire import (
    DecisionAnswer,
    DecisionRef,
    EventsAnswer,
    Page,
    Time,
    VerdictName,
    event_answer,
    verdict_name,
)
from goodsend.kit.clock import format_time
from goodsend.store import explore


class EventItem(Struct, frozen=True):
    """One event with what was decided on it, in short."""

    id: str
    kind: str
    at: Time
    received_at: Time
    channel: str | None
    account: str | None
    data: Annotated[dict[str, Any], Meta(description="Its fields, in canonical form.")]
    content: Annotated[str | None, Meta(description="The digest of the content that came with it.")]
    decision: DecisionRef
    rules: Annotated[list[str], Meta(description="Rules that fired and acted.")]


class EventDetail(Struct, frozen=True):
    """One event with everything that was known about it, and its decision."""

    id: str
    kind: str
    at: Time
    received_at: Time
    channel: str | None
    account: str | None
    data: dict[str, Any]
    content: str | None
    arrival: Annotated[int, Meta(description="Its place in the log of the tenant, from 1.")]
    facts: Annotated[dict[str, Any], Meta(description="The row that rules and models saw.")]
    decision: DecisionAnswer
    decided_at: Time


@post(
    "/v1/events",
    guards=[needs("events:write")],
    status_code=200,
    operation_id="sendEvents",
    operation_class=EVENTS_BODY,
    summary="Send events",
    description=(
        'Takes one event, an array, `{"events": […]}`, or one event a line as `application/x-ndjson`. Every item is '
        "answered in order; one that is rejected does not harm the others, is kept, and is shown under rejections. "
        "When this answers, the accepted events and their decisions are stored. Sending an event again is safe: it "
        "is answered as `duplicate`, with the decision of the first time."
    ),
    response_description="Each item's answer, in order.",
    responses=faults(400, 413, 415, 429),
    tags=["Events"],
)
async def send_events(request: Asked) -> Response[EventsAnswer]:
    """Hand a batch to the engine and answer each item."""
    settings = installation_of(request).settings
    batch = await read_batch(request, settings.batch_limit, settings.body_limit_bytes)
    answers = await decide(request, batch.items)
    results = [event_answer(answer, place) for answer, place in zip(answers, batch.places, strict=True)]
    statuses = [result.status for result in results]
    return Response(
        EventsAnswer(results, statuses.count("accepted"), statuses.count("duplicate"), statuses.count("rejected"))
    )


@get(
    "/v1/events",
    guards=[needs("read")],
    operation_id="listEvents",
    summary="List events",
    description="Events with what was decided on them, latest first by the time they happened.",
    response_description="A page of events.",
    responses=faults(404),
    tags=["Events"],
    sync_to_thread=True,
)
def list_events(
    request: Asked,
    kind: Annotated[str | None, QueryParameter(description="Only of this kind.", max_length=200)] = None,
    account: Annotated[str | None, QueryParameter(description="Only of this account.", max_length=512)] = None,
    verdict: Annotated[
        list[VerdictName] | None, QueryParameter(description="Only with these verdicts; may be repeated.")
    ] = None,
    rule: Annotated[str | None, QueryParameter(description="Only where this rule acted.", max_length=200)] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[Page[EventItem]]:
    """Answer with one page."""
    with database(request) as connection:
        page = explore.events(
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
    masks = masks_of(request)
    return Response(Page([event_item(row, masks) for row in page.items], page.next))


@get(
    "/v1/events/{event_id:path}",
    guards=[needs("read")],
    operation_id="readEvent",
    summary="Read an event",
    description="One event with its facts and its decision.",
    response_description="The event.",
    responses=faults(404),
    tags=["Events"],
    sync_to_thread=True,
)
def read_event(
    request: Asked, event_id: Annotated[str, PathParameter(description="The event's id, as it was sent.")]
) -> Response[EventDetail]:
    """Answer with one event."""
    with database(request) as connection:
        found = explore.event(connection, access_of(request).tenant, tail_of(request, "/v1/events/"))
    masks, event = masks_of(request), found.event
    return Response(
        EventDetail(
            id=event.id,
            kind=event.kind,
            at=format_time(event.at),
            received_at=format_time(found.received_at),
            channel=event.channel,
            account=found.decision.account,
            data=masks.fields(event.data),
            content=event.content,
            arrival=found.arrival,
            facts=masks.facts(found.facts),
            decision=decision_answer(found.decision, pack_of(request), masks),
            decided_at=format_time(found.decided_at),
        )
    )


def event_item(row: explore.EventRow, masks: Masks) -> EventItem:
    """Return an event as a line of a list, as a client may see it."""
    return EventItem(
        id=row.id,
        kind=row.kind,
        at=format_time(row.at),
        received_at=format_time(row.received_at),
        channel=row.channel,
        account=row.account,
        data=masks.fields(row.data),
        content=row.content,
        decision=DecisionRef(row.decision_id, verdict_name(row.verdict)),
        rules=list(row.rules),
    )
