"""Rates say how sure they are, and speak up only when they are."""

import pytest

from goodsend.reports.rates import Level, Rate, parse_rates, rates_of, share_of
from goodsend.wiring import load_pack

TABLE = {
    "enough": 100,
    "rate": {
        "complaints": {
            "name": "Complaints", "above": ["message.complained"], "below": ["message.delivered"], "unit": "delivered",
            "look": 0.001, "stop": 0.003, "scale": 1.0, "source": "test",
        }
    },
}  # fmt: skip


def complaints(count: int, of: int) -> Rate:
    """The rate of complaints that the shipped pack finds in these messages."""
    rates = {rate.kind.name: rate for rate in rates_of(
        {"message.complained": count, "message.delivered": of}, load_pack(()).rates
    )}  # fmt: skip
    return rates["Complaints"]


@pytest.mark.parametrize(
    ("count", "of", "level"),
    [
        (0, 0, Level.UNKNOWN),
        (1, 13, Level.UNKNOWN),
        (1, 300, Level.FINE),
        (0, 10_000, Level.FINE),
        (30, 10_000, Level.RAISED),
        (60, 10_000, Level.HIGH),
        (5, 3, Level.UNKNOWN),
    ],
)
def test_levels_follow_the_lower_bound(count: int, of: int, level: Level) -> None:
    """One complaint in 300 is above every provider's limit and says nothing yet; sixty in 10,000 do."""
    assert complaints(count, of).level == level


def test_no_evidence_is_not_zero() -> None:
    """Without messages the rate may be anything."""
    rate = complaints(0, 0)

    assert (rate.low, rate.high) == (0.0, 1.0)
    assert share_of(0, 0) is None
    assert share_of(1, 4) == 0.25


def test_bounces_count_by_their_class() -> None:
    """Blocks and full mailboxes are not what a bad list does."""
    counts = {"message.delivered": 800, "message.bounced/hard": 100, "message.bounced/block": 100}

    rates = {rate.kind.name: rate for rate in rates_of(counts, load_pack(()).rates)}

    assert (rates["Hard bounces"].count, rates["Hard bounces"].of) == (100, 1_000)
    assert rates["Hard bounces"].level == Level.RAISED


def test_every_limit_of_the_pack_has_a_source() -> None:
    """Somebody's number, or said to be ours."""
    assert all(kind.source for kind in load_pack(()).rates.kinds)


def test_a_later_layer_changes_one_rate() -> None:
    """The rest stays."""
    own = {"rate": {"complaints": {**TABLE["rate"]["complaints"], "look": 0.002}}}  # type: ignore[index]

    rates, problems = parse_rates({"core/rates.toml": TABLE, "local/rates.toml": own})

    assert problems == []
    assert (rates.enough, [kind.look for kind in rates.kinds]) == (100, [0.002])


@pytest.mark.parametrize(
    "wrong", [{"look": 0.01}, {"stop": 2.0}, {"above": []}, {"scale": 0.0}, {"limit": 1}, {"unit": 3}]
)
def test_mistakes_are_told(wrong: dict[str, object]) -> None:
    """Each names the file, none raises."""
    own = {"rate": {"complaints": {**TABLE["rate"]["complaints"], **wrong}}}  # type: ignore[index]

    _, problems = parse_rates({"local/rates.toml": own})

    assert [problem.place.startswith("local/rates.toml") for problem in problems] == [True]
