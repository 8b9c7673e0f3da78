"""How each aggregate is read out of running columns: one function each, which adds what it needs to a draft."""

from collections.abc import Callable

from goodsend.facts import FactType
from goodsend.features.definitions import Aggregate, Feature
from goodsend.features.sql.draft import Draft, Extreme, mode, span_name
from goodsend.features.sql.memories import Memory
from goodsend.features.sql.words import EXACT, FAR, LEAST, MOST, before, coming, up_to
from goodsend.kit.clock import SECOND, Micros

WEIGHT = 10**12
"""Entropy is summed in whole parts of this, so that no order of addition can change it."""


def read(draft: Draft, memory: Memory, feature: Feature) -> None:
    """Add a feature to the draft: the columns it needs, and its answer."""
    draft.answers[feature.name] = _READ[feature.aggregate](draft, memory, feature)


# -- counts and sums --------------------------------------------------------------------------------------------------


def _count(draft: Draft, memory: Memory, feature: Feature) -> str:
    return draft.count(memory, feature)


def _sum(draft: Draft, memory: Memory, feature: Feature) -> str:
    total = draft.total(memory, feature)
    words = draft.words
    if feature.type is not FactType.NUMBER:
        least, most = words.wide(f"'{LEAST}'"), words.wide(f"'{MOST}'")
        return f"CASE WHEN {total} BETWEEN {least} AND {most} THEN CAST({total} AS {words.long}) END"
    power = f"1e{feature.scale}"
    near = f"{words.floating(f'CAST({total} AS {words.long})')} / {power}"
    far = words.floating(f"CONCAT(CAST({total} AS {words.text}), 'e-{feature.scale}')")
    return f"CASE WHEN {total} BETWEEN -{EXACT} AND {EXACT} THEN {near} ELSE {far} END"


def _avg(draft: Draft, memory: Memory, feature: Feature) -> str:
    total, count, words = draft.total(memory, feature), draft.count(memory, feature), draft.words
    near = words.floating(f"CAST({total} AS {words.long})")
    far = words.floating(f"CAST({total} AS {words.text})")
    whole = f"CASE WHEN {total} BETWEEN -{EXACT} AND {EXACT} THEN {near} ELSE {far} END"
    return f"CASE WHEN {count} > 0 THEN {whole} / {words.floating(count)} / 1e{memory.scale or 0} END"


def _stddev(draft: Draft, memory: Memory, feature: Feature) -> str:
    words = draft.words
    total, count, squares = (part(memory, feature) for part in (draft.total, draft.count, draft.squares))
    spread = f"{words.wide(count)} * {squares} - {total} * {total}"
    fits = f"{count} > 0 AND {_is_below(draft, count, squares)}"
    deviation = f"SQRT({words.floating(f'({spread})')}) / {words.floating(count)} / 1e{memory.scale or 0}"
    return f"CASE WHEN {fits} THEN {deviation} END"


def _is_below(draft: Draft, count: str, squares: str) -> str:
    """Whether count times squares stays below 10^38, without making that product: in two parts of 20 digits."""
    words = draft.words
    part = words.wide(f"'{10**20}'")
    limit = words.wide(f"'{10**18}'")
    upper = words.wide(words.divided(squares, part))
    lower = f"({squares} - {upper} * {part})"
    carried = words.wide(words.divided(f"({words.wide(count)} * {lower})", part))
    return f"{words.wide(count)} * {upper} + {carried} < {limit}"


# -- values -----------------------------------------------------------------------------------------------------------


def _distinct(draft: Draft, memory: Memory, feature: Feature) -> str:
    """
    Values that came into the window less those that left it.

    A value comes in where its last time lies outside; it leaves with an event that no other one follows within w.
    """
    value, window = memory.column, feature.window
    along = f"OVER (PARTITION BY {', '.join((*draft.key, value))} ORDER BY e_at, arrival)"
    draft.values[f"{value}_was"] = f"LAG(e_at) {along}"
    fresh = f"{value}_fresh_{span_name(feature)}"
    new = f"{value}_was IS NULL"
    if window is not None:
        new += f" OR {value}_was <= e_at - {window}"
    draft.marks[fresh] = f"CASE WHEN {value} IS NOT NULL AND ({new}) THEN 1 END"
    draft.running[f"{fresh}_n"] = f"COUNT({fresh}) {up_to(draft.key)}"
    parts = [f"r.{fresh}_n"]
    if window is not None:
        ended = f"{value}_ended_{window}"
        draft.values[f"{value}_next"] = f"LEAD(e_at) {along}"
        over = f"{value}_next IS NULL OR {value}_next >= e_at + {window}"
        draft.marks[ended] = f"CASE WHEN {value} IS NOT NULL AND ({over}) THEN 1 END"
        draft.running[f"{ended}_n"] = draft.gone(f"COUNT({ended})", window)
        parts.append(f"r.{ended}_n")
    if not feature.counts_itself:
        parts.append(f"COALESCE({draft.carry(fresh)}, 0)")
    found = f"({' - '.join(parts)})"
    gone_ = "CASE WHEN {unseen} > 0 AND {seen} = 0 THEN -1 ELSE 0 END"
    found = f"CAST({found}{draft.change(feature, value, 'distinct', gone_)} AS {draft.words.long})"
    return found if feature.cap is None else f"LEAST({found}, {feature.cap})"


def _share(draft: Draft, memory: Memory, feature: Feature) -> str:
    same, count = draft.same(memory, feature, itself=feature.counts_itself), draft.count(memory, feature)
    floating = draft.words.floating
    known = _is_known(draft, memory, feature)
    return f"CASE WHEN {known} AND {count} > 0 THEN {floating(same)} / {floating(count)} END"


def _is_new(draft: Draft, memory: Memory, feature: Feature) -> str:
    same = draft.same(memory, feature, itself=False)
    return f"CASE WHEN {_is_known(draft, memory, feature)} THEN {same} = 0 END"


def _is_known(draft: Draft, memory: Memory, feature: Feature) -> str:
    """
    Whether there is a value to compare with: not where it came when as many were remembered as may be.

    A value that no event has brought yet would still find a place as long as there is one.
    """
    told = f"r.{memory.own} IS NOT NULL"
    if feature.cap is None:
        return told
    draft.ranked.setdefault(memory.number, set())
    first, rank, known = (draft.carry(f"{memory.column}_{part}") for part in ("came", "rank", "known"))
    turn = draft.carry(f"{memory.column}_turn")
    remembered = f"CASE WHEN {first} <= {turn} THEN {rank} <= {feature.cap} ELSE {known} < {feature.cap} END"
    return f"{told} AND {remembered}"


def _entropy(draft: Draft, memory: Memory, feature: Feature) -> str:
    """
    The sum of c · log2(c) over the values: what each event adds as it comes in, less what it takes as it goes.

    An event brings its value from c − 1 to c. As it leaves, its value goes from c to c − 1, where c counts what is left
    of it in the window just before.
    """
    value, window, words = memory.column, feature.window, draft.words
    if feature.cap is not None:
        draft.ranked.setdefault(memory.number, set()).add(feature.cap)
        value = f"{value}_of{feature.cap}"
    along = (*draft.key, value)
    draft.values[f"{value}_c"] = f"COUNT({value}) {up_to(along)}"
    come = f"{value}_c"
    if window is not None:
        draft.values[f"{value}_c_{window}"] = draft.words.gone(f"COUNT({value})", along, window)
        come = f"({value}_c - {value}_c_{window})"
    gain = f"{value}_gain_{span_name(feature)}"
    draft.marks[gain] = f"CASE WHEN {value} IS NOT NULL THEN {_step(draft, come)} END"
    draft.running[f"{gain}_x"] = f"COALESCE(SUM({gain}) {up_to(draft.key)}, 0)"
    parts = [f"r.{gain}_x"]
    if window is not None:
        draft.values[f"{value}_ahead_{window}"] = f"COUNT({value}) {coming(along, window)}"
        loss, left = f"{value}_loss_{window}", f"({value}_ahead_{window} - {value}_c + 1)"
        draft.marks[loss] = f"CASE WHEN {value} IS NOT NULL THEN {_step(draft, left)} END"
        draft.running[f"{loss}_x"] = draft.gone(f"SUM({loss})", window)
        parts.append(f"r.{loss}_x")
    if not feature.counts_itself:
        parts.append(f"COALESCE({draft.carry(gain)}, 0)")
    found = f"({' - '.join(parts)})"
    count = draft.count(memory, feature)
    less = f"{weight(draft, '{seen}')} - {weight(draft, '({seen} + {unseen})')}"
    found = f"({found}{draft.change(feature, value, 'weight', less)})"
    number = words.floating(count)
    entropy = f"{words.log2(number)} - {words.floating(found)} / 1e12 / {number}"
    return f"CASE WHEN {count} > 0 THEN GREATEST({entropy}, 0e0) END"


def _step(draft: Draft, count: str) -> str:
    return f"{weight(draft, count)} - {weight(draft, f'({count} - 1)')}"


def weight(draft: Draft, count: str) -> str:
    """Return c · log2(c) as a whole number of parts."""
    words = draft.words
    number = words.floating(count)
    whole = words.wide(f"ROUND({number} * {words.log2(number)} * 1e12)")
    return f"CASE WHEN {count} > 1 THEN {whole} ELSE {words.wide('0')} END"


# -- first, last, least, most -----------------------------------------------------------------------------------------


def _last(draft: Draft, memory: Memory, feature: Feature) -> str:
    at = _last_at(draft, memory, feature)
    value = memory.column
    name = f"{value}_last{mode(feature)}"
    draft.running[name] = f"{draft.words.last_known(value)} {draft.frame(feature)}"
    found = f"CASE WHEN {at} > r.e_at - {feature.window} THEN r.{name} END" if feature.window else f"r.{name}"
    return _ordered(draft, memory, feature, "last", f"u.{value}_latest >= {at}", found)


def _time_since_last(draft: Draft, memory: Memory, feature: Feature) -> str:
    at, value = _last_at(draft, memory, feature), memory.column
    found = f"CASE WHEN {at} > r.e_at - {feature.window} THEN {at} END" if feature.window else at
    name = f"{value}_last_at_{span_name(feature)}{mode(feature)}"
    expression = f"MAX({draft.seen(feature, f'CASE WHEN j.{value} IS NOT NULL THEN j.e_at END')})"
    return _since(draft, draft.redo(memory, feature, name, expression, f"u.{value}_latest >= {at}", found))


def _last_at(draft: Draft, memory: Memory, feature: Feature) -> str:
    value = memory.column
    name = f"{value}_last_at{mode(feature)}"
    draft.running[name] = f"MAX({_fed_at(value)}) {draft.frame(feature)}"
    draft.unseen[f"{value}_latest"] = f"MAX({_fed_at(value, 'j.')})"
    return f"r.{name}"


def _first(draft: Draft, memory: Memory, feature: Feature) -> str:
    at, value = _first_at(draft, memory, feature), memory.column
    if feature.window is None:
        name = f"{value}_first{mode(feature)}"
        draft.running[name] = f"{draft.words.first_known(value)} {draft.frame(feature)}"
    else:
        name = f"{value}_first_{feature.window}{mode(feature)}"
        _begin(draft, memory, feature, name, draft.words.first_known(value), "{f}." + value)
    return _ordered(draft, memory, feature, "first", f"u.{value}_earliest_{span_name(feature)} <= {at}", f"r.{name}")


def _time_since_first(draft: Draft, memory: Memory, feature: Feature) -> str:
    at, value = _first_at(draft, memory, feature), memory.column
    name = f"{value}_first_at_{span_name(feature)}{mode(feature)}"
    expression = f"MIN({draft.seen(feature, f'CASE WHEN j.{value} IS NOT NULL THEN j.e_at END')})"
    touched = f"u.{value}_earliest_{span_name(feature)} <= {at}"
    return _since(draft, draft.redo(memory, feature, name, expression, touched, at))


def _first_at(draft: Draft, memory: Memory, feature: Feature) -> str:
    value = memory.column
    name = f"{value}_from_{span_name(feature)}{mode(feature)}"
    fed_at = _fed_at(value)
    if feature.window is None:
        draft.running[name] = f"MIN({fed_at}) {draft.frame(feature)}"
    else:
        _begin(draft, memory, feature, name, f"MIN({fed_at})", "{f}.e_at")
    seen = f"MIN(CASE WHEN j.{value} IS NOT NULL THEN j.e_at END)"
    if feature.window is not None:
        seen = f"MIN(CASE WHEN j.{value} IS NOT NULL AND j.e_at > i.e_at - {feature.window} THEN j.e_at END)"
    draft.unseen[f"{value}_earliest_{span_name(feature)}"] = seen
    return f"r.{name}"


def _min(draft: Draft, memory: Memory, feature: Feature) -> str:
    return _extreme(draft, memory, feature, "MIN", "<=", "LEAST")


def _max(draft: Draft, memory: Memory, feature: Feature) -> str:
    return _extreme(draft, memory, feature, "MAX", ">=", "GREATEST")


def _extreme(draft: Draft, memory: Memory, feature: Feature, function: str, reaches: str, either: str) -> str:
    value, window = memory.column, feature.window
    word = function.lower()
    name = f"{value}_{word}_{span_name(feature)}{mode(feature)}"
    if window is None:
        draft.running[name] = f"{function}({value}) {draft.frame(feature)}"
    elif draft.words.is_duckdb:
        _begin(draft, memory, feature, name, f"{function}({value})", "")
    else:
        _extreme_of_blocks(draft, memory, feature, name, function, either)
    unseen = f"{value}_{word}_{span_name(feature)}"
    late = f"j.{value}" if window is None else f"CASE WHEN j.e_at > i.e_at - {window} THEN j.{value} END"
    draft.unseen[unseen] = f"{function}({late})"
    extreme = Extreme(memory, feature, function, f"u.{unseen} {reaches} r.{name}")
    return draft.redo_extreme(f"{name}_seen", extreme, f"r.{name}")


def _extreme_of_blocks(draft: Draft, memory: Memory, feature: Feature, name: str, function: str, either: str) -> None:
    """
    A sliding extreme in two running ones, for engines that would look at every event of the window again and again.

    Time is cut into blocks as long as the window: what it holds is a beginning of this event's block, and an end of the
    block before, which begins with the first event of the window.
    """
    value, window, word = memory.column, feature.window or 0, function.lower()
    block = f"block_{window}"
    draft.marks[block] = draft.words.divided(f"(e_at + {FAR})", str(window))
    along = (*draft.key, block)
    frame = up_to(along) if feature.counts_itself else before(along)
    head, tail = f"{name}_head", f"{value}_{word}_{window}_tail"
    draft.running[head] = f"{function}({value}) {frame}"
    draft.running[tail] = f"{function}({value}) OVER (PARTITION BY {', '.join(along)} {_BACKWARDS})"
    draft.carry(block)
    earlier = f"CASE WHEN {{f}}.{block} = r.{block} - 1 THEN {{f}}.{tail} END"
    whole = f"COALESCE({either}(r.{head}, {earlier}), r.{head}, {earlier})"
    _begin(draft, memory, feature, name, "", whole)


_BACKWARDS = "ORDER BY e_at DESC, arrival DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"


def _begin(draft: Draft, memory: Memory, feature: Feature, name: str, aggregate: str, joined: str) -> None:
    """
    Add a column that depends on the first event of a window.

    DuckDB takes frames of computed length, `aggregate` is made over one. Others join the event by its number: the one
    after those that the window has left behind; `{f}` in `joined` is that row.
    """
    window: Micros = feature.window or 0
    if draft.words.is_duckdb:
        depth = f"depth_{window}"
        behind = draft.gone("COUNT(*)", window)
        draft.running[depth] = f"ROW_NUMBER() {up_to(draft.key)} - 1 - {behind}"
        draft.carry(memory.column)
        end = "CURRENT ROW" if feature.counts_itself else "1 PRECEDING"
        by = ", ".join(draft.key)
        order = f"PARTITION BY {by} ORDER BY e_at, arrival ROWS BETWEEN {depth} PRECEDING AND {end}"
        draft.framed[name] = f"{aggregate} OVER ({order})"
        return
    value = draft.carry(memory.column).removeprefix("r.")
    draft.running[f"{value}_n"] = f"COUNT({value}) {up_to(draft.key)}"
    draft.running[f"{value}_n_{window}"] = draft.gone(f"COUNT({value})", window)
    number = (memory.number, window)
    alias = f"f{memory.number}_{window}"
    read = joined.replace("{f}", alias)
    seen = f"r.{value}_n"
    if not feature.counts_itself:
        seen += f" - CASE WHEN r.{value} IS NULL THEN 0 ELSE 1 END"
    draft.firsts.setdefault(number, {})[name] = f"CASE WHEN {seen} > r.{value}_n_{window} THEN {read} END"


def _ordered(draft: Draft, memory: Memory, feature: Feature, which: str, touched: str, found: str) -> str:
    """The first or last value, by order of time and arrival, where unseen events touched it."""
    if draft.on_time:
        return found
    words, value = draft.words, memory.column
    known = (words.first_known if which == "first" else words.last_known)(draft.seen(feature, f"j.{value}"))
    name = f"{value}_{which}_{span_name(feature)}{mode(feature)}_seen"
    draft.ordered.setdefault(memory.number, {})[name] = known
    return draft.redo(memory, feature, name, f"ANY_VALUE(j.{name})", touched, found)


def _since(draft: Draft, at: str) -> str:
    return draft.words.divided(f"(r.e_at - {at})", str(SECOND))


def _fed_at(value: str, table: str = "") -> str:
    return f"CASE WHEN {table}{value} IS NOT NULL THEN {table}e_at END"


_READ: dict[Aggregate, Callable[[Draft, Memory, Feature], str]] = {
    Aggregate.COUNT: _count,
    Aggregate.SUM: _sum,
    Aggregate.AVG: _avg,
    Aggregate.STDDEV: _stddev,
    Aggregate.DISTINCT: _distinct,
    Aggregate.SHARE: _share,
    Aggregate.IS_NEW: _is_new,
    Aggregate.ENTROPY: _entropy,
    Aggregate.TIME_SINCE_LAST: _time_since_last,
    Aggregate.TIME_SINCE_FIRST: _time_since_first,
    Aggregate.FIRST: _first,
    Aggregate.LAST: _last,
    Aggregate.MIN: _min,
    Aggregate.MAX: _max,
}
