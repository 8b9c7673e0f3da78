"""
Labels that rules put on entities: which are in force at a time, and how a new one joins those there are.

They are read as `l.<entity>_labels`. What people say of a case is another thing, kept elsewhere and never read here.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from goodsend.decisions.model import EntityLabel
from goodsend.facts import Fact, FactType
from goodsend.kit.clock import Micros


def label_facts(entities: Iterable[str], kinds_of: dict[str, frozenset[str]]) -> list[Fact]:
    """Return one `l.` column for each entity type that some kind of event carries."""
    return [
        Fact(
            f"l.{entity}_labels", FactType.TEXTS,
            f"labels that rules have put on the {entity} and that are in force at the time of the event", None,
            kinds_of[entity],
        )
        for entity in entities
        if kinds_of.get(entity)
    ]  # fmt: skip


def in_force(labels: Sequence[EntityLabel], at: Micros) -> tuple[str, ...]:
    """Return the labels in force at a time, sorted, each once; () where there are none."""
    return tuple(sorted({label.label for label in labels if label.since <= at < label.until}))


def joined(labels: Sequence[EntityLabel], new: EntityLabel) -> tuple[list[EntityLabel], list[EntityLabel]]:
    """
    Return the labels of one entity with a new one among them, and those that went into it.

    Spans of one label that overlap or touch become one, from the earliest to the latest: a time is in the union of them
    or it is not. Its rules and decision are those of the new one, which are the latest to know of it.
    """
    met = [old for old in labels if old.label == new.label and old.since <= new.until and new.since <= old.until]
    since = min([new.since, *(old.since for old in met)])
    until = max([new.until, *(old.until for old in met)])
    kept = [old for old in labels if old not in met]
    return [*kept, replace(new, since=since, until=until)], met
