"""The days of the tables that grow with traffic: one partition a day each, made when its first event comes."""

from collections.abc import Collection
from datetime import date
from weakref import WeakKeyDictionary

from psycopg import sql

from goodsend.kit.clock import DAY, Micros
from goodsend.store.connection import Connection

TABLES = ("event", "fact", "decision")

_UNIX_DAY = date(1970, 1, 1).toordinal()
_LOCK = "goodsend partitions"
_FOUND: WeakKeyDictionary[Connection, set[date]] = WeakKeyDictionary()
"""Days that a connection has seen committed: asked once, not with every batch."""


def date_of(at: Micros) -> date:
    """Return the UTC day of a time."""
    return date.fromordinal(_UNIX_DAY + at // DAY)


def partition_of(table: str, day: date) -> str:
    """Return the name of a day's partition, such as `event_20261122`."""
    return f"{table}_{day:%Y%m%d}"


def ensure_days(connection: Connection, days: Collection[date]) -> list[date]:
    """
    Make the partitions that these days lack, in the caller's transaction; return the days that were made.

    A partition is made on its own and then attached, which takes no lock that readers or writers of other days would
    notice. Who needs a new day at the same moment waits for the other's commit.
    """
    found = _FOUND.setdefault(connection, set())
    if found.issuperset(days):
        return []
    names = {partition_of(TABLES[-1], day): day for day in days}
    missing = _missing(connection, names)
    found.update(set(days).difference(missing))
    if missing:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (_LOCK,))
        missing = _missing(connection, names)
    for day in missing:
        for table in TABLES:
            _make(connection, table, day)
    return missing


def forget_days(connection: Connection) -> None:
    """Ask again which days there are: one that was seen is gone."""
    _FOUND.pop(connection, None)


def _make(connection: Connection, table: str, day: date) -> None:
    names = {"child": sql.Identifier(partition_of(table, day)), "parent": sql.Identifier(table)}
    bounds = {"day": sql.Literal(day), "after": sql.Literal(date.fromordinal(day.toordinal() + 1))}
    for statement in (
        "CREATE TABLE {child} (LIKE {parent} INCLUDING ALL)",
        "ALTER TABLE {parent} ATTACH PARTITION {child} FOR VALUES FROM ({day}) TO ({after})",
    ):
        connection.execute(sql.SQL(statement).format(**names, **bounds))


def _missing(connection: Connection, names: dict[str, date]) -> list[date]:
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relkind = 'r'", (list(names),)
    ).fetchall()
    return sorted(names[name] for name in names.keys() - {row[0] for row in found})
