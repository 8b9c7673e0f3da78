"""
The console's words: verdicts, severities, standings and times said plainly. Nothing here reads anything.
"""

from datetime import datetime
from typing import Any, Final

import msgspec

from goodsend.facts import Fact, FactType, Value
from goodsend.kit.clock import DAY, HOUR, MINUTE, SECOND, Micros, to_datetime, to_micros
from goodsend.kit.text import printable


class Said(msgspec.Struct, frozen=True):
    """How one value of a fixed set is shown: its word, the name of its icon, and its tone (a colour token)."""

    word: str
    icon: str
    tone: str
    sentence: str = ""


VERDICTS: Final = {
    "allow": Said("Allowed", "check", "allow", "Nothing stands against it: it may go on."),
    "review": Said("For review", "eye", "review", "It may go on, and somebody should look at it."),
    "throttle": Said("Slowed down", "gauge", "throttle", "It may go on, but more slowly than asked for."),
    "hold": Said("Held", "pause", "hold", "It is kept back until somebody has looked at it."),
    "reject": Said("Rejected", "stop", "reject", "It must not go on."),
}

SEVERITIES: Final = {
    0: Said("none", "", "quiet"),
    1: Said("low", "", "quiet"),
    2: Said("moderate", "", "review"),
    3: Said("serious", "", "throttle"),
    4: Said("high", "", "hold"),
    5: Said("grave", "", "reject"),
}

STANDINGS: Final = {
    "applicant": Said("Applicant", "dot", "quiet", "new, not yet vetted"),
    "vetted": Said("Vetted", "check", "review", "looked at before the first send"),
    "warming": Said("Warming", "rise", "review", "volume grows step by step"),
    "good": Said("Good", "check", "allow", "nothing stands against it"),
    "watch": Said("Watch", "eye", "throttle", "looked at more closely"),
    "rehab": Said("Rehab", "rise", "throttle", "on a plan to get better"),
    "restricted": Said("Restricted", "pause", "hold", "may not do everything"),
    "suspended": Said("Suspended", "stop", "reject", "may not send"),
    "terminated": Said("Terminated", "stop", "reject", "the contract has ended"),
}

STATES: Final = {
    "open": Said("Open", "dot", "review"),
    "assigned": Said("Assigned", "person", "throttle"),
    "waiting": Said("Waiting", "clock", "quiet"),
    "decided": Said("Decided", "check", "allow"),
    "closed": Said("Closed", "box", "quiet"),
    "due": Said("Due", "clock", "review"),
    "done": Said("Handed over", "check", "allow"),
    "dead": Said("Given up", "stop", "reject"),
    "live": Said("Live", "check", "allow"),
    "shadow": Said("Shadow", "eye", "quiet"),
    "off": Said("Off", "box", "quiet"),
    "draft": Said("Draft", "pen", "quiet"),
    "sound": Said("Sound", "check", "allow"),
    "proposed": Said("Proposed", "clock", "review"),
    "retired": Said("Retired", "box", "quiet"),
    "running": Said("Running", "clock", "review"),
    "failed": Said("Failed", "stop", "reject"),
    "cancelled": Said("Cancelled", "stop", "quiet"),
    "approved": Said("Approved", "check", "review"),
    "sent": Said("Sent", "check", "allow"),
    "dropped": Said("Dropped", "stop", "quiet"),
}

JOBS: Final = STATES | {"due": Said("Waiting", "clock", "quiet"), "done": Said("Finished", "check", "allow")}
"""States of backtests: those that mean the same elsewhere, and two that do not."""

OUTCOMES: Final = {
    "confirmed": Said("Confirmed", "stop", "reject", "The abuse is real."),
    "unfounded": Said("Unfounded", "check", "allow", "It was not abuse: the sender did nothing wrong."),
    "unclear": Said("Unclear", "dot", "quiet", "It cannot be told from what is known."),
}

VERBS: Final = {
    "opened": Said("opened the case", "flag", "review"),
    "joined": Said("added evidence", "plus", "hold"),
    "assigned": Said("took the case", "person", "throttle"),
    "released": Said("gave the case back", "person", "quiet"),
    "noted": Said("noted", "pen", "quiet"),
    "asked": Said("asked the customer", "clock", "quiet"),
    "answered": Said("recorded the customer's answer", "pen", "quiet"),
    "decided": Said("decided", "check", "allow"),
    "closed": Said("closed the case", "box", "quiet"),
    "reopened": Said("reopened the case", "flag", "review"),
    "notice_drafted": Said("drafted a notice", "mail", "quiet"),
    "action_asked": Said("asked for an action", "bolt", "hold"),
}

ORIGINS: Final = (
    ("e", "Event", "what the platform said"),
    ("f", "Features", "memory over earlier events"),
    ("s", "Signals", "findings in the content"),
    ("m", "Scores", "what models say, 0 to 1000"),
    ("a", "Account", "standing before this event"),
    ("l", "Look-ups", "what others say"),
)
"""The letter of a fact's name, the heading it is listed under, and what that means."""

_UNKNOWN: Final = Said("", "dot", "quiet")


def said(table: dict[Any, Said], key: Any) -> Said:
    """Return how a value is shown; a value the table does not know is shown as it is."""
    found = table.get(key)
    return found if found is not None else msgspec.structs.replace(_UNKNOWN, word=str(key).replace("_", " "))


def ago(at: Micros, now: Micros) -> str:
    """Return how long ago (or in how long) a time is, in one unit: `3 min ago`, `in 2 h`."""
    length = abs(now - at)
    if length < 5 * SECOND:
        return "now"
    for unit, size in (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND)):
        if length >= size:
            text = f"{length // size} {unit}"
            return f"{text} ago" if at <= now else f"in {text}"
    raise AssertionError("lengths below a second were answered above")


def micros(at: datetime | Micros) -> Micros:
    """Return a time of the database or of the core as microseconds."""
    return to_micros(at) if isinstance(at, datetime) else at


def clock_time(at: Micros, now: Micros) -> str:
    """Return an absolute time, UTC: the time today, with the day for others, with the year for other years."""
    moment, today = to_datetime(at), to_datetime(now)
    if moment.date() == today.date():
        return moment.strftime("%H:%M:%S")
    if moment.year == today.year:
        return f"{moment.day} {moment.strftime('%b %H:%M')}"
    return f"{moment.day} {moment.strftime('%b %Y %H:%M')}"


def day_time(at: Micros) -> str:
    """Return an absolute time to the minute, UTC, with its day and year."""
    moment = to_datetime(at)
    return f"{moment.day} {moment.strftime('%b %Y %H:%M')}"


def full_time(at: Micros) -> str:
    """Return an absolute time in full: day, time to the second, zone."""
    moment = to_datetime(at)
    return f"{moment.day} {moment.strftime('%b %Y, %H:%M:%S')} UTC"


def number(value: float) -> str:
    """Return a number with thin groups of thousands; no digits after the point where there are none."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{int(value):,}"


def length(seconds: float) -> str:
    """Return a length of time in its two largest units: `2 h 5 min`."""
    rest = int(abs(seconds))
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if rest >= size:
            parts.append(f"{rest // size} {unit}")
            rest %= size
    text = " ".join(parts[:2]) or f"{seconds:g} s"
    return f"−{text}" if seconds < 0 and parts else text


def value_text(value: Value | list[Any] | dict[str, Any], fact: Fact | None = None) -> str:
    """Return a fact's value for people; hostile characters become escapes. None is said by the page, not here."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if fact is not None and fact.type is FactType.TIME:
            return full_time(int(value))
        text = number(value)
        if fact is not None and fact.unit == "s":
            return f"{text} s ({length(value)})" if abs(value) >= 60 else f"{text} s"
        return f"{text} {fact.unit}" if fact is not None and fact.unit else text
    if isinstance(value, list | tuple):
        return ", ".join(printable(str(item)) for item in value) or "none"
    return printable(str(value))


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 case`, `12 cases`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
