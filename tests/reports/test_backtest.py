"""The sums of a backtest: shares with intervals, overlaps, delays, verdicts and costs. No evidence is not zero."""

from typing import Any

import msgspec
import pytest

from goodsend.decisions.decide import Thresholds
from goodsend.reports.backtest import (
    NO_WEIGHTS,
    Change,
    Combination,
    Labels,
    Report,
    RuleCount,
    Sample,
    SeenValue,
    Share,
    Transition,
    Weights,
    combined_verdict,
    cost_of,
    delay_of,
    overlaps_of,
    parse_weights,
    quality_of,
    quantile,
    rule_report,
    share_of,
    without_personal,
)
from goodsend.rules.groups import Group
from goodsend.rules.model import Mode, Rule, Verdict
from goodsend.rules.ruleset import Ruleset

WEIGHTS = Weights(
    "minutes", {Verdict.REVIEW: 2.0, Verdict.HOLD: 15.0}, 1.0, 0.01, (Verdict.HOLD, Verdict.REJECT), "e.recipients", "t"
)
LABELS = Labels(("labels",), 10, 90, 0, 0)


def make_rule(id_: str = "bulk", **but: Any) -> Rule:
    usual: dict[str, Any] = {
        "id": id_,
        "version": "rv_1",
        "doc": "d",
        "owner": "o",
        "policy": "spam",
        "severity": 3,
        "mode": Mode.LIVE,
        "on": frozenset(),
        "when": "e.recipients > 5",
        "verdict": Verdict.HOLD,
        "reason": "r",
    }
    return Rule(**usual | but)


def make_sample(**but: Any) -> Sample:
    usual: dict[str, Any] = {"event_id": "e", "arrival": 1, "at": 0, "kind": "k", "account": "a", "label": None}
    return Sample(**usual | but)


def make_report(**but: Any) -> Report:
    usual: dict[str, Any] = {
        "tenant": "acme", "pack": "p", "against": None, "engine": "duckdb", "since": 0, "until": 1, "on_time": False,
        "events": 0, "accounts": 0, "recipients": None, "days": (), "events_per_day": (), "rules": (), "overlaps": (),
        "verdicts": (), "labels": LABELS, "cost": None, "live_cost": None, "weights_source": "none",
    }  # fmt: skip
    return Report(**usual | but)


def test_a_share_of_nothing_is_not_known() -> None:
    """No interval and no figure without trials; with them, the interval of Wilson."""
    share = share_of(5, 10)

    assert share_of(0, 0) == Share(0, 0)
    assert (share.share, round(share.low or 0, 4), round(share.high or 0, 4)) == (0.5, 0.2366, 0.7634)


def test_precision_and_recall_leave_out_what_has_no_label() -> None:
    """Unlabelled hits are told apart; they are neither right nor wrong."""
    quality = quality_of("account", {"abusive": 8, "honest": 2, "unlabelled": 90}, {"abusive": 10, "honest": 100})

    assert (quality.precision.share, quality.recall.share, quality.honest.share) == (0.8, 0.8, 0.02)
    assert quality.unlabelled == 90


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None), ([7.0], 0.5, 7.0), ([1.0, 2.0], 0.5, 1.0),
        ([1.0, 2.0, 3.0], 0.5, 2.0), ([1.0] * 9 + [5.0], 0.9, 1.0),
    ],
)  # fmt: skip
def test_quantiles_are_values_that_were_seen(values: list[float], share: float, expected: float | None) -> None:
    """The smallest value that at least this share does not exceed."""
    assert expected == quantile(values, share)


def test_accounts_that_were_never_hit_are_missed() -> None:
    """A delay says how many it is made of and how many it is not."""
    delay = delay_of("first event", [30.0, 10.0], 5)

    assert (delay.found, delay.missed, delay.median_s, delay.p90_s) == (2, 3, 10.0, 30.0)


def test_overlap_counts_events_that_both_hit() -> None:
    """Jaccard: both through either; pairs that never meet are not told."""
    found = overlaps_of(
        [Combination(rules, (), events) for rules, events in [(("a", "b"), 3), (("a",), 1), (("b",), 2), (("c",), 9)]]
    )

    assert [(one.first, one.second, one.both, one.either, one.jaccard) for one in found] == [("a", "b", 3, 6, 0.5)]


def test_verdicts_follow_the_sums_of_a_decision() -> None:
    """The gravest acting rule counts, points add up under caps, shadow does not act, a group's first one suppresses."""
    rules = {
        "weak": make_rule("weak", verdict=Verdict.ALLOW, weight=40.0),
        "also": make_rule("also", verdict=Verdict.ALLOW, weight=40.0),
        "other": make_rule("other", verdict=Verdict.ALLOW, weight=40.0, policy="phishing"),
        "grave": make_rule("grave", verdict=Verdict.REJECT, group="one"),
        "first": make_rule("first", verdict=Verdict.HOLD, group="one", order=-1),
        "dark": make_rule("dark", verdict=Verdict.REJECT, mode=Mode.SHADOW),
    }
    orders = {id_: rule.order for id_, rule in rules.items()}
    ruleset = Ruleset(rules, {}, {}, groups={"one": Group("one", "d", "first")}, orders=orders)
    thresholds = Thresholds({Verdict.REVIEW: 60.0}, 50.0, "t")

    def verdict(*hit: str) -> Verdict:
        return combined_verdict(hit, ruleset, thresholds)

    assert verdict() is Verdict.ALLOW
    assert verdict("weak", "also") is Verdict.ALLOW
    assert verdict("weak", "also", "other") is Verdict.REVIEW
    assert verdict("weak", "grave") is Verdict.REJECT
    assert verdict("first", "grave") is Verdict.HOLD
    assert verdict("dark") is Verdict.ALLOW


def test_costs_show_their_arithmetic() -> None:
    """Count times each is the total of a line; the balance is what was prevented less what was wrong."""
    cost = cost_of(WEIGHTS, {Verdict.HOLD: 2, Verdict.REVIEW: 5, Verdict.REJECT: 7}, (4, 1_000), 3)

    assert cost is not None
    assert all(line.count * line.each == line.total for line in cost.lines)
    assert (cost.wrong, cost.prevented, cost.balance, cost.unlabelled) == (40.0, 14.0, -26.0, 3)
    assert cost_of(NO_WEIGHTS, {}, (0, 0), 0) is None


def test_a_rule_that_lets_an_event_through_prevents_nothing() -> None:
    """Review does not stop: its hits on abuse are no harm prevented."""
    counted = RuleCount(hits=3, harm=(3, 900), wrong_days=1)

    stops = rule_report(make_rule(verdict=Verdict.HOLD), counted, (), LABELS, WEIGHTS).cost
    looks = rule_report(make_rule(verdict=Verdict.REVIEW), counted, (), LABELS, WEIGHTS).cost
    assert stops is not None
    assert looks is not None
    assert (stops.prevented, looks.prevented) == (12.0, 0)


def test_a_rule_is_new_changed_or_the_same() -> None:
    """By its version against the live one; without a comparison nothing is said."""
    rule = make_rule()
    other = make_rule(version="rv_0", when="e.recipients > 9")

    def status(live: Rule | None, *, compared: bool = True) -> str | None:
        return rule_report(rule, RuleCount(), (), LABELS, WEIGHTS, live=live, compared=compared).status

    assert [status(None), status(other), status(rule), status(rule, compared=False)] == ["new", "changed", "same", None]
    assert rule_report(rule, RuleCount(), (), LABELS, WEIGHTS, live=other, compared=True).live_when == other.when


def test_days_without_hits_are_zero() -> None:
    """The days of the report, in its order, whether or not something was hit."""
    report = rule_report(make_rule(), RuleCount(days={"2026-11-02": 4}), ("2026-11-01", "2026-11-02"), LABELS, WEIGHTS)

    assert report.days == (0, 4)


def test_weights_are_read_and_checked() -> None:
    """A later file wins as a whole; nonsense is a problem with its file."""
    table = {
        "unit": "EUR", "wrong": {"hold": 15.0}, "harm_per_event": 1.0, "harm_per_recipient": 0.0, "stops": ["hold"],
        "recipients": "e.recipients", "source": "own starting values",
    }  # fmt: skip
    weights, problems = parse_weights({"a": table, "b": {**table, "unit": "USD"}})

    assert (weights.unit, weights.wrong, problems) == ("USD", {Verdict.HOLD: 15.0}, [])
    assert [problem.place for problem in parse_weights({"c": {"unit": 1}})[1]] == ["c"]
    assert parse_weights({"d": {**table, "harm_per_event": -1.0}})[1][0].place == "d"


def test_personal_values_can_be_left_out_everywhere() -> None:
    """In samples of a rule, of what it gained and lost, and of verdicts."""
    sample = make_sample(values=(SeenValue("e.email", "a@b.example", personal=True), SeenValue("e.recipients", 9)))
    change = Change(1, 1, 0, 1, 1, (sample,), (sample,))
    rule = rule_report(make_rule(), RuleCount(), (), LABELS, WEIGHTS, change=change, samples=(sample,))
    move = Transition(Verdict.ALLOW, Verdict.HOLD, 1, 1, None, (sample,))
    report = without_personal(make_report(rules=(rule,), verdicts=(move,)))

    found = report.rules[0]
    assert found.change is not None
    kept = [*found.samples, *found.change.new_samples, *found.change.lost_samples, *report.verdicts[0].samples]
    assert [[value.value for value in one.values] for one in kept] == [[None, 9]] * 4


def test_a_report_is_read_as_it_was_written() -> None:
    """The console keeps it as JSON; texts, numbers and several texts come back as they were."""
    values = tuple(SeenValue("e.x", value) for value in ("a", 1, 1.5, True, None, ("a", "b")))
    rule = rule_report(make_rule(), RuleCount(), (), LABELS, WEIGHTS, samples=(make_sample(values=values),))
    report = make_report(rules=(rule,), cost=cost_of(WEIGHTS, {Verdict.HOLD: 2}, (4, 1_000), 3))

    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
