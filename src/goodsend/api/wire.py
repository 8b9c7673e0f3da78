"""The shapes of answers, as clients see them and the OpenAPI document describes them. Texts of times are made here."""

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from goodsend.api.masking import Masks
from goodsend.decisions.model import Action
from goodsend.handle import Answer
from goodsend.kit.clock import Micros, format_time
from goodsend.kit.errors import Rejection
from goodsend.pack import Pack
from goodsend.rules.model import Verdict
from goodsend.scanning.model import Signal

Time = Annotated[str, Meta(description="RFC 3339 in UTC.", examples=["2026-11-22T10:00:00Z"])]
VerdictName = Annotated[
    Literal["allow", "review", "throttle", "hold", "reject"],
    Meta(description="The answer, least restrictive first: allow, review, throttle, hold, reject."),
]
T = TypeVar("T")


class RejectionAnswer(msgspec.Struct, frozen=True):
    """Why one item was not taken."""

    code: Annotated[str, Meta(description="Stable for machines, such as `wrong_type`.")]
    place: Annotated[str, Meta(description="Where, as a path inside the request, such as `events[3].data.recipients`.")]
    reason: Annotated[str, Meta(description="One sentence for people.")]
    hint: Annotated[str | None, Meta(description="What to do, null when nothing more can be said.")]


class DecisionRef(msgspec.Struct, frozen=True):
    """The decision of an event, in short."""

    id: str
    verdict: VerdictName


class EventAnswer(msgspec.Struct, frozen=True):
    """What became of one item of a request."""

    id: Annotated[str | None, Meta(description="The event's id, null when the item had no readable one.")]
    status: Annotated[
        Literal["accepted", "duplicate", "rejected"],
        Meta(description="`duplicate`: the same event was taken earlier; its decision is repeated here."),
    ]
    decision: DecisionRef | None
    rejection: RejectionAnswer | None


class EventsAnswer(msgspec.Struct, frozen=True):
    """What became of each item, in the order of the request."""

    results: list[EventAnswer]
    accepted: int
    duplicates: int
    rejected: int


class PolicyRef(msgspec.Struct, frozen=True):
    """The clause of the policy a reason rests on."""

    id: str
    clause: str | None
    title: str | None


class Reason(msgspec.Struct, frozen=True):
    """One rule that fired, with the values it saw."""

    rule: str
    version: str
    policy: PolicyRef
    severity: Annotated[int, Meta(description="1 (low) … 5 (grave).")]
    verdict: VerdictName
    reason: Annotated[str, Meta(description="The sentence for people.")]
    values: Annotated[dict[str, Any], Meta(description="The facts the rule read, as seen.")]
    actions: list[str]
    weight: float
    mode: Literal["live", "shadow", "off"]
    acts: Annotated[
        bool,
        Meta(description="False in shadow mode, outside the rule's share, or behind another of its group."),
    ]
    group: str | None = None
    suppressed_by: Annotated[str | None, Meta(description="The rule of its group that came first.")] = None


class ActionAnswer(msgspec.Struct, frozen=True):
    """An effect asked of the platform; it is carried out through the outbox, once per id."""

    id: str
    name: str
    target_type: str
    target: str
    params: dict[str, str | int | float | bool | None]
    policy: str
    because: Annotated[list[str], Meta(description="The rules that asked for it.")]


class LabelAnswer(msgspec.Struct, frozen=True):
    """A label that rules put on an entity, in force from `since` until `until`."""

    entity_type: str
    entity: str
    label: str
    since: Time
    until: Time
    because: Annotated[list[str], Meta(description="The rules that set it.")]


class HeldBackAnswer(msgspec.Struct, frozen=True):
    """An action that was not asked for, because rules had asked for it too often in that hour."""

    action: ActionAnswer
    per_hour: int
    reason: str


class DecisionAnswer(msgspec.Struct, frozen=True):
    """The answer for one event, with its reasons and the versions that produced it."""

    id: str
    event_id: str
    kind: str
    at: Time
    account: str | None
    verdict: VerdictName
    severity: Annotated[int, Meta(description="Of the gravest reason that acts; 0 when none does.")]
    points: float
    reasons: list[Reason]
    actions: list[ActionAnswer]
    unknown: Annotated[
        dict[str, list[str]], Meta(description="By rule that could not be ruled out: the facts that were not known.")
    ]
    versions: Annotated[dict[str, str], Meta(description="The pack, the engine and each model that took part.")]
    late: Annotated[bool, Meta(description="The event came after later ones of its time.")]
    points_by_group: Annotated[dict[str, float], Meta(description="Points of each group of rules, after caps.")] = {}
    labels: Annotated[list[LabelAnswer], Meta(description="Labels it put on entities.")] = []
    held_back: Annotated[list[HeldBackAnswer], Meta(description="Actions past their limit of the hour.")] = []
    wanted: Annotated[
        VerdictName | None, Meta(description="The verdict that would have been, had nothing been held back.")
    ] = None


class SyncDecision(DecisionAnswer, frozen=True):
    """A decision made while the client waited."""

    duplicate: Annotated[bool, Meta(description="The same event was decided earlier; this is that decision.")] = False
    facts: Annotated[
        dict[str, Any] | None, Meta(description="Everything known about the event; null unless `?facts=true`.")
    ] = None


class SpanAnswer(msgspec.Struct, frozen=True):
    """Where in the content: `part`, and character offsets into it, both null for the whole part."""

    part: str
    start: int | None
    end: int | None


class SignalAnswer(msgspec.Struct, frozen=True):
    """One finding of the scanner."""

    id: Annotated[str, Meta(examples=["LINK_LOOKALIKE_DOMAIN"])]
    evidence: str
    span: SpanAnswer


class ScanAnswer(msgspec.Struct, frozen=True):
    """What a scan found in content, without an event: nothing is kept."""

    digest: Annotated[str, Meta(description="SHA-256 of the content.", examples=["sha256:9f86d081…"])]
    type: str
    size_bytes: int
    verdict: Annotated[
        VerdictName, Meta(description="What the content alone would get; an event is judged by its rules.")
    ]
    points: float
    scores: Annotated[dict[str, int], Meta(description="0…1000 by name.")]
    signals: list[SignalAnswer]
    reasons: list[str]
    facts: dict[str, Any]
    notes: Annotated[list[str], Meta(description="What was cut, or could not be read.")]
    error: Annotated[str | None, Meta(description="Why there is no more to say, null when all went well.")]


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list, newest first."""

    items: list[T]
    next: Annotated[str | None, Meta(description="The `cursor` of the next page; null on the last one.")]


def rejection_answer(rejection: Rejection, place: str = "") -> RejectionAnswer:
    """Return a rejection as clients see it; `place` is where the item stands in the request."""
    return RejectionAnswer(rejection.code, join_places(place, rejection.place), rejection.reason, rejection.hint)


def join_places(outer: str, inner: str) -> str:
    """Return a path inside a request: `events[3].data.ip`, or `line 4: data.ip`."""
    if not outer or not inner:
        return outer or inner
    return f"{outer}: {inner}" if outer.startswith("line ") else f"{outer}.{inner}"


def event_answer(answer: Answer, place: str) -> EventAnswer:
    """Return what became of one item."""
    decision, rejection = answer.decision, answer.rejection
    return EventAnswer(
        answer.event_id,
        answer.status,
        DecisionRef(decision.id, decision.verdict.value) if decision is not None else None,
        rejection_answer(rejection, place) if rejection is not None else None,
    )


def signal_answer(signal: Signal) -> SignalAnswer:
    """Return a signal as clients see it."""
    return SignalAnswer(signal.id, signal.evidence, SpanAnswer(signal.span.part, signal.span.start, signal.span.end))


def policy_ref(policy_id: str, pack: Pack) -> PolicyRef:
    """Return a reference to a clause; clause and title are None when the pack no longer has it."""
    policy = pack.policies.get(policy_id)
    return PolicyRef(policy_id, policy.clause if policy else None, policy.title if policy else None)


def action_answer(action: Action, masks: Masks) -> ActionAnswer:
    """Return an action as clients may see it."""
    return ActionAnswer(
        action.id,
        action.name,
        action.target_type,
        masks.entity(action.target_type, action.target),
        action.params,
        action.policy,
        list(action.because),
    )


def verdict_name(stored: str) -> VerdictName:
    """Return a stored verdict as what it is; ValueError for a word that is none."""
    return Verdict(stored).value


def moment(at: Micros | None) -> str | None:
    """Return a time as text, None for none."""
    return format_time(at) if at is not None else None
