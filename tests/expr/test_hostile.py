"""Limits, and texts and rows made to hurt: always an answer, in bounded time."""

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodsend.expr.check import compile_expression
from goodsend.expr.compile import build_row
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.expr.functions.model import MAX_TEXT
from goodsend.expr.model import Expression
from goodsend.facts import FactType, Value
from tests.expr.world import CATALOG, LISTS, both_paths, make, problems

_TOO_DEEP = "nested more than 100 deep"

_NESTING = {
    "parentheses": "({})",
    "calls": "IF({}, TRUE)",
    "NOT": "NOT {}",
    "CASE": "CASE WHEN {} THEN TRUE END",
    "right operands": "s.LINK_IP_HOST AND (TRUE = ({}))",
    "IN": "({}) IN (TRUE)",
}


def _nested(template: str, depth: int) -> str:
    text = "s.LINK_IP_HOST"
    for _ in range(depth):
        text = template.format(text)
    return text


@pytest.mark.parametrize("template", _NESTING.values(), ids=_NESTING)
def test_deep_nesting_is_a_problem(template: str) -> None:
    """Nesting beyond the limit is a problem, not a RecursionError."""
    assert problems(_nested(template, 150)) == [_TOO_DEEP]


@pytest.mark.parametrize("template", _NESTING.values(), ids=_NESTING)
def test_allowed_nesting_works_on_a_deep_stack(template: str) -> None:
    """What is within the limit is read, checked, evaluated and compiled although the caller is deep already."""

    def below(frames: int) -> Value:
        return below(frames - 1) if frames else both_paths(make(_nested(template, 24)), {"s.LINK_IP_HOST": True})

    assert isinstance(below((sys.getrecursionlimit() - 600) // 2), bool)


def test_ninety_nine_parentheses() -> None:
    """The depth that is promised is reached."""
    assert both_paths(make(_nested("({})", 99)), {"s.LINK_IP_HOST": True}) is True


def test_long_sum_is_deep() -> None:
    """A chain of operators that cannot be one node counts as depth."""
    assert problems("+".join(["1"] * 150) + " > 1") == [_TOO_DEEP]


def test_long_chain_is_not_deep() -> None:
    """A row of hundreds of ORs is one node, and compiles."""
    chain = " OR ".join(f"e.recipients = {n}" for n in range(420))

    assert both_paths(make(chain), {"e.recipients": 419}) is True
    assert both_paths(make(chain), {"e.recipients": 420}) is False


def test_long_case_compiles() -> None:
    """A CASE of hundreds of branches compiles."""
    branches = " ".join(f"WHEN {n} THEN {n + 1}" for n in range(450))

    assert both_paths(make(f"CASE e.recipients {branches} END", FactType.INTEGER), {"e.recipients": 449}) == 450


def test_too_many_parts() -> None:
    """More than 2,000 nodes are a problem that points to lists."""
    assert problems(f"e.recipients IN ({', '.join(['1'] * 2500)})") == ["the expression has more than 2000 parts"]


def test_too_long() -> None:
    """More than 10,000 characters are a problem."""
    assert problems(" " * 10_001) == ["the expression has 10001 characters; at most 10000 are allowed"]


def test_many_digits() -> None:
    """A number of thousands of digits is a problem; Python refuses to read it."""
    assert "whole numbers have 64 bits" in problems("e.recipients > " + "9" * 9000)


@settings(max_examples=300, deadline=None)
@given(source=st.text(max_size=60) | st.text(alphabet="()'\"e.kind =<>!-/*;ANDORNT0123,\n", max_size=60))
def test_any_text_has_an_answer(source: str) -> None:
    """Whatever is written gives an expression or problems whose places lie in the text."""
    found = compile_expression(source, CATALOG, CORE_FUNCTIONS, LISTS)

    if isinstance(found, list):
        assert found
        assert all(0 <= problem.start <= problem.end <= len(source) + 1 and problem.render() for problem in found)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)

EVERY_KIND = (
    "e.recipients + 1 > 2 OR e.kind LIKE '%a_' OR f.bounce_share / e.recipients > 0.5 OR ANY_REGEXP(e.urls, 'a')"
    " OR REGEXP_LIKE(e.kind, 'b') OR REGEXP_LIKE(e.kind, 'c') OR s.LINK_IP_HOST OR HOUR_OF(e.at) > 3"
    " OR e.at - DAYS(e.recipients) > f.signed_up_at OR IN_LIST('numbers', e.recipients) OR JOIN(e.urls, e.kind) = 'x'"
    " OR ROUND(f.bounce_share, e.recipients) > 2 OR SUBSTRING(e.kind, e.recipients, e.recipients) = '' "
    " OR REPLACE(e.kind, e.subject, e.kind) = 'y' OR e.recipients % f.complaints_24h = 1 OR CEIL(f.bounce_share) = 3"
    " OR GREATEST(e.recipients, f.bounce_share) > 2 OR DAY_OF_WEEK(e.at, 'Asia/Tokyo') = 1"
)


@settings(max_examples=500, deadline=None)
@given(facts=st.fixed_dictionaries({}, optional=dict.fromkeys(CATALOG, ANYTHING)))
def test_any_row_has_an_answer(facts: dict[str, Value]) -> None:
    """A value that is not of its column's type is NULL on both paths; nothing raises."""
    assert both_paths(make(EVERY_KIND), facts) in (True, False, None)


def test_a_list_that_is_gone_is_null() -> None:
    """Where the tenant has no such list the membership is not known."""
    expression = make("IN_LIST('colours', 'red')")

    assert expression.evaluate({}, {}) is None
    assert build_row({"it": expression})({}, {}) == (None,)


def test_text_cannot_be_multiplied() -> None:
    """REPLACE, || and JOIN stop at a million characters, with NULL."""
    row: dict[str, Value] = {"e.kind": "a" * 2000, "e.subject": "b" * 2000, "e.urls": ("x" * MAX_TEXT, "y")}

    assert both_paths(make("REPLACE(e.kind, 'a', e.subject)", FactType.TEXT), row) is None
    assert both_paths(make("JOIN(e.urls, '')", FactType.TEXT), row) is None
    assert both_paths(make(" || ".join(["REPLACE(e.kind, 'a', 'xxxxx')"] * 60) + " || e.kind", None), row) is not None
    grown = f"REPLACE(e.kind, 'a', '{'x' * 400}')"
    assert both_paths(make(f"{grown} || {grown}", FactType.TEXT), row) is None


@pytest.mark.parametrize(
    "source",
    ["REGEXP_LIKE(e.subject, '(a|a|aa)+$')", "e.subject LIKE '%a%a%a%a%a%a%a%b'", "e.subject ILIKE '%a%a%a_a%b'"],
)
def test_patterns_take_linear_time(source: str) -> None:
    """A pattern that ruins a backtracking engine is over in well under a second on half a million characters."""
    expression = make(source)
    started = time.perf_counter()

    both_paths(expression, {"e.subject": "a" * 500_000 + "c"})

    assert time.perf_counter() - started < 2


def test_generated_code_holds_no_authors_text() -> None:
    """Quotes, braces and line ends in literals stay data."""
    nasty = "'}); __import__(''os''); #\n{0} \\ \"\"\"'"
    expression = make(f"e.kind = {nasty} OR e.kind IN ({nasty}, '{{0}}', 'b') OR IN_LIST('colours', e.kind || {nasty})")

    assert isinstance(expression, Expression)
    assert both_paths(expression, {"e.kind": nasty[1:-1].replace("''", "'")}) is True
    assert both_paths(expression, {"e.kind": "{0}"}) is True
