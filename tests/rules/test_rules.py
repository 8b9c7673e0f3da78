"""Rules from data to hits."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.facts import Catalog, Fact, Facts, FactType
from goodsend.rules.evaluate import evaluate, failing_cases, is_in_share
from goodsend.rules.groups import parse_groups
from goodsend.rules.model import Mode, Verdict
from goodsend.rules.ruleset import References, Ruleset, compile_rules, parse_rules

CATALOG = Catalog(
    [
        Fact("e.recipients", FactType.INTEGER, "recipients", kinds=frozenset({"list.imported"})),
        Fact("e.subject", FactType.TEXT, "subject", kinds=frozenset({"campaign.submitted"})),
        Fact("f.account_age_s", FactType.NUMBER, "age", "s"),
    ]
)
KINDS = ("list.imported", "campaign.submitted")
REFERENCES = References({"bought"}, {"warn_account": frozenset(KINDS), "hold_campaign": frozenset({KINDS[1]})}, KINDS)


def rule(**but: Any) -> dict[str, Any]:
    """A rule's table: big imports by young accounts, but with these entries."""
    given: dict[str, Any] = {
        "doc": "Big import by a young account.",
        "owner": "trust",
        "policy": "bought",
        "severity": 3,
        "on": ["list.imported"],
        "when": "e.recipients > 10000 AND f.account_age_s < DAYS(7)",
        "verdict": "review",
        "actions": ["warn_account"],
        "reason": "{e.recipients} addresses, by an account {f.account_age_s|duration} old.",
        "case": [{"given": {"e.recipients": 40000, "f.account_age_s": 60.0}, "fires": True, "name": "day one"}],
    }
    return given | but


def built(**rules: dict[str, Any]) -> tuple[Ruleset, list[str]]:
    """The rule set of these tables, and the problems as text."""
    return built_with({}, **rules)


def built_with(groups: dict[str, Any], **rules: dict[str, Any]) -> tuple[Ruleset, list[str]]:
    """The rule set of these tables and groups, and the problems as text."""
    files = {"core/rules/test.toml": {"rule": rules, "group": groups}}
    parsed_groups, problems = parse_groups(files)
    parsed, more = parse_rules(files, msgspec.structs.replace(REFERENCES, groups=parsed_groups))
    ruleset, most = compile_rules(parsed, CATALOG, CORE_FUNCTIONS, (), KINDS, parsed_groups)
    return ruleset, [problem.render() for problem in problems + more + most]


BIG: Facts = {"e.recipients": 40_000, "f.account_age_s": 7_300.0}


def test_a_rule_that_fires_says_what_it_saw() -> None:
    """A hit carries the values read and a sentence made of them."""
    ruleset, problems = built(big=rule())

    (hit,) = evaluate(ruleset, "list.imported", BIG, {}, "acc_1").hits

    assert problems == []
    assert hit.values == {"e.recipients": 40_000, "f.account_age_s": 7_300.0}
    assert hit.reason == "40,000 addresses, by an account 2 hours old."
    assert (hit.verdict, hit.severity, hit.actions, hit.acts) == (Verdict.REVIEW, 3, ("warn_account",), True)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 253_402_300_800_000_000])
def test_a_time_that_no_calendar_has_is_said_as_a_number(value: int) -> None:
    """Any whole number may stand where a reason expects a time: no event may keep the engine from answering."""
    ruleset, _ = built(big=rule(when="e.recipients <> 0", reason="since {e.recipients|time}"))

    (hit,) = evaluate(ruleset, "list.imported", {"e.recipients": value}, {}, None).hits

    assert hit.reason == f"since {value:,}"


def test_ids_that_differ_in_capitals_alone() -> None:
    """Every rule is a column in SQL, where capitals do not count: the set path would judge one for the other."""
    _, problems = built(big=rule(), Big=rule(when="e.recipients > 5"))

    assert len(problems) == 1
    assert problems[0].startswith("core/rules/test.toml: Big: differs from the rule 'big' in capitals alone")


def test_a_rule_is_judged_only_on_its_kinds() -> None:
    """The same facts on another kind of event are not this rule's matter."""
    ruleset, _ = built(big=rule())

    assert evaluate(ruleset, "campaign.submitted", BIG, {}, "acc_1").hits == ()
    assert evaluate(ruleset, "never.heard", BIG, {}, "acc_1").hits == ()


def test_what_is_unknown_is_said_and_never_fires() -> None:
    """NULL AND TRUE is NULL: no hit, and the missing fact is named."""
    ruleset, _ = built(big=rule())

    evaluation = evaluate(ruleset, "list.imported", {"e.recipients": 40_000}, {}, "acc_1")

    assert evaluation.hits == ()
    assert evaluation.unknown == {"big": ("f.account_age_s",)}


def test_shadow_and_share_are_recorded_without_effect() -> None:
    """A hit in shadow, or outside the rollout share, does not act; a rule that is off is not judged."""
    ruleset, _ = built(a=rule(mode="shadow"), b=rule(share=0.0), c=rule(mode="off"))

    hits = evaluate(ruleset, "list.imported", BIG, {}, "acc_1").hits

    assert [(hit.rule, hit.mode, hit.acts) for hit in hits] == [("a", Mode.SHADOW, False), ("b", Mode.LIVE, False)]


def test_a_rollout_share_is_stable_and_near_its_size() -> None:
    """The same account is always in or out; about the share of accounts is in; rules draw independently."""
    inside = {n for n in range(4_000) if is_in_share("big", f"acc_{n}", 0.25)}
    other = {n for n in range(4_000) if is_in_share("other", f"acc_{n}", 0.25)}

    assert inside == {n for n in range(4_000) if is_in_share("big", f"acc_{n}", 0.25)}
    assert 850 < len(inside) < 1_150
    assert 150 < len(inside & other) < 350
    assert not is_in_share("big", None, 0.99)
    assert is_in_share("big", None, 1.0)


def test_the_version_follows_the_meaning() -> None:
    """Another threshold is another version; another doc text is not."""
    (first,) = built(big=rule())[0].rules.values()
    (same,) = built(big=rule(doc="Said differently."))[0].rules.values()
    (other,) = built(big=rule(when="e.recipients > 20000"))[0].rules.values()

    assert first.version == same.version
    assert first.version != other.version


def test_cases_beside_rules_are_run() -> None:
    """A case that does not hold is named with what was expected and what came."""
    ruleset, _ = built(
        big=rule(case=[{"given": {"e.recipients": 5}, "fires": True, "name": "too few"},
                       {"given": {"e.recipients": 50_000}, "fires": "unknown"}])
    )  # fmt: skip

    assert failing_cases(ruleset, {}) == [("big", "too few", True, False)]


@pytest.mark.parametrize(
    ("but", "expected"),
    [
        ({"policy": "bougth"}, "no policy is named 'bougth'"),
        ({"actions": ["hold_campaign"]}, "hold_campaign has no target in list.imported"),
        ({"on": ["list.importd"]}, "no kind is named 'list.importd'"),
        ({"severity": 9}, "is not between 1 and 5"),
        ({"share": 2.0}, "is not between 0 and 1"),
        ({"case": []}, "has no case"),
        ({"when": "e.recipient > 3"}, "e.recipient"),
        ({"when": "e.subject = 'x'"}, "e.subject"),
        ({"reason": "{e.recipient} came"}, "no fact is named 'e.recipient'"),
        ({"reason": "{e.recipients|words} came"}, "no form is named 'words'"),
        ({"weight": float("nan")}, "weight: is not between -1,000,000 and 1,000,000"),
        ({"weight": float("inf")}, "weight: is not between -1,000,000 and 1,000,000"),
        ({"verdict": "destroy"}, "destroy"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_author_is_told_what_is_wrong(but: dict[str, Any], expected: str) -> None:
    """Each mistake is a problem with its place; nothing is raised."""
    _, problems = built(big=rule(**but))

    assert len(problems) == 1
    assert expected in problems[0]


def test_every_mistake_of_a_rule_is_told_at_once() -> None:
    """Unknown words, missing and misfitting members, conditions, reasons and cases: none hides another."""
    wrong = rule(
        docs="x", severity="3", verdict="hodl", when="e.recipient > 3", reason="{e.recipientz} came", labels=[{"x": 1}],
        case=[{"given": {"e.recipients": "many"}, "fires": True}, {"given": {}, "fire": True}],
    )  # fmt: skip
    del wrong["owner"]
    ruleset, problems = built(big=wrong, good=rule())
    told = "\n".join(problems)

    assert list(ruleset.rules) == ["good"]
    expected = (
        "unknown field `docs`", "required field `owner`", "`severity`", "'hodl'", "`e.recipient`", "'e.recipientz'",
        "unknown field `x`", "'e.recipients' is integer, so 'many' cannot be given", "unknown field `fire`",
    )  # fmt: skip
    assert [part for part in expected if part not in told] == []
    assert len(problems) == len(expected)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([*rule(), "labels", "group", "order", "mode", "x"]) | st.text(), VALUES))
def test_whatever_a_rule_holds_is_told_and_never_raised(entries: dict[str, Any]) -> None:
    """Tables of any shape come to an end, in problems."""
    ruleset, problems = built(big=entries)

    assert list(ruleset.rules) == []
    assert problems


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"e.recipients": 1.5}, "a whole number, without quotes"),
        ({"e.recipients": True}, "a whole number, without quotes"),
        ({"f.account_age_s": "old"}, "a number, without quotes"),
        ({"e.subject": "x"}, "the events looked at here never have 'e.subject'"),
        ({"e.recipientz": 1}, "did you mean 'e.recipients'?"),
    ],
)
def test_cases_give_facts_that_there_are(given: dict[str, Any], expected: str) -> None:
    """By name and by type; a whole number does for a number."""
    _, problems = built(big=rule(case=[{"given": given, "fires": True}]))
    _, sound = built(big=rule(case=[{"given": {"f.account_age_s": 7}, "fires": "unknown"}]))

    assert len(problems) == 1
    assert expected in problems[0]
    assert sound == []


@pytest.mark.parametrize("when", ["e.recipients / 0 > 1", "NOT e.recipients % 0 = 1", "f.account_age_s / 0.0 > 1"])
def test_a_division_by_zero_is_refused(when: str) -> None:
    """It is NULL whatever the facts are, so the rule could never fire."""
    _, problems = built(big=rule(when=when))

    assert len(problems) == 1
    assert "a division by zero is never known" in problems[0]


def test_a_broken_rule_does_not_hide_the_others() -> None:
    """The problems of one rule leave the rest of the file in force."""
    ruleset, problems = built(bad=rule(when="e.recipients >"), good=rule())

    assert list(ruleset.rules) == ["good"]
    assert problems


@pytest.mark.parametrize(
    ("but", "hint"),
    [
        ({"colour": "red"}, "known: doc, owner, policy"),
        ({"verdct": "hold"}, "did you mean `verdict`?"),
        ({"verdict": "destroy"}, "known: allow, review, throttle, hold, reject"),
        ({"mode": "on"}, "known: live, shadow, off"),
        ({"actions": "warn_account"}, "several values stand in [ ]"),
        ({"case": [{"given": {}}]}, "always needed:"),
        ({"severity": 0}, "1 is low"),
        ({"share": -1.0}, "a tenth of the accounts is 0.1"),
        ({"policy": "xyz"}, "known: bought"),
        ({"order": 3}, "give the rule a group"),
        ({"group": "signups"}, "there is none yet"),
        ({"when": "e.subject = 'x'"}, "only these have it: campaign.submitted"),
    ],
)
def test_every_mistake_of_shape_has_a_hint(but: dict[str, Any], hint: str) -> None:
    """What to write instead is said with each problem."""
    _, problems = built(big=rule(**but))

    assert len(problems) == 1
    assert hint in problems[0]
