"""
Running what the SQL writer wrote, for the tests of the language: a table of rows, the functions it needs, the answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlglot import expressions as exp

from goodsend.archive.engines.model import ARROW_TYPES, SqlEngine
from goodsend.expr.evaluate import read
from goodsend.expr.functions import Lists
from goodsend.expr.model import Expression
from goodsend.expr.sql.model import Dialect, ListValues, column_name
from goodsend.expr.sql.share import share
from goodsend.expr.sql.write import udfs_needed, write
from goodsend.facts import Facts, FactType, Value
from tests.expr.world import same


def arrow_table(types: Mapping[str, FactType], rows: Sequence[Facts]) -> pa.Table:
    """Return rows as a table with a column for each fact, and `arrival`; a value of another type is NULL there too."""
    columns: dict[str, Any] = {"arrival": pa.array(range(len(rows)), pa.int64())}
    for name, type_ in types.items():
        columns[column_name(name)] = pa.array([read(type_, row.get(name)) for row in rows], ARROW_TYPES[type_])
    return pa.table(columns)


def query(expressions: Iterable[Expression], dialect: Dialect, lists: ListValues) -> exp.Expression:
    """Return one query that gives every expression over the table `facts`, in order of arrival."""
    columns = [exp.alias_(write(one, dialect, lists), f"c{n}") for n, one in enumerate(expressions)]
    return exp.select(*columns).from_("facts").order_by("arrival")


def shared_answers(
    engine: SqlEngine,
    expressions: Sequence[Expression],
    types: Mapping[str, FactType],
    rows: Sequence[Facts],
    lists: ListValues,
) -> list[tuple[Value, ...]]:
    """Return the same as `answers`, with what the expressions have in common computed in steps of its own."""
    engine.clear()
    engine.add_functions(list(udfs_needed(expressions, engine.dialect).values()))
    engine.add_rows("facts", arrow_table(types, rows))
    steps, written = share(expressions, engine.dialect, lists, "facts", "part")
    engine.run(steps)
    columns = [exp.alias_(written(one), f"c{n}") for n, one in enumerate(expressions)]
    last = exp.select(*columns).from_(steps[-1].name if steps else "facts").order_by("arrival")
    return _values(engine.table(last.sql(dialect=engine.dialect.value)))


def answers(
    engine: SqlEngine,
    expressions: Sequence[Expression],
    types: Mapping[str, FactType],
    rows: Sequence[Facts],
    lists: ListValues,
) -> list[tuple[Value, ...]]:
    """Return, for each row, the value of every expression as the engine gives it."""
    engine.clear()
    engine.add_functions(list(udfs_needed(expressions, engine.dialect).values()))
    engine.add_rows("facts", arrow_table(types, rows))
    found = engine.table(query(expressions, engine.dialect, lists).sql(dialect=engine.dialect.value))
    return _values(found)


def _values(table: pa.Table) -> list[tuple[Value, ...]]:
    columns = [column.to_pylist() for column in table.columns]
    return [tuple(tuple(one) if isinstance(one, list) else one for one in row) for row in zip(*columns, strict=True)]


def differences(
    batch: Sequence[Expression], rows: Sequence[Facts], found: Sequence[Sequence[Value]], lists: Lists
) -> list[tuple[str, Facts, Value, Value]]:
    """Return (expression, row, expected, found) where an engine's answer is another."""
    told = []
    for row, values in zip(rows, found, strict=True):
        for expression, value in zip(batch, values, strict=True):
            expected = expression.evaluate(row, lists)
            if not same(expected, value):
                told.append((expression.sql, {name: row.get(name) for name in expression.facts}, expected, value))
    return told
