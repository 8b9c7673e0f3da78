"""Groups: in which the first match counts, and what is kept of the others."""

from typing import Any

import pytest

from goodsend.rules.evaluate import evaluate
from goodsend.rules.groups import Group, parse_groups, suppress
from goodsend.rules.model import Hit
from tests.decisions.test_decide import make_hit
from tests.rules.test_rules import BIG, built_with, rule

FIRST = {"imports": Group("imports", "Imports.", "first")}


def acting(hits: tuple[Hit, ...]) -> list[tuple[str, bool, str | None]]:
    """Which hits count, and what came before the others."""
    return [(hit.rule, hit.acts, hit.suppressed_by) for hit in hits]


def test_the_first_of_a_group_counts_and_the_others_are_kept() -> None:
    """By order, then by id; a rule of no group is untouched."""
    hits = [make_hit(rule=name, group="imports") for name in ("a", "b", "c")] + [make_hit(rule="d")]

    kept = suppress(hits, FIRST, {"a": 5, "b": 2, "c": 2, "d": 9})

    assert acting(kept) == [("a", False, "b"), ("b", True, None), ("c", False, "b"), ("d", True, None)]


def test_what_does_not_act_never_suppresses() -> None:
    """A rule in shadow or out of its share stands first and changes nothing; it is recorded as it was."""
    hits = [make_hit(rule="a", group="imports", acts=False), make_hit(rule="b", group="imports")]

    assert acting(suppress(hits, FIRST, {})) == [("a", False, None), ("b", True, None)]


def test_in_a_group_that_matches_all_every_hit_counts() -> None:
    """Nothing is suppressed."""
    hits = (make_hit(rule="a", group="imports"), make_hit(rule="b", group="imports"))

    assert suppress(hits, {"imports": Group("imports", "Imports.")}, {}) == hits


def test_rules_from_a_file_are_suppressed_where_they_are_judged() -> None:
    """From TOML to hits."""
    ruleset, problems = built_with(
        {"imports": {"doc": "Imports.", "match": "first"}},
        wide=rule(group="imports", order=2), narrow=rule(group="imports", order=1), other=rule(),
    )  # fmt: skip

    hits = evaluate(ruleset, "list.imported", BIG, {}, "acc_1").hits

    assert problems == []
    assert acting(hits) == [("narrow", True, None), ("other", True, None), ("wide", False, "narrow")]


@pytest.mark.parametrize(
    ("but", "message", "hint"),
    [
        ({"match": "frist"}, "Invalid enum value 'frist'", "known: first, all"),
        ({"caps": 3}, "unknown field `caps`", "did you mean `cap`?"),
        ({"cap": 0, "source": "x"}, "is not above 0", "leave it out"),
        ({"cap": 3.0}, "source: is missing", "own starting value"),
        ({"cap": 3.0, "points": {"hold": 4.0}, "source": "x"}, "is never reached: the cap is 3", "raise the cap"),
        (
            {"points": {"hodl": 4.0}, "source": "x"},
            "Invalid enum value 'hodl'",
            "allow, review, throttle, hold, reject",
        ),
    ],
)
def test_an_author_is_told_what_is_wrong_with_a_group(but: dict[str, Any], message: str, hint: str) -> None:
    """Each mistake is a problem with place and hint."""
    _, (problem,) = parse_groups({"core/rules/x.toml": {"group": {"imports": {"doc": "Imports."} | but}}})

    assert message in problem.render()
    assert hint in problem.render()
    assert "core/rules/x.toml: group imports" in problem.place
