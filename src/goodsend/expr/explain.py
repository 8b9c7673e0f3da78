"""Why an expression holds or does not over one row, clause by clause, and what would have to be different."""

import msgspec

from goodsend.expr.canonical import quoted, sql_of
from goodsend.expr.evaluate import NO_LISTS, evaluate, truth
from goodsend.expr.functions.model import Lists
from goodsend.expr.model import Expression
from goodsend.expr.nodes import Between, Compare, In, IsNull, Like, Logic, Name, Node, Not, is_constant, walk
from goodsend.facts import Facts, FactType, Value
from goodsend.kit.clock import format_time
from goodsend.kit.text import printable, shorten

_SHOWN_ITEMS = 5
_SHOWN_LENGTH = 80


class Clause(msgspec.Struct, frozen=True):
    """
    One part of a condition, with what it came to.

    `kind` is `AND`, `OR`, `NOT` (with children) or `leaf`. `sql` is the canonical text, `start` and `end` its place in
    the author's own. `truth` is None where it is not known. `value` is what a leaf compared (its left side; the
    truth where it compares nothing), `facts` the columns it read with their values. `change` says in plain words what
    would make a leaf come out the other way; None for AND, OR, NOT, and for a leaf without facts. A leaf that is not
    known can go either way: then `change` would make it match, and `contrary` would make it not.
    """

    kind: str
    sql: str
    start: int
    end: int
    truth: bool | None
    value: Value
    facts: dict[str, Value]
    children: tuple["Clause", ...] = ()
    change: str | None = None
    contrary: str | None = None


def explain(expression: Expression, facts: Facts, lists: Lists = NO_LISTS) -> Clause:
    """
    Return the tree of clauses of a condition over one row.

    An expression that gives another type than BOOLEAN is one leaf with truth None and its value.
    """
    if expression.type is not FactType.BOOLEAN:
        node = expression.node
        value = evaluate(node, facts, lists)
        return Clause("leaf", expression.sql, node.start, node.end, None, value, _read(node, facts))
    return _clause(expression.node, facts, lists)


def _clause(node: Node, facts: Facts, lists: Lists) -> Clause:
    held = truth(node, facts, lists)
    parts: tuple[Node, ...] = ()
    kind = "leaf"
    if isinstance(node, Logic):
        kind, parts = node.op, node.parts
    elif isinstance(node, Not):
        kind, parts = "NOT", (node.operand,)
    children = tuple(_clause(part, facts, lists) for part in parts)
    value, change = (held, None) if parts else _leaf(node, held, facts, lists)
    contrary = _leaf(node, True, facts, lists)[1] if held is None and not parts else None
    return Clause(kind, sql_of(node), node.start, node.end, held, value, _read(node, facts), children, change, contrary)


def _names(node: Node) -> list[Name]:
    """Return the columns below a node, each once, by name."""
    named = {part.name: part for part in walk(node) if isinstance(part, Name)}
    return [named[name] for name in sorted(named)]


def _read(node: Node, facts: Facts) -> dict[str, Value]:
    return {name.name: evaluate(name, facts) for name in _names(node)}


# ---------------------------------------------------------------------- leaves


def _leaf(node: Node, held: bool | None, facts: Facts, lists: Lists) -> tuple[Value, str | None]:
    """Return the value a leaf looked at, and what would turn it."""
    subject: Node = node
    if isinstance(node, Compare):
        subject = node.right if is_constant(node.left) else node.left
    elif isinstance(node, Between | In | Like | IsNull):
        subject = node.operand
    value = evaluate(subject, facts, lists)
    if is_constant(node):
        return value, None
    seen = _seen(subject, value, facts)
    if isinstance(node, Compare) and not is_constant(node.left) and not is_constant(node.right):
        seen += f", {_seen(node.right, evaluate(node.right, facts, lists), facts)}"
    return value, f"{seen}; {_turned(node, held, facts, lists)}"


def _seen(node: Node, value: Value, facts: Facts) -> str:
    """Say what a part was: `f.n is 5`, or with the facts under it `LENGTH(e.subject) is 5 (e.subject is 'Hello')`."""
    text = sql_of(node)
    said = "is not known" if value is None else f"is {_told(value, node.type)}"
    under = [f"{name.name} {_plain(name, facts)}" for name in _names(node) if name.name != text]
    return f"{text} {said} ({', '.join(under)})" if under else f"{text} {said}"


def _plain(name: Name, facts: Facts) -> str:
    value = evaluate(name, facts)
    return "is not known" if value is None else f"is {_told(value, name.type)}"


def _told(value: Value, type_: FactType | None) -> str:
    """Return a value as a reader would write it; long and unprintable text is cut and escaped."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(printable(shorten(value, _SHOWN_LENGTH)))
    if isinstance(value, tuple):
        return _some([_told(text, None) for text in value], "and") or "empty"
    if type_ is FactType.TIME and isinstance(value, int):
        return _moment(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def _moment(at: int) -> str:
    try:
        return format_time(at)
    except OverflowError:  # outside the years a date can have
        return f"{at} µs"


def _some(told: list[str], word: str) -> str:
    """Return up to five of the values in a sentence, and how many more there are."""
    if len(told) > _SHOWN_ITEMS:
        told = [*told[:_SHOWN_ITEMS], f"{len(told) - _SHOWN_ITEMS} more"]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} {word} {told[-1]}" if told else ""


_HOLDS = {
    "=": "exactly {}",
    "<>": "anything but {}",
    "<": "less than {}",
    "<=": "at most {}",
    ">": "more than {}",
    ">=": "at least {}",
}
_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TIME_WORDS = {
    "less than {}": "before {}",
    "at most {}": "{} or before",
    "more than {}": "after {}",
    "at least {}": "{} or after",
}


def _turned(node: Node, held: bool | None, facts: Facts, lists: Lists) -> str:
    """Say what the value would have to be for the leaf to come out the other way; a leaf that is unknown: to match."""
    end = "would not match" if held else "would match"
    if isinstance(node, Compare):
        return f"{_bound(node, bool(held), facts, lists)} {end}"
    if isinstance(node, Between):
        low, high = _value(node.low, facts, lists), _value(node.high, facts, lists)
        inside = bool(held) is node.negated
        return f"from {low} to {high} {end}" if inside else f"below {low} or above {high} {end}"
    if isinstance(node, In):
        items = _some([_value(item, facts, lists) for item in node.items], "or")
        return f"{items} {end}" if bool(held) is node.negated else f"anything but {items} {end}"
    if isinstance(node, Like):
        pattern = sql_of(node.pattern)
        return f"text {'' if bool(held) is node.negated else 'not '}like {pattern} {end}"
    if isinstance(node, IsNull):
        return f"{'nothing known' if bool(held) is node.negated else 'any value'} {end}"
    return f"{'false' if held else 'true'} {end}"


def _bound(node: Compare, held: bool, facts: Facts, lists: Lists) -> str:
    mirrored = is_constant(node.left)
    op, other = (_MIRRORED[node.op], node.left) if mirrored else (node.op, node.right)
    words = _HOLDS[_OPPOSITE[op] if held else op]
    if other.type is FactType.TIME:
        words = _TIME_WORDS.get(words, words)
    value = evaluate(other, facts, lists)
    text = words.format(sql_of(other) if value is None else _value(other, facts, lists))
    return text if mirrored or is_constant(other) else f"{sql_of(node.left)} {text}"


def _value(node: Node, facts: Facts, lists: Lists) -> str:
    """Return what a bound comes to, with its text where that says more: `604800 (DAYS(7))`."""
    told, text = _told(evaluate(node, facts, lists), node.type), sql_of(node)
    plain = not is_constant(node) or "(" not in text
    return told if plain else f"{told} ({text})"


# ---------------------------------------------------------------------- what would change it


def what_would_change(clause: Clause) -> list[str]:
    """
    Return a smallest set of changes after which the condition comes out the other way.

    Where it is true: of an AND the part that takes fewest changes, of an OR every part that is true. Where it is
    false or unknown: what would make it true. Empty where nothing can, because it reads no facts.
    """
    turns = turning_leaves(clause) or ()
    told = [leaf.contrary if leaf.truth is None and not wanted else leaf.change for leaf, wanted in turns]
    return [change for change in told if change is not None]


def turning_leaves(clause: Clause) -> tuple[tuple[Clause, bool], ...] | None:
    """Return the leaves to turn, each with the truth it should have; None where nothing can turn the clause."""
    return _leaves_to(clause, clause.truth is not True)


def _leaves_to(clause: Clause, wanted: bool) -> tuple[tuple[Clause, bool], ...] | None:
    """Return the fewest leaves whose turning gives the clause the wanted truth; () where it has it."""
    if clause.truth is wanted:
        return ()
    if clause.kind == "leaf":
        return None if clause.change is None else ((clause, wanted),)
    if clause.kind == "NOT":
        return _leaves_to(clause.children[0], not wanted)
    found = [_leaves_to(child, wanted) for child in clause.children]
    possible = [leaves for leaves in found if leaves is not None]
    if (clause.kind == "OR") is wanted:
        return min(possible, key=len, default=None)
    if len(possible) < len(found):
        return None
    return tuple(leaf for leaves in possible for leaf in leaves)
