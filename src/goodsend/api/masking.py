"""Personal data in answers: masked by what the catalogue marks, unless the key has the scope `personal`."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from goodsend.facts import Catalog
from goodsend.pack import Pack

MASK = "…"
_SHORTEST_REPLACED = 3
"""Shorter values are not looked for in sentences: replacing every `a` would spoil the sentence and hide nothing."""
_LONGEST_SHOWN = 119


class Masks:
    """How personal data of one tenant's pack is shown to one client: as it is, or masked."""

    def __init__(self, pack: Pack, sees_personal: bool) -> None:
        self.catalog = pack.catalog
        self.whole = sees_personal
        self._kinds = pack.kinds

    @cached_property
    def _entities(self) -> frozenset[str]:
        fields = (field for kind in self._kinds.kinds.values() for field in kind.fields.values())
        return frozenset(field.entity for field in fields if field.personal and field.entity is not None)

    def facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row of facts as the client may see it."""
        return dict(facts) if self.whole else mask_facts(facts, self.catalog)

    def fields(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return fields of events, which the catalogue knows by `e.` and their name, as the client may see them."""
        masked = self.facts({"e." + name: value for name, value in data.items()})
        return {name.removeprefix("e."): value for name, value in masked.items()}

    def entity(self, type_: str, key: str) -> str:
        """Return the key of an entity: masked when entities of its type are people, or what leads to them."""
        return key if self.whole or type_ not in self._entities else str(mask(key))

    def naming(self, sentence: str, type_: str, key: str) -> str:
        """Return a sentence that may name an entity."""
        return sentence if self.whole or type_ not in self._entities else mask_sentence(sentence, [key])


def mask(value: object) -> object:
    """
    Return a value that tells kind and little else: a mail address keeps its domain, other texts their first character.

    Numbers and flags become the bare mask; None stays None, since not known is not secret.
    """
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [mask(part) for part in value]
    if not isinstance(value, str) or not value:
        return MASK
    local, at, domain = value.rpartition("@")
    if at and local:
        return f"{local[0]}{MASK}@{domain}"
    return value[0] + MASK


def mask_facts(facts: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return a row of facts with every column masked that the catalogue marks as personal, or does not know."""
    return {
        name: value if (fact := catalog.get(name)) is not None and not fact.personal else mask(value)
        for name, value in facts.items()
    }


def mask_sentence(sentence: str, values: Iterable[object]) -> str:
    """
    Return a sentence with these personal values masked wherever they stand in it.

    A long value is looked for by its beginning too, because reasons show long values cut (rules/reason.py).
    """
    texts = set()
    for value in values:
        for part in value if isinstance(value, list | tuple) else (value,):
            if isinstance(part, str) and len(part) >= _SHORTEST_REPLACED:
                texts |= {part, part[:_LONGEST_SHOWN]}
    for text in sorted(texts, key=len, reverse=True):
        sentence = sentence.replace(text, str(mask(text)))
    return sentence


def personal_values(facts: Mapping[str, Any], catalog: Catalog) -> list[object]:
    """Return the values of a row that `mask_facts` masks."""
    return [value for name, value in facts.items() if (fact := catalog.get(name)) is None or fact.personal]
