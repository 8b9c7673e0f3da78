"""Decisions as answers: reasons with their clause, personal data masked. The shapes themselves live in `wire.py`."""

from collections.abc import Mapping
from typing import Any

from goodsend.api.access import Access
from goodsend.api.masking import mask_facts, mask_sentence, personal_values
from goodsend.api.wire import (
    DecisionAnswer,
    PolicyRef,
    Reason,
    SyncDecision,
    action_answer,
)
from goodsend.decisions.model import Decision
from goodsend.kit.clock import format_time
from goodsend.pack import Pack
from goodsend.rules.model import Hit
from goodsend.rules.reason import fill


def decision_answer(decision: Decision, pack: Pack, access: Access) -> DecisionAnswer:
    """Return a decision as a client with this access may see it."""
    return DecisionAnswer(**_columns(decision, pack, access))


def sync_decision(
    decision: Decision, pack: Pack, access: Access, *, duplicate: bool, facts: Mapping[str, Any] | None
) -> SyncDecision:
    """Return a decision made while the client waited, with the facts when they were asked for."""
    shown = facts if facts is None or access.sees_personal else mask_facts(facts, pack.catalog)
    return SyncDecision(
        **_columns(decision, pack, access), duplicate=duplicate, facts=None if shown is None else {**shown}
    )


def _columns(decision: Decision, pack: Pack, access: Access) -> dict[str, Any]:
    return {
        "id": decision.id,
        "event_id": decision.event_id,
        "kind": decision.kind,
        "at": format_time(decision.at),
        "account": decision.account,
        "verdict": decision.verdict.value,
        "severity": decision.severity,
        "points": decision.points,
        "reasons": [_reason(hit, pack, access) for hit in decision.hits],
        "actions": [action_answer(action) for action in decision.actions],
        "unknown": {rule: list(facts) for rule, facts in decision.unknown.items()},
        "versions": decision.versions,
        "late": decision.late,
    }


def _reason(hit: Hit, pack: Pack, access: Access) -> Reason:
    policy = pack.policies.get(hit.policy)
    masked = not access.sees_personal
    return Reason(
        rule=hit.rule,
        version=hit.version,
        policy=PolicyRef(hit.policy, policy.clause if policy else None, policy.title if policy else None),
        severity=hit.severity,
        verdict=hit.verdict.value,
        reason=_masked_sentence(hit, pack) if masked else hit.reason,
        values=mask_facts(hit.values, pack.catalog) if masked else dict(hit.values),
        actions=list(hit.actions),
        weight=hit.weight,
        mode=hit.mode.value,
        acts=hit.acts,
    )


def _masked_sentence(hit: Hit, pack: Pack) -> str:
    """
    Return the sentence of a hit without personal data.

    A sentence may show facts that the rule's condition does not read. While the rule is still the one that fired, its
    template is filled again with masked values; for an older version the values on record are looked for instead.
    """
    rule = pack.ruleset.rules.get(hit.rule)
    names = [name for name, fact in pack.catalog.items() if fact.personal]
    if rule is not None and rule.version == hit.version:
        if not any("{" + name in rule.reason for name in names):
            return hit.reason
        return fill(rule.reason, mask_facts(hit.values, pack.catalog))
    return mask_sentence(hit.reason, personal_values(hit.values, pack.catalog))
