"""
One decision opened up: its facts by origin, its hits, and what would have to change. Judging itself is the pipeline's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from goodsend.console import wording
from goodsend.console.masking import mask_values
from goodsend.expr.explain import Clause, explain, what_would_change
from goodsend.facts import Catalog, Fact, Facts, FactType, Value
from goodsend.pack import Pack


class FactRow(msgspec.Struct, frozen=True):
    """One fact as a line: its name, its value in words (empty when not known), its meaning."""

    name: str
    text: str
    doc: str
    known: bool


class FactGroup(msgspec.Struct, frozen=True):
    """The facts of one origin."""

    name: str
    doc: str
    rows: list[FactRow]


class Explained(msgspec.Struct, frozen=True):
    """How one rule came to fire: its clauses, and the smallest changes after which it would not."""

    rule: str
    clause: Clause
    changes: list[str]


def fact_groups(facts: Mapping[str, Any], kind: str, catalog: Catalog, masked: bool) -> list[FactGroup]:
    """
    Return every fact an event of this kind can have, grouped by origin: known ones first, then by name.

    Facts the catalogue no longer knows are shown too, without a meaning.
    """
    columns = catalog.for_kinds([kind])
    personal = {name for name, fact in catalog.items() if fact.personal}
    shown = mask_values(facts, personal) if masked else facts
    names = sorted(set(columns) | set(facts))
    groups = []
    for letter, title, doc in wording.ORIGINS:
        rows = [_row(name, shown.get(name), catalog.get(name)) for name in names if name.startswith(letter + ".")]
        rows.sort(key=lambda row: (not row.known, row.name))
        if rows:
            groups.append(FactGroup(title, doc, rows))
    return groups


def _row(name: str, value: Any, fact: Fact | None) -> FactRow:
    known = value is not None
    return FactRow(name, wording.value_text(value, fact) if known else "", fact.doc if fact else "", known)


def facts_of(stored: Mapping[str, Any], catalog: Catalog) -> Facts:
    """Return a stored row with the types the rule language works on: lists become tuples."""
    return {name: _value(value, catalog.get(name)) for name, value in stored.items()}


def _value(value: Any, fact: Fact | None) -> Value:
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    if fact is not None and fact.type is FactType.NUMBER and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value)


def explanations(
    hits: Sequence[Mapping[str, Any]],
    stored: Mapping[str, Any],
    pack: Pack,
    lists: Mapping[str, frozenset[str]],
) -> list[Explained]:
    """
    Return how each hit came about, for rules that are still as they were when they fired.

    Lists are read as they are now; a value that has left one since can make a clause come out differently.
    """
    facts = facts_of(stored, pack.catalog)
    found = []
    for hit in hits:
        rule = pack.ruleset.rules.get(hit["rule"])
        expression = pack.ruleset.expressions.get(hit["rule"])
        if rule is None or expression is None or rule.version != hit["version"]:
            continue
        clause = explain(expression, facts, lists)
        if clause.truth is True:
            found.append(Explained(rule.id, clause, what_would_change(clause)))
    return found


def summary(hits: Sequence[Mapping[str, Any]], points: float) -> str:
    """Return the sentence under the verdict: the gravest rule that acted, and how many others did."""
    acting = [hit for hit in hits if hit.get("acts", True)]
    if not acting:
        shadow = len(hits)
        return f"{wording.plural(shadow, 'rule')} fired in shadow, without effect." if shadow else "No rule fired."
    gravest = max(acting, key=lambda hit: hit["severity"])
    also = f" and {wording.plural(len(acting) - 1, 'other')}" if len(acting) > 1 else ""
    weigh = f" Together they weigh {wording.number(points)} points." if points and len(acting) > 1 else ""
    return f"The reason: {str(gravest['rule']).replace('_', ' ')}{also}.{weigh}"
