"""Times as integers: reading, writing, durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodsend.kit.clock import (
    DAY,
    HOUR,
    SECOND,
    format_duration,
    format_time,
    parse_duration,
    parse_time,
    to_datetime,
    to_micros,
)

FROM_YEAR_1000 = -30_610_224_000 * SECOND
TO_YEAR_9999 = 253_402_300_799 * SECOND


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2026-11-22t10:00:00.1234567z", 1_795_341_600_123_456),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
    ],
)
def test_a_time_becomes_microseconds(text: str, at: int) -> None:
    """RFC 3339 text becomes exact microseconds; digits past the sixth are cut; a leap second is the next second."""
    assert parse_time(text) == at


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-22", "2026-11-22T10:00:00", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-22T25:00:00Z",
     "2026-11-22T10:00:00+25:00", "٢٠٢٦-11-22T10:00:00Z", "2026-11-22T10:00:00Z\n\n", "0000-01-01T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """A date alone, a local time, a day or offset that does not exist: ValueError with a sentence."""
    with pytest.raises(ValueError, match=r"time|offset"):
        parse_time(text)


@given(st.integers(FROM_YEAR_1000, TO_YEAR_9999))
def test_writing_and_reading_gives_the_same_time(at: int) -> None:
    """format_time and parse_time are inverse, to the microsecond."""
    assert parse_time(format_time(at)) == at
    assert to_micros(to_datetime(at)) == at


@given(st.integers(0, 10**6))
def test_durations_survive_a_round_trip(seconds: int) -> None:
    """Every whole number of seconds is written in the largest unit that is exact, and read back."""
    assert parse_duration(format_duration(seconds * SECOND)) == seconds * SECOND


def test_durations_use_the_largest_exact_unit() -> None:
    """24 h is a day; 90 minutes stay minutes."""
    assert [format_duration(x) for x in (DAY, 36 * HOUR, 90 * 60 * SECOND, 0)] == ["1d", "36h", "90m", "0s"]


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "1 h", "1y", "9999999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit, a fraction, an unknown unit: ValueError."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
