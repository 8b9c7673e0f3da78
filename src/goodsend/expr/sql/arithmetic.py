"""
Operators on numbers and times. INTEGER stays exact and is NULL past 64 bits; NUMBER is NULL where it is not finite.

Whole numbers go through 128 bits (DuckDB) or functions that give NULL (the others), so nothing wraps or raises.
Floats are computed as they are, and looked at once where a chain of `+ - *` ends: an infinity or NaN inside such a
chain is one at its end. Where the operands are too small to overflow, nothing is looked at.
"""

from collections.abc import Callable

from sqlglot import expressions as exp

from goodsend.expr.nodes import Arithmetic, Literal, Negate, Node, Widen
from goodsend.expr.sql.model import Dialect
from goodsend.expr.sql.pieces import (
    HUGE,
    binary,
    call,
    case,
    cast,
    finite,
    integer,
    null_if_zero,
    number,
    one_zero,
    paren,
    try_cast,
)
from goodsend.facts import FactType
from goodsend.kit.clock import SECOND

Written = Callable[[Node], exp.Expression]
"""Writes an operand."""

_SAFE_BOUND = 1e300
_TWO_53 = 2**53

_KIND: dict[str, type[exp.Binary]] = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul, "/": exp.Div, "%": exp.Mod}
_SPARK = {"+": "TRY_ADD", "-": "TRY_SUBTRACT", "*": "TRY_MULTIPLY"}
_BIGQUERY = {"+": "SAFE_ADD", "-": "SAFE_SUBTRACT", "*": "SAFE_MULTIPLY"}


# ---------------------------------------------------------------------- whole numbers


def integers(op: str, left: exp.Expression, right: exp.Expression, dialect: Dialect) -> exp.Expression:
    """Return `left op right` of two BIGINTs; NULL past 64 bits and where the divisor of `%` is zero."""
    if op == "%":
        return _integer_remainder(left, right, dialect)
    if dialect is Dialect.DUCKDB:
        return try_cast(binary(_KIND[op], cast(left, HUGE), cast(right, HUGE)), FactType.INTEGER)
    return call((_SPARK if dialect is Dialect.SPARK else _BIGQUERY)[op], left, right)


def _integer_remainder(left: exp.Expression, right: exp.Expression, dialect: Dialect) -> exp.Expression:
    if dialect is Dialect.DUCKDB:
        divisor = null_if_zero(right)
        return cast(binary(exp.Mod, cast(left, HUGE), cast(divisor, HUGE)), FactType.INTEGER)
    # The least number % -1 overflows in some engines; % 1 gives the same zero.
    minus = binary(exp.EQ, right.copy(), integer(-1))
    divisor = case((minus, integer(1)), otherwise=null_if_zero(right))
    return call("MOD", left, divisor) if dialect is Dialect.BIGQUERY else binary(exp.Mod, left, divisor)


def negated_integer(operand: exp.Expression, dialect: Dialect) -> exp.Expression:
    """Return `-x` of a BIGINT."""
    return integers("-", integer(0), operand, dialect)


# ---------------------------------------------------------------------- floats


def magnitude(node: Node) -> float:
    """Return what the absolute value of a checked number cannot exceed; infinity where that is not known."""
    if isinstance(node, Literal) and isinstance(node.value, int | float):
        return abs(float(node.value))
    if node.type is FactType.INTEGER or isinstance(node, Widen):
        return 2.0**63
    if isinstance(node, Negate):
        return magnitude(node.operand)
    if not isinstance(node, Arithmetic) or node.type is not FactType.NUMBER:
        return float("inf")
    if node.left.type is FactType.TIME:
        return 2.0**64 / SECOND
    left, right = magnitude(node.left), magnitude(node.right)
    if node.op == "*":
        return left * right if left and right else 0.0
    if node.op == "/":
        return left / _least(node.right)
    return left if node.op == "%" else left + right


def _least(node: Node) -> float:
    """Return what the absolute value of a divisor that is not zero reaches at least."""
    if isinstance(node, Literal) and isinstance(node.value, int | float):
        return abs(float(node.value)) or 1.0
    return 1.0 if isinstance(node, Widen) else 5e-324


def floats(node: Arithmetic | Negate, write: Written, dialect: Dialect) -> exp.Expression:
    """Return a NUMBER's arithmetic, NULL where it is not finite and where a divisor is zero."""
    made = _raw(node, write, dialect)
    return made if magnitude(node) <= _SAFE_BOUND else finite(made, dialect)


def _raw(node: Node, write: Written, dialect: Dialect) -> exp.Expression:
    """Return arithmetic that may come out infinite or not a number."""
    if isinstance(node, Negate):
        return exp.Neg(this=paren(_raw(node.operand, write, dialect)))
    if not isinstance(node, Arithmetic) or FactType.TIME in (node.left.type, node.right.type):
        return write(node)
    left = _raw(node.left, write, dialect)
    if node.op in ("/", "%"):
        return _divided(node.op, left, _divisor(node.right, write, dialect), dialect)
    right = _raw(node.right, write, dialect)
    if dialect is Dialect.BIGQUERY:
        return call(_BIGQUERY[node.op], left, right)
    return binary(_KIND[node.op], left, right)


def _divisor(node: Node, write: Written, dialect: Dialect) -> exp.Expression:
    """Return a divisor, NULL where it is zero; finite, because a number divided by infinity would be zero."""
    made = write(node)
    return made if isinstance(node, Literal) and node.value else null_if_zero(one_zero(made, dialect))


def _divided(op: str, left: exp.Expression, right: exp.Expression, dialect: Dialect) -> exp.Expression:
    if dialect is Dialect.BIGQUERY:
        return call("SAFE_DIVIDE" if op == "/" else "gs_remainder", left, right)
    return binary(_KIND[op], left, right)


# ---------------------------------------------------------------------- times


def later(
    at: exp.Expression, seconds: exp.Expression, sign: int, of: FactType | None, dialect: Dialect
) -> exp.Expression:
    """Return the time so many seconds later (sign 1) or earlier (-1), NULL past 64 bits; `of` is their type."""
    length = _length(seconds, of, dialect)
    return integers("+" if sign > 0 else "-", at, length, dialect)


def _length(seconds: exp.Expression, of: FactType | None, dialect: Dialect) -> exp.Expression:
    """Return seconds as microseconds: floats rounded to the nearest, halves to the even one."""
    if of is not FactType.NUMBER:
        return integers("*", seconds, integer(SECOND), dialect)
    if dialect is Dialect.BIGQUERY:
        return call("gs_microseconds", seconds)
    product = binary(exp.Mul, seconds, number(SECOND))
    if dialect is Dialect.DUCKDB:
        return try_cast(product, FactType.INTEGER)  # its cast rounds halves to even
    return call("gs_microseconds", seconds)


def seconds_between(left: exp.Expression, right: exp.Expression, dialect: Dialect) -> exp.Expression:
    """
    Return `left - right` of two times in seconds, correctly rounded as Python's division of whole numbers is.

    Up to 2^53 microseconds (285 years) a float holds the difference exactly and one division rounds it once.
    """
    if dialect is not Dialect.DUCKDB:
        difference = integers("-", left.copy(), right.copy(), dialect)
        plain = binary(exp.Div, cast(difference, FactType.NUMBER), number(SECOND))
        limit = 2**52
        sides = [exp.Between(this=paren(x.copy()), low=integer(-limit), high=integer(limit)) for x in (left, right)]
        return case((binary(exp.And, *sides), plain), otherwise=call("gs_seconds_between", left, right))
    difference = binary(exp.Sub, cast(left, HUGE), cast(right, HUGE))
    plain = binary(exp.Div, cast(difference.copy(), FactType.NUMBER), number(SECOND))
    near = exp.Between(this=paren(difference.copy()), low=integer(-_TWO_53), high=integer(_TWO_53))
    decimal = binary(exp.Mul, cast(difference, "DECIMAL(20, 0)"), cast(exp.Literal.string("0.000001"), "DECIMAL(7, 6)"))
    exact = cast(cast(decimal, FactType.TEXT), FactType.NUMBER)
    return case((near, plain), otherwise=exact)
