"""The shipped scanner, built once, for all tests of this room."""

import tomllib
from pathlib import Path

import pytest

from goodsend.scanning.scanner import Scanner, parse_scanner

CORE = Path(__file__).parents[2] / "src" / "goodsend" / "packs" / "core"


@pytest.fixture(scope="session")
def scanner() -> Scanner:
    """The scanner of the core pack, with the pack's lists."""
    files = {path.name: tomllib.loads(path.read_text()) for path in sorted((CORE / "scanning").glob("*.toml"))}
    lists = {path.stem: tomllib.loads(path.read_text())["values"] for path in sorted((CORE / "lists").glob("*.toml"))}
    built, problems = parse_scanner(files, lists)
    assert [problem.render() for problem in problems] == []
    return built
