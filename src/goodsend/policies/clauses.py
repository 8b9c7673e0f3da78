"""Clauses as data: `packs/*/policies/*.toml`. What a clause leads to is for rules and people, not for this file."""

import datetime
from collections.abc import Mapping
from typing import Any

import msgspec

from goodsend.kit.errors import Problem


class Policy(msgspec.Struct, frozen=True):
    """
    One clause of what is not allowed.

    `clause` is its number in the published policy, `text` what customers read, `severity` 1 (low) … 5 (grave),
    `effective_from` the date (UTC) from which this version holds, `source` the law, standard or published policy.
    """

    id: str
    clause: str
    title: str
    text: str
    severity: int
    version: int
    effective_from: datetime.date
    source: str


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    clause: str
    title: str
    text: str
    severity: int
    source: str
    effective_from: datetime.date
    version: int = 1


class _File(msgspec.Struct, forbid_unknown_fields=True):
    policy: dict[str, _Table] = {}


def parse_policies(files: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Policy], list[Problem]]:
    """Read clauses from decoded TOML by file name; a later file replaces a clause of the same id."""
    policies: dict[str, Policy] = {}
    problems: list[Problem] = []
    for file, raw in files.items():
        try:
            read = msgspec.convert(raw, _File)
        except msgspec.ValidationError as error:
            problems.append(Problem(file, str(error)))
            continue
        for id_, table in read.policy.items():
            if not 1 <= table.severity <= 5:
                problems.append(Problem(f"{file}: {id_}: severity", "is not between 1 and 5"))
            policies[id_] = Policy(id_, **{name: getattr(table, name) for name in table.__struct_fields__})
    return policies, problems
