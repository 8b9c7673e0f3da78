"""
One DETECTORPL expression into one of ours: the same meaning, or told.

An expression that cannot be said exactly is refused with the reason. What the service's documentation leaves open is
converted in the likeliest reading and noted, so that somebody looks at it.
"""

from collections.abc import Callable, Collection, Mapping

import msgspec

from goodsend.expr.canonical import quoted
from goodsend.expr.check import compile_expression
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.expr.model import Expression
from goodsend.facts import Catalog, Fact, FactType
from goodsend.rules.detectorpl import (
    Invocation,
    Membership,
    Operation,
    Single,
    Tree,
    Unreadable,
    Value,
    Variable,
    parse_detectorpl,
)

DATA_TYPES = {
    "STRING": FactType.TEXT,
    "INTEGER": FactType.INTEGER,
    "FLOAT": FactType.NUMBER,
    "BOOLEAN": FactType.BOOLEAN,
    "DATETIME": FactType.TIME,
}
SCORE = "_insightscore"
"""What the name of a model's score ends in."""
_CASES = {"lowercase": "LOWER", "uppercase": "UPPER"}
_OPERATORS = {"==": "=", "!=": "<>", "and": "AND", "or": "OR"}
_POWER = {"OR": 1, "AND": 2, "=": 4, "<>": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 6, "-": 6, "*": 7, "/": 7, "%": 7}
_ATOM = 9


class Column(msgspec.Struct, frozen=True):
    """What a variable becomes: a fact with its type. `guessed`: the export did not say which type it has."""

    name: str
    type: FactType
    guessed: bool = False


class Conversion(msgspec.Struct, frozen=True):
    """The expression in our language, what it reads, and what somebody should know."""

    sql: str
    expression: Expression
    columns: dict[str, Column]
    notes: tuple[str, ...]


class Refused(msgspec.Struct, frozen=True):
    """Why an expression cannot be converted."""

    reason: str


def convert(
    text: str, columns: Mapping[str, Column], lists: Mapping[str, str],
    guess: Callable[[str, FactType], Column] = lambda name, type_: Column(f"e.{name}", type_, True),
) -> Conversion | Refused:  # fmt: skip
    """
    Return the expression in our language, or why it cannot be said in it.

    `columns` are by variable; the type of one that is not among them is guessed from what it is compared with, and
    `guess` says what it becomes. `lists` are the names of lists there and here.
    """
    try:
        tree = parse_detectorpl(text)
        writer = _Writer(columns, lists, _guesses(tree, columns), guess)
        sql, _ = writer.write(tree)
    except Unreadable as error:
        return Refused(f"at character {error.at + 1}: {error}")
    except RecursionError:
        return Refused("is nested too deeply")
    catalog = Catalog(Fact(column.name, column.type, name) for name, column in writer.used.items())
    found = compile_expression(sql, catalog, CORE_FUNCTIONS, set(lists.values()), FactType.BOOLEAN)
    if isinstance(found, Expression):
        return Conversion(found.sql, found, writer.used, tuple(dict.fromkeys(writer.notes)))
    return Refused(f"in our language, {sql}: " + "; ".join(problem.message for problem in found))


def _guesses(tree: Tree, columns: Mapping[str, Column]) -> dict[str, FactType]:
    """Return the likely type of each variable that nothing is known of, from the values it stands beside."""
    guessed: dict[str, FactType] = {}

    def note(side: Tree, others: Collection[Tree]) -> None:
        if not isinstance(side, Variable) or side.name in columns:
            return
        kinds = {_kind_of(other) for other in others} - {None}
        type_ = FactType.NUMBER if side.name.endswith(SCORE) else kinds.pop() if len(kinds) == 1 else None
        if type_ is not None:
            guessed.setdefault(side.name, type_)

    waiting = [tree]
    while waiting:
        part = waiting.pop()
        match part:
            case Operation(left=left, right=right, op=op):
                arithmetic = op in "+-*/%"
                note(left, [Value(0, "number", "0")] if arithmetic else [right])
                note(right, [Value(0, "number", "0")] if arithmetic else [left])
                waiting += [right, left]
            case Single(operand=operand, op=op):
                note(operand, [Value(0, "true", "")] if op == "!" else [Value(0, "number", "0")])
                waiting.append(operand)
            case Membership(operand=operand, values=values):
                note(operand, values or [Value(0, "text", "")])
                waiting.append(operand)
            case Invocation(name=name, args=args):
                for arg in args:
                    note(arg, [Value(0, "text", "")] if name in (*_CASES, "regex_match") else [])
                waiting += reversed(args)
    return guessed


def _kind_of(tree: Tree) -> FactType | None:
    match tree:
        case Value(kind="number"):
            return FactType.NUMBER
        case Value(kind="text"):
            return FactType.TEXT
        case Value(kind="true" | "false"):
            return FactType.BOOLEAN
        case Single(op="-") | Operation(op="+" | "-" | "*" | "/" | "%"):
            return FactType.NUMBER
    return None


class _Writer:
    """Writes our SQL for a tree, as (text, how strongly it binds)."""

    def __init__(
        self, columns: Mapping[str, Column], lists: Mapping[str, str], types: Mapping[str, FactType],
        guess: Callable[[str, FactType], Column],
    ) -> None:  # fmt: skip
        self.columns = columns
        self.lists = lists
        self.types = types
        self.guess = guess
        self.used: dict[str, Column] = {}
        self.notes: list[str] = []

    def write(self, tree: Tree) -> tuple[str, int]:
        match tree:
            case Value():
                return self.value(tree), _ATOM
            case Variable():
                return self.variable(tree), _ATOM
            case Single():
                return self.single(tree)
            case Operation():
                return self.operation(tree)
            case Membership():
                return self.membership(tree)
            case Invocation():
                return self.invocation(tree)
        raise Unreadable("is a form the converter does not know", tree.at)

    def within(self, tree: Tree, power: int) -> str:
        text, own = self.write(tree)
        return text if own >= power else f"({text})"

    def value(self, tree: Value) -> str:
        if tree.kind == "text":
            if "\\\\" in tree.text:
                self.notes.append(
                    f'the backslashes in "{tree.text}" are taken as they stand; check whether one was meant'
                )
            return quoted(tree.text)
        if tree.kind == "number":
            text = tree.text.lower()
            text = f"0{text}" if text.startswith(".") else text
            return text.replace(".e", ".0e") + ("0" if text.endswith(".") else "")
        return {"true": "TRUE", "false": "FALSE", "null": "NULL"}[tree.kind]

    def variable(self, tree: Variable) -> str:
        column = self.used.get(tree.name) or self.columns.get(tree.name)
        if column is None and tree.name in self.types:
            column = self.guess(tree.name, self.types[tree.name])
        if column is None:
            raise Unreadable(f"the type of ${tree.name} is not known: export the variables too", tree.at)
        self.used[tree.name] = column
        if column.guessed:
            self.notes.append(f"${tree.name} is not among the exported variables; it is taken as {column.type.value}")
        return column.name

    def single(self, tree: Single) -> tuple[str, int]:
        if tree.op == "-":
            inner = self.within(tree.operand, 8)
            return (f"-({inner})" if inner.startswith("-") else f"-{inner}"), 8
        if not (isinstance(tree.operand, Operation) and _names_null(tree.operand)):
            self.missing("!", tree.operand)
        return f"NOT {self.within(tree.operand, 4)}", 3

    def operation(self, tree: Operation) -> tuple[str, int]:
        for side, other in ((tree.left, tree.right), (tree.right, tree.left)):
            if isinstance(side, Value) and side.kind == "null" and tree.op in ("==", "!="):
                word = "IS NULL" if tree.op == "==" else "IS NOT NULL"
                self.notes.append("null is not in the service's documentation; it is taken as: the value is missing")
                return f"{self.within(other, 5)} {word}", 4
        if tree.op in ("and", "or"):
            return self.chain(tree)
        if tree.op == "!=":
            self.missing("!=", tree.left, tree.right)
        if tree.op == "/" and not (self.is_fraction(tree.left) or self.is_fraction(tree.right)):
            self.notes.append("dividing whole numbers gives decimals here; the service's documentation does not say")
        op = _OPERATORS.get(tree.op, tree.op)
        power = _POWER[op]
        least = power + 1 if power == 4 else power
        return f"{self.within(tree.left, least)} {op} {self.within(tree.right, power + 1)}", power

    def chain(self, tree: Operation) -> tuple[str, int]:
        """Write a long chain of and, or of or, without going deeper with every part."""
        op = _OPERATORS[tree.op]
        power = _POWER[op]
        parts: list[str] = []
        left: Tree = tree
        while isinstance(left, Operation) and left.op == tree.op:
            parts.append(self.within(left.right, power + 1))
            left = left.left
        parts.append(self.within(left, power))
        return f" {op} ".join(reversed(parts)), power

    def is_fraction(self, tree: Tree) -> bool:
        """Whether a side of a division is certainly no whole number."""
        match tree:
            case Value(kind="number", text=text):
                return "." in text or "e" in text.lower()
            case Variable(name=name):
                column = self.columns.get(name)
                return column is not None and column.type is FactType.NUMBER and not column.guessed
            case Operation(left=left, right=right) if tree.op in ("+", "-", "*"):
                return self.is_fraction(left) or self.is_fraction(right)
            case Operation(op="/"):
                return True
            case Single(operand=operand):
                return self.is_fraction(operand)
        return False

    def missing(self, op: str, *sides: Tree) -> None:
        """Note that a negative is not known where a value is missing."""
        names = sorted({f"${name}" for side in sides for name in _variables(side)})
        if names:
            self.notes.append(
                f"where {' or '.join(names)} is missing, `{op}` is not known here and the rule does not fire; "
                "the service's documentation does not say"
            )

    def membership(self, tree: Membership) -> tuple[str, int]:
        if tree.negated:
            self.missing("not in", tree.operand)
        if tree.listed is not None:
            if tree.listed not in self.lists:
                raise Unreadable(f"the list @{tree.listed} is not among the exported lists", tree.at)
            text = f"IN_LIST({quoted(self.lists[tree.listed])}, {self.within(tree.operand, 0)})"
            return (f"NOT {text}", 3) if tree.negated else (text, _ATOM)
        if not tree.values:
            return ("TRUE" if tree.negated else "FALSE"), _ATOM
        for value in tree.values:
            plain = value.operand if isinstance(value, Single) else value
            if not isinstance(plain, Value) or plain.kind == "null":
                raise Unreadable("what stands in [ ] is not a number or a text", value.at)
        items = ", ".join(self.within(value, 0) for value in tree.values)
        return f"{self.within(tree.operand, 5)} {'NOT ' if tree.negated else ''}IN ({items})", 4

    def invocation(self, tree: Invocation) -> tuple[str, int]:
        name, count = tree.name, len(tree.args)
        if name in _CASES and count == 1:
            if name == "uppercase":
                self.notes.append("uppercase() is not in the service's documentation")
            return f"{_CASES[name]}({self.within(tree.args[0], 0)})", _ATOM
        if name == "regex_match" and count == 2:
            return self.regex(tree.args[0], tree.args[1])
        if name in ("isbefore", "isafter") and count == 2:
            self.notes.append(f"{name}() is not in the service's documentation; it is taken as a comparison of times")
            sides = [self.within(arg, 5) for arg in tree.args]
            return f"{sides[0]} {'<' if name == 'isbefore' else '>'} {sides[1]}", 4
        if name == "getcurrentdatetime":
            raise Unreadable("getcurrentdatetime(): a rule has no clock here; e.at is the time of the event", tree.at)
        raise Unreadable(f"there is nothing here that is sure to mean {name}() with {count} arguments", tree.at)

    def regex(self, pattern: Tree, subject: Tree) -> tuple[str, int]:
        if not isinstance(pattern, Value) or pattern.kind != "text":
            raise Unreadable("the pattern of regex_match is not written out", pattern.at)
        text = pattern.text
        alone = compile_expression(f"REGEXP_LIKE('', {quoted(text)})", Catalog([]), CORE_FUNCTIONS)
        if isinstance(alone, list):  # looked at alone: a stray bracket must not close the group put around it
            raise Unreadable("; ".join(problem.message for problem in alone), pattern.at)
        if "\\Q" in text:
            raise Unreadable("\\Q in a pattern has no end that is sure here", pattern.at)
        if "\\\\" in text:
            self.notes.append(f'the backslashes in "{text}" are taken as they stand; check whether one was meant')
        if text.startswith("^") or not text.endswith((".*", "$", ".+")):
            self.notes.append(
                f'regex_match("{text}") is taken to match the whole text, as the service\'s documentation says; '
                "its own examples read as if a part were enough"
            )
        whole = rf"\A(?:{text})\z"
        return f"REGEXP_LIKE({self.within(subject, 0)}, {quoted(whole)})", _ATOM


def _names_null(tree: Operation) -> bool:
    return any(isinstance(side, Value) and side.kind == "null" for side in (tree.left, tree.right))


def _variables(tree: Tree) -> set[str]:
    match tree:
        case Variable(name=name):
            return {name}
        case Operation(left=left, right=right):
            return _variables(left) | _variables(right)
        case Single(operand=operand) | Membership(operand=operand):
            return _variables(operand)
        case Invocation(args=args):
            return {name for arg in args for name in _variables(arg)}
    return set()
