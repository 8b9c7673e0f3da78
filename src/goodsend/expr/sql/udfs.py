"""
The Python functions that an engine must know before it runs what write.py wrote: `gs_<name>`, with their types.

Registering them is the engine's matter (archive/). What it needs is here: names, types, and the function itself, over
one row (`Udf.call`) or a batch of columns (`Udf.rows`). Nothing here imports an engine or Arrow.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from sqlglot import expressions as exp

from goodsend.expr.evaluate import read, seconds_between
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.expr.functions.model import Function
from goodsend.expr.functions.numbers import INTEGER_MAX, INTEGER_MIN, bounded, remainder
from goodsend.expr.nodes import Call, walk
from goodsend.facts import FactType, Value
from goodsend.kit.clock import SECOND

PREFIX = "gs_"
_MEMO_CHARS = 200
_MEMO_ROWS = 100_000


class Udf(msgspec.Struct, frozen=True):
    """
    A function to register under `name`, which takes `parameters` and gives `result`.

    An engine calls `rows` with one sequence per parameter (all of one length, None for NULL, TEXTS as lists or tuples)
    and gets the results in order. It must pass NULLs on and must not leave out rows: some functions see NULL. The
    function is deterministic. It may be pickled with cloudpickle, where the worker can import goodsend.
    """

    name: str
    parameters: tuple[FactType, ...]
    result: FactType
    call: Callable[..., Value]

    def rows(self, *columns: Sequence[Any]) -> list[Value]:
        """Return the result for each row. A row of short texts that was seen before is not computed again."""
        types = self.parameters
        if FactType.TEXTS in types:
            columns = tuple(
                [read(type_, value) for value in column] if type_ is FactType.TEXTS else column
                for type_, column in zip(types, columns, strict=True)
            )
        memo: dict[tuple[Any, ...], Value] = {}
        return [self._remembered(memo, row) for row in zip(*columns, strict=True)]

    def _remembered(self, memo: dict[tuple[Any, ...], Value], row: tuple[Any, ...]) -> Value:
        first = row[0]
        if type(first) is not str or len(first) > _MEMO_CHARS or len(memo) > _MEMO_ROWS:
            return self.call(*row)
        if row not in memo:
            memo[row] = self.call(*row)
        return memo[row]


def apply(function: Function, *values: Value) -> Value:
    """Return what a call of the function gives, as `Expression.evaluate` would: NULLs, and literals prepared."""
    args: list[object] = []
    for position, value in enumerate(values):
        if value is None and not function.accepts_null:
            return None
        parameter = function.parameters[min(position, len(function.parameters) - 1)]
        args.append(value if parameter.prepare is None or value is None else _prepared(parameter.prepare, value))
    return function.call(*args)


_made: dict[tuple[Callable[[Any], object], Value], object] = {}


def _prepared(prepare: Callable[[Any], object], value: Value) -> object:
    """Return a literal as the function wants it; rules have few literals, so all are kept."""
    key = (prepare, value)
    if key not in _made:
        _made[key] = prepare(value)
    return _made[key]


# ---------------------------------------------------------------------- operators


def _finite(x: float | None) -> float | None:
    return None if x is None else bounded(x)


def _at_most(text: str | None, chars: int | None) -> str | None:
    return None if text is None or chars is None or len(text) > chars else text


def _remainder(x: float | None, y: float | None) -> float | None:
    return None if x is None or y is None else remainder(x, y)


def _microseconds(seconds: float | None) -> int | None:
    length = None if seconds is None else seconds * SECOND
    return None if length is None or not INTEGER_MIN <= length <= INTEGER_MAX else round(length)


def _seconds_between(later: int | None, earlier: int | None) -> float | None:
    return None if later is None or earlier is None else seconds_between(later, earlier)


_NUMBER, _INTEGER, _TEXT = FactType.NUMBER, FactType.INTEGER, FactType.TEXT

OPERATORS: Mapping[str, Udf] = {
    udf.name: udf
    for udf in (
        Udf("gs_finite", (_NUMBER,), _NUMBER, _finite),
        Udf("gs_at_most", (_TEXT, _INTEGER), _TEXT, _at_most),
        Udf("gs_remainder", (_NUMBER, _NUMBER), _NUMBER, _remainder),
        Udf("gs_microseconds", (_NUMBER,), _INTEGER, _microseconds),
        Udf("gs_seconds_between", (FactType.TIME, FactType.TIME), _NUMBER, _seconds_between),
        Udf("gs_lower", (_TEXT,), _TEXT, partial(apply, CORE_FUNCTIONS["LOWER"])),
        Udf("gs_upper", (_TEXT,), _TEXT, partial(apply, CORE_FUNCTIONS["UPPER"])),
    )
}
"""What stands behind operators (LIKE, `%`, `||`, time arithmetic) where an engine has no equal one."""


# ---------------------------------------------------------------------- functions


def udf_name(call: Call) -> str:
    """
    Return the name a call's function is registered under: `gs_email_domain`.

    Where the same function takes other types or another number of arguments, they are in the name: `gs_round_ni`.
    """
    function = call.function
    assert function is not None, "only checked trees are written"  # noqa: S101
    fixed = all(p.type is not None and not p.optional and not p.repeats for p in function.parameters)
    name = PREFIX + function.name.lower()
    return name if fixed else f"{name}_{''.join(_LETTERS[type_] for type_ in _types(call))}"


_LETTERS = {
    FactType.TEXT: "t",
    FactType.INTEGER: "i",
    FactType.NUMBER: "n",
    FactType.BOOLEAN: "b",
    FactType.TIME: "m",
    FactType.TEXTS: "a",
}


def _types(call: Call) -> tuple[FactType, ...]:
    function = call.function
    assert function is not None, "only checked trees are written"  # noqa: S101
    parameters = function.parameters
    found = []
    for position, arg in enumerate(call.args):
        parameter = parameters[min(position, len(parameters) - 1)]
        found.append(parameter.type or arg.type or call.type or FactType.TEXT)
    return tuple(found)


def udf_of(call: Call) -> Udf:
    """Return the function that a call of `udf_name(call)` needs."""
    function = call.function
    assert function is not None, "only checked trees are written"  # noqa: S101
    result = call.type or function.result or FactType.TEXT
    return Udf(udf_name(call), _types(call), result, partial(apply, function))


def called_in(query: exp.Expression) -> frozenset[str]:
    """Return the names of the registered functions that a query calls."""
    return frozenset(
        node.name.lower() for node in query.find_all(exp.Anonymous) if node.name.lower().startswith(PREFIX)
    )


def possible(roots: Iterable[Any]) -> dict[str, Udf]:
    """Return every function that SQL written from these nodes could call, by name."""
    found = dict(OPERATORS)
    for root in roots:
        for node in walk(root):
            if isinstance(node, Call) and node.function is not None and not node.function.needs_lists:
                made = udf_of(node)
                found[made.name] = made
    return found
