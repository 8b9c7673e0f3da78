"""Hits become one decision. Pure sums and comparisons; every number comes from `packs/*/decisions.toml`."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from goodsend.decisions.actions import ActionKind
from goodsend.decisions.model import Action, Decision
from goodsend.events.model import Event
from goodsend.kit.clock import day_of
from goodsend.kit.errors import Problem
from goodsend.kit.ids import derived_id
from goodsend.rules.model import Evaluation, Hit, Verdict


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
            problems.append(Problem(file, str(error)))
    return thresholds, problems


def sum_points(hits: Sequence[Hit], cap_per_policy: float) -> float:
    """Return the sum of the acting hits' weights, each policy capped."""
    per_policy: dict[str, float] = {}
    for hit in hits:
        if hit.acts:
            per_policy[hit.policy] = per_policy.get(hit.policy, 0.0) + hit.weight
    return sum(min(points, cap_per_policy) for points in per_policy.values())


def decide(
    event: Event,
    evaluation: Evaluation,
    *,
    thresholds: Thresholds,
    actions: Mapping[str, ActionKind],
    entities: Mapping[str, str],
    versions: dict[str, str],
    late: bool,
) -> Decision:
    """
    Return the answer for one event: the most restrictive verdict that an acting hit or the points ask for.

    `entities` are the keys this event carries, by entity type. An action whose target the event does not carry is
    not asked for. Equal actions on one target are asked once, for all the rules that wanted them; their id follows from
    action, target and day, so that what is in force is not asked for again with every event.
    """
    acting = [hit for hit in evaluation.hits if hit.acts]
    points = sum_points(evaluation.hits, thresholds.cap_per_policy)
    verdicts = [hit.verdict for hit in acting]
    verdicts += [verdict for verdict, least in thresholds.points.items() if points >= least]
    decision_id = derived_id("dec", event.tenant, event.id)
    return Decision(
        id=decision_id,
        tenant=event.tenant,
        event_id=event.id,
        kind=event.kind,
        at=event.at,
        account=entities.get("account"),
        verdict=max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.ALLOW),
        severity=max((hit.severity for hit in acting), default=0),
        points=points,
        hits=evaluation.hits,
        actions=_actions(event, acting, actions, entities),
        unknown=evaluation.unknown,
        versions=versions,
        late=late,
    )


def _actions(
    event: Event, acting: Sequence[Hit], kinds: Mapping[str, ActionKind], entities: Mapping[str, str]
) -> tuple[Action, ...]:
    wanted: dict[str, list[Hit]] = {}
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
                id=derived_id("act", event.tenant, name, kind.target, target, day_of(event.at)),
                name=name,
                target_type=kind.target,
                target=target,
                params=dict(kind.params),
                policy=gravest.policy,
                because=tuple(hit.rule for hit in hits),
            )
        )
    return tuple(asked)
