"""
From the tree of an expression to SQL of equal meaning: the same value on every row, NULL for NULL, to the last digit.

The meaning is `Expression.evaluate`; where an engine's own operator or function differs from it in anything, the form
written here is another one, or a call of a Python function registered in the engine (`gs_…`, see udfs.py). SQL written
here never raises for values of the columns' types.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from sqlglot import expressions as exp

from goodsend.expr.evaluate import evaluate
from goodsend.expr.functions.model import MAX_TEXT
from goodsend.expr.model import Expression
from goodsend.expr.nodes import (
    Arithmetic,
    Between,
    Call,
    Case,
    Compare,
    In,
    IsNull,
    Like,
    Literal,
    Logic,
    Name,
    Negate,
    Node,
    Not,
    Widen,
    is_constant,
    lists_in,
)
from goodsend.expr.sql import arithmetic, pieces
from goodsend.expr.sql.forms import FORMS
from goodsend.expr.sql.model import ColumnOf, Dialect, ListValues, Site, column_of
from goodsend.expr.sql.patterns import like
from goodsend.expr.sql.pieces import binary, case, chain, is_null, not_, paren
from goodsend.expr.sql.udfs import Udf, called_in, possible, udf_name
from goodsend.facts import FactType

_COMPARE: Mapping[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "<>": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}

Instead = Callable[[Node], exp.Expression | None]
"""Writes a part in another way, or returns None."""


def write(expression: Expression, dialect: Dialect, lists: ListValues, column: ColumnOf = column_of) -> exp.Expression:
    """
    Return the SQL of a checked expression over a row of columns, of its type.

    `lists` are the values of the named lists, written into the text; one that is missing is NULL. `column` says how a
    fact is read (`e.at` → `e_at` when left out).
    """
    return write_node(expression.node, dialect, lists, column)


def udfs_needed(expressions: Iterable[Expression], dialect: Dialect) -> dict[str, Udf]:
    """Return, by name, the functions an engine must know to run what `write` makes of these expressions."""
    roots = [expression.node for expression in expressions]
    known = possible(roots)
    names: set[str] = set()
    for root in roots:
        any_list = dict.fromkeys(lists_in(root), ("",))
        names |= called_in(write_node(root, dialect, any_list))
    return {name: known[name] for name in sorted(names)}


def write_node(
    node: Node, dialect: Dialect, lists: ListValues, column: ColumnOf = column_of, instead: Instead | None = None
) -> exp.Expression:
    """Return the SQL of one checked node; `instead` may write any part of it in its own way (see share.py)."""
    return _Writer(dialect, lists, column, instead).node(node)


class _Writer:
    """Writes nodes for one engine."""

    def __init__(
        self,
        dialect: Dialect,
        lists: ListValues,
        column: ColumnOf,
        instead: Instead | None = None,
    ) -> None:
        self.dialect = dialect
        self.lists = lists
        self.column = column
        self.instead = instead

    def node(self, node: Node, wanted: FactType | None = None) -> exp.Expression:
        """Write a node; `wanted` is the type that a NULL without one gets."""
        if is_constant(node):
            return pieces.literal(evaluate(node, {}), node.type or wanted, self.dialect)
        if isinstance(node, Arithmetic | Call) and _is_null(node):
            return pieces.literal(None, node.type or wanted, self.dialect)
        shared = self.instead(node) if self.instead else None
        return _WRITE[type(node)](self, node) if shared is None else shared

    def condition(self, node: Node) -> exp.Expression:
        return self.node(node, FactType.BOOLEAN)

    def name(self, node: Name) -> exp.Expression:
        return self.column(node.name)

    def widen(self, node: Widen) -> exp.Expression:
        return pieces.cast(self.node(node.operand), FactType.NUMBER)

    def negate(self, node: Negate) -> exp.Expression:
        if node.type is FactType.NUMBER:
            return arithmetic.floats(node, self.node, self.dialect)
        return arithmetic.negated_integer(self.node(node.operand), self.dialect)

    def arithmetic(self, node: Arithmetic) -> exp.Expression:
        if node.op == "||":
            return self.joined(node)
        sides = node.left.type, node.right.type
        if FactType.TIME in sides:
            return self.time_arithmetic(node)
        if node.type is FactType.NUMBER:
            return arithmetic.floats(node, self.node, self.dialect)
        return arithmetic.integers(node.op, self.node(node.left), self.node(node.right), self.dialect)

    def time_arithmetic(self, node: Arithmetic) -> exp.Expression:
        left, right = self.node(node.left), self.node(node.right)
        if node.left.type is node.right.type:
            return arithmetic.seconds_between(left, right, self.dialect)
        if node.left.type is FactType.TIME:
            sign = 1 if node.op == "+" else -1
            return arithmetic.later(left, right, sign, node.right.type, self.dialect)
        return arithmetic.later(right, left, 1, node.left.type, self.dialect)

    def joined(self, node: Arithmetic) -> exp.Expression:
        """Write a chain of `||`: NULL where the whole is too long (a part that is makes the whole so)."""
        parts = [self.node(part) for part in _joined(node)]
        whole = pieces.concat(parts)
        return pieces.at_most(whole, MAX_TEXT, self.dialect)

    def compare(self, node: Compare) -> exp.Expression:
        return binary(_COMPARE[node.op], self.node(node.left), self.node(node.right))

    def between(self, node: Between) -> exp.Expression:
        operand, low, high = self.node(node.operand), self.node(node.low), self.node(node.high)
        inside = exp.Between(this=paren(operand), low=paren(low), high=paren(high))
        return not_(inside) if node.negated else inside

    def membership(self, node: In) -> exp.Expression:
        items = [pieces.literal(evaluate(item, {}), None, self.dialect) for item in node.items]
        inside = exp.In(this=paren(self.node(node.operand)), expressions=items)
        return not_(inside) if node.negated else inside

    def like(self, node: Like) -> exp.Expression:
        pattern = str(cast("Literal", node.pattern).value)
        found = like(self.node(node.operand), pattern, node.insensitive, self.dialect)
        return not_(found) if node.negated else found

    def is_null(self, node: IsNull) -> exp.Expression:
        found = is_null(self.node(node.operand))
        return not_(found) if node.negated else found

    def negation(self, node: Not) -> exp.Expression:
        return not_(self.condition(node.operand))

    def logic(self, node: Logic) -> exp.Expression:
        return chain(exp.And if node.op == "AND" else exp.Or, [self.condition(part) for part in node.parts])

    def case(self, node: Case) -> exp.Expression:
        met = self.node if node.subject is not None else self.condition
        branches = [(met(when), self.node(then, node.type)) for when, then in node.branches]
        otherwise = None if node.otherwise is None else self.node(node.otherwise, node.type)
        made = case(*branches, otherwise=otherwise)
        if node.subject is not None:
            made.set("this", self.node(node.subject))
        return made

    def call(self, node: Call) -> exp.Expression:
        function = node.function
        assert function is not None, "only checked trees are written"  # noqa: S101
        form = FORMS.get(function.name) or function.sql
        if form is not None:
            made = form(self.site(node))
            if made is not None:
                return made
        if function.needs_lists:
            raise TypeError(f"{function.name} needs a list, and so a form of its own")
        return pieces.call(udf_name(node), *self.site(node).args)

    def site(self, node: Call) -> Site:
        function = node.function
        assert function is not None, "only checked trees are written"  # noqa: S101
        last = len(function.parameters) - 1
        types = [function.parameters[min(position, last)].type or node.type for position in range(len(node.args))]
        args = tuple(self.node(arg, type_) for arg, type_ in zip(node.args, types, strict=True))
        return Site(self.dialect, node, args, self.lists)


def _is_null(node: Arithmetic | Call) -> bool:
    """Whether a part that is always NULL makes the whole so."""
    if isinstance(node, Call):
        strict = node.function is not None and not node.function.accepts_null
        return strict and any(_known_null(arg) for arg in node.args)
    return _known_null(node.left) or _known_null(node.right)


def _known_null(node: Node) -> bool:
    return is_constant(node) and evaluate(node, {}) is None


def _joined(node: Node) -> list[Node]:
    """Return the parts of a chain of `||`, in order; without recursion."""
    waiting, parts = [node], []
    while waiting:
        part = waiting.pop()
        if isinstance(part, Arithmetic) and part.op == "||":
            waiting += [part.right, part.left]
        else:
            parts.append(part)
    return parts


_WRITE: Mapping[type[Node], Callable[[_Writer, Any], exp.Expression]] = {
    Name: _Writer.name,
    Widen: _Writer.widen,
    Negate: _Writer.negate,
    Arithmetic: _Writer.arithmetic,
    Compare: _Writer.compare,
    Between: _Writer.between,
    In: _Writer.membership,
    Like: _Writer.like,
    IsNull: _Writer.is_null,
    Not: _Writer.negation,
    Logic: _Writer.logic,
    Case: _Writer.case,
    Call: _Writer.call,
}
