"""The circuit breaker: how often an action may be asked for, and what becomes of the rest."""

from typing import Any

import msgspec
import pytest

from goodsend.decisions.actions import ActionKind, parse_actions
from goodsend.decisions.breaker import Counted, hour_of
from goodsend.decisions.decide import decide
from goodsend.decisions.model import Decision
from goodsend.kit.clock import HOUR, MINUTE
from goodsend.rules.model import Evaluation, Hit, Verdict
from tests.conftest import NOW, make_event
from tests.decisions.test_decide import ACTIONS, THRESHOLDS, make_hit


def judged(asked: Counted, account: str, *hits: Hit, at: int = NOW, kinds: dict[str, ActionKind] = ACTIONS) -> Decision:
    """The decision on an event of this account, which `asked` then knows of."""
    decision = decide(
        make_event(id=f"evt_{account}_{at}", at=at), Evaluation(hits or (make_hit(verdict=Verdict.HOLD),), {}),
        thresholds=THRESHOLDS, actions=kinds, entities={"account": account, "campaign": "camp_1"}, versions={},
        late=False, asked=asked,
    )  # fmt: skip
    asked.learn(decision.actions, at)
    return decision


def names(decision: Decision) -> tuple[list[str], list[str]]:
    """What it asks for, and what it holds back."""
    return [action.name for action in decision.actions], [held.action.name for held in decision.held_back]


def test_past_the_limit_a_decision_falls_back_to_review_and_keeps_what_it_would_have_asked() -> None:
    """The third account of the hour is not warned, and nobody is held automatically because of that rule."""
    asked = Counted({"warn_account": 2})

    first, second, third = (judged(asked, f"acc_{n}") for n in range(3))

    assert [names(first), names(second), names(third)] == [(["warn_account"], [])] * 2 + [([], ["warn_account"])]
    assert (first.verdict, first.wanted) == (Verdict.HOLD, None)
    assert (third.verdict, third.wanted) == (Verdict.REVIEW, Verdict.HOLD)
    assert third.held_back[0].action.target == "acc_2"
    assert "warn_account was asked for 2 times in the hour from 2026-11-22T12:00:00Z" in third.held_back[0].reason


def test_it_closes_by_itself_with_the_next_hour() -> None:
    """Hours are those of the events; a late event falls into its own hour."""
    asked = Counted({"warn_account": 1})

    found = [judged(asked, f"acc_{n}", at=NOW + minutes * MINUTE) for n, minutes in enumerate((0, 59, 60, 61, -1))]

    assert [len(decision.held_back) for decision in found] == [0, 1, 0, 1, 0]


def test_asking_again_for_what_is_in_force_counts_once() -> None:
    """Fifty events of one account are one warning that day, also when the limit is reached."""
    asked = Counted({"warn_account": 1})

    found = [judged(asked, "acc_1", at=NOW + n * MINUTE) for n in range(50)] + [judged(asked, "acc_1", at=NOW + HOUR)]

    assert all(not decision.held_back for decision in found)
    assert asked.counts == {("warn_account", hour_of(NOW)): 1}


def test_what_other_rules_ask_for_stands() -> None:
    """A rule that ran wild cannot weaken what another rule found on the same event."""
    asked = Counted({"warn_account": 1})
    judged(asked, "acc_1")
    wild = make_hit(rule="wild", verdict=Verdict.REJECT)
    sure = make_hit(rule="sure", policy="phishing", verdict=Verdict.HOLD, actions=("hold_campaign",))

    decision = judged(asked, "acc_2", wild, sure)

    assert names(decision) == (["hold_campaign"], ["warn_account"])
    assert (decision.verdict, decision.wanted) == (Verdict.HOLD, Verdict.REJECT)


def test_an_action_without_limit_is_never_held_back() -> None:
    """And nothing is counted of it."""
    asked = Counted({"warn_account": 1})

    found = [judged(asked, f"acc_{n}", make_hit(actions=("hold_campaign",))) for n in range(20)]

    assert all(not decision.held_back for decision in found)
    assert asked.hours == {}


def test_decisions_of_earlier_versions_can_be_read() -> None:
    """What was stored before there were limits, labels and groups comes back with none."""
    whole = msgspec.json.decode(msgspec.json.encode(judged(Counted(), "acc_1")))
    for added in ("points_by_group", "labels", "held_back", "wanted"):
        del whole[added]
    for hit in whole["hits"]:
        for added in ("group", "labels", "suppressed_by"):
            del hit[added]

    assert msgspec.convert(whole, Decision) == judged(Counted(), "acc_1")


@pytest.mark.parametrize(
    ("but", "expected"),
    [
        ({"per_hour": 0, "per_hour_source": "x"}, "per_hour: is below 1"),
        ({"per_hour": 5}, "per_hour_source: is missing"),
    ],
)
def test_a_limit_is_a_number_with_a_source(but: dict[str, Any], expected: str) -> None:
    """Each mistake is told with a hint."""
    table = {"doc": "Warn.", "target": "account", "impact": 1} | but

    _, (problem,) = parse_actions({"core/actions.toml": {"action": {"warn_account": table}}})

    assert expected in problem.render()
    assert problem.hint
