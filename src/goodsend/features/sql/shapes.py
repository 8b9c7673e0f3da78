"""The queries of one shape: what a draft gathered, stage by stage, ending in one column per feature by arrival."""

from collections.abc import Iterable

from goodsend.expr.sql.model import Step
from goodsend.features.sql.aggregates import read
from goodsend.features.sql.draft import Draft, Extreme
from goodsend.features.sql.memories import Memory, Shape
from goodsend.features.sql.moments import SPAN, as_moments, moments_query, spans_of
from goodsend.features.sql.rows import LATE, LATE_HOURS, ROWS, parsed
from goodsend.features.sql.words import FAR, Words
from goodsend.kit.clock import DAY, HOUR, Micros


def shape_steps(shape: Shape, words: Words, *, on_time: bool, by_moments: bool) -> list[Step]:
    """Return the steps whose last has arrival and a column `f_…` per feature, for each event that carries the key."""
    draft = Draft(shape, words, on_time=on_time, by_moments=by_moments)
    for memory in shape.memories:
        for feature in memory.features:
            read(draft, memory, feature)
    return _Writer(draft).steps()


_BLOCKS = 64
"""Blocks of time in a window, for the extremes of what was seen."""


class _Writer:
    """Writes the stages of one draft as steps; a stage that nothing needs is left out."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.shape = draft.shape
        self.name = f"features_{draft.shape.name}"
        self.made: list[Step] = []

    def steps(self) -> list[Step]:
        draft = self.draft
        rows = self.rows()
        framed = self.framed(self.running(rows))
        unseen = self.unseen(rows) if draft.unseen and not draft.on_time else None
        joins = [("u", unseen)] if unseen and any("u." in answer for answer in draft.answers.values()) else []
        joins += [(f"c_{value}", self.changed(value, rows)) for value in draft.changed]
        joins += self.exact(rows, framed)
        joins += [(name, self.extreme(name, extreme, rows, framed)) for name, extreme in draft.extremes.items()]
        answers = [f"{answer} AS f_{name}" for name, answer in draft.answers.items()]
        left = "".join(f" LEFT JOIN {table} AS {alias} ON r.arrival = {alias}.arrival" for alias, table in joins)
        self.add(self.name, f"SELECT {_listed(['r.arrival', *answers])} FROM {framed} AS r{left}", keep=True)
        return self.made

    def add(self, name: str, query: str, *, keep: bool = False) -> str:
        self.made.append(Step(name, parsed(query, self.draft.words.dialect), keep))
        return name

    def rows(self) -> str:
        """The events that carry the key."""
        owns = [memory.own for memory in self.shape.memories if memory.own != memory.column]
        columns = ["arrival", "e_at", *self.draft.key, *(memory.column for memory in self.shape.memories), *owns]
        known = " AND ".join(f"{column} IS NOT NULL" for column in self.draft.key)
        table = self.add(f"{self.name}_rows", f"SELECT {_listed(columns)} FROM {ROWS} WHERE {known}")
        return self.ranked(table) if self.draft.ranked else table

    def ranked(self, table: str) -> str:
        """
        The rows with the place of each value in the order in which values came, and how many had come by then.

        `g_of<cap>` is that place, 0 for all values beyond the cap.
        """
        draft, by = self.draft, ", ".join(self.draft.key)
        memories = [memory for memory in self.shape.memories if memory.number in draft.ranked]
        order = "e_at, arrival" if draft.on_time else "arrival"
        turns = [f"ROW_NUMBER() OVER (PARTITION BY {by} ORDER BY {order}) AS turn"]
        table = self.add(f"{self.name}_turns", f"SELECT *, {_listed(turns)} FROM {table}")
        came = [
            f"MIN(CASE WHEN {memory.column} IS NOT NULL THEN turn END) OVER (PARTITION BY {by}, {memory.own}) "
            f"AS {memory.column}_came, turn AS {memory.column}_turn"
            for memory in memories
        ]
        table = self.add(f"{self.name}_came", f"SELECT *, {_listed(came)} FROM {table}")
        ranks = []
        for memory in memories:
            column = memory.column
            ranks.append(f"DENSE_RANK() OVER (PARTITION BY {by} ORDER BY {column}_came NULLS LAST) AS {column}_rank")
            new = f"CASE WHEN {column} IS NOT NULL AND {column}_came = turn THEN 1 END"
            until = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
            ranks.append(f"COUNT({new}) OVER (PARTITION BY {by} ORDER BY turn {until}) AS {column}_known")
        table = self.add(f"{self.name}_ranks", f"SELECT *, {_listed(ranks)} FROM {table}")
        codes = [
            f"CASE WHEN {memory.column} IS NULL THEN NULL WHEN {memory.column}_rank <= {cap} "
            f"THEN {memory.column}_rank ELSE 0 END AS {memory.column}_of{cap}"
            for memory in memories
            for cap in sorted(draft.ranked[memory.number])
        ]
        query = f"SELECT {_listed(['*', *codes])} FROM {table}"
        return self.add(f"{self.name}_ranked", query, keep=not draft.on_time)

    def running(self, table: str) -> str:
        draft = self.draft
        for suffix, wanted in (("values", draft.values), ("marks", draft.marks)):
            if wanted:
                new = _named(wanted)
                table = self.add(f"{self.name}_{suffix}", f"SELECT *, {_listed(new)} FROM {table}")
        is_read_again = bool(draft.firsts) or draft.is_touched
        columns = ["arrival", "e_at", *draft.key, *_named(draft.running)]
        keep = is_read_again and not draft.framed
        spans = spans_of(draft.running) if draft.by_moments else []
        if spans:
            table = self.add(f"{self.name}_moments", moments_query("*", table, spans))
            moved = {name: as_moments(text) for name, text in draft.running.items() if text != name}
            table = self.add(f"{self.name}_came_and_gone", f"SELECT *, {_listed(_named(moved))} FROM {table}")
            columns = ["arrival", "e_at", *draft.key, *draft.running]
            table = f"{table} WHERE {SPAN} = 0"
        return self.add(f"{self.name}_running", f"SELECT {_listed(columns)} FROM {table}", keep=keep)

    def framed(self, table: str) -> str:
        draft = self.draft
        name = f"{self.name}_framed"
        if draft.framed:
            query = f"SELECT *, {_listed(_named(draft.framed))} FROM {table}"
            return self.add(name, query, keep=draft.is_touched)
        if not draft.firsts:
            return table
        columns, joins = ["r.*"], ""
        for (number, window), found in draft.firsts.items():
            alias, column = f"f{number}_{window}", f"g{number}"
            columns += _named(found)
            same = [f"r.{part} = {alias}.{part}" for part in draft.key]
            same += [f"{alias}.{column}_n = r.{column}_n_{window} + 1", f"{alias}.{column} IS NOT NULL"]
            joins += f" LEFT JOIN {table} AS {alias} ON {' AND '.join(same)}"
        return self.add(name, f"SELECT {_listed(columns)} FROM {table} AS r{joins}", keep=draft.is_touched)

    # -- late events --------------------------------------------------------------------------------------------------

    def unseen(self, rows: str) -> str:
        """Per event, what windows along time hold of events that arrived later."""
        draft = self.draft
        fed = " OR ".join(f"j.{memory.column} IS NOT NULL" for memory in self.shape.memories)
        spans = [feature.window for memory in self.shape.memories for feature in memory.features]
        near = self.overtaken(rows, spans)
        query = f"SELECT i.arrival, {_listed(_named(draft.unseen))} {near} AND ({fed}) GROUP BY i.arrival"
        return self.add(f"{self.name}_unseen", query, keep=True)

    def overtaken(self, rows: str, spans: Iterable[Micros | None]) -> str:
        """
        FROM and WHERE of the pairs of a late event `j` and an event `i` of its key that it came after, of later time.

        Both are found by the hour: a late event stands under each hour up to the latest time there was before it.
        """
        spans = list(spans)
        same = " AND ".join(f"i.{part} = j.{part}" for part in self.draft.key)
        hour = self.draft.words.divided(f"(i.e_at + {FAR})", str(HOUR))
        longest = max((span for span in spans if span is not None), default=0)
        within = "" if None in spans else f" AND i.e_at < j.e_at + {longest}"
        return f"""
            FROM {self.late(rows)} AS j JOIN {rows} AS i ON {same} AND {hour} = j.hour
            WHERE i.arrival < j.arrival AND i.e_at > j.e_at{within}
        """

    def late(self, rows: str) -> str:
        """The late events of this key with their hours: made first, so that no engine begins at the other end."""
        name = f"{self.name}_late"
        if all(step.name != name for step in self.made):
            join = f"{rows} AS j JOIN {LATE_HOURS} AS late ON j.arrival = late.arrival"
            self.add(name, f"SELECT j.*, late.hour FROM {join}", keep=True)
        return name

    def changed(self, value: str, rows: str) -> str:
        """Per event, what the values of unseen events change; found among the events of the same key and value."""
        wanted = self.draft.changed[value]
        spans = [feature.window for feature, _ in wanted.values()]
        key = self.draft.key
        near = f"{self.overtaken(rows, spans)} AND j.{value} IS NOT NULL"
        own = _listed(f"i.{part} AS {part}" for part in key)
        query = f"SELECT DISTINCT i.arrival AS arrival, i.e_at AS e_at, {own}, j.{value} AS {value} {near}"
        values = self.add(f"{self.name}_{value}_unseen", query, keep=True)
        counts, sums = [], []
        for name, (feature, each) in wanted.items():
            within = "" if feature.window is None else f" AND j.e_at > i.e_at - {feature.window}"
            until = "<=" if feature.counts_itself else "<"
            seen, unseen = f"j.arrival {until} i.arrival", "j.arrival > i.arrival AND j.e_at < i.e_at"
            counts.append(f"COUNT(CASE WHEN {seen}{within} THEN 1 END) AS {name}_seen")
            counts.append(f"COUNT(CASE WHEN {unseen}{within} THEN 1 END) AS {name}_unseen")
            one = each.replace("{seen}", f"{name}_seen").replace("{unseen}", f"{name}_unseen")
            sums.append(f"SUM({one}) AS {name}")
        same = " AND ".join(f"i.{part} = j.{part}" for part in (*key, value))
        earlier, later = values, rows
        longest = max((span for span in spans if span is not None), default=0)
        if None not in spans:  # found by blocks as long as the longest window: this one and the one before
            earlier, later, among = self.near(values, rows, longest)
            same += f" AND {among}"
        counted = f"""
            SELECT i.arrival, {_listed(counts)} FROM {earlier} AS i JOIN {later} AS j ON {same} AND j.e_at <= i.e_at
            GROUP BY i.arrival, i.{value}
        """
        query = f"SELECT arrival, {_listed(sums)} FROM ({counted}) AS counted GROUP BY arrival"
        return self.add(f"{self.name}_{value}_changed", query)

    def near(self, events: str, rows: str, window: Micros) -> tuple[str, str, str]:
        """
        Return two tables for a join, and its condition: events under each block of time, as long as the window, that
        their window touches, and rows with theirs.
        """
        words = self.draft.words
        low, high = (words.divided(f"(e_at + {FAR} - {back})", str(window)) for back in (window, 0))
        exploded = words.each_of("*", events, low, high, "w_block")
        blocked = f"SELECT *, {high} AS w_own_block FROM {rows}"
        within = f"i.w_block = j.w_own_block AND j.e_at > i.e_at - {window}"
        return f"({exploded})", f"({blocked})", within

    def extreme(self, name: str, extreme: Extreme, rows: str, framed: str) -> str:
        """
        Return a table of the events whose least or most was touched, with what it is among those that were seen.

        Of the events that were not late all up to this one's time had arrived. So their extremes by blocks of time do
        for what lies whole within the window; its two ends are read event by event, and the late ones in between.
        """
        draft, words, feature, value = self.draft, self.draft.words, extreme.feature, extreme.memory.column
        keys, window, function = _listed(draft.key), extreme.feature.window, extreme.function
        touched = self.add(
            f"{self.name}_{name}_touched",
            f"SELECT r.arrival, r.e_at, {_listed(f'r.{part}' for part in draft.key)} FROM {framed} AS r "
            f"JOIN {self.name}_unseen AS u ON r.arrival = u.arrival WHERE {extreme.touched}",
            keep=True,
        )  # fmt: skip
        size = max((window or DAY) // _BLOCKS, 1)
        own = words.divided(f"(e_at + {FAR})", str(size))
        begin = words.divided(f"(i.e_at + {FAR} - {window})", str(size)) if window is not None else None
        end = words.divided(f"(i.e_at + {FAR})", str(size))
        punctual = f"SELECT rows.* FROM {rows} AS rows LEFT JOIN {LATE} AS late ON rows.arrival = late.arrival "
        punctual += f"WHERE late.arrival IS NULL AND {value} IS NOT NULL"
        blocks = self.add(
            f"{self.name}_{name}_blocks",
            f"SELECT {keys}, {own} AS w_block, {function}({value}) AS found FROM ({punctual}) AS punctual "
            f"GROUP BY {keys}, {own}",
        )  # fmt: skip
        same = " AND ".join(f"i.{part} = j.{part}" for part in draft.key)
        seen = f"j.e_at <= i.e_at AND j.arrival {'<=' if feature.counts_itself else '<'} i.arrival"
        if window is not None:
            seen += f" AND j.e_at > i.e_at - {window}"
        whole = f"{same} AND j.w_block < {end}" + (f" AND j.w_block > {begin}" if begin is not None else "")
        ends = f"SELECT *, {own} AS w_block FROM {touched}"
        if window is not None:
            first = words.divided(f"(e_at + {FAR} - {window})", str(size))
            ends += f" UNION ALL SELECT *, {first} AS w_block FROM {touched}"
        blocked = f"SELECT *, {own} AS w_own_block FROM {rows}"
        at_end = "i.w_block = j.w_own_block"
        parts = [
            f"SELECT i.arrival, j.found FROM {touched} AS i JOIN {blocks} AS j ON {whole}",
            f"SELECT i.arrival, j.{value} FROM ({ends}) AS i JOIN ({blocked}) AS j ON {same} AND {at_end} AND {seen}",
            f"SELECT i.arrival, j.{value} FROM {touched} AS i JOIN {self.late(rows)} AS j ON {same} AND {seen}",
        ]
        query = (
            f"SELECT i.arrival, {function}(j.found) AS found FROM {touched} AS i "
            f"LEFT JOIN ({' UNION ALL '.join(parts)}) AS j ON i.arrival = j.arrival GROUP BY i.arrival"
        )
        return self.add(f"{self.name}_{name}", query)

    def exact(self, rows: str, framed: str) -> list[tuple[str, str]]:
        """Per memory with features that nothing can be taken off, those features for the events that were touched."""
        joins = []
        for memory in self.shape.memories:
            if memory.number not in self.draft.touched:
                continue
            pairs = self.pairs(memory, rows, framed)
            columns = _named(self.draft.exact[memory.number])
            query = f"SELECT j.i_arrival AS arrival{''.join(f', {column}' for column in columns)} FROM {pairs} AS j"
            query = query.replace("i.arrival", "j.i_arrival").replace("i.e_at", "j.i_at") + " GROUP BY j.i_arrival"
            joins.append((f"x{memory.number}", self.add(f"{pairs}_seen", query)))
        return joins

    def pairs(self, memory: Memory, rows: str, framed: str) -> str:
        """Every event that was touched with every one it may see; alone where there is none."""
        draft, value = self.draft, memory.column
        spans = [feature.window for feature in memory.features]
        within = "" if None in spans else f" AND j.e_at > i.e_at - {max(span for span in spans if span is not None)}"
        touched = " OR ".join(dict.fromkeys(draft.touched[memory.number]))
        same = " AND ".join(f"i.{part} = j.{part}" for part in draft.key)
        columns = ["i.arrival AS i_arrival", "i.e_at AS i_at", "j.arrival", "j.e_at", f"j.{value}"]
        order = "OVER (PARTITION BY i.arrival ORDER BY j.e_at, j.arrival ROWS BETWEEN UNBOUNDED PRECEDING AND "
        order += "UNBOUNDED FOLLOWING)"
        columns += [f"{known} {order} AS {name}" for name, known in draft.ordered.get(memory.number, {}).items()]
        query = f"""
            SELECT {_listed(columns)}
            FROM (
                SELECT r.arrival, r.e_at, {_listed(f"r.{part}" for part in draft.key)}
                FROM {framed} AS r JOIN {self.name}_unseen AS u ON r.arrival = u.arrival WHERE {touched}
            ) AS i
            LEFT JOIN {rows} AS j
            ON {same} AND j.{value} IS NOT NULL AND j.e_at <= i.e_at AND j.arrival <= i.arrival{within}
        """
        return self.add(f"{self.name}_pairs{memory.number}", query)


def _named(columns: dict[str, str]) -> list[str]:
    return [f"{expression} AS {name}" if expression != name else name for name, expression in columns.items()]


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(columns)
