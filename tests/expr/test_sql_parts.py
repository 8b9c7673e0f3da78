"""Single promises of the SQL writer: zones, letters, patterns, JSON paths, long chains, what is asked of Python."""

import json
import pickle
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodsend.archive.engines.model import SqlEngine
from goodsend.expr.canonical import quoted
from goodsend.expr.check import compile_expression
from goodsend.expr.functions.json import MAX_JSON, MAX_NESTING, path_of
from goodsend.expr.model import Expression
from goodsend.expr.sql.model import Dialect
from goodsend.expr.sql.patterns import is_native
from goodsend.expr.sql.time import offsets
from goodsend.expr.sql.write import udfs_needed, write
from goodsend.facts import Facts
from goodsend.kit.clock import DAY, to_micros
from goodsend.pack import FUNCTIONS
from tests.expr.engines import answers, differences, query
from tests.expr.generated import CATALOG, LISTS, TYPES, read


def needed(text: str, dialect: Dialect = Dialect.DUCKDB) -> set[str]:
    """Return the names of the functions that an expression needs registered."""
    return set(udfs_needed([read(text)], dialect))


def assert_same(engine: SqlEngine, texts: list[str], rows: list[Facts], lists: Any = LISTS) -> None:
    """Both paths give the same for every text and row."""
    batch = [read(text) for text in texts]
    assert differences(batch, rows, answers(engine, batch, TYPES, rows, lists), lists) == []


@pytest.mark.parametrize("name", ["duckdb_engine", "sail_engine"])
def test_both_zeros_are_zero(name: str, request: pytest.FixtureRequest) -> None:
    """-0.0 divides nothing either, and is what 0.0 is: on Sail a division by it ended the whole run."""
    rows: list[Facts] = [{"f.n": n, "f.m": m} for n in (0.0, -0.0, 1.5, None) for m in (0.0, -0.0, -2.0, None)]
    texts = [
        "f.n / f.m", "f.n % f.m", "(-f.n) / (-f.m)", "f.n / (f.m * 0.5)", "NULLIF(f.n, f.m)", "NULLIF(f.n, 0)",
        "1 / NULLIF(-f.n, 0)", "f.n = f.m", "f.n IN (0, 7)", "f.n BETWEEN f.m AND 0", "CASE f.n WHEN 0 THEN 1 END",
        "LEAST(f.n, f.m) = GREATEST(f.n, f.m)", "ABS(f.n) / f.m", "WILSON_LOWER(f.n, f.m)", "ROUND(f.n) / f.m",
    ]  # fmt: skip

    assert_same(request.getfixturevalue(name), texts, rows)


ZONES = ["Europe/Berlin", "America/St_Johns", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia"]


@pytest.mark.parametrize("zone", ZONES)
def test_a_zone_is_written_out_whole(duckdb_engine: SqlEngine, zone: str) -> None:
    """At every change of a zone's clock, a microsecond before and after, SQL shows the hour and date of Python."""
    changes = [at for at, _ in offsets(ZoneInfo(zone))]
    rows: list[Facts] = [{"e.at": at + near} for at in changes for near in (-1, 0, 1)]
    rows += [{"e.at": to_micros(datetime(year, 7, 1, 23, 59, 59, tzinfo=UTC))} for year in (1, 1900, 2099, 2150, 9999)]

    texts = [f"{name}(e.at, '{zone}')" for name in ("HOUR_OF", "MINUTE_OF_DAY", "DAY_OF_WEEK", "LOCAL_DATE")]

    assert len(changes) > 20
    assert_same(duckdb_engine, texts, rows)


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 47_000 * DAY), zone=st.sampled_from(ZONES))
def test_no_change_of_a_clock_is_missed(at: int, zone: str) -> None:
    """The table of a zone gives the offset that the zone itself gives, at any time."""
    found = [offset for start, offset in offsets(ZoneInfo(zone)) if start <= at] or [None]
    moment = datetime.fromtimestamp(at // 10**6, ZoneInfo(zone)).utcoffset()

    assert found[-1] is None or moment is not None
    assert found[-1] is None or found[-1] == int(moment.total_seconds()) * 10**6  # type: ignore[union-attr]


def test_letters_of_every_script(duckdb_engine: SqlEngine) -> None:
    """LOWER, UPPER, TRIM and LENGTH of every character there is give what Python gives."""
    chars = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    rows: list[Facts] = [{"e.t": "".join(chars[start : start + 400])} for start in range(0, len(chars), 400)]
    rows += [{"e.t": f"{char}a{char}"} for char in chars if char.isspace()]

    assert_same(duckdb_engine, ["LOWER(e.t)", "UPPER(e.t)", "TRIM(e.t)", "LENGTH(e.t)", "e.t ILIKE '%ß%'"], rows)


def test_native_patterns_fold_alike(duckdb_engine: SqlEngine) -> None:
    """Of every letter that a native pattern may name, DuckDB's RE2 folds the case as ours does."""
    letters = [chr(code) for code in range(0x80, 0x500) if chr(code).isalpha()]
    forms = {form for letter in letters for form in (letter, letter.lower(), letter.upper(), letter.swapcase())}
    rows: list[Facts] = [{"e.t": form} for form in sorted(forms)]
    rows += [{"e.t": chr(code)} for code in (0x212A, 0x212B, 0x1E9E, 0x17F, 0x1C80, 0x1C88, 0x2126, 0x345)]
    chunks = ["".join(letters[start : start + 60]) for start in range(0, len(letters), 60)]

    assert_same(duckdb_engine, [f"REGEXP_LIKE(e.t, '(?i)^[{chunk}]$')" for chunk in chunks], rows)


def test_patterns_of_properties_are_asked_of_python() -> None:
    """What depends on Unicode's tables is searched by the RE2 of the row path."""
    assert is_native("(?i)\\bact now\\b", Dialect.DUCKDB)
    assert not is_native("\\pL", Dialect.DUCKDB)
    assert not is_native("日", Dialect.DUCKDB)
    assert needed("REGEXP_LIKE(e.t, 'a')") == set()
    assert needed("REGEXP_LIKE(e.t, 'a')", Dialect.SPARK) == {"gs_regexp_like"}


def test_common_forms_are_native_in_duckdb() -> None:
    """What rules do most needs no Python in DuckDB, or only for the odd value."""
    native = [
        "e.i / e.j > 0.1 AND e.i + 1 < 5", "IN_LIST('words', e.t)", "ANY_REGEXP(e.x, '^https?://')",
        "ANY_LIKE(e.x, '%a%')", "HAS_TEXT(e.x, e.t)", "e.at - f.at < DAYS(7)", "COUNT_OF(e.x) > 10",
        "WILSON_LOWER(e.i, e.j) >= 0.03", "GREATEST(e.i, e.j) > ABS(f.n) % 2", "REPLACE(e.t, 'a', '') || 'x' = ''",
    ]  # fmt: skip

    assert {name for text in native for name in needed(text)} == set()
    assert needed("EMAIL_DOMAIN(e.t) = 'a.example' AND e.u ILIKE 'x%'") == {"gs_email_domain", "gs_lower"}


def test_a_missing_list_is_null(duckdb_engine: SqlEngine) -> None:
    """A list that the tenant does not have makes the answer unknown; an empty one makes it false."""
    rows: list[Facts] = [{"e.t": "a", "e.i": 1, "e.x": ("a",)}, {}]

    texts = [f"IN_LIST('{name}', e.t)" for name in ("missing", "nothing", "words")]
    texts += [f"ANY_IN_LIST('{name}', e.x)" for name in ("missing", "nothing", "words")]

    assert_same(duckdb_engine, [*texts, "IN_LIST('nothing', e.i)"], rows)


def test_large_lists(duckdb_engine: SqlEngine) -> None:
    """5,000 values, some of them no numbers, are found among texts and whole numbers."""
    lists: dict[str, Collection[str]] = {"words": frozenset(f"d{n}.example" for n in range(5_000))}
    lists |= {"numbers": frozenset(f"{n}" for n in range(5_000)) | {"01", "x"}, "nothing": ()}
    rows: list[Facts] = [{"e.t": f"d{n}.example", "e.i": n, "e.x": ("", f"d{n}.example")} for n in range(-5, 6_000, 7)]

    assert_same(
        duckdb_engine,
        [
            "IN_LIST('words', e.t)",
            "IN_LIST('numbers', e.i)",
            "IF(s.b, FALSE, IN_LIST('numbers', e.i))",
            "ANY_IN_LIST('words', e.x)",
            "IF(e.i % 2 = 0, ANY_IN_LIST('words', e.x), NOT ANY_IN_LIST('words', TEXTS(e.t, e.u)))",
        ],
        [*rows, {}, {"e.x": ()}],
        lists,
    )


def test_long_expressions_stay_short(duckdb_engine: SqlEngine) -> None:
    """Chains and nests as long as the language takes them become SQL that grows no faster than they do."""
    chain = " OR ".join(f"e.i = {n}" for n in range(400))
    deep = "f.n"
    for _ in range(40):
        deep = f"ABS({deep} / 3.5)"
    texts = [chain, deep, " || ".join(["e.t"] * 90), " + ".join(["f.n"] * 90), f"LEAST({deep}, f.m)"]

    lengths = [len(write(read(text), Dialect.DUCKDB, {}).sql(dialect="duckdb")) for text in texts]

    assert all(length < 40 * len(text) + 2_000 for length, text in zip(lengths, texts, strict=True)), lengths
    assert_same(duckdb_engine, texts, [{"e.i": 399, "f.n": 1e308, "f.m": 1.0, "e.t": "abc" * 6_000}, {"e.t": "a"}])


def test_functions_of_an_engine_can_be_sent_away() -> None:
    """What Spark's workers get survives pickling, and a batch gives what the calls give one by one."""
    batch = [read("URL_HOST(e.t) = 'a.example'")]
    (udf,) = udfs_needed(batch, Dialect.SPARK).values()
    column = ["https://a.example/x", None, "mailto:a@b.example", "https://a.example/x"]

    sent = pickle.loads(pickle.dumps(udf))

    assert sent.rows(column) == ["a.example", None, None, "a.example"]
    assert [udf.call(value) for value in column] == sent.rows(column)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_every_function_is_written(dialect: Dialect) -> None:
    """Each example of each function becomes SQL on every engine, and the functions it needs are known."""
    for function in FUNCTIONS.values():
        for text, _ in function.examples:
            made = compile_expression(text, CATALOG, FUNCTIONS, ["colours", "numbers"], None)
            assert isinstance(made, Expression)
            assert query([made], dialect, {}).sql(dialect=dialect.value).startswith("SELECT")


# ---------------------------------------------------------------------- JSON paths


@pytest.mark.parametrize("path", ["a", "$a", "$.", "$.a[-1]", "$.a[01]", "$..a", "$[*]", "$.a b", "$" + ".a" * 17])
def test_odd_paths_are_refused(path: str) -> None:
    """A path outside the small language is the author's mistake, told when the rule is checked."""
    with pytest.raises(ValueError, match="path"):
        path_of(path)


def value(kind: str, text: str, path: str) -> Any:
    """Return JSON_<kind> of a text at a path."""
    return read(f"JSON_{kind}(e.t, {quoted(path)})").evaluate({"e.t": text})


def test_json_limits() -> None:
    """Text beyond the limits, or that is no JSON as a whole, is NULL; nothing is turned into another type."""
    deep = "[" * MAX_NESTING + "1" + "]" * MAX_NESTING
    path = "$" + "[0]" * 16

    assert value("NUMBER", "[" * 16 + "1" + "]" * 16, path) == 1.0
    assert value("NUMBER", f'{{"a": {deep[1:-1]}, "b": 2}}', "$.b") == 2.0
    assert value("NUMBER", f'{{"a": {deep}, "b": 2}}', "$.b") is None
    assert value("TEXT", json.dumps({"a": "[{" * 100, "b": "x"}), "$.b") == "x"
    assert value("NUMBER", "1" + " " * MAX_JSON, "$") is None
    assert [value("NUMBER", text, "$") for text in ("1e400", "NaN", "true", '"1"', "1 2", "", "[1")] == [None] * 7
    assert value("NUMBER", "12345678901234567890123", "$") == 1.2345678901234568e22
    assert value("TEXT", '"\\ud83d\\ude00"', "$") == "😀"
    assert value("TEXT", '"\\ud83d"', "$") is None
    assert value("TEXT", '{"a": "x", "a": "y"}', "$.a") == "y"
    assert value("TEXT", '{"a": "x"}', "$[0]") is None
    assert value("TEXT", '["x"]', "$.a") is None


@given(text=st.text(alphabet='{}[]",:\\ab01.-eE truefalsn\ud800', max_size=60))
def test_json_is_total(text: str) -> None:
    """No text makes a JSON function raise."""
    for kind in ("TEXT", "NUMBER", "BOOLEAN"):
        value(kind, text, "$.a[0]")
        value(kind, text, "$")
