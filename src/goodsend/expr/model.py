"""A checked expression: what the other floors hold on to."""

import msgspec

from goodsend.expr.evaluate import NO_LISTS, evaluate, unknown_facts
from goodsend.expr.functions.model import Lists
from goodsend.expr.nodes import Node
from goodsend.facts import Facts, FactType, Value


class Expression(msgspec.Struct, frozen=True):
    """
    An expression that was read and checked against a catalogue.

    `source` is what the author wrote, `sql` the canonical text, `facts` and `lists` what it reads, `type` what it
    gives, `node` its tree. Many of them over many rows belong in `compile.build_row`.
    """

    source: str
    sql: str
    type: FactType
    facts: frozenset[str]
    lists: frozenset[str]
    node: Node

    def evaluate(self, facts: Facts, lists: Lists = NO_LISTS) -> Value:
        """Return the value over one row, None for NULL. Never raises."""
        return evaluate(self.node, facts, lists)

    def unknown(self, facts: Facts, lists: Lists = NO_LISTS) -> tuple[str, ...]:
        """Return the facts that are NULL and because of which the result is NULL; empty where it is not NULL."""
        return unknown_facts(self.node, facts, lists)
