"""Hits become one decision."""

from typing import Any

import pytest

from goodsend.decisions.actions import ActionKind, parse_actions
from goodsend.decisions.decide import Thresholds, decide, parse_thresholds, points_of, sum_points
from goodsend.decisions.model import Decision
from goodsend.rules.groups import Group
from goodsend.rules.model import Evaluation, Hit, Mode, Verdict
from tests.conftest import make_event

ACTIONS = {
    "warn_account": ActionKind("warn_account", "Warn.", "account", 1),
    "hold_campaign": ActionKind("hold_campaign", "Hold.", "campaign", 3),
    "terminate_account": ActionKind("terminate_account", "End.", "account", 6, automatic=False),
}
THRESHOLDS = Thresholds({Verdict.REVIEW: 5.0, Verdict.HOLD: 10.0}, 6.0, "test")


def make_hit(**but: Any) -> Hit:
    """A live hit that asks for review and a warning, but with these values."""
    given: dict[str, Any] = {
        "rule": "big", "version": "rv_1", "policy": "bought", "severity": 3, "mode": Mode.LIVE,
        "verdict": Verdict.REVIEW, "reason": "Many addresses.", "values": {}, "actions": ("warn_account",),
    }  # fmt: skip
    return Hit(**(given | but))


def decided(
    *hits: Hit, actions: dict[str, ActionKind] = ACTIONS, groups: dict[str, Group] | None = None, **entities: str
) -> Decision:
    """The decision on an import by acc_1 with these hits."""
    return decide(
        make_event(), Evaluation(hits, {}), thresholds=THRESHOLDS, actions=actions,
        entities={"account": "acc_1"} | entities, versions={}, late=False,
        groups=groups,
    )  # fmt: skip


def test_nothing_found_is_allowed() -> None:
    """No hit, no restriction, no action."""
    decision = decided()

    assert (decision.verdict, decision.severity, decision.actions) == (Verdict.ALLOW, 0, ())


def test_the_most_restrictive_acting_hit_decides() -> None:
    """A hold outweighs a review; a reject in shadow changes nothing."""
    decision = decided(
        make_hit(), make_hit(rule="b", verdict=Verdict.HOLD, severity=4),
        make_hit(rule="c", verdict=Verdict.REJECT, severity=5, mode=Mode.SHADOW, acts=False),
    )  # fmt: skip

    assert (decision.verdict, decision.severity) == (Verdict.HOLD, 4)


def test_points_add_up_and_one_policy_is_capped() -> None:
    """Weak findings under two policies together ask for a hold; many under one stop at the cap."""
    one = [make_hit(rule=str(n), weight=3.0, verdict=Verdict.ALLOW) for n in range(4)]
    two = [*one, make_hit(rule="x", policy="phishing", weight=4.0, verdict=Verdict.ALLOW)]

    assert sum_points(one, 6.0) == 6.0
    assert decided(*one).verdict is Verdict.REVIEW
    assert decided(*two).verdict is Verdict.HOLD


def test_equal_actions_are_asked_once_mildest_first() -> None:
    """Two rules that want one action on one target share it; the gravest hit gives the clause."""
    decision = decided(
        make_hit(), make_hit(rule="b", policy="phishing", severity=5, actions=("hold_campaign", "warn_account")),
        campaign="camp_1",
    )  # fmt: skip

    assert [(a.name, a.target, a.policy, a.because) for a in decision.actions] == [
        ("warn_account", "acc_1", "phishing", ("big", "b")),
        ("hold_campaign", "camp_1", "phishing", ("b",)),
    ]


def test_an_action_without_target_or_for_people_only_is_not_asked() -> None:
    """An import names no campaign, and nobody is terminated automatically."""
    assert decided(make_hit(actions=("hold_campaign", "terminate_account"))).actions == ()


def test_ids_follow_from_the_event() -> None:
    """Judging the same event again gives the same decision and action ids."""
    assert decided(make_hit()).id == decided().id
    assert decided(make_hit()).actions[0].id == decided(make_hit(rule="b")).actions[0].id


def test_broken_thresholds_are_a_problem() -> None:
    """A misspelt verdict is told, with its place."""
    _, problems = parse_thresholds(
        {"local/decisions.toml": {"points": {"hodl": 5.0}, "cap_per_policy": 6.0, "source": "x"}}
    )

    assert [problem.place for problem in problems] == ["local/decisions.toml"]


GROUPS = {"lists": Group("lists", "Lists.", cap=4.0, points={Verdict.THROTTLE: 4.0}, source="test")}


def test_a_group_has_points_of_its_own_and_a_cap() -> None:
    """Its points are named, capped, and may ask for a verdict that the sum of all does not."""
    hits = [make_hit(rule=str(n), policy=f"p{n}", weight=3.0, verdict=Verdict.ALLOW, group="lists") for n in range(3)]

    decision = decided(*hits, groups=GROUPS)

    assert (decision.points, decision.points_by_group) == (4.0, {"lists": 4.0})
    assert decision.verdict is Verdict.THROTTLE


def test_a_policy_over_several_groups_stays_under_its_cap() -> None:
    """What it may add is shared out among the groups in proportion."""
    hits = [
        make_hit(rule="a", weight=9.0, verdict=Verdict.ALLOW, group="lists"),
        make_hit(rule="b", weight=3.0, verdict=Verdict.ALLOW),
    ]

    assert points_of(hits, 6.0, {}) == (6.0, {"lists": 4.5})
    assert points_of(hits, 6.0, GROUPS) == (5.5, {"lists": 4.0})


def test_points_miss_no_threshold_by_the_last_bit() -> None:
    """Ten weights of 0.1 are 1."""
    hits = [make_hit(rule=str(n), policy=f"p{n}", weight=0.1) for n in range(10)]

    assert sum_points(hits, 6.0) == 1.0


@pytest.mark.parametrize(
    ("action", "message", "hint"),
    [
        ({"doc": "x", "target": "account", "impct": 1}, "core/actions.toml: warn", "did you mean `impact`?"),
        ({"doc": "x", "target": "account"}, "missing required field `impact`", "always needed: doc, target, impact"),
        ({"doc": "x", "target": "account", "impact": "1"}, "Expected `int`", "texts stand in quotes; numbers"),
    ],
)
def test_a_broken_action_is_told_and_the_others_stand(action: dict[str, Any], message: str, hint: str) -> None:
    """With the place and what to write instead."""
    good = {"doc": "Hold.", "target": "campaign", "impact": 3}

    actions, (problem,) = parse_actions({"core/actions.toml": {"action": {"warn": action, "hold": good}}})

    assert list(actions) == ["hold"]
    assert message in problem.render()
    assert hint in problem.render()


def test_broken_thresholds_have_a_hint() -> None:
    """The words there are, or the field that was meant."""
    _, (word,) = parse_thresholds({"x": {"points": {"hodl": 5.0}, "cap_per_policy": 6.0, "source": "x"}})
    _, (field,) = parse_thresholds({"x": {"points": {}, "cap_per_polcy": 6.0, "cap_per_policy": 6.0, "source": "x"}})

    assert word.hint == "known: allow, review, throttle, hold, reject"
    assert field.hint == "did you mean `cap_per_policy`?"
