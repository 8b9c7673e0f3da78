"""Membership in the named lists that rules consult."""

from collections.abc import Container, Mapping

from goodsend.expr.functions.model import Function, Parameter, table
from goodsend.facts import FactType

EXAMPLE_LISTS: Mapping[str, frozenset[str]] = {
    "colours": frozenset({"red", "green", "blue"}),
    "numbers": frozenset({"64496", "64511"}),
}
"""The lists that examples of functions may name."""


def _in_list(values: Container[str], value: str | int) -> bool:
    return (value if isinstance(value, str) else str(value)) in values


LISTS = table(
    Function(
        name="IN_LIST",
        family="lists",
        doc="Whether the value is in the named list; a whole number is looked up as its digits.",
        parameters=(
            Parameter("list", FactType.TEXT, literal=True),
            Parameter("value", among=frozenset({FactType.TEXT, FactType.INTEGER})),
        ),
        result=FactType.BOOLEAN,
        call=_in_list,
        needs_lists=True,
        examples=(
            ("IN_LIST('colours', 'red')", True),
            ("IN_LIST('numbers', 64496)", True),
            ("IN_LIST('colours', NULL)", None),
        ),
    ),
)
