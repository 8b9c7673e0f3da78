"""
Who is next. What waits is worked off in slices, and tenants and submissions take turns, so that nobody waits for
another's large batch to end.

Submissions that fit into a slice keep their order among themselves. A larger one has a lane of its own, and so has each
source but the API, because a file's lines are in order. Not shared between threads: the engine guards it.
"""

from collections import OrderedDict, deque

from goodsend.handle.model import Part, Work, size_of

SLICE_EVENTS = 1_000
SLICE_BYTES = 500_000
"""A slice ends with the event that goes beyond: about a quarter of a second of scanning mail."""

_SMALL = ""
_ANYBODY = "api"


def is_large(work: Work) -> bool:
    """Say whether a submission does not fit into a slice."""
    return len(work.items) > SLICE_EVENTS or work.size > SLICE_BYTES


class Lanes:
    """What waits, by tenant and lane. `events` counts items that were not handed out yet."""

    def __init__(self) -> None:
        self.events = 0
        self._tenants: OrderedDict[str, OrderedDict[str, deque[Work]]] = OrderedDict()
        self._number = 0

    def __bool__(self) -> bool:
        return bool(self._tenants)

    def put(self, work: Work) -> None:
        """Let a submission wait for its turn."""
        lane = _SMALL
        if work.source != _ANYBODY:
            lane = work.source
        elif is_large(work):
            self._number += 1
            lane = f"#{self._number}"
        lanes = self._tenants.setdefault(work.tenant, OrderedDict())
        is_first = lane == _SMALL and lane not in lanes
        lanes.setdefault(lane, deque()).append(work)
        if is_first:  # it has had nothing for a while: a single decision does not wait for another slice of the large
            lanes.move_to_end(lane, last=False)
        self.events += len(work.items)

    def take(self, prefer: str | None = None) -> tuple[str, list[Part]] | None:
        """
        Hand out the next slice: of the tenant `prefer` when it has any, else of who has waited longest.

        None when nothing waits. A slice may turn out empty: who gave up before its turn is left out.
        """
        if not self._tenants:
            return None
        tenant = prefer if prefer is not None and prefer in self._tenants else next(iter(self._tenants))
        lanes = self._tenants[tenant]
        parts: list[Part] = []
        events, size = SLICE_EVENTS, SLICE_BYTES
        for name in list(lanes):
            if name != _SMALL and parts and parts[0].work.source == _ANYBODY and not is_large(parts[0].work):
                events, size = min(events, SLICE_EVENTS // 4), min(size, SLICE_BYTES // 4)  # the small ones wait for it
            if events <= 0 or size <= 0:
                break
            events, size = self._take(lanes[name], parts, events, size)
            if lanes[name]:
                lanes.move_to_end(name)
            else:
                del lanes[name]
        if lanes:
            self._tenants.move_to_end(tenant)
        else:
            del self._tenants[tenant]
        return tenant, parts

    def _take(self, lane: deque[Work], parts: list[Part], events: int, size: int) -> tuple[int, int]:
        while lane and events > 0 and size > 0:
            work = lane[0]
            first = work.taken
            if work.future.done() or (not first and not work.future.set_running_or_notify_cancel()):
                self._drop(lane)
                continue
            last = first
            while last < len(work.items) and events > 0 and size > 0:
                size -= size_of(work.items[last])
                events -= 1
                last += 1
            work.taken = last
            self.events -= last - first
            parts.append(Part(work, work.items[first:last]))
            if last == len(work.items):
                lane.popleft()
        return events, size

    def _drop(self, lane: deque[Work]) -> None:
        work = lane.popleft()
        self.events -= len(work.items) - work.taken
