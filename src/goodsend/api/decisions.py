"""One event in, its decision out, while the client waits."""

from typing import Annotated

from litestar import Response, post
from litestar.params import QueryParameter

from goodsend.api.access import needs
from goodsend.api.answers import sync_decision
from goodsend.api.bodies import read_one
from goodsend.api.context import Asked, access_of, decide, installation_of
from goodsend.api.describe import EVENT_BODY, faults
from goodsend.api.problems import Refused
from goodsend.api.wire import SyncDecision
from goodsend.facts import Facts
from goodsend.handle import Answer
from goodsend.kit.errors import Rejection


@post(
    "/v1/decisions",
    guards=[needs("decisions:write")],
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
    answer = (await decide(request, [await read_one(request)]))[0]
    if answer.rejection is not None:
        raise _refused(answer.rejection)
    installation, access = installation_of(request), access_of(request)
    if answer.decision is None:
        raise LookupError(f"no decision for event {answer.event_id}")
    found = sync_decision(
        answer.decision,
        installation.pack(access.tenant),
        access,
        duplicate=answer.status == "duplicate",
        facts=await _facts(request, answer) if facts else None,
    )
    return Response(found)


def _refused(rejection: Rejection) -> Refused:
    kind = "id_used" if rejection.code == "id_reused" else "rejected"
    return Refused(kind, rejection.reason, place=rejection.place or None, hint=rejection.hint, code=rejection.code)
