"""When a rule's figures are an alarm."""

import math
import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodsend.kit.clock import HOUR
from goodsend.reports.alarms import RuleHour, Watch, alarms_of, log_at_least, log_at_most, parse_watch

WATCH = Watch(1.0, 168, 24, 24, 5, 2.0, 24, "test")
T0 = 1_795_348_800_000_000 // HOUR * HOUR


def make_hours(*accounts: int, seen: int = 1_000, version: str = "rv_1") -> list[RuleHour]:
    """One rule's hours from T0 on."""
    return [RuleHour(T0 + n * HOUR, version, count * 2, count, seen) for n, count in enumerate(accounts)]


def kinds(hours: list[RuleHour], **but: Any) -> list[str]:
    """Which alarms the last of these hours raises."""
    given_: dict[str, Any] = {"watch": WATCH, "recent": {}} | but
    return [alarm.kind for alarm in alarms_of("demo", hours[-1].hour, {"big": hours}, **given_)]


def exact(low: int, high: int, of: int, share: Fraction) -> Fraction:
    """The chance of low … high of `of`, in whole numbers."""
    return sum((math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(low, high + 1)), Fraction())


def log_of(value: Fraction) -> float:
    """A logarithm that does not underflow."""
    return math.log(value.numerator) - math.log(value.denominator)


@given(
    st.integers(1, 120), st.integers(0, 120), st.fractions(Fraction(1, 1000), Fraction(999, 1000), max_denominator=1000)
)
def test_tails_are_exact(of: int, count: int, share: Fraction) -> None:
    """Both tails agree with sums of whole numbers, however small they are."""
    count = min(count, of)

    assert log_at_least(count, of, float(share)) == pytest.approx(log_of(exact(count, of, of, share)), abs=1e-8)
    assert log_at_most(count, of, float(share)) == pytest.approx(log_of(exact(0, count, of, share)), abs=1e-8)


def test_tails_hold_where_floats_end() -> None:
    """A chance of 1e-3000 is no 0, and the edges are said plainly."""
    assert log_at_least(1_000, 1_000, 0.001) == pytest.approx(1_000 * math.log(0.001))
    assert log_at_most(0, 1_000_000, 0.5) == pytest.approx(1_000_000 * math.log(0.5))
    assert (log_at_least(0, 5, 0.5), log_at_most(5, 5, 0.5)) == (0.0, 0.0)
    assert (log_at_least(1, 5, 0.0), log_at_most(4, 5, 1.0)) == (-math.inf, -math.inf)


def test_a_share_that_leaps_is_an_alarm() -> None:
    """From 1 % of accounts to 8 %: told with both figures and the chance."""
    hours = make_hours(*[10] * 48, 80)

    (alarm,) = alarms_of("demo", hours[-1].hour, {"big": hours}, WATCH, {})

    assert (alarm.kind, alarm.subject, alarm.at) == ("rule_rose", "big", hours[-1].hour)
    assert "fired on 80 of 1,000 accounts (8 %); in the 48 hours before on 1 %" in alarm.reason
    assert alarm.body["log10_chance"] < -30


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (make_hours(*[10] * 48, 13), []),
        (make_hours(*[200] * 48, 40), ["rule_fell"]),
        (make_hours(*[200] * 48, 130), []),
        (make_hours(*[0] * 48, 4), []),
        (make_hours(*[0] * 48, 30), ["rule_rose"]),
        (make_hours(*[10] * 23, 80), []),
        (make_hours(*[5] * 48, *[0] * 24), ["rule_silent"]),
        (make_hours(*[5] * 48, *[0] * 23), []),
        (make_hours(*[5] * 48, *[0] * 23, 1), ["rule_fell"][:0]),
        (make_hours(*[5] * 48, *[0] * 24, seen=0), []),
        (make_hours(*[10] * 48) + make_hours(*[80] * 49, version="rv_2")[48:], []),
    ],
)
def test_what_is_an_alarm_and_what_is_not(hours: list[RuleHour], expected: list[str]) -> None:
    """Small changes, few accounts, short histories, changed rules and quiet platforms raise none."""
    assert kinds(hours) == expected


def test_an_alarm_is_not_repeated_for_a_while() -> None:
    """The same rule and kind rests; another kind does not."""
    hours = make_hours(*[10] * 48, 80)
    last = hours[-1].hour

    assert kinds(hours, recent={("rule_rose", "big"): last - 23 * HOUR}) == []
    assert kinds(hours, recent={("rule_rose", "big"): last - 24 * HOUR}) == ["rule_rose"]
    assert kinds(hours, recent={("rule_fell", "big"): last}) == ["rule_rose"]


def test_an_hour_that_was_not_tallied_raises_nothing() -> None:
    """Only the hour asked for is judged."""
    hours = make_hours(*[10] * 48, 80)

    assert alarms_of("demo", hours[-1].hour + HOUR, {"big": hours}, WATCH, {}) == []


def test_many_rules_do_not_mean_many_alarms() -> None:
    """What is a surprise for one rule is none among ten thousand: the bound is shared among them."""
    hours = make_hours(*[10] * 48, 30)
    last = hours[-1].hour
    crowd = {f"rule_{n}": make_hours(*[10] * 49) for n in range(10_000)}

    assert len(alarms_of("demo", last, {"big": hours}, WATCH, {})) == 1
    assert alarms_of("demo", last, {"big": hours, **crowd}, WATCH, {}) == []


@pytest.mark.parametrize(
    ("but", "expected"),
    [
        ({"least_factor": 1.0}, "least_factor: is not above 1"),
        ({"silent_hours": 0}, "silent_hours: is not above 0"),
        ({"silnt_hours": 1}, "unknown field"),
    ],
)
def test_a_broken_file_is_a_problem(but: dict[str, Any], expected: str) -> None:
    """Each mistake has a place and a hint."""
    table = {name: getattr(WATCH, name) for name in Watch.__struct_fields__} | but

    _, (problem,) = parse_watch({"core/alarms.toml": table})

    assert expected in problem.render()
    assert problem.hint


def test_when_nothing_is_the_matter_alarms_are_as_rare_as_promised() -> None:
    """A week of thirty rules whose shares never change raises at most a handful; one false alarm is to be expected."""
    chance = random.Random(7)
    shares = [chance.choice([0.001, 0.01, 0.05, 0.3]) for _ in range(30)]
    by_rule: dict[str, list[RuleHour]] = {f"r{n}": [] for n in range(30)}
    raised = []
    for hour in range(7 * 24 + 24):
        for n, share in enumerate(shares):
            seen = 100
            fired = sum(chance.random() < share for _ in range(seen))
            by_rule[f"r{n}"].append(RuleHour(T0 + hour * HOUR, "rv_1", fired, fired, seen))
        if hour >= 24:
            raised += alarms_of("demo", T0 + hour * HOUR, by_rule, WATCH, {})

    assert len(raised) <= 3
