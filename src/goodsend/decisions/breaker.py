"""
The circuit breaker: an action may be asked for at most so many times an hour (`per_hour` in `actions.toml`).

A rule that went wrong must not stop a platform. Past the limit the action is held back, not lost: the decision keeps it
with the reason. Hours are those of the events' own time, so the same events in the same order are held back the same
way, and the breaker closes by itself with the next hour. What is asked for twice in a day is one act (its id says so)
and counts once. What people ask for does not count.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from goodsend.decisions.actions import ActionKind
from goodsend.decisions.model import Action, HeldBack
from goodsend.kit.clock import HOUR, Micros, format_time


class Counted(msgspec.Struct):
    """
    What rules asked for lately, of the actions that have a limit.

    `limits` are by action; `hours` say by action id in which hour it counted, `counts` how many each hour had. `days`
    are those of which all that was stored is in here. `base` lies below: what is written already, where this is what a
    batch adds to it.
    """

    limits: Mapping[str, int] = {}
    hours: dict[str, Micros] = {}
    counts: dict[tuple[str, Micros], int] = {}
    days: set[date] = set()
    base: "Counted | None" = None

    def over(self) -> "Counted":
        """Return an empty one that lies over this one."""
        return Counted(self.limits, base=self)

    def clear(self) -> None:
        """Forget all but the limits."""
        self.hours.clear()
        self.counts.clear()
        self.days.clear()

    def hour_of(self, action_id: str) -> Micros | None:
        """Return the hour in which an action id counted, None when it was not asked for."""
        hour = self.hours.get(action_id)
        return self.base.hour_of(action_id) if hour is None and self.base is not None else hour

    def count(self, name: str, hour: Micros) -> int:
        """Return how many of an action an hour had."""
        own = self.counts.get((name, hour), 0)
        return own if self.base is None else own + self.base.count(name, hour)

    def add(self, action_id: str, name: str, hour: Micros) -> None:
        """Count an action in an hour, once for each id."""
        if self.hour_of(action_id) is None:
            self.hours[action_id] = hour
            self.counts[name, hour] = self.counts.get((name, hour), 0) + 1

    def learn(self, actions: Iterable[Action], at: Micros) -> None:
        """Take in what a decision asked for, so that the next one counts on."""
        for action in actions:
            if action.name in self.limits:
                self.add(action.id, action.name, hour_of(at))


def limits_of(kinds: Mapping[str, ActionKind]) -> dict[str, int]:
    """Return the limits of the actions that have one."""
    return {name: kind.per_hour for name, kind in kinds.items() if kind.per_hour is not None}


def hour_of(at: Micros) -> Micros:
    """Return the beginning of the hour (UTC)."""
    return at - at % HOUR


def hold_back(actions: Sequence[Action], asked: Counted, at: Micros) -> tuple[tuple[Action, ...], tuple[HeldBack, ...]]:
    """Return the actions that may be asked for, and those past their limit in the hour of the event."""
    hour = hour_of(at)
    kept = []
    held = []
    for action in actions:
        limit = asked.limits.get(action.name)
        if limit is None or asked.hour_of(action.id) is not None or asked.count(action.name, hour) < limit:
            kept.append(action)
        else:
            reason = f"{action.name} was asked for {limit:,} times in the hour from {format_time(hour)} already"
            held.append(HeldBack(action, limit, reason))
    return tuple(kept), tuple(held)
