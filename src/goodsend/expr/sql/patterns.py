"""
LIKE and REGEXP_LIKE. DuckDB searches with RE2 as we do, so its search is ours for patterns that do not ask tables of
Unicode properties; Spark searches with Java's engine and Sail with Rust's, which read `\\b` and `(?i)` otherwise, so
there the pattern is searched by the registered Python function.
"""

import re
from collections.abc import Callable

from sqlglot import expressions as exp

from goodsend.expr.sql.model import Dialect, Site
from goodsend.expr.sql.pieces import binary, call, case, filtered, is_ascii, text

_PROPERTY = re.compile(r"\\[pP]")
_LAST_PLAIN = "\u04ff"
"""Letters up to here (Latin, Greek, Cyrillic) fold alike in every version of RE2's tables; a test compares them."""


def like(subject: exp.Expression, pattern: str, insensitive: bool, dialect: Dialect) -> exp.Expression:
    """Return `subject LIKE pattern` with `%` and `_` and no escape character; ILIKE after LOWER on both sides."""
    if insensitive:
        subject, pattern = lower(subject, dialect), pattern.lower()
    if dialect is not Dialect.DUCKDB:
        pattern = pattern.replace("\\", "\\\\")  # there a backslash escapes, unless it escapes itself
    return binary(exp.Like, subject, text(pattern, dialect))


def lower(subject: exp.Expression, dialect: Dialect) -> exp.Expression:
    """Return LOWER: the engine's for ASCII; beyond it engines map one character to one, Unicode's full mapping not."""
    return _cased(subject, "LOWER", dialect)


def _cased(subject: exp.Expression, name: str, dialect: Dialect) -> exp.Expression:
    own = f"gs_{name.lower()}"
    if not _is_short(subject):
        return call(own, subject)
    return case(
        (is_ascii(subject.copy(), dialect), call(name, subject.copy())),
        otherwise=call(own, subject),
    )


def _is_short(subject: exp.Expression) -> bool:
    return sum(1 for _ in subject.walk()) <= 12


def _lower(site: Site) -> exp.Expression:
    return lower(site.args[0], site.dialect)


def _upper(site: Site) -> exp.Expression:
    return _cased(site.args[0], "UPPER", site.dialect)


def is_native(pattern: str, dialect: Dialect) -> bool:
    """Whether the engine's own search finds exactly what RE2 here finds."""
    if dialect is not Dialect.DUCKDB:
        return False
    return "\0" not in pattern and not _PROPERTY.search(pattern) and max(pattern, default="") <= _LAST_PLAIN


def _regexp_like(site: Site) -> exp.Expression | None:
    pattern = site.literal(1)
    if not isinstance(pattern, str) or not is_native(pattern, site.dialect):
        return None
    return call("REGEXP_MATCHES", site.args[0], text(pattern, site.dialect))


def _any_regexp(site: Site) -> exp.Expression | None:
    pattern = site.literal(1)
    if not isinstance(pattern, str) or not is_native(pattern, site.dialect):
        return None
    return any_of(site, lambda x: call("REGEXP_MATCHES", x, text(pattern, site.dialect)))


def _any_like(site: Site) -> exp.Expression | None:
    pattern = site.literal(1)
    if not isinstance(pattern, str) or site.dialect is Dialect.SPARK:
        return None
    return any_of(site, lambda x: like(x, pattern, insensitive=False, dialect=site.dialect))


def any_of(site: Site, test: Callable[[exp.Expression], exp.Expression]) -> exp.Expression | None:
    """Return whether a test holds for any text of the first argument, NULL where that is NULL."""
    if site.dialect is not Dialect.DUCKDB:
        return None
    return binary(exp.GT, call("LEN", filtered(site.dialect, site.args[0], test)), exp.Literal.number(0))


FORMS = {
    "LOWER": _lower,
    "UPPER": _upper,
    "REGEXP_LIKE": _regexp_like,
    "ANY_REGEXP": _any_regexp,
    "ANY_LIKE": _any_like,
}
