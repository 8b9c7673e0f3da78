"""Hits become one decision. Pure sums and comparisons; every number comes from `packs/*/decisions.toml`."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from goodsend.decisions.actions import ActionKind
from goodsend.decisions.breaker import Counted, hold_back
from goodsend.decisions.model import Action, Decision, EntityLabel
from goodsend.events.model import Event
from goodsend.kit.clock import DAY, Micros, day_of
from goodsend.kit.errors import Problem
from goodsend.kit.ids import derived_id
from goodsend.rules.groups import Group
from goodsend.rules.model import Evaluation, Hit, Verdict
from goodsend.rules.shape import shape_problem

_ROUNDED = 9
"""Decimals of points: what weights like 0.1 add up to must not miss a threshold by the last bit of a float."""


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What points lead to. `points` maps a verdict to the least sum of weights that asks for it; one policy never adds
    more than `cap_per_policy`.
    """

    points: dict[Verdict, float]
    cap_per_policy: float
    source: str


def parse_thresholds(files: Mapping[str, Mapping[str, Any]]) -> tuple[Thresholds, list[Problem]]:
    """Read decisions.toml; the last file wins as a whole."""
    thresholds = Thresholds({}, 0.0, "none")
    problems = []
    for file, raw in files.items():
        try:
            thresholds = msgspec.convert(raw, Thresholds)
        except msgspec.ValidationError as error:
            problems.append(shape_problem(file, error, Thresholds))
    return thresholds, problems


def points_of(
    hits: Sequence[Hit], cap_per_policy: float, groups: Mapping[str, Group] | None = None
) -> tuple[float, dict[str, float]]:
    """
    Return the points of the acting hits, and those of each group among them.

    First one policy adds at most its cap, taken from its hits in proportion; then one group adds at most its own.
    """
    parts: dict[str, dict[str, float]] = {}
    for hit in hits:
        if hit.acts and hit.weight:
            by_group = parts.setdefault(hit.policy, {})
            group = hit.group or ""
            by_group[group] = by_group.get(group, 0.0) + hit.weight
    if not parts:
        return 0.0, {}
    sums: dict[str, float] = {}
    for by_group in parts.values():
        total = sum(by_group.values())
        for group, points in by_group.items():
            kept = points if total <= cap_per_policy else cap_per_policy * (points / total)
            sums[group] = sums.get(group, 0.0) + kept
    for group in sums:
        cap = groups[group].cap if groups and group in groups else None
        sums[group] = round(sums[group] if cap is None else min(sums[group], cap), _ROUNDED)
    whole = round(sum(sums.values()), _ROUNDED)
    sums.pop("", None)
    return whole, sums


def sum_points(hits: Sequence[Hit], cap_per_policy: float, groups: Mapping[str, Group] | None = None) -> float:
    """Return the sum of the acting hits' weights, each policy and each group capped."""
    return points_of(hits, cap_per_policy, groups)[0]


def verdict_of(
    acting: Sequence[Hit], points: float, by_group: Mapping[str, float], thresholds: Thresholds,
    groups: Mapping[str, Group] | None = None,
) -> Verdict:  # fmt: skip
    """Return the most restrictive verdict that a hit, the points of all, or the points of a group ask for."""
    asked = [hit.verdict for hit in acting]
    asked += [verdict for verdict, least in thresholds.points.items() if points >= least]
    for name, sum_ in by_group.items():
        if groups and name in groups:
            asked += [verdict for verdict, least in groups[name].points.items() if sum_ >= least]
    return max(asked, key=_rank, default=Verdict.ALLOW)


def _rank(verdict: Verdict) -> int:
    return verdict.rank


def decide(
    event: Event,
    evaluation: Evaluation,
    *,
    thresholds: Thresholds,
    actions: Mapping[str, ActionKind],
    entities: Mapping[str, str],
    versions: dict[str, str],
    late: bool,
    groups: Mapping[str, Group] | None = None,
    asked: Counted | None = None,
) -> Decision:
    """
    Return the answer for one event: the most restrictive verdict that an acting hit or the points ask for.

    `entities` are the keys this event carries, by entity type. An action whose target the event does not carry is
    not asked for. Equal actions on one target are asked once, for all the rules that wanted them; their id follows from
    action, target and day, so that what is in force is not asked for again with every event.

    An action past its limit of the hour (`asked`) is held back. Then the rules that wanted it ask for a review, no
    more; what other rules ask for stands.
    """
    decision_id = derived_id("dec", event.tenant, event.id)
    account = entities.get("account")
    acting = [hit for hit in evaluation.hits if hit.acts]
    if not acting:
        return Decision(
            decision_id, event.tenant, event.id, event.kind, event.at, account, Verdict.ALLOW, 0, 0.0,
            evaluation.hits, (), evaluation.unknown, versions, late,
        )  # fmt: skip
    points, by_group = points_of(acting, thresholds.cap_per_policy, groups)
    verdict = verdict_of(acting, points, by_group, thresholds, groups)
    wanted = None
    wished = _actions(event, acting, actions, entities)
    kept, held = hold_back(wished, asked, event.at) if asked is not None else (wished, ())
    if held:
        stopped = {rule for back in held for rule in back.action.because}
        others = [hit for hit in acting if hit.rule not in stopped]
        less = verdict_of(others, *points_of(others, thresholds.cap_per_policy, groups), thresholds, groups)
        wanted, verdict = verdict, max(less, Verdict.REVIEW, key=_rank)
    return Decision(
        id=decision_id,
        tenant=event.tenant,
        event_id=event.id,
        kind=event.kind,
        at=event.at,
        account=account,
        verdict=verdict,
        severity=max(hit.severity for hit in acting),
        points=points,
        hits=evaluation.hits,
        actions=kept,
        unknown=evaluation.unknown,
        versions=versions,
        late=late,
        points_by_group=by_group,
        labels=_labels(event, acting, entities, decision_id),
        held_back=held,
        wanted=wanted,
    )


def _labels(event: Event, acting: Sequence[Hit], entities: Mapping[str, str], decision: str) -> tuple[EntityLabel, ...]:
    """Return the labels the hits set on entities of the event, each once, for the longest time that was asked."""
    until: dict[tuple[str, str], Micros] = {}
    because: dict[tuple[str, str], list[str]] = {}
    for hit in acting:
        for label in hit.labels:
            if label.entity in entities:
                named = (label.entity, label.label)
                until[named] = max(until.get(named, 0), event.at + label.lasts)
                because.setdefault(named, []).append(hit.rule)
    return tuple(
        EntityLabel(type_, entities[type_], label, event.at, until[type_, label], tuple(rules), decision)
        for (type_, label), rules in because.items()
    )


@lru_cache(maxsize=64)
def _day(number: int) -> str:
    """Return the date of a day since 1970: asked for with every action, and seldom another."""
    return day_of(number * DAY)


def _actions(
    event: Event, acting: Sequence[Hit], kinds: Mapping[str, ActionKind], entities: Mapping[str, str]
) -> tuple[Action, ...]:
    wanted: dict[str, list[Hit]] = {}
    if not any(hit.actions for hit in acting):
        return ()
    day = _day(event.at // DAY)
    for hit in acting:
        for name in hit.actions:
            if kinds[name].automatic and kinds[name].target in entities:
                wanted.setdefault(name, []).append(hit)
    asked = []
    for name in sorted(wanted, key=lambda name: (kinds[name].impact, name)):
        kind, hits = kinds[name], wanted[name]
        target = entities[kind.target]
        gravest = max(hits, key=lambda hit: hit.severity)
        asked.append(
            Action(
                id=derived_id("act", event.tenant, name, kind.target, target, day),
                name=name,
                target_type=kind.target,
                target=target,
                params=dict(kind.params),
                policy=gravest.policy,
                because=tuple(hit.rule for hit in hits),
            )
        )
    return tuple(asked)
