"""What every SQL engine promises, held by each: DuckDB, a Spark cluster, Sail."""

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import parse_one

from goodsend.archive.engines.duck import DuckDB
from goodsend.archive.engines.model import Cancelled, SqlEngine
from goodsend.archive.engines.open import open_engine
from goodsend.archive.engines.processes import LocalCluster, java_problem
from goodsend.archive.engines.spark import SparkConnect
from goodsend.expr.sql.model import Dialect, Step
from goodsend.facts import FactType, Value
from goodsend.kit.errors import Misconfigured, Retryable
from tests.engines import ENGINES

BIG = 2**63 - 1
AT = 1_795_348_800_123_457
"""A time in microseconds whose last digit a float of seconds would lose."""

COLUMNS = {
    "arrival": FactType.INTEGER, "e_at": FactType.TIME, "e_name": FactType.TEXT, "e_amount": FactType.NUMBER,
    "e_flag": FactType.BOOLEAN, "e_tags": FactType.TEXTS,
}  # fmt: skip

ROWS: list[dict[str, Any]] = [
    {"arrival": 1, "e_at": AT, "e_name": "ä😀\n'\"\\", "e_amount": 0.1, "e_flag": True, "e_tags": ["x", "ü😀", ""]},
    {"arrival": BIG, "e_at": -AT, "e_name": "", "e_amount": -0.0, "e_flag": False, "e_tags": []},
    {"arrival": 3, "e_at": None, "e_name": None, "e_amount": None, "e_flag": None, "e_tags": None},
    {
        "arrival": -BIG - 1,
        "e_at": 0,
        "e_name": "z",
        "e_amount": 1.7976931348623157e308,
        "e_flag": True,
        "e_tags": ["a"],
    },
]

SCHEMA = pa.schema({
    "arrival": pa.int64(), "e_at": pa.int64(), "e_name": pa.string(), "e_amount": pa.float64(), "e_flag": pa.bool_(),
    "e_tags": pa.list_(pa.string()),
})  # fmt: skip


class Lent(msgspec.Struct, frozen=True):
    """A function as engines take it."""

    name: str
    parameters: Sequence[FactType]
    result: FactType
    call: Callable[..., Value]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> SqlEngine:
    """Each engine, without the tables of earlier tests."""
    found: SqlEngine = request.getfixturevalue(request.param)
    found.clear()
    return found


def make_step(engine: SqlEngine, name: str, query: str, *, keep: bool = False) -> Step:
    """A step in the engine's own dialect."""
    return Step(name, parse_one(query, read=engine.dialect.value), keep)


def rows(engine: SqlEngine, query: str) -> list[dict[str, Any]]:
    """The answer as plain values."""
    found: list[dict[str, Any]] = engine.table(query).to_pylist()
    return found


def write(path: Path, values: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> Path:
    """A Parquet file of these rows."""
    pq.write_table(pa.Table.from_pylist(values, schema), path)
    return path


def test_values_survive_memory(engine: SqlEngine) -> None:
    """Rows held in memory come back to the last bit: µs, extremes, NULL, unicode, empty lists, the sign of zero."""
    engine.add_rows("events", pa.Table.from_pylist(ROWS, SCHEMA))

    found = sorted(rows(engine, "SELECT * FROM events"), key=lambda row: row["arrival"])

    assert [repr(row) for row in found] == [repr(row) for row in sorted(ROWS, key=lambda row: row["arrival"])]


def test_values_survive_files(engine: SqlEngine, tmp_path: Path) -> None:
    """The same from Parquet, and the types of the columns are ours."""
    engine.add_files(
        "events", [write(tmp_path / "a.parquet", ROWS[:2]), write(tmp_path / "b.parquet", ROWS[2:])], COLUMNS
    )

    answer = engine.table("SELECT * FROM events")

    found = sorted(answer.to_pylist(), key=lambda row: row["arrival"])
    assert [repr(row) for row in found] == [repr(row) for row in sorted(ROWS, key=lambda row: row["arrival"])]
    assert [str(field.type).split("<")[0] for field in answer.schema] == [
        "int64", "int64", "string", "double", "bool", "list",
    ]  # fmt: skip


def test_files_of_several_schemas(engine: SqlEngine, tmp_path: Path) -> None:
    """Columns go by name; what a file lacks or has in another type is NULL, whole numbers become numbers."""
    paths = [
        write(tmp_path / "now.parquet", [{"arrival": 1, "e_amount": 1.5, "e_name": "n"}],
              pa.schema({"e_name": pa.string(), "e_amount": pa.float64(), "arrival": pa.int64()})),
        write(tmp_path / "old.parquet", [{"arrival": 2, "e_amount": 2, "e_name": 7, "e_gone": "x"}],
              pa.schema({"arrival": pa.int64(), "e_amount": pa.int64(), "e_name": pa.int64(), "e_gone": pa.string()})),
        write(tmp_path / "older.parquet", [{"other": 1}], pa.schema({"other": pa.int64()})),
    ]  # fmt: skip

    engine.add_files("events", paths, {name: COLUMNS[name] for name in ("arrival", "e_amount", "e_name", "e_tags")})

    assert rows(engine, "SELECT * FROM events ORDER BY arrival NULLS LAST") == [
        {"arrival": 1, "e_amount": 1.5, "e_name": "n", "e_tags": None},
        {"arrival": 2, "e_amount": 2.0, "e_name": None, "e_tags": None},
        {"arrival": None, "e_amount": None, "e_name": None, "e_tags": None},
    ]


def test_no_files(engine: SqlEngine) -> None:
    """A table of no files has the columns and no rows."""
    engine.add_files("events", [], COLUMNS)

    answer = engine.table("SELECT * FROM events")

    assert (answer.num_rows, answer.column_names) == (0, list(COLUMNS))


def test_steps_read_each_other(engine: SqlEngine) -> None:
    """Views and kept tables are there for later steps, under their names."""
    engine.add_rows("events", pa.table({"arrival": pa.array([1, 2, 3], pa.int64())}))
    told: list[str] = []

    engine.run(
        [
            make_step(engine, "doubled", "SELECT arrival, arrival * 2 AS twice FROM events"),
            make_step(engine, "kept", "SELECT twice FROM doubled WHERE arrival > 1", keep=True),
            make_step(engine, "last", "SELECT CAST(sum(twice) AS BIGINT) AS total FROM kept"),
        ],
        lambda name, share: told.append(name),
    )

    assert rows(engine, "SELECT * FROM last") == [{"total": 10}]
    assert rows(engine, "SELECT count(*) AS n FROM kept") == [{"n": 2}]
    assert set(told) <= {"kept"}


def test_a_step_may_come_again(engine: SqlEngine) -> None:
    """A step of a known name takes its place, kept or not."""
    engine.add_rows("events", pa.table({"arrival": pa.array([1, 2, 3], pa.int64())}))
    for keep in (True, False, True, True):
        engine.run([make_step(engine, "again", f"SELECT arrival FROM events WHERE arrival > {int(keep)}", keep=keep)])

        assert rows(engine, "SELECT count(*) AS n FROM again") == [{"n": 2 if keep else 3}]


def test_clear_forgets(engine: SqlEngine) -> None:
    """After clear no table is left."""
    engine.add_rows("events", pa.table({"arrival": pa.array([1], pa.int64())}))
    engine.run([make_step(engine, "kept", "SELECT * FROM events", keep=True)])

    engine.clear()

    for name in ("events", "kept"):
        with pytest.raises(
            Exception, match=rf"(?is){name}.*(not found|does not exist|cannot be found)|not found.*{name}"
        ):
            engine.table(f"SELECT * FROM {name}")


def test_batches(engine: SqlEngine) -> None:
    """A large answer comes in batches whose rows are all there."""
    engine.add_rows("events", pa.table({"arrival": pa.array(range(250_000), pa.int64())}))

    batches = list(engine.fetch("SELECT arrival FROM events"))

    assert len(batches) > 1 or engine.name != "duckdb"
    assert sorted(value for batch in batches for value in batch.column(0).to_pylist()) == list(range(250_000))


def test_lent_functions(engine: SqlEngine) -> None:
    """A Python function gets values of our types, NULL too, and gives them back."""

    def told(text: str | None, whole: int | None, number: float | None, flag: bool | None, texts: Any) -> Value:
        assert texts is None or isinstance(texts, tuple)
        assert number is None or isinstance(number, float)
        return (repr((text, whole, number, flag, texts)),)

    engine.add_functions([
        Lent("gs_told", [FactType.TEXT, FactType.TIME, FactType.NUMBER, FactType.BOOLEAN, FactType.TEXTS],
             FactType.TEXTS, told),
        Lent("gs_length", [FactType.TEXT], FactType.INTEGER, lambda text: None if text is None else len(text)),
        Lent("gs_half", [FactType.NUMBER], FactType.NUMBER, lambda number: None if number is None else number / 2),
        Lent("gs_flag", [FactType.TEXT], FactType.BOOLEAN, lambda text: None if text is None else text == "z"),
    ])  # fmt: skip
    engine.add_rows("events", pa.Table.from_pylist(ROWS, SCHEMA))

    found = rows(
        engine,
        "SELECT arrival, gs_told(e_name, e_at, e_amount, e_flag, e_tags) AS told, gs_length(e_name) AS length, "
        "gs_half(e_amount) AS half, gs_flag(e_name) AS flag FROM events",
    )

    def expected(row: dict[str, Any]) -> dict[str, Any]:
        tags = None if row["e_tags"] is None else tuple(row["e_tags"])
        name, amount = row["e_name"], row["e_amount"]
        return {
            "arrival": row["arrival"], "told": [repr((name, row["e_at"], amount, row["e_flag"], tags))],
            "length": None if name is None else len(name), "half": None if amount is None else amount / 2,
            "flag": None if name is None else name == "z",
        }  # fmt: skip

    by_arrival = {row["arrival"]: row for row in found}
    assert by_arrival == {row["arrival"]: expected(row) for row in ROWS}


def test_a_function_may_be_lent_again(engine: SqlEngine) -> None:
    """The later function of a name is the one that is called."""
    for result in (1, 2):
        engine.add_functions([Lent("gs_again", [FactType.INTEGER], FactType.INTEGER, lambda _, r=result: r)])
        engine.add_rows("events", pa.table({"arrival": pa.array([7], pa.int64())}))

        assert rows(engine, "SELECT gs_again(arrival) AS r FROM events") == [{"r": result}]


_LONG = {
    "duckdb": "SELECT count(*) AS n FROM range(100000000000000) AS r(id) WHERE id % 7 = id % 11",
    "spark": "SELECT count(*) AS n FROM range(0, 100000000000000, 1, 4) WHERE id % 7 = id % 11",
}
_LONG["sail"] = _LONG["spark"]


@pytest.mark.parametrize("after_s", [0.0, 1.0])
def test_cancel(engine: SqlEngine, after_s: float) -> None:
    """A query that would run for hours ends soon after it is told to, and the engine goes on."""
    timer = threading.Timer(after_s, engine.cancel)
    began = time.monotonic()

    with pytest.raises(Cancelled):
        engine.run(
            [make_step(engine, "long", _LONG[engine.name], keep=True)],
            lambda name, share: timer.start() if not timer.ident else None,
        )

    assert time.monotonic() - began < 30
    timer.join()
    assert rows(engine, "SELECT 1 AS one") == [{"one": 1}]


def test_interrupt_is_heard(duckdb_engine: SqlEngine, request: pytest.FixtureRequest) -> None:
    """Ctrl-C while a query runs stops the query, and then whoever asked."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()

    with pytest.raises(KeyboardInterrupt):
        duckdb_engine.table(_LONG["duckdb"])

    timer.join()
    assert rows(duckdb_engine, "SELECT 1 AS one") == [{"one": 1}]


def test_both_workers_work(spark_engine: SqlEngine, spark_cluster: LocalCluster) -> None:
    """The cluster is one: each of its two workers has an executor of the engine's application."""
    spark_engine.clear()
    spark_engine.table("SELECT sum(id) AS s FROM range(0, 1000, 1, 8)")

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        executors = [list(spark_cluster.work_folder(number).glob("app-*/*")) for number in (1, 2)]
        if all(executors):
            break
        time.sleep(0.1)
    assert all(executors)


def test_duckdb_leaves_nothing(tmp_path: Path) -> None:
    """What DuckDB writes lies in the folder it is given, and is gone at the end."""
    with DuckDB(tmp_path / "scratch", memory="200MB", threads=1) as engine:
        engine.add_rows("many", pa.table({"arrival": pa.array(range(100_000), pa.int64())}))
        engine.run([make_step(engine, "kept", "SELECT * FROM many ORDER BY arrival DESC", keep=True)])
        assert list((tmp_path / "scratch").iterdir())

    assert list((tmp_path / "scratch").iterdir()) == []


def test_duckdb_fetches_no_extension(tmp_path: Path) -> None:
    """A query that wants an extension fails; nothing is downloaded for it."""
    with DuckDB(tmp_path) as engine, pytest.raises(Exception, match=r"(?i)extension|does not exist"):
        engine.table("SELECT * FROM read_xlsx('nothing.xlsx')")


def test_engines_by_name(tmp_path: Path) -> None:
    """What a person may write after --engine; anything else is refused with what may be written."""
    with open_engine("duckdb", folder=tmp_path, memory="1GB", threads=1) as engine:
        assert engine.name == "duckdb"
    with pytest.raises(Misconfigured, match=r"'flink' is not an engine; known: duckdb, sail, sc://"):
        open_engine("flink")


def test_a_spark_master_by_name(tmp_path: Path) -> None:
    """
    `spark://…` starts a Connect server for that master, which ends with the engine and leaves nothing.

    On a cluster of its own: the session of the other tests holds every core of theirs.
    """
    problem = java_problem()
    if problem is not None and os.environ.get("GOODSEND_ENGINES") != "all":
        pytest.skip(problem)
    cluster = LocalCluster(tmp_path / "cluster", workers=1)
    try:
        with open_engine(cluster.master, folder=tmp_path / "scratch") as engine:
            assert (engine.name, engine.dialect) == ("spark", Dialect.SPARK)
            assert engine.table("SELECT sum(id) AS s FROM range(1000)").to_pylist() == [{"s": 499_500}]
        assert list((tmp_path / "scratch").iterdir()) == []
    finally:
        cluster.close()


def test_nobody_answers() -> None:
    """A server that is not there is told at once, not after minutes of trying."""
    began = time.monotonic()

    with pytest.raises(Retryable, match=r"no Spark Connect server answers at sc://127\.0\.0\.1:1"):
        SparkConnect("sc://127.0.0.1:1")

    assert time.monotonic() - began < 6
