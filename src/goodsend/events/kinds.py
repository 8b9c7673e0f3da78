"""
The catalogue of event kinds: data in `packs/*/kinds/*.toml`, read here. Tenants add kinds and channels without code.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from goodsend.facts import Fact, FactType
from goodsend.kit.errors import Problem
from goodsend.kit.text import closest


class FieldType(Enum):
    """What a field may hold on the wire, and so how it is made canonical (see `canonical.py`)."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    TEXTS = "texts"
    EMAIL = "email"
    DOMAIN = "domain"
    PHONE = "phone"
    IP = "ip"
    URL = "url"
    COUNTRY = "country"
    CONTENT = "content"


FACT_TYPES = {
    FieldType.INTEGER: FactType.INTEGER,
    FieldType.NUMBER: FactType.NUMBER,
    FieldType.BOOLEAN: FactType.BOOLEAN,
    FieldType.TIME: FactType.TIME,
    FieldType.TEXTS: FactType.TEXTS,
}
"""The fact type of each field type; every type that is not here is text."""


class Field(msgspec.Struct, frozen=True):
    """
    One field of a kind.

    `entity` names the entity type the value is a key of (`account`, `ip`, `device`, `card` …), None for plain values.
    `personal` marks a person's data: masked by role, exported and erased on request.
    """

    name: str
    type: FieldType
    doc: str
    required: bool = False
    unit: str | None = None
    entity: str | None = None
    personal: bool = False


class Kind(msgspec.Struct, frozen=True):
    """One kind of event, named `subject.verbed`. `channel` is what an event has when it names none itself."""

    name: str
    doc: str
    fields: dict[str, Field]
    channel: str | None = None


class Kinds(msgspec.Struct, frozen=True):
    """
    Every kind a tenant knows, the channels it has, and its entity types with a line of help each.

    `linking` are the entity types that two accounts seldom share by chance: what related accounts are found by.
    """

    kinds: dict[str, Kind]
    channels: dict[str, str]
    entities: dict[str, str]
    linking: frozenset[str] = frozenset()


class _FieldTable(msgspec.Struct, forbid_unknown_fields=True):
    type: FieldType
    doc: str
    required: bool = False
    unit: str | None = None
    entity: str | None = None
    personal: bool = False


class _KindTable(msgspec.Struct, forbid_unknown_fields=True):
    doc: str
    channel: str | None = None
    include: list[str] = []
    fields: dict[str, _FieldTable] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    channels: dict[str, str] = {}
    entities: dict[str, str] = {}
    linking: list[str] = []
    fieldset: dict[str, dict[str, _FieldTable]] = {}
    kind: dict[str, _KindTable] = {}


def parse_kinds(files: Mapping[str, Mapping[str, Any]]) -> tuple[Kinds, list[Problem]]:
    """
    Read kinds from decoded TOML tables by file name, later files replacing kinds of the same name.

    A broken file or kind is left out and becomes a Problem; the rest is returned.
    """
    problems: list[Problem] = []
    channels: dict[str, str] = {}
    entities: dict[str, str] = {}
    linking: set[str] = set()
    fieldsets: dict[str, dict[str, _FieldTable]] = {}
    tables: dict[str, tuple[str, _KindTable]] = {}
    for file, raw in files.items():
        try:
            read = msgspec.convert(raw, _File)
        except msgspec.ValidationError as error:
            problems.append(Problem(file, str(error)))
            continue
        channels |= read.channels
        entities |= read.entities
        linking |= set(read.linking)
        problems += [
            _unknown("entity", name, entities).at(f"{file}: linking") for name in read.linking if name not in entities
        ]
        fieldsets |= read.fieldset
        tables |= {name: (file, table) for name, table in read.kind.items()}
    kinds: dict[str, Kind] = {}
    for name, (file, table) in tables.items():
        found = _kind(name, table, fieldsets, channels, entities)
        problems += [problem.at(f"{file}: {name}") for problem in found[1]]
        if not found[1]:
            kinds[name] = found[0]
    return Kinds(kinds, channels, entities, frozenset(linking)), problems


def _kind(
    name: str,
    table: _KindTable,
    fieldsets: Mapping[str, Mapping[str, _FieldTable]],
    channels: Mapping[str, str],
    entities: Mapping[str, str],
) -> tuple[Kind, list[Problem]]:
    problems = []
    subject, dot, verb = name.partition(".")
    if not (dot and subject.isidentifier() and verb.isidentifier()):
        problems.append(Problem("", f"{name!r} is not a kind", "kinds are named subject.verbed, such as list.imported"))
    if table.channel is not None and table.channel not in channels:
        problems.append(_unknown("channel", table.channel, channels))
    fields: dict[str, _FieldTable] = {}
    for include in table.include:
        if include not in fieldsets:
            problems.append(_unknown("fieldset", include, fieldsets))
        fields |= fieldsets.get(include, {})
    fields |= table.fields
    for field_name, field in fields.items():
        if not field_name.isidentifier():
            problems.append(Problem(f"fields.{field_name}", "a field name is letters, digits and underscores"))
        if field.entity is not None and field.entity not in entities:
            problems.append(_unknown("entity", field.entity, entities).at(f"fields.{field_name}"))
    built = {key: Field(key, f.type, f.doc, f.required, f.unit, f.entity, f.personal) for key, f in fields.items()}
    return Kind(name, table.doc, built, table.channel), problems


def _unknown(what: str, word: str, known: Mapping[str, object]) -> Problem:
    near = closest(word, known)
    return Problem("", f"unknown {what} {word!r}", f"did you mean {near!r}?" if near else f"known: {', '.join(known)}")


def event_facts(kinds: Kinds) -> list[Fact]:
    """
    Return one `e.` column per field name over all kinds, and `e.kind`, `e.at`, `e.channel`, `e.id`.

    Content fields become text: the digest. A mail field has a second column, `e.<field>_raw`: the address as it was
    sent, where it is not the canonical one (NULL where it is). Where two kinds give one name different types, the
    first one's doc and type stand and `conflicts` says so.
    """
    columns: dict[str, Fact] = {
        "e.id": Fact("e.id", FactType.TEXT, "the event's own id"),
        "e.kind": Fact("e.kind", FactType.TEXT, "the event's kind"),
        "e.at": Fact("e.at", FactType.TIME, "when it happened", "µs"),
        "e.channel": Fact("e.channel", FactType.TEXT, "the channel it happened on"),
    }
    for kind in kinds.kinds.values():
        for field in kind.fields.values():
            name = f"e.{field.name}"
            type_ = FACT_TYPES.get(field.type, FactType.TEXT)
            old = columns.get(name)
            carried = (old.kinds if old else frozenset()) | {kind.name}
            if old is None:
                columns[name] = Fact(name, type_, field.doc, field.unit, carried, field.personal)
            else:
                columns[name] = msgspec.structs.replace(old, kinds=carried, personal=old.personal or field.personal)
            if field.type is FieldType.EMAIL and f"{field.name}_raw" not in kind.fields:
                sent = Fact(f"{name}_raw", FactType.TEXT, f"{field.doc}, as sent, where that differs", None, carried)
                columns[sent.name] = msgspec.structs.replace(sent, personal=columns[name].personal)
    return list(columns.values())


def conflicts(kinds: Kinds) -> list[Problem]:
    """Return a Problem for each field name that two kinds give different types, or write differently: one column."""
    seen: dict[str, tuple[str, FactType]] = {}
    spelled: dict[str, str] = {}
    problems = []
    for kind in kinds.kinds.values():
        for field in kind.fields.values():
            type_ = FACT_TYPES.get(field.type, FactType.TEXT)
            alike = spelled.setdefault(field.name.lower(), field.name)
            if alike != field.name:
                problems.append(
                    Problem(
                        f"{kind.name}: fields.{field.name}",
                        f"differs from the field {alike} in capitals alone, and SQL does not tell them apart",
                        "write it the same way, or give it a name of its own",
                    )
                )
            first = seen.setdefault(field.name, (kind.name, type_))
            if first[1] is not type_:
                problems.append(
                    Problem(
                        f"{kind.name}: fields.{field.name}",
                        f"is {type_.value} here and {first[1].value} in {first[0]}",
                        "one name has one type: rename one of them",
                    )
                )
    return problems
