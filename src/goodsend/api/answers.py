"""Decisions as answers: reasons with their clause, personal data masked. The shapes themselves live in `wire.py`."""

import re
from collections.abc import Mapping
from typing import Any

from goodsend.api.masking import Masks, mask_facts, mask_sentence, personal_values
from goodsend.api.wire import (
    DecisionAnswer,
    HeldBackAnswer,
    LabelAnswer,
    Reason,
    SyncDecision,
    action_answer,
    policy_ref,
)
from goodsend.decisions.model import Decision, EntityLabel
from goodsend.kit.clock import format_time
from goodsend.pack import Pack
from goodsend.rules.model import Hit
from goodsend.rules.reason import fill

_PLACE = re.compile(r"\{([a-z]\.[A-Za-z0-9_]+)")
"""A fact that a template shows, with or without a form (rules/reason.py)."""


def decision_answer(decision: Decision, pack: Pack, masks: Masks) -> DecisionAnswer:
    """Return a decision as a client may see it."""
    return DecisionAnswer(**_columns(decision, pack, masks))


def sync_decision(
    decision: Decision, pack: Pack, masks: Masks, *, duplicate: bool, facts: Mapping[str, Any] | None
) -> SyncDecision:
    """Return a decision made while the client waited, with the facts when they were asked for."""
    shown = None if facts is None else masks.facts(facts)
    return SyncDecision(**_columns(decision, pack, masks), duplicate=duplicate, facts=shown)


def _columns(decision: Decision, pack: Pack, masks: Masks) -> dict[str, Any]:
    return {
        "id": decision.id,
        "event_id": decision.event_id,
        "kind": decision.kind,
        "at": format_time(decision.at),
        "account": decision.account,
        "verdict": decision.verdict.value,
        "severity": decision.severity,
        "points": decision.points,
        "reasons": [_reason(hit, pack, masks) for hit in decision.hits],
        "actions": [action_answer(action, masks) for action in decision.actions],
        "unknown": {rule: list(facts) for rule, facts in decision.unknown.items()},
        "versions": decision.versions,
        "late": decision.late,
        "points_by_group": decision.points_by_group,
        "labels": [_label(label, masks) for label in decision.labels],
        "held_back": [
            HeldBackAnswer(action_answer(held.action, masks), held.per_hour, held.reason) for held in decision.held_back
        ],
        "wanted": None if decision.wanted is None else decision.wanted.value,
    }


def _label(label: EntityLabel, masks: Masks) -> LabelAnswer:
    return LabelAnswer(
        label.entity_type,
        masks.entity(label.entity_type, label.entity),
        label.label,
        format_time(label.since),
        format_time(label.until),
        list(label.because),
    )


def _reason(hit: Hit, pack: Pack, masks: Masks) -> Reason:
    return Reason(
        rule=hit.rule,
        version=hit.version,
        policy=policy_ref(hit.policy, pack),
        severity=hit.severity,
        verdict=hit.verdict.value,
        reason=hit.reason if masks.whole else _masked_sentence(hit, pack),
        values=masks.facts(hit.values),
        actions=list(hit.actions),
        weight=hit.weight,
        mode=hit.mode.value,
        acts=hit.acts,
        group=hit.group,
        suppressed_by=hit.suppressed_by,
    )


def _masked_sentence(hit: Hit, pack: Pack) -> str:
    """
    Return the sentence of a hit without personal data.

    A sentence may show facts that the rule's condition does not read. While the rule is still the one that fired, its
    template is filled again with masked values; for an older version the values on record are looked for instead.
    """
    rule = pack.ruleset.rules.get(hit.rule)
    if rule is None or rule.version != hit.version:
        return mask_sentence(hit.reason, personal_values(hit.values, pack.catalog))
    shown = (pack.catalog.get(name) for name in _PLACE.findall(rule.reason))
    if any(fact is None or fact.personal for fact in shown):
        return fill(rule.reason, mask_facts(hit.values, pack.catalog))
    return hit.reason
