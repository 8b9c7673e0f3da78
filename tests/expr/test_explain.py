"""Why a rule holds, and what would change it, in plain words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodsend.expr.explain import Clause, explain, turning_leaves, what_would_change
from goodsend.facts import Facts, FactType, Value
from tests.expr.world import LISTS, make

ROW: Facts = {
    "e.kind": "list.imported",
    "e.subject": "Hello \u202eworld",
    "e.recipients": 40000,
    "e.at": 1795341600000000,
    "e.urls": ("https://a.example/", "https://b.example/"),
    "f.recipients_imported_24h": 40000,
    "f.bounce_share": 0.25,
    "f.complaints_24h": 3,
    "s.LINK_IP_HOST": True,
}

LEAVES = {
    "f.recipients_imported_24h > 10000": "f.recipients_imported_24h is 40000; at most 10000 would not match",
    "f.recipients_imported_24h >= 10000": "f.recipients_imported_24h is 40000; less than 10000 would not match",
    "f.bounce_share < 0.1": "f.bounce_share is 0.25; less than 0.1 would match",
    "0.1 < f.bounce_share": "f.bounce_share is 0.25; at most 0.1 would not match",
    "e.recipients < DAYS(7)": "e.recipients is 40000; at least 604800 (DAYS(7)) would not match",
    "e.kind = 'list.imported'": "e.kind is 'list.imported'; anything but 'list.imported' would not match",
    "e.kind <> 'list.imported'": "e.kind is 'list.imported'; anything but 'list.imported' would match",
    "f.complaint_share > 0.003": "f.complaint_share is not known; more than 0.003 would match",
    "e.recipients > f.complaints_24h * 2": (
        "e.recipients is 40000, f.complaints_24h * 2 is 6 (f.complaints_24h is 3); "
        "e.recipients at most 6 would not match"
    ),
    "e.recipients BETWEEN 1 AND 50000": "e.recipients is 40000; below 1 or above 50000 would not match",
    "e.recipients NOT BETWEEN 1 AND 50000": "e.recipients is 40000; below 1 or above 50000 would match",
    "e.recipients IN (1, 2, 3, 4, 5, 6, 7)": "e.recipients is 40000; 1, 2, 3, 4, 5 or 2 more would match",
    "e.subject LIKE 'H%'": "e.subject is 'Hello \\u202eworld'; text not like 'H%' would not match",
    "e.subject IS NULL": "e.subject is 'Hello \\u202eworld'; nothing known would match",
    "f.signed_up_at IS NOT NULL": "f.signed_up_at is not known; any value would match",
    "s.LINK_IP_HOST": "s.LINK_IP_HOST is true; false would not match",
    "LENGTH(e.kind) > 3": "LENGTH(e.kind) is 13 (e.kind is 'list.imported'); at most 3 would not match",
    "IN_LIST('colours', e.kind)": ("IN_LIST('colours', e.kind) is false (e.kind is 'list.imported'); true would match"),
    "e.at < '2026-11-23T00:00:00Z'": ("e.at is 2026-11-22T10:00:00Z; 2026-11-23T00:00:00Z or after would not match"),
}


@pytest.mark.parametrize(("source", "change"), LEAVES.items(), ids=LEAVES)
def test_leaf_in_words(source: str, change: str) -> None:
    """A leaf says what it saw and what would turn it."""
    assert change == explain(make(source), ROW, LISTS).change


def test_tree_of_clauses() -> None:
    """AND, OR and NOT are clauses with children, each with its text, place, truth and facts."""
    source = "f.recipients_imported_24h>10000 and not (s.wording_urgent or e.recipients = 1)"

    clause = explain(make(source), ROW)

    assert (clause.kind, clause.truth) == ("AND", None)
    first, second = clause.children
    assert (first.kind, first.sql, first.truth) == ("leaf", "f.recipients_imported_24h > 10000", True)
    assert source[first.start : first.end] == "f.recipients_imported_24h>10000"
    assert first.facts == {"f.recipients_imported_24h": 40000}
    assert (second.kind, second.children[0].kind, second.truth) == ("NOT", "OR", None)
    assert second.facts == {"e.recipients": 40000, "s.WORDING_URGENT": None}


def test_cheapest_way_out() -> None:
    """Of an AND the cheapest part is enough; of an OR every true branch must go."""
    source = "(s.LINK_IP_HOST OR f.bounce_share > 0.1) AND e.recipients > 1000 AND e.kind LIKE 'list%'"

    assert what_would_change(explain(make(source), ROW)) == ["e.recipients is 40000; at most 1000 would not match"]
    both = what_would_change(explain(make("s.LINK_IP_HOST OR f.bounce_share > 0.1 OR e.recipients = 1"), ROW))
    assert len(both) == 2


def test_unknown_under_not() -> None:
    """What is not known under NOT would have to be false."""
    told = what_would_change(explain(make("NOT s.WORDING_URGENT"), ROW))

    assert told == ["s.WORDING_URGENT is not known; false would not match"]


def test_nothing_can_change_a_constant() -> None:
    """A condition that reads no facts has no way out."""
    assert what_would_change(explain(make("TRUE OR s.LINK_IP_HOST"), ROW)) == []


def test_values_are_one_leaf() -> None:
    """An expression that is no condition shows its value."""
    clause = explain(make("e.recipients * 2", FactType.INTEGER), ROW)

    assert (clause.truth, clause.value) == (None, 80000)


FLAGS = ["s.LINK_IP_HOST", "s.LINK_COUNT", "s.WORDING_URGENT"]
_LOGIC = st.recursive(
    st.sampled_from(FLAGS),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner) | inner.map("NOT {}".format)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(source=_LOGIC, row=st.fixed_dictionaries({}, optional=dict.fromkeys(FLAGS, st.booleans())))
def test_turned_leaves_turn_the_whole(source: str, row: dict[str, Value]) -> None:
    """Giving the named leaves the named truth turns the whole condition, wherever no fact is named both ways."""
    expression = make(source)
    clause = explain(expression, row)

    turns = turning_leaves(clause)

    assert turns is not None
    wanted = {leaf.sql: truth for leaf, truth in turns}
    if len({(leaf.sql, truth) for leaf, truth in turns}) == len(wanted) and _each_once(clause):
        assert (clause.truth is not True) is expression.evaluate({**row, **wanted})


def _each_once(clause: Clause) -> bool:
    """Whether every fact occurs in one leaf alone."""
    leaves = _leaves(clause)
    return len(leaves) == len(set(leaves))


def _leaves(clause: Clause) -> list[str]:
    return [clause.sql] if clause.kind == "leaf" else [sql for child in clause.children for sql in _leaves(child)]
