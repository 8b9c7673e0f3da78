"""The actions goodsend may ask for, as data: `packs/*/actions.toml`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from goodsend.kit.errors import Problem
from goodsend.rules.shape import shape_problem


class ActionKind(msgspec.Struct, frozen=True):
    """
    One kind of action: what it does, the entity type it is about, how hard it is (1 mild …), its parameters.

    `standing` is where the account moves when it is asked for, None when it stays. `automatic` False: only a person
    may ask for it. `per_hour` is how often rules may ask for it in an hour, per tenant (None: as often as they like).
    """

    name: str
    doc: str
    target: str
    impact: int
    standing: str | None = None
    automatic: bool = True
    params: dict[str, str | int | float | bool] = {}
    per_hour: int | None = None
    per_hour_source: str | None = None


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    doc: str
    target: str
    impact: int
    standing: str | None = None
    automatic: bool = True
    params: dict[str, str | int | float | bool] = {}
    per_hour: int | None = None
    per_hour_source: str | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    action: dict[str, dict[str, Any]] = {}


def parse_actions(files: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, ActionKind], list[Problem]]:
    """Read actions from decoded TOML by file name; a later file replaces an action of the same name."""
    actions: dict[str, ActionKind] = {}
    problems: list[Problem] = []
    for file, raw in files.items():
        try:
            read = msgspec.convert(raw, _File)
        except msgspec.ValidationError as error:
            problems.append(shape_problem(file, error, _File))
            continue
        for name, entries in read.action.items():
            place = f"{file}: {name}"
            try:
                table = msgspec.convert(entries, _Table)
            except msgspec.ValidationError as error:
                problems.append(shape_problem(place, error, _Table))
                continue
            if table.per_hour is not None and table.per_hour < 1:
                hint = "1 or more; leave it out for no limit, or say automatic = false so that only people ask for it"
                problems.append(Problem(f"{place}: per_hour", "is below 1", hint))
            if table.per_hour is not None and not table.per_hour_source:
                hint = "say where the number comes from: a measurement, or own starting value"
                problems.append(Problem(f"{place}: per_hour_source", "is missing", hint))
            actions[name] = ActionKind(name, **{key: getattr(table, key) for key in table.__struct_fields__})
    return actions, problems
