"""Own rules over HTTP: check, try, draft, propose, approve, roll back. What is in force is read in `definitions.py`."""

import asyncio
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from litestar import Response, get, post
from litestar.params import PathParameter
from msgspec import Meta, Struct

from goodsend import approvals
from goodsend.api.access import needs
from goodsend.api.bodies import read_one
from goodsend.api.context import Asked, access_of, database, installation_of, masks_of
from goodsend.api.describe import RULE_BODY, RULE_TRY_BODY, VERSION_BODY, WHY_BODY, faults
from goodsend.api.masking import mask_sentence, personal_values
from goodsend.api.problems import Fault, Refused
from goodsend.api.wire import Time, moment
from goodsend.drafts import Checked
from goodsend.kit.clock import format_time
from goodsend.kit.errors import Misconfigured, Problem
from goodsend.store import definitions
from goodsend.store.definitions import BODY_CHARS, Definition

_T = TypeVar("_T")
_LIMIT = 4 * BODY_CHARS
_FIRES = {True: "fires", False: "does not fire", None: "cannot know"}

RuleId = Annotated[str, PathParameter(description="The rule's id.", max_length=64)]
Number = Annotated[int, PathParameter(description="The version's number.", ge=1, le=1_000_000)]


class RuleText(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule as the text of a pack's file."""

    id: str
    body: str


class RuleTrial(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, and an event to try it on."""

    id: str
    body: str
    event_id: str


class NewVersion(Struct, frozen=True, forbid_unknown_fields=True):
    """The text of a new version, and why it is wanted."""

    body: str
    why: str


class Why(Struct, frozen=True, forbid_unknown_fields=True):
    """Why something is done: one sentence for the audit."""

    why: str


class ProblemAnswer(Struct, frozen=True):
    """One mistake in a rule."""

    place: Annotated[str, Meta(description="The member it is in, such as `when`; empty: the whole.")]
    message: str
    hint: str | None
    start: Annotated[int, Meta(description="Where it begins in the member's text, in characters from 0.")]
    end: int


class CheckAnswer(Struct, frozen=True):
    """What was found about a rule."""

    sound: Annotated[bool, Meta(description="No problem, and every case holds.")]
    problems: list[ProblemAnswer]
    failing: Annotated[list[str], Meta(description="Cases that do not hold, each in a sentence.")]


class TryAnswer(Struct, frozen=True):
    """How a rule judges one event, with its facts as they were."""

    fires: Annotated[bool | None, Meta(description="null: it cannot be known.")]
    looked_at: Annotated[bool, Meta(description="Whether the rule looks at events of this kind.")]
    in_share: Annotated[bool, Meta(description="Whether the account is in the rollout share.")]
    unknown: Annotated[list[str], Meta(description="Facts because of which it cannot be known.")]
    changes: Annotated[list[str], Meta(description="The smallest changes after which it comes out the other way.")]


class VersionAnswer(Struct, frozen=True):
    """One version of an own rule."""

    id: str
    version: int
    state: Annotated[
        Literal["draft", "proposed", "live", "retired"],
        Meta(description="`live` judges events; `retired` did, and can be rolled back to."),
    ]
    body: Annotated[str, Meta(description="The rule, as TOML.")]
    author: str
    why: str
    created_at: Time
    proposed_by: str | None
    proposed_at: Time | None
    predicted: Annotated[
        dict[str, Any] | None,
        Meta(description="What it would have hit and acted on among the latest events, when it was proposed."),
    ]
    approved_by: str | None
    approved_at: Time | None


class VersionsAnswer(Struct, frozen=True):
    """The versions of one rule, newest first; none where it was never changed here."""

    versions: list[VersionAnswer]


@post(
    "/v1/rules/check",
    guards=[needs("rules:write")],
    status_code=200,
    operation_id="checkRule",
    operation_class=RULE_BODY,
    summary="Check a rule",
    description="Every problem of a rule with its place and a hint, and its cases run. Nothing is kept.",
    response_description="What was found.",
    responses=faults(413, 415),
    tags=["Rules"],
)
async def check_rule(request: Asked) -> Response[CheckAnswer]:
    """Check in a thread."""
    asked = await _read(request, RuleText)
    return Response(_check_answer(await asyncio.to_thread(_checked, request, asked.id, asked.body)))


@post(
    "/v1/rules/try",
    guards=[needs("rules:write")],
    status_code=200,
    operation_id="tryRule",
    operation_class=RULE_TRY_BODY,
    summary="Try a rule on an event",
    description="Judges one stored event by a rule, with the facts as they were. Nothing is kept.",
    response_description="How it is judged.",
    responses=faults(404, 409, 413, 415),
    tags=["Rules"],
)
async def try_rule(request: Asked) -> Response[TryAnswer]:
    """Try in a thread."""
    return Response(await asyncio.to_thread(_try, request, await _read(request, RuleTrial)))


@get(
    "/v1/rules/{rule_id:str}/versions",
    guards=[needs("read")],
    operation_id="listRuleVersions",
    summary="List the versions of a rule",
    description="The versions of your own of one rule, newest first.",
    response_description="The versions.",
    responses=faults(),
    tags=["Rules"],
    sync_to_thread=True,
)
def list_versions(request: Asked, rule_id: RuleId) -> Response[VersionsAnswer]:
    """Answer from the store."""
    with database(request) as connection:
        found = definitions.versions(connection, access_of(request).tenant, "rules", rule_id)
    return Response(VersionsAnswer([_version(one) for one in found]))


@post(
    "/v1/rules/{rule_id:str}/versions",
    guards=[needs("rules:write")],
    status_code=201,
    operation_id="draftRule",
    operation_class=VERSION_BODY,
    summary="Write a new version of a rule",
    description="Keeps a draft. It judges nothing until it was proposed and somebody else has approved it.",
    response_description="The draft.",
    responses=faults(413, 415),
    tags=["Rules"],
)
async def draft_rule(request: Asked, rule_id: RuleId) -> Response[VersionAnswer]:
    """Keep a draft."""
    asked = await _read(request, NewVersion)
    access = access_of(request)
    made = await _act(
        request, approvals.draft, access.tenant, "rules", rule_id, asked.body, author=access.actor, why=asked.why[:500]
    )
    return Response(made, status_code=201)


@post(
    "/v1/rules/{rule_id:str}/versions/{version:int}/propose",
    guards=[needs("rules:write")],
    status_code=200,
    operation_id="proposeRule",
    summary="Propose a version",
    description="Asks for approval of a draft, with the hits it would have had among the latest events.",
    response_description="The version, proposed.",
    responses=faults(404, 409),
    tags=["Rules"],
)
async def propose_rule(request: Asked, rule_id: RuleId, version: Number) -> Response[VersionAnswer]:
    """Propose a draft."""
    access = access_of(request)
    return Response(
        await _act(request, approvals.propose, access.tenant, "rules", rule_id, version, actor=access.actor)
    )


@post(
    "/v1/rules/{rule_id:str}/versions/{version:int}/approve",
    guards=[needs("rules:approve")],
    status_code=200,
    operation_id="approveRule",
    summary="Approve a version",
    description="Puts a proposal to work from the next event on. Whoever wrote or proposed it cannot approve it.",
    response_description="The version, live.",
    responses=faults(404, 409),
    tags=["Rules"],
)
async def approve_rule(request: Asked, rule_id: RuleId, version: Number) -> Response[VersionAnswer]:
    """Approve a proposal."""
    access = access_of(request)
    return Response(
        await _act(request, approvals.approve, access.tenant, "rules", rule_id, version, actor=access.actor)
    )


@post(
    "/v1/rules/{rule_id:str}/versions/{version:int}/rollback",
    guards=[needs("rules:approve")],
    status_code=200,
    operation_id="rollBackRule",
    operation_class=WHY_BODY,
    summary="Roll back to a version",
    description="Puts a version to work again that was live before, in one step.",
    response_description="The version, live.",
    responses=faults(404, 409, 413, 415),
    tags=["Rules"],
)
async def roll_back_rule(request: Asked, rule_id: RuleId, version: Number) -> Response[VersionAnswer]:
    """Go back to a version."""
    asked, access = await _read(request, Why), access_of(request)
    return Response(
        await _act(
            request, approvals.roll_back, access.tenant, "rules", rule_id, version, actor=access.actor,
            why=asked.why[:500],
        )
    )  # fmt: skip


@post(
    "/v1/rules/{rule_id:str}/retire",
    guards=[needs("rules:approve")],
    status_code=200,
    operation_id="retireRule",
    operation_class=WHY_BODY,
    summary="Go back to the pack's rule",
    description="Takes the live version of your own out of work: what the pack says counts again, or nothing.",
    response_description="The version, retired.",
    responses=faults(404, 409, 413, 415),
    tags=["Rules"],
)
async def retire_rule(request: Asked, rule_id: RuleId) -> Response[VersionAnswer]:
    """Retire the live version."""
    asked, access = await _read(request, Why), access_of(request)
    return Response(
        await _act(request, approvals.retire, access.tenant, "rules", rule_id, actor=access.actor, why=asked.why[:500])
    )


async def _read(request: Asked, type_: type[_T]) -> _T:
    body = await read_one(request, _LIMIT)
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        detail, _, place = str(error).partition(" - at `$")
        raise Refused("bad_body", f"{detail}.", place=place.strip("`.") or None) from None
    except msgspec.DecodeError:
        raise Refused("bad_body", "A text holds half of a surrogate pair.") from None


async def _act(request: Asked, act: Any, tenant: str, *place: Any, **more: Any) -> VersionAnswer:
    """Do one of the acts of `approvals` in a thread; its problems become a problem."""
    try:
        return _version(await asyncio.to_thread(act, installation_of(request), tenant, *place, **more))
    except Misconfigured as error:
        raise _refused(error.problems) from None


def _refused(problems: Any) -> Refused:
    found = tuple(Fault(one.place, f"{one.message}{f' ({one.hint})' if one.hint else ''}") for one in problems)
    return Refused("has_problems", "The rule has problems, so it is not put forward.", errors=found)


def _checked(request: Asked, id_: str, body: str) -> Checked:
    return approvals.check(installation_of(request), access_of(request).tenant, "rules", id_, body)


def _try(request: Asked, asked: RuleTrial) -> TryAnswer:
    installation, tenant = installation_of(request), access_of(request).tenant
    checked = _checked(request, asked.id, asked.body)
    found = approvals.try_on(installation, tenant, checked, asked.event_id)
    if found is None:
        raise _refused(checked.problems)
    row, tried = found
    changes = tried.changes
    if not masks_of(request).whole:
        secrets = personal_values(row.facts, installation.pack(tenant).catalog)
        changes = [mask_sentence(change, secrets) for change in changes]
    return TryAnswer(tried.truth, tried.is_looked_at, tried.in_share, list(tried.unknown), changes)


def _check_answer(checked: Checked) -> CheckAnswer:
    failing = [
        f"{name}: expected that it {_FIRES[expected]}, but it {_FIRES[got]}" for name, expected, got in checked.failing
    ]
    return CheckAnswer(checked.is_sound, [_problem(one) for one in checked.problems], failing)


def _problem(one: Problem) -> ProblemAnswer:
    return ProblemAnswer(one.place, one.message, one.hint, one.start, one.end)


def _version(one: Definition) -> VersionAnswer:
    return VersionAnswer(
        id=one.id, version=one.version, state=one.state, body=one.body, author=one.author, why=one.why,
        created_at=format_time(one.created_at), proposed_by=one.proposed_by, proposed_at=moment(one.proposed_at),
        predicted=one.predicted, approved_by=one.approved_by, approved_at=moment(one.approved_at),
    )  # fmt: skip
