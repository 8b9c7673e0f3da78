"""
Time as integers: microseconds since the Unix epoch, UTC. Nothing here reads a clock.

Window edges on timestamps differ between SQL engines, on integers they do not; so every time inside the core
is a `Micros`, and text appears only at the doors.
"""

import re
from datetime import UTC, datetime, timedelta

Micros = int

SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"^(\d{1,9})(s|m|h|d|w)$")
_RFC3339 = re.compile(r"^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$", re.ASCII)


def to_micros(moment: datetime) -> Micros:
    """Return an aware datetime as microseconds; exact, because it never passes through a float."""
    if moment.tzinfo is None:
        raise ValueError("a time needs a time zone")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_datetime(at: Micros) -> datetime:
    """Return microseconds as an aware UTC datetime. Raises OverflowError outside years 1…9999."""
    return _EPOCH + timedelta(microseconds=at)


def parse_time(text: str) -> Micros:
    """
    Read an RFC 3339 time; the offset is required, digits past the microsecond are cut.

    Raises ValueError with a sentence a client can act on. Source: RFC 3339 section 5.6.
    """
    found = _RFC3339.match(text)
    if not found:
        raise ValueError("not an RFC 3339 time with an offset, such as 2026-11-22T10:00:00Z")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    micros = int((fraction or "").ljust(6, "0")[:6] or 0)
    try:
        leap = second == "60"  # RFC 3339 allows a leap second; it is counted as the next second
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second), micros, UTC
        )
    except ValueError as error:
        raise ValueError(f"no such time: {error}") from None
    at = to_micros(moment) + (SECOND if leap else 0)
    if offset not in ("Z", "z"):
        hours, minutes = int(offset[1:3]), int(offset[4:6])
        if hours > 23 or minutes > 59:
            raise ValueError(f"no such offset: {offset}")
        shift = hours * HOUR + minutes * MINUTE
        at += -shift if offset[0] == "+" else shift
    return at


def format_time(at: Micros) -> str:
    """Return RFC 3339 in UTC with a `Z`; the fraction appears only where there is one."""
    text = to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S")
    if len(text) < 20 - 1:  # strftime drops leading zeros of years below 1000 on some platforms
        text = text.rjust(19, "0")
    fraction = at % SECOND
    return f"{text}.{fraction:06d}Z" if fraction else f"{text}Z"


def day_of(at: Micros) -> str:
    """Return the UTC date of a time as YYYY-MM-DD: the name of its partition."""
    return to_datetime(at).strftime("%Y-%m-%d")


def parse_duration(text: str) -> Micros:
    """Read `90s`, `15m`, `24h`, `7d` or `2w`. Raises ValueError."""
    found = _DURATION.match(text)
    if not found:
        raise ValueError("a duration is a whole number and one of s, m, h, d, w, such as 24h")
    return int(found.group(1)) * _UNITS[found.group(2)]


def format_duration(length: Micros) -> str:
    """Return the shortest exact form that `parse_duration` reads; the inverse of it for whole seconds."""
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if length and length % size == 0:
            return f"{length // size}{unit}"
    return f"{length // SECOND}s"
