"""
One event, start to end: `process(arrived, known, windows, pack) -> Outcome`. Pure but for the windows it advances.

Nothing here awaits, logs, counts, reads a clock or draws a random number: the same events in the same order give the
same outcomes, always.
"""

from collections.abc import Mapping

import msgspec

from goodsend import __version__
from goodsend.cases.model import CaseChange, OpenCase
from goodsend.cases.triage import case_change
from goodsend.decisions.breaker import Counted
from goodsend.decisions.decide import decide
from goodsend.decisions.labels import in_force, joined
from goodsend.decisions.model import Decision, EntityLabel
from goodsend.events.model import Arrived, Content, Event
from goodsend.expr.functions import Lists
from goodsend.facts import Facts
from goodsend.features.compute import Windows
from goodsend.outreach.model import Notice
from goodsend.outreach.notices import draft
from goodsend.pack import Pack
from goodsend.rules.evaluate import evaluate
from goodsend.scanning.forms import form_content
from goodsend.scanning.model import Scan
from goodsend.scanning.scanner import scan
from goodsend.standing.lifecycle import FIRST, next_move
from goodsend.standing.model import Move


class Known(msgspec.Struct):
    """
    What was gathered for a batch, and what its earlier events changed.

    `standings` by account and `cases` by (subject type, subject); an account that is absent was never seen.
    `contents` are bodies for events that name content only by digest. `labels` are those of the batch's entities by
    (type, key), for the pack's labelled types; what changed of them is in `labelled` (to be kept) and `replaced` (gone
    into those). `asked` counts what rules asked for.
    """

    lists: Lists
    standings: dict[str, str] = {}
    cases: dict[tuple[str, str], OpenCase] = {}
    contents: Mapping[str, Content] = {}
    labels: dict[tuple[str, str], list[EntityLabel]] = {}
    asked: Counted = msgspec.field(default_factory=Counted)
    labelled: dict[EntityLabel, None] = {}
    replaced: dict[EntityLabel, None] = {}

    def learn(self, outcome: "Outcome") -> None:
        """Take in what an event changed, so that the next one of the batch sees it."""
        if outcome.move is not None:
            self.standings[outcome.move.account] = outcome.move.after
        elif outcome.decision.account is not None:
            self.standings.setdefault(outcome.decision.account, FIRST)
        for label in outcome.decision.labels:
            self._label(label)
        if outcome.decision.actions:
            self.asked.learn(outcome.decision.actions, outcome.event.at)
        change = outcome.case
        if change is not None:
            self.cases[change.subject_type, change.subject] = OpenCase(
                change.id, change.subject_type, change.subject, change.policy, change.severity, change.queue
            )

    def _label(self, new: EntityLabel) -> None:
        named = (new.entity_type, new.entity)
        labels, gone = joined(self.labels.get(named, ()), new)
        self.labels[named] = labels
        for old in gone:
            if old in self.labelled:
                del self.labelled[old]
            else:
                self.replaced[old] = None
        self.labelled[labels[-1]] = None


class Outcome(msgspec.Struct, frozen=True):
    """Everything that follows from one event. `standing` is the account's before it, None without an account."""

    event: Event
    content: Content | None
    facts: Facts
    scan: Scan | None
    decision: Decision
    standing: str | None
    move: Move | None
    case: CaseChange | None
    notice: Notice | None


def entities_of(event: Event, pack: Pack) -> dict[str, str]:
    """Return the keys this event carries, by entity type."""
    found: dict[str, str] = {}
    fields = pack.entity_fields.get(event.kind)
    if fields is not None:
        get = event.data.get
        for entity, field in fields.items():
            value = get(field)
            if value is not None:
                found[entity] = value if value.__class__ is str else str(value)
    return found


def versions_of(pack: Pack) -> dict[str, str]:
    """Return what takes part in a decision, lists aside, with its version."""
    return {"pack": pack.version, "engine": __version__} | {f"m.{m.name}": m.version for m in pack.models}


def event_columns(event: Event) -> Facts:
    """Return the `e.` columns of an event."""
    facts: Facts = {"e." + name: value for name, value in event.data.items()}
    facts["e.id"] = event.id
    facts["e.kind"] = event.kind
    facts["e.at"] = event.at
    if event.channel is not None:
        facts["e.channel"] = event.channel
    return facts


def process(
    arrived: Arrived,
    known: Known,
    windows: Windows,
    pack: Pack,
    entities: Mapping[str, str] | None = None,
    versions: dict[str, str] | None = None,
) -> Outcome:
    """
    Judge one event as known now; the caller passes `known.learn` the outcome before the next event.

    `entities` and `versions` are those of `entities_of` and `versions_of`, for who has them at hand.
    """
    event = arrived.event
    if entities is None:
        entities = entities_of(event, pack)
    account = entities.get("account")
    content = arrived.content or known.contents.get(event.content or "")

    facts = event_columns(event)
    late = windows.is_late(event.at)
    facts.update(windows.observe(event, entities))
    said = content or (form_content(event.data) if event.channel == "form" else None)
    scanned = scan(said, pack.scanner, event.channel) if said is not None else None
    if scanned is not None:
        facts.update(scanned.facts)
    for model in pack.models:
        score = model.score(facts, event.channel)
        if score is not None:
            facts["m." + model.name] = score
    standing = known.standings.get(account, FIRST) if account is not None else None
    facts["a.standing"] = standing
    for entity in pack.labelled:
        if entity in entities:
            facts[f"l.{entity}_labels"] = in_force(known.labels.get((entity, entities[entity]), ()), event.at)

    evaluation = evaluate(pack.ruleset, event.kind, facts, known.lists, account)
    decision = decide(
        event,
        evaluation,
        thresholds=pack.thresholds,
        actions=pack.actions,
        entities=entities,
        versions=versions_of(pack) if versions is None else versions,
        late=late,
        groups=pack.ruleset.groups,
        asked=known.asked,
    )
    move = next_move(pack.lifecycle, pack.actions, decision, standing or FIRST, facts, known.lists)
    change = case_change(decision, entities, known.cases, pack.triage, pack.policies)
    country = facts.get("f.account_country")
    notice = draft(decision, pack.outreach, pack.policies, pack.actions, country if isinstance(country, str) else None)
    return Outcome(event, content, facts, scanned, decision, standing, move, change, notice)
