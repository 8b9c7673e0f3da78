"""
From the table of events to the rows that features are made of: the parts of the keys and, per memory, the value that
an event feeds it with. And which events came late, for only near those does the order of arrival matter.
"""

from collections.abc import Sequence

from sqlglot import exp, parse_one

from goodsend.expr.model import Expression
from goodsend.expr.sql.model import Dialect, ListValues, Step
from goodsend.expr.sql.write import write
from goodsend.features.sql.memories import EntityFields, Memory, Shape
from goodsend.features.sql.words import FAR, LEAST, Words, words_of
from goodsend.kit.clock import HOUR, Micros

ROWS = "features_rows"
LATE = "features_late"
LATE_HOURS = "features_late_hours"
_INPUTS = "features_inputs"

_BLOCK = 65_536
"""Arrivals that are looked at together when the latest time so far is found: no engine must sort the whole log."""


def row_steps(
    shapes: Sequence[Shape], entity_fields: EntityFields, dialect: Dialect, lists: ListValues, source: str
) -> list[Step]:
    """Return the steps whose last, ROWS, has arrival, e_at, the parts of the keys and the memories' values."""
    words = words_of(dialect)
    memories = [memory for shape in shapes for memory in shape.memories]
    entities = sorted({entity for shape in shapes for entity in shape.key})
    inputs = exp.select("arrival", "e_at").from_(source)
    for entity in entities:
        inputs = inputs.select(exp.alias_(_key_part(entity, entity_fields, words), f"k_{entity}"))
    for memory in memories:
        inputs = inputs.select(exp.alias_(_own(memory, dialect, lists), f"of{memory.number}"))
        if memory.where is not None:
            inputs = inputs.select(exp.alias_(_written(memory.where, dialect, lists), f"where{memory.number}"))
    columns = ["arrival", "e_at", *(f"k_{entity}" for entity in entities)]
    for memory in memories:
        columns += _values(memory, words)
    rows = parsed(f"SELECT {', '.join(columns)} FROM {_INPUTS}", dialect)
    return [Step(_INPUTS, inputs), Step(ROWS, rows)]


def breadth_query(
    shapes: Sequence[Shape], entity_fields: EntityFields, dialect: Dialect, source: str, *, one_of: int
) -> str:
    """
    Return a query of `shape` (its number) and `breadth`: how many events the key of an event has on average.

    Only one of so many arrivals is looked at, so what is below that number is not told apart.
    """
    words = words_of(dialect)
    parts = []
    for shape in shapes:
        keys = exp.select().from_(source).where(f"arrival % {one_of} = 0", dialect=dialect.value)
        for entity in shape.key:
            keys = keys.select(exp.alias_(_key_part(entity, entity_fields, words), f"k_{entity}"))
        known = " AND ".join(f"{column} IS NOT NULL" for column in shape.columns)
        counted = f"SELECT COUNT(*) AS n FROM ({keys.sql(dialect=dialect.value)}) AS looked_at WHERE {known} "
        counted += f"GROUP BY {', '.join(shape.columns)}"
        breadth = f"{one_of} * SUM({words.floating('n')} * n) / SUM(n)"
        parts.append(f"SELECT {shape.number} AS shape, {breadth} AS breadth FROM ({counted}) AS counted")
    return " UNION ALL ".join(parts)


def late_steps(dialect: Dialect, late_horizon: Micros, source: str) -> list[Step]:
    """
    Return the steps LATE: every event that came after one of a later time, and whether it is past the horizon, and
    LATE_HOURS: each of them under every hour from its own to that of the latest time before it.

    The latest time so far is found within blocks of arrivals and then over the blocks.
    """
    block = words_of(dialect).divided("arrival", str(_BLOCK))
    query = f"""
        WITH numbered AS (SELECT arrival, e_at, {block} AS block FROM {source}),
        blocks AS (SELECT block, MAX(e_at) AS newest FROM numbered GROUP BY block),
        earlier AS (
            SELECT block, MAX(newest) OVER (ORDER BY block ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newest
            FROM blocks
        ),
        seen AS (
            SELECT numbered.arrival, numbered.e_at, earlier.newest AS newest_before, MAX(numbered.e_at) OVER (
                PARTITION BY numbered.block ORDER BY numbered.arrival ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS newest_within
            FROM numbered JOIN earlier ON numbered.block = earlier.block
        ),
        told AS (
            SELECT arrival, e_at, CASE
                WHEN newest_before IS NULL OR newest_within > newest_before THEN newest_within
                ELSE newest_before
            END AS newest
            FROM seen
        )
        SELECT arrival, e_at, newest, e_at < newest - {late_horizon} AS past FROM told WHERE e_at < newest
    """
    words = words_of(dialect)
    first, last = (words.divided(f"({time} + {FAR})", str(HOUR)) for time in ("e_at", "newest"))
    hours = words.each_of("arrival", LATE, first, last, "hour")
    return [Step(LATE, parsed(query, dialect), keep=True), Step(LATE_HOURS, parsed(hours, dialect), keep=True)]


def parsed(text: str, dialect: Dialect) -> exp.Expression:
    """Return the tree of a query that is written for one engine."""
    tree = parse_one(text, dialect=dialect.value)
    assert isinstance(tree, exp.Expression), "a query"  # noqa: S101
    return tree


def _written(expression: Expression, dialect: Dialect, lists: ListValues) -> exp.Expression:
    return write(expression, dialect, lists)


def _key_part(entity: str, entity_fields: EntityFields, words: Words) -> exp.Expression:
    """The text that names an entity, by the field that each kind carries it in."""
    by_field: dict[str, list[str]] = {}
    for kind, fields in entity_fields.items():
        if entity in fields:
            by_field.setdefault(fields[entity], []).append(kind)
    case = exp.Case()
    for field, kinds in by_field.items():
        column = exp.column(f"e_{field}", quoted=True)
        case = case.when(_is_kind(kinds), exp.cast(column, words.text, dialect=words.dialect.value), copy=False)
    return case if by_field else exp.cast(exp.null(), words.text, dialect=words.dialect.value)


def _is_kind(kinds: Sequence[str]) -> exp.Expression:
    return exp.In(this=exp.column("e_kind"), expressions=[exp.Literal.string(kind) for kind in kinds])


def _own(memory: Memory, dialect: Dialect, lists: ListValues) -> exp.Expression:
    """The event's own value; 1 where the memory looks at events only."""
    value = exp.Literal.number(1) if memory.of is None else _written(memory.of, dialect, lists)
    return exp.Case().when(_is_kind(memory.on), value, copy=False)


def _values(memory: Memory, words: Words) -> list[str]:
    value = _taken(memory, f"of{memory.number}", words)
    columns = []
    if memory.own != memory.column:
        columns.append(f"{value} AS {memory.own}")
    if memory.where is not None:
        value = f"CASE WHEN where{memory.number} THEN {value} END"
    return [*columns, f"{value} AS {memory.column}"]


def _taken(memory: Memory, value: str, words: Words) -> str:
    """
    A value as it enters its memory.

    Numbers become whole multiples of 10^-scale in 64 bits, halves away from zero, as in `compute.scaled`; what does not
    fit is passed over.
    """
    if memory.scale is not None:
        product = f"ABS({value}) * 1e{memory.scale}"
        whole = f"CAST(FLOOR({product}) AS {words.long})"
        whole = f"{whole} + CASE WHEN {product} - FLOOR({product}) >= 5e-1 THEN 1 ELSE 0 END"
        size = f"CASE WHEN {product} < 9223372036854775808e0 THEN {whole} END"
        signed = f"CASE WHEN {value} >= 0 THEN {size} ELSE -({size}) END"
        if memory.bound is None:
            least = f"{value} < 0 AND {product} = 9223372036854775808e0"
            return f"CASE WHEN {least} THEN {_least(words)} ELSE {signed} END"
        value = signed
    if memory.bound is not None:
        return f"CASE WHEN {value} BETWEEN -{memory.bound} AND {memory.bound} THEN {value} END"
    return value


def _least(words: Words) -> str:
    return f"CAST('{LEAST}' AS {words.long})"
