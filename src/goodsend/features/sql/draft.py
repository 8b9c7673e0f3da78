"""
What the queries of one shape are made of, gathered feature by feature: columns of one name are computed once, however
many features ask for them.

The stages, each reading the one before:

    ranked    for caps: the place of each value in the order in which values came
    values    windows along (key, value): when was this value seen before, how often
    marks     plain expressions over those: this event brings a new value into the window
    running   windows along the key
    framed    extremes and first values, which need the running counts to find where a window begins
    unseen    for events near a late one: what the windows hold that had not arrived yet, to be taken off again
    changed   the same for what is made of different values: only those that unseen events have are looked at
    exact     for the few where nothing can be taken off: the window anew, from the events themselves
    extremes  the same for least and most, from blocks of events

In texts, `r.` is a row of `framed`, `u.` of `unseen`, `i.` an event that is judged and `j.` one it may see.
"""

import msgspec

from goodsend.features.definitions import Feature
from goodsend.features.sql.memories import Memory, Shape
from goodsend.features.sql.words import Words, before, behind, up_to
from goodsend.kit.clock import Micros


class Extreme(msgspec.Struct, frozen=True):
    """A least or most (`function`) that unseen events may have touched: `touched` is a condition over `r.` and `u.`."""

    memory: Memory
    feature: Feature
    function: str
    touched: str


class Draft:
    """
    The columns of each stage by name, and the answer of each feature. `on_time`: no `unseen`, no `exact`.

    `by_moments`: windows are made of comings and goings (`moments.py`).
    """

    def __init__(self, shape: Shape, words: Words, *, on_time: bool, by_moments: bool = False) -> None:
        self.shape = shape
        self.words = words
        self.on_time = on_time
        self.by_moments = by_moments
        self.ranked: dict[int, set[int]] = {}
        self.values: dict[str, str] = {}
        self.marks: dict[str, str] = {}
        self.running: dict[str, str] = {}
        self.framed: dict[str, str] = {}
        self.firsts: dict[tuple[int, Micros], dict[str, str]] = {}
        self.unseen: dict[str, str] = {}
        self.touched: dict[int, list[str]] = {}
        self.exact: dict[int, dict[str, str]] = {}
        self.extremes: dict[str, Extreme] = {}
        self.ordered: dict[int, dict[str, str]] = {}
        self.changed: dict[str, dict[str, tuple[Feature, str]]] = {}
        self.answers: dict[str, str] = {}

    @property
    def key(self) -> tuple[str, ...]:
        return self.shape.columns

    @property
    def is_touched(self) -> bool:
        """Whether anything has to be made anew where unseen events touched it."""
        return bool(self.touched) or bool(self.extremes)

    # -- sums, from which unseen events are simply taken off ----------------------------------------------------------

    def count(self, memory: Memory, feature: Feature) -> str:
        """How many events the window holds."""
        column = memory.column
        own = f"CASE WHEN r.{column} IS NULL THEN 0 ELSE 1 END"
        return self._linear(memory, feature, f"{column}_n", "COUNT({value})", own)

    def total(self, memory: Memory, feature: Feature) -> str:
        """The exact sum of the window."""
        column = memory.column
        own = f"COALESCE({self.words.wide(f'r.{column}')}, 0)"
        summed = "{value}" if self.words.is_duckdb else self.words.wide("{value}")
        return self._linear(memory, feature, f"{column}_x", f"SUM({summed})", own)

    def squares(self, memory: Memory, feature: Feature) -> str:
        """The exact sum of the squares of the window."""
        column = memory.column
        one = self.words.wide(f"r.{column}")
        own = f"COALESCE({one} * {one}, 0)"
        summed = f"{self.words.wide('{value}')} * {self.words.wide('{value}')}"
        return self._linear(memory, feature, f"{column}_q", f"SUM({summed})", own)

    def same(self, memory: Memory, feature: Feature, *, itself: bool) -> str:
        """How many events of the window have this event's own value."""
        column, name = memory.column, f"{memory.column}_same"
        along = (*self.key, memory.own)
        self.values[name] = f"COUNT({column}) {up_to(along)}"
        self.carry(name)
        self.carry(memory.own)
        self.carry(column)
        parts = [f"r.{name}"]
        if feature.window is not None:
            self.values[f"{name}_{feature.window}"] = self.words.gone(f"COUNT({column})", along, feature.window)
            parts.append(self.carry(f"{name}_{feature.window}"))
        if not itself:
            parts.append(f"CASE WHEN r.{column} IS NULL THEN 0 ELSE 1 END")
        if not self.on_time:
            when = _together(f"j.{column} = i.{memory.own}", _within(feature.window))
            parts.append(self.take_off(f"{name}_{_span(feature)}", f"COUNT(CASE WHEN {when} THEN 1 END)"))
        return f"({' - '.join(parts)})"

    def _linear(self, memory: Memory, feature: Feature, name: str, aggregate: str, own: str) -> str:
        column = memory.column
        whole = aggregate.replace("{value}", column)
        counted = whole.startswith("COUNT")
        self.running[name] = _zeroed(f"{whole} {up_to(self.key)}", counted)
        parts = [f"r.{name}"]
        if feature.window is not None:
            past = f"{name}_{feature.window}"
            self.running[past] = self.gone(whole, feature.window)
            parts.append(f"r.{past}")
        if not feature.counts_itself:
            self.carry(column)
            parts.append(own)
        if not self.on_time:
            value = f"j.{column}"
            if feature.window is not None:
                value = f"CASE WHEN {_within(feature.window)} THEN {value} END"
            parts.append(self.take_off(f"{name}_{_span(feature)}", aggregate.replace("{value}", value)))
        return f"({' - '.join(parts)})" if len(parts) > 1 else parts[0]

    def gone(self, aggregate: str, window: Micros) -> str:
        """Return a COUNT or SUM over everything of the key that a window has left behind."""
        if self.by_moments:
            return behind(aggregate, self.key, window)
        return self.words.gone(aggregate, self.key, window)

    # -- pieces -------------------------------------------------------------------------------------------------------

    def carry(self, column: str) -> str:
        """Take a column of an earlier stage along; returns how it is read in an answer."""
        self.running.setdefault(column, column)
        return f"r.{column}"

    def take_off(self, name: str, aggregate: str) -> str:
        """Gather something over the unseen events; returns how it is read, 0 where there are none."""
        self.unseen[name] = aggregate
        return f"COALESCE(u.{name}, 0)"

    def frame(self, feature: Feature) -> str:
        """Everything this feature may see, from the beginning."""
        return up_to(self.key) if feature.counts_itself else before(self.key)

    def redo(self, memory: Memory, feature: Feature, name: str, expression: str, touched: str, found: str) -> str:
        """
        Return what was found, or where unseen events touched it what `expression` finds among the seen ones.

        `touched` is a condition over `r.` and `u.`; `expression` aggregates `j.` where `seen` allows it.
        """
        if self.on_time:
            return found
        self.touched.setdefault(memory.number, []).append(touched)
        self.exact.setdefault(memory.number, {})[name] = expression
        exact = f"x{memory.number}"
        return f"CASE WHEN {exact}.arrival IS NULL THEN {found} ELSE {exact}.{name} END"

    def redo_extreme(self, name: str, extreme: Extreme, found: str) -> str:
        """Return what was found, or where unseen events touched it the extreme of the seen ones."""
        if self.on_time:
            return found
        self.extremes[name] = extreme
        return f"CASE WHEN {name}.arrival IS NULL THEN {found} ELSE {name}.found END"

    def change(self, feature: Feature, value: str, what: str, each: str) -> str:
        """
        Return ` + …`: what changes when the unseen events are taken out, summed over the values they have.

        `value` is a column of values; `each` says it for one value, of how many events with it are `{seen}` and how
        many `{unseen}`.
        """
        if self.on_time:
            return ""
        name = f"{value}_{what}_{_span(feature)}{mode(feature)}"
        self.changed.setdefault(value, {})[name] = feature, each
        return f" + COALESCE(c_{value}.{name}, 0)"

    @staticmethod
    def seen(feature: Feature, value: str) -> str:
        """Return a value of `j.` where this feature sees it, else NULL."""
        itself = None if feature.counts_itself else "j.arrival < i.arrival"
        when = _together(_within(feature.window), itself)
        return f"CASE WHEN {when} THEN {value} END" if when else value


def mode(feature: Feature) -> str:
    """A part of a column's name: whether the event counts itself."""
    return "" if feature.counts_itself else "_prior"


def span_name(feature: Feature) -> str:
    """A part of a column's name: the window."""
    return _span(feature)


def _span(feature: Feature) -> str:
    return "ever" if feature.window is None else str(feature.window)


def _within(window: Micros | None) -> str | None:
    return None if window is None else f"j.e_at > i.e_at - {window}"


def _together(*conditions: str | None) -> str:
    return " AND ".join(condition for condition in conditions if condition is not None)


def _zeroed(expression: str, counted: bool) -> str:
    return expression if counted else f"COALESCE({expression}, 0)"
