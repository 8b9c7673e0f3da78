"""The functions of the rule language as documentation, and the check that their examples tell the truth."""

from collections.abc import Collection, Mapping

from goodsend.expr.canonical import quoted
from goodsend.expr.check import compile_expression
from goodsend.expr.compile import build_row
from goodsend.expr.functions.lists import EXAMPLE_LISTS
from goodsend.expr.functions.model import Function, Lists, types_shown
from goodsend.facts import Catalog, Value

BAR = "\\|"
"""How a table's cell holds a bar, also within code."""

_FAMILIES = {
    "text": "One text",
    "texts": "Several texts",
    "lists": "Lists",
    "numbers": "Numbers",
    "time": "Time",
    "json": "JSON within a text",
    "choice": "Choice and NULL",
}


def functions_markdown(functions: Mapping[str, Function]) -> str:
    """Return one table of functions per family, in the order the families are known, then others by name."""
    families = dict.fromkeys([*_FAMILIES, *sorted({function.family for function in functions.values()})])
    sections = []
    for family in families:
        members = sorted((f for f in functions.values() if f.family == family), key=lambda function: function.name)
        if members:
            sections.append(_section(_FAMILIES.get(family, family.capitalize()), members))
    return "\n".join(sections)


def _section(title: str, functions: Collection[Function]) -> str:
    lines = [f"### {title}", "", "| function | gives | what it says | examples |", "|---|---|---|---|"]
    lines += [_row(function) for function in functions]
    return "\n".join([*lines, ""])


def _row(function: Function) -> str:
    examples = "<br>".join(f"`{text}` → `{shown(value)}`" for text, value in function.examples)
    cells = (f"`{function.signature}`", _gives(function), function.doc, examples)
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


def _gives(function: Function) -> str:
    if function.result is not None:
        return function.result.value
    free = next(parameter for parameter in function.parameters if parameter.type is None)
    return f"as `{free.name}`" if types_shown(free) != "any" else f"as its `{free.name}`s"


def shown(value: Value) -> str:
    """Return a value as the language would write it; several texts in brackets."""
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "TRUE", False: "FALSE"}[value]
    if isinstance(value, tuple):
        return f"[{', '.join(map(quoted, value))}]"
    return quoted(value) if isinstance(value, str) else repr(value)


def failing_examples(
    functions: Mapping[str, Function], known: Mapping[str, Function], lists: Lists = EXAMPLE_LISTS
) -> list[str]:
    """
    Return one line per example of `functions` that does not give what it says, on either path; empty when all do.

    `known` are all functions an example may use, `lists` the lists it may name. A function without an example is a
    line too.
    """
    told = [f"{function.name}: has no example" for function in functions.values() if not function.examples]
    for function in functions.values():
        for text, expected in function.examples:
            told += _failure(text, expected, known, lists)
    return told


def _failure(text: str, expected: Value, known: Mapping[str, Function], lists: Lists) -> list[str]:
    expression = compile_expression(text, Catalog([]), known, list(lists), None)
    if isinstance(expression, list):
        return [problem.at(text).render() for problem in expression]
    found = expression.evaluate({}, lists), build_row({"it": expression})({}, lists)[0]
    return [f"{text}: gives {value!r}, not {expected!r}" for value in found if not _same(value, expected)]


def _same(value: Value, expected: Value) -> bool:
    return type(value) is type(expected) and value == expected
