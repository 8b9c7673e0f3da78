"""
Groups of rules, as data: `[group.<name>]` beside the rules. Which hits of a group count is decided here.

In a group that matches `first`, only the first rule that acts counts, by `order`, then by id. The others that fired are
kept as hits that say which rule came before them. In a group that matches `all` every hit counts.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from goodsend.kit.errors import Problem
from goodsend.rules.model import Hit, Verdict
from goodsend.rules.shape import shape_problem


class Group(msgspec.Struct, frozen=True):
    """
    Rules that belong together.

    `cap` is the most points the group adds to a decision (None: no cap of its own); `points` maps a verdict to the
    least points of this group alone that ask for it.
    """

    name: str
    doc: str
    match: Literal["first", "all"] = "all"
    cap: float | None = None
    points: dict[Verdict, float] = {}
    source: str | None = None


class _GroupTable(msgspec.Struct, forbid_unknown_fields=True):
    doc: str
    match: Literal["first", "all"] = "all"
    cap: float | None = None
    points: dict[Verdict, float] = {}
    source: str | None = None


def parse_groups(files: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Group], list[Problem]]:
    """Read groups from decoded TOML by file name; a later file replaces a group of the same name."""
    groups: dict[str, Group] = {}
    problems: list[Problem] = []
    for file, raw in files.items():
        tables = raw.get("group", {})
        if not isinstance(tables, Mapping):
            problems.append(Problem(file, "`group` is not a table", "groups are tables [group.<name>]"))
            continue
        for name, entries in tables.items():
            place = f"{file}: group {name}"
            try:
                table = msgspec.convert(entries, _GroupTable)
            except msgspec.ValidationError as error:
                problems.append(shape_problem(place, error, _GroupTable))
                continue
            group = Group(name, table.doc, table.match, table.cap, table.points, table.source)
            problems += [problem.at(place) for problem in _check(group)]
            groups[name] = group
    return groups, problems


def _check(group: Group) -> list[Problem]:
    problems = []
    if group.cap is not None and not group.cap > 0:  # NaN neither
        problems.append(Problem("cap", "is not above 0", "leave it out for no cap, or weigh its rules 0"))
    if (group.cap is not None or group.points) and not group.source:
        problems.append(
            Problem("source", "is missing", "say where the numbers come from: a paper, or own starting value")
        )
    for verdict, least in group.points.items():
        if group.cap is not None and least > group.cap:
            hint = "raise the cap, or lower the points"
            problems.append(Problem(f"points.{verdict.value}", f"is never reached: the cap is {group.cap:g}", hint))
    return problems


def suppress(hits: Sequence[Hit], groups: Mapping[str, Group], orders: Mapping[str, int]) -> tuple[Hit, ...]:
    """
    Return the hits with those marked that do not count because another of their group came first.

    Only hits that act count and suppress: one in shadow, or out of its share, never does. `orders` is by rule id.
    """
    first: dict[str, Hit] = {}
    for hit in hits:
        if hit.acts and hit.group is not None and hit.group in groups and groups[hit.group].match == "first":
            leader = first.get(hit.group)
            if leader is None or (orders.get(hit.rule, 0), hit.rule) < (orders.get(leader.rule, 0), leader.rule):
                first[hit.group] = hit
    if not first:
        return tuple(hits)
    return tuple(_after(hit, first.get(hit.group or "")) for hit in hits)


def _after(hit: Hit, leader: Hit | None) -> Hit:
    if leader is None or hit is leader or not hit.acts:
        return hit
    return replace(hit, acts=False, suppressed_by=leader.rule)
