"""
Composites: `h.<rule>` in a rule means that rule's condition, put in its place when rules are compiled.

It is the condition alone that is meant: whether that rule is live, in its share or suppressed in a group plays no part.
So the row path, SQL and explanations need to know nothing of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from goodsend.expr.canonical import sql_of
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
    Logic,
    Name,
    Negate,
    Node,
    Not,
    Widen,
    lists_in,
    names_in,
    walk,
)
from goodsend.facts import Fact, FactType
from goodsend.kit.errors import Problem
from goodsend.rules.model import Rule

PREFIX = "h."
NODES_MAX = 5_000
"""Most parts a condition may have with all others in their places: doublings of doublings end here. Own value."""

Change = Callable[[Node], Node]


def rule_facts(rules: Sequence[Rule]) -> list[Fact]:
    """Return one `h.` column for each rule: whether its condition holds."""
    return [Fact(PREFIX + rule.id, FactType.BOOLEAN, f"rule: {rule.doc}", None, rule.on) for rule in rules]


def expand(
    expressions: Mapping[str, Expression],
) -> tuple[dict[str, Expression], dict[str, Expression], list[tuple[str, Problem]]]:
    """
    Put conditions in the place of `h.` names. Returns them twice, by rule, and the problems by rule.

    In the first every part stands where the author's text has the name that stands for it, for explanations. In the
    second a condition that several rules share is one and the same tree, which the row function computes once.
    """
    problems: list[tuple[str, Problem]] = []
    order = _ordered(expressions, problems)
    told: dict[str, Expression] = {}
    shared: dict[str, Expression] = {}
    sizes: dict[str, int] = {}
    for rule in order:
        own = expressions[rule]
        names = [node for node in walk(own.node) if isinstance(node, Name) and node.name.startswith(PREFIX)]
        if not names:
            told[rule] = shared[rule] = own
            sizes[rule] = sum(1 for _ in walk(own.node))
            continue
        missing = next((node for node in names if _rule_of(node) not in shared), None)
        if missing is not None:
            message = f"the rule {_rule_of(missing)} has a problem of its own, so it cannot be used here"
            problems.append((rule, _problem(own, missing, message, "mend that rule first")))
            continue
        sizes[rule] = sum(1 for _ in walk(own.node)) + sum(sizes[_rule_of(node)] for node in names)
        if sizes[rule] > NODES_MAX:
            message = f"with the rules it is made of, this has {sizes[rule]:,} parts; at most {NODES_MAX:,} are allowed"
            problems.append((rule, _problem(own, names[0], message, "use fewer rules, or simpler ones")))
            continue
        told[rule] = _rebuilt(own, lambda name: _placed(told[_rule_of(name)].node, name))
        shared[rule] = _rebuilt(own, lambda name: shared[_rule_of(name)].node)
    return told, shared, problems


def _rule_of(name: Name) -> str:
    return name.name.removeprefix(PREFIX)


def _problem(own: Expression, node: Node, message: str, hint: str) -> Problem:
    return Problem("", message, hint, own.source, node.start, node.end)


def _ordered(expressions: Mapping[str, Expression], problems: list[tuple[str, Problem]]) -> list[str]:
    """Return the rules so that each comes after those it names; a rule in or behind a circle is told and left out."""
    named = {
        rule: {name.removeprefix(PREFIX) for name in expression.facts if name.startswith(PREFIX)}
        for rule, expression in expressions.items()
    }
    order: list[str] = []
    done: set[str] = set()
    waiting = dict(named)
    while waiting:
        ready = [rule for rule, others in waiting.items() if not (others & waiting.keys())]
        if not ready:
            break
        order += ready
        done.update(ready)
        for rule in ready:
            del waiting[rule]
    for rule in waiting:
        circle = _circle(rule, named, waiting)
        own = expressions[rule]
        node = next(
            n for n in walk(own.node) if isinstance(n, Name) and n.name.startswith(PREFIX) and _rule_of(n) in waiting
        )
        path = " → ".join(circle)
        problems.append((rule, _problem(own, node, f"goes round in a circle: {path}", "write one of them out in full")))
    return order


def _circle(start: str, named: Mapping[str, set[str]], waiting: Mapping[str, object]) -> list[str]:
    path = [start]
    while True:
        following = min(other for other in named[path[-1]] if other in waiting)
        if following in path:
            return [*path, following]
        path.append(following)


def _rebuilt(own: Expression, instead: Callable[[Name], Node]) -> Expression:
    def change(node: Node) -> Node:
        if isinstance(node, Name) and node.name.startswith(PREFIX):
            return instead(node)
        return _over_children(node, change)

    node = change(own.node)
    return Expression(own.source, sql_of(node), own.type, names_in(node), lists_in(node), node)


def _placed(tree: Node, name: Name) -> Node:
    """Return the tree with every part standing where the name stands."""

    def change(node: Node) -> Node:
        return replace(_over_children(node, change), start=name.start, end=name.end)

    return change(tree)


def _over_children(node: Node, change: Change) -> Node:
    """Return the node with its children changed; itself where it has none."""
    parts: dict[str, Any]
    match node:
        case Call(args=args):
            parts = {"args": tuple(map(change, args))}
        case Widen(operand=operand) | Negate(operand=operand) | IsNull(operand=operand) | Not(operand=operand):
            parts = {"operand": change(operand)}
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right):
            parts = {"left": change(left), "right": change(right)}
        case Between(operand=operand, low=low, high=high):
            parts = {"operand": change(operand), "low": change(low), "high": change(high)}
        case In(operand=operand, items=items):
            parts = {"operand": change(operand), "items": tuple(map(change, items))}
        case Like(operand=operand):
            parts = {"operand": change(operand)}
        case Logic(parts=chained):
            parts = {"parts": tuple(map(change, chained))}
        case Case(subject=subject, branches=branches, otherwise=otherwise):
            parts = {
                "subject": subject and change(subject),
                "branches": tuple((change(when), change(then)) for when, then in branches),
                "otherwise": otherwise and change(otherwise),
            }
        case _:
            return node
    return replace(node, **parts)
