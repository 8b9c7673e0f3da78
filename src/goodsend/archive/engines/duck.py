"""DuckDB in this process: no server, no extension fetched, no file outside the folder it is given."""

import inspect
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import duckdb
import duckdb.func as func
import pyarrow as pa
from sqlglot import expressions as exp

from goodsend.archive.engines.columns import groups_of, select_of
from goodsend.archive.engines.model import EngineFunction, Progress, Stop, column_call, watched
from goodsend.expr.sql.model import Dialect, Step, sql_type
from goodsend.facts import FactType

BATCH_ROWS = 100_000

Result = TypeVar("Result")


class DuckDB:
    """
    An engine over DuckDB. `memory` such as `4GB` and `threads` bound it; None takes DuckDB's own (80 % of the memory,
    every core). What does not fit goes into `folder`, which is made when none is given, and emptied at the end.
    """

    name = "duckdb"
    dialect = Dialect.DUCKDB

    def __init__(self, folder: Path | None = None, *, memory: str | None = None, threads: int | None = None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="duckdb-", dir=folder))
        settings: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "home_directory": str(self._folder),
            "extension_directory": str(self._folder / "extensions"),
            "temp_directory": str(self._folder / "spill"),
        }
        if memory is not None:
            settings["memory_limit"] = memory
        if threads is not None:
            settings["threads"] = str(threads)
        # Tables that steps keep live in a file: in memory they could not be spilled.
        self._connection = duckdb.connect(str(self._folder / "steps.duckdb"), config=settings)
        self._connection.execute("SET enable_progress_bar = true")
        self._connection.execute("SET enable_progress_bar_print = false")  # we tell it ourselves, not on stdout
        self._connection.execute("SET TimeZone = 'UTC'")
        self._tables: dict[str, str] = {}
        self._stop = Stop(self._connection.interrupt)

    def add_files(self, table: str, paths: Sequence[Path], columns: Mapping[str, FactType]) -> None:
        """Make Parquet files readable as one table (see SqlEngine)."""
        groups = groups_of(paths, columns)
        parts = [
            f"SELECT {', '.join(select_of(schema, columns, self.dialect))} FROM read_parquet("
            f"[{', '.join(_text(str(path)) for path in held)}], hive_partitioning = false, union_by_name = true)"
            for schema, held in groups.items()
        ]
        if not parts:
            parts = [f"SELECT {', '.join(select_of((), columns, self.dialect))} LIMIT 0"]
        self._make(table, "VIEW", " UNION ALL ".join(parts))

    def add_rows(self, table: str, rows: pa.Table) -> None:
        """Make rows held in memory readable as a table."""
        self._connection.register("goodsend_rows", rows)
        try:
            self._make(table, "TABLE", "SELECT * FROM goodsend_rows")
        finally:
            self._connection.unregister("goodsend_rows")

    def add_functions(self, functions: Sequence[EngineFunction]) -> None:
        """Lend Python functions to SQL. One of the same name is replaced."""
        for function in functions:
            with suppress(duckdb.InvalidInputException):
                self._connection.remove_function(function.name)
            self._connection.create_function(
                function.name, _with_arity(column_call(function), len(function.parameters)),
                [_duck_type(type_) for type_ in function.parameters], _duck_type(function.result),
                type=func.ARROW, null_handling=func.SPECIAL,
            )  # fmt: skip

    def run(self, steps: Sequence[Step], progress: Progress | None = None) -> None:
        """Run steps in order; each becomes a table (`keep`) or a view."""
        for step in steps:
            text = step.sql(self.dialect)
            if step.keep:
                self._watch(partial(self._make, step.name, "TABLE", text), step.name, progress)
            else:
                self._make(step.name, "VIEW", text)

    def fetch(self, query: str, progress: Progress | None = None) -> Iterator[pa.RecordBatch]:
        """Run a query and give its rows in batches."""
        reader: Any = self._watch(lambda: self._connection.sql(query).to_arrow_reader(BATCH_ROWS), "rows", progress)
        while True:
            batch = self._watch(lambda: next(iter(reader), None), "rows", progress)
            if batch is None:
                return
            yield batch

    def table(self, query: str, progress: Progress | None = None) -> pa.Table:
        """Run a query and give all its rows."""
        return self._watch(lambda: self._connection.sql(query).to_arrow_table(), "rows", progress)

    def clear(self) -> None:
        """Forget every table and view. Functions stay."""
        for name, kind in reversed(self._tables.items()):
            self._connection.execute(f"DROP {kind} IF EXISTS {_name(name)}")
        self._tables.clear()

    def cancel(self) -> None:
        """Stop what runs, from another thread."""
        self._stop.ask()

    def close(self) -> None:
        """End it and remove its folder."""
        self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make(self, name: str, kind: str, query: str) -> None:
        before = self._tables.pop(name, None)
        if before is not None and before != kind:
            self._connection.execute(f"DROP {before} IF EXISTS {_name(name)}")
        self._connection.execute(f"CREATE OR REPLACE {kind} {_name(name)} AS {query}")
        self._tables[name] = kind

    def _watch(self, work: Callable[[], Result], name: str, progress: Progress | None) -> Result:
        def look() -> None:
            if progress is not None:
                share = self._connection.query_progress()
                progress(name, share / 100 if share >= 0 else None)

        return watched(work, look, self._stop)


def _text(value: str) -> str:
    return exp.Literal.string(value).sql(dialect="duckdb")


def _duck_type(type_: FactType) -> str:
    return sql_type(type_).sql(dialect="duckdb")


def _with_arity(call: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Make a function of any number of arguments look as if it had these: DuckDB counts them."""
    parameters = [inspect.Parameter(f"p{number}", inspect.Parameter.POSITIONAL_ONLY) for number in range(count)]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def _name(value: str) -> str:
    return exp.to_identifier(value, quoted=True).sql(dialect="duckdb")
