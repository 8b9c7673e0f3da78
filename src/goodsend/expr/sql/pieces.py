"""
Small pieces of SQL. Each argument is put into the result; a piece that writes one twice copies it.

Functions are written by name (`exp.Anonymous`), so that sqlglot does not put another of its own in their place.
"""

from collections.abc import Callable, Iterable, Sequence

from sqlglot import expressions as exp

from goodsend.expr.functions.numbers import NUMBER_MAX
from goodsend.expr.sql.model import Dialect, is_small, sql_type
from goodsend.facts import FactType, Value

HUGE = exp.DataType.build("HUGEINT", dialect="duckdb")
_GUARDED = (exp.Binary, exp.Connector, exp.Predicate, exp.Not, exp.Neg, exp.Lambda)


def call(name: str, *args: exp.Expression) -> exp.Expression:
    """Return a call of an engine's function."""
    return exp.Anonymous(this=name, expressions=list(args))


def paren(written: exp.Expression) -> exp.Expression:
    """Return SQL that may stand beside any operator."""
    return exp.Paren(this=written) if isinstance(written, _GUARDED) else written


def binary(kind: type[exp.Binary], left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """Return `left op right`."""
    return as_expression(kind(this=paren(left), expression=paren(right)))


def as_expression(made: exp.Expr) -> exp.Expression:
    """Return the same as the type that all of it has: sqlglot declares some classes and functions by their trait."""
    assert isinstance(made, exp.Expression)  # noqa: S101
    return made


def chain(kind: type[exp.Binary], parts: Sequence[exp.Expression]) -> exp.Expression:
    """Return the parts joined by AND or OR, as a balanced tree, so that a long chain does not nest deep."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return binary(kind, chain(kind, parts[:middle]), chain(kind, parts[middle:]))


def case(*branches: tuple[exp.Expression, exp.Expression], otherwise: exp.Expression | None = None) -> exp.Expression:
    """Return `CASE WHEN … THEN … [ELSE …] END`."""
    return exp.Case(ifs=[exp.If(this=when, true=then) for when, then in branches], default=otherwise)


def length(written: exp.Expression, dialect: Dialect) -> exp.Expression:
    """Return how many code points a text has, as BIGINT."""
    return cast(call("LENGTH" if dialect is Dialect.DUCKDB else "CHAR_LENGTH", written), FactType.INTEGER)


def at_most(written: exp.Expression, chars: int, dialect: Dialect) -> exp.Expression:
    """Return a text, NULL where it has more characters. Where it is long SQL, UDF `gs_at_most` does it."""
    if is_small(written):
        return case((binary(exp.LTE, length(written.copy(), dialect), exp.Literal.number(chars)), written))
    if dialect is Dialect.DUCKDB:
        limit = exp.Literal.number(chars)
        kept = filtered(dialect, array([written]), lambda x: binary(exp.LTE, length(x, dialect), limit))
        return call("LIST_EXTRACT", kept, exp.Literal.number(1))
    return call("gs_at_most", written, integer(chars))


def is_match(written: exp.Expression, pattern: str, dialect: Dialect) -> exp.Expression:
    """
    Return whether a whole text matches a pattern in the part of its language that RE2, Java and Rust read alike:
    classes of ASCII, groups, repeats. Ours, not an author's.
    """
    if dialect is Dialect.DUCKDB:
        return call("REGEXP_FULL_MATCH", written, exp.Literal.string(pattern))
    whole = exp.Literal.string(f"^(?:{pattern})\\z")
    return call("REGEXP_LIKE" if dialect is Dialect.SPARK else "REGEXP_CONTAINS", written, whole)


def is_ascii(written: exp.Expression, dialect: Dialect) -> exp.Expression:
    """Return whether a text has as many bytes as characters; the SQL is written twice."""
    octets = {Dialect.DUCKDB: "STRLEN", Dialect.SPARK: "OCTET_LENGTH", Dialect.BIGQUERY: "BYTE_LENGTH"}[dialect]
    chars = "LENGTH" if dialect is Dialect.DUCKDB else "CHAR_LENGTH"
    return binary(exp.EQ, call(octets, written), call(chars, written.copy()))


def is_null(written: exp.Expression) -> exp.Expression:
    """Return `x IS NULL`."""
    return exp.Is(this=paren(written), expression=exp.Null())


def not_(written: exp.Expression) -> exp.Expression:
    """Return `NOT x`."""
    return exp.Not(this=paren(written))


def cast(written: exp.Expression, type_: FactType | str | exp.DataType) -> exp.Expression:
    """Return a cast that cannot fail."""
    return exp.Cast(this=written, to=_type(type_))


def try_cast(written: exp.Expression, type_: FactType | str | exp.DataType) -> exp.Expression:
    """Return a cast that gives NULL where the value does not fit."""
    return exp.TryCast(this=written, to=_type(type_), safe=True)


def _type(type_: FactType | str | exp.DataType) -> exp.DataType:
    if isinstance(type_, FactType):
        return sql_type(type_)
    return exp.DataType.build(type_) if isinstance(type_, str) else type_.copy()


def integer(value: int) -> exp.Expression:
    """Return a whole number as BIGINT; a bare one would be 32 bits wide in some engines and 128 in others."""
    return cast(_plain_integer(value), FactType.INTEGER)


def _plain_integer(value: int) -> exp.Expression:
    if value < 0:
        return exp.Literal.string(str(value)) if value == -(2**63) else exp.Neg(this=exp.Literal.number(-value))
    return exp.Literal.number(value)


def number(value: float) -> exp.Expression:
    """Return a DOUBLE; read from text, because a bare 0.1 is a decimal in some engines."""
    return cast(exp.Literal.string(repr(float(value))), FactType.NUMBER)


def text(value: str, dialect: Dialect) -> exp.Expression:
    """Return a text literal. NUL is spelt as a function: engines read `\\0` in different ways."""
    if "\0" not in value:
        return exp.Literal.string(value)
    zero = "CHR" if dialect is not Dialect.SPARK else "CHAR"
    code = exp.Array(expressions=[exp.Literal.number(0)]) if dialect is Dialect.BIGQUERY else exp.Literal.number(0)
    nul = call("CODE_POINTS_TO_STRING" if dialect is Dialect.BIGQUERY else zero, code)
    parts: list[exp.Expression] = []
    for position, piece in enumerate(value.split("\0")):
        parts += [nul.copy()] if position else []
        parts += [exp.Literal.string(piece)] if piece else []
    return concat(parts)


def concat(parts: Sequence[exp.Expression]) -> exp.Expression:
    """Return `a || b || …`."""
    joined = parts[0]
    for part in parts[1:]:
        joined = exp.DPipe(this=paren(joined), expression=paren(part), safe=True)
    return paren(joined) if len(parts) > 1 else joined


def literal(value: Value, type_: FactType | None, dialect: Dialect) -> exp.Expression:
    """Return a value of the language as SQL of its type; a NULL without a type stays bare."""
    if value is None:
        return exp.Null() if type_ is None else cast(exp.Null(), type_)
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, str):
        return text(value, dialect)
    if isinstance(value, tuple):
        return cast(array([text(one, dialect) for one in value]), FactType.TEXTS)
    return number(value) if isinstance(value, float) else integer(value)


def array(parts: Iterable[exp.Expression]) -> exp.Expression:
    """Return an array of expressions."""
    return exp.Array(expressions=list(parts))


def one_zero(written: exp.Expression, dialect: Dialect) -> exp.Expression:
    """Return the DOUBLE with -0.0 as 0.0 where NULLIF would tell them apart: Sail's does, its `=` does not."""
    return binary(exp.Add, written, number(0.0)) if dialect is Dialect.SPARK else written


def null_if_zero(written: exp.Expression) -> exp.Expression:
    """Return the number, NULL where it is zero."""
    return call("NULLIF", written, exp.Literal.number(0))


def filtered(
    dialect: Dialect, values: exp.Expression, test: Callable[[exp.Expression], exp.Expression]
) -> exp.Expression:
    """Return the array without the members for which the test is not true. For DuckDB."""
    if dialect is not Dialect.DUCKDB:
        raise NotImplementedError("lambdas are written for DuckDB only")
    body = exp.Lambda(this=test(exp.column("x")), expressions=[exp.to_identifier("x")])
    return call("LIST_FILTER", values, body)


def finite(written: exp.Expression, dialect: Dialect) -> exp.Expression:
    """Return the DOUBLE, NULL where it is an infinity or not a number. Written once where it is long."""
    if dialect is Dialect.BIGQUERY:
        return written  # its SAFE_ functions give NULL by themselves
    if is_small(written):
        return case((_is_finite(written.copy(), dialect), written))
    if dialect is Dialect.DUCKDB:
        kept = filtered(dialect, array([written]), lambda x: _is_finite(x, dialect))
        return call("LIST_EXTRACT", kept, exp.Literal.number(1))
    return call("gs_finite", written)


def _is_finite(written: exp.Expression, dialect: Dialect) -> exp.Expression:
    if dialect is Dialect.DUCKDB:
        return call("ISFINITE", written)
    return exp.Between(this=paren(written), low=number(-NUMBER_MAX), high=number(NUMBER_MAX))
