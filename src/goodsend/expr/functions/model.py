"""What a function of the rule language is. The core table lives beside this file; other floors bring their own."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import msgspec

from goodsend.facts import FactType, Value

Lists = Mapping[str, Container[str]]
"""The named lists of one tenant; each only has to answer `in`."""

ANY = frozenset(FactType)
NUMERIC = frozenset({FactType.INTEGER, FactType.NUMBER})
ORDERED = frozenset({FactType.TEXT, FactType.INTEGER, FactType.NUMBER, FactType.TIME})

MAX_TEXT = 1_000_000
"""Characters a text made by `||`, REPLACE or JOIN may have; a longer one is NULL, so no rule can multiply its input.
Source: own starting value."""


class Parameter(msgspec.Struct, frozen=True):
    """
    One parameter of a function.

    `type` None means one of `among`, and all such parameters of a call share one type; a NUMBER parameter takes an
    INTEGER as well. `optional` may be left out (the call then gets fewer arguments); `repeats` stands for one or more
    and is the last. `literal` wants a text literal in the rule; `prepare` turns it, once, into what the call gets (a
    compiled pattern, a time zone), and raises ValueError with a sentence for the author where it cannot.
    """

    name: str
    type: FactType | None = None
    among: frozenset[FactType] = ANY
    optional: bool = False
    repeats: bool = False
    literal: bool = False
    prepare: Callable[[Any], object] | None = None


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """
    One function of the rule language, by its upper-case name.

    `call` is pure, total and quick: it never raises for arguments of its types, and takes time linear in their size.
    Where an argument is NULL the result is NULL and `call` is not asked, unless `accepts_null`.
    `result` None means the type that the parameters with `type` None share.
    `needs_lists`: the first parameter is a literal, the name of a list, and the call gets that list itself; where the
    tenant has no such list the result is NULL. `examples` are expressions without facts and what they give; they run
    as tests (lists named in them come from EXAMPLE_LISTS).

    `together`, for a function of (subject, literal text): given the literals of several calls on one subject, returns
    a function from the subject to the positions of those that hold. `call` and `together` must agree.

    `sql`, for a function outside the core table: writes a call as SQL of equal meaning, or returns None where there is
    none; takes an `expr.sql.model.Site`. Without it the set path asks `call`, registered in the engine.
    """

    name: str
    family: str
    doc: str
    parameters: tuple[Parameter, ...]
    result: FactType | None
    call: Callable[..., Value]
    examples: tuple[tuple[str, Value], ...]
    accepts_null: bool = False
    needs_lists: bool = False
    together: Callable[[Sequence[str]], Callable[[Any], Sequence[int]]] | None = None
    sql: Callable[[Any], Any] | None = None

    @property
    def signature(self) -> str:
        """The call as a writer would see it: `ROUND(x: integer or number, [digits: integer])`."""
        return f"{self.name}({', '.join(_shown(parameter) for parameter in self.parameters)})"


def table(*functions: Function) -> dict[str, Function]:
    """Return functions by name. Two of one name are a bug: ValueError."""
    named = {function.name: function for function in functions}
    if len(named) != len(functions):
        raise ValueError("two functions share a name")
    return named


def types_shown(parameter: Parameter) -> str:
    """Return the types a parameter takes, in words."""
    if parameter.type is not None:
        return parameter.type.value
    if parameter.among == ANY:
        return "any"
    return " or ".join(type_.value for type_ in FactType if type_ in parameter.among)


def _shown(parameter: Parameter) -> str:
    kind = "literal" if parameter.literal else types_shown(parameter)
    text = f"{parameter.name}: {kind}{', …' if parameter.repeats else ''}"
    return f"[{text}]" if parameter.optional else text
