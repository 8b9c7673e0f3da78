"""
From text to a syntax tree. Names and types are not looked at here; see check.py.

sqlglot reads the text into tokens. The grammar over them is our own, because sqlglot's knows every SQL there is (a rule
may use a small part), leaves half its nodes without a place, and runs out of stack at some 35 nested parentheses.
Precedence is SQL's, loosest first: OR, AND, NOT, comparisons and tests, ||, + -, * / %, unary minus; the tests hold the
grammar against sqlglot's own parser.
"""

import re
from typing import NoReturn

from sqlglot.errors import TokenError
from sqlglot.tokens import Token, Tokenizer, TokenType  # type: ignore[attr-defined]

from goodsend.expr.functions.numbers import INTEGER_MAX, NUMBER_MAX
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
    children,
)
from goodsend.facts import FactType
from goodsend.kit.clock import parse_time
from goodsend.kit.errors import Problem

MAX_SOURCE = 10_000
MAX_DEPTH = 100
MAX_NODES = 2_000
"""Characters, nesting and nodes of one expression. Source: own starting values."""

_KEYWORDS = "AND OR NOT IN IS NULL BETWEEN LIKE ILIKE CASE WHEN THEN ELSE END TRUE FALSE"
_OPERATORS = {
    "||": TokenType.DPIPE,
    "<>": TokenType.NEQ,
    "!=": TokenType.NEQ,
    "<=": TokenType.LTE,
    ">=": TokenType.GTE,
    "==": TokenType.EQ,
    "&&": TokenType.DAMP,
    "::": TokenType.DCOLON,
}


_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


class _Words(Tokenizer):
    """sqlglot's tokenizer with our keywords alone, so that no other word of SQL changes how a text is cut."""

    KEYWORDS = {word: TokenType[word] for word in _KEYWORDS.split()} | _OPERATORS
    COMMENTS = ["--", ("/*", "*/")]  # noqa: RUF012
    IDENTIFIERS = ['"', "`"]  # noqa: RUF012


_OR, _AND, _NOT, _TEST, _CONCAT, _SUM, _PRODUCT, _MINUS = range(1, 9)

_COMPARE = {
    TokenType.EQ: "=",
    TokenType.NEQ: "<>",
    TokenType.LT: "<",
    TokenType.LTE: "<=",
    TokenType.GT: ">",
    TokenType.GTE: ">=",
}
_ARITHMETIC = {
    TokenType.DPIPE: ("||", _CONCAT),
    TokenType.PLUS: ("+", _SUM),
    TokenType.DASH: ("-", _SUM),
    TokenType.STAR: ("*", _PRODUCT),
    TokenType.SLASH: ("/", _PRODUCT),
    TokenType.MOD: ("%", _PRODUCT),
}
_LOGIC = {TokenType.OR: ("OR", _OR), TokenType.AND: ("AND", _AND), TokenType.DAMP: ("AND", _AND)}
_TESTS = frozenset({*_COMPARE, TokenType.BETWEEN, TokenType.IN, TokenType.LIKE, TokenType.ILIKE, TokenType.IS})
_NEGATABLE = frozenset({TokenType.BETWEEN, TokenType.IN, TokenType.LIKE, TokenType.ILIKE})

_ONE_ROW = "a rule sees one row of facts; what is remembered over many events is a feature"
_FORBIDDEN = {
    "SELECT": _ONE_ROW,
    "FROM": _ONE_ROW,
    "WHERE": "write only the condition itself",
    "EXISTS": _ONE_ROW,
    "OVER": _ONE_ROW,
    "CAST": "columns have types already; compare like with like",
    "AS": "columns have types and names already",
    "INTERVAL": "lengths are seconds: SECONDS(n), MINUTES(n), HOURS(n), DAYS(n)",
    "DATE": "write TIMESTAMP '2026-11-22T00:00:00Z'",
    "ESCAPE": "LIKE has no escape character; CONTAINS finds a part literally",
    "REGEXP": "REGEXP_LIKE(text, 'pattern')",
    "RLIKE": "REGEXP_LIKE(text, 'pattern')",
    "SIMILAR": "REGEXP_LIKE(text, 'pattern')",
    "GLOB": "text LIKE 'pattern' with % and _",
    "CONTAINS": "CONTAINS(text, 'part')",
    "STARTS": "STARTS_WITH(text, 'part')",
    "ENDS": "ENDS_WITH(text, 'part')",
    "XOR": "a <> b does it for two flags",
    "DIV": "FLOOR(a / b)",
    "MOD": "a % b",
    "COLLATE": "text is compared by code point; LOWER(text) leaves case aside",
}


class _Unreadable(Exception):  # noqa: N818 - ends the reading of one text; never leaves this file
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def parse(source: str) -> tuple[Node | None, list[Problem]]:
    """
    Return the tree of an expression, and the problems found; the tree is None where the text cannot be read to its end.

    A problem the reader could step over (text in double quotes, a trailing semicolon) comes with a tree.
    """
    if len(source) > MAX_SOURCE:
        message = f"the expression has {len(source)} characters; at most {MAX_SOURCE} are allowed"
        return None, [Problem("", message, "long rows of values belong in a list: IN_LIST('name', x)")]
    tokens = _tokens(source)
    if isinstance(tokens, Problem):
        return None, [tokens]
    reader = _Reader(source, tokens)
    try:
        root = reader.whole()
    except _Unreadable as stop:
        return None, [*reader.problems, stop.problem]
    too_large = _too_large(root, source)
    return (None, [*reader.problems, too_large]) if too_large else (root, reader.problems)


def mentions(source: str) -> list[Name | Call]:
    """Return the names and the calls (without arguments) in a text that may not be readable as a whole."""
    tokens = _tokens(source[:MAX_SOURCE])
    if isinstance(tokens, Problem):
        return []
    found: list[Name | Call] = []
    position = 0
    while position < len(tokens):
        first = tokens[position]
        last = position
        while _follows_dot(tokens, last):
            last += 2
        text = "".join(token.text for token in tokens[position : last + 1])
        if first.token_type is TokenType.VAR and last > position:
            found.append(Name(text, start=first.start, end=tokens[last].end + 1))
        elif first.token_type is TokenType.VAR and _is(tokens, position + 1, TokenType.L_PAREN):
            found.append(Call(text, (), start=first.start, end=first.end + 1))
        position = last + 1
    return found


def _is(tokens: list[Token], position: int, type_: TokenType) -> bool:
    return position < len(tokens) and tokens[position].token_type is type_


def _follows_dot(tokens: list[Token], position: int) -> bool:
    return (
        _is(tokens, position + 1, TokenType.DOT)
        and position + 2 < len(tokens)
        and tokens[position + 2].text.isidentifier()
    )


def _tokens(source: str) -> list[Token] | Problem:
    try:
        return list(_Words().tokenize(source))
    except TokenError:
        start, what = _unclosed(source)
        hint = "a quote inside text is written twice: 'it''s'" if what == "text" else None
        return Problem("", f"{what} that is never closed", hint, source, start, start + 1)


def _unclosed(source: str) -> tuple[int, str]:
    """Return where the text, quoted name or comment begins that swallows the rest of the source."""
    position = 0
    while position < len(source):
        start, char, pair = position, source[position], source[position : position + 2]
        if char in "'\"`":
            position = source.find(char, position + 1)
            if position < 0:
                return start, "text" if char == "'" else "a quoted name"
        elif pair == "--":
            position = source.find("\n", position)
        elif pair == "/*":
            position = _comment_end(source, position)
        if position < 0:
            return start, "a comment"
        position += 1
    return 0, "something"


def _comment_end(source: str, position: int) -> int:
    """Return the last character of the comment that begins here, -1 where it has no end. Comments nest."""
    open_ = 0
    while position < len(source):
        pair = source[position : position + 2]
        step = {"/*": 1, "*/": -1}.get(pair, 0)
        open_ += step
        position += 2 if step else 1
        if open_ == 0:
            return position - 1
    return -1


def _too_large(root: Node, source: str) -> Problem | None:
    count = 0
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH:
            return _too_deep(source, node.start, node.end)
        if count > MAX_NODES:
            return Problem(
                "",
                f"the expression has more than {MAX_NODES} parts",
                "long rows of values belong in a list: IN_LIST('name', x)",
                source,
                root.start,
                root.end,
            )
        waiting += [(child, depth + 1) for child in children(node)]
    return None


def _too_deep(source: str, start: int, end: int) -> Problem:
    return Problem("", f"nested more than {MAX_DEPTH} deep", "write it as several rules", source, start, end)


class _Reader:
    """
    Reads tokens by precedence climbing, at most four frames of stack for one level of depth.

    `position` is the next token; `problems` are those that could be stepped over.
    """

    def __init__(self, source: str, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.problems: list[Problem] = []

    def whole(self) -> Node:
        if not self.tokens:
            self.stop("the expression is empty", "such as e.recipients > 1000", 0, len(self.source))
        root = self.expression(_OR)
        if self.at(TokenType.SEMICOLON) and self.position == len(self.tokens) - 1:
            self.note("one expression without `;` is wanted", "leave the semicolon out")
            self.position += 1
        if self.position < len(self.tokens):
            self.unexpected()
        return root

    # ------------------------------------------------------------------ tokens

    def at(self, *types: TokenType, ahead: int = 0) -> bool:
        position = self.position + ahead
        return position < len(self.tokens) and self.tokens[position].token_type in types

    def word(self, ahead: int = 0) -> str | None:
        """The next token as an upper-case word; None where it is no bare word."""
        if not self.at(TokenType.VAR, ahead=ahead):
            return None
        return self.tokens[self.position + ahead].text.upper()

    def take(self) -> Token:
        token = self.tokens[self.position]
        self.position += 1
        return token

    def expect(self, type_: TokenType, shown: str, why: str) -> Token:
        if self.at(type_):
            return self.take()
        if self.word() in _FORBIDDEN:
            self.unexpected()
        return self.stop(f"expected `{shown}` {why}")

    def place(self) -> tuple[int, int]:
        if self.position < len(self.tokens):
            token = self.tokens[self.position]
            return token.start, token.end + 1
        end = self.tokens[-1].end + 1 if self.tokens else 0
        return end, end + 1

    def stop(self, message: str, hint: str | None = None, start: int | None = None, end: int | None = None) -> NoReturn:
        here = self.place()
        first = here[0] if start is None else start
        raise _Unreadable(Problem("", message, hint, self.source, first, here[1] if end is None else end))

    def note(self, message: str, hint: str | None) -> None:
        start, end = self.place()
        self.problems.append(Problem("", message, hint, self.source, start, end))

    def unexpected(self) -> NoReturn:
        """Stop at a token that cannot stand where an operator or the end should be."""
        token = self.tokens[self.position]
        word = token.text.upper()
        before = self.tokens[self.position - 1] if self.position else None
        joined = token.token_type in (TokenType.VAR, TokenType.NUMBER, TokenType.DOT)
        if before and before.token_type is TokenType.NUMBER and joined and before.end + 1 == token.start:
            both = self.source[before.start : token.end + 1]
            self.stop(f"`{both}` is not a number", "numbers are written plainly: 10000 or 0.05", before.start)
        if token.token_type is TokenType.R_PAREN:
            self.stop("this `)` closes nothing", "take it out, or open a parenthesis before")
        if token.token_type is TokenType.SEMICOLON:
            self.stop("one expression without `;` is wanted", "write two rules")
        if token.token_type is TokenType.DCOLON:
            self.stop("casts are not part of the language", _FORBIDDEN["CAST"])
        if token.token_type in _TESTS:
            self.stop("comparisons do not chain", "join them with AND: a < b AND b < c")
        if token.token_type is TokenType.VAR and word in _FORBIDDEN:
            self.stop(f"{word} is not part of the language", _FORBIDDEN[word])
        self.stop(f"expected an operator or the end, not `{self.source[token.start : token.end + 1]}`")

    # ------------------------------------------------------------------ expressions

    def expression(self, least: int) -> Node:
        """Read one expression whose operators bind at least as tightly as `least`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unreadable(_too_deep(self.source, *self.place()))
        left = self.value(least)
        tested = False
        while self.position < len(self.tokens):
            kind = self.tokens[self.position].token_type
            if kind in _LOGIC and least <= _LOGIC[kind][1]:
                left, tested = self.logic(left, *_LOGIC[kind]), False
            elif kind in _ARITHMETIC and least <= _ARITHMETIC[kind][1]:
                op, power = _ARITHMETIC[kind]
                self.position += 1
                right = self.expression(power + 1)
                left = Arithmetic(op, left, right, start=left.start, end=right.end)
            elif (kind in _TESTS or self.negated_test()) and least <= _TEST:
                if tested:
                    self.unexpected()
                left, tested = self.test(left), True
            else:
                break
        self.depth -= 1
        return left

    def logic(self, left: Node, op: str, power: int) -> Node:
        parts = [left]
        while any(self.at(kind) for kind, found in _LOGIC.items() if found == (op, power)):
            if self.at(TokenType.DAMP):
                self.note("`&&` is not part of the language", "write AND")
            self.position += 1
            parts.append(self.expression(power + 1))
        flat = [inner for part in parts for inner in _same_logic(part, op)]
        return Logic(op, tuple(flat), start=left.start, end=parts[-1].end)

    def negated_test(self) -> bool:
        return self.at(TokenType.NOT) and self.at(*_NEGATABLE, ahead=1)

    def test(self, left: Node) -> Node:
        negated = self.at(TokenType.NOT)
        self.position += negated
        token = self.take()
        kind = token.token_type
        if kind in _COMPARE:
            right = self.expression(_CONCAT)
            return Compare(_COMPARE[kind], left, right, start=left.start, end=right.end)
        if kind is TokenType.BETWEEN:
            low = self.expression(_CONCAT)
            self.expect(TokenType.AND, "AND", "between the two ends of BETWEEN")
            high = self.expression(_CONCAT)
            return Between(left, low, high, negated, start=left.start, end=high.end)
        if kind is TokenType.IN:
            return self.membership(left, negated)
        if kind is TokenType.IS:
            return self.is_null(left)
        pattern = self.expression(_CONCAT)
        return Like(left, pattern, kind is TokenType.ILIKE, negated, start=left.start, end=pattern.end)

    def membership(self, left: Node, negated: bool) -> Node:
        if not self.at(TokenType.L_PAREN):
            self.stop("IN wants values in parentheses", "x IN ('a', 'b'), or IN_LIST('name', x) for a list")
        self.position += 1
        if self.word() == "SELECT":
            self.stop("SELECT is not part of the language", "IN_LIST('name', x) asks a list")
        if self.at(TokenType.R_PAREN):
            self.stop("IN wants at least one value", "x IN ('a', 'b')")
        items = self.arguments()
        return In(left, items, negated, start=left.start, end=self.tokens[self.position - 1].end + 1)

    def is_null(self, left: Node) -> Node:
        negated = self.at(TokenType.NOT)
        self.position += negated
        if self.at(TokenType.TRUE, TokenType.FALSE):
            self.stop("only IS NULL and IS NOT NULL are known", "write the flag alone, or COALESCE(flag, FALSE)")
        end = self.expect(TokenType.NULL, "NULL", "after IS").end + 1
        return IsNull(left, negated, start=left.start, end=end)

    # ------------------------------------------------------------------ values

    def value(self, least: int) -> Node:
        """Read what stands before any operator: a value, or NOT and minus with theirs."""
        if self.at_end():
            self.stop("the expression ends where a value is expected")
        token = self.take()
        kind = token.token_type
        start, end = token.start, token.end + 1
        if kind is TokenType.L_PAREN:
            inner = self.expression(_OR)
            self.expect(TokenType.R_PAREN, ")", "to close the `(`" if self.at_end() else "here")
            return inner
        if kind is TokenType.NUMBER:
            return self.number(token, "")
        if kind is TokenType.STRING:
            return Literal(token.text, start=start, end=end, type=FactType.TEXT)
        if kind in (TokenType.TRUE, TokenType.FALSE):
            return Literal(kind is TokenType.TRUE, start=start, end=end, type=FactType.BOOLEAN)
        if kind is TokenType.NULL:
            return Literal(None, start=start, end=end)
        if kind is TokenType.NOT:
            return self.negation(token, least)
        if kind is TokenType.DASH:
            return self.minus(token)
        if kind is TokenType.CASE:
            return self.case(token)
        if kind is TokenType.IDENTIFIER:
            self.position -= 1
            self.note("text goes in single quotes", "'" + token.text.replace("'", "''") + "'")
            self.position += 1
            return Literal(token.text, start=start, end=end, type=FactType.TEXT)
        if kind is TokenType.VAR:
            return self.call(token) if self.at(TokenType.L_PAREN) else self.named(token)
        self.position -= 1
        return self.not_a_value(token)

    def at_end(self) -> bool:
        return self.position >= len(self.tokens)

    def not_a_value(self, token: Token) -> NoReturn:
        text = self.source[token.start : token.end + 1]
        following = self.tokens[self.position + 1] if self.position + 1 < len(self.tokens) else None
        if token.token_type is TokenType.DOT and following is not None and following.token_type is TokenType.NUMBER:
            self.stop("a number begins with a digit", f"0.{following.text}", token.start, following.end + 1)
        if token.token_type is TokenType.STAR:
            self.stop("`*` is not a value", _ONE_ROW)
        if token.token_type in (TokenType.PLACEHOLDER, TokenType.PARAMETER, TokenType.COLON, TokenType.L_BRACE):
            self.stop("parameters are not part of the language", "write the value itself")
        self.stop(f"expected a value, not `{text}`")

    def number(self, token: Token, sign: str) -> Literal:
        text, end = sign + token.text, token.end + 1
        start = token.start if not sign else self.tokens[self.position - 2].start
        if self.at(TokenType.VAR, TokenType.DOT) and self.tokens[self.position].start == end:
            self.unexpected()
        if not _NUMBER.fullmatch(token.text):
            self.stop(f"`{token.text}` is not a number", "numbers are written plainly: 10000 or 0.05", start, end)
        if token.text.isdigit():
            whole = int(text) if len(text) <= 20 else INTEGER_MAX + 1
            if not -INTEGER_MAX - 1 <= whole <= INTEGER_MAX:
                self.problems.append(
                    Problem("", "whole numbers have 64 bits", f"at most {INTEGER_MAX}", self.source, start, end)
                )
                whole = 0
            return Literal(whole, start=start, end=end, type=FactType.INTEGER)
        value = float(text)
        if not -NUMBER_MAX <= value <= NUMBER_MAX:
            self.problems.append(Problem("", "this number is too large", "at most 1.79e308", self.source, start, end))
            value = 0.0
        return Literal(value, start=start, end=end, type=FactType.NUMBER)

    def negation(self, token: Token, least: int) -> Node:
        if token.text == "!":
            self.position -= 1
            self.note("`!` is not part of the language", "write NOT")
            self.position += 1
        if least > _NOT:
            self.stop("NOT needs parentheses here", "a = (NOT b)", token.start, token.end + 1)
        operand = self.expression(_NOT)
        return Not(operand, start=token.start, end=operand.end)

    def minus(self, token: Token) -> Node:
        if self.at(TokenType.NUMBER):
            return self.number(self.take(), "-")
        operand = self.expression(_MINUS)
        return Negate(operand, start=token.start, end=operand.end)

    def case(self, token: Token) -> Node:
        subject = None if self.at(TokenType.WHEN) else self.expression(_OR)
        branches = []
        while self.at(TokenType.WHEN):
            self.position += 1
            when = self.expression(_OR)
            self.expect(TokenType.THEN, "THEN", "after WHEN and its condition")
            branches.append((when, self.expression(_OR)))
        if not branches:
            self.stop("expected `WHEN` after CASE", "CASE WHEN condition THEN value ELSE value END")
        otherwise = None
        if self.at(TokenType.ELSE):
            self.position += 1
            otherwise = self.expression(_OR)
        end = self.expect(TokenType.END, "END", "at the end of CASE").end + 1
        return Case(subject, tuple(branches), otherwise, start=token.start, end=end)

    def named(self, token: Token) -> Node:
        word = token.text.upper()
        if word == "TIMESTAMP" and self.at(TokenType.STRING):
            return self.timestamp(token)
        if self.at(TokenType.DOT):
            return self.column(token)
        if word in _FORBIDDEN:
            self.position -= 1
            self.stop(f"{word} is not part of the language", _FORBIDDEN[word])
        if not token.text.isidentifier():
            self.position -= 1
            curly = any(quote in token.text for quote in "“”‘’„´")
            digits = "numbers are written in the digits 0 to 9" if token.text.isnumeric() else None
            self.stop("this is not a name", "text goes in straight single quotes: 'text'" if curly else digits)
        return Name(token.text, start=token.start, end=token.end + 1)

    def column(self, token: Token) -> Node:
        parts, end = [token.text], token.end + 1
        while self.at(TokenType.DOT):
            dot = self.take()
            if self.at_end() or not self.tokens[self.position].text.isidentifier() or self.at(TokenType.STRING):
                self.stop(f"a name is missing after `{'.'.join(parts)}.`", None, token.start, dot.end + 1)
            part = self.take()
            parts.append(part.text)
            end = part.end + 1
        name = ".".join(parts)
        if self.at(TokenType.L_PAREN):
            self.stop(f"`{name}` is not a function", "function names have no dot", token.start, end)
        return Name(name, start=token.start, end=end)

    def call(self, token: Token) -> Node:
        word = token.text.upper()
        if word in _FORBIDDEN and word not in ("CONTAINS",):
            self.position -= 1
            self.stop(f"{word} is not part of the language", _FORBIDDEN[word])
        self.position += 1
        args: tuple[Node, ...] = ()
        if self.at(TokenType.R_PAREN):
            self.position += 1
        else:
            args = self.arguments()
        return Call(word, args, start=token.start, end=self.tokens[self.position - 1].end + 1)

    def arguments(self) -> tuple[Node, ...]:
        """Read values up to and with the closing parenthesis."""
        values = [self.expression(_OR)]
        while self.at(TokenType.COMMA):
            self.position += 1
            values.append(self.expression(_OR))
        if not self.at(TokenType.R_PAREN) and not self.at_end():
            self.unexpected()
        self.expect(TokenType.R_PAREN, ")", "to close the `(`")
        return tuple(values)

    def timestamp(self, token: Token) -> Node:
        text = self.take()
        start, end = token.start, text.end + 1
        try:
            at = parse_time(text.text)
        except ValueError as error:
            self.problems.append(Problem("", str(error), "TIMESTAMP '2026-11-22T10:00:00Z'", self.source, start, end))
            at = 0
        return Literal(at, start=start, end=end, type=FactType.TIME)


def _same_logic(node: Node, op: str) -> tuple[Node, ...]:
    """AND and OR are associative, so a chain in parentheses joins the chain around it."""
    return node.parts if isinstance(node, Logic) and node.op == op else (node,)
