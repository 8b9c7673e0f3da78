"""What the writer keeps in memory of one tenant: its windows up to an arrival, and its lists for a moment."""

from collections.abc import Callable, Collection, Mapping

from goodsend.decisions.breaker import Counted, limits_of
from goodsend.events.canonical import EventLimits, Reader
from goodsend.features.compute import Windows
from goodsend.handle.model import Progress
from goodsend.handle.rebuild import Rebuild
from goodsend.handle.snapshots import restore
from goodsend.kit.clock import SECOND, Micros
from goodsend.pack import Pack
from goodsend.pipeline import Outcome, entities_of
from goodsend.store import breaker, lists, log
from goodsend.store.connection import Connection, Pool

LISTS_FRESH: Micros = 1 * SECOND


class Memory:
    """
    One tenant in this process. `arrival` is the last event in the windows; `uncommitted` of them may not be in the log.

    Not shared between threads: the engine's own one advances it.
    """

    def __init__(self, tenant: str, pack: Pack, limits: EventLimits, late_horizon: Micros) -> None:
        self.tenant = tenant
        self.pack = pack
        self.reader = Reader(pack.kinds, limits, pack.address_rules)
        self.uncommitted = 0
        self.rebuild: Rebuild | None = None
        self._limits = limits
        self._late_horizon = late_horizon
        self.clear_windows()
        self.asked = Counted(limits_of(pack.actions))
        self._lists: Mapping[str, frozenset[str]] = {}
        self.lists_at: Micros = -(2**62)

    def clear_windows(self) -> None:
        """Begin again before the first event."""
        self.stop_rebuild()
        # The pack's lists, not the tenant's own: a replay must see the same.
        self.windows = Windows(self.pack.plan, self._late_horizon, self.pack.list_values)
        self.arrival = 0

    def take_over(self, pack: Pack, windows: Windows, arrival: int) -> None:
        """Go on with another pack and these windows, which hold the log up to an arrival."""
        self.pack, self.windows, self.arrival = pack, windows, arrival
        self.asked = Counted(limits_of(pack.actions))
        self.reader = Reader(pack.kinds, self._limits, pack.address_rules)
        self.lists_at = -(2**62)

    def warm_up(self, connection: Connection) -> None:
        """Restore the latest snapshot, and read the log from there."""
        found = restore(connection, self.tenant, self.pack, self._late_horizon)
        if found is not None:
            self.windows, self.arrival = found
        self.catch_up(connection, log.last_arrival(connection, self.tenant))

    def progress(self) -> Progress:
        """Return how far this is."""
        coming = self.rebuild
        if coming is None:
            return Progress(self.tenant, self.pack.version, self.arrival)
        return Progress(self.tenant, self.pack.version, self.arrival, coming.pack.version, coming.done, coming.total)

    def change_to(self, pack: Pack, pool: Pool, is_busy: Callable[[], bool]) -> None:
        """
        Go on with another pack as soon as there are windows for it: at once where they mean the same as these.

        Called before every batch while another pack is wanted, with nothing on its way into the log.
        """
        coming = self.rebuild
        if coming is None or coming.pack.version != pack.version:
            self.stop_rebuild()
            coming = self.rebuild = Rebuild(self.tenant, pack, self.pack, self.windows, self.windows.late_horizon)
            coming.start(pool, is_busy)
        if coming.is_near:
            with pool.connection() as connection:
                windows = coming.finish(connection, self.windows, self.arrival)
            self.rebuild = None
            self.take_over(pack, windows, self.arrival)

    def stop_rebuild(self) -> None:
        """Give up a change that was begun."""
        if self.rebuild is not None:
            self.rebuild.cancel()
            self.rebuild = None

    def catch_up(self, connection: Connection, last: int) -> None:
        """Add what the log holds beyond the windows: what other processes wrote, or everything after a start."""
        if last == self.arrival:
            return
        if last < self.arrival:  # the database was put back to an earlier state behind our back
            self.clear_windows()
        self.asked.clear()
        for arrival, event in log.tail(connection, self.tenant, self.arrival):
            self.windows.observe(event, entities_of(event, self.pack))
            self.arrival = arrival

    def asked_on(self, connection: Connection, times: Collection[Micros]) -> Counted:
        """Return what rules asked for on the days of these events, to be added to; only what is written lies below."""
        breaker.catch_up(connection, self.tenant, self.asked, times)
        return self.asked.over()

    def committed(self, outcomes: Collection[Outcome]) -> None:
        """Note that a batch is in the database."""
        self.uncommitted -= len(outcomes)
        for outcome in outcomes:
            if outcome.decision.actions:
                self.asked.learn(outcome.decision.actions, outcome.event.at)

    def lists(self, connection: Connection, now: Micros) -> Mapping[str, frozenset[str]]:
        """Return the pack's lists with the tenant's own entries, as of `lists_at`: at most a second ago."""
        if now - self.lists_at >= LISTS_FRESH or now < self.lists_at:
            own = lists.own_values(connection, self.tenant, now)
            self._lists = {
                name: self.pack.list_values.get(name, frozenset()) | own.get(name, frozenset())
                for name in self.pack.list_values.keys() | own.keys()
            }
            self.lists_at = now
        return self._lists
