"""Drafts of rules: a form becomes TOML and comes back, problems stand beside members, hits are counted."""

import random
import time
import tomllib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from goodsend.drafts import (
    Draft,
    Predicted,
    Row,
    body_of,
    check_rule,
    draft_of,
    meanings,
    predict,
    rule_in,
    try_rule,
    words,
    written,
)
from goodsend.pack import Pack
from goodsend.rules.model import Mode
from goodsend.wiring import load_pack
from tests.conftest import NOW

CASES = """[[case]]
name = "many"
given = { "e.recipients" = 9000 }
fires = true
[[case]]
name = "few"
given = { "e.recipients" = 1 }
fires = false
"""


@pytest.fixture(scope="module")
def pack() -> Pack:
    """The shipped pack."""
    return load_pack([])


def make_draft(**but: Any) -> Draft:
    """A sound rule about large imports, but with these members."""
    usual: dict[str, Any] = {
        "id": "big", "doc": "d", "owner": "o", "policy": "phishing", "on": ("list.imported",),
        "when": "e.recipients > 1000", "reason": "{e.recipients} at once", "mode": "live", "cases": CASES,
    }  # fmt: skip
    return Draft(**usual | but)


def make_row(number: int, recipients: int | None, **but: Any) -> Row:
    """An import of so many addresses that was allowed."""
    usual: dict[str, Any] = {
        "event_id": f"e{number}", "kind": "list.imported", "at": NOW + number, "account": f"a{number % 2}",
        "verdict": "allow", "rules": (), "facts": {"e.recipients": recipients},
    }  # fmt: skip
    return Row(**usual | but)


def test_every_shipped_rule_survives_the_form(pack: Pack) -> None:
    """Written as a form and read back it is the same rule, cases, labels and all."""
    for rule in pack.ruleset.rules.values():
        body, problems = body_of(draft_of(rule))
        again = rule_in(pack, rule.id, body)

        assert problems == []
        assert again is not None
        assert msgspec.structs.replace(again, version=rule.version) == rule


def test_sound_draft(pack: Pack) -> None:
    """No problems, and its cases hold."""
    checked = check_rule(pack, "big", body_of(make_draft())[0])

    assert checked.is_sound
    assert checked.problems == ()


@pytest.mark.parametrize(
    ("but", "place"),
    [
        ({"when": "e.recipientz > 1"}, "when"),
        ({"when": "e.recipients >"}, "when"),
        ({"policy": "nothing"}, "policy"),
        ({"verdict": "bless"}, "verdict"),
        ({"severity": "9"}, "severity"),
        ({"share": "1.5"}, "share"),
        ({"reason": "{e.nothing}"}, "reason"),
        ({"reason": ""}, "reason"),
        ({"doc": "  "}, "doc"),
        ({"owner": ""}, "owner"),
        ({"on": ("no.kind",)}, "on"),
        ({"actions": ("fly",)}, "actions"),
        ({"cases": CASES.replace("true", "[3]")}, "case"),
    ],
)
def test_problem_stands_beside_its_member(pack: Pack, but: dict[str, Any], place: str) -> None:
    """The place of a problem is the member it is about."""
    checked = check_rule(pack, "big", body_of(make_draft(**but))[0])

    assert not checked.is_sound
    assert [problem.place.partition(":")[0] for problem in checked.problems] == [place]


@pytest.mark.parametrize(
    ("but", "place"),
    [({"severity": "high"}, "severity"), ({"weight": "nan"}, "weight"), ({"share": "inf"}, "share"),
     ({"order": "1.5"}, "order"), ({"labels": "account suspicious"}, "labels"), ({"cases": "[[case]"}, "case"),
     ({"cases": "case = 3"}, "case")],
)  # fmt: skip
def test_what_cannot_be_written_is_a_problem(but: dict[str, Any], place: str) -> None:
    """A number that is none, a label without its time, cases that are no tables."""
    _, problems = body_of(make_draft(**but))

    assert [problem.place for problem in problems] == [place]


@pytest.mark.parametrize("make", ["{} = 1".format, "[{}]".format, "a = {{ {} = 1 }}".format])
@pytest.mark.parametrize("part", ["rule", '"rule"', "'a.b'"])
def test_a_name_of_thousands_of_parts_costs_nothing(pack: Pack, make: Callable[[str], str], part: str) -> None:
    """Reading one would cost seconds and gigabytes; it is a problem at once, in the text and in the cases."""
    text = make(" . ".join([part] * (20_000 // (len(part) + 3))))
    began = time.monotonic()

    assert "128 names" in check_rule(pack, "big", text).problems[0].message
    assert "128 names" in body_of(make_draft(cases=text))[1][0].message
    assert rule_in(pack, "big", text) is None
    assert time.monotonic() - began < 1


def test_case_that_does_not_hold(pack: Pack) -> None:
    """It is told with what was expected and what came."""
    checked = check_rule(pack, "big", body_of(make_draft(when="e.recipients > 10000"))[0])

    assert checked.failing == (("many", True, False),)
    assert not checked.is_sound


def test_text_that_defines_more_than_the_rule(pack: Pack) -> None:
    """What is approved under one name is that alone."""
    body = body_of(make_draft())[0]
    other = body + body.replace("rule.big", "rule.other")

    assert [problem.message for problem in check_rule(pack, "big", other).problems] == [
        "must define the rule 'big' and nothing else"
    ]
    assert not check_rule(pack, "small", body).is_sound


def test_rule_made_of_another(pack: Pack) -> None:
    """A composite is judged with the conditions of the rules it is made of."""
    part = next(rule for rule in pack.ruleset.rules.values() if "list.imported" in rule.on)
    checked = check_rule(
        pack, "both", body_of(make_draft(id="both", when=f"h.{part.id} AND e.recipients > 1", cases=""))[0]
    )

    assert checked.expression is not None
    assert checked.ruleset is not None
    assert part.id in checked.ruleset.rules


def test_prediction_counts(pack: Pack) -> None:
    """Hits, unknown, accounts, new and lost against the live rule on the same rows, whatever was stored of it."""
    checked = check_rule(pack, "big", body_of(make_draft())[0])
    live = check_rule(pack, "big", body_of(make_draft(when="e.recipients < 5000", cases=""))[0])
    rows = [
        make_row(1, 5_000), make_row(2, 2_000, rules=("big",), verdict="review"), make_row(3, 10, rules=("big",)),
        make_row(4, None), make_row(5, 9_000, kind="account.created"), make_row(7, 7_000),
    ]  # fmt: skip
    assert checked.rule is not None
    assert checked.expression is not None

    assert live.rule is not None
    assert live.expression is not None

    found = predict(checked.rule, checked.expression, rows, {}, live=(live.rule, live.expression))

    assert found == Predicted(
        events=5, hits=3, acting=3, unknown=1, accounts=2, live=2, new=2, lost=1, since=NOW + 1, until=NOW + 7,
        verdicts={"allow": 2, "review": 1}, samples=("e1", "e2", "e7"), mode=Mode.LIVE, acting_accounts=2,
        live_acting=2, new_acting=2, lost_acting=1,
    )  # fmt: skip


def test_share_keeps_hits_from_acting(pack: Pack) -> None:
    """A rule for no account at all hits and does not act; in shadow neither."""
    rows = [make_row(number, 5_000, account=f"acc_{number}") for number in range(200)]
    acting = {}
    for name, but in {"half": {"share": "0.5"}, "shadow": {"mode": "shadow"}, "all": {}}.items():
        checked = check_rule(pack, "big", body_of(make_draft(**but))[0])
        assert checked.rule is not None
        assert checked.expression is not None
        acting[name] = predict(checked.rule, checked.expression, rows, {}).acting

    assert (acting["shadow"], acting["all"]) == (0, 200)
    assert 60 < acting["half"] < 140


def test_a_narrower_version_gains_nothing(pack: Pack) -> None:
    """What is live is judged on the same events, inside its own share: hits stored of it, or none, are not asked."""
    rows = [make_row(number, 100 * number, account=f"acc_{number}") for number in range(200)]
    wide = check_rule(pack, "big", body_of(make_draft(when="e.recipients > 500", share="0.5", cases=""))[0])
    narrow = check_rule(pack, "big", body_of(make_draft(when="e.recipients > 900", share="0.5", cases=""))[0])
    assert wide.rule is not None
    assert wide.expression is not None
    assert narrow.rule is not None
    assert narrow.expression is not None

    found = predict(narrow.rule, narrow.expression, rows, {}, live=(wide.rule, wide.expression))
    back = predict(wide.rule, wide.expression, rows, {}, live=(narrow.rule, narrow.expression))

    assert (found.hits, found.live, found.new, found.lost, found.new_acting) == (190, 194, 0, 4, 0)
    assert found.lost_acting is not None
    assert found.live_acting == found.acting + found.lost_acting
    assert (back.new_acting, back.lost_acting) == (found.lost_acting, 0)


@pytest.mark.parametrize(
    ("but", "place", "message", "hint"),
    [
        ({"when": "f.recipients_im > 1"}, "when", "there is no fact", "f.recipients_imported_24h"),
        ({"when": "e.recipients > 'many'"}, "when", "wants two of a kind", "`e.recipients` goes with a number"),
        ({"when": "REGEXP_LIKE(e.list, '(?!a)b')"}, "when", "RE2 has no look-ahead", None),
        ({"when": r"REGEXP_LIKE(e.list, '(a)\1')"}, "when", "RE2 has no references back", None),
    ],
)  # fmt: skip
def test_a_mistake_in_the_condition_comes_first(
    pack: Pack, but: dict[str, Any], place: str, message: str, hint: str | None
) -> None:
    """With what was probably meant; what is not written yet comes last, and is no mistake yet."""
    checked = check_rule(pack, "big", body_of(make_draft(doc="", reason="", **but))[0])

    assert (checked.problems[0].place, checked.wrong[0].place) == (place, place)
    assert message in checked.problems[0].message
    assert hint is None or hint in (checked.problems[0].hint or "")
    assert {one.place for one in checked.missing} == {"doc", "reason"}
    assert checked.problems[-2:] == checked.missing


def test_a_name_means_what_it_means_on_the_kinds_looked_at(pack: Pack) -> None:
    """One name, several kinds: each in its own words, all of them where a rule looks at several."""
    said = {
        kinds: meanings(pack, kinds)["e.recipients"].doc
        for kinds in (("list.imported",), ("campaign.submitted",), ("list.imported", "campaign.submitted"))
    }

    assert said[("list.imported",)] == "addresses in the import"
    assert "import" not in said[("campaign.submitted",)]
    assert said[("list.imported", "campaign.submitted")] == (
        f"campaign.submitted: {said['campaign.submitted',]}; list.imported: {said['list.imported',]}"
    )
    assert meanings(pack, ())["e.kind"] == pack.catalog["e.kind"]
    assert [one["doc"] for one in words(pack, ["campaign.submitted"])["facts"] if one["name"] == "e.recipients"] == [
        said["campaign.submitted",]
    ]


def test_trying_says_what_would_change_it(pack: Pack) -> None:
    """The truth on one event, what is unknown, whether it looks there at all."""
    checked = check_rule(pack, "big", body_of(make_draft())[0])
    assert checked.rule is not None
    assert checked.expression is not None

    missed = try_rule(checked.rule, checked.expression, make_row(1, 10), {})
    dark = try_rule(checked.rule, checked.expression, make_row(1, None, kind="account.created"), {})

    assert (missed.truth, missed.changes) == (False, ["e.recipients is 10; more than 1000 would match"])
    assert (dark.truth, dark.unknown, dark.is_looked_at) == (None, ("e.recipients",), False)


def test_any_text_survives_as_toml() -> None:
    """Quotes, backslashes, line ends, control characters and letters of every script come back as they were."""
    letters = random.Random(7)
    texts = ["", '"', "\\", '"""', "\x7f\x00\x1f", "a\nb", "é漢🙂", "\t\n\\n"]
    texts += ["".join(chr(letters.randrange(1, 0x2FF)) for _ in range(30)) for _ in range(50)]
    for text in texts:
        plain = text.replace("\r\n", "\n")
        assert tomllib.loads(f"x = {written(plain)}")["x"] == plain


def test_words_are_those_of_the_kinds(pack: Pack) -> None:
    """Facts of other kinds are not offered; functions and lists always are."""
    some, every = words(pack, ["list.imported"]), words(pack, sorted(pack.kinds.kinds))

    assert "e.recipients" in {fact["name"] for fact in some["facts"]}
    assert len(some["facts"]) != len(every["facts"])
    assert {one["name"] for one in some["lists"]} == set(pack.lists)
