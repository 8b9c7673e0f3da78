"""
Numbers. INTEGER is exact within 64 bits, NUMBER is a finite float64; a result outside either is NULL, as is a division
by zero.
"""

import math
from decimal import ROUND_HALF_UP, Decimal

from goodsend.expr.functions.model import NUMERIC, ORDERED, Function, Parameter, table
from goodsend.facts import FactType, Value

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
NUMBER_MAX = 1.7976931348623157e308

Number = int | float
_X = Parameter("x", among=NUMERIC)


def bounded(x: Number) -> Number | None:
    """Return the number if its type can hold it, else None: overflow, infinity and NaN are NULL."""
    if isinstance(x, int):
        return x if INTEGER_MIN <= x <= INTEGER_MAX else None
    return x if -NUMBER_MAX <= x <= NUMBER_MAX else None


def divide(x: float, y: float) -> float | None:
    """Return x / y, or None where y is zero or the quotient is too large."""
    if y == 0:
        return None
    quotient = x / y
    return quotient if -NUMBER_MAX <= quotient <= NUMBER_MAX else None


def remainder(x: Number, y: Number) -> Number | None:
    """Return what is left of x after dividing by y, with the sign of x as SQL has it (Python's `%` takes that of y)."""
    if y == 0:
        return None
    if isinstance(x, int) and isinstance(y, int):
        left = abs(x) % abs(y)
        return left if x >= 0 else -left
    return math.fmod(x, y)


def _round(x: Number, digits: int = 0) -> Number | None:
    """Half away from zero on the number as written: ROUND(2.675, 2) is 2.68, though the float lies a little below."""
    if digits > 20 or x == 0:
        return x
    if digits < -400:
        return 0 * x
    exact = Decimal(x) if isinstance(x, int) else Decimal(repr(x))
    shifted = exact.scaleb(digits).to_integral_value(ROUND_HALF_UP).scaleb(-digits)
    return bounded(int(shifted) if isinstance(x, int) else float(shifted))


def _floor(x: Number) -> Number | None:
    return bounded(math.floor(x))


def _ceil(x: Number) -> Number | None:
    return bounded(math.ceil(x))


def _absolute(x: Number) -> Number | None:
    return bounded(abs(x))


def _least(*values: Value) -> Value:
    return min(values)  # type: ignore[type-var]  # the check gives all of them one ordered type


def _greatest(*values: Value) -> Value:
    return max(values)  # type: ignore[type-var]


NUMBERS = table(
    Function(
        name="ABS",
        family="numbers",
        doc="The number without its sign.",
        parameters=(_X,),
        result=None,
        call=_absolute,
        examples=(("ABS(-3)", 3), ("ABS(2.5)", 2.5)),
    ),
    Function(
        name="ROUND",
        family="numbers",
        doc="The number rounded, half away from zero, to `digits` after the point (negative: before it; left out: 0).",
        parameters=(_X, Parameter("digits", FactType.INTEGER, optional=True)),
        result=None,
        call=_round,
        examples=(("ROUND(2.5)", 3.0), ("ROUND(-2.5)", -3.0), ("ROUND(2.675, 2)", 2.68), ("ROUND(1250, -2)", 1300)),
    ),
    Function(
        name="FLOOR",
        family="numbers",
        doc="The largest whole number not above it.",
        parameters=(_X,),
        result=FactType.INTEGER,
        call=_floor,
        examples=(("FLOOR(2.9)", 2), ("FLOOR(-2.1)", -3), ("FLOOR(1e300)", None)),
    ),
    Function(
        name="CEIL",
        family="numbers",
        doc="The smallest whole number not below it.",
        parameters=(_X,),
        result=FactType.INTEGER,
        call=_ceil,
        examples=(("CEIL(2.1)", 3),),
    ),
    Function(
        name="LEAST",
        family="numbers",
        doc="The smallest of the values; NULL where one of them is NULL.",
        parameters=(Parameter("value", among=ORDERED, repeats=True),),
        result=None,
        call=_least,
        examples=(("LEAST(3, 1, 2)", 1), ("LEAST(3, NULL)", None)),
    ),
    Function(
        name="GREATEST",
        family="numbers",
        doc="The largest of the values; NULL where one of them is NULL.",
        parameters=(Parameter("value", among=ORDERED, repeats=True),),
        result=None,
        call=_greatest,
        examples=(("GREATEST(3, 1.5)", 3.0), ("GREATEST('a', 'b')", "b")),
    ),
)
