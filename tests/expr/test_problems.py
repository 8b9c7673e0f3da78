"""
Golden messages: what an author is told. Each file in problems/ holds an expression, a line of dashes, and the rendered
problems. GOODSEND_REGENERATE=1 writes them anew, to be read in the diff.
"""

import os
from pathlib import Path

import pytest

from goodsend.expr.check import compile_expression
from goodsend.expr.functions import CORE_FUNCTIONS
from tests.expr.world import CATALOG, LISTS

FOLDER = Path(__file__).parent / "problems"
RULE = "\n----\n"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_message(file: Path) -> None:
    """The problems of the expression are rendered as the file says."""
    source, _, expected = file.read_text("utf-8").partition(RULE)

    found = compile_expression(source, CATALOG, CORE_FUNCTIONS, LISTS)

    assert isinstance(found, list), "there is nothing wrong with it"
    told = "\n\n".join(problem.at("rule").render() for problem in found) + "\n"
    if os.environ.get("GOODSEND_REGENERATE"):
        file.write_text(source + RULE + told, "utf-8")
    else:
        assert expected == told


def test_there_are_many() -> None:
    """At least 25 mistakes have their message reviewed."""
    assert len(list(FOLDER.glob("*.txt"))) >= 25
