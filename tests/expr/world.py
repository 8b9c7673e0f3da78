"""
What the tests of the rule language share: a catalogue, and a maker of expressions that carries its own meaning.

Each made expression is a SQL text and a plain Python function that says, on its own and without looking at the code
under test, what that text means over a row: the third opinion that the two paths are held against.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from goodsend.expr.check import compile_expression
from goodsend.expr.compile import build_row
from goodsend.expr.functions import CORE_FUNCTIONS, EXAMPLE_LISTS
from goodsend.expr.model import Expression
from goodsend.facts import Catalog, Fact, Facts, FactType, Value

BOOLEAN, TEXT, INTEGER = FactType.BOOLEAN, FactType.TEXT, FactType.INTEGER
NUMBER, TIME, TEXTS = FactType.NUMBER, FactType.TIME, FactType.TEXTS

CATALOG = Catalog(
    Fact(name, type_, "for tests")
    for name, type_ in {
        "e.kind": TEXT,
        "e.subject": TEXT,
        "e.recipients": INTEGER,
        "e.at": TIME,
        "e.urls": TEXTS,
        "f.recipients_imported_24h": INTEGER,
        "f.complaints_24h": INTEGER,
        "f.bounce_share": NUMBER,
        "f.complaint_share": NUMBER,
        "f.signed_up_at": TIME,
        "s.LINK_IP_HOST": BOOLEAN,
        "s.LINK_COUNT": BOOLEAN,
        "s.link_count": INTEGER,
        "s.WORDING_URGENT": BOOLEAN,
    }.items()
)
LISTS = EXAMPLE_LISTS


def make(source: str, expected: FactType | None = BOOLEAN) -> Expression:
    """Return the expression, or fail with its problems."""
    made = compile_expression(source, CATALOG, CORE_FUNCTIONS, LISTS, expected)
    assert isinstance(made, Expression), "\n".join(problem.render() for problem in made)
    return made


def problems(source: str, expected: FactType | None = BOOLEAN) -> list[str]:
    """Return the messages of what is wrong with an expression; empty where it is fine."""
    made = compile_expression(source, CATALOG, CORE_FUNCTIONS, LISTS, expected)
    return [] if isinstance(made, Expression) else [problem.message for problem in made]


def both_paths(expression: Expression, facts: Facts) -> Value:
    """Return the value that the plain and the generated path agree on."""
    plain = expression.evaluate(facts, LISTS)
    fast = build_row({"it": expression})(facts, LISTS)[0]
    assert same(plain, fast), f"{expression.sql}: {plain!r} plainly, {fast!r} generated"
    return plain


def same(left: Value, right: Value) -> bool:
    """Equal, and of one type: 1 is not 1.0 and not True."""
    return type(left) is type(right) and left == right


@dataclass(frozen=True)
class Made:
    """A SQL text with what it means over a row."""

    sql: str
    means: Callable[[Facts], Any]


Pieces = st.SearchStrategy[Made]

SMALL = st.integers(-4, 4)
ANY_INTEGER = SMALL | st.integers(-(2**63), 2**63 - 1)
HALVES = SMALL.map(lambda n: n / 2)
ANY_NUMBER = HALVES | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(alphabet="aAb%_'é ", max_size=4)

FACTS = st.fixed_dictionaries(
    {},
    optional={
        "e.kind": st.none() | WORDS,
        "e.subject": st.none() | WORDS,
        "e.recipients": st.none() | ANY_INTEGER,
        "f.complaints_24h": st.none() | ANY_INTEGER,
        "f.bounce_share": st.none() | ANY_NUMBER,
        "f.complaint_share": st.none() | ANY_NUMBER,
        "s.LINK_IP_HOST": st.none() | st.booleans(),
        "s.WORDING_URGENT": st.none() | st.booleans(),
    },
)
SMALL_FACTS = st.fixed_dictionaries(
    {
        "e.kind": st.none() | WORDS,
        "e.subject": st.none() | WORDS,
        "e.recipients": st.none() | SMALL,
        "f.complaints_24h": st.none() | SMALL,
        "f.bounce_share": st.none() | HALVES,
        "f.complaint_share": st.none() | HALVES,
        "s.LINK_IP_HOST": st.none() | st.booleans(),
        "s.WORDING_URGENT": st.none() | st.booleans(),
    }
)


def _column(name: str) -> Made:
    return Made(name, lambda facts: facts.get(name))


def _columns(*names: str) -> Pieces:
    return st.sampled_from(names).map(_column)


def _written(value: Any) -> Made:
    if isinstance(value, str):
        return Made("'" + value.replace("'", "''") + "'", lambda facts: value)
    return Made(
        {True: "TRUE", False: "FALSE"}.get(value, "") if isinstance(value, bool) else repr(value), lambda _: value
    )


def _strict(template: str, means: Callable[..., Any], *parts: Made) -> Made:
    """NULL where a part is NULL."""

    def value(facts: Facts) -> Any:
        values = [part.means(facts) for part in parts]
        return None if None in values else means(*values)

    return Made(template.format(*(f"({part.sql})" for part in parts)), value)


def _open(template: str, means: Callable[..., Any], *parts: Made) -> Made:
    """A form that sees NULL itself."""
    return Made(
        template.format(*(f"({part.sql})" for part in parts)),
        lambda facts: means(*(part.means(facts) for part in parts)),
    )


def _kept(value: Any) -> Any:
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else None
    return value if math.isfinite(value) else None


def _modulo(a: Any, b: Any) -> Any:
    if b == 0:
        return None
    return math.fmod(a, b) if isinstance(a, float) else int(math.copysign(1, a)) * (abs(a) % abs(b))


def _and(a: Any, b: Any) -> Any:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def _or(a: Any, b: Any) -> Any:
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


def _isin(x: Any, values: list[Any]) -> Any:
    found: Any = False
    for value in values:
        found = _or(found, None if x is None or value is None else x == value)
    return found


def _like(text: str, pattern: str) -> bool:
    """LIKE by the textbook, one table of answers."""
    reach = {0}
    for sign in pattern:
        if sign == "%":
            reach = {end for start in reach for end in range(start, len(text) + 1)}
        else:
            reach = {at + 1 for at in reach if at < len(text) and sign in ("_", text[at])}
    return len(text) in reach


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: _kept(a + b),
    "-": lambda a, b: _kept(a - b),
    "*": lambda a, b: _kept(a * b),
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _choice(word: str, kind: Pieces, conditions: Pieces) -> Pieces:
    case = st.builds(
        lambda c, a, b: _open("CASE WHEN {0} THEN {1} ELSE {2} END", lambda c, a, b: a if c is True else b, c, a, b),
        conditions,
        kind,
        kind,
    )
    coalesce = st.builds(lambda a, b: _open("COALESCE({0}, {1})", lambda a, b: b if a is None else a, a, b), kind, kind)
    nullif = st.builds(
        lambda a, b: _open("NULLIF({0}, {1})", lambda a, b: None if None not in (a, b) and a == b else a, a, b),
        kind,
        kind,
    )
    simple = st.builds(
        lambda s, w, a: _open(
            "CASE {0} WHEN {1} THEN {2} END", lambda s, w, a: a if None not in (s, w) and s == w else None, s, w, a
        ),
        kind,
        kind,
        kind,
    )
    return case | coalesce | nullif | simple


def expressions(portable: bool = False) -> Pieces:
    """Return conditions; `portable` ones stay where SQLite means the same (small numbers, no division, no LIKE)."""
    integers: Pieces = _columns("e.recipients", "f.complaints_24h") | (SMALL if portable else ANY_INTEGER).map(_written)
    numbers: Pieces = _columns("f.bounce_share", "f.complaint_share") | (HALVES if portable else ANY_NUMBER).map(
        _written
    )
    texts: Pieces = _columns("e.kind", "e.subject") | WORDS.map(_written)
    conditions: Pieces = _columns("s.LINK_IP_HOST", "s.WORDING_URGENT") | st.booleans().map(_written)
    for _ in range(2):
        integers, numbers, texts, conditions = _layer(integers, numbers, texts, conditions, portable)
    return conditions


def _layer(i: Pieces, n: Pieces, t: Pieces, c: Pieces, portable: bool) -> tuple[Pieces, Pieces, Pieces, Pieces]:
    mixed = i.map(lambda made: Made(made.sql, lambda facts: _float(made.means(facts))))  # an INTEGER among NUMBERs
    ops = st.sampled_from(sorted(_ARITHMETIC))

    def binary(left: Pieces, right: Pieces) -> Pieces:
        return st.builds(lambda op, a, b: _strict("{0} " + op + " {1}", _ARITHMETIC[op], a, b), ops, left, right)

    negative = lambda kind: kind.map(lambda a: _strict("-{0}", lambda x: _kept(-x), a))  # noqa: E731
    integers = i | binary(i, i) | negative(i) | _choice("int", i, c)
    integers |= t.map(lambda a: _strict("LENGTH({0})", len, a))
    numbers = n | binary(n, n) | binary(n, mixed) | binary(mixed, n) | negative(n) | _choice("num", n, c)
    joined = st.builds(lambda a, b: _strict("{0} || {1}", lambda x, y: x + y, a, b), t, t)
    texts = t | joined | _choice("text", t, c)
    if not portable:
        modulo = lambda kind: st.builds(lambda a, b: _strict("{0} % {1}", _modulo, a, b), kind, kind)  # noqa: E731
        integers |= modulo(i)
        numbers |= modulo(n) | st.builds(
            lambda a, b: _strict("{0} / {1}", lambda x, y: None if y == 0 else _kept(x / y), a, b), n | mixed, n | mixed
        )
        texts |= t.map(lambda a: _strict("LOWER({0})", str.lower, a))
    return integers, numbers, texts, c | _conditions(i, n, t, c, mixed, portable)


def _float(value: Any) -> Any:
    return None if value is None else float(value)


def _conditions(i: Pieces, n: Pieces, t: Pieces, c: Pieces, mixed: Pieces, portable: bool) -> Pieces:
    compares = st.sampled_from(sorted(_COMPARE))
    nots = st.sampled_from(["", "NOT "])

    def compare(left: Pieces, right: Pieces) -> Pieces:
        return st.builds(lambda op, a, b: _strict("{0} " + op + " {1}", _COMPARE[op], a, b), compares, left, right)

    def between(kind: Pieces) -> Pieces:
        def means(sign: str) -> Callable[..., Any]:
            def value(x: Any, low: Any, high: Any) -> Any:
                inside = _and(
                    None if None in (x, low) else x >= low,
                    None if None in (x, high) else x <= high,
                )
                return inside if not sign or inside is None else not inside

            return value

        return st.builds(
            lambda sign, x, a, b: _open("{0} " + sign + "BETWEEN {1} AND {2}", means(sign), x, a, b),
            nots,
            kind,
            kind,
            kind,
        )

    def within(kind: Pieces, values: st.SearchStrategy[Any]) -> Pieces:
        def build(sign: str, x: Made, items: list[Any]) -> Made:
            told = ", ".join("NULL" if item is None else _written(item).sql for item in items)

            def value(facts: Facts) -> Any:
                inside = _isin(x.means(facts), items)
                return inside if not sign or inside is None else not inside

            return Made(f"({x.sql}) {sign}IN ({told})", value)

        return st.builds(build, nots, kind, st.lists(st.none() | values, min_size=1, max_size=3).filter(any_known))

    def any_known(items: list[Any]) -> bool:
        return any(item is not None for item in items)

    found = compare(i, i) | compare(n, n) | compare(n, mixed) | compare(t, t)
    found |= between(i) | between(n) | between(t) | within(i, SMALL) | within(t, WORDS) | within(n, HALVES)
    found |= st.builds(lambda a, b: _open("{0} AND {1}", _and, a, b), c, c)
    found |= st.builds(lambda a, b: _open("{0} OR {1}", _or, a, b), c, c)
    found |= c.map(lambda a: _strict("NOT {0}", lambda x: not x, a))
    found |= st.builds(
        lambda a, sign: _open("{0} IS " + sign + "NULL", lambda x: (x is None) is not bool(sign), a),
        i | n | t | c,
        nots,
    )
    if not portable:
        found |= st.builds(
            lambda sign, a, p: _strict(
                "{0} " + sign + "LIKE " + _written(p).sql, lambda x: _like(x, p) is not bool(sign), a
            ),
            nots,
            t,
            WORDS,
        )
    return found
