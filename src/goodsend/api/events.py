"""Events in: one, an array, or a line each, with an answer for every item."""

from litestar import Response, post

from goodsend.api.access import needs
from goodsend.api.bodies import read_batch
from goodsend.api.context import Asked, decide, installation_of
from goodsend.api.describe import EVENTS_BODY, faults
from goodsend.api.wire import EventsAnswer, event_answer


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
    batch = await read_batch(request, installation_of(request).settings.batch_limit)
    answers = await decide(request, batch.items)
    results = [event_answer(answer, place) for answer, place in zip(answers, batch.places, strict=True)]
    statuses = [result.status for result in results]
    return Response(
        EventsAnswer(results, statuses.count("accepted"), statuses.count("duplicate"), statuses.count("rejected"))
    )
