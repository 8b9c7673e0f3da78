"""The page of a backtest: whole in itself, and what events say stays text."""

import re

from goodsend.archive.page import lasting, number, percent, render_page
from goodsend.reports.backtest import Change, RuleCount, SeenValue, Transition, rule_report, share_of
from goodsend.rules.model import Verdict
from tests.reports.test_backtest import LABELS, WEIGHTS, make_report, make_rule, make_sample

HOSTILE = "<script>alert(1)</script>\"'><img src=x>\u202e\x1b[31m"


def test_nothing_is_fetched_and_nothing_runs() -> None:
    """No script, no address, no picture from outside; a policy in the page forbids them as well."""
    page = render_page(make_report(days=("2026-11-01",), events_per_day=(3,)))

    assert "default-src 'none'" in page
    assert re.findall(r"<script|src=|https?:|url\(|@import", page) == []


def test_hostile_texts_stay_text() -> None:
    """Wherever a text of an event or a pack is shown."""
    sample = make_sample(event_id=HOSTILE, account=HOSTILE, kind=HOSTILE, values=(SeenValue("e.x", HOSTILE),))
    change = Change(1, 1, 0, 1, 1, (sample,), (sample,))
    rule = rule_report(
        make_rule(HOSTILE, doc=HOSTILE, when=HOSTILE, policy=HOSTILE),
        RuleCount(hits=1), ("2026-11-01",), LABELS, WEIGHTS, change=change, samples=(sample,),
    )  # fmt: skip
    move = Transition(Verdict.ALLOW, Verdict.HOLD, 1, 1, None, (sample,))
    page = render_page(
        make_report(
            tenant=HOSTILE,
            against=HOSTILE,
            notes=(HOSTILE,),
            rules=(rule,),
            verdicts=(move,),
            days=("2026-11-01",),
            events_per_day=(1,),
        )
    )

    assert "&lt;script&gt;" in page
    assert [bad for bad in ("<script", "<img", "\u202e", "\x1b") if bad in page] == []


def test_an_empty_report_is_a_page() -> None:
    """No events, no rules, no labels: it says so, and invents no figure."""
    page = render_page(make_report())

    assert "No rule was asked for." in page
    assert "There was nothing to decide." in page
    assert "%" not in re.sub(r"<style>.*</style>|<p class=\"faint\">[^<]*</p>", "", page, flags=re.DOTALL)


def test_a_chart_says_its_days_and_figures() -> None:
    """Each of a few days by its name; of many the first, the last, the least and the most."""
    page = render_page(make_report(days=("2026-11-01", "2026-11-02"), events_per_day=(4_331, 7)))
    days = tuple(f"2026-11-{day:02}" for day in range(1, 31))
    month = render_page(make_report(days=days, events_per_day=tuple(range(30))))

    assert "2026-11-01: 4,331, 2026-11-02: 7</p>" in page
    assert "2026-11-01 to 2026-11-30: 0 to 29 a day</p>" in month


def test_a_column_without_a_value_is_left_out() -> None:
    """Changed verdicts name events and no fact: then there is no empty column for values."""
    sample = make_sample(values=())
    page = render_page(make_report(verdicts=(Transition(Verdict.ALLOW, Verdict.HOLD, 1, 1, None, (sample,)),)))

    assert "allow → hold, for example" in page
    assert "<th>values</th>" not in page


def test_figures_are_said_as_people_read_them() -> None:
    """Shares with their interval, durations in their unit, a dash for what is not known."""
    assert percent(share_of(8, 10)) == "80 % (49–94)"
    assert percent(share_of(0, 0)) == "–"
    assert [lasting(seconds) for seconds in (None, 5, 90, 5400, 172_800)] == ["–", "5 s", "1.5 min", "1.5 h", "2.0 d"]
    assert [number(value) for value in (None, 0, 0.05, 1234.5)] == ["–", "0", "0.05", "1,234.5"]
