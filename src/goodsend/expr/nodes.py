"""
The tree of an expression: one small frozen node per form of the language. Nothing here evaluates or checks.

Every node knows where it stands in the source (`start`, `end`, end exclusive) and, once checked, the type it gives;
`type` None is a lone NULL, which fits everywhere.
"""

from collections.abc import Iterator

import msgspec

from goodsend.expr.functions.model import Function
from goodsend.facts import FactType, Value


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """What all nodes share."""

    start: int = 0
    end: int = 0
    type: FactType | None = None


class Literal(Node, frozen=True):
    """A value written in the text; a time holds its microseconds."""

    value: Value


class Name(Node, frozen=True):
    """A column of the catalogue; after the check in the catalogue's own spelling."""

    name: str


class Call(Node, frozen=True):
    """
    A function and its arguments.

    Once checked it has its `function`, and in `prepared`, by position, what literal arguments were made into.
    """

    name: str
    args: tuple[Node, ...]
    function: Function | None = None
    prepared: tuple[object, ...] = ()


class Widen(Node, frozen=True):
    """An INTEGER taken as a NUMBER; put in by the check, invisible in the text."""

    operand: Node


class Negate(Node, frozen=True):
    """Unary minus."""

    operand: Node


class Arithmetic(Node, frozen=True):
    """`+ - * / %` and `||`."""

    op: str
    left: Node
    right: Node


class Compare(Node, frozen=True):
    """`= <> < <= > >=`."""

    op: str
    left: Node
    right: Node


class Between(Node, frozen=True):
    """`operand [NOT] BETWEEN low AND high`, both ends included."""

    operand: Node
    low: Node
    high: Node
    negated: bool


class In(Node, frozen=True):
    """`operand [NOT] IN (items)`; the items have no facts in them."""

    operand: Node
    items: tuple[Node, ...]
    negated: bool


class Like(Node, frozen=True):
    """`operand [NOT] LIKE pattern`; `insensitive` for ILIKE."""

    operand: Node
    pattern: Node
    insensitive: bool
    negated: bool


class IsNull(Node, frozen=True):
    """`operand IS [NOT] NULL`."""

    operand: Node
    negated: bool


class Not(Node, frozen=True):
    """`NOT operand`."""

    operand: Node


class Logic(Node, frozen=True):
    """`AND` or `OR` over two or more parts; a chain is one node, so long chains are not deep."""

    op: str
    parts: tuple[Node, ...]


class Case(Node, frozen=True):
    """`CASE [subject] WHEN … THEN … [ELSE …] END`; branches are (when, then)."""

    subject: Node | None
    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node | None


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below, in the order of the text."""
    match node:
        case Call(args=args):
            return args
        case Widen(operand=operand) | Negate(operand=operand) | IsNull(operand=operand) | Not(operand=operand):
            return (operand,)
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right):
            return (left, right)
        case Between(operand=operand, low=low, high=high):
            return (operand, low, high)
        case In(operand=operand, items=items):
            return (operand, *items)
        case Like(operand=operand, pattern=pattern):
            return (operand, pattern)
        case Logic(parts=parts):
            return parts
        case Case(subject=subject, branches=branches, otherwise=otherwise):
            pairs = [node for branch in branches for node in branch]
            return tuple(part for part in (subject, *pairs, otherwise) if part is not None)
    return ()


def walk(root: Node) -> Iterator[Node]:
    """Yield a node and all below it; without recursion, so depth does not matter."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += children(node)


def names_in(root: Node) -> frozenset[str]:
    """Return the columns a tree reads."""
    return frozenset(node.name for node in walk(root) if isinstance(node, Name))


def lists_in(root: Node) -> frozenset[str]:
    """Return the lists a checked tree consults."""
    return frozenset(
        str(node.args[0].value)
        for node in walk(root)
        if isinstance(node, Call)
        and node.function is not None
        and node.function.needs_lists
        and isinstance(node.args[0], Literal)
    )


def is_constant(root: Node) -> bool:
    """Whether a tree reads neither facts nor lists, so that its value never changes."""
    return not names_in(root) and not lists_in(root)
