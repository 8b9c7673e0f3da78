"""Functions over several texts at once (a TEXTS column: the links of a message, the recipients of a call)."""

from collections.abc import Callable, Container, Sequence

from goodsend.expr.functions import patterns
from goodsend.expr.functions.model import MAX_TEXT, Function, Parameter, table
from goodsend.facts import FactType

_TEXT = FactType.TEXT
_TEXTS = FactType.TEXTS
_X = Parameter("texts", _TEXTS)


def _any_like(texts: Sequence[str], test: Callable[[str], bool]) -> bool:
    return any(map(test, texts))


def _any_regexp(texts: Sequence[str], found: patterns.Search) -> bool:
    return any(map(found, texts))


def _prepared(pattern: str) -> patterns.Search:
    return patterns.search([patterns.checked(pattern)])


def _any_in_list(values: Container[str], texts: Sequence[str]) -> bool:
    return any(text in values for text in texts)


def _join(texts: Sequence[str], separator: str) -> str | None:
    length = sum(map(len, texts)) + len(separator) * max(0, len(texts) - 1)
    return separator.join(texts) if length <= MAX_TEXT else None


TEXTS = table(
    Function(
        name="TEXTS",
        family="texts",
        doc="Several texts as one value; those that are NULL are left out.",
        parameters=(Parameter("text", _TEXT, repeats=True),),
        result=_TEXTS,
        call=lambda *texts: tuple(text for text in texts if text is not None),
        accepts_null=True,
        examples=(("TEXTS('a', NULL, 'b')", ("a", "b")),),
    ),
    Function(
        name="COUNT_OF",
        family="texts",
        doc="How many texts there are.",
        parameters=(_X,),
        result=FactType.INTEGER,
        call=len,
        examples=(("COUNT_OF(TEXTS('a', 'b', 'a'))", 3),),
    ),
    Function(
        name="DISTINCT_OF",
        family="texts",
        doc="How many different texts there are.",
        parameters=(_X,),
        result=FactType.INTEGER,
        call=lambda texts: len(set(texts)),
        examples=(("DISTINCT_OF(TEXTS('a', 'b', 'a'))", 2),),
    ),
    Function(
        name="HAS_TEXT",
        family="texts",
        doc="Whether one of the texts is exactly this one.",
        parameters=(_X, Parameter("text", _TEXT)),
        result=FactType.BOOLEAN,
        call=lambda texts, text: text in texts,
        examples=(("HAS_TEXT(TEXTS('a', 'b'), 'b')", True),),
    ),
    Function(
        name="JOIN",
        family="texts",
        doc="The texts as one, with the separator between them.",
        parameters=(_X, Parameter("separator", _TEXT)),
        result=_TEXT,
        call=_join,
        examples=(("JOIN(TEXTS('a', 'b'), ', ')", "a, b"),),
    ),
    Function(
        name="ANY_LIKE",
        family="texts",
        doc="Whether any of the texts is LIKE the pattern (`%` any run, `_` one character; case matters).",
        parameters=(_X, Parameter("pattern", _TEXT, literal=True, prepare=patterns.like)),
        result=FactType.BOOLEAN,
        call=_any_like,
        examples=(("ANY_LIKE(TEXTS('a.example', 'b.test'), '%.test')", True), ("ANY_LIKE(TEXTS(NULL), '%')", False)),
    ),
    Function(
        name="ANY_REGEXP",
        family="texts",
        doc="Whether the RE2 pattern occurs in any of the texts.",
        parameters=(_X, Parameter("pattern", _TEXT, literal=True, prepare=_prepared)),
        result=FactType.BOOLEAN,
        call=_any_regexp,
        together=patterns.search_any,
        examples=(("ANY_REGEXP(TEXTS('https://bit.ly/x', 'https://a.example'), '^https?://bit\\.ly/')", True),),
    ),
    Function(
        name="ANY_IN_LIST",
        family="lists",
        doc="Whether any of the texts is in the named list.",
        parameters=(Parameter("list", _TEXT, literal=True), _X),
        result=FactType.BOOLEAN,
        call=_any_in_list,
        needs_lists=True,
        examples=(("ANY_IN_LIST('colours', TEXTS('cyan', 'red'))", True),),
    ),
)
