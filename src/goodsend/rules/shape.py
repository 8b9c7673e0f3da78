"""What a decoder says of a table's shape, as a problem an author can act on."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

import msgspec

from goodsend.kit.errors import Problem
from goodsend.kit.text import closest


def shape_problem(place: str, error: msgspec.ValidationError, table: type[msgspec.Struct]) -> Problem:
    """Return the error with a hint: what was meant, what is needed, which words there are."""
    message = str(error).replace("`$.", "`").replace(" - at `$`", "")
    quoted = message.split("`")[1::2]
    fields = {field.encode_name: field for field in msgspec.structs.fields(table)}
    hint: str | None = None
    if "unknown field" in message:
        near = closest(quoted[0], fields)
        hint = f"did you mean `{near}`?" if near else f"known: {', '.join(fields)}"
    elif "missing required field" in message:
        hint = f"always needed: {', '.join(name for name, field in fields.items() if field.required)}"
    elif "Invalid enum value" in message:
        member = quoted[-1].partition("[")[0].partition(".")[0]
        words = list(_words(fields[member].type)) if member in fields else []
        hint = f"known: {', '.join(words)}" if words else None
    elif "Expected" in message:
        hint = "texts stand in quotes; numbers, true and false do not; several values stand in [ ]"
    return Problem(place, message, hint)


def _words(type_: Any) -> Iterator[str]:
    """Yield the words that a type allows, where they are fixed."""
    if isinstance(type_, str):
        yield type_
    elif isinstance(type_, type) and issubclass(type_, Enum):
        yield from (str(member.value) for member in type_)
    else:
        for part in get_args(type_):
            yield from _words(part)
