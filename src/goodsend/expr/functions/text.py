"""Functions over one text."""

from goodsend.expr.functions import patterns
from goodsend.expr.functions.model import MAX_TEXT, Function, Parameter, table
from goodsend.facts import FactType

_TEXT = FactType.TEXT
_X = Parameter("text", _TEXT)
_PART = Parameter("part", _TEXT)


def _replace(text: str, old: str, new: str) -> str | None:
    if not old:
        return text
    longer = len(text) + text.count(old) * (len(new) - len(old))
    return text.replace(old, new) if longer <= MAX_TEXT else None


def _substring(text: str, start: int, length: int | None = None) -> str | None:
    """Characters are counted from 1; positions before the text count, as in the SQL standard, but hold nothing."""
    first = max(start, 1) - 1
    if length is None:
        return text[first:]
    if length < 0:
        return None
    return text[first : max(start - 1 + length, 0)]


def _regexp(text: str, found: patterns.Search) -> bool:
    return bool(found(text))


def _prepared(pattern: str) -> patterns.Search:
    return patterns.search([patterns.checked(pattern)])


TEXT = table(
    Function(
        name="LOWER",
        family="text",
        doc="The text in lower case, by Unicode's full mapping.",
        parameters=(_X,),
        result=_TEXT,
        call=str.lower,
        examples=(("LOWER('ACME Ltd')", "acme ltd"),),
    ),
    Function(
        name="UPPER",
        family="text",
        doc="The text in upper case, by Unicode's full mapping.",
        parameters=(_X,),
        result=_TEXT,
        call=str.upper,
        examples=(("UPPER('straße')", "STRASSE"),),
    ),
    Function(
        name="LENGTH",
        family="text",
        doc="How many characters (Unicode code points) the text has.",
        parameters=(_X,),
        result=FactType.INTEGER,
        call=len,
        examples=(("LENGTH('')", 0), ("LENGTH('héllo')", 5)),
    ),
    Function(
        name="TRIM",
        family="text",
        doc="The text without white space at both ends.",
        parameters=(_X,),
        result=_TEXT,
        call=str.strip,
        examples=(("TRIM('  a b ')", "a b"),),
    ),
    Function(
        name="CONTAINS",
        family="text",
        doc="Whether the part occurs in the text; case matters.",
        parameters=(_X, _PART),
        result=FactType.BOOLEAN,
        call=str.__contains__,
        examples=(("CONTAINS('free gift', 'gift')", True), ("CONTAINS('Gift', 'gift')", False)),
    ),
    Function(
        name="STARTS_WITH",
        family="text",
        doc="Whether the text begins with the part; case matters.",
        parameters=(_X, _PART),
        result=FactType.BOOLEAN,
        call=str.startswith,
        examples=(("STARTS_WITH('https://a.example', 'https:')", True),),
    ),
    Function(
        name="ENDS_WITH",
        family="text",
        doc="Whether the text ends with the part; case matters.",
        parameters=(_X, _PART),
        result=FactType.BOOLEAN,
        call=str.endswith,
        examples=(("ENDS_WITH('mail.example', '.example')", True),),
    ),
    Function(
        name="REGEXP_LIKE",
        family="text",
        doc="Whether the RE2 pattern occurs anywhere in the text; `(?i)` ignores case, `^` and `$` are its ends.",
        parameters=(_X, Parameter("pattern", _TEXT, literal=True, prepare=_prepared)),
        result=FactType.BOOLEAN,
        call=_regexp,
        together=patterns.search,
        examples=(
            ("REGEXP_LIKE('Act NOW please', '(?i)\\bact now\\b')", True),
            ("REGEXP_LIKE('abc', '^b')", False),
        ),
    ),
    Function(
        name="REPLACE",
        family="text",
        doc="The text with every occurrence of one part replaced by another.",
        parameters=(_X, Parameter("old", _TEXT), Parameter("new", _TEXT)),
        result=_TEXT,
        call=_replace,
        examples=(("REPLACE('a-b-c', '-', '')", "abc"), ("REPLACE('abc', '', 'x')", "abc")),
    ),
    Function(
        name="SUBSTRING",
        family="text",
        doc="The characters from a position (the first is 1), at most `length` of them; a negative length is NULL.",
        parameters=(_X, Parameter("start", FactType.INTEGER), Parameter("length", FactType.INTEGER, optional=True)),
        result=_TEXT,
        call=_substring,
        examples=(
            ("SUBSTRING('parcel', 3)", "rcel"),
            ("SUBSTRING('parcel', 1, 3)", "par"),
            ("SUBSTRING('parcel', 0, 3)", "pa"),
            ("SUBSTRING('parcel', 1, -1)", None),
        ),
    ),
)
