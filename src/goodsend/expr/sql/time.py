"""
What a wall clock shows, in SQL. Zones are written out from the same tables that the row path reads: a tree of
comparisons over the moments at which the zone's offset changes. So no engine's own time zone data is asked, and
there is none that could differ. Outside the years 1970 to 2099 the registered Python function answers.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from sqlglot import expressions as exp

from goodsend.expr.sql.model import Dialect, Form, Site
from goodsend.expr.sql.pieces import binary, call, case, cast, integer, paren
from goodsend.expr.sql.udfs import udf_name
from goodsend.facts import FactType
from goodsend.kit.clock import DAY, HOUR, MINUTE, Micros, to_datetime, to_micros

_FIRST = to_micros(datetime(1970, 1, 3, tzinfo=UTC))
_LAST = to_micros(datetime(2099, 12, 30, tzinfo=UTC))
_STEP = 12 * HOUR
"""No zone changes its offset twice within half a day."""

_SHORT = 6


@lru_cache(maxsize=64)
def offsets(zone: tzinfo) -> tuple[tuple[Micros, Micros], ...]:
    """Return (from when, offset from UTC) of a zone within the years written out, in order of time; microseconds."""
    found = [(_FIRST, _offset(zone, _FIRST))]
    for at in range(_FIRST, _LAST + 1, _STEP):
        offset = _offset(zone, at)
        if offset != found[-1][1]:
            found.append((_changed(zone, at - _STEP, at), offset))
    return tuple(found)


def _offset(zone: tzinfo, at: Micros) -> Micros:
    return (to_datetime(at).astimezone(zone).utcoffset() or timedelta()) // timedelta(microseconds=1)


def _changed(zone: tzinfo, before: Micros, after: Micros) -> Micros:
    """Return the moment between the two at which the offset changes."""
    old = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _offset(zone, middle) == old else (before, middle)
    return after


def _offset_sql(at: exp.Expression, table: tuple[tuple[Micros, Micros], ...]) -> exp.Expression:
    if len(table) == 1:
        return integer(table[0][1])
    middle = len(table) // 2
    earlier = binary(exp.LT, at.copy(), integer(table[middle][0]))
    return case((earlier, _offset_sql(at, table[:middle])), otherwise=_offset_sql(at, table[middle:]))


def _zone(site: Site) -> tzinfo:
    zone = site.call.prepared[1] if len(site.call.prepared) > 1 else None
    return zone if isinstance(zone, tzinfo) else UTC


def _local(site: Site) -> exp.Expression:
    """Return the microseconds that a clock in the zone has counted; positive within the years written out."""
    table = offsets(_zone(site))
    if table == ((_FIRST, 0),):
        return site.args[0].copy()
    return binary(exp.Add, site.args[0].copy(), _offset_sql(site.args[0], table))


def _within(site: Site, made: exp.Expression) -> exp.Expression:
    low, high = integer(_FIRST), integer(_LAST)
    inside = exp.Between(this=paren(site.args[0].copy()), low=low, high=high)
    return case((inside, made), otherwise=call(udf_name(site.call), *(arg.copy() for arg in site.args)))


def _divided(left: exp.Expression, right: Micros, dialect: Dialect) -> exp.Expression:
    """Return the whole quotient of numbers that are not negative."""
    if dialect is Dialect.BIGQUERY:
        return call("DIV", left, integer(right))
    return exp.IntDiv(this=paren(left), expression=integer(right))


def _part(length: Micros, of: Micros) -> Form:
    """The number of whole `length`s since the last whole `of` on that clock."""

    def form(site: Site) -> exp.Expression | None:
        if not _is_short(site.args[0]):
            return None
        rest = _remainder(_local(site), of, site.dialect)
        return _within(site, _divided(rest, length, site.dialect))

    return form


def _remainder(left: exp.Expression, right: int, dialect: Dialect) -> exp.Expression:
    if dialect is Dialect.BIGQUERY:
        return call("MOD", left, integer(right))
    return binary(exp.Mod, left, integer(right))


def _is_short(at: exp.Expression) -> bool:
    return sum(1 for _ in at.walk()) <= _SHORT


def _day_of_week(site: Site) -> exp.Expression | None:
    if not _is_short(site.args[0]):
        return None
    days = _divided(_local(site), DAY, site.dialect)
    since_monday = _remainder(binary(exp.Add, days, integer(3)), 7, site.dialect)  # 1970-01-01 was a Thursday
    return _within(site, binary(exp.Add, since_monday, integer(1)))


def _local_date(site: Site) -> exp.Expression | None:
    if not _is_short(site.args[0]):
        return None
    days = cast(_divided(_local(site), DAY, site.dialect), "INT")
    if site.dialect is Dialect.BIGQUERY:
        date = call("DATE_FROM_UNIX_DATE", days)
    elif site.dialect is Dialect.SPARK:
        date = call("DATE_ADD", cast(exp.Literal.string("1970-01-01"), "DATE"), days)
    else:
        date = binary(exp.Add, cast(exp.Literal.string("1970-01-01"), "DATE"), days)
    return _within(site, cast(date, FactType.TEXT))


FORMS: dict[str, Form] = {
    "HOUR_OF": _part(HOUR, DAY),
    "MINUTE_OF_DAY": _part(MINUTE, DAY),
    "DAY_OF_WEEK": _day_of_week,
    "LOCAL_DATE": _local_date,
}
