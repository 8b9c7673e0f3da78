"""Time: lengths in seconds, and what the clock on a wall in some zone shows. Nothing here reads a clock."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from goodsend.expr.functions.model import NUMERIC, Function, Parameter, table
from goodsend.expr.functions.numbers import Number, bounded
from goodsend.facts import FactType
from goodsend.kit.clock import Micros, to_datetime


def _zone(name: str) -> tzinfo:
    if name in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name!r}; names look like 'Europe/Berlin'") from None


def _local(at: Micros, zone: tzinfo) -> datetime | None:
    """None outside the years 1…9999 of that zone."""
    try:
        return to_datetime(at).astimezone(zone)
    except (OverflowError, ValueError):
        return None


def _hour_of(at: Micros, zone: tzinfo = UTC) -> int | None:
    local = _local(at, zone)
    return None if local is None else local.hour


def _day_of_week(at: Micros, zone: tzinfo = UTC) -> int | None:
    local = _local(at, zone)
    return None if local is None else local.isoweekday()


def _minute_of_day(at: Micros, zone: tzinfo = UTC) -> int | None:
    local = _local(at, zone)
    return None if local is None else 60 * local.hour + local.minute


def _local_date(at: Micros, zone: tzinfo = UTC) -> str | None:
    local = _local(at, zone)
    return None if local is None else local.date().isoformat()


def _length(name: str, seconds: int, example: tuple[str, Number]) -> Function:
    call: Callable[[Number], Number | None] = lambda n: bounded(n * seconds)  # noqa: E731
    return Function(
        name=name,
        family="time",
        doc=f"The length of so many {name.lower()}, in seconds.",
        parameters=(Parameter("n", among=NUMERIC),),
        result=None,
        call=call,
        examples=(example,),
    )


_AT = Parameter("time", FactType.TIME)
_ZONE = Parameter("zone", FactType.TEXT, optional=True, literal=True, prepare=_zone)

TIME = table(
    _length("SECONDS", 1, ("SECONDS(90)", 90)),
    _length("MINUTES", 60, ("MINUTES(15)", 900)),
    _length("HOURS", 3600, ("HOURS(1.5)", 5400.0)),
    _length("DAYS", 86400, ("DAYS(7)", 604800)),
    Function(
        name="HOUR_OF",
        family="time",
        doc="The hour, 0 to 23, that a clock in the zone shows at that time; the zone is UTC when left out.",
        parameters=(_AT, _ZONE),
        result=FactType.INTEGER,
        call=_hour_of,
        examples=(
            ("HOUR_OF(TIMESTAMP '2026-11-22T23:30:00Z')", 23),
            ("HOUR_OF(TIMESTAMP '2026-11-22T23:30:00Z', 'Europe/Berlin')", 0),
        ),
    ),
    Function(
        name="DAY_OF_WEEK",
        family="time",
        doc="The day of the week in the zone, Monday 1 to Sunday 7 (ISO 8601); the zone is UTC when left out.",
        parameters=(_AT, _ZONE),
        result=FactType.INTEGER,
        call=_day_of_week,
        examples=(
            ("DAY_OF_WEEK(TIMESTAMP '2026-11-22T12:00:00Z')", 7),
            ("DAY_OF_WEEK(TIMESTAMP '2026-11-22T23:30:00Z', 'Europe/Berlin')", 1),
        ),
    ),
    Function(
        name="MINUTE_OF_DAY",
        family="time",
        doc="The minutes, 0 to 1439, since that day began on a clock in the zone; the zone is UTC when left out.",
        parameters=(_AT, _ZONE),
        result=FactType.INTEGER,
        call=_minute_of_day,
        examples=(("MINUTE_OF_DAY(TIMESTAMP '2026-11-22T23:30:00Z', 'Europe/Berlin')", 30),),
    ),
    Function(
        name="LOCAL_DATE",
        family="time",
        doc="The date in the zone, as the text YYYY-MM-DD, so that dates compare as texts; UTC when left out.",
        parameters=(_AT, _ZONE),
        result=FactType.TEXT,
        call=_local_date,
        examples=(
            ("LOCAL_DATE(TIMESTAMP '2026-11-22T23:30:00Z')", "2026-11-22"),
            ("LOCAL_DATE(TIMESTAMP '2026-11-22T23:30:00Z', 'Europe/Berlin')", "2026-11-23"),
            ("LOCAL_DATE(TIMESTAMP '2026-11-22T23:30:00Z') < '2026-12-01'", True),
        ),
    ),
)
