"""
A batch of events end to end: gather (store), process (pure), apply (one transaction). The single writer lives here.

Whoever holds a tenant's advisory lock is its writer; see docs/decisions/0001. Nothing outside is called from here:
effects become outbox rows in the same transaction as the decisions that ask for them.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Literal

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from goodsend.cases.model import OpenCase
from goodsend.decisions.model import Action, Decision
from goodsend.events.canonical import EventLimits, Reader, body_hash
from goodsend.events.model import Arrived, Event
from goodsend.features.compute import Windows
from goodsend.kit.clock import SECOND, Micros
from goodsend.kit.errors import Rejection, Retryable
from goodsend.outreach.model import Notice
from goodsend.pack import Pack
from goodsend.pipeline import Known, Outcome, entities_of, process
from goodsend.settings import Settings
from goodsend.store import accounts, casework, contents, lists, log, notices, outbox, rejections
from goodsend.store.connection import Connection, Pool
from goodsend.store.jsonable import encode

_LOG = logging.getLogger("goodsend.engine")
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
"""What psycopg raises when the server, its disk or the way to it is gone, rather than when we asked for nonsense."""
_LIMITS = "54"
"""The class of SQLSTATE for a row or statement beyond a limit: an OperationalError, but the event's fault."""

_MOST_PER_TRANSACTION = 2_000
_LISTS_FRESH: Micros = 1 * SECOND
PROFILE_FIELDS = ("plan", "country", "email", "name", "company", "website", "domain", "phone", "vertical")
"""Fields of account events that the console shows of the account."""


def _is_away(error: Exception) -> bool:
    """Say whether an error means that the same work may succeed later, rather than that an event cannot be stored."""
    beyond = isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_LIMITS)
    return isinstance(error, _AWAY) and not beyond


class Answer(msgspec.Struct, frozen=True):
    """
    What became of one submitted item, in the order in which they were submitted.

    `accepted` and `duplicate` carry the decision (of the first time, for a duplicate), `rejected` the rejection.
    """

    status: Literal["accepted", "duplicate", "rejected"]
    event_id: str | None
    decision: Decision | None = None
    rejection: Rejection | None = None
    outcome: Outcome | None = None


class Busy(Retryable):
    """More is waiting for the engine than it will take on; slow down and try again."""


class _Unjudged(Exception):  # noqa: N818 - never leaves this module
    """Judging these events broke, and the windows may hold them: carries their ids."""

    def __init__(self, ids: frozenset[str]) -> None:
        super().__init__(", ".join(sorted(ids)))
        self.ids = ids


class _Work(msgspec.Struct):
    tenant: str
    items: Sequence[object]
    source: str
    future: "Future[list[Answer]]"


class _Tenant:
    """What the writer keeps in memory of one tenant: its windows up to an arrival, and its lists for a moment."""

    def __init__(self, pack: Pack, limits: EventLimits, late_horizon: Micros) -> None:
        self.pack = pack
        self.reader = Reader(pack.kinds, limits, pack.address_rules)
        self._late_horizon = late_horizon
        self.clear_windows()
        self.lists: Mapping[str, frozenset[str]] = {}
        self.lists_at: Micros = -(2**62)

    def clear_windows(self) -> None:
        """Begin again before the first event."""
        # The pack's lists, not the tenant's own: a replay must see the same.
        self.windows = Windows(self.pack.plan, self._late_horizon, self.pack.list_values)
        self.arrival = 0


class Engine:
    """
    The writer of this process. `submit` may be called from any thread; one thread of its own does the work.

    What waits is taken together: one transaction answers many submissions, which is what makes it fast.
    """

    def __init__(
        self, pool: Pool, pack_of: Callable[[str], Pack], now: Callable[[], Micros], settings: Settings
    ) -> None:
        self._pool = pool
        self._pack_of = pack_of
        self._now = now
        self._settings = settings
        self._limits = EventLimits(
            horizon=settings.event_horizon, future=settings.future_skew,
            content_bytes=settings.content_limit_bytes,
        )  # fmt: skip
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._tenants: dict[str, _Tenant] = {}
        self._thread: threading.Thread | None = None
        self._waiting = 0
        self._guard = threading.Lock()
        self._closed = False
        self._warming: list[Future[list[Answer]]] = []

    @property
    def waiting(self) -> int:
        """Items submitted and not yet answered."""
        return self._waiting

    @property
    def is_running(self) -> bool:
        """True while the engine's thread takes submissions."""
        return self._thread is not None and self._thread.is_alive() and not self._closed

    @property
    def is_warm(self) -> bool:
        """True when every log that `warm` asked for is in the windows."""
        return all(future.done() for future in self._warming)

    def start(self) -> None:
        """Begin to work; a second call does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Answer what was submitted, then stop. Later submissions fail with Retryable."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join(timeout=30)

    def warm(self, tenants: Iterable[str]) -> None:
        """Begin to read these tenants' logs into their windows, before the first event comes; see `is_warm`."""
        self._warming = [self.submit(tenant, []) for tenant in tenants]

    def submit(self, tenant: str, items: Sequence[object], source: str = "api") -> "Future[list[Answer]]":
        """
        Hand in items (decoded JSON, or bytes of one JSON value each); the future holds one Answer an item, in order.

        Raises Busy when too much waits already, Retryable when the engine is stopping. The future raises Retryable
        when the database was away: send it again then; should some of it have been kept, that is answered as duplicate.
        """
        work = _Work(tenant, items, source, Future())
        with self._guard:
            if self._closed:
                raise Retryable("the engine is stopping")
            if self._waiting and self._waiting + len(items) > self._settings.queue_limit:
                raise Busy(f"{self._waiting} events are waiting already")
            self._waiting += len(items)
            self._queue.put(work)
        return work.future

    def _run(self) -> None:
        stopping = False
        while not stopping:
            first = self._queue.get()
            if first is None:
                return
            batch = [first]
            size = len(first.items)
            while size < _MOST_PER_TRANSACTION:
                try:
                    work = self._queue.get_nowait()
                except queue.Empty:
                    break
                if work is None:
                    stopping = True
                    break
                batch.append(work)
                size += len(work.items)
            by_tenant: dict[str, list[_Work]] = {}
            for work in batch:
                if work.future.set_running_or_notify_cancel():  # from here on nobody can cancel it
                    by_tenant.setdefault(work.tenant, []).append(work)
            for tenant, works in by_tenant.items():
                self._serve(tenant, works)
            with self._guard:
                self._waiting -= size

    def _serve(self, tenant: str, works: list[_Work]) -> None:
        """Answer these submissions; when they fail together, one by one, so that none harms another."""
        try:
            answers = self._handle(tenant, works)
        except Exception as error:  # noqa: BLE001 - the outermost loop: what one event breaks must not stop the others
            if _is_away(error):
                self._fail(tenant, works, error)
                return
            self._forget(tenant)
            if len(works) > 1:
                for work in works:
                    self._serve(tenant, [work])
            else:
                self._isolate(tenant, works[0])
            return
        for work, answered in zip(works, answers, strict=True):
            work.future.set_result(answered)

    def _isolate(self, tenant: str, work: _Work) -> None:
        """Find the item that cannot be handled, reject it, and answer the rest."""
        answers: list[Answer] = []
        try:
            for item in work.items:
                try:
                    answers += self._handle(tenant, [_Work(tenant, [item], work.source, work.future)])[0]
                except Exception as error:
                    if _is_away(error):
                        raise
                    self._forget(tenant)
                    _LOG.exception("an event of tenant %s could not be handled", tenant)
                    answers.append(self._give_up(tenant, item, work.source))
        except Exception as error:  # noqa: BLE001 - not even the rejection could be kept
            self._fail(tenant, [work], error)
            return
        work.future.set_result(answers)

    def _fail(self, tenant: str, works: Sequence[_Work], error: Exception) -> None:
        """Tell who waits to come again, and look which connections are still alive."""
        self._forget(tenant)
        for work in works:
            work.future.set_exception(Retryable(f"the database is away: {error}"))
        try:
            self._pool.check()  # a server that was restarted has broken them all; each would fail a batch of its own
        except psycopg.Error as second:
            _LOG.warning("the database does not come back: %s", second)

    def _give_up(self, tenant: str, item: object, source: str) -> Answer:
        rejection = _internal_error(item)
        with self._pool.connection() as connection:
            rejections.add(connection, tenant, source, [rejection], self._now())
        return Answer("rejected", rejection.item_id, rejection=rejection)

    def _forget(self, tenant: str) -> None:
        """Throw away windows that may hold events the database does not; they are read from the log again."""
        self._tenants.pop(tenant, None)

    def _handle(self, tenant: str, works: Sequence[_Work]) -> list[list[Answer]]:
        unjudged: frozenset[str] = frozenset()
        while True:
            state = self._state(tenant)
            try:
                # Commits at the end of the block, rolls back on an exception.
                with self._pool.connection() as connection:
                    log.lock_tenant(connection, tenant)
                    _catch_up(connection, tenant, state)
                    return _handle_batch(connection, tenant, state, works, self._now(), unjudged)
            except _Unjudged as broken:
                # Found all at once, because for each return the windows are read from the log again.
                self._forget(tenant)
                unjudged |= broken.ids

    def _state(self, tenant: str) -> _Tenant:
        pack = self._pack_of(tenant)
        state = self._tenants.get(tenant)
        if state is None or state.pack.version != pack.version:
            state = self._tenants[tenant] = _Tenant(pack, self._limits, self._settings.late_horizon)
        return state


def _catch_up(connection: Connection, tenant: str, state: _Tenant) -> None:
    """Add what other processes wrote, or the whole log after a start, to the windows."""
    last = log.last_arrival(connection, tenant)
    if last == state.arrival:
        return
    if last < state.arrival:  # the database was put back to an earlier state behind our back
        state.clear_windows()
    for arrival, event in log.tail(connection, tenant, state.arrival):
        state.windows.observe(event, entities_of(event, state.pack))
        state.arrival = arrival


def _handle_batch(
    connection: Connection,
    tenant: str,
    state: _Tenant,
    works: Sequence[_Work],
    now: Micros,
    unjudged: frozenset[str],
) -> list[list[Answer]]:
    pack = state.pack
    read = [[state.reader.read(item, tenant, now) for item in work.items] for work in works]
    if unjudged:
        read = [_refuse(work.items, items, unjudged) for work, items in zip(works, read, strict=True)]
    fresh, repeats, refused, hashes = _sort_out(connection, tenant, read)
    entities = {event_id: entities_of(arrived.event, pack) for event_id, arrived in fresh.items()}
    known = _gather(connection, tenant, state, fresh, entities, now)
    outcomes: dict[str, Outcome] = {}
    broken: set[str] = set()
    for event_id, arrived in fresh.items():
        try:
            outcome = process(arrived, known, state.windows, pack)
        except Exception:  # noqa: BLE001 - one event that breaks must not stop the others
            _LOG.exception("an event of tenant %s could not be judged", tenant)
            broken.add(event_id)
            continue
        known.learn(outcome)
        outcomes[event_id] = outcome
    if broken:
        raise _Unjudged(frozenset(broken))
    first_arrival = state.arrival + 1
    rows = [
        log.LogRow(first_arrival + number, outcome.event, hashes[event_id], outcome.facts, outcome.decision)
        for number, (event_id, outcome) in enumerate(outcomes.items())
    ]
    seen = [_account_row(outcome, entities[event_id], pack) for event_id, outcome in outcomes.items()]
    _apply(connection, tenant, pack, rows, list(outcomes.values()), seen, now)
    state.arrival += len(outcomes)
    earlier = log.decisions_for(connection, tenant, repeats - outcomes.keys())

    answers: list[list[Answer]] = []
    answered: set[str] = set()
    for work, items in zip(works, read, strict=True):
        answers.append([_answer(item, outcomes, earlier, refused, answered) for item in items])
        rejected = [answer.rejection for answer in answers[-1] if answer.rejection is not None]
        if rejected:
            rejections.add(connection, tenant, work.source, rejected, now)
    return answers


def _refuse(
    items: Sequence[object], read: Sequence[Arrived | Rejection], unjudged: frozenset[str]
) -> list[Arrived | Rejection]:
    """Put a rejection in the place of each event that cannot be judged."""
    return [
        _internal_error(item) if isinstance(found, Arrived) and found.event.id in unjudged else found
        for item, found in zip(items, read, strict=True)
    ]


def _internal_error(item: object) -> Rejection:
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


def _sort_out(
    connection: Connection, tenant: str, read: Sequence[Sequence[Arrived | Rejection]]
) -> tuple[dict[str, Arrived], set[str], dict[int, Rejection], dict[str, bytes]]:
    """
    Return new events by id in order, ids seen before, the rejections of ids used for something else, and body hashes.

    Rejections are keyed by the identity of the Arrived that was refused, hashes by event id.
    """
    arrived = [item for items in read for item in items if isinstance(item, Arrived)]
    stored = log.known_ids(connection, tenant, [item.event.id for item in arrived])
    fresh: dict[str, Arrived] = {}
    repeats: set[str] = set()
    refused: dict[int, Rejection] = {}
    hashes: dict[str, bytes] = {event_id: body for event_id, (_, _, body) in stored.items()}
    for item in arrived:
        event = item.event
        hashed = body_hash(event)
        if event.id not in hashes:
            hashes[event.id] = hashed
            fresh[event.id] = item
        elif hashes[event.id] == hashed:
            repeats.add(event.id)
        else:
            refused[id(item)] = Rejection(
                "id_reused", "id", f"the id {event.id!r} was used before for a different event",
                "give every event an id of its own", event.id, msgspec.json.encode(event.data),
            )  # fmt: skip
    return fresh, repeats, refused, hashes


def _answer(
    item: Arrived | Rejection,
    outcomes: Mapping[str, Outcome],
    earlier: Mapping[str, Decision],
    refused: Mapping[int, Rejection],
    answered: set[str],
) -> Answer:
    if isinstance(item, Rejection):
        return Answer("rejected", item.item_id, rejection=item)
    event_id = item.event.id
    if id(item) in refused:
        return Answer("rejected", event_id, rejection=refused[id(item)])
    outcome = outcomes.get(event_id)
    if outcome is None:
        return Answer("duplicate", event_id, decision=earlier.get(event_id))
    status: Literal["accepted", "duplicate"] = "duplicate" if event_id in answered else "accepted"
    answered.add(event_id)
    return Answer(status, event_id, decision=outcome.decision, outcome=outcome)


def _gather(
    connection: Connection,
    tenant: str,
    state: _Tenant,
    fresh: Mapping[str, Arrived],
    entities: Mapping[str, Mapping[str, str]],
    now: Micros,
) -> Known:
    """Read what the batch's entities are known by, in a handful of queries."""
    if now - state.lists_at >= _LISTS_FRESH:
        own = lists.own_values(connection, tenant, now)
        state.lists = {
            name: state.pack.list_values.get(name, frozenset()) | own.get(name, frozenset())
            for name in state.pack.list_values.keys() | own.keys()
        }
        state.lists_at = now
    subjects: set[tuple[str, str]] = set()
    holders: set[str] = set()
    missing: set[str] = set()
    for event_id, item in fresh.items():
        named = entities[event_id]
        subjects.update(named.items())
        if "account" in named:
            holders.add(named["account"])
        if item.event.content is not None and item.content is None:
            missing.add(item.event.content)
    wanted = {(type_, key) for type_, key in subjects if type_ in state.pack.triage.all_subjects}
    open_cases: Iterable[OpenCase] = casework.open_cases(connection, tenant, wanted) if wanted else ()
    return Known(
        lists=state.lists,
        standings=accounts.standings(connection, tenant, holders) if holders else {},
        cases={(case.subject_type, case.subject): case for case in open_cases},
        contents=contents.bodies(connection, tenant, missing) if missing else {},
    )


def _apply(
    connection: Connection,
    tenant: str,
    pack: Pack,
    rows: Sequence[log.LogRow],
    outcomes: Sequence[Outcome],
    seen: Sequence[accounts.Seen],
    now: Micros,
) -> None:
    """Write everything that follows from a batch, outbox rows included."""
    if not outcomes:
        return
    log.append(connection, tenant, rows, now)
    bodies = {o.content.digest: o.content for o in outcomes if o.content is not None}
    scans = {o.content.digest: o.scan for o in outcomes if o.content is not None and o.scan is not None}
    if bodies:
        contents.keep(connection, tenant, bodies.values(), now)
        contents.keep_scans(connection, tenant, scans, pack.version, now)
    accounts.update(connection, tenant, seen, now)
    moves = [outcome.move for outcome in outcomes if outcome.move is not None]
    if moves:
        accounts.apply_moves(connection, tenant, moves)
    changes = [outcome.case for outcome in outcomes if outcome.case is not None]
    if changes:
        casework.apply_changes(connection, tenant, changes, now)
    drafts: dict[str, Notice] = {}
    asked: dict[str, tuple[Action, Decision]] = {}
    for outcome in outcomes:  # of what is asked for twice the first counts; the store holds to that across batches
        if outcome.notice is not None:
            drafts.setdefault(outcome.notice.id, outcome.notice)
        for action in outcome.decision.actions:
            asked.setdefault(action.id, (action, outcome.decision))
    if drafts:
        notices.keep(connection, tenant, drafts.values())
    if asked:
        outbox.add(connection, tenant, list(asked.values()), now)


def _account_row(outcome: Outcome, entities: Mapping[str, str], pack: Pack) -> accounts.Seen:
    event: Event = outcome.event
    profile: dict[str, str] = {}
    if event.kind.startswith("account."):
        profile = {name: str(value) for name in PROFILE_FIELDS if (value := event.data.get(name)) is not None}
    return accounts.Seen(
        account=outcome.decision.account,
        at=event.at,
        verdict=outcome.decision.verdict.value,
        profile=profile,
        entities=tuple(pair for pair in entities.items() if pair[0] in pack.kinds.linking),
    )
