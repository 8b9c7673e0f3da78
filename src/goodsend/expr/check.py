"""
From text to a checked expression: names against the catalogue, calls against the functions, types against each other.
All problems are collected, each with its place and, where one can be guessed, what was meant.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from goodsend.expr.canonical import quoted, sql_of
from goodsend.expr.functions import patterns
from goodsend.expr.functions.model import NUMERIC, ORDERED, Function, Parameter, types_shown
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
    names_in,
    walk,
)
from goodsend.expr.parse import mentions, parse
from goodsend.facts import Catalog, FactType
from goodsend.kit.clock import parse_time
from goodsend.kit.errors import Problem
from goodsend.kit.text import closest, shorten

_BOOLEAN, _TEXT, _TEXTS, _TIME = FactType.BOOLEAN, FactType.TEXT, FactType.TEXTS, FactType.TIME
_INTEGER, _NUMBER = FactType.INTEGER, FactType.NUMBER

_SHOWN = {
    _TEXT: "text",
    _INTEGER: "a whole number",
    _NUMBER: "a number",
    _BOOLEAN: "a condition",
    _TIME: "a time",
    _TEXTS: "several texts",
    None: "NULL",
}

_FEATURE = "what is remembered over many events is a feature: f.…"
_CLOCK = "a rule has no clock: e.at is the time of the event"
_INSTEAD = {
    "LEN": "LENGTH(text)",
    "CHAR_LENGTH": "LENGTH(text)",
    "SUBSTR": "SUBSTRING(text, start, length)",
    "LEFT": "SUBSTRING(text, 1, length)",
    "IFNULL": "COALESCE(value, value)",
    "NVL": "COALESCE(value, value)",
    "ISNULL": "value IS NULL",
    "IIF": "IF(condition, then, otherwise)",
    "CONCAT": "text || text",
    "REGEX": "REGEXP_LIKE(text, 'pattern')",
    "MATCH": "REGEXP_LIKE(text, 'pattern')",
    "MATCHES": "REGEXP_LIKE(text, 'pattern')",
    "REGEXP_MATCHES": "REGEXP_LIKE(text, 'pattern')",
    "POSITION": "CONTAINS(text, 'part')",
    "MIN": "LEAST(value, value)",
    "MAX": "GREATEST(value, value)",
    "MOD": "a % b",
    "CEILING": "CEIL(number)",
    "HOUR": "HOUR_OF(time, 'Europe/Berlin')",
    "DAY": "DAYS(n)",
    "NOW": _CLOCK,
    "CURRENT_TIMESTAMP": _CLOCK,
    "GETDATE": _CLOCK,
    "RANDOM": "the same event gives the same answer, always: there is no chance in rules",
    "COUNT": _FEATURE,
    "SUM": _FEATURE,
    "AVG": _FEATURE,
}


def compile_expression(
    source: str,
    catalog: Catalog,
    functions: Mapping[str, Function],
    lists: Collection[str] = (),
    expected: FactType | None = _BOOLEAN,
) -> Expression | list[Problem]:
    """
    Read and check one expression; returns it, or every problem found (never an empty list). Never raises.

    `lists` are the names of the lists there are. `expected` is the type the whole must give, None for any; where a
    NUMBER is expected an INTEGER is widened, where a TIME is expected a literal text is read as one.
    """
    root, problems = parse(source)
    checker = _Checker(source, catalog, functions, lists)
    if root is None:
        checker.check_mentions()
        told = {problem.start for problem in problems}
        return _ordered([*problems, *(problem for problem in checker.problems if problem.start not in told)])
    checked = checker.whole(root, expected)
    problems = [*problems, *checker.problems]
    if problems:
        return _ordered(problems)
    type_ = checked.type or expected or _BOOLEAN
    return Expression(source, sql_of(checked), type_, names_in(checked), lists_in(checked), checked)


def zero_divisors(expression: Expression) -> list[Problem]:
    """Return a problem for each division by a written zero: it is NULL whatever the facts are."""
    return [
        Problem(
            "", "a division by zero is never known, so this never holds",
            "divide by a fact, and say with COALESCE what to assume where it is zero",
            expression.source, node.start, node.end,
        )
        for node in walk(expression.node)
        if isinstance(node, Arithmetic) and node.op in ("/", "%") and _is_zero(node.right)
    ]  # fmt: skip


def _is_zero(node: Node) -> bool:
    inner = node.operand if isinstance(node, Widen) else node
    return isinstance(inner, Literal) and inner.type in NUMERIC and inner.value == 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _ordered(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.start, problem.end))


class _Checker:
    """
    Rebuilds a tree bottom up with types in it.

    A part that has a problem gets type None, which fits everywhere: one mistake gives one problem.
    """

    def __init__(
        self, source: str, catalog: Catalog, functions: Mapping[str, Function], lists: Collection[str]
    ) -> None:
        self.source = source
        self.catalog = catalog
        self.functions = functions
        self.lists = lists
        self.problems: list[Problem] = []

    def whole(self, root: Node, expected: FactType | None) -> Node:
        checked = self.check(root)
        if expected is _BOOLEAN:
            return self.condition(checked, "the whole expression")
        return self.fitting(checked, expected, f"the whole expression must give {_SHOWN[expected]}")

    def check_mentions(self) -> None:
        """Look at names alone, in a text that could not be read."""
        for mention in mentions(self.source):
            if isinstance(mention, Name):
                self.name(mention)
            elif mention.name.upper() not in self.functions and mention.name.upper() != "IN":
                self.unknown_function(mention)

    def note(self, node: Node, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem("", message, hint, self.source, node.start, node.end))

    def shown(self, node: Node) -> str:
        return f"`{shorten(self.source[node.start : node.end], 60)}`"

    def check(self, node: Node) -> Node:
        return _CHECK[type(node)](self, node)

    # ------------------------------------------------------------------ fitting types together

    def condition(self, node: Node, where: str) -> Node:
        """Demand a condition."""
        if node.type not in (_BOOLEAN, None):
            hint = None
            if node.type in NUMERIC:
                hint = f"compare it: {self.shown(node)[1:-1]} > 0"
            elif node.type is _TEXT:
                hint = f"compare it: {self.shown(node)[1:-1]} = 'value'"
            self.note(node, f"{where} must be a condition; {self.shown(node)} is {_SHOWN[node.type]}", hint)
        return node

    def fitting(self, node: Node, wanted: FactType | None, why: str) -> Node:
        """Return the node as the wanted type, with a problem where it is none."""
        if wanted is None or node.type in (wanted, None):
            return node
        if wanted is _NUMBER and node.type is _INTEGER:
            return self.widened(node)
        if wanted is _TIME and isinstance(node, Literal) and node.type is _TEXT:
            return self.timed(node)
        hint = None
        if wanted is _INTEGER and node.type is _NUMBER:
            hint = "FLOOR, CEIL give whole numbers"
        elif wanted is _TEXT and node.type is _TEXTS:
            hint = "ANY_LIKE, ANY_REGEXP, ANY_IN_LIST and HAS_TEXT look at each of several texts"
        elif wanted is _TEXTS and node.type is _TEXT:
            hint = f"TEXTS({self.shown(node)[1:-1]}) makes several texts of one"
        self.note(node, f"{why}; {self.shown(node)} is {_SHOWN[node.type]}", hint)
        return node

    def widened(self, node: Node) -> Node:
        return Widen(node, start=node.start, end=node.end, type=_NUMBER)

    def timed(self, node: Literal) -> Node:
        try:
            return replace(node, value=parse_time(str(node.value)), type=_TIME)
        except ValueError as error:
            self.note(node, str(error), "TIMESTAMP '2026-11-22T10:00:00Z'")
            return replace(node, type=None)

    def united(self, nodes: Sequence[Node], message: str) -> tuple[list[Node], FactType | None]:
        """
        Return the nodes brought to one type, and that type; a problem at the first that does not fit.

        INTEGER and NUMBER meet in NUMBER; a literal text among times is read as a time.
        """
        types = {node.type for node in nodes if node.type is not None}
        if _TIME in types:
            nodes = [self.timed(node) if isinstance(node, Literal) and node.type is _TEXT else node for node in nodes]
            types = {node.type for node in nodes if node.type is not None}
        if types == NUMERIC:
            return [self.widened(node) if node.type is _INTEGER else node for node in nodes], _NUMBER
        if len(types) <= 1:
            return list(nodes), next(iter(types), None)
        first = next(node for node in nodes if node.type is not None)
        odd = next(node for node in nodes if node.type not in (None, first.type) and not self.both_numeric(first, node))
        told = f"{self.shown(first)} is {_SHOWN[first.type]}, {self.shown(odd)} is {_SHOWN[odd.type]}"
        span = odd if len(nodes) > 2 else replace(first, start=min(first.start, odd.start), end=max(first.end, odd.end))
        self.note(span, f"{message}: {told}", self.mismatch_hint(first, odd))
        return list(nodes), None

    @staticmethod
    def both_numeric(left: Node, right: Node) -> bool:
        return left.type in NUMERIC and right.type in NUMERIC

    def mismatch_hint(self, left: Node, right: Node) -> str | None:
        pair = {left.type, right.type}
        if _TEXTS in pair:
            return "HAS_TEXT(texts, 'value'), ANY_LIKE(texts, '%…%') or ANY_IN_LIST('name', texts) look at each text"
        if _TIME in pair:
            return "a time is compared with TIMESTAMP '2026-11-22T10:00:00Z', or as time - time < DAYS(7)"
        if _TEXT in pair and pair & NUMERIC:
            text = left if left.type is _TEXT else right
            number = right if text is left else left
            if isinstance(text, Literal):
                if _is_number(str(text.value)):
                    return "numbers are written without quotes"
                return f"{self.shown(number)} goes with a number" if isinstance(number, Name) else None
            return f"text is written in quotes: {quoted(str(number.value))}" if isinstance(number, Literal) else None
        if _BOOLEAN in pair:
            return "a condition is written alone, or compared with TRUE or FALSE"
        return None

    # ------------------------------------------------------------------ names and literals

    def literal(self, node: Literal) -> Node:
        return node

    def name(self, node: Name) -> Node:
        fact = self.catalog.get(node.name)
        if fact is not None:
            return replace(node, type=fact.type)
        same = [name for name in self.catalog if name.lower() == node.name.lower()]
        if len(same) == 1:
            return replace(node, name=same[0], type=self.catalog[same[0]].type)
        if same:
            self.note(node, f"{self.shown(node)} could be several facts", f"write {' or '.join(sorted(same))}")
        elif node.name in self.catalog.whole:
            carried = sorted(self.catalog.whole[node.name].kinds)
            more = f" and {len(carried) - 3} more" if len(carried) > 3 else ""
            hint = f"only these have it: {', '.join(carried[:3])}{more}"
            self.note(node, f"the events looked at here never have {self.shown(node)}", hint)
        else:
            self.note(node, f"there is no fact {self.shown(node)}", self.meant(node.name))
        return node

    def meant(self, name: str) -> str | None:
        known = {fact.lower(): fact for fact in self.catalog}
        last = name.lower().rpartition(".")[2]
        ending = [fact for fact in known if fact.rpartition(".")[2] == last]
        origin = name.lower().partition(".")[0] + "."
        of_it = [fact for fact in known if fact.startswith(origin)]
        begun = [fact for fact in of_it if "." in name and last and fact.startswith(origin + last)]
        begun = begun or [fact for fact in of_it if "." in name and len(last) > 2 and last in fact]
        if len(ending) != 1 and closest(name, of_it, 0.85) is None and begun:
            more = f" … ({len(begun) - 3} more)" if len(begun) > 3 else ""
            return f"did you mean {' or '.join(f'`{known[fact]}`' for fact in sorted(begun)[:3])}{more}?"
        near = ending[0] if len(ending) == 1 else closest(name, of_it) or closest(name, known)
        if near is not None:
            return f"did you mean `{known[near]}`?"
        if "." not in name:
            return f"text goes in single quotes: {quoted(name)}; names of facts look like e.kind"
        origins = sorted({fact.partition(".")[0] + "." for fact in self.catalog})
        return f"names begin with {', '.join(origins)}" if origins else None

    # ------------------------------------------------------------------ operators

    def negate(self, node: Negate) -> Node:
        operand = self.check(node.operand)
        if operand.type not in (*NUMERIC, None):
            self.note(node, f"minus wants a number; {self.shown(operand)} is {_SHOWN[operand.type]}")
        return replace(node, operand=operand, type=operand.type)

    def arithmetic(self, node: Arithmetic) -> Node:
        left, right = self.check(node.left), self.check(node.right)
        if node.op == "||":
            return self.concatenation(node, left, right)
        if _TIME in (left.type, right.type):
            return self.time_arithmetic(node, left, right)
        wrong = next((side for side in (left, right) if side.type not in (*NUMERIC, None)), None)
        if wrong is not None:
            hint = "texts are joined with ||" if node.op == "+" and wrong.type is _TEXT else None
            self.note(wrong, f"`{node.op}` wants numbers; {self.shown(wrong)} is {_SHOWN[wrong.type]}", hint)
            return replace(node, left=left, right=right, type=None)
        if node.op == "/":
            left = self.fitting(left, _NUMBER, "")
            right = self.fitting(right, _NUMBER, "")
            return replace(node, left=left, right=right, type=_NUMBER)
        (left, right), type_ = self.united([left, right], "")
        return replace(node, left=left, right=right, type=type_)

    def concatenation(self, node: Arithmetic, left: Node, right: Node) -> Node:
        wrong = [side for side in (left, right) if side.type not in (_TEXT, None)]
        for side in wrong:
            hint = "write OR" if side.type is _BOOLEAN else None
            self.note(side, f"`||` joins texts; {self.shown(side)} is {_SHOWN[side.type]}", hint)
        return replace(node, left=left, right=right, type=None if wrong else _TEXT)

    def time_arithmetic(self, node: Arithmetic, left: Node, right: Node) -> Node:
        """time - time is seconds (NUMBER); time ± seconds, and seconds + time, is a time."""
        if node.op == "-" and left.type is _TIME:
            right = self.timed(right) if isinstance(right, Literal) and right.type is _TEXT else right
        elif node.op == "-" and isinstance(left, Literal) and left.type is _TEXT:
            left = self.timed(left)
        types = (left.type, right.type)
        if node.op == "-" and types == (_TIME, _TIME):
            return replace(node, left=left, right=right, type=_NUMBER)
        second = right.type if left.type is _TIME else left.type
        if second is None:
            return replace(node, left=left, right=right, type=None)
        if second in NUMERIC and (node.op == "+" or (node.op == "-" and left.type is _TIME)):
            return replace(node, left=left, right=right, type=_TIME)
        self.note(
            node,
            f"`{node.op}` does not go between {_SHOWN[left.type]} and {_SHOWN[right.type]}",
            "time - time gives seconds; time + seconds and time - seconds give a time",
        )
        return replace(node, left=left, right=right, type=None)

    def compare(self, node: Compare) -> Node:
        left, right = self.check(node.left), self.check(node.right)
        for side in (left, right):
            if isinstance(side, Literal) and side.value is None and side.type is None:
                known = left if side is right else right
                word = "IS NOT NULL" if node.op == "<>" else "IS NULL"
                self.note(node, "comparing with NULL is never true", f"{self.shown(known)[1:-1]} {word}")
                return replace(node, left=left, right=right, type=_BOOLEAN)
        (left, right), type_ = self.united([left, right], f"`{node.op}` wants two of a kind")
        if type_ is _TEXTS or (node.op not in ("=", "<>") and type_ not in (*ORDERED, None)):
            what = "conditions" if type_ is _BOOLEAN else _SHOWN[type_]
            self.note(node, f"`{node.op}` does not compare {what}", self.mismatch_hint(left, right))
        return replace(node, left=left, right=right, type=_BOOLEAN)

    def between(self, node: Between) -> Node:
        parts = [self.check(part) for part in (node.operand, node.low, node.high)]
        (operand, low, high), type_ = self.united(parts, "BETWEEN wants three of a kind")
        if type_ not in (*ORDERED, None):
            self.note(operand, f"BETWEEN does not compare {_SHOWN[type_]}")
        return replace(node, operand=operand, low=low, high=high, type=_BOOLEAN)

    def membership(self, node: In) -> Node:
        parts = [self.check(part) for part in (node.operand, *node.items)]
        for item in parts[1:]:
            if not is_constant(item):
                self.note(
                    item, "IN wants written values", "join comparisons with OR, or ask a list: IN_LIST('name', x)"
                )
        (operand, *items), type_ = self.united(parts, "IN wants values of one kind")
        if type_ is _TEXTS:
            self.note(operand, f"IN does not compare {_SHOWN[_TEXTS]}", "HAS_TEXT(texts, 'value')")
        return replace(node, operand=operand, items=tuple(items), type=_BOOLEAN)

    def like(self, node: Like) -> Node:
        word = "ILIKE" if node.insensitive else "LIKE"
        operand = self.fitting(self.check(node.operand), _TEXT, f"{word} wants a text")
        pattern = node.pattern
        if not isinstance(pattern, Literal) or pattern.type is not _TEXT:
            self.note(
                pattern, f"{word} wants its pattern written out", "CONTAINS, STARTS_WITH and ENDS_WITH take any text"
            )
        else:
            self.prepared(patterns.like, pattern)
        return replace(node, operand=operand, type=_BOOLEAN)

    def is_null(self, node: IsNull) -> Node:
        return replace(node, operand=self.check(node.operand), type=_BOOLEAN)

    def negation(self, node: Not) -> Node:
        return replace(node, operand=self.condition(self.check(node.operand), "what follows NOT"), type=_BOOLEAN)

    def logic(self, node: Logic) -> Node:
        parts = tuple(self.condition(self.check(part), f"each side of {node.op}") for part in node.parts)
        return replace(node, parts=parts, type=_BOOLEAN)

    def case(self, node: Case) -> Node:
        subject = None if node.subject is None else self.check(node.subject)
        whens = [self.check(when) for when, _ in node.branches]
        if subject is None:
            whens = [self.condition(when, "what follows WHEN") for when in whens]
        else:
            (subject, *whens), type_ = self.united([subject, *whens], "CASE compares two of a kind")
            if type_ is _TEXTS:
                self.note(subject, f"CASE does not compare {_SHOWN[_TEXTS]}")
        values = [self.check(then) for _, then in node.branches]
        last = [] if node.otherwise is None else [self.check(node.otherwise)]
        values, type_ = self.united([*values, *last], "the values of CASE must be of one kind")
        branches = tuple(zip(whens, values, strict=False))
        return replace(node, subject=subject, branches=branches, otherwise=values[-1] if last else None, type=type_)

    # ------------------------------------------------------------------ calls

    def call(self, node: Call) -> Node:
        args = [self.check(arg) for arg in node.args]
        function = self.functions.get(node.name)
        if function is None:
            self.unknown_function(node)
            return replace(node, args=tuple(args))
        parameters = self.matched(node, function)
        if parameters is None:
            return replace(node, args=tuple(args), type=function.result)
        args, shared = self.arguments(function, parameters, args)
        prepared = tuple(
            self.argument_made(function, position, parameter, arg)
            for position, (parameter, arg) in enumerate(zip(parameters, args, strict=True))
        )
        return replace(
            node,
            name=function.name,
            args=tuple(args),
            function=function,
            prepared=prepared,
            type=function.result or shared,
        )

    def unknown_function(self, node: Call) -> None:
        word = node.name.upper()
        near = closest(word, (name.lower() for name in self.functions))
        hint = _INSTEAD.get(word) or (f"did you mean {self.functions[near.upper()].signature}?" if near else None)
        start = replace(node, end=node.start + len(node.name))
        self.note(start, f"there is no function {word}", hint)

    def matched(self, node: Call, function: Function) -> list[Parameter] | None:
        """Return one parameter for each argument, None with a problem where their number does not fit."""
        parameters = list(function.parameters)
        if parameters and parameters[-1].repeats:
            parameters += parameters[-1:] * (len(node.args) - len(parameters))
        least = sum(not parameter.optional for parameter in function.parameters)
        if least <= len(node.args) <= len(parameters):
            return parameters[: len(node.args)]
        count = "1 argument" if len(node.args) == 1 else f"{len(node.args)} arguments"
        self.note(node, f"{function.name} does not take {count}", function.signature)
        return None

    def arguments(
        self, function: Function, parameters: Sequence[Parameter], args: Sequence[Node]
    ) -> tuple[list[Node], FactType | None]:
        """Return the arguments brought to their types, and the type that the untyped parameters share."""
        fitted = list(args)
        free = [position for position, parameter in enumerate(parameters) if parameter.type is None]
        shared: FactType | None = None
        for position, parameter in enumerate(parameters):
            if parameter.type is not None:
                why = f"{function.name} wants {_SHOWN[parameter.type]} for `{parameter.name}`"
                fitted[position] = self.fitting(args[position], parameter.type, why)
        if free:
            united, shared = self.united(
                [args[position] for position in free], f"{function.name} wants values of one kind"
            )
            for position, arg in zip(free, united, strict=True):
                fitted[position] = arg
                parameter = parameters[position]
                if arg.type is not None and arg.type not in parameter.among:
                    wanted = types_shown(parameter)
                    self.note(arg, f"{function.name} wants {wanted}; {self.shown(arg)} is {_SHOWN[arg.type]}")
        return fitted, shared

    def argument_made(self, function: Function, position: int, parameter: Parameter, arg: Node) -> object:
        """Return what a literal argument is made into, None where nothing is."""
        is_list = function.needs_lists and position == 0
        if not (parameter.literal or is_list):
            return None
        if not isinstance(arg, Literal) or not isinstance(arg.value, str):
            if arg.type in (_TEXT, None):  # another type has a problem already
                self.note(arg, f"{function.name} wants its `{parameter.name}` written out as text", function.signature)
            return None
        if is_list:
            self.check_list(arg)
            return None
        return None if parameter.prepare is None else self.prepared(parameter.prepare, arg)

    def check_list(self, arg: Literal) -> None:
        name = str(arg.value)
        if name in self.lists:
            return
        near = closest(name, self.lists)
        known = ", ".join(sorted(self.lists)[:8])
        hint = f"did you mean '{near}'?" if near else f"there are: {known}" if known else None
        self.note(arg, f"there is no list {quoted(name)}", hint)

    def prepared(self, prepare: Callable[[Any], object], arg: Literal) -> object:
        try:
            return prepare(arg.value)
        except ValueError as error:
            self.note(arg, str(error))
            return None


_CHECK: Mapping[type[Node], Callable[[_Checker, Any], Node]] = {
    Literal: _Checker.literal,
    Name: _Checker.name,
    Call: _Checker.call,
    Negate: _Checker.negate,
    Arithmetic: _Checker.arithmetic,
    Compare: _Checker.compare,
    Between: _Checker.between,
    In: _Checker.membership,
    Like: _Checker.like,
    IsNull: _Checker.is_null,
    Not: _Checker.negation,
    Logic: _Checker.logic,
    Case: _Checker.case,
}
