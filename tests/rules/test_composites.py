"""Rules made of other rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodsend.expr.check import compile_expression
from goodsend.expr.compile import row_source
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.facts import Fact, Facts, FactType
from goodsend.rules.composites import expand, rule_facts
from goodsend.rules.evaluate import evaluate, failing_cases
from tests.rules.test_rules import BIG, CATALOG, built, rule

SMALL: Facts = {"e.recipients": 5, "f.account_age_s": 60.0}


def test_a_name_of_a_rule_means_its_condition() -> None:
    """A composite fires exactly where its parts do, whatever the mode of these."""
    ruleset, problems = built(big=rule(mode="off"), both=rule(when="h.big AND f.account_age_s < HOURS(3)"))

    assert problems == []
    assert [hit.rule for hit in evaluate(ruleset, "list.imported", BIG, {}, "acc_1").hits] == ["both"]
    assert evaluate(ruleset, "list.imported", SMALL, {}, "acc_1").hits == ()
    assert failing_cases(ruleset, {}) == []


def test_what_is_unknown_in_a_part_is_unknown_in_the_whole() -> None:
    """NULL comes through, and the facts behind it are named."""
    ruleset, _ = built(big=rule(), never=rule(when="NOT h.big", case=[{"given": {}, "fires": "unknown"}]))

    evaluation = evaluate(ruleset, "list.imported", {"e.recipients": 40_000}, {}, "acc_1")

    assert evaluation.unknown == {"big": ("f.account_age_s",), "never": ("f.account_age_s",)}


def test_composites_of_composites_read_all_that_is_below() -> None:
    """The values of a hit are those of every fact that had a part in it."""
    ruleset, problems = built(
        c=rule(when="h.b OR h.a"), a=rule(when="f.account_age_s < 3"), b=rule(when="NOT h.a AND e.recipients > 9")
    )

    hit = next(hit for hit in evaluate(ruleset, "list.imported", BIG, {}, "acc_1").hits if hit.rule == "c")

    assert problems == []
    assert hit.values == BIG
    assert ruleset.expressions["c"].sql == "NOT f.account_age_s < 3 AND e.recipients > 9 OR f.account_age_s < 3"


def test_a_shared_condition_is_computed_once() -> None:
    """The generated function keeps what several rules ask, and gives what each expression alone gives."""
    ruleset, _ = built(a=rule(), b=rule(when="h.a OR e.recipients = 7"), c=rule(when="h.a AND h.b"))
    rules, row = ruleset.by_kind["list.imported"]

    rows: list[Facts] = [BIG, SMALL, {"e.recipients": 7}, {"f.account_age_s": 1.0}, {}]
    for facts in rows:
        alone = tuple(ruleset.expressions[judged.id].evaluate(facts) for judged in rules)
        assert row(facts, {}) == alone


def test_the_shared_tree_is_one_object() -> None:
    """What the row function is made of knows which parts are the same; what is explained stands in its own text."""
    catalog = CATALOG.including([Fact("h.a", FactType.BOOLEAN, "a")])
    texts = {"a": "e.recipients > 10000 AND f.account_age_s < 9", "b": "h.a OR e.recipients = 7"}
    written = {name: compile_expression(text, catalog, CORE_FUNCTIONS) for name, text in texts.items()}

    told, shared, problems = expand(written)  # type: ignore[arg-type]

    assert problems == []
    assert "m0 is not ..." in row_source(shared)
    assert "m0" not in row_source(told)


def test_parts_stand_where_the_author_wrote_their_name() -> None:
    """An explanation can point into the author's text."""
    ruleset, _ = built(big=rule(), both=rule(when="e.recipients > 3 AND h.big"))
    node = ruleset.expressions["both"].node

    part = node.parts[1]  # type: ignore[attr-defined]

    assert ruleset.expressions["both"].source[part.start : part.end] == "h.big"
    assert {(below.start, below.end) for below in part.parts} == {(part.start, part.end)}


@pytest.mark.parametrize(
    ("when", "expected", "hint"),
    [
        ("h.bigg AND e.recipients > 3", "there is no fact `h.bigg`", "did you mean `h.big`?"),
        ("h.both", "goes round in a circle: both → both", "write one of them out"),
        ("h.round", "goes round in a circle: both → round → both", "write one of them out"),
        ("h.broken", "the rule broken has a problem of its own", "mend that rule first"),
        ("h.mails", "the events looked at here never have `h.mails`", "only these have it: campaign.submitted"),
        ("h.big > 3", "", "a condition is written alone"),
    ],
)
def test_a_composite_that_cannot_be_is_told(when: str, expected: str, hint: str) -> None:
    """Unknown rules, circles, broken parts and rules for other events are problems with a hint."""
    _, problems = built(
        big=rule(), both=rule(when=when), round=rule(when="h.both"), broken=rule(when="e.recipients > 'a'"),
        mails=rule(on=["campaign.submitted"], when="e.subject = 'x'", actions=[], reason="x"),
    )  # fmt: skip

    told = [problem for problem in problems if "both: when" in problem]

    assert len(told) == 1
    assert expected in told[0]
    assert hint in told[0]


def test_doublings_of_doublings_end() -> None:
    """A dozen lines cannot make a condition of a million parts."""
    rules = {f"r{n:02}": rule(when=f"h.r{n - 1:02} AND NOT h.r{n - 1:02}") for n in range(1, 30)} | {"r00": rule()}

    _, problems = built(**rules)

    assert any("at most 5,000 are allowed" in problem for problem in problems)


def test_the_version_follows_what_a_rule_is_made_of() -> None:
    """Another threshold in a part is another version of the whole."""
    first = built(big=rule(), both=rule(when="h.big AND e.recipients > 3"))[0].rules["both"].version
    other = (
        built(big=rule(when="e.recipients > 8"), both=rule(when="h.big AND e.recipients > 3"))[0].rules["both"].version
    )

    assert first != other


def test_names_of_rules_have_a_line_of_help() -> None:
    """What an editor offers for completion."""
    ruleset, _ = built(big=rule())

    (fact,) = rule_facts(list(ruleset.rules.values()))

    assert (fact.name, fact.doc, fact.kinds) == (
        "h.big",
        "rule: Big import by a young account.",
        frozenset({"list.imported"}),
    )


LEAVES = st.sampled_from(
    [
        "e.recipients > 10",
        "e.recipients IS NULL",
        "f.account_age_s < 5",
        "f.account_age_s = 2 OR e.recipients = 3",
        "TRUE",
    ]
)
VALUES: st.SearchStrategy[Facts] = st.fixed_dictionaries(
    {}, optional={"e.recipients": st.integers(0, 20), "f.account_age_s": st.integers(0, 9).map(float)}
)


@st.composite
def rule_texts(draw: st.DrawFn) -> list[str]:
    """Conditions of a handful of rules, each made of facts and of rules before it."""
    texts: list[str] = []
    for _ in range(draw(st.integers(1, 6))):
        named = st.sampled_from([f"h.r{n}" for n in range(len(texts))]) if texts else LEAVES
        parts = draw(
            st.lists(st.one_of(LEAVES, named, named.map(lambda part: f"NOT ({part})")), min_size=1, max_size=3)
        )
        texts.append(draw(st.sampled_from([" AND ", " OR "])).join(f"({part})" for part in parts))
    return texts


@given(rule_texts(), st.lists(VALUES, min_size=1, max_size=4))
def test_composites_mean_what_their_text_written_out_means(texts: list[str], rows: list[Facts]) -> None:
    """The shared row function, the expression, and the whole text read again give the same, NULL included."""
    ruleset, problems = built(**{f"r{n}": rule(when=text) for n, text in enumerate(texts)})
    assert problems == []
    rules, row = ruleset.by_kind["list.imported"]
    again = [compile_expression(ruleset.expressions[one.id].sql, CATALOG, CORE_FUNCTIONS) for one in rules]

    for facts in rows:
        expected = tuple(ruleset.expressions[one.id].evaluate(facts) for one in rules)
        assert row(facts, {}) == expected
        assert tuple(one.evaluate(facts) for one in again) == expected  # type: ignore[union-attr]
