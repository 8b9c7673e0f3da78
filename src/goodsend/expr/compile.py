"""
Many expressions to one Python function over one row: the fast path. What it means is said plainly in evaluate.py.

The generated function loads each fact once, then computes every expression as one Python expression whose values are
True, False and None, without calls or closures for the logic itself:

    a AND b     (False if (t1 := a) is False else t2 if (t2 := b) is False or t1 else None)
    x > 10      (None if x is None else x > 10)

Calls that occur in several expressions are made once, and only when first needed; several patterns over one text are
searched in one pass. Nothing generated holds text of an author other than through repr().
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

from goodsend.expr.canonical import sql_of
from goodsend.expr.evaluate import evaluate, operation, read_number, read_texts
from goodsend.expr.functions import patterns
from goodsend.expr.functions.model import Lists
from goodsend.expr.functions.numbers import INTEGER_MAX, INTEGER_MIN, NUMBER_MAX
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
    walk,
)
from goodsend.facts import Facts, FactType, Value

Row = Callable[[Facts, Lists], tuple[Value, ...]]

_HEIGHT = 20
"""How deep a generated Python expression nests before a part of it becomes a statement of its own: Python's parser
stops at 200 open parentheses, and each of our levels opens up to three."""

_MOST = repr(NUMBER_MAX)
_INTEGER_CHECK = f"if {{0}}.__class__ is not int or not {INTEGER_MIN} <= {{0}} <= {INTEGER_MAX}: {{0}} = None"
_LOADING = {
    FactType.TEXT: ("if {0}.__class__ is not str: {0} = None",),
    FactType.BOOLEAN: ("if {0} is not True and {0} is not False: {0} = None",),
    FactType.INTEGER: (_INTEGER_CHECK,),
    FactType.TIME: (_INTEGER_CHECK,),
    FactType.NUMBER: (
        f"if {{0}}.__class__ is not float or not -{_MOST} <= {{0}} <= {_MOST}: {{0}} = read_number({{0}})",
    ),
    FactType.TEXTS: ("if {0} is not None: {0} = read_texts({0})",),
}
_BUILTINS = {"int": int, "float": float, "str": str}
_PYTHON = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class _Code(NamedTuple):
    """
    Python for one node. `height` is how deep it nests; `nullable` says it can be None; an `atom` is a name or a
    literal and may be written twice, all else stands in parentheses.
    """

    text: str
    height: int = 0
    nullable: bool = True
    atom: bool = False


def build_row(expressions: Mapping[str, Expression]) -> Row:
    """
    Return one function that evaluates every expression over a row, in the order of the mapping.

    Its results are those of `Expression.evaluate`. It keeps nothing between calls and may be shared by threads.
    """
    writer = _Writer([expression.node for expression in expressions.values()])
    namespace: dict[str, Any] = {"__builtins__": _BUILTINS, "read_number": read_number, "read_texts": read_texts}
    namespace |= writer.constants
    exec(compile(writer.source(), "<rules>", "exec"), namespace)  # noqa: S102 - the text is made above, from a checked tree
    return cast("Row", namespace["row"])


def row_source(expressions: Mapping[str, Expression]) -> str:
    """Return the generated Python, to be looked at."""
    return _Writer([expression.node for expression in expressions.values()]).source()


class _Writer:
    """Writes the function for a list of trees. `constants` are the objects its text refers to by name."""

    def __init__(self, roots: Iterable[Node]) -> None:
        self.constants: dict[str, Any] = {}
        self.facts: dict[str, tuple[str, FactType | None]] = {}
        self.lists: dict[str, str] = {}
        self.memos: dict[str, str] = {}
        self.statements: list[str] = []
        self.temporaries = 0
        roots = list(roots)
        self.groups, self.shared, self.trees = _repeated(roots)
        self.results = [self.result(root) for root in roots]

    def source(self) -> str:
        lines = ["get = facts.get"]
        for fact, (name, type_) in self.facts.items():
            lines.append(f"{name} = get({fact!r})")
            lines += [line.format(name) for line in _LOADING[type_ or FactType.TEXT]]
        lines += [f"{name} = lists.get({listed!r})" for listed, name in self.lists.items()]
        if self.memos:
            lines.append(f"{' = '.join(self.memos.values())} = ...")
        lines += [*self.statements, f"return ({''.join(f'{result}, ' for result in self.results)})"]
        return "def row(facts, lists):\n" + "".join(f"    {line}\n" for line in lines)

    def result(self, root: Node) -> str:
        code = self.code(root)
        name = self.temporary()
        self.statements.append(f"{name} = {code.text}")
        return name

    # ------------------------------------------------------------------ names

    def temporary(self) -> str:
        self.temporaries += 1
        return f"t{self.temporaries}"

    def constant(self, value: object) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def listed(self, name: str) -> _Code:
        local = self.lists.setdefault(name, f"l{len(self.lists)}")
        return _Code(local, atom=True)

    def memo(self, key: str) -> str:
        return self.memos.setdefault(key, f"m{len(self.memos)}")

    # ------------------------------------------------------------------ pieces

    def code(self, node: Node) -> _Code:
        if is_constant(node):
            return _constant(evaluate(node, {}))
        code = _WRITE[type(node)](self, node)
        if id(node) in self.trees and not code.atom:
            memo = self.memo(f"tree {id(node)}")
            text = f"({memo} if {memo} is not ... else ({memo} := {code.text}))"
            code = _Code(text, code.height + 1, code.nullable)
        if code.height <= _HEIGHT:
            return code
        name = self.temporary()
        self.statements.append(f"{name} = {code.text}")
        return _Code(name, 0, code.nullable, atom=True)

    def strict(self, codes: Iterable[_Code], body: Callable[..., str], nullable: bool = False) -> _Code:
        """Return code that is None where one of the parts is, else what `body` makes of their texts."""
        guards: dict[str, None] = {}
        texts = []
        height = 0
        for code in codes:
            height = max(height, code.height)
            if not code.nullable:
                texts.append(code.text)
            elif code.atom:
                guards[f"{code.text} is None"] = None
                texts.append(code.text)
            else:
                name = self.temporary()
                guards[f"({name} := {code.text}) is None"] = None
                texts.append(name)
        whole = body(*texts)
        text = f"(None if {' or '.join(guards)} else {whole})" if guards else f"({whole})"
        return _Code(text, height + 1, nullable or bool(guards))

    def both(self, op: str, codes: list[_Code]) -> _Code:
        """Return AND or OR over codes, as a balanced tree, so that a long chain does not nest deep."""
        if len(codes) == 1:
            return codes[0]
        middle = len(codes) // 2
        left, right = self.both(op, codes[:middle]), self.both(op, codes[middle:])
        height = max(left.height, right.height) + 1
        if not left.nullable:
            return _Code(f"({left.text} {op.lower()} {right.text})", height, right.nullable)
        first, second = self.temporary(), self.temporary()
        if op == "AND":
            stop, met = "False", f"({second} := {right.text}) is False or {first}"
            text = f"(False if ({first} := {left.text}) is False else {second} if {met} else None)"
        else:
            stop, met = "True", f"({second} := {right.text}) or {first} is not None"
            text = f"({stop} if ({first} := {left.text}) else {second} if {met} else None)"
        return _Code(text, height, True)

    def negated(self, code: _Code) -> _Code:
        return self.strict([code], lambda text: f"not {text}")

    # ------------------------------------------------------------------ nodes

    def name(self, node: Name) -> _Code:
        local, _ = self.facts.setdefault(node.name, (f"f{len(self.facts)}", node.type))
        return _Code(local, atom=True)

    def widen(self, node: Widen) -> _Code:
        return self.strict([self.code(node.operand)], lambda text: f"float({text})")

    def negate(self, node: Negate) -> _Code:
        if node.type is FactType.NUMBER:
            return self.strict([self.code(node.operand)], lambda text: f"-{text}")
        return self.strict([self.code(node.operand)], lambda text: self.bounded(f"-{text}", node), nullable=True)

    def bounded(self, text: str, node: Node) -> str:
        name = self.temporary()
        least, most = (INTEGER_MIN, INTEGER_MAX) if node.type is FactType.INTEGER else (-NUMBER_MAX, NUMBER_MAX)
        return f"{name} if {least!r} <= ({name} := {text}) <= {most!r} else None"

    def arithmetic(self, node: Arithmetic) -> _Code:
        sides = [self.code(node.left), self.code(node.right)]
        op, function = operation(node)
        if op in ("+", "-", "*"):
            return self.strict(sides, lambda left, right: self.bounded(f"{left} {op} {right}", node), nullable=True)
        called = self.constant(function)
        return self.strict(sides, lambda left, right: f"{called}({left}, {right})", nullable=True)

    def compare(self, node: Compare) -> _Code:
        return self.compared(_PYTHON[node.op], self.code(node.left), self.code(node.right))

    def compared(self, op: str, left: _Code, right: _Code) -> _Code:
        return self.strict([left, right], lambda a, b: f"{a} {op} {b}")

    def between(self, node: Between) -> _Code:
        operand, low, high = self.code(node.operand), self.code(node.low), self.code(node.high)
        if low.nullable or high.nullable:
            name = self.temporary()
            self.statements.append(f"{name} = {operand.text}")
            operand = _Code(name, 0, operand.nullable, atom=True)
            inside = self.both("AND", [self.compared(">=", operand, low), self.compared("<=", operand, high)])
        else:
            inside = self.strict([low, operand, high], lambda a, x, b: f"{a} <= {x} <= {b}")
        return self.negated(inside) if node.negated else inside

    def membership(self, node: In) -> _Code:
        values = [evaluate(item, {}) for item in node.items]
        known = sorted({repr(value) for value in values if value is not None})
        inside = f"{{{', '.join(known)}}}" if known else "()"
        found, missing = ("False", "True") if node.negated else ("True", "False")
        if None in values:
            missing = "None"
        word = "not in" if node.negated else "in"
        whole = f"{found} if {{0}} in {inside} else None" if missing == "None" else f"{{0}} {word} {inside}"
        return self.strict([self.code(node.operand)], lambda text: whole.replace("{0}", text, 1), None in values)

    def like(self, node: Like) -> _Code:
        pattern = str(cast("Literal", node.pattern).value)
        test = self.constant(patterns.like(pattern, node.insensitive))
        word = "not " if node.negated else ""
        return self.strict([self.code(node.operand)], lambda text: f"{word}{test}({text})")

    def is_null(self, node: IsNull) -> _Code:
        operand = self.code(node.operand)
        word = "is not" if node.negated else "is"
        if not operand.nullable:
            return _constant(node.negated)
        return _Code(f"({operand.text} {word} None)", operand.height + 1, False)

    def negation(self, node: Not) -> _Code:
        return self.negated(self.code(node.operand))

    def logic(self, node: Logic) -> _Code:
        return self.both(node.op, [self.code(part) for part in node.parts])

    def case(self, node: Case) -> _Code:
        subject = None
        if node.subject is not None:
            # A statement, because each WHEN compares with it and some may become statements themselves.
            code = self.code(node.subject)
            subject = _Code(self.temporary(), 0, code.nullable, atom=True)
            self.statements.append(f"{subject.text} = {code.text}")
        result = _constant(None) if node.otherwise is None else self.code(node.otherwise)
        for when, then in reversed(node.branches):
            met, value = self.code(when), self.code(then)
            if subject is not None:
                met = self.compared("==", subject, met)
            height = max(met.height, value.height, result.height) + 1
            text = f"({value.text} if {met.text} else {result.text})"
            result = _Code(text, height, value.nullable or result.nullable)
            if height > _HEIGHT:
                name = self.temporary()
                self.statements.append(f"{name} = {text}")
                result = _Code(name, 0, result.nullable, atom=True)
        return result

    def call(self, node: Call) -> _Code:
        key = sql_of(node)
        group = self.groups.get(_group_key(node) or "")
        if group is not None:
            return self.grouped(node, group)
        code = self.called(node)
        if key not in self.shared:
            return code
        memo = self.memo(key)
        return _Code(f"({memo} if {memo} is not ... else ({memo} := {code.text}))", code.height + 1)

    def called(self, node: Call) -> _Code:
        function = node.function
        assert function is not None, "only checked trees are compiled"  # noqa: S101
        codes = [self.argument(node, position) for position in range(len(node.args))]
        name = self.constant(function.call)
        if not function.accepts_null:
            return self.strict(codes, lambda *texts: f"{name}({', '.join(texts)})", nullable=True)
        text = f"{name}({', '.join(code.text for code in codes)})"
        if function.needs_lists:
            text = f"(None if {codes[0].text} is None else {text})"
        return _Code(text, max((code.height for code in codes), default=0) + 1)

    def argument(self, node: Call, position: int) -> _Code:
        if position == 0 and node.function is not None and node.function.needs_lists:
            return self.listed(str(cast("Literal", node.args[0]).value))
        made = node.prepared[position]
        if made is not None:
            return _Code(self.constant(made), 0, False, atom=True)
        return self.code(node.args[position])

    def grouped(self, node: Call, group: dict[str, int]) -> _Code:
        """Return the test whether one of several patterns was found; all are searched at once, when first asked."""
        function = node.function
        assert function is not None, "only checked trees are compiled"  # noqa: S101
        assert function.together is not None  # noqa: S101
        key = _group_key(node) or ""
        if key not in self.memos:
            self.constants[f"{self.memo(key)}_all"] = function.together(list(group))
        memo = self.memo(key)
        position = group[str(cast("Literal", node.args[1]).value)]

        def body(subject: str) -> str:
            return f"{position} in ({memo} if {memo} is not ... else ({memo} := {memo}_all({subject})))"

        return self.strict([self.code(node.args[0])], body)


def _constant(value: Value) -> _Code:
    text = repr(value)
    return _Code(f"({text})" if text.startswith("-") else text, 0, value is None, atom=True)


def _group_key(node: Call) -> str | None:
    """Return what calls have in common that one search can answer; None where the function cannot search together."""
    if node.function is None or node.function.together is None or not isinstance(node.args[1], Literal):
        return None
    return f"{node.name} {sql_of(node.args[0])}"


def _repeated(roots: Iterable[Node]) -> tuple[dict[str, dict[str, int]], frozenset[str], frozenset[int]]:
    """
    Return the groups of two or more patterns over one subject, the texts of calls that occur more than once, and the
    identities of conditions that stand in several places as one and the same object.
    """
    roots = list(roots)
    times = Counter(id(node) for root in roots for node in walk(root) if node.type is FactType.BOOLEAN)
    groups: dict[str, dict[str, int]] = {}
    seen: set[str] = set()
    shared: set[str] = set()
    for node in (node for root in roots for node in walk(root)):
        if not isinstance(node, Call) or is_constant(node):
            continue
        group_key = _group_key(node)
        if group_key is not None:
            group = groups.setdefault(group_key, {})
            group.setdefault(str(cast("Literal", node.args[1]).value), len(group))
        key = sql_of(node)
        if key in seen:
            shared.add(key)
        seen.add(key)
    trees = frozenset(tree for tree, count in times.items() if count > 1)
    return {key: group for key, group in groups.items() if len(group) > 1}, frozenset(shared), trees


_WRITE: Mapping[type[Node], Callable[[_Writer, Any], _Code]] = {
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
