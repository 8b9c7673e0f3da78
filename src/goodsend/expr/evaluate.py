"""
What an expression means, told plainly: one node at a time, over one row. For single questions and explanations;
the fast path over many rules is compile.py, and the tests hold the two equal.

Three-valued logic as in SQL: NULL (None) is "not known". A value that is not of its column's type is NULL as well.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from goodsend.expr.functions import patterns
from goodsend.expr.functions.model import MAX_TEXT, Lists
from goodsend.expr.functions.numbers import INTEGER_MAX, INTEGER_MIN, NUMBER_MAX, Number, bounded, divide, remainder
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
    children,
)
from goodsend.facts import Facts, FactType, Value
from goodsend.kit.clock import SECOND, Micros

NO_LISTS: Lists = {}
_ONLY_TEXT = frozenset({str})


def read(type_: FactType | None, value: object) -> Value:
    """Return a fact as its column's type has it, or None where it is not of that type or outside its range."""
    if type_ is FactType.TEXT:
        return value if type(value) is str else None
    if type_ is FactType.BOOLEAN:
        return value if type(value) is bool else None
    if type_ is FactType.NUMBER:
        return read_number(value)
    if type_ is FactType.TEXTS:
        return read_texts(value)
    return value if type(value) is int and INTEGER_MIN <= value <= INTEGER_MAX else None


def read_number(value: object) -> float | None:
    """Return a finite float, also from an int; None for anything else."""
    if type(value) is int and -NUMBER_MAX <= value <= NUMBER_MAX:
        return float(value)
    return value if type(value) is float and -NUMBER_MAX <= value <= NUMBER_MAX else None


def read_texts(value: object) -> tuple[str, ...] | None:
    """Return a tuple of texts, also from a list (JSON has no tuples); None for anything else."""
    if not isinstance(value, (tuple, list)) or not set(map(type, value)) <= _ONLY_TEXT:
        return None
    return tuple(value)


def join(left: str, right: str) -> str | None:
    """Return the two texts as one, None where that is longer than MAX_TEXT."""
    return left + right if len(left) + len(right) <= MAX_TEXT else None


def later(at: Micros, seconds: Number) -> Micros | None:
    """Return the time so many seconds later, None where 64 bits cannot hold it."""
    length = seconds * SECOND
    if not INTEGER_MIN <= length <= INTEGER_MAX:
        return None
    return cast("Micros | None", bounded(at + round(length)))


def earlier(at: Micros, seconds: Number) -> Micros | None:
    """Return the time so many seconds earlier, None where 64 bits cannot hold it."""
    return later(at, -seconds)


def seconds_between(later_at: Micros, earlier_at: Micros) -> float:
    """Return how many seconds lie between two times, negative where the first is the earlier."""
    return (later_at - earlier_at) / SECOND


_Operation = Callable[[Any, Any], Value]

_NUMERIC: Mapping[str, _Operation] = {
    "+": lambda left, right: bounded(left + right),
    "-": lambda left, right: bounded(left - right),
    "*": lambda left, right: bounded(left * right),
    "/": divide,
    "%": remainder,
    "||": join,
}


def operation(node: Arithmetic) -> tuple[str, _Operation]:
    """Return the name and the function of an operator for the types it stands between; neither operand is None."""
    left, right = node.left.type is FactType.TIME, node.right.type is FactType.TIME
    if left and right:
        return "seconds_between", seconds_between
    if left:
        return ("later", later) if node.op == "+" else ("earlier", earlier)
    if right:
        return "later_by", lambda seconds, at: later(at, seconds)
    return node.op, _NUMERIC[node.op]


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: bool(left == right),
    "<>": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


def compared(op: str, left: Value, right: Value) -> bool | None:
    """Compare two values of one type; None where either is NULL."""
    return None if left is None or right is None else _COMPARE[op](left, right)


def conjunction(values: list[bool | None]) -> bool | None:
    """AND: false where any is false, else NULL where any is NULL, else true."""
    return False if False in values else None if None in values else True


def disjunction(values: list[bool | None]) -> bool | None:
    """OR: true where any is true, else NULL where any is NULL, else false."""
    return True if True in values else None if None in values else False


def negation(value: bool | None) -> bool | None:
    """NOT: NULL stays NULL."""
    return None if value is None else not value


def evaluate(node: Node, facts: Facts, lists: Lists = NO_LISTS) -> Value:
    """Return the value of a checked node over one row; None is NULL. Never raises."""
    return _EVALUATE[type(node)](node, facts, lists)


def truth(node: Node, facts: Facts, lists: Lists = NO_LISTS) -> bool | None:
    """Return the value of a checked condition."""
    return cast("bool | None", evaluate(node, facts, lists))


def _literal(node: Literal, facts: Facts, lists: Lists) -> Value:
    return node.value


def _name(node: Name, facts: Facts, lists: Lists) -> Value:
    return read(node.type, facts.get(node.name))


def _widen(node: Widen, facts: Facts, lists: Lists) -> Value:
    value = evaluate(node.operand, facts, lists)
    return None if value is None else float(cast("int", value))


def _negate(node: Negate, facts: Facts, lists: Lists) -> Value:
    value = cast("Number | None", evaluate(node.operand, facts, lists))
    return None if value is None else bounded(-value)


def _arithmetic(node: Arithmetic, facts: Facts, lists: Lists) -> Value:
    left, right = evaluate(node.left, facts, lists), evaluate(node.right, facts, lists)
    return None if left is None or right is None else operation(node)[1](left, right)


def _compare(node: Compare, facts: Facts, lists: Lists) -> Value:
    return compared(node.op, evaluate(node.left, facts, lists), evaluate(node.right, facts, lists))


def _between(node: Between, facts: Facts, lists: Lists) -> Value:
    value = evaluate(node.operand, facts, lists)
    above = compared(">=", value, evaluate(node.low, facts, lists))
    below = compared("<=", value, evaluate(node.high, facts, lists))
    inside = conjunction([above, below])
    return negation(inside) if node.negated else inside


def _in(node: In, facts: Facts, lists: Lists) -> Value:
    value = evaluate(node.operand, facts, lists)
    inside = disjunction([compared("=", value, evaluate(item, facts, lists)) for item in node.items])
    return negation(inside) if node.negated else inside


def _like(node: Like, facts: Facts, lists: Lists) -> Value:
    value, pattern = evaluate(node.operand, facts, lists), cast("Literal", node.pattern).value
    if value is None or pattern is None:
        return None
    return patterns.like(cast("str", pattern), node.insensitive)(cast("str", value)) is not node.negated


def _is_null(node: IsNull, facts: Facts, lists: Lists) -> Value:
    return (evaluate(node.operand, facts, lists) is None) is not node.negated


def _not(node: Not, facts: Facts, lists: Lists) -> Value:
    return negation(truth(node.operand, facts, lists))


def _logic(node: Logic, facts: Facts, lists: Lists) -> Value:
    values = [truth(part, facts, lists) for part in node.parts]
    return conjunction(values) if node.op == "AND" else disjunction(values)


def _case(node: Case, facts: Facts, lists: Lists) -> Value:
    chosen = chosen_branch(node, facts, lists)
    return None if chosen is None else evaluate(chosen, facts, lists)


def chosen_branch(node: Case, facts: Facts, lists: Lists) -> Node | None:
    """Return the value a CASE takes: of the first branch that holds, else of ELSE, None where there is none."""
    subject = None if node.subject is None else evaluate(node.subject, facts, lists)
    for when, then in node.branches:
        found = evaluate(when, facts, lists)
        if (found if node.subject is None else compared("=", subject, found)) is True:
            return then
    return node.otherwise


def _call(node: Call, facts: Facts, lists: Lists) -> Value:
    function = node.function
    assert function is not None, "only checked trees are evaluated"  # noqa: S101
    args: list[object] = []
    for position, arg in enumerate(node.args):
        if position == 0 and function.needs_lists:
            value: object = lists.get(str(cast("Literal", arg).value))
        elif node.prepared[position] is not None:
            value = node.prepared[position]
        else:
            value = evaluate(arg, facts, lists)
        if value is None and (not function.accepts_null or (position == 0 and function.needs_lists)):
            return None
        args.append(value)
    return function.call(*args)


_EVALUATE: Mapping[type[Node], Callable[[Any, Facts, Lists], Value]] = {
    Literal: _literal,
    Name: _name,
    Widen: _widen,
    Negate: _negate,
    Arithmetic: _arithmetic,
    Compare: _compare,
    Between: _between,
    In: _in,
    Like: _like,
    IsNull: _is_null,
    Not: _not,
    Logic: _logic,
    Case: _case,
    Call: _call,
}


def unknown_facts(node: Node, facts: Facts, lists: Lists = NO_LISTS) -> tuple[str, ...]:
    """
    Return the columns that are NULL and because of which the node is NULL, in the order of the text, each once.

    Empty where the node is not NULL, and where NULL comes from elsewhere: a division by zero, a list that is not there.
    """
    return tuple(dict.fromkeys(_blamed(node, facts, lists)))


def _blamed(node: Node, facts: Facts, lists: Lists) -> list[str]:
    if evaluate(node, facts, lists) is not None:
        return []
    if isinstance(node, Name):
        return [node.name]
    below = children(node)
    if isinstance(node, Case):
        below = _decisive(node, facts, lists)
    return [name for child in below for name in _blamed(child, facts, lists)]


def _decisive(node: Case, facts: Facts, lists: Lists) -> tuple[Node, ...]:
    """Return the parts of a CASE that led to its value: the conditions looked at, and the value chosen."""
    chosen = chosen_branch(node, facts, lists)
    parts = [] if node.subject is None else [node.subject]
    for when, then in node.branches:
        parts.append(when)
        if then is chosen:
            break
    return (*parts, *(() if chosen is None else (chosen,)))
