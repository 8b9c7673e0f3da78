"""Words, figures and marks of the console."""

import pytest

from goodsend.console.entry import safe_way
from goodsend.console.highlight import excerpt, marked, sql_markup
from goodsend.console.rates import drawn
from goodsend.console.wording import STANDINGS as SAID_STANDINGS
from goodsend.console.wording import VERDICTS, ago, clock_time, length, number, value_text
from goodsend.facts import Fact, FactType
from goodsend.kit.clock import DAY, HOUR, MINUTE, SECOND, parse_time
from goodsend.reports.rates import RateKind, Rates, rates_of
from goodsend.rules.model import Verdict
from goodsend.standing.model import STANDINGS

NOW = parse_time("2026-11-22T12:00:00Z")


def test_every_verdict_and_standing_has_a_word() -> None:
    """What the core can say, the console can show."""
    assert [verdict.value for verdict in Verdict] == list(VERDICTS)
    assert list(STANDINGS) == list(SAID_STANDINGS)


@pytest.mark.parametrize(
    ("before", "expected"),
    [(2 * SECOND, "now"), (59 * SECOND, "59 s ago"), (90 * MINUTE, "1 h ago"), (3 * DAY, "3 d ago"), (-HOUR, "in 1 h")],
)
def test_relative_times_have_one_unit(before: int, expected: str) -> None:
    """The largest unit says enough."""
    assert expected == ago(NOW - before, NOW)


def test_absolute_times_say_as_much_as_needed() -> None:
    """Today the time, this year the day, else the year."""
    times = [clock_time(NOW - before, NOW) for before in (HOUR, 2 * DAY, 400 * DAY)]

    assert times == ["11:00:00", "20 Nov 12:00", "18 Oct 2025 12:00"]


def test_values_carry_their_unit() -> None:
    """A length of time is said twice, once to compute with and once to understand."""
    seconds = Fact("f.age_s", FactType.NUMBER, "", "s")

    assert value_text(7500.0, seconds) == "7,500 s (2 h 5 min)"
    assert value_text(True) == "yes"
    assert value_text(40_000, Fact("f.n", FactType.INTEGER, "", "addresses")) == "40,000 addresses"
    assert value_text([]) == "none"
    assert value_text("a\u202eb") == "a\\u202eb"


def test_numbers_are_grouped() -> None:
    """Thousands are set apart; needless digits are not shown."""
    assert [number(1_234_567), number(0.12345), number(12_345.67)] == ["1,234,567", "0.1235", "12,345.7"]
    assert length(90_000) == "1 d 1 h"


def test_marks_escape_everything_else() -> None:
    """Evidence is marked, hostile text stays text, overlapping marks join."""
    assert marked("ab<i>c", [(1, 3), (2, 5)]) == "a<mark>b&lt;i&gt;</mark>c"
    assert excerpt("<b>", 0, 3) == "<mark>&lt;b&gt;</mark>"
    assert marked("a", [(-5, 99)]) == "<mark>a</mark>"


def test_sql_is_marked_by_kind() -> None:
    """Facts, words, functions, strings and numbers are told apart; a string cannot break out."""
    expected = (
        '<span class="f">LOWER</span>(<span class="c">e.name</span>) = '
        '<span class="s">&#x27;&lt;b&gt;&#x27;</span> <span class="k">AND</span> (<span class="c">f.n</span> &gt; '
        '<span class="n">7</span>)'
    )
    assert expected == sql_markup("LOWER(e.name) = '<b>' AND (f.n > 7)")


def test_rates_are_drawn_on_their_scale() -> None:
    """A rate without evidence is quiet; one past the limit is loud, its places in percent of the scale."""
    kind = RateKind("Complaints", ("a",), ("b",), "delivered", 0.001, 0.003, 1.0, "test")
    rates = Rates((kind,), 100)
    few, many = drawn(rates_of({"a": 1, "b": 12}, rates) + rates_of({"a": 60, "b": 10_000}, rates))

    assert (few.enough, few.tone) == (False, "quiet")
    assert (many.enough, many.tone, many.point, many.stop, many.scale) == (True, "reject", 60.0, 30.0, "1")


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("/cases?state=mine", "/cases?state=mine"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\tb", "/"),
        ("/sign-out", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_nowhere_else(way: str, expected: str) -> None:
    """A link to the sign-in cannot send people to another site."""
    assert expected == safe_way(way)
