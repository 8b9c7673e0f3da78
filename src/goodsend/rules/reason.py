"""The plain sentence of a hit: a template with `{fact}` or `{fact|form}` places, filled with the values seen."""

import re
from collections.abc import Callable, Mapping

from goodsend.facts import Catalog, Value
from goodsend.kit.clock import format_time
from goodsend.kit.errors import Problem
from goodsend.kit.text import closest, shorten

_PLACE = re.compile(r"\{([a-z]\.[A-Za-z0-9_]+)(?:\|([a-z]+))?\}")
_MAX_VALUE_CHARS = 120


def _plain(value: Value) -> str:
    if value is None:
        return "an unknown value"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, tuple):
        return shorten(", ".join(value) or "none", _MAX_VALUE_CHARS)
    return shorten(value, _MAX_VALUE_CHARS)


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _duration(value: Value) -> str:
    seconds = _number(value)
    if seconds is None:
        return _plain(value)
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size or (unit == "minute" and seconds >= size):
            count = int(seconds // size)
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return f"{int(seconds)} second{'' if int(seconds) == 1 else 's'}"


def _percent(value: Value) -> str:
    share = _number(value)
    return _plain(value) if share is None else f"{100 * share:.3g} %"


def _time(value: Value) -> str:
    try:
        return format_time(value) if isinstance(value, int) else _plain(value)
    except OverflowError:  # beyond the years 1 to 9999: any whole number may stand here
        return _plain(value)


FORMS: Mapping[str, Callable[[Value], str]] = {
    "plain": _plain,
    "duration": _duration,  # of seconds
    "percent": _percent,  # of a share 0…1
    "time": _time,
}


def fill(template: str, facts: Mapping[str, Value]) -> str:
    """Return the sentence with every place filled; an unknown value is said to be unknown."""
    return _PLACE.sub(lambda found: FORMS[found[2] or "plain"](facts.get(found[1])), template)


def check_template(template: str, catalog: Catalog) -> list[Problem]:
    """Return a Problem for each place that names no fact or no form."""
    problems = []
    for found in _PLACE.finditer(template):
        name, form = found[1], found[2] or "plain"
        if name not in catalog:
            near = closest(name, catalog)
            hint = f"did you mean {near!r}?" if near else None
            problems.append(Problem("", f"no fact is named {name!r}", hint, template, *found.span(1)))
        if form not in FORMS:
            hint = f"known forms: {', '.join(FORMS)}"
            problems.append(Problem("", f"no form is named {form!r}", hint, template, *found.span(2)))
    return problems
