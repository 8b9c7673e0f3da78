"""What every SQL engine does (`SqlEngine`), the functions it is lent (`EngineFunction`), and how a query is watched."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

import pyarrow as pa

from goodsend.expr.sql.model import Dialect, Step
from goodsend.facts import FactType, Value

Progress = Callable[[str, float | None], None]
"""Told the name of the step that runs and which share of it is done (0…1, None where the engine cannot say)."""

ARROW_TYPES: dict[FactType, pa.DataType] = {
    FactType.TEXT: pa.string(),
    FactType.INTEGER: pa.int64(),
    FactType.TIME: pa.int64(),
    FactType.NUMBER: pa.float64(),
    FactType.BOOLEAN: pa.bool_(),
    FactType.TEXTS: pa.list_(pa.string()),
}
"""Columns as they stand in Parquet and come out of every engine; TIME is microseconds."""

WATCH_S = 0.1
"""How often a running query is looked after."""

STOP_S = 10.0
"""How long a query that was stopped by Ctrl-C may take to end before this process goes on without it."""


class EngineFunction(Protocol):
    """
    A Python function that SQL can call by `name`, with as many arguments as `parameters`.

    `call` gets values of our types (a tuple for TEXTS, None for NULL) and returns one of `result`; it is pure.
    """

    @property
    def name(self) -> str: ...
    @property
    def call(self) -> Callable[..., Value]: ...
    @property
    def parameters(self) -> Sequence[FactType]: ...
    @property
    def result(self) -> FactType: ...


class SqlEngine(Protocol):
    """
    Something that runs the set path's SQL. One thread uses it at a time, except for `cancel`.

    `name` is `duckdb`, `spark` or `sail`; SQL for it is written in `dialect`. Ctrl-C during a call cancels the query.
    """

    name: str
    dialect: Dialect

    def add_files(self, table: str, paths: Sequence[Path], columns: Mapping[str, FactType]) -> None:
        """
        Make Parquet files readable as one table with exactly these columns, in this order.

        A column that a file lacks is NULL there; so is one whose type there is another, except that whole numbers
        become numbers. No files: a table without rows.
        """

    def add_rows(self, table: str, rows: pa.Table) -> None:
        """Make rows held in memory readable as a table."""

    def add_functions(self, functions: Sequence[EngineFunction]) -> None:
        """Lend Python functions to SQL. One of the same name is replaced."""

    def run(self, steps: Sequence[Step], progress: Progress | None = None) -> None:
        """Run steps in order; each becomes a table (`keep`) or a view that later ones and `fetch` read."""

    def fetch(self, query: str, progress: Progress | None = None) -> Iterator[pa.RecordBatch]:
        """Run a query in this engine's dialect and give its rows in batches, without holding all of them."""

    def table(self, query: str, progress: Progress | None = None) -> pa.Table:
        """Run a query in this engine's dialect and give all its rows."""

    def clear(self) -> None:
        """Forget every table and view. Functions stay."""

    def cancel(self) -> None:
        """Stop what runs, from another thread; that call then raises Cancelled."""

    def close(self) -> None:
        """End the engine and everything it started."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Cancelled(Exception):  # noqa: N818 - an outcome that was asked for
    """The query was stopped by `cancel`."""


Result = TypeVar("Result")


class Stop:
    """Whether what runs shall end, and how it is told. `interrupt` may come too early, so it is repeated to the end."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self.is_asked = False

    def ask(self) -> None:
        """Ask for the end of what runs."""
        self.is_asked = True
        self._interrupt()

    def repeat(self) -> None:
        """Interrupt once more where that was asked for."""
        if self.is_asked:
            self._interrupt()


def watched(work: Callable[[], Result], look: Callable[[], None], stop: Stop) -> Result:
    """
    Do work in a thread of its own and call `look` meanwhile, so that Ctrl-C is heard at once.

    On KeyboardInterrupt the work is stopped, given a while to end, and the interrupt goes on. Raises Cancelled when
    `stop` was asked for, by whomever and however the work ended.
    """
    stop.is_asked = False
    done: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            done.put((None, error))

    threading.Thread(target=run, name="query", daemon=True).start()
    try:
        result, error = _awaited(done, look, stop, None)
    except BaseException:
        stop.ask()
        with suppress(queue.Empty):
            _awaited(done, lambda: None, stop, STOP_S)
        raise
    if stop.is_asked:
        raise Cancelled from None
    if error is not None:
        raise error
    return cast("Result", result)


def _awaited(done: "queue.SimpleQueue[Any]", look: Callable[[], None], stop: Stop, limit_s: float | None) -> Any:
    """Wait for what is done; raises queue.Empty after the limit, Cancelled where nothing ends what should stop."""
    deadline = None if limit_s is None else time.monotonic() + limit_s
    given_up: float | None = None
    while True:
        if stop.is_asked and limit_s is None:
            given_up = given_up or time.monotonic() + 2 * STOP_S
            if time.monotonic() > given_up:
                raise Cancelled
        try:
            return done.get(timeout=WATCH_S)
        except queue.Empty:
            if deadline is not None and time.monotonic() > deadline:
                raise
        look()
        stop.repeat()


def column_call(function: EngineFunction) -> Callable[..., pa.Array]:
    """Return a function over whole Arrow columns that calls a function row by row."""
    call, type_ = function.call, ARROW_TYPES[function.result]
    texts = [parameter is FactType.TEXTS for parameter in function.parameters]
    numbers = [parameter is FactType.NUMBER for parameter in function.parameters]

    def over(*columns: pa.Array) -> pa.Array:
        lists = [
            _values(column, is_texts=is_texts, is_number=is_number)
            for column, is_texts, is_number in zip(columns, texts, numbers, strict=True)
        ]
        return pa.array([call(*row) for row in zip(*lists, strict=True)], type_)

    return over


def _values(column: Any, *, is_texts: bool, is_number: bool) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if is_texts:
        return [None if value is None else tuple(value) for value in values]
    if is_number:
        return [None if value is None else float(value) for value in values]
    return values
