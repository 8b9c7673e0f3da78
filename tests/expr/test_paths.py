"""The plain path, the generated path, the text and SQLite: one meaning."""

import sqlite3

import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import expressions as exp

from goodsend.expr import nodes
from goodsend.expr.compile import build_row
from goodsend.facts import Facts
from tests.expr.world import FACTS, LISTS, SMALL_FACTS, Made, both_paths, expressions, make, same

PROPERTY = settings(max_examples=300, deadline=None)


@PROPERTY
@given(made=expressions(), facts=FACTS)
def test_both_paths_mean_what_sql_means(made: Made, facts: Facts) -> None:
    """The plain and the generated path give what a third, independent reading of the text gives."""
    expression = make(made.sql)

    assert same(made.means(facts), both_paths(expression, facts)), expression.sql


@PROPERTY
@given(batch=st.lists(expressions(), min_size=2, max_size=6), facts=FACTS)
def test_a_batch_is_its_parts(batch: list[Made], facts: Facts) -> None:
    """Expressions compiled together, sharing facts and calls, give what each gives alone, in their order."""
    made = [make(one.sql) for one in batch]

    assert tuple(one.evaluate(facts) for one in made) == build_row(dict(zip("abcdef", made, strict=False)))(
        facts, LISTS
    )


@PROPERTY
@given(made=expressions())
def test_canonical_text_is_stable(made: Made) -> None:
    """The canonical text reads back to itself."""
    canonical = make(made.sql).sql

    assert canonical == make(canonical).sql


@PROPERTY
@given(made=expressions(), facts=FACTS)
def test_canonical_text_means_the_same(made: Made, facts: Facts) -> None:
    """Taking needless parentheses away does not change what is meant."""
    expression = make(made.sql)

    assert same(expression.evaluate(facts), make(expression.sql).evaluate(facts))


@PROPERTY
@given(made=expressions())
def test_our_grammar_is_sqlglots(made: Made) -> None:
    """sqlglot's own parser reads the canonical text to the same tree, so precedence is SQL's."""
    expression = make(made.sql)

    assert _theirs(sqlglot.parse_one(expression.sql)) == _ours(expression.node)


@PROPERTY
@given(made=expressions(portable=True), facts=SMALL_FACTS)
def test_sqlite_agrees(made: Made, facts: Facts) -> None:
    """A database gives the same answer to the canonical text, where its meaning is ours."""
    expression = make(made.sql)
    connection = sqlite3.connect(":memory:")
    tables: dict[str, dict[str, object]] = {}
    for name, value in facts.items():
        tables.setdefault(name[0], {})[name[2:]] = value
    for table, columns in tables.items():
        connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", list(columns.values()))

    (found,) = connection.execute(f"SELECT {expression.sql} FROM {', '.join(tables)}").fetchone()
    connection.close()

    assert expression.evaluate(facts) == (None if found is None else bool(found)), expression.sql


@PROPERTY
@given(made=expressions(), facts=FACTS)
def test_unknown_is_blamed_on_null_alone(made: Made, facts: Facts) -> None:
    """Facts are named as unknown only where the result is NULL, and only those that are NULL."""
    expression = make(made.sql)

    unknown = expression.unknown(facts)

    assert all(facts.get(name) is None and name in expression.facts for name in unknown)
    assert not unknown or expression.evaluate(facts) is None


def _ours(node: nodes.Node) -> object:
    match node:
        case nodes.Widen(operand=operand):
            return _ours(operand)
        case nodes.Literal(value=value) if repr(value).startswith("-"):
            return ("-", _number(repr(value)[1:]))
        case nodes.Literal(value=value) if isinstance(value, str):
            return ("text", value)
        case nodes.Literal(value=value):
            return _number(repr(value)) if value is not None else "None"
        case nodes.Name(name=name):
            return name
        case nodes.Logic(op=op, parts=parts):
            return (op, *map(_ours, parts))
        case nodes.Compare(op=op, left=left, right=right) | nodes.Arithmetic(op=op, left=left, right=right):
            return (op, _ours(left), _ours(right))
        case nodes.Not(operand=operand):
            return ("NOT", _ours(operand))
        case nodes.Negate(operand=operand):
            return ("-", _ours(operand))
        case nodes.Between(negated=negated) | nodes.In(negated=negated) | nodes.Like(negated=negated):
            inner = (type(node).__name__, *map(_ours, nodes.children(node)))
            return ("NOT", inner) if negated else inner
        case nodes.IsNull(operand=operand, negated=negated):
            return ("NOT", ("Is", _ours(operand))) if negated else ("Is", _ours(operand))
        case nodes.Case():
            return ("Case", *map(_ours, nodes.children(node)))
    assert isinstance(node, nodes.Call)
    return (node.name, *map(_ours, node.args))


_BINARY: dict[type[exp.Expression], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.DPipe: "||",
}


def _theirs(tree: exp.Expression) -> object:
    if isinstance(tree, exp.Paren):
        return _theirs(tree.this)
    if isinstance(tree, exp.Literal):
        return ("text", tree.this) if tree.is_string else _number(tree.this)
    if isinstance(tree, exp.Boolean):
        return str(tree.this)
    if isinstance(tree, exp.Null):
        return "None"
    if isinstance(tree, exp.Column):
        return tree.sql()
    if isinstance(tree, exp.And | exp.Or):
        op = "AND" if isinstance(tree, exp.And) else "OR"
        return (op, *(_theirs(part) for part in tree.flatten()))
    if type(tree) in _BINARY:
        return (_BINARY[type(tree)], _theirs(tree.left), _theirs(tree.right))
    if isinstance(tree, exp.Not):
        return ("NOT", _theirs(tree.this))
    if isinstance(tree, exp.Neg):
        return ("-", _theirs(tree.this))
    if isinstance(tree, exp.Between):
        return ("Between", _theirs(tree.this), _theirs(tree.args["low"]), _theirs(tree.args["high"]))
    if isinstance(tree, exp.In):
        return ("In", _theirs(tree.this), *map(_theirs, tree.expressions))
    if isinstance(tree, exp.Like):
        inner = ("Like", _theirs(tree.this), _theirs(tree.expression))
        return ("NOT", inner) if tree.args.get("negate") else inner
    if isinstance(tree, exp.Is):
        return ("Is", _theirs(tree.this))
    if isinstance(tree, exp.Case):
        pairs = [part for branch in tree.args["ifs"] for part in (branch.this, branch.args["true"])]
        parts = [tree.this, *pairs, tree.args.get("default")]
        return ("Case", *(_theirs(part) for part in parts if part is not None))
    if isinstance(tree, exp.Coalesce):
        return ("COALESCE", _theirs(tree.this), *map(_theirs, tree.expressions))
    return (tree.sql_name(), *(_theirs(part) for part in tree.iter_expressions()))


def _number(text: str) -> str:
    return (
        str(float(text)) if text.replace(".", "").replace("e", "").replace("-", "").replace("+", "").isdigit() else text
    )
