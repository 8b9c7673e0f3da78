"""
What the SQL writers share: the engines, one step of a set computation, names of columns, and one call to be written.

Nothing here says what an operator or a function means: write.py and the files of forms do.
"""

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from itertools import islice

import msgspec
from sqlglot import expressions as exp

from goodsend.expr.nodes import Call, Literal
from goodsend.facts import FactType, Value


class Dialect(Enum):
    """The SQL that is written. SPARK is also what Sail speaks. The value is sqlglot's name of the dialect."""

    DUCKDB = "duckdb"
    SPARK = "spark"
    BIGQUERY = "bigquery"


class Step(msgspec.Struct, frozen=True):
    """
    One query of a set computation; later steps read its result as the table or view `name`.

    `keep` says that it is read more than once or is costly, so that a table is better than a view.
    """

    name: str
    query: exp.Expression
    keep: bool = False

    def sql(self, dialect: Dialect) -> str:
        """Return the text of the query. The step must have been made for this dialect."""
        return self.query.sql(dialect=dialect.value)


ColumnOf = Callable[[str], exp.Expression]
"""From the name of a fact to the SQL that reads it; a new expression every time."""

ListValues = Mapping[str, Collection[str]]
"""The values of the named lists, written into the SQL; a list that is missing here is NULL to every rule."""

SQL_TYPES = {
    FactType.TEXT: "VARCHAR",
    FactType.INTEGER: "BIGINT",
    FactType.TIME: "BIGINT",
    FactType.NUMBER: "DOUBLE",
    FactType.BOOLEAN: "BOOLEAN",
    FactType.TEXTS: "ARRAY<VARCHAR>",
}
"""Types of columns as sqlglot reads them; TIME is microseconds."""


def column_name(fact: str) -> str:
    """Return the column of a fact: `e.recipients` → `e_recipients`."""
    return fact.replace(".", "_", 1)


def column_of(fact: str, table: str | None = None) -> exp.Expression:
    """Return the SQL that reads a fact, quoted."""
    return exp.column(column_name(fact), table=table, quoted=True)


def sql_type(type_: FactType) -> exp.DataType:
    """Return the type of a column."""
    return exp.DataType.build(SQL_TYPES[type_])


class Site(msgspec.Struct, frozen=True):
    """
    One call of a function, to be written for one engine.

    `call` is the checked node. `args` is the SQL of its arguments, typed and never raising; each may be put into the
    result once, and again only as `.copy()`. `lists` are the values of the lists.
    """

    dialect: Dialect
    call: Call
    args: tuple[exp.Expression, ...]
    lists: ListValues

    def literal(self, position: int) -> Value:
        """Return what is written at a position, None where it is no literal."""
        node = self.call.args[position] if position < len(self.call.args) else None
        return node.value if isinstance(node, Literal) else None

    def type_of(self, position: int) -> FactType | None:
        """Return the type of an argument."""
        return self.call.args[position].type

    @property
    def is_small(self) -> bool:
        """Whether the arguments may be written several times: text must not grow without bound when calls nest."""
        return all(is_small(arg) for arg in self.args)


Form = Callable[[Site], exp.Expression | None]
"""How one function is written. None: this call has no native form of equal meaning there, so it becomes a UDF."""

SMALL = 40
"""Nodes of SQL that may be written more than once."""


def is_small(written: exp.Expression) -> bool:
    """Whether SQL is short enough to be written several times."""
    return next(islice(written.walk(), SMALL, None), None) is None
