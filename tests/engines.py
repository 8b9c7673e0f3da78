"""
The SQL engines that tests share, each started once for the whole run and only when a test asks for it.

Fixtures (session-wide; call `engine.clear()` at the start of a test, because tables of earlier tests are still there):

- `duckdb_engine`: DuckDB in this process.
- `sail_engine`: a Sail server in this process.
- `spark_engine`: a real standalone cluster of Apache Spark on loopback: one master, two workers, and a Connect server,
  each a Java process. Starting takes about 10 seconds, a small query 0.1 to 0.5: put many cases into one.
- `spark_cluster`: that cluster itself, for tests that look at its workers.

`ENGINES` are the names of the fixtures: `engine = request.getfixturevalue(name)` with
`@pytest.mark.parametrize("name", ENGINES)`.

    def test_sum(duckdb_engine: SqlEngine) -> None:
        duckdb_engine.clear()
        duckdb_engine.add_rows("events", pa.table({"arrival": [1, 2]}))
        duckdb_engine.run([Step("doubled", parse_one("SELECT arrival * 2 AS twice FROM events", dialect="duckdb"))])
        assert duckdb_engine.table("SELECT sum(twice) AS s FROM doubled").to_pylist() == [{"s": 6}]

A fixture skips, with the reason, where its engine cannot run: no Java, or a Sail that does not know this pyspark.
With GOODSEND_ENGINES=all in the environment (CI) that is an error instead.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from goodsend.archive.engines.duck import DuckDB
from goodsend.archive.engines.model import SqlEngine
from goodsend.archive.engines.processes import ConnectServer, LocalCluster, java_problem
from goodsend.archive.engines.sail import start_sail
from goodsend.archive.engines.spark import SparkConnect
from goodsend.kit.errors import Misconfigured

ENGINES = ("duckdb_engine", "spark_engine", "sail_engine")

_SMALL = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData"
"""For executors that live for seconds: a quick compiler is worth more than fast code."""

_SETTINGS = {
    "spark.executor.memory": "512m",
    "spark.executor.cores": "1",
    "spark.executor.extraJavaOptions": _SMALL,
    "spark.executorEnv.PYTHONPATH": str(Path(__file__).parent.parent),  # functions may be written in a test's file
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.files.maxPartitionBytes": "8m",
}


@pytest.fixture(scope="session")
def duckdb_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlEngine]:
    """DuckDB in this process, with two threads and a gigabyte."""
    with DuckDB(tmp_path_factory.mktemp("duckdb"), memory="1GB", threads=2) as engine:
        yield engine


@pytest.fixture(scope="session")
def sail_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlEngine]:
    """Sail in this process."""
    with _opened(lambda: start_sail(tmp_path_factory.mktemp("sail"))) as engine:
        yield engine


@pytest.fixture(scope="session")
def spark_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """One master and two workers with a core each."""
    problem = java_problem()
    if problem is not None:
        _skip(problem)
    cluster = LocalCluster(tmp_path_factory.mktemp("spark"), workers=2)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def spark_engine(spark_cluster: LocalCluster) -> Iterator[SqlEngine]:
    """A session on the cluster."""
    server = ConnectServer(spark_cluster.folder, spark_cluster.master, _SETTINGS)
    with _opened(lambda: SparkConnect(server.url, on_close=server.close)) as engine:
        yield engine


def _opened(start: Callable[[], SparkConnect]) -> SparkConnect:
    with warnings.catch_warnings():
        # pandas and the generated code of protobuf warn while pyspark imports them; nothing of that is ours to mend.
        for module in ("pyspark", "pandas", "google", "grpc"):
            warnings.filterwarnings("ignore", module=rf"{module}(\..*)?$")
        try:
            return start()
        except Misconfigured as error:
            _skip(str(error))


def _skip(reason: str) -> NoReturn:
    if os.environ.get("GOODSEND_ENGINES") == "all":
        pytest.fail(reason)
    pytest.skip(reason)
