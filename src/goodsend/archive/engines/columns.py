"""
How files of several schemas become one table: files of one schema are read together, and each such group is brought to
the wanted columns. The rules are the same for every engine; `SqlEngine.add_files` states them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import expressions as exp

from goodsend.archive.engines.model import ARROW_TYPES
from goodsend.expr.sql.model import Dialect, sql_type
from goodsend.facts import FactType

Schema = tuple[tuple[str, FactType], ...]
"""Columns that a group of files has and somebody wants, each with its type there."""

_TYPES = {str(arrow): type_ for type_, arrow in reversed(ARROW_TYPES.items()) if type_ is not FactType.TIME}


def type_of(arrow: pa.DataType) -> FactType | None:
    """Return which of our types an Arrow column holds (INTEGER also for TIME), None when it is none of them."""
    if pa.types.is_list(arrow) and pa.types.is_string(arrow.value_type):
        return FactType.TEXTS  # the name of the list's item differs between writers
    return _TYPES.get(str(arrow))


def groups_of(paths: Sequence[Path], columns: Mapping[str, FactType]) -> dict[Schema, list[Path]]:
    """Return the files by what they have of the wanted columns. Reads the end of each file only."""
    groups: dict[Schema, list[Path]] = {}
    for path in paths:
        schema = pq.read_schema(path)
        held = ((field.name, type_of(field.type)) for field in schema if field.name in columns)
        groups.setdefault(tuple((name, type_) for name, type_ in held if type_ is not None), []).append(path)
    return groups


def select_of(schema: Schema, columns: Mapping[str, FactType], dialect: Dialect) -> list[str]:
    """Return the SQL of each wanted column over a group of files."""
    held = dict(schema)
    return [_column(name, held.get(name), wanted).sql(dialect=dialect.value) for name, wanted in columns.items()]


def _column(name: str, held: FactType | None, wanted: FactType) -> exp.Expression:
    column = exp.column(name, quoted=True)
    value: exp.Expression
    if held is not None and ARROW_TYPES[held] == ARROW_TYPES[wanted]:
        value = column
    elif held is FactType.INTEGER and wanted is FactType.NUMBER:
        value = exp.Cast(this=column, to=sql_type(wanted))
    else:
        value = exp.Cast(this=exp.Null(), to=sql_type(wanted))
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def ddl_of(schema: Schema, dialect: Dialect) -> str:
    """Return columns with their types, as Spark takes the schema of a file."""
    parts = [
        exp.ColumnDef(this=exp.to_identifier(name, quoted=True), kind=sql_type(type_)).sql(dialect=dialect.value)
        for name, type_ in schema
    ]
    return ", ".join(parts)
