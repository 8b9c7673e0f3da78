"""The outbox over HTTP: what was asked of the platform, whether it arrived, and sending it again."""

from typing import Annotated, Any, Literal

from litestar import Response, get, post
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta, Struct

from goodsend.api.access import needs
from goodsend.api.context import Asked, access_of, database, installation_of, masks_of
from goodsend.api.describe import faults
from goodsend.api.masking import Masks
from goodsend.api.parameters import Cursor, Limit, checked_cursor
from goodsend.api.wire import Page, Time, moment
from goodsend.kit.clock import format_time
from goodsend.store import outbox as stored


class EntryAnswer(Struct, frozen=True):
    """One effect asked of the platform."""

    id: Annotated[str, Meta(description="The action's id, and the receiver's idempotency key.")]
    connector: Annotated[str, Meta(examples=["printed", "webhook"])]
    action: Annotated[str, Meta(examples=["hold_campaign"])]
    target_type: str
    target: str
    payload: dict[str, Any]
    state: Annotated[
        Literal["due", "done", "dead"], Meta(description="`dead`: every try failed; send it again when it can arrive.")
    ]
    attempts: int
    due_at: Time
    created_at: Time
    done_at: Time | None
    last_error: str | None


@get(
    "/v1/outbox",
    guards=[needs("read")],
    operation_id="listOutbox",
    summary="List effects",
    description="Effects asked of the platform, latest first.",
    response_description="A page of effects.",
    responses=faults(404),
    tags=["Outbox"],
    sync_to_thread=True,
)
def list_outbox(
    request: Asked,
    in_state: Annotated[
        Literal["due", "done", "dead"] | None, QueryParameter(name="state", description="Only in this state.")
    ] = None,
    target: Annotated[str | None, QueryParameter(description="Only about this target.", max_length=512)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[Page[EntryAnswer]]:
    """Answer with one page."""
    with database(request) as connection:
        page = stored.page(
            connection,
            access_of(request).tenant,
            state=in_state,
            target=target,
            cursor=checked_cursor(cursor),
            limit=limit,
        )
    masks = masks_of(request)
    return Response(Page([_answer(entry, masks) for entry in page.items], page.next))


@post(
    "/v1/outbox/{outbox_id:str}/resend",
    guards=[needs("admin")],
    status_code=200,
    operation_id="resend",
    summary="Send an effect again",
    description=(
        "Makes a dead or done entry due again, with its whole schedule of tries. The receiver sees the same id, and "
        "does nothing when it has carried it out. The audit notes which key did this."
    ),
    response_description="The entry, due.",
    responses=faults(404),
    tags=["Outbox"],
    sync_to_thread=True,
)
def resend(
    request: Asked, outbox_id: Annotated[str, PathParameter(description="The entry's id, `act_…`.")]
) -> Response[EntryAnswer]:
    """Make one entry due again."""
    access = access_of(request)
    with database(request) as connection:
        entry = stored.resend(connection, access.tenant, outbox_id, access.actor, installation_of(request).now())
    return Response(_answer(entry, masks_of(request)))


def _answer(entry: stored.Entry, masks: Masks) -> EntryAnswer:
    return EntryAnswer(
        id=entry.id,
        connector=entry.connector,
        action=entry.action,
        target_type=entry.target_type,
        target=masks.entity(entry.target_type, entry.target),
        payload=entry.payload,
        state=entry.state,  # type: ignore[arg-type]  # the database allows only these
        attempts=entry.attempts,
        due_at=format_time(entry.due_at),
        created_at=format_time(entry.created_at),
        done_at=moment(entry.done_at),
        last_error=entry.last_error,
    )
