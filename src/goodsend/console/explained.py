"""
One decision opened up: its facts by origin, its hits, and what would have to change. Judging itself is the pipeline's.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from goodsend.console import wording
from goodsend.console.masking import mask_values
from goodsend.decisions.model import Decision
from goodsend.expr.explain import Clause, explain, what_would_change
from goodsend.facts import Catalog, Fact, Facts
from goodsend.pack import Pack
from goodsend.rules.model import Hit

SHORT: Final = 8
"""Facts of one origin that are shown at once; more are folded away, but for the features. Own starting value."""


class FactRow(msgspec.Struct, frozen=True):
    """One fact as a line: its name, its value in words (empty when not known), its meaning."""

    name: str
    text: str
    doc: str
    known: bool


class FactGroup(msgspec.Struct, frozen=True):
    """
    The facts of one origin: those that tell something (folded too when `is_long`), and those folded away (not known;
    signals that were not found).
    """

    name: str
    doc: str
    telling: list[FactRow]
    folded: list[FactRow]
    folded_word: str
    is_long: bool

    @property
    def total(self) -> int:
        """Facts an event of this kind can have from this origin."""
        return len(self.telling) + len(self.folded)

    @property
    def known(self) -> int:
        """Those of them that are known."""
        return sum(row.known for row in (*self.telling, *self.folded))


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
        own = [name for name in names if name.startswith(letter + ".")]
        # A signal that was looked for and not found is known, and still says little: it is folded away as well.
        quiet = (None, False) if letter == "s" else (None,)
        telling = [
            _row(name, shown.get(name), catalog.get(name)) for name in own if not _is_any(shown.get(name), quiet)
        ]
        folded = [_row(name, shown.get(name), catalog.get(name)) for name in own if _is_any(shown.get(name), quiet)]
        if own:
            groups.append(
                FactGroup(
                    title,
                    doc,
                    telling,
                    folded,
                    "not found or not known" if letter == "s" else "not known",
                    letter != "f" and len(telling) > SHORT,
                )
            )
    return groups


def _is_any(value: Any, quiet: tuple[Any, ...]) -> bool:
    """Say whether the value is one of these very objects: 0 equals False, and is told all the same."""
    return any(value is one for one in quiet)


def _row(name: str, value: Any, fact: Fact | None) -> FactRow:
    known = value is not None
    return FactRow(name, wording.value_text(value, fact) if known else "", fact.doc if fact else "", known)


def explanations(hits: Sequence[Hit], facts: Facts, pack: Pack, lists: Mapping[str, frozenset[str]]) -> list[Explained]:
    """
    Return how each hit came about, for rules that are still as they were when they fired.

    Lists are read as they are now; a value that has left one since can make a clause come out differently.
    """
    found = []
    for hit in hits:
        rule = pack.ruleset.rules.get(hit.rule)
        expression = pack.ruleset.expressions.get(hit.rule)
        if rule is None or expression is None or rule.version != hit.version:
            continue
        clause = explain(expression, facts, lists)
        if clause.truth is True:
            found.append(Explained(rule.id, clause, what_would_change(clause)))
    return found


def summary(decision: Decision) -> str:
    """Return the sentence under the verdict: the gravest rule that acted, and how many others did."""
    acting = [hit for hit in decision.hits if hit.acts]
    if not acting:
        shadow = len(decision.hits)
        return f"{wording.plural(shadow, 'rule')} fired in shadow, without effect." if shadow else "No rule fired."
    gravest = max(acting, key=lambda hit: hit.severity)
    also = f" and {wording.plural(len(acting) - 1, 'other')}" if len(acting) > 1 else ""
    weigh = f" Together they weigh {wording.number(decision.points)} points." if decision.points else ""
    return f"The reason: {gravest.rule.replace('_', ' ')}{also}.{weigh}"
