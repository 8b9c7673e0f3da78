"""
Other definitions while events come in: windows that mean the same are shared, new ones are built from the log beside
the old, which go on deciding; then the engine changes over between two batches.
"""

import logging
import threading
import time
from collections.abc import Callable

from goodsend.events.model import Event
from goodsend.features.compute import Windows
from goodsend.kit.clock import Micros
from goodsend.pack import Pack
from goodsend.pipeline import entities_of
from goodsend.store import log
from goodsend.store.connection import Connection, Pool

_LOG = logging.getLogger("goodsend.engine")
_NEAR = 1_000
"""So many events are left to the engine itself: they take it a few hundredths of a second."""

_STRETCH = 500
"""After so many events it looks whether decisions are waiting, and rests as long as they took if so."""


class Rebuild:
    """
    Windows for another pack on their way. `done` is the last event of the log in them, `total` where that stood.

    Beside the engine's thread one of its own works here, on tables that nobody else touches, until it `is_near`.
    """

    def __init__(self, tenant: str, pack: Pack, old: Pack, windows: Windows, late_horizon: Micros) -> None:
        self.tenant = tenant
        self.pack = pack
        self.done = 0
        self.total = 0
        self._whole = old.entity_fields != pack.entity_fields
        if self._whole:  # keys come from other fields: nothing means the same
            self.windows, missing = Windows(pack.plan, late_horizon, pack.list_values), True
        else:
            self.windows, groups = windows.migrate(pack.plan, pack.list_values)
            missing = bool(groups)
        self.is_near = not missing
        self._needed = missing
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, pool: Pool, is_busy: Callable[[], bool]) -> None:
        """Begin to read the log, where that is needed."""
        if self._needed:
            self._thread = threading.Thread(
                target=self._run, args=(pool, is_busy), name=f"rebuild-{self.tenant}", daemon=True
            )
            self._thread.start()

    def cancel(self) -> None:
        """Give up: something else is wanted by now, or the old windows are gone."""
        self._stop.set()

    def finish(self, connection: Connection, old: Windows, arrival: int) -> Windows:
        """Add what is left up to an arrival, with everything before it committed, and return the windows."""
        if self._thread is not None:
            self._thread.join()
        if self._needed:
            self._read(connection, arrival, lambda: False)
        if not self._whole:
            self.windows.take_over(old)
        return self.windows

    def _run(self, pool: Pool, is_busy: Callable[[], bool]) -> None:
        began = time.monotonic()
        _LOG.info("tenant %s: windows for pack %s are built from the log", self.tenant, self.pack.version)
        while not self._stop.is_set():
            try:
                with pool.connection() as connection:
                    self.total = log.last_arrival(connection, self.tenant)
                    if self.total - self.done > _NEAR:
                        self._read(connection, self.total, is_busy)
                        continue
            except Exception as error:  # noqa: BLE001 - the outermost loop of this thread
                _LOG.warning("tenant %s: building windows stopped, and goes on: %s", self.tenant, error)
                self._stop.wait(5)
                continue
            _LOG.info("tenant %s: they are built, in %.0f s", self.tenant, time.monotonic() - began)
            self.is_near = True
            return

    def _read(self, connection: Connection, until: int, is_busy: Callable[[], bool]) -> None:
        began = time.monotonic()
        for number, (arrival, event) in enumerate(log.tail(connection, self.tenant, self.done), 1):
            if arrival > until or self._stop.is_set():
                return
            self._feed(event)
            self.done = arrival
            if number % _STRETCH == 0:
                if is_busy():
                    self._stop.wait(time.monotonic() - began)
                began = time.monotonic()

    def _feed(self, event: Event) -> None:
        entities = entities_of(event, self.pack)
        if self._whole:
            self.windows.observe(event, entities)
        else:
            self.windows.rebuild(event, entities)
