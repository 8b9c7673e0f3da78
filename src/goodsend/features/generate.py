"""
One Python function per kind of event that feeds and reads its groups: the loop over a recipe, written out once.

It says the same as the loop would; what adding and reading mean is in `windows.py` and `plan.py`. Nothing generated
holds text of an author other than through repr(). Look at one with `source`.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from goodsend.expr.evaluate import read as read_value
from goodsend.facts import Facts, FactType, Value
from goodsend.features.measures import INTEGER_MAX, INTEGER_MIN, fitting
from goodsend.features.plan import Group, Part, Readings, Step, read_current, read_few, read_log
from goodsend.features.windows import Few, Log, Needs, added
from goodsend.kit.clock import Micros

Table = dict[str, "Few | Log"]
"""The memories of one group, by key; a key that fed nothing has none."""
Run = Callable[[Mapping[str, str], Mapping[str, Value], tuple[Value, ...], Micros, Micros, Facts], None]
"""(entities, data, values of the kind's expressions, time of the event, latest time, facts to write)."""


class Feed(NamedTuple):
    """One group that a kind feeds: `needs` and `span` are those of what is kept, `begin` starts the memory of a key."""

    step: Step
    group: Group
    table: Table
    needs: Needs
    length: Micros
    begin: Callable[[str, Micros, Any], "Few | Log"]


class Bound(NamedTuple):
    """The part of a recipe for one key, with the tables it works on."""

    part: Part
    reads: tuple[tuple[Table, Readings], ...]
    feeds: tuple[Feed, ...]


def generate(
    bound: tuple[Bound, ...],
    joined: Callable[[tuple[str, ...], Mapping[str, str]], str | None],
    put_ratio: Callable[..., None],
) -> Run:
    """Return the function for one kind."""
    text, names = source(bound)
    names |= {
        "added": added, "read_few": read_few, "read_log": read_log, "read_current": read_current,
        "read_value": read_value, "fitting": fitting, "joined": joined, "put_ratio": put_ratio,
        "bisect_right": bisect_right,
        "__builtins__": {"tuple": tuple, "int": int, "str": str, "len": len, "sum": sum},
    }  # fmt: skip
    exec(compile(text, "<features>", "exec"), names)  # noqa: S102 - the text is made below, from a checked plan
    return cast("Run", names["run"])


def source(bound: tuple[Bound, ...]) -> tuple[str, dict[str, Any]]:
    """Return the text of the function, and the objects it names."""
    names: dict[str, Any] = {}
    lines = ["def run(entities, data, row, at, newest, facts):"]

    def name(thing: object) -> str:
        names[f"k{len(names)}"] = thing
        return f"k{len(names) - 1}"

    for part, reads, feeds in bound:
        whole = len(part.key) == 1
        lines.append(f" key = entities.get({part.key[0]!r})" if whole else f" key = joined({name(part.key)}, entities)")
        lines.append(" if key is not None:")
        if len(part.empty) > 2:
            lines.append(f"  facts.update({name(part.empty)})")
        else:
            lines += [f"  facts[{fact!r}] = {zero!r}" for fact, zero in part.empty.items()]
        for table, readings in reads:
            lines.append(f"  memory = {name(table)}.get(key)")
            lines += ["  " + line for line in _read(readings, name)]
        for feed in feeds:
            lines += _feed(feed, name)
        lines += [f"  put_ratio({name(ratio)}, facts)" for ratio in part.ratios]
        lines.append("  pass")
    lines.append(" return")
    return "\n".join(lines) + "\n", names


def _read(readings: Readings, name: Callable[[object], str]) -> list[str]:
    """Counts and sums written out, the rest by functions: `low` to `high` are the places of the window's events."""
    lines = ["if memory.__class__ is tuple:", f" count = high = len(memory){' >> 1' if readings.valued else ''}"]
    lines.append(" if memory[high - 1] > at: high = bisect_right(memory, at, 0, high)")
    for fact, window in readings.counts:
        low = "" if window is None else f" - bisect_right(memory, at - {window}, 0, high)"
        lines.append(f" facts[{fact!r}] = high{low}")
    for fact, window, divisor in readings.sums:
        low = "0" if window is None else f"bisect_right(memory, at - {window}, 0, high)"
        lines.append(f" total = sum(memory[count + {low}:count + high])")
        lines += _put_sum(fact, divisor)
    others = name(readings.others)
    if readings.others:
        lines.append(f" if high: read_few({others}, memory, count, high, at, facts)")
    lines += ["elif memory is not None:", " times = memory.times", " high = len(times)"]
    lines.append(" if high and times[-1] > at: high = bisect_right(times, at)")
    for fact, window in readings.counts:
        low = " + memory.folded" if window is None else f" - bisect_right(times, at - {window}, 0, high)"
        lines.append(f" facts[{fact!r}] = high{low}")
    for fact, window, divisor in readings.sums:
        lines.append(f" total = memory.total(high, {'None' if window is None else f'at - {window}'})")
        lines += _put_sum(fact, divisor)
    if readings.others:
        lines.append(f" read_log({others}, memory, high, at, facts)")
    return lines


def _put_sum(fact: str, divisor: int) -> list[str]:
    """A whole sum is NULL outside 64 bits; another one is as many parts as it is divided by."""
    if divisor:
        return [f" facts[{fact!r}] = total / {divisor}"]
    fits = f" if {INTEGER_MIN} <= total <= {INTEGER_MAX}: facts[{fact!r}] = total"
    return [fits, f" else: facts.pop({fact!r}, None)"]


def _feed(feed: Feed, name: Callable[[object], str]) -> list[str]:
    step, group = feed.step, feed.group
    table = name(feed.table)
    lines = [f"memory = {table}.get(key)"]
    lines += _value(step, group, name)
    before, after = group.before, group.after
    for readings, when in ((before, "before"), (after, "after")):
        if when == "after":
            conditions = [f"row[{step.where}] is True"] if step.where is not None else []
            conditions += ["value is not None"] if group.of is not None else []
            value = "value" if group.of is not None else "None"
            boundary = f"newest - {feed.length}"
            add_few = f"added(memory, {name(feed.needs)}, at, {value}, {boundary})"
            lines += [
                f"if {' and '.join(conditions) or 'True'}:",
                f" if memory is None: memory = {name(feed.begin)}(key, at, {value})",
                f" elif memory.__class__ is tuple: {table}[key] = memory = {add_few}",
                f" else: memory.add(at, {value}, {boundary})",
            ]
        if readings is None:
            continue
        if readings.counts or readings.sums or readings.others:
            lines += _read(readings, name)
        if readings.current:
            lines.append(f"if value is not None: read_current({name(readings.current)}, memory, at, value, facts)")
    return ["  " + line for line in lines]


def _value(step: Step, group: Group, name: Callable[[object], str]) -> list[str]:
    """What the event feeds, read as `read_value` and `fitting` have it."""
    if group.of is None:
        return []
    if step.field is None:
        lines = [f"value = row[{step.of}]"]
    else:
        lines = [f"value = data.get({step.field!r})"]
        if step.type is FactType.TEXT:
            lines.append("if value.__class__ is not str: value = None")
        elif step.type in (FactType.INTEGER, FactType.TIME):
            limits = f"{INTEGER_MIN} <= value <= {INTEGER_MAX}"
            lines.append(f"if value.__class__ is not int or not {limits}: value = None")
        else:
            lines = [f"value = read_value({name(step.type)}, data.get({step.field!r}))"]
    if group.scale is not None or group.most is not None:
        lines.append(f"if value is not None: value = fitting(value, {group.scale}, {group.most})")
    return lines
