"""
Apache Spark and Sail, both through Spark Connect: this process sends plans and gets Arrow batches back.

Starting servers is in `processes.py` (Spark) and `sail.py`. The workers must be able to read the archive's files at the
same paths, and to import goodsend where rules use functions of ours.
"""

import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
from sqlglot import expressions as exp

from goodsend.archive.engines.columns import ddl_of, groups_of, select_of
from goodsend.archive.engines.model import Cancelled, EngineFunction, Progress, Stop, column_call, watched
from goodsend.expr.sql.model import Dialect, Step, sql_type
from goodsend.facts import FactType
from goodsend.kit.errors import Misconfigured, Retryable

_REACH_S = 5.0
_PORT = 15002
"""Where Spark Connect listens when nobody says otherwise."""

Result = TypeVar("Result")

_EARLIEST_S = 2.0
"""No sooner after its beginning is a query interrupted: one that is interrupted before its job has begun runs on for
ever, and the server takes no second interrupt (seen with Spark 4.1)."""


class SparkConnect:
    """
    An engine over a Spark Connect server at `sc://host:port`, in a session of its own.

    `name` says whose server it is, for people: `spark` or `sail`. `on_close` ends what was started for this engine.
    `kept_in` is a folder that the server shares with this process, where kept steps are written as Parquet; None lets
    the cluster hold them in its memory and on its disks (Sail holds nothing, so there a folder is needed).
    """

    dialect = Dialect.SPARK

    def __init__(
        self, url: str, *, name: str = "spark", kept_in: Path | None = None, on_close: Callable[[], None] | None = None
    ) -> None:
        """Connect. Raises Retryable when nobody listens, Misconfigured when pyspark is missing or does not fit."""
        self.name = name
        self._on_close = on_close
        self._kept_in = kept_in
        _reach(url)
        try:
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise Misconfigured(f"Spark needs more packages: pip install 'goodsend[spark]' ({error})") from error
        session: Any = SparkSession.builder.remote(url).create()
        self._session = session
        self._tables: list[str] = []
        self._stop = Stop(self._interrupt)
        self._share: float | None = None
        self._began = time.monotonic()
        try:
            self._session.version  # noqa: B018 - the first call that reaches the server
        except Exception as error:
            self._session.stop()
            raise Misconfigured(f"{name} at {url} does not take this client: {str(error).splitlines()[0]}") from error
        self._session.conf.set("spark.sql.session.timeZone", "UTC")
        self._session.registerProgressHandler(self._on_progress)

    def add_files(self, table: str, paths: Sequence[Path], columns: Mapping[str, FactType]) -> None:
        """Make Parquet files readable as one table (see SqlEngine)."""
        frames = [
            self._session.read.schema(ddl_of(schema, self.dialect))
            .parquet(*(f"file://{path.resolve()}" for path in held))
            .selectExpr(*select_of(schema, columns, self.dialect))
            if schema
            else self._without_columns(held, columns)
            for schema, held in groups_of(paths, columns).items()
        ]
        if not frames:
            frames = [self._session.sql(f"SELECT {', '.join(select_of((), columns, self.dialect))} LIMIT 0")]
        whole = frames[0]
        for frame in frames[1:]:
            whole = whole.unionAll(frame)
        self._name(table, whole)

    def _without_columns(self, paths: Sequence[Path], columns: Mapping[str, FactType]) -> Any:
        frame = self._session.read.parquet(*(f"file://{path.resolve()}" for path in paths))
        return frame.selectExpr(*select_of((), columns, self.dialect))

    def add_rows(self, table: str, rows: pa.Table) -> None:
        """Make rows held in memory readable as a table."""
        self._name(table, self._session.createDataFrame(rows))

    def add_functions(self, functions: Sequence[EngineFunction]) -> None:
        """Lend Python functions to SQL. One of the same name is replaced."""
        from pyspark.sql.pandas.functions import arrow_udf

        for function in functions:
            result = sql_type(function.result).sql(dialect=self.dialect.value)
            lent = arrow_udf(column_call(function), result)  # type: ignore[call-overload]
            self._session.udf.register(function.name, lent)

    def run(self, steps: Sequence[Step], progress: Progress | None = None) -> None:
        """Run steps in order; each becomes a held table (`keep`) or a view."""
        for step in steps:
            frame = self._session.sql(step.sql(self.dialect))
            if step.keep:
                self._watch(partial(self._hold, step.name, frame), step.name, progress)
            else:
                self._name(step.name, frame)

    def fetch(self, query: str, progress: Progress | None = None) -> Iterator[pa.RecordBatch]:
        """Run a query and give its rows in batches, as the server sends them."""
        session = self._session
        plan = session.sql(query)._plan.to_proto(session.client)
        answers = iter(session.client.to_table_as_iterator(plan, {}))
        while True:
            answer = self._watch(lambda: next(answers, None), "rows", progress)
            if answer is None:
                return
            if isinstance(answer, pa.Table):
                yield from answer.to_batches()

    def table(self, query: str, progress: Progress | None = None) -> pa.Table:
        """Run a query and give all its rows."""
        return self._watch(lambda: self._session.sql(query).toArrow(), "rows", progress)

    def clear(self) -> None:
        """Forget every table and view. Functions stay."""
        for name in reversed(self._tables):
            self._forget(name)
        self._tables.clear()

    def cancel(self) -> None:
        """Stop what runs, from another thread."""
        self._stop.ask()

    def _interrupt(self) -> None:
        """Interrupt what runs, unless it has hardly begun: this is asked again and again."""
        if time.monotonic() - self._began > _EARLIEST_S:
            self._session.interruptAll()

    def close(self) -> None:
        """Leave the server, and end what was started for this engine."""
        try:
            self._session.stop()
        finally:
            if self._on_close is not None:
                self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _hold(self, name: str, frame: Any) -> None:
        if self._kept_in is None:
            self._name(name, frame.cache())
            self._session.sql(f"SELECT count(*) FROM {_quoted(name)}").collect()
            return
        folder = tempfile.mkdtemp(prefix="step-", dir=self._kept_in)
        frame.write.mode("overwrite").parquet(f"file://{folder}")
        self._name(name, self._session.read.schema(frame.schema).parquet(f"file://{folder}"))

    def _name(self, name: str, frame: Any) -> None:
        if name in self._tables:
            self._forget(name)
            self._tables.remove(name)
        frame.createOrReplaceTempView(name)
        self._tables.append(name)

    def _forget(self, name: str) -> None:
        if self._kept_in is None:
            self._session.catalog.uncacheTable(name)
        self._session.catalog.dropTempView(name)

    def _on_progress(self, stages: Any, inflight_tasks: int, operation_id: Any, done: bool) -> None:
        del inflight_tasks, operation_id, done
        total = sum(stage.num_tasks for stage in stages or ())
        self._share = sum(stage.num_completed_tasks for stage in stages) / total if total else None

    def _watch(self, work: Callable[[], Result], name: str, progress: Progress | None) -> Result:
        self._share = None
        self._began = time.monotonic()

        def look() -> None:
            if progress is not None:
                progress(name, self._share)

        try:
            return watched(work, look, self._stop)
        except Cancelled:
            raise
        except Exception as error:
            if "UNAVAILABLE" in str(error):
                raise Retryable(f"{self.name} is away: {str(error).splitlines()[0]}") from error
            raise


def _reach(url: str) -> None:
    """Knock: the client itself would go on trying for minutes."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or _PORT), _REACH_S).close()
    except (OSError, ValueError) as error:
        raise Retryable(f"no Spark Connect server answers at {url}: {error}") from error


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="spark")
