"""
Values out of a text that holds JSON (RFC 8259), by a path such as `$.order.items[0].price`.

The text must be JSON as a whole and no more than MAX_JSON characters and MAX_NESTING levels deep; anything else is
NULL, as is a path that leads nowhere and a value of another kind than asked for: nothing is turned into something else.
Where an object names a member twice, the last counts.
"""

import re
from collections.abc import Callable

import msgspec

from goodsend.expr.functions.model import Function, Parameter, table
from goodsend.expr.functions.numbers import NUMBER_MAX
from goodsend.facts import FactType, Value

MAX_JSON = 1_000_000
"""Characters of a text that is read as JSON. Source: own starting value, as MAX_TEXT."""
MAX_NESTING = 64
"""Levels of objects and arrays. Source: own starting value; the parser itself gives up at Python's recursion limit."""
MAX_STEPS = 16
"""Steps of a path. Source: own starting value."""

Path = tuple[str | int, ...]

_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[(0|[1-9][0-9]{0,8})\]|\[\"([^\"\\]{1,200})\"\]", re.ASCII)
_HINT = 'paths look like $.order.items[0] or $["a name"]'


def path_of(text: str) -> Path:
    """Read a path; raises ValueError with a sentence for the author."""
    if not text.startswith("$"):
        raise ValueError(f"a JSON path begins with $; {_HINT}")
    steps: list[str | int] = []
    position = 1
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise ValueError(f"not a JSON path from `{text[position : position + 20]}` on; {_HINT}")
        steps.append(int(found[2]) if found[2] is not None else found[1] or found[3])
        position = found.end()
    if len(steps) > MAX_STEPS:
        raise ValueError(f"a JSON path has at most {MAX_STEPS} steps")
    return tuple(steps)


def _found(text: str, path: Path) -> object:
    """Return the value at the path, None where there is none or the text is not JSON within the limits."""
    if len(text) > MAX_JSON or _is_deep(text):
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def _is_deep(text: str) -> bool:
    """Whether objects and arrays nest deeper than MAX_NESTING. What is no JSON may come out either way."""
    if text.count("{") + text.count("[") <= MAX_NESTING:
        return False
    depth = 0
    quoted = False
    escaped = False
    for char in text:
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            quoted = True
        elif char in "{[":
            depth += 1
            if depth > MAX_NESTING:
                return True
        elif char in "}]":
            depth -= 1
    return False


def _json_text(text: str, path: Path) -> str | None:
    value = _found(text, path)
    return value if isinstance(value, str) and _is_whole(value) else None


def _is_whole(text: str) -> bool:
    """Whether no half of a surrogate pair stands alone: databases hold no such text."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _json_number(text: str, path: Path) -> float | None:
    value = _found(text, path)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -NUMBER_MAX <= value <= NUMBER_MAX:
        return None
    return float(value)


def _json_boolean(text: str, path: Path) -> bool | None:
    value = _found(text, path)
    return value if isinstance(value, bool) else None


def _function(
    what: str, result: FactType, call: Callable[[str, Path], Value], examples: tuple[tuple[str, Value], ...]
) -> Function:
    return Function(
        name=f"JSON_{result.name}",
        family="json",
        doc=f"The {what} at a path in a text of JSON; NULL where the text is no JSON or the path leads to no {what}.",
        parameters=(
            Parameter("text", FactType.TEXT),
            Parameter("path", FactType.TEXT, literal=True, prepare=path_of),
        ),
        result=result,
        call=call,
        examples=examples,
    )


JSON = table(
    _function(
        "text",
        FactType.TEXT,
        _json_text,
        (
            ("""JSON_TEXT('{"a": {"b": ["x", "y"]}}', '$.a.b[1]')""", "y"),
            ("""JSON_TEXT('{"a b": "x"}', '$["a b"]')""", "x"),
            ("""JSON_TEXT('{"a": 1}', '$.a')""", None),
            ("""JSON_TEXT('{"a": ', '$.a')""", None),
        ),
    ),
    _function(
        "number",
        FactType.NUMBER,
        _json_number,
        (
            ("""JSON_NUMBER('{"total": 12.5}', '$.total')""", 12.5),
            ("""JSON_NUMBER('{"total": "12"}', '$.total')""", None),
        ),
    ),
    _function(
        "boolean",
        FactType.BOOLEAN,
        _json_boolean,
        (("""JSON_BOOLEAN('[true]', '$[0]')""", True), ("""JSON_BOOLEAN('[1]', '$[0]')""", None)),
    ),
)
