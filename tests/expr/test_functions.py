"""Every function of the core table: documented, with examples that tell the truth."""

from pathlib import Path

import pytest

from goodsend.expr.functions import CORE_FUNCTIONS, Function
from goodsend.expr.functions.json import MAX_JSON, MAX_NESTING, MAX_STEPS
from goodsend.expr.functions.model import MAX_TEXT
from goodsend.expr.functions.patterns import MAX_PATTERN, checked, like, search, search_any
from goodsend.expr.parse import MAX_DEPTH, MAX_NODES, MAX_SOURCE
from goodsend.expr.reference import BAR, failing_examples, functions_markdown


@pytest.mark.parametrize("function", CORE_FUNCTIONS.values(), ids=CORE_FUNCTIONS)
def test_examples_hold(function: Function) -> None:
    """Each example gives what it says on both paths, and there is one."""
    assert failing_examples({function.name: function}, CORE_FUNCTIONS) == []


@pytest.mark.parametrize("function", CORE_FUNCTIONS.values(), ids=CORE_FUNCTIONS)
def test_doc_is_one_line(function: Function) -> None:
    """A function says what it does in one line that ends with a full stop."""
    assert function.doc.endswith(".")
    assert "\n" not in function.doc
    assert function.name == function.name.upper()


def test_markdown_has_every_function() -> None:
    """The reference names every function, and no cell breaks its table."""
    text = functions_markdown(CORE_FUNCTIONS)

    assert all(f"| `{function.signature}`" in text for function in CORE_FUNCTIONS.values())
    assert {5} == {line.replace(BAR, "").count("|") for line in text.splitlines() if line.startswith("|")}


def test_page_tells_the_limits() -> None:
    """The hand-written page names the limits that the code has."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "expressions.md").read_text("utf-8")

    for limit in (MAX_SOURCE, MAX_DEPTH, MAX_NODES, MAX_PATTERN, MAX_TEXT, MAX_JSON, MAX_NESTING, MAX_STEPS):
        assert f"| {limit:,} | own starting value |" in page
    assert page.index("<!-- functions:start -->") < page.index("<!-- functions:end -->")


def test_many_patterns_are_searched_in_one_pass() -> None:
    """A search over several patterns names those that occur, also where they do not fit one set."""
    patterns = [f"x{n}y" for n in range(30)] + ["(abcdefghijkl){200}"] * 30

    assert sorted(search(patterns)("..x3y..x17y")) == [3, 17]
    assert sorted(search_any(patterns)(["..x3y", "x17y"])) == [3, 17]
    assert tuple(search(patterns)("nothing")) == ()


def test_alone_or_together_is_the_same() -> None:
    """Patterns give the same alone and together, anchored or not."""
    patterns = ["^a", "b$", "(?i)C", "a.c", "", "x*"]

    for text in ("abc", "a\nc", "", "xC", "ab\n"):
        assert [n for n, one in enumerate(patterns) if search([one])(text)] == sorted(search(patterns)(text))


def test_too_large_patterns_are_refused() -> None:
    """What would not fit a set's memory is refused when the rule is checked."""
    with pytest.raises(ValueError, match="at most"):
        checked("a" * (MAX_PATTERN + 1))
    with pytest.raises(ValueError, match="too large"):
        checked("(abcdefghij){999}")


def test_like_without_wildcards_is_equality() -> None:
    """Each simple shape of a LIKE pattern means what its signs say."""
    shapes = ["ab", "ab%", "%ab", "%ab%", "%", "", "_b", "a%b", "%%"]

    assert [shape for shape in shapes if like(shape)("ab")] == ["ab", "ab%", "%ab", "%ab%", "%", "_b", "a%b", "%%"]
    assert [shape for shape in shapes if like(shape)("abc")] == ["ab%", "%ab%", "%", "%%"]
