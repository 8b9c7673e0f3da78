"""
The writer of this process: one thread judges, another keeps what was judged; see docs/explanation/engine.md.

Whoever holds a tenant's lock is its writer; see docs/decisions/0001. Nothing outside is called from here: effects
become outbox rows in the same transaction as the decisions that ask for them.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial

import psycopg
from psycopg_pool import PoolTimeout

from goodsend.events.canonical import EventLimits
from goodsend.handle import batch as judging
from goodsend.handle.batch import Batch
from goodsend.handle.garbage import Frost
from goodsend.handle.hold import Hold
from goodsend.handle.keep import Kept, keep
from goodsend.handle.lanes import Lanes
from goodsend.handle.memory import Memory
from goodsend.handle.model import Answer, Busy, Part, Progress, Unjudged, Work, size_of
from goodsend.handle.snapshots import keep as keep_snapshot
from goodsend.handle.writer import Writer
from goodsend.kit.clock import Micros
from goodsend.kit.errors import Retryable
from goodsend.pack import Pack
from goodsend.settings import Settings
from goodsend.store import log, rejections, snapshots
from goodsend.store.connection import Connection, Pool

_LOG = logging.getLogger("goodsend.engine")
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
"""What psycopg raises when the server, its disk or the way to it is gone, rather than when we asked for nonsense."""
_LIMITS = "54"
"""The class of SQLSTATE for a row or statement beyond a limit: an OperationalError, but the event's fault."""

_NO_EVENTS = ("0A", "25", "26", "42")
"""
Classes of SQLSTATE that speak of the connection or the tables, never of an event: what was prepared is gone, a table
is not as it was. Another connection may do better; looking for an event to blame would only take long.
"""

_PATIENCE_S = 30.0
"""How long a stop waits for what was submitted, before who waits is told to come again."""

_OVERLAP_EVENTS = 8
"""
With fewer waiting, a batch waits for the one before it, and takes in who comes meanwhile: fewer transactions. With 16
clients that wait for their decisions one half is judged while the other is written (benchmarks/decisions_http.py).
"""

_HOLD_S = 0.25
"""How long a tenant is held at most while others may want it: other processes, and other tenants here."""

_LINGER_S = 0.005
"""How long it is held when there is nothing to do: letting go and taking it again costs a round trip each."""


def _is_away(error: Exception) -> bool:
    """Say whether an error means that the same work may succeed later, rather than that an event cannot be stored."""
    if isinstance(error, psycopg.errors.PipelineAborted):
        return False
    beyond = isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_LIMITS)
    return isinstance(error, _AWAY) and not beyond


def _is_no_events_fault(error: Exception) -> bool:
    """Say whether an error that came twice is not to be looked for in the events."""
    ours = isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_NO_EVENTS)
    return ours or _is_away(error)


class _OnItsWay:
    """A judged batch that is being written."""

    def __init__(self, batch: Batch, kept: "Future[Kept]") -> None:
        self.batch = batch
        self.kept = kept


class Engine:
    """
    The writer of this process. `submit` may be called from any thread.

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
        self._changed = threading.Condition()
        self._lanes = Lanes()
        self._in_hand = 0
        self._bytes = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._open: dict[int, Work] = {}
        self._submitted = 0
        self._warming: list[Future[list[Answer]]] = []
        # Of the engine's thread alone:
        self._memories: dict[str, Memory] = {}
        self._deciding: dict[str, Pack] = {}
        self._hold = Hold(pool)
        self._on_its_way: _OnItsWay | None = None
        self._writer = Writer()
        self._frost = Frost()

    @property
    def waiting(self) -> int:
        """Items submitted and not yet answered."""
        with self._changed:
            return self._lanes.events + self._in_hand

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
        """
        Answer what was submitted, then stop. Later submissions fail with Retryable.

        What cannot be answered in half a minute (a lock that somebody keeps, a database that says nothing) fails with
        Retryable, too; it may have been kept, and is a duplicate then when it is sent again.
        """
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=_PATIENCE_S)
        self._abandon()
        for memory in list(self._memories.values()):
            memory.stop_rebuild()
        self._writer.close()

    def _abandon(self) -> None:
        """Tell everybody who still waits to come again."""
        with self._changed:
            left = list(self._open.values())
        for work in left:
            work.fail(Retryable("the engine has stopped"))

    def warm(self, tenants: Iterable[str]) -> None:
        """Begin to read these tenants' logs into their windows, before the first event comes; see `is_warm`."""
        self._warming = [self.submit(tenant, []) for tenant in tenants]

    def submit(self, tenant: str, items: Sequence[object], source: str = "api") -> "Future[list[Answer]]":
        """
        Hand in items (decoded JSON, or bytes of one JSON value each); the future holds one Answer an item, in order.

        Submissions of one source other than `api` are worked off in their order; those of the API as long as each fits
        into a slice (`lanes.py`).

        Raises Busy when too much waits already, Retryable when the engine is stopping. The future raises Retryable
        when the database was away: send it again then; should some of it have been kept, that is answered as duplicate.
        """
        size = sum(map(size_of, items))
        work = Work(tenant, items, source, Future(), size)
        with self._changed:
            if self._closed:
                raise Retryable("the engine is stopping")
            waiting = self._lanes.events + self._in_hand
            if waiting and waiting + len(items) > self._settings.queue_limit:
                raise Busy(f"{waiting} events are waiting already")
            if waiting and self._bytes + size > self._settings.queue_limit_bytes:
                raise Busy(f"{self._bytes:,} bytes of events are waiting already")
            self._bytes += size
            self._submitted += 1
            number = self._submitted
            self._open[number] = work
            self._lanes.put(work)
            self._changed.notify_all()
        # By its number: a callback that held the work would be a circle, and keep all of it until somebody collects.
        work.future.add_done_callback(partial(self._close_work, number))
        return work.future

    def _close_work(self, number: int, future: object) -> None:
        del future
        with self._changed:
            self._bytes -= self._open.pop(number).size

    def progress(self) -> list[Progress]:
        """Return how far the engine is with each tenant it has begun with, for people to see."""
        return [memory.progress() for memory in list(self._memories.values())]

    def keep_windows(self, tenant: str) -> bool:
        """Keep a tenant's windows for the next start, after `close`; False when there is little new in them."""
        memory = self._memories.get(tenant)
        if self._thread is None or self._thread.is_alive() or memory is None or memory.uncommitted:
            return False
        with self._pool.connection() as connection:
            kept = snapshots.latest_arrivals(connection).get(tenant, 0)
        if memory.arrival - kept < self._settings.snapshot_events:
            return False
        keep_snapshot(self._pool, tenant, memory.pack, memory.windows, memory.arrival, self._now())
        return True

    # -- the engine's thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._work()
        finally:  # whatever ended it: nobody waits for an engine that is gone
            with self._changed:
                self._closed = True
            self._abandon()

    def _work(self) -> None:
        while True:
            taken = self._next()
            if taken is not None:
                tenant, parts = taken
                if parts:
                    self._guarded(self._serve, tenant, parts)
            elif self._on_its_way is not None:
                self._settle()
            else:
                self._hold.release()
                if self._is_done():
                    return

    def _guarded(self, serve: Callable[..., None], tenant: str, parts: Sequence[Part], *more: Exception | None) -> None:
        """Work these parts off; an error that nothing else caught ends their waiting, and not the engine."""
        try:
            serve(tenant, parts, *more)
        except Exception as error:  # noqa: BLE001 - told to who waits
            _LOG.error("a batch of tenant %s was given up", tenant, exc_info=error)
            self._fail(tenant, parts, error)

    def _is_done(self) -> bool:
        with self._changed:
            return self._closed and not self._lanes

    def _next(self) -> tuple[str, list[Part]] | None:
        """Wait for the next slice. None: the batch on its way has arrived, or there has been nothing to do."""
        with self._changed:
            while True:
                way = self._on_its_way
                if way is not None and way.kept.done():
                    return None
                if self._lanes and (way is None or self._lanes.events >= _OVERLAP_EVENTS):
                    mine = self._hold.tenant if self._hold.age_s < _HOLD_S else None
                    taken = self._lanes.take(mine)
                    if taken is not None:
                        self._in_hand += sum(len(part.items) for part in taken[1])
                    return taken
                if self._closed and way is None and not self._lanes:
                    return None
                idle = way is None and self._hold.tenant is not None
                if not self._changed.wait(_LINGER_S if idle else None) and idle:
                    return None

    def _serve(self, tenant: str, parts: Sequence[Part]) -> None:
        """Judge these parts while the batch before is being written, then hand them over to be written."""
        if self._on_its_way is not None and not self._may_overlap(tenant):
            self._settle()
        before = self._on_its_way
        try:
            batch = self._judge(tenant, parts, before.batch if before else None, frozenset())
        except Exception as error:  # noqa: BLE001 - the outermost loop: what one event breaks must not stop the others
            self._settle()
            self._serve_alone(tenant, parts, error)
            return
        again = False
        if before is not None:
            kept = self._settle()
            if kept is None:  # the windows this was judged by are gone
                self._serve_alone(tenant, parts)
                return
            again = kept.judged_again
        if batch.is_empty:
            self._answered(parts, [[] for _ in parts])
            return
        future = self._writer.submit(lambda: self._keep(batch, again))
        self._on_its_way = _OnItsWay(batch, future)
        future.add_done_callback(self._wake)
        self._frost.came(len(batch.outcomes))

    def _may_overlap(self, tenant: str) -> bool:
        """Say whether windows and lock stay as they are for the next batch of this tenant."""
        memory = self._memories.get(tenant)
        if memory is None:
            return False
        wanted, coming = self._pack_of(tenant).version, memory.rebuild
        if memory.pack.version != wanted and (coming is None or coming.pack.version != wanted or coming.is_near):
            return False
        return self._hold.tenant == tenant and self._hold.age_s < _HOLD_S

    def _keep(self, batch: Batch, doubtful: bool) -> Kept:
        """Write a batch and answer who waits. The one thing that runs in the writer's thread."""
        kept = keep(self._pool, batch, doubtful=doubtful)
        self._answered(batch.parts, kept.answers)
        return kept

    def _wake(self, future: object) -> None:
        del future
        with self._changed:
            self._changed.notify_all()

    def _settle(self) -> Kept | None:
        """Wait for the batch that is being written, if there is one; one that failed is worked off again. None then."""
        way, self._on_its_way = self._on_its_way, None
        if way is None:
            return None
        try:
            kept = way.kept.result()
        except Exception as error:  # noqa: BLE001 - told to who waits, or found out one by one
            self._guarded(self._serve_alone, way.batch.tenant, way.batch.parts, error)
            return None
        memory = self._memories.get(way.batch.tenant)
        if memory is not None:
            memory.committed(way.batch.outcomes.values())
        return kept

    def _serve_alone(self, tenant: str, parts: Sequence[Part], error: Exception | None = None) -> None:
        """
        Answer parts whose batch failed with `error` (None: it did not get its chance), with nothing else on its way;
        when they fail together again, in halves, so that none harms another.
        """
        if error is not None and _is_away(error):
            self._fail(tenant, parts, error)
            return
        self._forget(tenant)
        unjudged = error.ids if isinstance(error, Unjudged) else frozenset()
        try:
            answers = self._handle(tenant, parts, unjudged)
        except Exception as second:  # noqa: BLE001 - the outermost loop
            if _is_no_events_fault(second):
                self._fail(tenant, parts, second)
                return
            _LOG.warning("a batch of tenant %s could not be handled: %s", tenant, second)
            self._forget(tenant)
            for part in parts:
                self._isolate(tenant, part)
            return
        self._answered(parts, answers)

    def _isolate(self, tenant: str, part: Part) -> None:
        """Find the items that cannot be handled, reject them, and answer the rest."""
        try:
            answers = self._divide(tenant, part, part.items)
        except Exception as error:  # noqa: BLE001 - not even the rejection could be kept
            self._fail(tenant, [part], error)
            return
        self._answered([part], [answers])

    def _divide(self, tenant: str, part: Part, items: Sequence[object]) -> list[Answer]:
        try:
            return self._handle(tenant, [Part(part.work, items)])[0]
        except Exception as error:
            if _is_no_events_fault(error):
                raise
            self._forget(tenant)
            if len(items) == 1:
                _LOG.exception("an event of tenant %s could not be handled", tenant)
                return [self._give_up(tenant, items[0], part.work.source)]
        middle = len(items) // 2
        return self._divide(tenant, part, items[:middle]) + self._divide(tenant, part, items[middle:])

    def _fail(self, tenant: str, parts: Sequence[Part], error: Exception) -> None:
        """Tell who waits to come again, and look which connections are still alive."""
        told = str(error).partition("\n")[0]  # what follows is advice to whoever runs the database
        self._done_with(parts)
        for part in parts:
            part.work.fail(Retryable(f"the database is away: {told}"))
        self._forget(tenant)
        try:
            self._hold.drop()
            self._pool.check()  # a server that was restarted has broken them all; each would fail a batch of its own
        except Exception as second:  # noqa: BLE001 - who waits was told
            _LOG.warning("the database does not come back: %s", second)

    def _give_up(self, tenant: str, item: object, source: str) -> Answer:
        rejection = judging.internal_error(item)
        with self._pool.connection() as connection:
            rejections.add(connection, tenant, source, [rejection], self._now())
        return Answer("rejected", rejection.item_id, rejection=rejection)

    def _answered(self, parts: Sequence[Part], answers: Sequence[Sequence[Answer]]) -> None:
        self._done_with(parts)
        for part, answered in zip(parts, answers, strict=True):
            part.work.answer(answered)

    def _done_with(self, parts: Sequence[Part]) -> None:
        with self._changed:
            for part in parts:
                if part.is_in_hand:
                    part.is_in_hand = False
                    self._in_hand -= len(part.items)

    def _forget(self, tenant: str) -> None:
        """Throw away windows that may hold events the database does not; they are read from the log again."""
        memory = self._memories.get(tenant)
        if memory is not None and memory.uncommitted:
            memory.stop_rebuild()
            del self._memories[tenant]

    def _handle(self, tenant: str, parts: Sequence[Part], unjudged: frozenset[str] = frozenset()) -> list[list[Answer]]:
        """Judge and write parts with nothing else on its way."""
        while True:
            try:
                batch = self._judge(tenant, parts, None, unjudged)
                break
            except Unjudged as broken:
                self._forget(tenant)
                unjudged |= broken.ids
        if batch.is_empty:
            return [[] for _ in parts]
        kept = keep(self._pool, batch)
        self._memories[tenant].committed(batch.outcomes.values())
        return kept.answers

    # -- judging ------------------------------------------------------------------------------------------------------

    def _judge(self, tenant: str, parts: Sequence[Part], before: Batch | None, unjudged: frozenset[str]) -> Batch:
        """Return the parts as a judged batch. `before` is on its way into the log, None: everything judged is there."""
        memory = self._memory(tenant)
        batch = judging.read_batch(memory, parts, self._now(), unjudged)
        judging.name_entities(batch)
        try:
            connection = self._hold.connection()
            with connection.pipeline():
                self._hold.ask(tenant, renew=self._hold.age_s >= _HOLD_S)
                last = log.ask_last_arrival(connection, tenant) if before is None else None
                ids = judging.ask_ids(connection, batch)
                asked = judging.ask_known(connection, batch, locked=False)
                ids()
                known = asked()
                last_arrival = last() if last is not None else None
            if last_arrival is not None:
                self._catch_up(connection, memory, last_arrival)
            known.lists = batch.lists = memory.lists(connection, batch.now)
            batch.lists_at = memory.lists_at
            known.asked = memory.asked_on(connection, batch.times)
        except BaseException:
            self._hold.drop()
            raise
        if before is not None:
            judging.lay_over(known, before)
        judging.sort_out(batch, before)
        judging.judge(batch, known, memory)
        return batch

    def _catch_up(self, connection: Connection, memory: Memory, last: int) -> None:
        if memory.arrival == last:
            return
        connection.autocommit = False  # the log is read through a cursor, which lives in a transaction
        try:
            memory.catch_up(connection, last)
            connection.rollback()
        finally:
            connection.autocommit = True

    def _memory(self, tenant: str) -> Memory:
        """Return what is known of a tenant. Another pack may take over here only with nothing on its way."""
        pack = self._pack_of(tenant)
        memory = self._memories.get(tenant)
        if memory is None:
            deciding = self._deciding.get(tenant, pack)
            memory = Memory(tenant, deciding, self._limits, self._settings.late_horizon)
            with self._pool.connection() as connection:  # without the lock: others go on writing meanwhile
                memory.warm_up(connection)
            self._memories[tenant] = memory
            self._frost.came(memory.arrival)
        if self._on_its_way is None:
            if memory.pack.version == pack.version:
                memory.stop_rebuild()
            else:
                memory.change_to(pack, self._pool, lambda: self.waiting > 0)
            self._deciding[tenant] = memory.pack
        return memory
