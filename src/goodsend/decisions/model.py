"""A decision: the answer for one event, with its reasons and the versions that produced it."""

import msgspec

from goodsend.kit.clock import Micros
from goodsend.rules.model import Hit, Verdict


class Action(msgspec.Struct, frozen=True):
    """
    An effect asked of the platform, least restrictive first; `id` is derived, so asking twice in a day is asking once.

    `name` is imperative (`hold_campaign`), `target_type`/`target` the entity it is about, `params` plain JSON values,
    `policy` the clause it rests on, `because` the ids of the rules that asked for it.
    """

    id: str
    name: str
    target_type: str
    target: str
    params: dict[str, str | int | float | bool | None]
    policy: str
    because: tuple[str, ...]


class HeldBack(msgspec.Struct, frozen=True):
    """An action that was not asked for, because rules had asked for it `per_hour` times in that hour already."""

    action: Action
    per_hour: int
    reason: str


class EntityLabel(msgspec.Struct, frozen=True):
    """
    A word that rules put on an entity for a time, in force at times in [since, until). Not a person's verdict.

    `because` are the rules that set it, `decision` the latest decision that did.
    """

    entity_type: str
    entity: str
    label: str
    since: Micros
    until: Micros
    because: tuple[str, ...]
    decision: str


class Decision(msgspec.Struct, frozen=True):
    """
    The answer for one event. `severity` is that of the gravest acting hit (0 when none). `versions` names what
    produced it: `pack`, `engine`, and each model with its version. `late` says the event came after later ones.

    `points_by_group` are the points of each group of rules, after caps. `labels` are those it sets on entities.
    `held_back` are actions past their limit; `wanted` is then the verdict that would have been, None else.
    """

    id: str
    tenant: str
    event_id: str
    kind: str
    at: Micros
    account: str | None
    verdict: Verdict
    severity: int
    points: float
    hits: tuple[Hit, ...]
    actions: tuple[Action, ...]
    unknown: dict[str, tuple[str, ...]]
    versions: dict[str, str]
    late: bool = False
    points_by_group: dict[str, float] = {}
    labels: tuple[EntityLabel, ...] = ()
    held_back: tuple[HeldBack, ...] = ()
    wanted: Verdict | None = None
