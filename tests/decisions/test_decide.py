"""Hits become one decision."""

from typing import Any

from goodsend.decisions.actions import ActionKind
from goodsend.decisions.decide import Thresholds, decide, parse_thresholds, sum_points
from goodsend.decisions.model import Decision
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


def decided(*hits: Hit, actions: dict[str, ActionKind] = ACTIONS, **entities: str) -> Decision:
    """The decision on an import by acc_1 with these hits."""
    return decide(
        make_event(), Evaluation(hits, {}), thresholds=THRESHOLDS, actions=actions,
        entities={"account": "acc_1"} | entities, versions={}, late=False,
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
