"""
Features of one tenant, advanced event by event: what each event feeds, and the `f.` facts it is judged by.

An event at time t sees, for a window w, the events with time in (t − w, t] that had arrived by then. Which of the
features an event feeds and reads follows from its kind and the keys it carries. No clock: time moves with the events.

How late an event may come is `late_horizon`. Up to there everything is exact. An event that is later still is taken
into memory where it can still matter, counted in `late_past_horizon`, and judged without the features that would need
what was forgotten: those are NULL. Only `first` and `time_since_first` over "ever" are known at any age.
"""

import hashlib
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from goodsend.events.model import Event
from goodsend.expr.evaluate import read as read_value
from goodsend.expr.functions.model import Lists
from goodsend.facts import Facts, Value
from goodsend.features import snapshots
from goodsend.features.generate import Bound, Feed, Run, Table, generate
from goodsend.features.measures import fitting, interval, ratio
from goodsend.features.plan import OWN, Group, Part, Plan, Ratio, Step, build_plan, read_always
from goodsend.features.windows import Few, Log, Needs, added, begin
from goodsend.kit.clock import DAY, Micros

__all__ = ["LATE_HORIZON", "Plan", "Windows", "build_plan"]

LATE_HORIZON: Micros = 7 * DAY
"""Default of how late an event may come and still be judged by everything; a setting overrides it."""

_SWEEP = 64
"""How many keys are looked at in one go, to forget what is over: one for four events, and one for each new key."""
_EVERY = 256
_SHARED_KEY = 3
"""From so many groups on, a key is one text for all of them; below, finding it would cost more than it saves.
Own choice, as the others here."""
_TEXTS = 1_000
"""How many texts are looked at to keep equal values once: enough for plans, countries, sources."""

_Binding = tuple[Run, tuple[Bound, ...], Callable[[Facts, Lists], tuple[Value, ...]] | None, Sequence[tuple[str, str]]]
"""What a kind does: the function for events in time, its parts for those past the horizon, its expressions' row."""


class _Kept:
    """What a group's memory holds: as much as its features need, or more where it was kept for others before."""

    __slots__ = ("meaning", "needs", "span")

    def __init__(self, meaning: str, needs: Needs, span: Micros) -> None:
        self.meaning = meaning
        self.needs = needs
        self.span = span

    def answers(self, other: "_Kept") -> bool:
        """Whether this memory, as it is, answers all that the other is asked."""
        return self.meaning == other.meaning and self.span >= other.span and self.needs.covers(other.needs)


class Windows:
    """
    The features' memory of one tenant. Not shared between threads: one writer advances it, in order of arrival.

    `newest` is the latest time seen (None before the first event), `late` counts events that came after later ones,
    `late_past_horizon` those that came later than `late_horizon` allows. `lists` are what `where` and `of` consult.
    `missing` are the groups, by number, whose past is not in it; they are as good as empty until `rebuild` fed them.
    """

    def __init__(self, plan: Plan, late_horizon: Micros = LATE_HORIZON, lists: Lists | None = None) -> None:
        self.plan = plan
        self.late_horizon = late_horizon
        self.lists: Lists = lists if lists is not None else {}
        self.newest: Micros | None = None
        self.late = 0
        self.late_past_horizon = 0
        self.missing: frozenset[int] = frozenset()
        self._tables: list[Table] = [{} for _ in plan.groups]
        self._kept = [_Kept(_meaning(group, self.lists), group.needs, group.span) for group in plan.groups]
        self._bound: dict[str, _Binding] = {}
        self._begun_at: Micros | None = None
        self._begun_with: dict[tuple[type, Any], Few | Log] = {}
        self._texts: dict[str, str] = {}
        self._due = _EVERY
        self._swept = 0
        self._turn: Iterator[str] = iter(())

    def is_late(self, at: Micros) -> bool:
        """Return whether an event of this time comes after one that happened later."""
        return self.newest is not None and at < self.newest

    def observe(self, event: Event, entities: Mapping[str, str]) -> Facts:
        """
        Take in one event and return its `f.` facts, as known when it arrived. A fact that is not there is NULL.

        `entities` are the keys the event carries, by entity type. Calls are made in order of arrival.
        """
        at = event.at
        newest = self.newest
        if newest is None or at > newest:
            self.newest = newest = at
        elif at < newest:
            self.late += 1
        past = at < newest - self.late_horizon
        if past:
            self.late_past_horizon += 1
        self._due -= 1
        if self._due <= 0:
            self._sweep(newest)
        facts: Facts = {}
        bound = self._bound.get(event.kind)
        if bound is None:
            bound = self._bind(event.kind)
        if bound is None:
            return facts
        run, parts, row_of, columns = bound
        row = () if row_of is None else row_of(_columns(event, columns), self.lists)
        if past:
            self._take_past(parts, event, entities, row, newest, facts)
        else:
            run(entities, event.data, row, at, newest, facts)
        return facts

    def rebuild(self, event: Event, entities: Mapping[str, str], only: Collection[int] | None = None) -> None:
        """
        Let one event of the log feed groups, by number, that are `missing` (or `only` these), and nothing else.

        Call it for the whole log in order of arrival; then `take_over`.
        """
        wanted = self.missing if only is None else only
        newest = self.newest
        if newest is None or event.at > newest:
            self.newest = newest = event.at
        recipe = self.plan.recipes.get(event.kind)
        if recipe is None:
            return
        steps = [(part, step) for part in recipe.parts for step in part.feeds if step.group in wanted]
        if not steps:
            return
        self._due -= 1
        row = () if recipe.row is None else recipe.row(_columns(event, recipe.columns), self.lists)
        for part, step in steps:
            key = _joined(part.key, entities)
            if key is not None:
                feed = self._feed(step, part)
                self._add(feed, feed.table.get(key), key, event, row, newest)
        if self._due <= 0:
            self._sweep(newest, wanted)

    def _take_past(
        self,
        parts: tuple[Bound, ...],
        event: Event,
        entities: Mapping[str, str],
        row: tuple[Value, ...],
        newest: Micros,
        facts: Facts,
    ) -> None:
        """Take in an event that is later than the horizon, and read only what is known at any lateness."""
        at = event.at
        for part, reads, feeds in parts:
            key = _joined(part.key, entities)
            if key is None:
                continue
            for table, readings in reads:
                memory = table.get(key)
                if memory is not None:
                    read_always(readings, memory, at, facts)
            for feed in feeds:
                memory = feed.table.get(key)
                if feed.group.before is not None and memory is not None:
                    read_always(feed.group.before, memory, at, facts)
                memory = self._add(feed, memory, key, event, row, newest)
                if feed.group.after is not None and memory is not None:
                    read_always(feed.group.after, memory, at, facts)

    def _add(
        self, feed: Feed, memory: "Few | Log | None", key: str, event: Event, row: tuple[Value, ...], newest: Micros
    ) -> "Few | Log | None":
        """Let an event feed a group, and return the memory of its key afterwards."""
        step, group, at = feed.step, feed.group, event.at
        value: Any = None
        if group.of is not None:
            value = _value(step, group, event, row)
            if value is None:
                return memory
        if step.where is not None and row[step.where] is not True:
            return memory
        if memory is None:
            return feed.begin(key, at, value)
        if isinstance(memory, Log):
            memory.add(at, value, newest - feed.length)
        else:
            memory = feed.table[key] = added(memory, feed.needs, at, value, newest - feed.length)
        return memory

    def _bind(self, kind: str) -> "_Binding | None":
        recipe = self.plan.recipes.get(kind)
        if recipe is None or not recipe.parts:
            return None
        parts: list[Bound] = []
        for part in recipe.parts:
            groups = [(self._tables[number], self.plan.groups[number].both) for number in part.reads]
            reads = tuple((table, readings) for table, readings in groups if readings is not None)
            parts.append(Bound(part, reads, tuple(self._feed(step, part) for step in part.feeds)))
        binding = generate(tuple(parts), _joined, _put_ratio), tuple(parts), recipe.row, recipe.columns
        self._bound[kind] = binding
        return binding

    def _feed(self, step: Step, part: Part) -> Feed:
        number = step.group
        kept, table = self._kept[number], self._tables[number]
        shared = len(part.reads) + len(part.feeds) >= _SHARED_KEY

        def begin_key(key: str, at: Micros, value: Any) -> "Few | Log":
            self._due -= _EVERY // _SWEEP  # what is forgotten keeps up with what is new
            memory = table[sys.intern(key) if shared else key] = self._begun(kept.needs, at, value)
            return memory

        return Feed(step, self.plan.groups[number], table, kept.needs, kept.span + self.late_horizon, begin_key)

    def _begun(self, needs: Needs, at: Micros, value: Any) -> "Few | Log":
        """Begin a memory: one tuple for all that begin alike with one event, one text for the values seen often."""
        if needs.cap:
            return begin(needs, at, value)
        if value.__class__ is str:
            if len(self._texts) >= _TEXTS:
                self._texts.clear()
            value = self._texts.setdefault(value, value)
        if self._begun_at is not at:
            self._begun_at = at
            self._begun_with = {}
        name = (value.__class__, value)
        memory = self._begun_with.get(name)
        if memory is None:
            memory = self._begun_with[name] = begin(needs, at, value)
        return memory

    # -- forgetting ---------------------------------------------------------------------------------------------------

    def _sweep(self, newest: Micros, only: Collection[int] | None = None) -> None:
        """Look at the next few keys, group after group, and drop those nobody can ask about any more."""
        self._due = _EVERY
        left = _SWEEP if self._tables else 0
        while left > 0:
            number = self._swept
            kept, table = self._kept[number], self._tables[number]
            boundary = newest - kept.span - self.late_horizon
            lasting, valued = _is_lasting(kept.needs), kept.needs.valued
            get = table.get
            for key in self._turn:
                memory = get(key)
                left -= 1
                if memory.__class__ is tuple:
                    if not lasting and memory[(len(memory) >> 1 if valued else len(memory)) - 1] <= boundary:
                        del table[key]
                elif memory is not None:
                    memory.prune(boundary)  # type: ignore[union-attr]
                    if not memory.times and not lasting:  # type: ignore[union-attr]
                        del table[key]
                if left <= 0:
                    return
            left -= 1
            self._swept = number = (number + 1) % len(self._tables)
            chosen = only is None or number in only
            self._turn = iter(list(self._tables[number]) if chosen else ())

    def keys(self) -> int:
        """Return how many memories are held: one per key and group."""
        return sum(len(table) for table in self._tables)

    # -- another plan -------------------------------------------------------------------------------------------------

    def migrate(self, plan: Plan, lists: Lists | None = None) -> "tuple[Windows, frozenset[int]]":
        """
        Return windows for another plan, and the numbers of its groups whose past they do not hold (also `missing`).

        Groups that mean the same are shared with this object, which may go on observing until the change is made.
        Feed the missing ones with `rebuild`, up to the last event observed here, then `take_over` and drop this object.
        """
        fresh = Windows(plan, self.late_horizon, self.lists if lists is None else lists)
        fresh._adopt(self._tables, self._kept, self.missing)
        if not fresh.missing:
            fresh.take_over(self)
        return fresh, fresh.missing

    def take_over(self, old: "Windows | None" = None) -> None:
        """Go on where the other windows stopped (None: this object's own snapshot): nothing is missing any more."""
        if old is not None:
            self.newest, self.late, self.late_past_horizon = old.newest, old.late, old.late_past_horizon
        self.missing = frozenset()

    def _adopt(self, tables: Sequence[Table], kept: Sequence[_Kept], lacking: Collection[int]) -> None:
        """Take the tables that answer what this plan asks; what none does is missing."""
        missing = set()
        for number, wanted in enumerate(self._kept):
            found = next((n for n, has in enumerate(kept) if n not in lacking and has.answers(wanted)), None)
            if found is None:
                missing.add(number)
                continue
            self._tables[number] = tables[found]
            self._kept[number] = _Kept(wanted.meaning, kept[found].needs, wanted.span)
        self.missing = frozenset(missing)
        self._bound = {}

    # -- keeping ------------------------------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[bytes]:
        """
        Yield the whole memory in chunks of a few megabytes that `restore` reads. Observe nothing before the last one.

        ValueError while groups are missing.
        """
        if self.missing:
            raise ValueError("a memory that is being rebuilt is not kept")
        head = snapshots.Head(
            self.plan.digest,
            [snapshots.Kept(kept.meaning, kept.needs, kept.span) for kept in self._kept],
            self.newest,
            self.late,
            self.late_past_horizon,
            self.late_horizon,
        )
        yield from snapshots.write(head, self._tables)

    @classmethod
    def restore(
        cls,
        chunks: Iterable[bytes],
        plan: Plan,
        late_horizon: Micros = LATE_HORIZON,
        lists: Lists | None = None,
        *,
        partial: bool = False,
    ) -> "Windows | None":
        """
        Return the memory a snapshot was taken of; None when it is broken, was kept for a shorter horizon, or does not
        answer the plan: then replay the log.

        With `partial` groups that it does not answer are `missing` instead, as after `migrate`; `newest` and the
        counters are those of the snapshot.
        """
        windows = cls(plan, late_horizon, lists)

        def chosen(head: snapshots.Head) -> list[Needs] | None:
            if head.late_horizon < late_horizon:
                return None
            kept = [_Kept(one.meaning, one.needs, one.span) for one in head.groups]
            tables: list[Table] = [{} for _ in kept]
            windows._adopt(tables, kept, ())
            used = {id(table) for table in windows._tables}
            wanted[:] = [table if id(table) in used else None for table in tables]
            return None if windows.missing and not partial else [one.needs for one in head.groups]

        wanted: list[Table | None] = []
        head = snapshots.read(chunks, chosen, wanted)
        if head is None:
            return None
        windows.newest, windows.late, windows.late_past_horizon = head.newest, head.late, head.late_past_horizon
        return windows


def _is_lasting(needs: Needs) -> bool:
    """Whether a key is never forgotten."""
    return needs.ever or needs.first or needs.cap > 0


def _meaning(group: Group, lists: Lists) -> str:
    """Return what a memory means: its definition, and the values of the lists that decide what feeds it."""
    if not group.lists:
        return group.digest
    said = []
    for name in group.lists:
        values = lists.get(name)
        said.append((name, sorted(map(str, values)) if isinstance(values, Iterable) else None))
    return hashlib.sha256(repr((group.digest, said)).encode()).hexdigest()[:16]


def _value(step: Step, group: Group, event: Event, row: tuple[Value, ...]) -> Any:
    """Return what an event feeds, None where that is nothing."""
    if step.field is not None:
        value = read_value(step.type, event.data.get(step.field))
    else:
        value = row[step.of] if step.of is not None else None
    if value is None or (group.scale is None and group.most is None):
        return value
    return fitting(value, group.scale, group.most)  # type: ignore[arg-type]


def _joined(types: tuple[str, ...], entities: Mapping[str, str]) -> str | None:
    """Return the key as one text: of several parts each but the last with its length, so that no two become one."""
    if len(types) == 1:
        return entities.get(types[0])
    parts = []
    for type_ in types:
        part = entities.get(type_)
        if part is None:
            return None
        parts.append(part)
    last = parts.pop()
    return "".join([f"{len(part)}:{part}" for part in parts]) + last


def _put_ratio(each: Ratio, facts: Facts) -> None:
    above: Any = facts.get(each.above)
    below: Any = facts.get(each.below)
    found = ratio(above, below)
    if found is None:
        return
    facts[each.name] = found
    if each.lower is not None and each.upper is not None:
        ends = interval(above, below)
        if ends is not None:
            facts[each.lower], facts[each.upper] = ends


def _columns(event: Event, columns: Sequence[tuple[str, str]]) -> Facts:
    data = event.data
    return {name: getattr(event, field) if field in OWN else data.get(field) for name, field in columns}
