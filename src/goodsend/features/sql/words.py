"""Where the engines use different words, or the same word with another meaning: one small piece of text for each."""

import msgspec

from goodsend.expr.sql.model import Dialect
from goodsend.kit.clock import Micros

LEAST, MOST = -(2**63), 2**63 - 1
"""What 64 bits hold."""
EXACT = 2**53
"""Up to here a whole number is a float without rounding."""
FAR = 2**60
"""Added to times before they are cut into blocks, so that none is negative."""


class Words(msgspec.Struct, frozen=True):
    """
    The words of one engine.

    `whole` is the type that sums are kept in: 127 bits in DuckDB, 38 digits in Spark. It never wraps around silently.
    """

    dialect: Dialect
    whole: str
    text: str
    long: str
    double: str

    @property
    def is_duckdb(self) -> bool:
        """Whether frames may have computed bounds, and sliding extremes are cheap."""
        return self.dialect is Dialect.DUCKDB

    def divided(self, left: str, right: str) -> str:
        """Return the whole part of a division of two numbers that are not negative."""
        if self.dialect is Dialect.DUCKDB:
            return f"({left} // {right})"
        if self.dialect is Dialect.SPARK:
            return f"({left} DIV {right})"
        return f"DIV({left}, {right})"

    def each_of(self, columns: str, table: str, low: str, high: str, name: str) -> str:
        """Return a query of a table with every row once for each whole number from low to high, as `name`."""
        if self.dialect is Dialect.DUCKDB:
            return f"SELECT {columns}, UNNEST(RANGE({low}, {high} + 1)) AS {name} FROM {table}"
        if self.dialect is Dialect.SPARK:
            return f"SELECT {columns}, EXPLODE(SEQUENCE({low}, {high})) AS {name} FROM {table}"
        return f"SELECT {columns}, {name} FROM {table}, UNNEST(GENERATE_ARRAY({low}, {high})) AS {name}"

    def wide(self, value: str) -> str:
        """Return a 64-bit number as one that sums can be made of; DuckDB's sums of 64 bits have 127 already."""
        return f"CAST({value} AS {self.whole})"

    def floating(self, value: str) -> str:
        """Return a whole number as the nearest float."""
        return f"CAST({value} AS {self.double})"

    def log2(self, value: str) -> str:
        """Return the binary logarithm of a positive float."""
        return f"LOG({value}, 2)" if self.dialect is Dialect.BIGQUERY else f"LOG2({value})"

    def gone(self, aggregate: str, columns: tuple[str, ...], window: Micros) -> str:
        """
        Return a COUNT or SUM over everything of a key that a window has left behind: times up to t − w; 0 for nothing.

        DuckDB finds where a frame begins from where the last one began, and searches anew for each end: over keys of
        many events it takes less than half the time to say "everything up to now, without what is in the window".
        """
        if not self.is_duckdb:
            return behind(aggregate, columns, window)
        over = f"OVER (PARTITION BY {', '.join(columns)} ORDER BY e_at RANGE BETWEEN"
        past = f"COALESCE({aggregate} {over} UNBOUNDED PRECEDING AND CURRENT ROW), 0)"
        return f"({past} - COALESCE({aggregate} {over} {window - 1} PRECEDING AND CURRENT ROW), 0))"

    def first_known(self, value: str) -> str:
        """Return the first value of a frame that is not NULL, without its OVER."""
        return self._known("FIRST_VALUE", value)

    def last_known(self, value: str) -> str:
        """Return the last value of a frame that is not NULL, without its OVER."""
        return self._known("LAST_VALUE", value)

    def _known(self, function: str, value: str) -> str:
        if self.dialect is Dialect.SPARK:
            return f"{function}({value}) IGNORE NULLS"
        return f"{function}({value} IGNORE NULLS)"


_WORDS = {
    Dialect.DUCKDB: Words(Dialect.DUCKDB, "HUGEINT", "VARCHAR", "BIGINT", "DOUBLE"),
    Dialect.SPARK: Words(Dialect.SPARK, "DECIMAL(38, 0)", "STRING", "BIGINT", "DOUBLE"),
    Dialect.BIGQUERY: Words(Dialect.BIGQUERY, "BIGNUMERIC", "STRING", "INT64", "FLOAT64"),
}


def words_of(dialect: Dialect) -> Words:
    """Return the words of an engine."""
    return _WORDS[dialect]


def partition(columns: tuple[str, ...], frame: str) -> str:
    """Return `OVER (…)` along event time; ties stand in order of arrival."""
    return f"OVER (PARTITION BY {', '.join(columns)} ORDER BY e_at, arrival {frame})"


def behind(aggregate: str, columns: tuple[str, ...], window: Micros) -> str:
    """Return an aggregate over the times of a key up to t − w, 0 for nothing, as it is said most plainly."""
    by = ", ".join(columns)
    frame = f"RANGE BETWEEN UNBOUNDED PRECEDING AND {window} PRECEDING"
    return f"COALESCE({aggregate} OVER (PARTITION BY {by} ORDER BY e_at {frame}), 0)"


def up_to(columns: tuple[str, ...]) -> str:
    """Everything of a key up to this event, itself included."""
    return partition(columns, "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW")


def before(columns: tuple[str, ...]) -> str:
    """Everything of a key before this event."""
    return partition(columns, "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING")


def coming(columns: tuple[str, ...], window: Micros) -> str:
    """Everything of a key from its beginning up to what is still in a window that begins with this event."""
    by = ", ".join(columns)
    return f"OVER (PARTITION BY {by} ORDER BY e_at RANGE BETWEEN UNBOUNDED PRECEDING AND {window - 1} FOLLOWING)"
