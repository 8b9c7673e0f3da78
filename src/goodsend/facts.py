"""
Facts: everything known about one event as one flat, typed row, and the catalogue that says what each column means.

A column name carries its origin: `e.` event, `f.` feature, `s.` signal, `m.` model, `a.` account and standing,
`l.` look-up.
A column that is missing from a row, or None, is NULL: not known. No evidence is not zero.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

import msgspec

Value = str | int | float | bool | tuple[str, ...] | None
Facts = dict[str, Value]


class FactType(Enum):
    """What a column holds. TIME is integer microseconds (UTC); TEXTS is a tuple of strings."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    TEXTS = "texts"


class Fact(msgspec.Struct, frozen=True):
    """
    One column of the catalogue.

    `kinds` are the event kinds that can carry it (empty: every kind). `unit` is None for text and flags. `personal`
    marks a person's data, which the console masks by role.
    """

    name: str
    type: FactType
    doc: str
    unit: str | None = None
    kinds: frozenset[str] = frozenset()
    personal: bool = False


class Catalog(Mapping[str, Fact]):
    """
    Every column that rules, policies and models may read, by name. Immutable.

    `whole` is the catalogue this one is a part of (itself where it is all): what is missing here may be there.
    """

    def __init__(self, facts: Iterable[Fact], whole: "Catalog | None" = None) -> None:
        self._facts = {fact.name: fact for fact in facts}
        self.whole: Catalog = self if whole is None else whole

    def __getitem__(self, name: str) -> Fact:
        return self._facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def for_kinds(self, kinds: Iterable[str]) -> "Catalog":
        """Return the columns that at least one of these kinds can carry; all columns when no kind is given."""
        wanted = frozenset(kinds)
        if not wanted:
            return self
        chosen = (fact for fact in self._facts.values() if not fact.kinds or fact.kinds & wanted)
        return Catalog(chosen, self.whole)

    def including(self, facts: Iterable[Fact]) -> "Catalog":
        """Return a catalogue with these columns as well."""
        return Catalog([*self._facts.values(), *facts])
