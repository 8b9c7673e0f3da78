"""Rules of Amazon Fraud Detector become ours: golden pairs, the same meaning, and a pack that passes its check."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from goodsend import cli
from goodsend.facts import Catalog, Facts, FactType
from goodsend.pack import build_pack
from goodsend.rules.detectorpl_convert import Column, Conversion, Refused, convert
from goodsend.rules.detectorpl_pack import Export, Imported, Known, build, outcome_verdict, read_export
from goodsend.rules.evaluate import failing_cases
from goodsend.rules.model import Mode, Verdict
from goodsend.wiring import SHIPPED, read_layer

COLUMNS = {
    "price": Column("e.price", FactType.NUMBER),
    "count": Column("e.count", FactType.INTEGER),
    "mail": Column("e.mail", FactType.TEXT),
    "ok": Column("e.ok", FactType.BOOLEAN),
    "when": Column("e.when", FactType.TIME),
}
LISTS = {"bad": "bad", "good": "afd_good"}


def pairs() -> list[tuple[str, str]]:
    """The golden pairs."""
    lines = (Path(__file__).parent / "detectorpl_pairs.txt").read_text(encoding="utf-8").splitlines()
    split = (line.rsplit(" => ", 1) for line in lines if not line.startswith("# "))
    return [(text, expected) for text, expected in split]


@pytest.mark.parametrize(("text", "expected"), pairs())
def test_golden_pairs(text: str, expected: str) -> None:
    """Each expression becomes what stands beside it, or is refused with that reason."""
    found = convert(text, COLUMNS, LISTS)

    if expected.startswith("! "):
        assert isinstance(found, Refused)
        assert expected[2:] in found.reason
    else:
        assert isinstance(found, Conversion), found
        assert found.sql == expected


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("$mail == null", "null is not in the service's documentation"),
        ("$mail != 'x'", "where $mail is missing, `!=` is not known here"),
        ("$mail not in ['x']", "where $mail is missing, `not in` is not known here"),
        ("!($ok)", "where $ok is missing, `!` is not known here"),
        ("$count / 2 > 1", "dividing whole numbers gives decimals here"),
        ("regex_match('^a', $mail)", "is taken to match the whole text"),
        ("regex_match('a\\\\\\\\.*', $mail)", "backslashes"),
        ("$unknown > 3", "$unknown is not among the exported variables; it is taken as number"),
        ("isafter($when, $when)", "isafter() is not in the service's documentation"),
    ],
)
def test_what_is_not_sure_is_told(text: str, note: str) -> None:
    """The likeliest reading is taken, and somebody is asked to look."""
    found = convert(text, COLUMNS, LISTS)

    assert isinstance(found, Conversion)
    assert any(note in told for told in found.notes)


@pytest.mark.parametrize(
    "text", ["$price > 900", "$mail == 'x' and $mail in @bad", "$price / 2 > 1", "!($mail == null)"]
)
def test_what_is_sure_needs_no_note_of_its_meaning(text: str) -> None:
    """Nobody is asked to look at what cannot differ."""
    found = convert(text, COLUMNS, LISTS)

    assert isinstance(found, Conversion)
    assert [note for note in found.notes if "null" not in note] == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("(" * 500 + "$ok" + ")" * 500, Refused), ("!" * 3_000 + "$ok", Refused), ("$ok " * 5_000, Refused),
        ("\0", Refused), ("$ok" + " or $ok" * 580, Conversion),
    ],
)  # fmt: skip
def test_hostile_text_ends_in_an_answer(text: str, answer: type) -> None:
    """Deep, long and strange texts are converted or refused, never raised."""
    found = convert(text, COLUMNS, LISTS)

    assert isinstance(found, answer)


# -- the same meaning -----------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.sampled_from(["$price", "$count"]), st.integers(0, 9).map(str), st.sampled_from(["0.5", "2.25"]),
)  # fmt: skip
SUMS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join), inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-({text})"),
    ),
    max_leaves=5,
)  # fmt: skip
CHECKS = st.one_of(
    st.tuples(SUMS, st.sampled_from([">", ">=", "<", "<=", "==", "!="]), SUMS).map(" ".join),
    st.tuples(NUMBERS, st.sampled_from(["in", "not in"]), st.sampled_from(["[1, 2, 3]", "[0.5]"])).map(" ".join),
    st.tuples(
        st.sampled_from(["$mail", "lowercase($mail)"]), st.sampled_from(["==", "!="]), st.sampled_from(['"Ab"', '"ab"'])
    ).map(" ".join),
    st.sampled_from(["$ok", "true", "false", 'regex_match("a.?", $mail)', 'regex_match("A|b", lowercase($mail))']),
)  # fmt: skip
CONDITIONS = st.recursive(
    CHECKS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join), inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"!({text})"), inner.map(lambda text: f"! {text}"),
    ),
    max_leaves=6,
)  # fmt: skip


def in_python(text: str, row: dict[str, Any]) -> bool:
    """What an expression means by Python's reading of it, which shares its precedence."""
    written = re.sub(r"!(?!=)", " not ", text).replace("$", "").replace("true", "True").replace("false", "False")
    names = {
        "regex_match": lambda pattern, value: re.fullmatch(pattern, value) is not None, "lowercase": str.lower, **row,
    }  # fmt: skip
    return bool(eval(written, {"__builtins__": {}}, names))


@given(
    CONDITIONS,
    st.floats(-5, 5).map(lambda x: round(x, 2)),
    st.integers(-3, 9),
    st.sampled_from(["Ab", "ab", "b", ""]),
    st.booleans(),
)
@settings(max_examples=300)
def test_a_conversion_means_what_was_written(text: str, price: float, count: int, mail: str, ok: bool) -> None:
    """On complete events the converted condition holds exactly where the original does."""
    row: dict[str, Any] = {"price": price, "count": count, "mail": mail, "ok": ok}
    try:
        expected = in_python(text, row)
    except ZeroDivisionError:
        assume(False)

    found = convert(text, COLUMNS, LISTS)

    assert isinstance(found, Conversion), found
    facts: Facts = {f"e.{name}": value for name, value in row.items()}
    assert found.expression.evaluate(facts) is expected


# -- whole exports ---------------------------------------------------------------------------------------------------


def make_export(**but: Any) -> dict[str, Any]:
    """The answers of the service about one detector with two rules, but with these."""
    rule = {"detectorId": "sample_detector", "ruleVersion": "1", "language": "DETECTORPL"}
    files = {
        "rules.json": {"ruleDetails": [
            rule | {"ruleId": "high-risk", "expression": "$amount > 100", "outcomes": ["block_account"]},
            rule | {"ruleId": "high-risk", "ruleVersion": "2", "expression": "$amount > 200", "outcomes": ["block"]},
            rule | {"ruleId": "listed", "expression": "$mail in @bad_mails", "outcomes": ["check_by_hand", "approve"]},
        ]},
        "variables.json": {"variables": [
            {"name": "amount", "dataType": "FLOAT"},
            {"name": "mail", "dataType": "STRING", "variableType": "EMAIL_ADDRESS"},
        ]},
        "types.json": {"eventTypes": [
            {"name": "registration", "eventVariables": ["amount"], "entityTypes": ["customer"]},
        ]},
        "detectors.json": {"detectors": [{"detectorId": "sample_detector", "eventTypeName": "registration"}]},
        "version.json": {
            "detectorId": "sample_detector", "detectorVersionId": "1", "status": "ACTIVE",
            "ruleExecutionMode": "FIRST_MATCHED", "rules": [
                {"detectorId": "sample_detector", "ruleId": "listed", "ruleVersion": "1"},
                {"detectorId": "sample_detector", "ruleId": "high-risk", "ruleVersion": "2"},
            ],
        },
        "bad_mails.json": {"elements": ["eve@example.com", "mal@example.com"]},
    }  # fmt: skip
    return files | but


def made(known: Known | None = None, **but: Any) -> Imported:
    """The pack of that export."""
    export, strange = read_export(
        {name: content for name, content in make_export(**but).items() if content is not None}
    )
    assert strange == []
    return build(export, known or Known(Catalog([])))


def checked(imported: Imported) -> tuple[Any, list[str]]:
    """The pack over the shipped one, and its problems."""
    layer = {f"afd/{name}": text.encode() for name, text in imported.files.items()}
    pack, problems = build_pack(read_layer(SHIPPED) | layer)
    return pack, [problem.render() for problem in problems]


def test_an_export_becomes_a_pack_that_passes_its_check() -> None:
    """Rules in their group and order, in shadow; the version that is in force; cases that hold."""
    pack, problems = checked(made())

    assert problems == []
    rules = pack.ruleset.rules
    assert (rules["high_risk"].when, rules["high_risk"].verdict, rules["high_risk"].order) == (
        "e.amount > 200",
        Verdict.REJECT,
        2,
    )
    assert (rules["listed"].when, rules["listed"].verdict, rules["listed"].order) == (
        "IN_LIST('bad_mails', e.mail)", Verdict.REVIEW, 1,
    )  # fmt: skip
    assert {rules[name].mode for name in ("high_risk", "listed")} == {Mode.SHADOW}
    assert pack.ruleset.groups["sample_detector"].match == "first"
    assert pack.list_values["bad_mails"] == {"eve@example.com", "mal@example.com"}
    assert pack.entity_fields["registration.evaluated"] == {"customer": "customer_id"}
    assert failing_cases(pack.ruleset, pack.list_values) == []
    assert {case.fires for case in rules["high_risk"].cases} == {True, False, None}


def test_rules_alone_are_enough() -> None:
    """Without variables types are guessed, without versions the last of each rule counts; the report says so."""
    only = dict.fromkeys(["variables.json", "types.json", "detectors.json", "version.json"])
    imported = made(**only)

    pack, problems = checked(imported)

    assert problems == []
    assert pack.ruleset.rules["high_risk"].on == {"imported.evaluated"}
    assert "$amount is not among the exported variables; it is taken as number" in imported.report
    assert "no detector version in the export" in imported.report


def test_nothing_of_the_packs_below_is_replaced() -> None:
    """Rules, lists, kinds and columns of another type get names of their own."""
    below, _ = build_pack(read_layer(SHIPPED))
    assert below is not None
    known = Known(below.catalog, set(below.ruleset.rules), set(below.lists), set(below.kinds.entities))
    taken = next(iter(below.ruleset.rules))
    rules = {"ruleDetails": [
        {"ruleId": taken, "detectorId": "d", "expression": "$recipients == 'x' and $mail in @hosting_asns"},
        {"ruleId": taken, "detectorId": "e", "expression": "$recipients == 'y'", "outcomes": []},
    ]}  # fmt: skip
    variables = {"variables": [{"name": "recipients", "dataType": "STRING"}, {"name": "mail", "dataType": "STRING"}]}

    pack, problems = checked(
        made(known, **{
            "rules.json": rules, "variables.json": variables, "version.json": None,
            "bad_mails.json": {"name": "hosting_asns", "elements": ["1"]},
        })
    )  # fmt: skip

    assert problems == []
    assert set(pack.ruleset.rules) == set(below.ruleset.rules) | {f"afd_{taken}", f"afd_{taken}_2"}
    assert pack.ruleset.rules[f"afd_{taken}"].when == "e.afd_recipients = 'x' AND IN_LIST('afd_hosting_asns', e.mail)"
    assert pack.list_values["hosting_asns"] == below.list_values["hosting_asns"]


def test_what_cannot_be_converted_is_in_the_report() -> None:
    """With the reason and the expression; the others are converted."""
    rules = make_export()["rules.json"]
    rules["ruleDetails"].append(
        {"ruleId": "clock", "detectorId": "sample_detector", "expression": "getcurrentdatetime() > $x"}
    )
    imported = made(**{"rules.json": rules, "version.json": None})

    assert (imported.converted, imported.refused) == (2, 1)
    assert "clock: at character 1: getcurrentdatetime(): a rule has no clock here" in imported.report
    assert "`getcurrentdatetime() > $x`" in imported.report
    assert checked(imported)[1] == []


def test_awkward_names_and_texts_survive() -> None:
    """Quotes, braces, control characters and line breaks of descriptions end in TOML that reads back."""
    text = 'a "quoted" {brace} \\ back\nline \x7f \x01'
    rules: Any = {
        "ruleDetails": [{"ruleId": "9-x", "detectorId": "d-1", "expression": '$mail == "\'{é}"', "description": text}]
    }

    pack, problems = checked(made(**{"rules.json": rules, "version.json": None}))

    assert problems == []
    assert pack.ruleset.rules["afd_9_x"].when == "e.mail = '''{é}'"


_RULE = {"ruleId": "a", "detectorId": "d", "expression": "$x > 1"}


@pytest.mark.parametrize(
    "content",
    [
        {"ruleDetails": None}, {"ruleDetails": {"a": 1}}, {"ruleDetails": [None, {}, {"ruleId": [], "expression": {}}]},
        {"ruleDetails": [_RULE | {"outcomes": 5, "ruleVersion": "²"}]},
        {"ruleDetails": [_RULE | {"outcomes": [None, 5, {}], "ruleVersion": "9" * 5000}]},
        {"eventTypes": [{"name": "x", "eventVariables": 5, "entityTypes": "y"}], "ruleDetails": [_RULE]},
        {"lists": [{"name": 'a"b', "elements": 3}], "elements": "x", "name": 'a"b', "ruleDetails": [_RULE]},
        {"ruleExecutionMode": "x", "rules": 7, "ruleDetails": [_RULE]},
        {"ruleExecutionMode": "x", "rules": [None, 3, {}], "ruleDetails": [_RULE]},
        {"variables": [{"name": "x", "dataType": [], "variableType": 3, "description": {}}], "ruleDetails": [_RULE]},
    ],
)  # fmt: skip
def test_an_export_of_a_strange_shape_is_no_accident(content: Any) -> None:
    """Whatever stands where a list or a name should be: a pack that reads, or nothing of it."""
    assert checked(made(**{"rules.json": content, "version.json": None}))[1] == []


def test_names_that_are_alike_stay_apart() -> None:
    """Detectors, rules and entities that differ in capitals or signs, and names beyond what a name may have."""
    names = ("a", "A", "a-", "a_", "ä", "", "../x", "r" * 300, "r" * 299, "x]\n[rule.y", "- **forged**\n- line")
    rules = [{"ruleId": id_, "detectorId": of, "expression": "$x > 1"} for id_ in names for of in names]
    kinds = [{"name": "order", "eventVariables": ["x"], "entityTypes": ["User", "user", "USER"]}]
    files: Any = {"rules.json": {"ruleDetails": rules}, "version.json": None, "types.json": {"eventTypes": kinds}}
    pack, problems = checked(made(**files))

    assert problems == []
    assert sum(id_.startswith(("a", "r", "x", "___x")) for id_ in pack.ruleset.rules) >= len(rules)
    assert "\n- line" not in made(**files).report


def test_outcomes_mean_what_their_names_say_or_what_is_given() -> None:
    """The hardest of several counts; a name that says nothing is told."""
    assert outcome_verdict("block_account", {}) is Verdict.REJECT
    assert outcome_verdict("low-risk", {}) is Verdict.ALLOW
    assert outcome_verdict("weird", {}) is None
    assert outcome_verdict("block_account", {"block_account": Verdict.HOLD}) is Verdict.HOLD
    odd = {"ruleId": "a", "detectorId": "d", "expression": "$x > 1", "outcomes": ["odd"]}
    report = build(Export(rules=[odd]), Known(Catalog([]))).report
    assert "what the outcome 'odd' means is not known; review is taken" in report


def test_the_command_writes_a_pack_and_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a folder of answers; the result passes `goodsend check`, and a pack that is there is not overwritten."""
    source, out = tmp_path / "export", tmp_path / "taken_over"
    source.mkdir()
    for name, content in make_export().items():
        (source / name).write_text(json.dumps(content))

    first = cli.main(["import", "detectorpl", str(source), "--out", str(out), "--outcome", "check_by_hand=hold"])
    check = cli.main(["check", str(out)])
    again = cli.main(["import", "detectorpl", str(source), "--out", str(out)])

    told = capsys.readouterr()
    assert (first, check, again) == (0, 0, 2)
    assert "2 rules converted, 0 not" in told.out
    assert 'verdict = "hold"' in (out / "rules" / "imported.toml").read_text()
    assert (out / "import-report.md").read_text().startswith("# Import from Amazon Fraud Detector")
    assert "holds a pack already" in told.err


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no rules"),
        ('{"variables": []}', "holds no rules"),
        ("[1, [2]]", "holds no rules"),
    ],
)
def test_a_file_that_is_no_export_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, expected: str
) -> None:
    """Exit code 2, and nothing is written."""
    (tmp_path / "x.json").write_text(content)

    code = cli.main(["import", "detectorpl", str(tmp_path / "x.json"), "--out", str(tmp_path / "out")])

    assert (code, (tmp_path / "out").exists()) == (2, False)
    assert expected in capsys.readouterr().err


def test_an_outcome_that_is_no_verdict_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the words there are."""
    (tmp_path / "x.json").write_bytes(msgspec.json.encode(make_export()["rules.json"]))

    code = cli.main(
        ["import", "detectorpl", str(tmp_path / "x.json"), "--out", str(tmp_path / "o"), "--outcome", "a=b"]
    )

    assert code == 2
    assert "write NAME=allow, review, throttle, hold or reject" in capsys.readouterr().err
