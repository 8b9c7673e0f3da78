"""Golden pairs: an expression, a row, and what it gives. One file, run on both paths."""

import json
from pathlib import Path
from typing import Any

import pytest

from goodsend.expr.reference import shown
from tests.expr.world import both_paths, make

PAIRS = Path(__file__).parent / "pairs.txt"


def _pairs() -> list[tuple[str, str, str]]:
    """Return (expression, facts as JSON, result as text) for each line of facts."""
    found = []
    for block in PAIRS.read_text("utf-8").split("\n\n")[1:]:
        expression, *lines = block.strip().splitlines()
        found += [(expression, *line.rsplit(" -> ", 1)) for line in lines]
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(("source", "facts", "expected"), _pairs())
def test_pair(source: str, facts: str, expected: str) -> None:
    """The expression gives, on both paths, what the file says."""
    row: dict[str, Any] = json.loads(facts)

    assert expected == shown(both_paths(make(source, None), row))
