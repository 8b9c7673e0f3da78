"""A rule, and a hit: one rule that fired on one event."""

from enum import Enum

import msgspec

from goodsend.facts import Value
from goodsend.kit.clock import Micros


class Mode(Enum):
    """`live` acts, `shadow` is recorded without effect, `off` is not evaluated."""

    LIVE = "live"
    SHADOW = "shadow"
    OFF = "off"


class Verdict(Enum):
    """The answer for one event, least restrictive first."""

    ALLOW = "allow"
    REVIEW = "review"
    THROTTLE = "throttle"
    HOLD = "hold"
    REJECT = "reject"

    @property
    def rank(self) -> int:
        """0 for allow … 4 for reject."""
        return _RANKS[self._value_]


_RANKS = {verdict.value: rank for rank, verdict in enumerate(Verdict)}
"""Asked for with every event: looked up, not searched."""


class Labelling(msgspec.Struct, frozen=True):
    """A label a rule sets on an entity of the event when it acts, and for how long from the event on (µs)."""

    entity: str
    label: str
    lasts: Micros


class RuleCase(msgspec.Struct, frozen=True):
    """A test beside the rule: given these facts, it fires, does not, or cannot know (None)."""

    given: dict[str, Value]
    fires: bool | None
    name: str = ""


class Rule(msgspec.Struct, frozen=True):
    """
    A SQL boolean expression with an owner, a policy clause and what it asks for when it fires.

    `on` are the event kinds it is evaluated for (empty: all). `share` (0…1) is the part of accounts it acts on,
    by a stable hash of the account. `reason` is the plain sentence shown with a hit; `{e.recipients}` is replaced by
    the value seen. `version` is a digest of the definition: it changes when the meaning may have. `order` is the
    rule's place in its group, lowest first; `labels` are what it sets on entities.
    """

    id: str
    version: str
    doc: str
    owner: str
    policy: str
    severity: int
    mode: Mode
    on: frozenset[str]
    when: str
    verdict: Verdict
    reason: str
    actions: tuple[str, ...] = ()
    weight: float = 0.0
    share: float = 1.0
    source: str | None = None
    cases: tuple[RuleCase, ...] = ()
    group: str | None = None
    order: int = 0
    labels: tuple[Labelling, ...] = ()


class Hit(msgspec.Struct, frozen=True):
    """
    One rule that fired: the values it saw, the sentence made of them.

    `acts`: not in shadow, in the share, and not suppressed. `suppressed_by` is the rule of its group that came first.
    """

    rule: str
    version: str
    policy: str
    severity: int
    mode: Mode
    verdict: Verdict
    reason: str
    values: dict[str, Value]
    actions: tuple[str, ...] = ()
    weight: float = 0.0
    acts: bool = True
    group: str | None = None
    labels: tuple[Labelling, ...] = ()
    suppressed_by: str | None = None


class Evaluation(msgspec.Struct, frozen=True):
    """The hits of one row, and per rule that could neither fire nor be ruled out, the facts that were unknown."""

    hits: tuple[Hit, ...]
    unknown: dict[str, tuple[str, ...]]
