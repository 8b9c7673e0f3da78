"""The functions of the rule language: what one is (`Function`), and the core table that every installation has."""

from goodsend.expr.functions.choice import CHOICE
from goodsend.expr.functions.json import JSON
from goodsend.expr.functions.lists import EXAMPLE_LISTS, LISTS
from goodsend.expr.functions.model import ANY, NUMERIC, ORDERED, Function, Lists, Parameter, table
from goodsend.expr.functions.numbers import NUMBERS
from goodsend.expr.functions.text import TEXT
from goodsend.expr.functions.texts import TEXTS
from goodsend.expr.functions.time import TIME

CORE_FUNCTIONS: dict[str, Function] = {**TEXT, **TEXTS, **LISTS, **NUMBERS, **TIME, **CHOICE, **JSON}

__all__ = [
    "ANY",
    "CORE_FUNCTIONS",
    "EXAMPLE_LISTS",
    "NUMERIC",
    "ORDERED",
    "Function",
    "Lists",
    "Parameter",
    "table",
]
