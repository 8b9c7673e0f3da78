"""Functions over numbers, lengths of time, and choice between values."""

from sqlglot import expressions as exp

from goodsend.expr.sql.arithmetic import integers, negated_integer
from goodsend.expr.sql.model import Dialect, Form, Site
from goodsend.expr.sql.pieces import (
    HUGE,
    array,
    binary,
    call,
    case,
    cast,
    chain,
    finite,
    integer,
    is_null,
    number,
    one_zero,
    try_cast,
)
from goodsend.facts import FactType


def _abs(site: Site) -> exp.Expression | None:
    if site.type_of(0) is FactType.NUMBER:
        return call("ABS", site.args[0])
    if site.dialect is Dialect.DUCKDB:
        return try_cast(call("ABS", cast(site.args[0], HUGE)), FactType.INTEGER)
    if not site.is_small:
        return None
    positive = binary(exp.GTE, site.args[0].copy(), integer(0))
    return case((positive, site.args[0]), otherwise=negated_integer(site.args[0].copy(), site.dialect))


def _floor(site: Site) -> exp.Expression | None:
    return _whole("FLOOR", site)


def _ceil(site: Site) -> exp.Expression | None:
    return _whole("CEIL", site)


def _whole(name: str, site: Site) -> exp.Expression | None:
    if site.type_of(0) is not FactType.NUMBER:
        return site.args[0]
    if site.dialect is Dialect.DUCKDB:
        return try_cast(call(name, site.args[0]), FactType.INTEGER)
    if not site.is_small:
        return None
    low, high = number(-(2.0**63)), number(2.0**63 - 1024)  # the float after it is 2^63, one too large
    inside = exp.Between(this=exp.Paren(this=site.args[0].copy()), low=low, high=high)
    return case((inside, cast(call(name, site.args[0]), FactType.INTEGER)))


def _round(site: Site) -> exp.Expression | None:
    """Without digits: the engines agree on halves. With digits ours goes by the number as written: a UDF."""
    if site.type_of(0) is FactType.NUMBER:
        return call("ROUND", site.args[0]) if len(site.args) == 1 and site.dialect is Dialect.DUCKDB else None
    digits = site.literal(1)
    return site.args[0] if len(site.args) == 1 or (isinstance(digits, int) and digits >= 0) else None


def _least(site: Site) -> exp.Expression | None:
    return _extreme("LEAST", site)


def _greatest(site: Site) -> exp.Expression | None:
    return _extreme("GREATEST", site)


def _extreme(name: str, site: Site) -> exp.Expression | None:
    """The engines leave NULL out; ours is NULL where one of the values is."""
    if site.dialect is Dialect.BIGQUERY or len(site.args) == 1:
        return call(name, *site.args) if len(site.args) > 1 else site.args[0]
    if site.is_small and len(site.args) <= 8:
        unknown = chain(exp.Or, [is_null(arg.copy()) for arg in site.args])
        return case((exp.Not(this=exp.Paren(this=unknown)), call(name, *site.args)))
    if site.dialect is not Dialect.DUCKDB:
        return None
    order = "ASC" if name == "LEAST" else "DESC"
    ordered = call("LIST_SORT", array(site.args), exp.Literal.string(order), exp.Literal.string("NULLS FIRST"))
    return call("LIST_EXTRACT", ordered, exp.Literal.number(1))


def _length(seconds: int) -> Form:
    def form(site: Site) -> exp.Expression:
        if site.type_of(0) is not FactType.NUMBER:
            return integers("*", site.args[0], integer(seconds), site.dialect)
        if site.dialect is Dialect.BIGQUERY:
            return call("SAFE_MULTIPLY", site.args[0], number(seconds))
        return finite(binary(exp.Mul, site.args[0], number(seconds)), site.dialect)

    return form


# ---------------------------------------------------------------------- choice


def _coalesce(site: Site) -> exp.Expression:
    return call("COALESCE", *site.args)


def _nullif(site: Site) -> exp.Expression | None:
    if site.type_of(0) is FactType.TEXTS and site.dialect is Dialect.BIGQUERY:
        return None
    if site.type_of(0) is FactType.NUMBER:
        return call("NULLIF", *(one_zero(arg, site.dialect) for arg in site.args))
    return call("NULLIF", *site.args)


def _if(site: Site) -> exp.Expression:
    return case((site.args[0], site.args[1]), otherwise=site.args[2] if len(site.args) > 2 else None)


FORMS: dict[str, Form] = {
    "ABS": _abs,
    "FLOOR": _floor,
    "CEIL": _ceil,
    "ROUND": _round,
    "LEAST": _least,
    "GREATEST": _greatest,
    "SECONDS": _length(1),
    "MINUTES": _length(60),
    "HOURS": _length(3600),
    "DAYS": _length(86400),
    "COALESCE": _coalesce,
    "NULLIF": _nullif,
    "IF": _if,
}
