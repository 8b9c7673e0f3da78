"""The canonical text of an expression: keywords in capitals, the catalogue's spelling, no needless parentheses."""

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
)
from goodsend.facts import FactType
from goodsend.kit.clock import format_time

_TEST, _MINUS, _ATOM = 4, 8, 9
_POWER = {"OR": 1, "AND": 2, "||": 5, "+": 6, "-": 6, "*": 7, "/": 7, "%": 7}


def sql_of(node: Node) -> str:
    """Return SQL that reads back to the same tree."""
    match node:
        case Literal():
            return _literal(node)
        case Name(name=name):
            return name
        case Widen(operand=operand):
            return sql_of(operand)
        case Call(name=name, args=args):
            return f"{name}({', '.join(map(sql_of, args))})"
        case Negate(operand=operand):
            inner = _within(operand, _MINUS)
            return f"-({inner})" if inner[0] in "-0123456789" else f"-{inner}"  # -1 would read back as a literal
        case Arithmetic(op=op, left=left, right=right):
            power = _POWER[op]
            return f"{_within(left, power)} {op} {_within(right, power + 1)}"
        case Compare(op=op, left=left, right=right):
            return f"{_operand(left)} {op} {_operand(right)}"
        case Between(operand=operand, low=low, high=high, negated=negated):
            return f"{_operand(operand)} {_not(negated)}BETWEEN {_operand(low)} AND {_operand(high)}"
        case In(operand=operand, items=items, negated=negated):
            return f"{_operand(operand)} {_not(negated)}IN ({', '.join(map(sql_of, items))})"
        case Like(operand=operand, pattern=pattern, insensitive=insensitive, negated=negated):
            word = "ILIKE" if insensitive else "LIKE"
            return f"{_operand(operand)} {_not(negated)}{word} {_operand(pattern)}"
        case IsNull(operand=operand, negated=negated):
            return f"{_operand(operand)} IS {_not(negated)}NULL"
        case Not(operand=operand):
            return f"NOT {_within(operand, 3)}"
        case Logic(op=op, parts=parts):
            return f" {op} ".join(_within(part, _POWER[op] + 1) for part in parts)
        case Case():
            return _case(node)
    raise TypeError(f"no SQL for {type(node).__name__}")


def _operand(node: Node) -> str:
    return _within(node, _TEST + 1)


def _within(node: Node, least: int) -> str:
    """Return the SQL of a node as an operand, in parentheses where it binds less tightly than its place wants."""
    text = sql_of(node)
    return text if _power(node) >= least else f"({text})"


def _power(node: Node) -> int:
    match node:
        case Widen(operand=operand):
            return _power(operand)
        case Logic(op=op) | Arithmetic(op=op):
            return _POWER[op]
        case Not():
            return 3
        case Compare() | Between() | In() | Like() | IsNull():
            return _TEST
        case Negate():
            return _MINUS
    return _ATOM


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _literal(node: Literal) -> str:
    value = node.value
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "TRUE", False: "FALSE"}[value]
    if isinstance(value, str):
        return quoted(value)
    if node.type is FactType.TIME and isinstance(value, int):
        return f"TIMESTAMP '{format_time(value)}'"
    return repr(value)


def quoted(text: str) -> str:
    """Return text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _case(node: Case) -> str:
    parts = ["CASE"] if node.subject is None else ["CASE", sql_of(node.subject)]
    parts += [f"WHEN {sql_of(when)} THEN {sql_of(then)}" for when, then in node.branches]
    if node.otherwise is not None:
        parts.append(f"ELSE {sql_of(node.otherwise)}")
    return " ".join([*parts, "END"])
