"""What decides, for reading: the kinds of events a tenant knows, and its rules."""

from typing import Annotated, Literal

from litestar import Response, get
from msgspec import Meta, Struct

from goodsend.api.access import needs
from goodsend.api.context import Asked, pack_of
from goodsend.api.describe import faults
from goodsend.api.wire import PolicyRef, VerdictName, policy_ref
from goodsend.events.kinds import Field, Kind
from goodsend.kit.clock import SECOND
from goodsend.pack import Pack
from goodsend.rules.model import Rule


class FieldAnswer(Struct, frozen=True):
    """One field of a kind."""

    name: str
    type: Annotated[str, Meta(examples=["text", "integer", "email", "content"])]
    doc: str
    required: bool
    unit: str | None
    entity: Annotated[str | None, Meta(description="The type of entity its value is a key of.")]
    personal: Annotated[bool, Meta(description="A person's data: masked without the scope `personal`.")]


class KindAnswer(Struct, frozen=True):
    """One kind of event."""

    name: str
    doc: str
    channel: Annotated[str | None, Meta(description="What an event has that names none.")]
    fields: list[FieldAnswer]


class KindsAnswer(Struct, frozen=True):
    """Every kind of event, the channels and the types of entities."""

    kinds: list[KindAnswer]
    channels: dict[str, str]
    entities: dict[str, str]


class LabelRule(Struct, frozen=True):
    """A label that a rule sets, and for how long."""

    entity: str
    label: str
    seconds: int


class RuleAnswer(Struct, frozen=True):
    """One rule."""

    id: str
    version: Annotated[str, Meta(description="Changes when the meaning may have.")]
    doc: str
    owner: str
    policy: PolicyRef
    severity: int
    mode: Literal["live", "shadow", "off"]
    share: Annotated[float, Meta(description="The part of accounts it acts on, 0…1.")]
    on: Annotated[list[str], Meta(description="Kinds of events; empty: all.")]
    when: Annotated[str, Meta(description="The condition, in the rule language.")]
    verdict: VerdictName
    actions: list[str]
    weight: float
    reason: str
    source: str | None
    group: Annotated[str | None, Meta(description="The group it belongs to.")] = None
    order: Annotated[int, Meta(description="Its place in the group, lowest first.")] = 0
    labels: Annotated[list[LabelRule], Meta(description="Labels it sets when it acts.")] = []


class RulesAnswer(Struct, frozen=True):
    """Every rule, and the version of the pack they are in."""

    pack: str
    rules: list[RuleAnswer]


@get(
    "/v1/kinds",
    guards=[needs("read")],
    operation_id="listKinds",
    summary="List the kinds of events",
    description="The catalogue: every kind with its fields, and which of them are required, keys, or personal.",
    response_description="The catalogue.",
    responses=faults(),
    tags=["Definitions"],
)
async def list_kinds(request: Asked) -> Response[KindsAnswer]:
    """Answer from the pack in force."""
    kinds = pack_of(request).kinds
    return Response(KindsAnswer([_kind(kind) for kind in kinds.kinds.values()], kinds.channels, kinds.entities))


@get(
    "/v1/rules",
    guards=[needs("read")],
    operation_id="listRules",
    summary="List the rules",
    description="Every rule in force, those in shadow and those that are off included.",
    response_description="The rules.",
    responses=faults(),
    tags=["Definitions"],
)
async def list_rules(request: Asked) -> Response[RulesAnswer]:
    """Answer from the pack in force."""
    pack = pack_of(request)
    return Response(RulesAnswer(pack.version, [_rule(rule, pack) for rule in pack.ruleset.rules.values()]))


def _kind(kind: Kind) -> KindAnswer:
    return KindAnswer(kind.name, kind.doc, kind.channel, [_field(field) for field in kind.fields.values()])


def _field(field: Field) -> FieldAnswer:
    return FieldAnswer(
        field.name, field.type.value, field.doc, field.required, field.unit, field.entity, field.personal
    )


def _rule(rule: Rule, pack: Pack) -> RuleAnswer:
    return RuleAnswer(
        id=rule.id,
        version=rule.version,
        doc=rule.doc,
        owner=rule.owner,
        policy=policy_ref(rule.policy, pack),
        severity=rule.severity,
        mode=rule.mode.value,
        share=rule.share,
        on=sorted(rule.on),
        when=rule.when,
        verdict=rule.verdict.value,
        actions=list(rule.actions),
        weight=rule.weight,
        reason=rule.reason,
        source=rule.source,
        group=rule.group,
        order=rule.order,
        labels=[LabelRule(label.entity, label.label, label.lasts // SECOND) for label in rule.labels],
    )
