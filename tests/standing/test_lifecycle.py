"""What moves an account from one standing to another."""

from typing import Any

from goodsend.decisions.actions import ActionKind
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.facts import Catalog, Fact, Facts, FactType
from goodsend.rules.model import Hit
from goodsend.standing.lifecycle import next_move, parse_lifecycle
from goodsend.standing.model import Move
from tests.decisions.test_decide import decided, make_hit

CATALOG = Catalog([Fact("f.account_age_s", FactType.NUMBER, "age", "s")])
TABLE: dict[str, Any] = {
    "state": {"applicant": {"doc": "New.", "messages_per_day": 200}},
    "move": [
        {"from": ["applicant"], "to": "warming", "on": ["list.imported"], "when": "f.account_age_s >= DAYS(7)",
         "reason": "{f.account_age_s|duration} old."},
    ],
}  # fmt: skip
ACTIONS = {
    "warn_account": ActionKind("warn_account", "Warn.", "account", 1),
    "throttle_account": ActionKind("throttle_account", "Slow.", "account", 2, "watch"),
    "suspend_account": ActionKind("suspend_account", "Stop.", "account", 5, "suspended"),
}
LIFECYCLE, _ = parse_lifecycle({"core/standing.toml": TABLE}, CATALOG, CORE_FUNCTIONS, (), ("list.imported",))


def move(standing: str, facts: Facts, *hits: Hit) -> Move | None:
    """The move of acc_1 by an import with these facts and hits."""
    decision = decided(*hits, actions=ACTIONS)
    return next_move(LIFECYCLE, ACTIONS, decision, standing, facts, {})


def test_a_step_is_taken_when_its_condition_is_true() -> None:
    """From its own state only, with a reason the account holder may read."""
    taken = move("applicant", {"f.account_age_s": 700_000.0})

    assert taken is not None
    assert (taken.before, taken.after, taken.reason) == ("applicant", "warming", "8 days old.")
    assert move("good", {"f.account_age_s": 700_000.0}) is None


def test_what_is_unknown_moves_nobody() -> None:
    """A NULL condition is no evidence."""
    assert move("applicant", {}) is None


def test_the_hardest_action_moves_first_and_only_down() -> None:
    """Suspension outweighs a throttle; a throttle does not lift a suspension."""
    hits = (make_hit(actions=("throttle_account",)), make_hit(rule="b", actions=("suspend_account",), reason="Fraud."))

    down = move("good", {}, *hits)

    assert down is not None
    assert (down.after, down.reason) == ("suspended", "Fraud.")
    assert move("suspended", {}, make_hit(actions=("throttle_account",))) is None


def test_a_warning_moves_nobody() -> None:
    """An action without a standing leaves the account where it is."""
    assert move("good", {}, make_hit()) is None


def test_unknown_standings_and_facts_are_problems() -> None:
    """Told with their places when the pack is read."""
    table = {"move": [{"from": ["aplicant"], "to": "good", "when": "f.account_ag > 3", "reason": "x"}]}

    _, problems = parse_lifecycle({"local/standing.toml": table}, CATALOG, CORE_FUNCTIONS, (), ("list.imported",))

    assert [problem.place for problem in problems] == [
        "local/standing.toml: move 1",
        "local/standing.toml: move 1: when",
    ]
