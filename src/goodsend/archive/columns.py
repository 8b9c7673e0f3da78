"""
Rows of the log as typed columns.

A column has the type that the pack's catalogue gives it today. A value that does not fit it, because the field had
another type when it was stored, is not bent: it is NULL there, and stands as JSON text in a column beside it that ends
in `__was`. A field that the catalogue does not know (any more) keeps its column, typed by its values; where they
differ in type within one file, it is JSON text.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import NoneType
from typing import Any

import msgspec
import pyarrow as pa

from goodsend.archive.engines.model import ARROW_TYPES
from goodsend.expr.sql.model import column_name
from goodsend.facts import Catalog, FactType
from goodsend.store.history import HistoryRow

WAS = "__was"

_INT64 = 1 << 63
_HUGE = 1 << 1023

_PYTHON_TYPES: dict[FactType, set[type]] = {
    FactType.TEXT: {str, NoneType},
    FactType.INTEGER: {int, NoneType},
    FactType.TIME: {int, NoneType},
    FactType.NUMBER: {float, int, NoneType},
    FactType.BOOLEAN: {bool, NoneType},
    FactType.TEXTS: {tuple, list, NoneType},
}

DECISION_TYPES: dict[str, pa.DataType] = {
    "arrival": pa.int64(),
    "decision_id": pa.string(),
    "event_id": pa.string(),
    "kind": pa.string(),
    "account": pa.string(),
    "at": pa.int64(),
    "decided_at": pa.int64(),
    "verdict": pa.string(),
    "severity": pa.int64(),
    "points": pa.float64(),
    "rules": pa.list_(pa.string()),
    "shadow": pa.list_(pa.string()),
    "unknown": pa.list_(pa.string()),
    "late": pa.bool_(),
    "pack": pa.string(),
    "lists": pa.int64(),
    "hits": pa.string(),
    "actions": pa.string(),
    "versions": pa.string(),
}

LABEL_TYPES: dict[str, pa.DataType] = {
    "label_id": pa.int64(), "subject_type": pa.string(), "subject": pa.string(), "label": pa.string(),
    "certainty": pa.string(), "by": pa.string(), "case_id": pa.string(), "at": pa.int64(),
}  # fmt: skip

ENTRY_TYPES: dict[str, pa.DataType] = {
    "list": pa.string(), "value": pa.string(), "added_by": pa.string(), "why": pa.string(),
    "added_at": pa.int64(), "expires_at": pa.int64(), "removed_at": pa.int64(),
}  # fmt: skip


def events_table(rows: Sequence[HistoryRow], catalog: Catalog) -> pa.Table:
    """Return the events: arrival, e_id, e_kind, e_at, e_channel, e_content, and a column for each field."""
    own = {
        "arrival": pa.array([row.arrival for row in rows], pa.int64()),
        "e_id": pa.array([row.event_id for row in rows], pa.string()),
        "e_kind": pa.array([row.kind for row in rows], pa.string()),
        "e_at": pa.array([row.at for row in rows], pa.int64()),
        "e_channel": pa.array([row.channel for row in rows], pa.string()),
    }
    types = {name[2:]: fact.type for name, fact in catalog.items() if name.startswith("e.")}
    for taken in ("id", "kind", "at", "channel"):
        types.pop(taken, None)
    fields = _typed([row.data for row in rows], types)
    body = pa.array([row.content for row in rows], pa.string())
    return pa.table(own | {"e_" + name: column for name, column in fields.items()} | {"content_digest": body})


def facts_table(rows: Sequence[HistoryRow], catalog: Catalog) -> pa.Table:
    """Return the stored facts but the event's own: arrival, and a column for each of f. s. m. a. l."""
    kept = [row for row in rows if row.facts is not None]
    types = {name: fact.type for name, fact in catalog.items() if not name.startswith("e.")}
    facts = [{name: value for name, value in (row.facts or {}).items() if name[:2] != "e."} for row in kept]
    columns = _typed(facts, types)
    arrivals = pa.array([row.arrival for row in kept], pa.int64())
    return pa.table({"arrival": arrivals} | {column_name(name): column for name, column in columns.items()})


def decisions_table(rows: Iterable[HistoryRow]) -> pa.Table:
    """
    Return the decisions; times are µs.

    `unknown` are the rules that could not say, `pack` and `lists` stand in `versions` too (`lists` is the instant of
    the tenant's own entries, NULL where it is not a number); `hits`, `actions` and `versions` are JSON.
    """
    columns: dict[str, list[Any]] = {name: [] for name in DECISION_TYPES}
    for row in rows:
        if row.decision is None:
            continue
        decision, body = row.decision, row.decision.body
        lists = body.versions.get("lists", "")
        values = (
            row.arrival, decision.decision_id, row.event_id, row.kind, decision.account, row.at, decision.decided_at,
            decision.verdict, decision.severity, decision.points, decision.rules, decision.shadow, list(body.unknown),
            body.late, body.versions.get("pack"), int(lists) if lists.isdecimal() else None,
            bytes(body.hits).decode(), bytes(body.actions).decode(), msgspec.json.encode(body.versions).decode(),
        )  # fmt: skip
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return pa.table({name: pa.array(columns[name], type_) for name, type_ in DECISION_TYPES.items()})


def structs_table(rows: Sequence[msgspec.Struct], types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return structs as a table; a column for each of `types`, which are fields of theirs."""
    return pa.table({name: pa.array([getattr(row, name) for row in rows], type_) for name, type_ in types.items()})


def joined(parts: Sequence[pa.Table]) -> pa.Table:
    """Return tables one after the other, with the columns of all. Where two differ in a type, both become text."""
    types: dict[str, set[pa.DataType]] = {}
    for part in parts:
        for field in part.schema:
            types.setdefault(field.name, set()).add(field.type)
    mixed = {name for name, found in types.items() if len(found) > 1}
    if mixed:
        parts = [_as_text(part, mixed) for part in parts]
    return pa.concat_tables(parts, promote_options="default").combine_chunks()


def _as_text(part: pa.Table, names: Iterable[str]) -> pa.Table:
    for name in names:
        if name in part.column_names and part.schema.field(name).type != pa.string():
            position = part.schema.get_field_index(name)
            part = part.set_column(position, name, _json(part.column(name).to_pylist()))
        # text beside it stays as it is: it was text, or JSON already
    return part


def _typed(rows: Sequence[Mapping[str, Any]], types: Mapping[str, FactType]) -> dict[str, pa.Array]:
    """Return a column for each type, and for each further name that occurs, by the two rules above."""
    columns: dict[str, pa.Array] = {}
    names: set[str] = set()
    for row in rows:
        names.update(row)
    for name, type_ in types.items():
        if name not in names:
            columns[name] = pa.nulls(len(rows), ARROW_TYPES[type_])
            continue
        values = [row.get(name) for row in rows]
        columns[name], odd = _column(values, type_)
        if odd is not None:
            columns[name + WAS] = odd
    for name in sorted(names - types.keys()):
        columns[name] = _guessed([row.get(name) for row in rows])
    return columns


def _column(values: list[Any], type_: FactType) -> tuple[pa.Array, pa.Array | None]:
    """Return values as a column, and those that do not fit as JSON in a second one (None when all fit)."""
    if set(map(type, values)) <= _PYTHON_TYPES[type_]:
        # Arrow alone would take a text for a list of its letters, and true for 1.
        with suppress(pa.ArrowInvalid, OverflowError):
            return pa.array(values, ARROW_TYPES[type_]), None
    fitting = [value if fits(value, type_) else None for value in values]
    if type_ is FactType.NUMBER:
        fitting = [None if value is None else float(value) for value in fitting]
    column = pa.array(fitting, ARROW_TYPES[type_])
    odd = [None if fits(value, type_) else value for value in values]
    return column, None if all(value is None for value in odd) else _json(odd)


def fits(value: object, type_: FactType) -> bool:
    """Say whether a stored value can stand in a column exactly; NULL always can."""
    if value is None:
        return True
    if type(value) not in _PYTHON_TYPES[type_]:
        return False
    if isinstance(value, int) and not isinstance(value, bool):
        # JSONB writes 1e300 as a whole number of 301 digits, so such a one is the nearest float again.
        return -_INT64 <= value < _INT64 if type_ is not FactType.NUMBER else abs(value) < _HUGE
    return True


_GUESSES = (FactType.BOOLEAN, FactType.INTEGER, FactType.NUMBER, FactType.TEXT, FactType.TEXTS)


def _guessed(values: list[Any]) -> pa.Array:
    for type_ in _GUESSES:
        if all(fits(value, type_) for value in values):
            return _column(values, type_)[0]
    return _json(values)


def _json(values: list[Any]) -> pa.Array:
    return pa.array([None if value is None else msgspec.json.encode(value).decode() for value in values], pa.string())
