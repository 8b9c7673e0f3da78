"""The actions goodsend may ask for, as data: `packs/*/actions.toml`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from goodsend.kit.errors import Problem


class ActionKind(msgspec.Struct, frozen=True):
    """
    One kind of action: what it does, the entity type it is about, how hard it is (1 mild …), its parameters.

    `standing` is where the account moves when it is asked for, None when it stays. `automatic` False: only a person
    may ask for it.
    """

    name: str
    doc: str
    target: str
    impact: int
    standing: str | None = None
    automatic: bool = True
    params: dict[str, str | int | float | bool] = {}


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    doc: str
    target: str
    impact: int
    standing: str | None = None
    automatic: bool = True
    params: dict[str, str | int | float | bool] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    action: dict[str, _Table] = {}


def parse_actions(files: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, ActionKind], list[Problem]]:
    """Read actions from decoded TOML by file name; a later file replaces an action of the same name."""
    actions: dict[str, ActionKind] = {}
    problems: list[Problem] = []
    for file, raw in files.items():
        try:
            read = msgspec.convert(raw, _File)
        except msgspec.ValidationError as error:
            problems.append(Problem(file, str(error)))
            continue
        for name, table in read.action.items():
            actions[name] = ActionKind(name, **{key: getattr(table, key) for key in table.__struct_fields__})
    return actions, problems
