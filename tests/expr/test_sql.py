"""What is written as SQL gives on an engine what `Expression.evaluate` gives: NULLs, types and last digits included."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from goodsend.expr.check import compile_expression
from goodsend.expr.functions import EXAMPLE_LISTS, Parameter
from goodsend.expr.model import Expression
from goodsend.expr.nodes import Call, Literal, Name, Node, names_in
from goodsend.facts import FactType, Value
from goodsend.pack import FUNCTIONS
from tests.engines import ENGINES
from tests.expr.engines import answers, differences
from tests.expr.test_pairs import _pairs
from tests.expr.world import CATALOG, make

TYPES = {name: fact.type for name, fact in CATALOG.items() if name != "s.LINK_COUNT"}
"""Columns of SQL have no letter case, so of two facts that differ in nothing else one can stay."""


def storable() -> tuple[list[str], list[Any]]:
    """Return the expressions and rows of the golden pairs that columns can hold; half a character is no text there."""
    pairs = [(text, facts) for text, facts, _ in _pairs() if "s.LINK_COUNT" not in text and "\\ud8" not in facts]
    return list(dict.fromkeys(text for text, _ in pairs)), [json.loads(facts) for _, facts in pairs]


@pytest.mark.parametrize("name", ENGINES)
def test_golden_pairs(name: str, request: pytest.FixtureRequest) -> None:
    """Every golden pair gives on every engine what it gives on the row path; so does each expression on each row."""
    engine = request.getfixturevalue(name)
    sources, rows = storable()
    expressions = [make(source, None) for source in sources]

    found = answers(engine, expressions, TYPES, rows, EXAMPLE_LISTS)

    assert differences(expressions, rows, found, EXAMPLE_LISTS) == []


# ---------------------------------------------------------------------- examples of the functions


def opened(root: Node) -> tuple[Node, dict[str, FactType], dict[str, Value]]:
    """Return a tree with facts where literals stood, their types, and a row that gives them the literals' values."""
    types: dict[str, FactType] = {}
    row: dict[str, Value] = {}

    def change(
        node: Node, parameter: Parameter | None = None, shared: FactType | None = None, is_list: bool = False
    ) -> Node:
        if isinstance(node, Literal):
            if is_list or (parameter is not None and parameter.literal):
                return node
            name = f"x.v{len(types)}"
            types[name] = node.type or (parameter.type if parameter else None) or shared or FactType.TEXT
            row[name] = node.value
            return Name(name, type=types[name])
        if isinstance(node, Call) and node.function is not None:
            function, last = node.function, len(node.function.parameters) - 1
            free = [arg.type for place, arg in enumerate(node.args) if not function.parameters[min(place, last)].type]
            shared = next((type_ for type_ in free if type_), None)
            args = [
                change(arg, function.parameters[min(place, last)], shared, function.needs_lists and place == 0)
                for place, arg in enumerate(node.args)
            ]
            return replace(node, args=tuple(args))
        for field in ("operand", "left", "right"):
            if hasattr(node, field):
                node = replace(node, **{field: change(getattr(node, field))})
        return node

    changed = change(root)
    return changed, types, row


EXAMPLES = [text for function in FUNCTIONS.values() for text, _ in function.examples]


def example(text: str) -> tuple[Expression, Expression, dict[str, FactType], dict[str, Value]]:
    """Return an example as it stands (folded to a constant) and with its literals as facts, with types and row."""
    made = compile_expression(text, CATALOG, FUNCTIONS, EXAMPLE_LISTS, None)
    assert isinstance(made, Expression)
    root, types, row = opened(made.node)
    return made, Expression(text, "", made.type, names_in(root), made.lists, root), types, row


@pytest.mark.parametrize("name", ENGINES)
def test_examples_of_every_function(name: str, request: pytest.FixtureRequest) -> None:
    """Each function's examples give on every engine what they say, with literals and with facts in their place."""
    engine = request.getfixturevalue(name)
    types: dict[str, FactType] = {}
    row: dict[str, Value] = {}
    expressions = []
    for number, text in enumerate(EXAMPLES):
        plain, open_, own, values = example(text)
        renamed = {name: f"x{number}.{name[2:]}" for name in own}
        root = renamed_names(open_.node, renamed)
        expressions += [plain, Expression(text, "", open_.type, names_in(root), open_.lists, root)]
        types |= {renamed[name]: type_ for name, type_ in own.items()}
        row |= {renamed[name]: value for name, value in values.items()}

    found = answers(engine, expressions, types, [row], EXAMPLE_LISTS)

    assert differences(expressions, [row], found, EXAMPLE_LISTS) == []


def renamed_names(root: Node, names: dict[str, str]) -> Node:
    """Return the tree with other names of facts."""
    if isinstance(root, Name):
        return replace(root, name=names[root.name])
    if isinstance(root, Call):
        return replace(root, args=tuple(renamed_names(arg, names) for arg in root.args))
    for field in ("operand", "left", "right"):
        if hasattr(root, field):
            root = replace(root, **{field: renamed_names(getattr(root, field), names)})
    return root
