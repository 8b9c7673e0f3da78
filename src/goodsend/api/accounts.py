"""One account, for reading: where it stands, what is known of it, what it did lately, and who shares things with it."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.params import PathParameter
from msgspec import Meta, Struct

from goodsend.api.access import needs
from goodsend.api.context import Asked, access_of, database, masks_of
from goodsend.api.decisions import DecisionItem, decision_item
from goodsend.api.describe import faults
from goodsend.api.masking import Masks
from goodsend.api.parameters import tail_of
from goodsend.api.wire import Time, VerdictName, verdict_name
from goodsend.kit.clock import format_time
from goodsend.standing.model import Move
from goodsend.store import accounts, explore

_RECENT = 20


class MoveAnswer(Struct, frozen=True):
    """One step from a standing to another."""

    at: Time
    before: str
    after: str
    reason: str
    because: Annotated[str, Meta(description="A decision's id, or `member:<login>`.")]


class SharedAnswer(Struct, frozen=True):
    """A thing that two accounts have both been seen with."""

    type: Annotated[str, Meta(examples=["card", "device"])]
    key: str
    accounts: Annotated[int, Meta(description="How many accounts were seen with it.")]


class RelatedAnswer(Struct, frozen=True):
    """An account that shares telling things with this one."""

    account: str
    standing: str
    worst: VerdictName
    strength: Annotated[float, Meta(description="1.0: one thing, such as a card, that only these two have used.")]
    shared: list[SharedAnswer]


class AccountAnswer(Struct, frozen=True):
    """One account."""

    id: str
    standing: Annotated[str, Meta(description="Where it is in its life.", examples=["applicant", "good", "suspended"])]
    standing_since: Time
    first_at: Time
    last_at: Time
    events: int
    worst: Annotated[VerdictName, Meta(description="The gravest verdict so far.")]
    profile: Annotated[dict[str, Any], Meta(description="What is last known of it: plan, country, address …")]
    moves: Annotated[list[MoveAnswer], Meta(description="Its moves between standings, latest first.")]
    recent: Annotated[list[DecisionItem], Meta(description="The latest decisions on its events.")]
    related: list[RelatedAnswer]


@get(
    "/v1/accounts/{account_id:path}",
    guards=[needs("read")],
    operation_id="readAccount",
    summary="Read an account",
    description="Its standing and what moved it, its profile, its latest decisions, and the accounts related to it.",
    response_description="The account.",
    responses=faults(404),
    tags=["Accounts"],
    sync_to_thread=True,
)
def read_account(
    request: Asked, account_id: Annotated[str, PathParameter(description="The account's id on the platform.")]
) -> Response[AccountAnswer]:
    """Answer with one account."""
    tenant, name = access_of(request).tenant, tail_of(request, "/v1/accounts/")
    with database(request) as connection:
        found = explore.account(connection, tenant, name)
        moves = accounts.moves_of(connection, tenant, name)
        recent = explore.decisions(connection, tenant, account=name, limit=_RECENT).items
        related = explore.related(connection, tenant, name)
    masks = masks_of(request)
    return Response(
        AccountAnswer(
            id=found.account,
            standing=found.standing,
            standing_since=format_time(found.standing_since),
            first_at=format_time(found.first_at),
            last_at=format_time(found.last_at),
            events=found.events,
            worst=verdict_name(found.worst),
            profile=masks.fields(found.profile),
            moves=[_move(move) for move in moves],
            recent=[decision_item(row) for row in recent],
            related=[_related(other, masks) for other in related],
        )
    )


def _move(move: Move) -> MoveAnswer:
    return MoveAnswer(format_time(move.at), move.before, move.after, move.reason, move.because)


def _related(other: explore.Related, masks: Masks) -> RelatedAnswer:
    shared = [SharedAnswer(type_, masks.entity(type_, key), number) for type_, key, number in other.shared]
    return RelatedAnswer(other.account, other.standing, verdict_name(other.worst), other.strength, shared)
