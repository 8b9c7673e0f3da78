"""What a scan is made of, compiled once from a pack's data: limits, brands, hosts, phrases, weights."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec

from goodsend.events.mime import Limits
from goodsend.kit.errors import Problem
from goodsend.kit.text import closest
from goodsend.scanning.brands import Brands, BrandTable, index_brands, read_brands
from goodsend.scanning.folding import fold
from goodsend.scanning.phrases import Group, Phrases, compile_phrases
from goodsend.scanning.signals import SIGNALS, closest_signal
from goodsend.scanning.weights import Weights, WeightsTable, read_weights

GROUPS_READ = frozenset({"opt_out", "advertising", "unsubscribe", "account_matter", "parcel_or_toll"})
"""Phrase groups that the families read by name, and that name no signal themselves."""


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a measure becomes a finding; see `bounds.toml` for each and its source."""

    hidden_chars: int
    image_only_chars: int
    broken_words: int
    bulk_links: int


class Hosts(msgspec.Struct, frozen=True):
    """
    Sets of hosts and domains; a host is in a set when it or a parent domain is. `bare_endings` are the last labels that
    make a link of two words with a dot between them in plain text, even without a scheme or a path.
    """

    shorteners: frozenset[str]
    free_hosting: frozenset[str]
    free_mail: frozenset[str]
    click_trackers: frozenset[str]
    bare_endings: frozenset[str]


class Words(msgspec.Struct, frozen=True):
    """Words of field names by what they ask for, names of redirect parameters, endings of file names."""

    card_fields: tuple[str, ...]
    code_fields: tuple[str, ...]
    name_fields: frozenset[str]
    redirect_parameters: frozenset[str]
    program_endings: frozenset[str]
    page_endings: frozenset[str]


class Scanner(msgspec.Struct, frozen=True):
    """Everything a scan needs beside the content."""

    limits: Limits
    bounds: Bounds
    brands: Brands
    hosts: Hosts
    words: Words
    phrases: Phrases
    weights: Weights


class _PhrasesTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signal: str | None = None
    label: str | None = None
    need: int = 2
    strong: dict[str, list[str]] = {}
    weak: dict[str, list[str]] = {}


class _HostsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shorteners: list[str] = []
    free_hosting: list[str] = []
    free_mail: list[str] = []
    click_trackers: list[str] = []
    bare_endings: list[str] = []


class _BrandWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bait: list[str] = []
    service: list[str] = []
    open_endings: list[str] = []


class _WordsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    card_fields: list[str] = []
    code_fields: list[str] = []
    name_fields: list[str] = []
    redirect_parameters: list[str] = []
    program_endings: list[str] = []
    page_endings: list[str] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    source: str | None = None
    limits: dict[str, int] = {}
    bounds: dict[str, int] = {}
    brand: dict[str, BrandTable] = {}
    brand_words: _BrandWords = _BrandWords()
    hosts: _HostsTable = _HostsTable()
    words: _WordsTable = _WordsTable()
    phrases: dict[str, _PhrasesTable] = {}
    weights: WeightsTable | None = None


class _All(msgspec.Struct):
    """The files of all layers laid over each other."""

    limits: dict[str, int] = {}
    bounds: dict[str, int] = {}
    brand: dict[str, BrandTable] = {}
    lists: dict[str, set[str]] = {}
    phrases: dict[str, _PhrasesTable] = {}
    weights: WeightsTable | None = None

    def lay(self, file: _File) -> None:
        """Lay a later file over what is there: definitions of the same name are replaced, lists grow."""
        self.limits |= file.limits
        self.bounds |= file.bounds
        self.brand |= file.brand
        self.phrases |= file.phrases
        for table in (file.hosts, file.words, file.brand_words):
            for name in table.__struct_fields__:
                self.lists.setdefault(name, set()).update(getattr(table, name))
        if file.weights is not None:
            self.weights = file.weights if self.weights is None else self.weights.under(file.weights)


def parse_scanner(
    files: Mapping[str, Mapping[str, Any]], lists: Mapping[str, Collection[str]]
) -> tuple[Scanner, list[Problem]]:
    """
    Build a scanner from decoded TOML by file name, later files over earlier ones.

    The lists `url_shorteners`, `free_mail_domains` and `free_hosting_domains` of the pack, where they exist, add to
    the hosts here. A broken file is left out and becomes a Problem; with problems the scanner is not fit for use.
    """
    problems: list[Problem] = []
    every = _All()
    for name, raw in files.items():
        try:
            every.lay(msgspec.convert(raw, _File))
        except msgspec.ValidationError as error:
            problems.append(Problem(name, str(error)))
    limits, found = _read(every.limits, Limits, "limits")
    problems += found
    bounds, found = _read(every.bounds, Bounds, "bounds")
    problems += found
    problems += _unknown_signals(every.phrases)
    phrases, found = compile_phrases(_groups(every.phrases))
    problems += found
    weights, found = read_weights(every.weights)
    problems += found

    def listed(name: str, *pack_lists: str) -> frozenset[str]:
        return frozenset(every.lists.get(name, set())).union(*(lists.get(other, ()) for other in pack_lists))

    brands = index_brands(
        read_brands(every.brand), map(fold, listed("bait")), map(fold, listed("service")), listed("open_endings")
    )
    hosts = Hosts(
        shorteners=listed("shorteners", "url_shorteners"),
        free_hosting=listed("free_hosting", "free_hosting_domains"),
        free_mail=listed("free_mail", "free_mail_domains"),
        click_trackers=listed("click_trackers"),
        bare_endings=listed("bare_endings"),
    )
    words = Words(
        card_fields=tuple(sorted(listed("card_fields"))),
        code_fields=tuple(sorted(listed("code_fields"))),
        name_fields=listed("name_fields"),
        redirect_parameters=listed("redirect_parameters"),
        program_endings=listed("program_endings"),
        page_endings=listed("page_endings"),
    )
    return Scanner(limits, bounds, brands, hosts, words, phrases, weights), problems


_Numbers = TypeVar("_Numbers", Limits, Bounds)


def _read(table: Mapping[str, int], kind: type[_Numbers], name: str) -> tuple[_Numbers, list[Problem]]:
    """Return all numbers of one table; those that are missing become 0, and a Problem."""
    problems = [
        Problem(f"{name}.{key}", "is missing" if value is None else "must not be negative")
        for key, value in ((field, table.get(field)) for field in kind.__struct_fields__)
        if value is None or value < 0
    ]
    for key in table.keys() - set(kind.__struct_fields__):
        near = closest(key, kind.__struct_fields__)
        problems.append(Problem(f"{name}.{key}", "is not known", f"did you mean {near!r}?" if near else None))
    return kind(**{field: max(0, table.get(field, 0)) for field in kind.__struct_fields__}), problems


def _unknown_signals(tables: Mapping[str, _PhrasesTable]) -> list[Problem]:
    problems = []
    for name, table in tables.items():
        if table.signal is None and name not in GROUPS_READ:
            problems.append(Problem(f"phrases.{name}", "names no signal", 'say which with signal = "…"'))
        elif table.signal is not None and table.signal not in SIGNALS:
            near = closest_signal(table.signal)
            hint = f"did you mean {near!r}?" if near else None
            problems.append(Problem(f"phrases.{name}", f"unknown signal {table.signal!r}", hint))
    return problems


def _groups(tables: Mapping[str, _PhrasesTable]) -> list[Group]:
    return [
        Group(name, table.signal, table.label, table.need, _flat(table.strong), _flat(table.weak))
        for name, table in tables.items()
    ]


def _flat(by_language: Mapping[str, list[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(phrase for phrases in by_language.values() for phrase in phrases))
