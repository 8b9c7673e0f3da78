"""
Parts that several expressions have in common, computed once as columns of an earlier step.

Engines find equal parts in one query by themselves, but not inside CASE, AND and OR, where most of ours stand. Only
parts with a costly call in them are shared: a comparison of two columns is cheaper than a column of its own.
"""

import re
from collections.abc import Callable, Iterable

from msgspec.structs import replace
from sqlglot import expressions as exp

from goodsend.expr.canonical import sql_of
from goodsend.expr.model import Expression
from goodsend.expr.nodes import Call, Literal, Name, Node, children, is_constant, walk
from goodsend.expr.sql.model import ColumnOf, Dialect, ListValues, Step, column_of
from goodsend.expr.sql.patterns import is_native
from goodsend.expr.sql.pieces import as_expression, case
from goodsend.expr.sql.write import write_node
from goodsend.facts import FactType

_CHEAP = frozenset(
    {"COALESCE", "NULLIF", "IF", "ABS", "FLOOR", "CEIL", "SECONDS", "MINUTES", "HOURS", "DAYS", "LENGTH", "COUNT_OF"}
)
_Key = tuple[str, FactType | None]


def share(
    expressions: Iterable[Expression],
    dialect: Dialect,
    lists: ListValues,
    source: str,
    prefix: str,
    column: ColumnOf = column_of,
) -> tuple[list[Step], Callable[[Expression], exp.Expression]]:
    """
    Return steps that read the table `source` and add to all its columns those of the shared parts, and a function that
    writes an expression over the last of them (over `source` where there is none).

    Steps are named `<prefix>_1` …, columns `<prefix>_1_1` …: a shared part within a shared part comes a step earlier.
    In `<prefix>_0` patterns over one fact are searched as one pattern (see `_together`).
    """
    expressions = list(expressions)
    together, firsts = _together(expressions, dialect, source, prefix, column)
    counts: dict[_Key, int] = {}
    nodes: dict[_Key, Node] = {}
    for expression in expressions:
        _count(expression.node, counts, nodes)
    names: dict[_Key, str] = {}

    def instead(node: Node) -> exp.Expression | None:
        name = names.get(_key(node)) if names and _may_share(node) else None
        if name is not None:
            return exp.column(name, quoted=True)
        found = together.get(_pattern_key(node)) if isinstance(node, Call) else None
        if found is None:
            return None
        any_ = exp.column(found, quoted=True)
        return case((any_, write_node(node, dialect, lists, column)), otherwise=any_.copy())

    steps = list(firsts)
    for number, level in enumerate(_levels(nodes, {key for key, count in counts.items() if count > 1}), 1):
        made = {key: write_node(nodes[key], dialect, lists, column, instead) for key in level}
        added = {key: f"{prefix}_{number}_{place}" for place, key in enumerate(level, 1)}
        columns = [exp.alias_(made[key], added[key], quoted=True) for key in level]
        query = exp.select("*", *columns).from_(exp.to_table(steps[-1].name if steps else source))
        steps.append(Step(f"{prefix}_{number}", query))
        names |= added
    return steps, lambda expression: write_node(expression.node, dialect, lists, column, instead)


_SEARCHES = frozenset({"REGEXP_LIKE", "ANY_REGEXP"})
_TOGETHER_CHARS = 4_000
"""Characters of patterns that are searched as one. Source: own starting value; RE2 keeps its tables for them small."""

_ALONE = re.compile(r"\\Q|\(\?P?<")
"""What does not stand within another pattern: quotes to the end, and names that two of them could share."""

_PatternKey = tuple[str, str, str]


def _together(
    expressions: Iterable[Expression], dialect: Dialect, source: str, prefix: str, column: ColumnOf
) -> tuple[dict[_PatternKey, str], list[Step]]:
    """
    Return, for each pattern searched in a fact in which others are searched too, the column that says whether any of
    them occurs, and the step that computes these columns in one pass each. Only where that column is true is a single
    pattern looked for; most texts have none. For DuckDB, which searches with RE2.
    """
    groups: dict[tuple[str, str], dict[str, Call]] = {}
    for expression in expressions:
        for node in walk(expression.node):
            if not isinstance(node, Call):
                continue
            name, fact, pattern = _pattern_key(node)
            if pattern and is_native(pattern, dialect) and not _ALONE.search(pattern):
                groups.setdefault((name, fact), {})[pattern] = node
    columns: list[exp.Expression] = []
    together: dict[_PatternKey, str] = {}
    for (name, fact), calls in groups.items():
        whole = "|".join(f"(?:{pattern})" for pattern in sorted(calls))
        if len(calls) == 1 or len(whole) > _TOGETHER_CHARS:
            continue
        call = next(iter(calls.values()))
        written = write_node(_searching(call, whole), dialect, {}, column)
        name_made = f"{prefix}_0_{len(columns) + 1}"
        columns.append(as_expression(exp.alias_(written, name_made, quoted=True)))
        together |= {(name, fact, one): name_made for one in calls}
    if not columns:
        return {}, []
    return together, [Step(f"{prefix}_0", exp.select("*", *columns).from_(exp.to_table(source)))]


def _searching(call: Call, pattern: str) -> Call:
    """Return the same search for another pattern."""
    written = call.args[1]
    assert isinstance(written, Literal)  # noqa: S101
    return replace(call, args=(call.args[0], replace(written, value=pattern)))


def _pattern_key(call: Call) -> _PatternKey:
    """Return the function, the fact and the pattern of a search in a fact; an empty pattern where it is none."""
    if call.name not in _SEARCHES or not isinstance(call.args[0], Name):
        return call.name, "", ""
    pattern = call.args[1]
    text = pattern.value if isinstance(pattern, Literal) and isinstance(pattern.value, str) else ""
    return call.name, call.args[0].name, text


def _key(node: Node) -> _Key:
    return sql_of(node), node.type


def _may_share(node: Node) -> bool:
    """Whether a part is worth a column: it reads facts, and a call in it costs more than reading the column would."""
    if isinstance(node, Name | Literal) or is_constant(node):
        return False
    return any(isinstance(part, Call) and part.name not in _CHEAP for part in walk(node))


def _count(root: Node, counts: dict[_Key, int], nodes: dict[_Key, Node]) -> None:
    """Count how often each part is met; what stands below a part met before is met there."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if not _may_share(node):
            continue
        key = _key(node)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] == 1:
            nodes[key] = node
            waiting += children(node)


def _levels(nodes: dict[_Key, Node], shared: set[_Key]) -> list[list[_Key]]:
    """Return the shared parts in steps: each stands after those within it."""
    levels: list[list[_Key]] = []
    for key in sorted(shared, key=lambda key: (len(key[0]), key[0])):  # a part is longer than what stands within it
        inner = [_key(node) for node in walk(nodes[key]) if node is not nodes[key] and _may_share(node)]
        deepest = max((place for place, level in enumerate(levels) if not set(inner).isdisjoint(level)), default=-1)
        if deepest + 1 == len(levels):
            levels.append([])
        levels[deepest + 1].append(key)
    return levels
