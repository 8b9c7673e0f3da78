"""
DETECTORPL, the rule language of Amazon Fraud Detector, read into a tree. What it means in ours is for
`detectorpl_convert.py`.

Source: Amazon Fraud Detector user guide, "Rule language reference" and "Rules". Where the guide is silent (precedence,
parentheses, comments, `null`, `true`, functions on times) this follows common usage, and the converter says so.
"""

import re
from collections.abc import Iterator
from typing import Literal, NoReturn

import msgspec

EXPRESSION_MAX = 4_096
"""Longest expression the service takes (API, CreateRule)."""
_DEPTH_MAX = 60


class Tree(msgspec.Struct, frozen=True, tag=True):
    """A part of an expression; `at` is where it begins in the text."""

    at: int


class Value(Tree, frozen=True):
    """A number as it was written, or a text."""

    kind: Literal["number", "text", "true", "false", "null"]
    text: str


class Variable(Tree, frozen=True):
    """`$name`."""

    name: str


class Operation(Tree, frozen=True):
    """Two sides: `+ - * / %`, `> >= < <= == !=`, `and`, `or`."""

    op: str
    left: Tree
    right: Tree


class Single(Tree, frozen=True):
    """`!` or unary `-`."""

    op: str
    operand: Tree


class Membership(Tree, frozen=True):
    """`x [not] in [values]` or `x [not] in @list` (`listed` is then its name)."""

    operand: Tree
    negated: bool
    values: tuple[Tree, ...]
    listed: str | None


class Invocation(Tree, frozen=True):
    """`function(arguments)`."""

    name: str
    args: tuple[Tree, ...]


class Unreadable(ValueError):  # noqa: N818 - a finding about an author's text
    """The text is no DETECTORPL; `at` is where it stops making sense."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
      | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<variable>\$[A-Za-z_]\w*)
      | (?P<list>@[A-Za-z0-9_]+)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<sign>>=|<=|==|!=|&&|\|\||[-+*/%<>!(),\[\]])""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_LEVELS = {"or": 1, "and": 2, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6} | dict.fromkeys(
    (">", ">=", "<", "<=", "==", "!=", "in", "not"), 4
)
_NOT_LEVEL = 3


def parse_detectorpl(text: str) -> Tree:
    """Return the tree of an expression; raises Unreadable with the place."""
    if len(text) > EXPRESSION_MAX:
        raise Unreadable(f"is longer than {EXPRESSION_MAX:,} characters", EXPRESSION_MAX)
    parser = _Parser(list(_tokens(text)), len(text))
    tree = parser.expression(0)
    if parser.now.kind != "end":
        parser.fail(f"unexpected {parser.now.text!r}")
    return tree


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Unreadable(f"unexpected {text[at]!r}", at)
        kind = str(found.lastgroup)
        if kind != "space":
            yield _Token(kind, found[0], at)
        at = found.end()


class _Parser:
    def __init__(self, tokens: list[_Token], end: int) -> None:
        self.tokens = [*tokens, _Token("end", "the end", end)]
        self.place = 0
        self.depth = 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.place]

    def fail(self, message: str) -> NoReturn:
        raise Unreadable(message, self.now.at)

    def take(self) -> _Token:
        token = self.now
        self.place += 1
        return token

    def expect(self, text: str) -> None:
        if self.now.text != text:
            self.fail(f"{text!r} is missing before {self.now.text!r}")
        self.place += 1

    def expression(self, least: int) -> Tree:
        self.depth += 1
        if self.depth > _DEPTH_MAX:
            self.fail("is nested too deeply")
        left = self.prefix()
        while True:
            op = self.operator()
            level = _LEVELS.get(op, 0)
            if not level or level < least:
                break
            at = self.now.at
            self.place += 1
            if op in ("in", "not"):
                left = self.membership(left, op == "not", at)
            else:
                left = Operation(at, op, left, self.expression(level + 1))
            if level == 4 and _LEVELS.get(self.operator()) == 4:
                self.fail("comparisons cannot be chained: join two with and")
        self.depth -= 1
        return left

    def operator(self) -> str:
        """Return the operator that stands here in its lower-case form, '' for none."""
        token = self.now
        if token.kind not in ("word", "sign"):
            return ""
        return {"&&": "and", "||": "or"}.get(token.text, token.text.lower() if token.kind == "word" else token.text)

    def membership(self, left: Tree, negated: bool, at: int) -> Tree:
        if negated:
            if self.operator() != "in":
                self.fail("'in' is missing after 'not'")
            self.place += 1
        if self.now.kind == "list":
            return Membership(at, left, negated, (), self.take().text[1:])
        self.expect("[")
        values: list[Tree] = []
        while self.now.text != "]":
            values.append(self.expression(5))
            if self.now.text != "]":
                self.expect(",")
        self.expect("]")
        return Membership(at, left, negated, tuple(values), None)

    def prefix(self) -> Tree:
        token = self.take()
        match token.kind:
            case "number":
                return Value(token.at, "number", token.text)
            case "text":
                return Value(token.at, "text", token.text[1:-1].replace(f"\\{token.text[0]}", token.text[0]))
            case "variable":
                return Variable(token.at, token.text[1:])
            case "word" if token.text.lower() == "not":
                return Single(token.at, "!", self.expression(_NOT_LEVEL))
            case "word":
                return self.word(token)
        if token.text == "!":
            return Single(token.at, "!", self.expression(_NOT_LEVEL))
        if token.text == "-":
            return Single(token.at, "-", self.expression(7))
        if token.text == "(":
            inside = self.expression(0)
            self.expect(")")
            return inside
        raise Unreadable(f"a value is missing before {token.text!r}", token.at)

    def word(self, token: _Token) -> Tree:
        lower = token.text.lower()
        if self.now.text == "(":
            self.place += 1
            args: list[Tree] = []
            while self.now.text != ")":
                args.append(self.expression(0))
                if self.now.text != ")":
                    self.expect(",")
            self.expect(")")
            return Invocation(token.at, lower, tuple(args))
        if lower in ("true", "false", "null"):
            return Value(token.at, lower, token.text)  # type: ignore[arg-type]
        raise Unreadable(f"unexpected {token.text!r}: variables begin with $, texts stand in quotes", token.at)
