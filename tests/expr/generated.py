"""
Expressions and rows for comparing engines: every form of the language and every function, over values at their limits.

Only texts are made; what they mean is asked of `Expression.evaluate`.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from goodsend.expr.canonical import quoted
from goodsend.expr.check import compile_expression
from goodsend.expr.model import Expression
from goodsend.facts import Catalog, Fact, FactType
from goodsend.kit.clock import to_datetime
from goodsend.pack import FUNCTIONS

BOOLEAN, TEXT, INTEGER = FactType.BOOLEAN, FactType.TEXT, FactType.INTEGER
NUMBER, TIME, TEXTS = FactType.NUMBER, FactType.TIME, FactType.TEXTS

TYPES = {
    "e.t": TEXT,
    "e.u": TEXT,
    "e.i": INTEGER,
    "e.j": INTEGER,
    "f.n": NUMBER,
    "f.m": NUMBER,
    "s.b": BOOLEAN,
    "s.c": BOOLEAN,
    "e.at": TIME,
    "f.at": TIME,
    "e.x": TEXTS,
    "e.y": TEXTS,
}
CATALOG = Catalog(Fact(name, type_, "for tests") for name, type_ in TYPES.items())
LISTS = {
    "words": frozenset({"a", "b", "example.com", "ex.co.uk", "é", "a'b", ""}),
    "numbers": frozenset({"0", "1", "-2", "007", "9223372036854775807", "-9223372036854775808", "x", "+1"}),
    "nothing": frozenset(),
}

YEAR = 366 * 86_400 * 1_000_000
INTEGERS = st.one_of(
    st.integers(-4, 4),
    st.sampled_from([-(2**63), 2**63 - 1, 2**53, -(2**53) - 1, 2**31, 2**62, 10**18]),
    st.integers(-(2**63), 2**63 - 1),
)
NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.5, 2.5, 1e300, -1.7976931348623157e308, 5e-324, 2.0**63, 0.1, 1e-5]),
    st.integers(-9, 9).map(lambda n: n / 2),
    st.floats(allow_nan=False, allow_infinity=False),
)
TIMES = st.one_of(
    st.integers(0, 130 * YEAR),
    st.sampled_from([0, -1, 1774746000000000, 1774745999999999, 2**63 - 1, -(2**63), -62135596800000000]),
    st.integers(-(2**63), 2**63 - 1),
)
_ALPHABET = "aAbBkK%_'\\ .@-/:1,é\u0130ßΣσς\u212aǅ\u00a0\n\x00😀\u0301[]\"$"
WORDS = st.one_of(
    st.text(alphabet=_ALPHABET, max_size=6),
    st.sampled_from(
        [
            "", "a", "Bob@Mail.Example.COM", "bob@bücher.example", "x@y", "a@b@ex.co.uk", " a@example.com", "@a.bc",
            "a@1.2", "a.b+c@ex-ample.co.uk", "a@-b.com", "a@b..com", "a@b.com.", "a@" + "b" * 64 + ".com",
            "https://a.b.example.co.uk/x", "http://3221225985/", "192.0.2.1", "203.0.113.256", "2001:db8::1",
            "01.2.3.4", "+34911234567", '{"a": [1, "x", true]}', "ACT NOW", "act  now", "xn--a.bc", "  padded\t",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)  # fmt: skip
_VALUES = {
    TEXT: WORDS,
    INTEGER: INTEGERS,
    NUMBER: NUMBERS,
    BOOLEAN: st.booleans(),
    TIME: TIMES,
    TEXTS: st.lists(WORDS, max_size=4),
}
ROWS = st.fixed_dictionaries({name: st.none() | _VALUES[type_] for name, type_ in TYPES.items()})
PATTERNS = [
    "a", "^a", "a$", "(?i)k", "(?i)\\bact now\\b", "[^a-z]", "\\d+", "a.b", "(?s)a.b", "^https?://", "\\s", "\\W", "",
    "(?i)é", "(?i)ß|σ", "\\.", "(a|B){2}", "^[^A-Z]*[A-Z]{2,}", "\\pL", "(?m)^b", "[[:alpha:]]@", "x*", "\\Aa\\z",
]  # fmt: skip
PATHS = ["$", "$.a", "$.a[0]", "$.a[1]", "$.a[2]", '$["b c"]']
ZONES = ["", ", 'UTC'", ", 'Europe/Berlin'", ", 'America/New_York'", ", 'Asia/Kathmandu'", ", 'Africa/Casablanca'"]

Pick = Callable[[FactType], str]


def _time_literal(at: int) -> str:
    return f"TIMESTAMP '{to_datetime(at).strftime('%Y-%m-%dT%H:%M:%SZ')}'"


def _number_literal(value: float) -> str:
    text = repr(value)
    return text if "e" not in text else format(value, "f") if abs(value) < 1e16 else text.replace("+", "")


LITERALS: dict[FactType, st.SearchStrategy[str]] = {
    TEXT: WORDS.filter(lambda text: len(text) < 100).map(quoted),
    INTEGER: INTEGERS.map(str),
    NUMBER: NUMBERS.map(_number_literal),
    BOOLEAN: st.sampled_from(["TRUE", "FALSE"]),
    TIME: st.integers(0, 4_000_000_000_000_000).map(_time_literal),
    TEXTS: st.lists(WORDS.map(quoted), min_size=1, max_size=3).map(lambda texts: f"TEXTS({', '.join(texts)})"),
}


@st.composite
def texts_of(draw: Any, type_: FactType, depth: int) -> str:
    """Draw the text of an expression of a type, nested at most so deep."""
    if depth <= 0 or draw(st.integers(0, 5)) == 0:
        names = [name for name, found in TYPES.items() if found is type_]
        return draw(st.sampled_from(names) if draw(st.integers(0, 3)) else LITERALS[type_])  # type: ignore[no-any-return]

    def sub(of: FactType, less: int = 1) -> str:
        return f"({draw(texts_of(of, depth - less))})"

    def one(*of: Any) -> Any:
        return draw(st.sampled_from(of))

    if draw(st.integers(0, 5)) == 0:
        return _choice(type_, sub, one)
    makers: dict[FactType, Callable[..., str]] = {
        TEXT: _text,
        INTEGER: _integer,
        NUMBER: _number,
        BOOLEAN: _boolean,
        TIME: _time,
        TEXTS: _texts,
    }
    return makers[type_](sub, one, draw)


def _choice(type_: FactType, sub: Any, one: Any) -> str:
    shapes = [
        lambda: f"CASE WHEN {sub(BOOLEAN)} THEN {sub(type_)} WHEN {sub(BOOLEAN)} THEN {sub(type_)} END",
        lambda: f"COALESCE({sub(type_)}, {sub(type_)})",
        lambda: f"NULLIF({sub(type_)}, {sub(type_)})",
        lambda: f"IF({sub(BOOLEAN)}, {sub(type_)}, {one('NULL', sub(type_))})",
    ]
    if type_ is not TEXTS:
        shapes.append(lambda: f"CASE {sub(type_)} WHEN {sub(type_)} THEN {sub(type_)} ELSE {sub(type_)} END")
    if type_ not in (TEXTS, BOOLEAN):
        shapes.append(lambda: f"{one('LEAST', 'GREATEST')}({sub(type_)}, {sub(type_)}, {sub(type_)})")
    return str(one(*shapes)())


def _text(sub: Any, one: Any, draw: Any) -> str:
    part = draw(LITERALS[TEXT])
    shapes = [
        lambda: f"{sub(TEXT)} || {sub(TEXT)}",
        lambda: f"{one('LOWER', 'UPPER', 'TRIM')}({sub(TEXT)})",
        lambda: f"REPLACE({sub(TEXT)}, {part}, {one(part, sub(TEXT))})",
        lambda: f"SUBSTRING({sub(TEXT)}, {draw(INTEGERS)})",
        lambda: f"SUBSTRING({sub(TEXT)}, {draw(INTEGERS)}, {one(draw(INTEGERS), sub(INTEGER))})",
        lambda: f"{one('EMAIL_DOMAIN', 'EMAIL_LOCAL', 'EMAIL_TAG', 'IP_PREFIX')}({sub(TEXT)})",
        lambda: f"{one('REGISTRABLE_DOMAIN', 'URL_HOST', 'URL_DOMAIN', 'PHONE_COUNTRY')}({sub(TEXT)})",
        lambda: f"JSON_TEXT({sub(TEXT)}, {quoted(one(*PATHS))})",
        lambda: f"LOCAL_DATE({sub(TIME)}{one(*ZONES)})",
        lambda: f"JOIN({sub(TEXTS)}, {one(part, sub(TEXT))})",
    ]
    return str(one(*shapes)())


def _integer(sub: Any, one: Any, draw: Any) -> str:
    shapes = [
        lambda: f"{sub(INTEGER)} {one('+', '-', '*', '%')} {sub(INTEGER)}",
        lambda: f"-{sub(INTEGER)}",
        lambda: f"ABS({sub(INTEGER)})",
        lambda: f"{one('FLOOR', 'CEIL')}({sub(one(INTEGER, NUMBER))})",
        lambda: f"ROUND({sub(INTEGER)}, {one('0', '2', '-1', '-18', '-30')})",
        lambda: f"{one('HOUR_OF', 'MINUTE_OF_DAY', 'DAY_OF_WEEK')}({sub(TIME)}{one(*ZONES)})",
        lambda: f"{one('SECONDS', 'MINUTES', 'DAYS')}({sub(INTEGER)})",
        lambda: f"LENGTH({sub(TEXT)})",
        lambda: f"{one('COUNT_OF', 'DISTINCT_OF')}({sub(TEXTS)})",
    ]
    return str(one(*shapes)())


def _number(sub: Any, one: Any, draw: Any) -> str:
    some = one(INTEGER, NUMBER)
    shapes = [
        lambda: f"{sub(NUMBER)} {one('+', '-', '*', '/', '%')} {sub(some)}",
        lambda: f"{sub(some)} / {sub(some)}",
        lambda: f"{sub(some)} {one('+', '-', '*', '%')} {sub(NUMBER)}",
        lambda: f"-{sub(NUMBER)}",
        lambda: f"ABS({sub(NUMBER)})",
        lambda: f"ROUND({sub(NUMBER)})",
        lambda: f"ROUND({sub(NUMBER)}, {one('2', '-1', '-400', sub(INTEGER))})",
        lambda: f"{one('HOURS', 'DAYS')}({sub(NUMBER)})",
        lambda: f"{sub(TIME)} - {sub(TIME)}",
        lambda: f"{one('WILSON_LOWER', 'WILSON_UPPER')}({sub(some)}, {sub(some)})",
        lambda: f"JSON_NUMBER({sub(TEXT)}, {quoted(one(*PATHS))})",
    ]
    return str(one(*shapes)())


def _time(sub: Any, one: Any, draw: Any) -> str:
    some = one(INTEGER, NUMBER)
    return str(one(f"{sub(TIME)} {one('+', '-')} {sub(some)}", f"{sub(some)} + {sub(TIME)}"))


def _texts(sub: Any, one: Any, draw: Any) -> str:
    return f"TEXTS({sub(TEXT)}, {one('NULL', sub(TEXT))})"


def _boolean(sub: Any, one: Any, draw: Any) -> str:
    kind = one(TEXT, INTEGER, NUMBER, TIME)
    any_kind = one(*FactType)
    sign = one("", "NOT ")
    pattern = quoted(draw(st.text(alphabet="aAk%_'\\é\u0130 \n", max_size=4)))
    regexp = quoted(one(*PATTERNS))
    items = ", ".join(draw(st.lists(st.just("NULL") | LITERALS[kind], min_size=1, max_size=4)))
    shapes = [
        lambda: f"{sub(kind)} {one('=', '<>', '<', '<=', '>', '>=')} {sub(kind)}",
        lambda: f"{sub(INTEGER)} {one('=', '<', '>=')} {sub(NUMBER)}",
        lambda: f"{sub(BOOLEAN)} {one('=', '<>')} {sub(BOOLEAN)}",
        lambda: f"{sub(kind)} {sign}BETWEEN {sub(kind)} AND {sub(kind)}",
        lambda: f"{sub(kind)} {sign}IN ({items})",
        lambda: f"{sub(TEXT)} {sign}{one('LIKE', 'ILIKE')} {pattern}",
        lambda: f"{sub(any_kind)} IS {sign}NULL",
        lambda: f"NOT {sub(BOOLEAN)}",
        lambda: f"{sub(BOOLEAN)} AND {sub(BOOLEAN)}",
        lambda: f"{sub(BOOLEAN)} OR {sub(BOOLEAN)} OR {sub(BOOLEAN)}",
        lambda: f"{one('CONTAINS', 'STARTS_WITH', 'ENDS_WITH', 'SAME_DOMAIN')}({sub(TEXT)}, {sub(TEXT)})",
        lambda: f"REGEXP_LIKE({sub(TEXT)}, {regexp})",
        lambda: f"ANY_REGEXP({sub(TEXTS)}, {regexp})",
        lambda: f"ANY_LIKE({sub(TEXTS)}, {pattern})",
        lambda: f"HAS_TEXT({sub(TEXTS)}, {sub(TEXT)})",
        lambda: f"IN_LIST({one(*map(quoted, LISTS))}, {sub(one(TEXT, INTEGER))})",
        lambda: f"ANY_IN_LIST({one(*map(quoted, LISTS))}, {sub(TEXTS)})",
        lambda: f"JSON_BOOLEAN({sub(TEXT)}, {quoted(one(*PATHS))})",
    ]
    return str(one(*shapes)())


def read(text: str) -> Expression:
    """Return the checked expression, or fail with its problems."""
    made = compile_expression(text, CATALOG, FUNCTIONS, [*LISTS, "missing"], None)
    assert isinstance(made, Expression), "\n".join(problem.render() for problem in made)
    return made


def expressions(depth: int = 3) -> st.SearchStrategy[Expression]:
    """Return checked expressions of any type."""
    return st.sampled_from(list(FactType)).flatmap(lambda type_: texts_of(type_, depth)).map(read)
