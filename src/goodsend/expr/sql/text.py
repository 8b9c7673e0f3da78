"""Functions over one text."""

import sys

from sqlglot import expressions as exp

from goodsend.expr.functions.model import MAX_TEXT
from goodsend.expr.sql.model import Dialect, Site
from goodsend.expr.sql.pieces import at_most, binary, call, length, literal, text
from goodsend.facts import FactType

_SPACES = "".join(char for char in map(chr, range(sys.maxunicode + 1)) if char.isspace())
"""What Python's `str.strip` takes off; engines take off the space alone, or other sets."""

_MOST_POSITION = 2**31 - 1
_MOST_GROWTH = 16


def _length(site: Site) -> exp.Expression:
    return length(site.args[0], site.dialect)


def _trim(site: Site) -> exp.Expression:
    if site.dialect is Dialect.SPARK:
        return exp.Trim(this=site.args[0], expression=text(_SPACES, site.dialect), position="BOTH")
    return call("TRIM", site.args[0], text(_SPACES, site.dialect))


def _contains(site: Site) -> exp.Expression:
    if site.dialect is Dialect.BIGQUERY:
        return binary(exp.GT, call("STRPOS", *site.args), exp.Literal.number(0))  # 1 for an empty part
    return call("CONTAINS", *site.args)


def _starts_with(site: Site) -> exp.Expression:
    return call("STARTSWITH" if site.dialect is Dialect.SPARK else "STARTS_WITH", *site.args)


def _ends_with(site: Site) -> exp.Expression:
    return call("ENDSWITH" if site.dialect is Dialect.SPARK else "ENDS_WITH", *site.args)


def _replace(site: Site) -> exp.Expression | None:
    """Only with written parts: how far the text can grow is known then, before the engine makes it."""
    old, new = site.literal(1), site.literal(2)
    if not isinstance(old, str) or not isinstance(new, str) or not old or len(new) > _MOST_GROWTH * len(old):
        return None
    return at_most(call("REPLACE", *site.args), MAX_TEXT, site.dialect)


def _substring(site: Site) -> exp.Expression | None:
    """Only with written positions: engines count positions before the text, or from its end, each in its own way."""
    start, count = site.literal(1), site.literal(2)
    if not isinstance(start, int) or (len(site.args) > 2 and not isinstance(count, int)):
        return None
    first = min(max(start, 1), _MOST_POSITION)
    position = exp.Literal.number(first)
    if len(site.args) == 2:
        return call("SUBSTRING" if site.dialect is not Dialect.BIGQUERY else "SUBSTR", site.args[0], position)
    assert isinstance(count, int)  # noqa: S101
    if count < 0:
        return literal(None, FactType.TEXT, site.dialect)
    held = min(max(start - 1 + count - (max(start, 1) - 1), 0), _MOST_POSITION - first)
    name = "SUBSTRING" if site.dialect is not Dialect.BIGQUERY else "SUBSTR"
    return call(name, site.args[0], position, exp.Literal.number(held))


FORMS = {
    "LENGTH": _length,
    "TRIM": _trim,
    "CONTAINS": _contains,
    "STARTS_WITH": _starts_with,
    "ENDS_WITH": _ends_with,
    "REPLACE": _replace,
    "SUBSTRING": _substring,
}
