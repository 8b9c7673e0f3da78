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


class Decision(msgspec.Struct, frozen=True):
    """
    The answer for one event. `severity` is that of the gravest acting hit (0 when none). `versions` names what
    produced it: `pack`, `engine`, and each model with its version. `late` says the event came after later ones.
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
