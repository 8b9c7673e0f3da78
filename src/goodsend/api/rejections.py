"""Rejections, for reading: what came in and could not be used."""

from typing import Annotated

from litestar import Response, get
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from goodsend.api.access import needs
from goodsend.api.context import Asked, access_of, database
from goodsend.api.describe import faults
from goodsend.api.parameters import Cursor, Limit, checked_cursor
from goodsend.api.wire import Page, Time
from goodsend.kit.clock import format_time
from goodsend.store import rejections as stored


class StoredRejection(Struct, frozen=True):
    """One thing that was not taken."""

    id: int
    received_at: Time
    source: Annotated[str, Meta(description="Where it came from: `api`, `ingest:<file>`.")]
    code: Annotated[str, Meta(description="Stable for machines, such as `wrong_type`.")]
    place: Annotated[str, Meta(description="Where inside the item, such as `data.recipients`.")]
    reason: str
    hint: str | None
    item_id: Annotated[str | None, Meta(description="The event's id, where one could be read.")]
    raw: Annotated[
        str | None,
        Meta(description="What came, cut, as text; null without the scope `personal`: nobody knows what is in it."),
    ]
    raw_bytes: Annotated[int, Meta(description="The size of what came, whole.")]


@get(
    "/v1/rejections",
    guards=[needs("read")],
    operation_id="listRejections",
    summary="List rejections",
    description="What came in and could not be used, latest first, with the place and the reason.",
    response_description="A page of rejections.",
    responses=faults(404),
    tags=["Rejections"],
    sync_to_thread=True,
)
def list_rejections(
    request: Asked,
    code: Annotated[str | None, QueryParameter(description="Only with this code.", max_length=100)] = None,
    source: Annotated[str | None, QueryParameter(description="Only from this source.", max_length=1_000)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[Page[StoredRejection]]:
    """Answer with one page."""
    access = access_of(request)
    with database(request) as connection:
        page = stored.page(
            connection, access.tenant, code=code, source=source, cursor=checked_cursor(cursor), limit=limit
        )
    return Response(Page([_answer(found, access.sees_personal) for found in page.items], page.next))


def _answer(found: stored.StoredRejection, whole: bool) -> StoredRejection:
    rejection = found.rejection
    return StoredRejection(
        id=found.id,
        received_at=format_time(found.received_at),
        source=found.source,
        code=rejection.code,
        place=rejection.place,
        reason=rejection.reason,
        hint=rejection.hint,
        item_id=rejection.item_id,
        raw=rejection.raw.decode("utf-8", "replace") if whole else None,
        raw_bytes=found.raw_bytes,
    )
