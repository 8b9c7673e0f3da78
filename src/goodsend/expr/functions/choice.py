"""Functions that choose between values, and so must see NULL."""

from goodsend.expr.functions.model import Function, Parameter, table
from goodsend.facts import FactType, Value

_ANY = Parameter("value")


def _coalesce(*values: Value) -> Value:
    for value in values:
        if value is not None:
            return value
    return None


def _nullif(value: Value, other: Value) -> Value:
    return None if other is not None and value == other else value


def _if(condition: bool | None, then: Value, otherwise: Value = None) -> Value:
    return then if condition else otherwise


CHOICE = table(
    Function(
        name="COALESCE",
        family="choice",
        doc="The first value that is not NULL.",
        parameters=(Parameter("value", repeats=True),),
        result=None,
        call=_coalesce,
        accepts_null=True,
        examples=(("COALESCE(NULL, 2, 3)", 2), ("COALESCE(NULL, NULL)", None)),
    ),
    Function(
        name="NULLIF",
        family="choice",
        doc="NULL where the two values are equal, else the first.",
        parameters=(_ANY, Parameter("other")),
        result=None,
        call=_nullif,
        accepts_null=True,
        examples=(("NULLIF('', '')", None), ("NULLIF(3, 0)", 3), ("NULLIF(3, NULL)", 3)),
    ),
    Function(
        name="IF",
        family="choice",
        doc="The second value where the condition is true, else the third (NULL when left out).",
        parameters=(
            Parameter("condition", FactType.BOOLEAN),
            Parameter("then"),
            Parameter("otherwise", optional=True),
        ),
        result=None,
        call=_if,
        accepts_null=True,
        examples=(("IF(2 > 1, 'a', 'b')", "a"), ("IF(NULL, 'a', 'b')", "b"), ("IF(FALSE, 1)", None)),
    ),
)
