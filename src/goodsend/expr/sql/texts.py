"""Functions over several texts, and membership in named lists."""

from collections.abc import Collection

from sqlglot import expressions as exp

from goodsend.expr.functions.model import MAX_TEXT
from goodsend.expr.functions.numbers import INTEGER_MAX, INTEGER_MIN
from goodsend.expr.sql.model import Dialect, Site
from goodsend.expr.sql.pieces import (
    array,
    as_expression,
    at_most,
    call,
    case,
    cast,
    filtered,
    is_null,
    literal,
    not_,
    paren,
    text,
)
from goodsend.facts import FactType


def _texts(site: Site) -> exp.Expression | None:
    if site.dialect is Dialect.DUCKDB:
        made = cast(array(site.args), FactType.TEXTS)
        return filtered(site.dialect, made, lambda x: not_(is_null(x)))
    return call("ARRAY_COMPACT", cast(array(site.args), FactType.TEXTS)) if site.dialect is Dialect.SPARK else None


def _count_of(site: Site) -> exp.Expression:
    name = {Dialect.DUCKDB: "LEN", Dialect.SPARK: "ARRAY_SIZE", Dialect.BIGQUERY: "ARRAY_LENGTH"}[site.dialect]
    return cast(call(name, site.args[0]), FactType.INTEGER)


def _distinct_of(site: Site) -> exp.Expression | None:
    if site.dialect is Dialect.BIGQUERY:
        return None
    if site.dialect is Dialect.DUCKDB:
        return cast(call("LEN", call("LIST_DISTINCT", site.args[0])), FactType.INTEGER)
    return cast(call("ARRAY_SIZE", call("ARRAY_DISTINCT", site.args[0])), FactType.INTEGER)


def _has_text(site: Site) -> exp.Expression | None:
    if site.dialect is Dialect.BIGQUERY:
        held = exp.In(this=paren(site.args[1]), unnest=exp.Unnest(expressions=[site.args[0]]))
        return case((not_(is_null(site.args[0].copy())), held))
    if site.dialect is Dialect.DUCKDB:
        return call("LIST_CONTAINS", *site.args)
    if not site.is_small:
        return None
    # Sail says FALSE for a text that is NULL.
    return case((not_(is_null(site.args[1].copy())), call("ARRAY_CONTAINS", *site.args)))


def _join(site: Site) -> exp.Expression | None:
    if site.dialect is Dialect.DUCKDB and site.literal(1) is None:
        return None  # its separator must be a constant
    name = {Dialect.DUCKDB: "ARRAY_TO_STRING", Dialect.SPARK: "ARRAY_JOIN", Dialect.BIGQUERY: "ARRAY_TO_STRING"}
    return at_most(call(name[site.dialect], *site.args), MAX_TEXT, site.dialect)


# ---------------------------------------------------------------------- lists


def _in_list(site: Site) -> exp.Expression:
    values = site.lists.get(str(site.literal(0)))
    if values is None:
        return literal(None, FactType.BOOLEAN, site.dialect)
    subject = site.args[1]
    if site.type_of(1) is FactType.INTEGER:
        items: list[exp.Expression] = [exp.Literal.number(n) for n in sorted(_whole(values))]
    else:
        items = [text(value, site.dialect) for value in sorted(values)]
    if not items:
        return case((not_(is_null(subject)), exp.false()))
    return exp.In(this=paren(subject), expressions=items)


def _whole(values: Collection[str]) -> set[int]:
    """Return the values that are the digits of some whole number of 64 bits, as a rule writes them."""
    found = set()
    for value in values:
        if value.lstrip("-").isdecimal() and value.isascii() and str(int(value[:20])) == value:
            number = int(value)
            if INTEGER_MIN <= number <= INTEGER_MAX:
                found.add(number)
    return found


_FEW = 30
"""Values that an engine compares one by one as quickly as it would look them up. Source: measured, DuckDB 2.0."""


def _any_in_list(site: Site) -> exp.Expression | None:
    values = site.lists.get(str(site.literal(0)))
    if values is None:
        return literal(None, FactType.BOOLEAN, site.dialect)
    subject = site.args[1]
    if site.dialect is Dialect.SPARK or (len(values) <= _FEW and site.dialect is Dialect.DUCKDB):
        listed = cast(array(text(value, site.dialect) for value in sorted(values)), FactType.TEXTS)
        return call("LIST_HAS_ANY" if site.dialect is Dialect.DUCKDB else "ARRAYS_OVERLAP", subject, listed)
    return case((not_(is_null(subject.copy())), _is_any_among(subject, sorted(values), site.dialect)))


def _is_any_among(subject: exp.Expression, values: Collection[str], dialect: Dialect) -> exp.Expression:
    """Return whether one of the texts is among the values, by a subquery: DuckDB looks values up in a hash table."""
    member = exp.column("gs_text")
    if not values:
        return exp.false()
    held = exp.In(this=member, expressions=[text(value, dialect) for value in values])
    if dialect is Dialect.BIGQUERY:
        source: exp.Expression = exp.Unnest(expressions=[subject], alias=exp.TableAlias(columns=[member.this.copy()]))
    else:
        source = as_expression(exp.select(exp.alias_(call("UNNEST", subject), "gs_text")).subquery("gs_texts"))
    return exp.Exists(this=exp.select(exp.Literal.number(1)).from_(source).where(held))


FORMS = {
    "TEXTS": _texts,
    "COUNT_OF": _count_of,
    "DISTINCT_OF": _distinct_of,
    "HAS_TEXT": _has_text,
    "JOIN": _join,
    "IN_LIST": _in_list,
    "ANY_IN_LIST": _any_in_list,
}
