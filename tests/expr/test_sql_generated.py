"""Generated expressions over generated rows: the row path and the SQL of an engine give the same, to the last digit."""

import pytest
import sqlglot
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from goodsend.archive.engines.model import SqlEngine
from goodsend.expr.canonical import quoted
from goodsend.expr.model import Expression
from goodsend.expr.sql.model import Dialect
from goodsend.facts import Facts
from tests.expr.engines import answers, differences, query, shared_answers
from tests.expr.generated import LISTS, PATTERNS, ROWS, TYPES, expressions, read


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(batch=st.lists(expressions(), min_size=4, max_size=12), rows=st.lists(ROWS, min_size=8, max_size=24))
def test_duckdb_gives_what_the_row_path_gives(
    duckdb_engine: SqlEngine, batch: list[Expression], rows: list[Facts]
) -> None:
    """Every value of every generated expression is the same on DuckDB."""
    assert differences(batch, rows, answers(duckdb_engine, batch, TYPES, rows, LISTS), LISTS) == []


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    base=st.lists(expressions(2), min_size=3, max_size=3),
    patterns=st.lists(st.sampled_from(PATTERNS), min_size=2, max_size=5, unique=True),
    rows=st.lists(ROWS, min_size=8, max_size=24),
)
def test_parts_in_common_change_nothing(
    duckdb_engine: SqlEngine, base: list[Expression], patterns: list[str], rows: list[Facts]
) -> None:
    """Expressions that share parts give what each gives alone; so do patterns that are searched together."""
    texts = [f"({one.sql}) IS NULL OR CONTAINS(LOWER(e.t), 'a')" for one in base]
    texts += [f"NOT (({one.sql}) IS NULL OR CONTAINS(LOWER(e.t), 'a'))" for one in base]
    texts += [f"REGEXP_LIKE(e.t, {quoted(pattern)})" for pattern in patterns]
    texts += [f"NOT ANY_REGEXP(e.x, {quoted(pattern)})" for pattern in patterns]
    batch = [read(text) for text in texts]

    assert differences(batch, rows, shared_answers(duckdb_engine, batch, TYPES, rows, LISTS), LISTS) == []


@pytest.mark.parametrize("name", ["sail_engine", "spark_engine"])
def test_spark_and_sail_give_what_the_row_path_gives(name: str, request: pytest.FixtureRequest) -> None:
    """A fixed choice of many generated expressions, a few queries: each takes these engines some tenths of a second."""
    engine = request.getfixturevalue(name)
    batches: list[tuple[list[Expression], list[Facts]]] = []

    @settings(max_examples=2, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(
        batch=st.lists(expressions(), min_size=40, max_size=40, unique_by=lambda one: one.sql),
        rows=st.lists(ROWS, min_size=20, max_size=20),
    )
    def draw(batch: list[Expression], rows: list[Facts]) -> None:
        batches.append((batch, rows))

    draw()
    for batch, rows in batches:
        assert differences(batch, rows, answers(engine, batch, TYPES, rows, LISTS), LISTS) == []


@settings(max_examples=100, deadline=None)
@given(expression=expressions())
def test_bigquery_sql_can_be_read(expression: Expression) -> None:
    """What is written for BigQuery is one query that sqlglot's reader of BigQuery takes; it was not run."""
    text = query([expression], Dialect.BIGQUERY, LISTS).sql(dialect="bigquery")

    (parsed,) = sqlglot.parse(text, dialect="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(parsed, exp.Select)
    assert not list(parsed.find_all(exp.Command))
