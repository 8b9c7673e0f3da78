"""What a decoder says of a table's shape, as a problem an author can act on."""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, TypeVar, get_args

import msgspec

from goodsend.kit.errors import Problem
from goodsend.kit.text import closest

Table = TypeVar("Table", bound=msgspec.Struct)
_PLACE = re.compile(r" - at `\$\.(\w+)(?:\[(\d+)\])?", re.ASCII)
_NAMED = re.compile(r"required field `(\w+)`", re.ASCII)


def read_table(
    place: str, entries: Mapping[str, Any], table: type[Table], stand_ins: Mapping[str, Any]
) -> tuple[Table, list[Problem], frozenset[str]]:
    """
    Return a table with every problem of its shape, and which members are not as they were written.

    What cannot be read is left out, or replaced where `stand_ins` has something for it: every member that the table
    needs must be in it.
    """
    known = {field.encode_name for field in msgspec.structs.fields(table)}
    instead = set(entries) - known
    unknown = [msgspec.ValidationError(f"Object contains unknown field `{name}`") for name in entries.keys() - known]
    problems = [shape_problem(place, error, table) for error in sorted(unknown, key=str)]
    entries = {name: value for name, value in entries.items() if name in known}
    while True:
        try:
            return msgspec.convert(entries, table), problems, frozenset(instead)
        except msgspec.ValidationError as error:
            problems.append(shape_problem(place, error, table))
            instead.add(_mend(entries, str(error), stand_ins))


def _mend(entries: dict[str, Any], message: str, stand_ins: Mapping[str, Any]) -> str:
    """Take what an error complains of out of the way, and return the member it is in."""
    found, named = _PLACE.search(message), _NAMED.search(message)
    member = found[1] if found is not None else named[1] if named is not None else ""
    stand_in = stand_ins.get(member)
    if found is not None and found[2] is not None and isinstance(stand_in, list):
        entries[member] = [*entries[member]]
        entries[member][int(found[2])] = stand_in[0]
    elif stand_in is not None:
        entries[member] = stand_in
    elif member in entries:
        del entries[member]
    else:  # it is the table itself
        entries.clear()
    return member


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
