"""Truths become counts: by day, account and label; against the live version; and what decisions come to."""

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb

from goodsend.archive import count
from goodsend.kit.clock import DAY, SECOND
from goodsend.reports.backtest import Combination
from goodsend.rules.evaluate import is_in_share
from goodsend.rules.model import Mode, Rule, Verdict
from tests.reports.test_backtest import make_rule

T, F, N = True, False, None
EVENTS: list[tuple[Any, ...]] = [  # arrival, at_us, id, kind, account, recipients
    (1, 0, "e1", "sent", "bad", 10),
    (2, 5 * SECOND, "e2", "sent", "bad", 20),
    (3, DAY, "e3", "sent", "good", 30),
    (4, DAY + 1, "e4", "seen", "good", None),
    (5, -1, "e5", "sent", None, None),
    (6, DAY, "e6", "sent", "who", 1),
]
TRUTHS = [(1, F, T), (2, T, T), (3, T, N), (4, N, T), (5, N, F), (6, T, F)]
LIVE = [(1, T), (2, T), (3, F), (4, N), (5, N), (6, T)]


def make_tables(
    truths: Sequence[Any] = TRUTHS, live: Sequence[Any] = LIVE, *, rules: dict[str, Rule] | None = None,
    live_rules: dict[str, Rule] | None = None,
) -> duckdb.DuckDBPyConnection:  # fmt: skip
    db = duckdb.connect()
    tables = {
        "judged (arrival BIGINT, at_us BIGINT, id VARCHAR, kind VARCHAR, account VARCHAR, recipients BIGINT)": EVENTS,
        'truths (arrival BIGINT, "r_a" BOOLEAN, "r_b" BOOLEAN)': truths,
        'live_truths (arrival BIGINT, "r_a" BOOLEAN)': live,
        "account_label (account VARCHAR, label VARCHAR)": [("bad", "abusive"), ("good", "honest"), ("idle", "abusive")],
        "event_label (id VARCHAR, label VARCHAR)": [("e2", "abusive"), ("e1", "honest")],
        "beginnings (account VARCHAR, first_at BIGINT, first_abusive_at BIGINT)": [("bad", 0, 5 * SECOND)],
    }
    for table, rows in tables.items():
        db.execute(f"CREATE TABLE {table}")
        if rows:
            db.executemany(f"INSERT INTO {table.split()[0]} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    both = {"a": make_rule("a"), "b": make_rule("b")}
    count.prepare(db, rules or both, live_rules or {"a": make_rule("a")}, compared=True)
    return db


def test_a_rule_is_counted_by_day_account_and_label() -> None:
    """Events, accounts, recipients, days, labels, honest days, harm and delays of one rule."""
    rules = {"a": make_rule("a", on=frozenset({"sent"})), "b": make_rule("b")}
    db = make_tables()
    found = count.rule_counts(db, rules, count.totals(db).kinds)["a"]

    assert (found.judged, found.unknown, found.hits, found.accounts, found.recipients) == (5, 1, 3, 3, 51)
    assert found.days == {"1970-01-01": 1, "1970-01-02": 2}
    assert found.accounts_by == {"abusive": 1, "honest": 1, "unlabelled": 1}
    assert found.events_by == {"abusive": 1, "unlabelled": 2}
    assert (found.wrong_days, found.unlabelled_days, found.harm) == (1, 1, (1, 20))
    assert found.delays == {"first event": [5.0], "first abusive event": [0.0]}


def test_the_span_is_counted_as_a_whole() -> None:
    """Days before 1970 have their own date; an event without an account counts as an event."""
    db = make_tables()
    whole, known = count.totals(db), count.labels(db, ("t",))

    assert (whole.events, whole.accounts, whole.recipients) == (6, 3, 61)
    assert whole.days == {"1969-12-31": 1, "1970-01-01": 2, "1970-01-02": 3}
    assert (known.abusive_accounts, known.honest_accounts, known.abusive_events, known.honest_events) == (1, 1, 1, 1)


def test_rules_that_hit_together_are_one_combination() -> None:
    """With those of the live pack beside them."""
    found = count.combinations(make_tables())

    assert sorted(found, key=lambda one: (one.rules, one.live)) == [
        Combination(("a",), (), 1), Combination(("a",), ("a",), 1), Combination(("a", "b"), ("a",), 1),
        Combination(("b",), (), 1), Combination(("b",), ("a",), 1),
    ]  # fmt: skip


def test_hits_are_new_lost_or_kept() -> None:
    """Against the live rule of the same id; a rule that is not live has only new ones. One sample an account."""
    found = count.gone(make_tables(), 5)

    assert (found["a"].new, found["a"].lost, found["a"].kept) == (1, 1, 2)
    assert (found["a"].new_some, found["a"].lost_some) == ((3,), (1,))
    assert (found["b"].new, found["b"].new_accounts, found["b"].new_some) == (3, 2, (1, 4))


def verdict(hit: Iterable[str]) -> Verdict:
    """`a` holds, `b` alone is reviewed."""
    rules = set(hit)
    return Verdict.HOLD if "a" in rules else Verdict.REVIEW if "b" in rules else Verdict.ALLOW


def test_decisions_are_compared_and_weighed() -> None:
    """Every event has a verdict before and after; an honest account's day counts once, by its gravest verdict."""
    db = make_tables()
    count.weigh(db, verdict, verdict)
    moves = {(move.before, move.after): move.events for move in count.moves(db)}
    after, before = (count.acted(db, side, (Verdict.HOLD,)) for side in ("after", "before"))

    assert moves == {
        (Verdict.HOLD, Verdict.REVIEW): 1, (Verdict.HOLD, Verdict.HOLD): 2, (Verdict.ALLOW, Verdict.HOLD): 1,
        (Verdict.ALLOW, Verdict.REVIEW): 1, (Verdict.ALLOW, Verdict.ALLOW): 1,
    }  # fmt: skip
    assert (after.wrong_days, after.stopped, after.unlabelled) == ({Verdict.HOLD: 1}, (1, 20), 1)
    assert (before.wrong_days, before.stopped, before.unlabelled) == ({}, (1, 20), 1)
    assert count.some_moves(db, 3) == {("hold", "review"): (1,), ("allow", "hold"): (3,), ("allow", "review"): (4,)}


def test_what_acts_is_counted_apart_from_what_hits() -> None:
    """A rule acts on the accounts inside its share alone, one in shadow on none; so do decisions."""
    share = 0.5
    inside = {account for account in ("bad", "good", "who") if is_in_share("a", account, share)}
    assert 0 < len(inside) < 3
    rules = {"a": make_rule("a", share=share), "b": make_rule("b", mode=Mode.SHADOW)}
    db = make_tables(rules=rules)
    found = count.rule_counts(db, rules, count.totals(db).kinds)
    gone = count.gone(db, 5)
    count.weigh(db, verdict, verdict)
    moves = {(move.before, move.after): move.events for move in count.moves(db)}
    hits = {2: "bad", 3: "good", 6: "who"}
    live = {1: "bad", 2: "bad", 6: "who"}
    acting = {arrival for arrival, account in hits.items() if account in inside}

    assert (found["a"].hits, found["a"].acting, found["a"].acting_accounts) == (3, len(acting), len(acting))
    assert (found["b"].hits, found["b"].acting) == (3, 0)
    assert (gone["a"].new, gone["a"].new_acting) == (1, len(acting - live.keys()))
    assert (gone["a"].lost, gone["a"].lost_acting) == (1, len(live.keys() - acting))
    assert gone["b"].new_acting == 0
    assert sum(many for (_, after), many in moves.items() if after is Verdict.HOLD) == len(acting)
    assert not any(after is Verdict.REVIEW for _, after in moves)


def test_an_event_without_an_account_is_in_no_share() -> None:
    """As in the row path: only the whole takes it in."""
    for share, expected in ((0.999, 0), (1.0, 1)):
        rules = {"a": make_rule("a", share=share), "b": make_rule("b")}
        db = make_tables([(5, T, F)], [], rules=rules)
        assert count.rule_counts(db, rules, {})["a"].acting == expected


def test_no_hits_are_no_hits() -> None:
    """Rules that never fire, and no rules at all, count as nothing."""
    rules = {"a": make_rule("a"), "b": make_rule("b")}
    db = make_tables([(1, F, F)], [])
    found = count.rule_counts(db, rules, count.totals(db).kinds)
    count.prepare(db, {}, {})
    count.weigh(db, verdict, None)

    assert (found["a"].hits, found["a"].recipients, found["a"].delays) == (
        0, None, {"first event": [], "first abusive event": []},
    )  # fmt: skip
    assert [(move.before, move.after, move.events) for move in count.moves(db)] == [(None, Verdict.ALLOW, 6)]
