"""
A batch up to its outcomes: items are read, known ones sorted out, what is known of their entities gathered, each event
judged. Nothing is written here.

Two moments may gather: before judging, when the batch before may still be on its way into the database (its outcomes
are laid over what is read), and again while writing, should what people did meanwhile have made it wrong.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, cast

import msgspec

from goodsend.cases.model import OpenCase
from goodsend.decisions.model import Decision
from goodsend.events.canonical import body_hash
from goodsend.events.model import Arrived, Content, Event
from goodsend.facts import Facts
from goodsend.features.compute import Windows
from goodsend.handle.memory import Memory
from goodsend.handle.model import Answer, Part, Unjudged
from goodsend.kit.clock import Micros
from goodsend.kit.errors import Rejection
from goodsend.pack import Pack
from goodsend.pipeline import Known, Outcome, entities_of, process, versions_of
from goodsend.store import accounts, casework, contents, entity_labels, log
from goodsend.store.connection import Asked, Connection
from goodsend.store.jsonable import encode

_LOG = logging.getLogger("goodsend.engine")

Standings = dict[str, str]
Cases = dict[tuple[str, str], OpenCase]


class Batch(msgspec.Struct, eq=False):
    """
    Parts of submissions, read. `hashes` are body hashes by event id, `fresh` new events by id in order, `repeats` ids
    seen before, `refused` rejections of ids used for something else, by the identity of the Arrived. `marked` are the
    entities whose labels are looked for, `known` what the batch was judged by, `copies` its rows of the log made ahead.
    """

    tenant: str
    pack: Pack
    parts: Sequence[Part]
    read: Sequence[Sequence[Arrived | Rejection]]
    now: Micros
    fresh: dict[str, Arrived] = {}
    repeats: set[str] = set()
    refused: dict[int, Rejection] = {}
    hashes: dict[str, bytes] = {}
    entities: dict[str, dict[str, str]] = {}
    holders: set[str] = set()
    subjects: set[tuple[str, str]] = set()
    lists: Mapping[str, frozenset[str]] = {}
    lists_at: Micros = 0
    lent: Mapping[str, Content] = {}
    standings: Standings = {}
    cases: Cases = {}
    first_arrival: int = 0
    outcomes: dict[str, Outcome] = {}
    times: set[Micros] = set()
    marked: set[tuple[str, str]] = set()
    known: Known | None = None
    copies: log.Copies | None = None

    @property
    def events(self) -> int:
        """How many items it holds."""
        return sum(len(part.items) for part in self.parts)

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to write and nothing to look up."""
        return not self.events


def read_batch(memory: Memory, parts: Sequence[Part], now: Micros, unjudged: frozenset[str]) -> Batch:
    """Decode and check every item; those whose ids are in `unjudged` are rejected as our fault."""
    tenant, read = memory.tenant, memory.reader.read
    items: list[list[Arrived | Rejection]] = [[read(item, tenant, now) for item in part.items] for part in parts]
    if unjudged:
        items = [_refuse(part.items, found, unjudged) for part, found in zip(parts, items, strict=True)]
    return Batch(tenant, memory.pack, parts, items, now)


def _refuse(
    items: Sequence[object], read: Sequence[Arrived | Rejection], unjudged: frozenset[str]
) -> list[Arrived | Rejection]:
    """Put a rejection in the place of each event that cannot be judged."""
    return [
        internal_error(item) if isinstance(found, Arrived) and found.event.id in unjudged else found
        for item, found in zip(items, read, strict=True)
    ]


def internal_error(item: object) -> Rejection:
    """Return the rejection of an item that we cannot handle."""
    if isinstance(item, bytes):
        raw = item
        with suppress(msgspec.MsgspecError, UnicodeError):
            item = msgspec.json.decode(item)
    else:
        raw = b""
        with suppress(TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            raw = bytes(encode(item))
    event_id = item.get("id") if isinstance(item, dict) else None
    return Rejection(
        "internal_error", "", "goodsend could not handle this event; it is kept", "report it: this is our fault",
        event_id if isinstance(event_id, str) else None, raw,
    )  # fmt: skip


def ask_ids(connection: Connection, batch: Batch) -> Asked[None]:
    """Ask which events were seen before."""
    ids = [item.event.id for items in batch.read for item in items if isinstance(item, Arrived)]
    if not ids:
        return lambda: None
    asked = log.ask_known_ids(connection, batch.tenant, ids)

    def answer() -> None:
        batch.hashes = {event_id: body for event_id, (_, _, body) in asked().items()}

    return answer


def sort_out(batch: Batch, before: Batch | None) -> None:
    """Tell new events from repeats and from ids used for something else; `before` may not be in the log yet."""
    hashes = batch.hashes
    if before is not None:
        hashes |= {event_id: before.hashes[event_id] for event_id in before.outcomes}
    for items in batch.read:
        for item in items:
            if not isinstance(item, Arrived):
                continue
            event = item.event
            hashed = body_hash(event)
            known = hashes.get(event.id)
            if known is None:
                hashes[event.id] = hashed
                batch.fresh[event.id] = item
            elif known == hashed:
                batch.repeats.add(event.id)
            else:
                batch.refused[id(item)] = Rejection(
                    "id_reused", "id", f"the id {event.id!r} was used before for a different event",
                    "give every event an id of its own", event.id, msgspec.json.encode(event.data),
                )  # fmt: skip


def name_entities(batch: Batch) -> None:
    """Note which entities the events name, whether new or not: asking for a few too many costs less than waiting."""
    pack, about, labelled = batch.pack, batch.pack.triage.all_subjects, batch.pack.labelled
    for items in batch.read:
        for item in items:
            if isinstance(item, Arrived):
                batch.times.add(item.event.at)
                named = entities_of(item.event, pack)
                batch.entities.setdefault(item.event.id, named)  # of items with one id only the first can be new
                account = named.get("account")
                if account is not None:
                    batch.holders.add(account)
                for pair in named.items():
                    if pair[0] in about:
                        batch.subjects.add(pair)
                    if pair[0] in labelled:
                        batch.marked.add(pair)


def ask_known(connection: Connection, batch: Batch, *, locked: bool) -> Asked[Known]:
    """Ask what the batch's entities are known by, its lists aside, which it brings along."""
    tenant = batch.tenant
    standings = accounts.ask_standings(connection, tenant, batch.holders) if batch.holders else dict
    open_cases: Asked[Iterable[OpenCase]] = tuple
    if batch.subjects:
        open_cases = casework.ask_open_cases(connection, tenant, batch.subjects, locked=locked)
    missing = {
        item.event.content
        for items in batch.read
        for item in items
        if isinstance(item, Arrived) and item.event.content is not None and item.content is None
    }
    labels: Asked[entity_labels.Found] = dict
    if batch.marked:
        labels = entity_labels.ask_of(connection, tenant, batch.marked, min(batch.times))
    lent = contents.ask_bodies(connection, tenant, missing) if missing else dict

    def answer() -> Known:
        return Known(
            lists=batch.lists,
            standings=standings(),
            cases={(case.subject_type, case.subject): case for case in open_cases()},
            contents=lent(),
            labels=labels(),
        )

    return answer


def lay_over(known: Known, before: Batch) -> None:
    """Take in what a batch changed that may not be in the database yet. Learning what is known already is harmless."""
    kept = {o.content.digest: o.content for o in before.outcomes.values() if o.content is not None}
    if kept:
        known.contents = {**known.contents, **kept}
    for outcome in before.outcomes.values():
        known.learn(outcome)
    known.labelled.clear()  # it is being written by the batch before
    known.replaced.clear()


def judge(batch: Batch, known: Known, memory: Memory) -> None:
    """
    Judge the new events in their order; they are in the windows afterwards.

    Raises Unjudged with all that broke at once, because for each return the windows are read from the log again.
    """
    _remember(batch, known)
    batch.first_arrival = memory.arrival + 1
    broken: set[str] = set()
    windows, pack, entities = memory.windows, batch.pack, batch.entities
    versions = versions_of(pack) | {"lists": str(batch.lists_at)}
    for event_id, arrived in batch.fresh.items():
        memory.uncommitted += 1
        try:
            outcome = process(arrived, known, windows, pack, entities[event_id], versions)
        except Exception:  # noqa: BLE001 - one event that breaks must not stop the others
            _LOG.exception("an event of tenant %s could not be judged", batch.tenant)
            broken.add(event_id)
            continue
        known.learn(outcome)
        batch.outcomes[event_id] = outcome
    if broken:
        raise Unjudged(frozenset(broken))
    memory.arrival += len(batch.outcomes)
    if len(batch.outcomes) > log.FEW:
        batch.copies = log.copies_of(batch.tenant, rows_of(batch), batch.now)


def rows_of(batch: Batch) -> list[log.LogRow]:
    """Return a judged batch as rows of the log."""
    return [
        log.LogRow(arrival, outcome.event, batch.hashes[event_id], outcome.facts, outcome.decision)
        for arrival, (event_id, outcome) in enumerate(batch.outcomes.items(), batch.first_arrival)
    ]


def judge_again(batch: Batch, known: Known) -> None:
    """Judge the same events by what is known now. Their features stay: windows know nothing of cases and standings."""
    _remember(batch, known)
    batch.copies = None
    seen = _Seen(batch.outcomes)
    versions = versions_of(batch.pack) | {"lists": str(batch.lists_at)}
    for event_id, arrived in batch.fresh.items():
        seen.now = event_id
        outcome = process(arrived, known, cast(Windows, seen), batch.pack, batch.entities[event_id], versions)
        known.learn(outcome)
        batch.outcomes[event_id] = outcome


class _Seen:
    """Stands in for windows that have seen the events already."""

    def __init__(self, outcomes: Mapping[str, Outcome]) -> None:
        self._outcomes = outcomes
        self.now = ""

    def is_late(self, at: Micros) -> bool:
        """As it was."""
        del at
        return self._outcomes[self.now].decision.late

    def observe(self, event: Event, entities: Mapping[str, str]) -> Facts:
        """As they were."""
        del entities
        return {name: value for name, value in self._outcomes[event.id].facts.items() if name.startswith("f.")}


def _remember(batch: Batch, known: Known) -> None:
    """Note what the batch is judged by, to see later whether it was still so."""
    batch.known = known
    batch.standings = {account: known.standings[account] for account in batch.holders if account in known.standings}
    batch.cases = {subject: known.cases[subject] for subject in batch.subjects if subject in known.cases}


def still_holds(batch: Batch, standings: Standings, cases: Iterable[OpenCase]) -> bool:
    """Say whether the batch was judged by what is so now."""
    return batch.standings == standings and _gist(batch.cases.values()) == _gist(cases)


def _gist(cases: Iterable[OpenCase]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """What triage goes by: a case that was joined keeps its policy, whatever joined it."""
    return {(case.subject_type, case.subject): (case.id, case.severity, case.queue) for case in cases}


def answers_of(batch: Batch, earlier: Mapping[str, Decision]) -> list[list[Answer]]:
    """Return the answers part by part; `earlier` are the decisions on repeats."""
    answered: set[str] = set()
    return [[_answer(item, batch, earlier, answered) for item in items] for items in batch.read]


def _answer(item: Arrived | Rejection, batch: Batch, earlier: Mapping[str, Decision], answered: set[str]) -> Answer:
    if isinstance(item, Rejection):
        return Answer("rejected", item.item_id, rejection=item)
    event_id = item.event.id
    if id(item) in batch.refused:
        return Answer("rejected", event_id, rejection=batch.refused[id(item)])
    outcome = batch.outcomes.get(event_id)
    if outcome is None:
        return Answer("duplicate", event_id, decision=earlier.get(event_id))
    status: Literal["accepted", "duplicate"] = "duplicate" if event_id in answered else "accepted"
    answered.add(event_id)
    return Answer(status, event_id, decision=outcome.decision, outcome=outcome)
