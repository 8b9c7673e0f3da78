"""Whatever breaks under the engine, whoever waits is answered or told to come again, and nothing is lost or doubled."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, NoReturn

import psycopg
import pytest

from goodsend.connectors.postgres import EmbeddedServer
from goodsend.handle import Answer, Engine, batch
from goodsend.handle import engine as engine_module
from goodsend.handle.model import Part
from goodsend.kit.errors import Retryable
from goodsend.store import accounts, log
from goodsend.store.connection import Connection, connect
from tests.test_handle import count, item, logged, running, statuses

SOON_S = 20.0
Answers = Future[list[Answer]]

_numbers = itertools.count(1)


@pytest.fixture
def url(server: EmbeddedServer) -> Iterator[str]:
    """A fresh, migrated database, where everybody may be thrown out."""
    name = f"outage_{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE goodsend_template STRATEGY file_copy")
        yield server.url_of(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """An engine over that database."""
    with running(url) as started:
        yield started


def imports(name: str, events: int) -> list[dict[str, Any]]:
    """List imports of 500 addresses each by one account."""
    return [item(f"{name}{n}") for n in range(events)]


def ended(futures: Sequence[Answers]) -> list[str]:
    """How each submission ended, in good time: `answered`, or `again` where it is to be sent again."""
    assert not wait(futures, SOON_S).not_done
    return [
        "again" if isinstance(future.exception(), Retryable) else str(future.result() and "answered")
        for future in futures
    ]


def insist(engine: Engine, items: Sequence[object]) -> list[Answer]:
    """Send until it is answered."""
    deadline = time.monotonic() + SOON_S
    while True:
        try:
            return engine.submit("demo", items).result(SOON_S)
        except Retryable:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def assert_sound(url: str, ids: set[str]) -> None:
    """Each of these events is there once, numbered without gaps, and counted by those after it."""
    rows = logged(url, "demo")
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert sorted(row[1] for row in rows) == sorted(ids)
    with psycopg.connect(url) as connection:
        sums = connection.execute(
            "SELECT (facts ->> 'f.recipients_imported_24h')::int FROM fact WHERE tenant = 'demo' ORDER BY arrival"
        ).fetchall()
    assert [row[0] for row in sums] == [500 * n for n in range(1, len(rows) + 1)]


def terminate(connection: Connection) -> None:
    """Throw a connection out, as an administrator or a failover would."""
    connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@contextmanager
def breaking(place: object, name: str, harm: Callable[[Connection], object], times: int = 1) -> Iterator[list[int]]:
    """Let a function that gets a connection first do harm to it, as often as told; yields the calls so far."""
    honest, left, calls = getattr(place, name), iter(range(times)), [0]

    def broken(connection: Connection, *more: Any, **named: Any) -> Any:
        calls[0] += 1
        if next(left, None) is not None:
            harm(connection)
        return honest(connection, *more, **named)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(place, name, broken)
        yield calls


PLACES = {
    "holding": (log, "hold_tenant"),
    "asking ids": (log, "ask_known_ids"),
    "asking entities": (batch, "ask_known"),
    "writing": (log, "append"),
    "applying": (accounts, "update"),
}


@pytest.mark.parametrize("events", [3, 300], ids=["few", "many"])
@pytest.mark.parametrize("place", PLACES)
def test_a_connection_that_is_lost_anywhere_loses_nothing(engine: Engine, url: str, place: str, events: int) -> None:
    """The connection ends while the tenant is held, while judging, or while writing: all end, and may come again."""
    batches = [imports(name, events) for name in "abc"]
    engine.submit("demo", imports("first", 1)).result(SOON_S)
    with breaking(*PLACES[place], terminate):
        how = ended([engine.submit("demo", sent) for sent in batches])
    for sent in batches:
        insist(engine, sent)

    assert set(how) <= {"again", "answered"}
    assert_sound(url, {"first0"} | {event["id"] for sent in batches for event in sent})
    assert engine.waiting == 0


def test_the_hold_lost_while_a_batch_is_written(engine: Engine, url: str) -> None:
    """Its connection is killed between judging and writing, and another process writes meanwhile: numbers hold."""
    engine.submit("demo", imports("first", 1)).result(SOON_S)
    writing, go_on = threading.Event(), threading.Event()

    def pause(_: Connection) -> None:
        writing.set()
        assert go_on.wait(SOON_S)

    with breaking(log, "append", pause):
        mine = engine.submit("demo", imports("a", 3))
        assert writing.wait(SOON_S)
        held = engine._hold._connection
        assert held is not None
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", (held.info.backend_pid,))
        with running(url) as other:
            theirs = other.submit("demo", imports("b", 3))
            answered = ended([theirs])
        go_on.set()
        how = ended([mine, engine.submit("demo", imports("c", 3))])
    for name in "ac":
        insist(engine, imports(name, 3))

    assert answered == ["answered"]
    assert set(how) <= {"again", "answered"}
    assert_sound(url, {"first0"} | {f"{name}{n}" for name in "abc" for n in range(3)})


@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function ServerCursorMixin"
)  # nothing is left to close there
def test_connections_lost_all_the_time(url: str) -> None:
    """Everybody is thrown out twenty times a second for two seconds, with four senders at work."""
    stop, sent, failures = threading.Event(), [0] * 4, list[BaseException]()

    def send(engine: Engine, number: int) -> None:
        try:
            while not stop.is_set():
                insist(engine, imports(f"s{number}-{sent[number]}-", (1, 5, 80, 260)[number]))
                sent[number] += 1
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    with running(url) as engine, psycopg.connect(url, autocommit=True) as admin:
        senders = [threading.Thread(target=send, args=(engine, number)) for number in range(4)]
        for sender in senders:
            sender.start()
        for _ in range(40):
            time.sleep(0.05)
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid != pg_backend_pid() AND random() < 0.5"
            )
        stop.set()
        for sender in senders:
            sender.join(SOON_S)

    assert not failures
    assert not any(sender.is_alive() for sender in senders)
    assert_sound(
        url,
        {
            event["id"]
            for number, batches in enumerate(sent)
            for batch_number in range(batches)
            for event in imports(f"s{number}-{batch_number}-", (1, 5, 80, 260)[number])
        },
    )


def forget_prepared(connection: Connection) -> None:
    """Fail as after something made the server forget what was prepared."""
    connection.execute("EXECUTE not_there")


@pytest.mark.parametrize("events", [3, 300], ids=["few", "many"])
def test_a_statement_error_that_is_no_events_fault_is_not_searched_for(engine: Engine, url: str, events: int) -> None:
    """Once, another connection does better; always, the sender is told at once, and no event is rejected for it."""
    with breaking(accounts, "update", forget_prepared) as once:
        how = ended([engine.submit("demo", imports("a", events))])
    with breaking(accounts, "update", forget_prepared, times=10_000) as always:
        never = ended([engine.submit("demo", imports("b", events))])
    after = insist(engine, imports("b", events))

    assert (how, once) == (["answered"], [2])
    assert (never, always) == (["again"], [2])
    assert {answer.status for answer in after} == {"accepted"}
    assert count(url, "rejection", "demo") == 0
    assert_sound(url, {f"{name}{n}" for name in "ab" for n in range(events)})


def stumble(*_: object, **__: object) -> NoReturn:
    """Break in a way that nobody foresaw."""
    raise RuntimeError("unforeseen")


def leave(*_: object, **__: object) -> NoReturn:
    """End the thread."""
    raise SystemExit


def test_an_unforeseen_error_ends_the_waiting_and_not_the_engine(engine: Engine, url: str) -> None:
    """Handing a batch to the writer breaks, and so does looking after the connections."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine._writer, "submit", stumble)
        patched.setattr(engine._pool, "check", stumble)
        how = ended([engine.submit("demo", imports(name, 3)) for name in "ab"])
    insist(engine, imports("a", 3))

    assert how == ["again", "again"]
    assert engine.is_running
    assert_sound(url, {"a0", "a1", "a2"})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writing_thread_that_ends_is_replaced(engine: Engine, url: str) -> None:
    """Its batch is written all the same, and so is the next."""
    with breaking(log, "append", leave):
        how = ended([engine.submit("demo", imports(name, 3)) for name in "ab"])

    assert how == ["answered", "answered"]
    assert_sound(url, {f"{name}{n}" for name in "ab" for n in range(3)})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_whose_thread_ends_keeps_nobody_waiting(engine: Engine) -> None:
    """What waits is told to come again, what comes later too, and the engine says that it does not run."""

    def serve(tenant: str, parts: Sequence[Part]) -> NoReturn:
        raise SystemExit

    engine._serve = serve  # type: ignore[method-assign]
    how = ended([engine.submit("demo", imports("a", 3))])
    assert engine._thread is not None
    engine._thread.join(SOON_S)
    with pytest.raises(Retryable):
        engine.submit("demo", imports("later", 1))

    assert how == ["again"]
    assert not engine.is_running
    assert engine._bytes == 0


@pytest.mark.parametrize("where", ["judging", "writing"])
def test_a_stop_while_somebody_keeps_a_lock(url: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is not given back holds up a stop for so long and no longer: who waits is told to come again."""
    monkeypatch.setattr(engine_module, "_PATIENCE_S", 0.5)
    with running(url) as engine, connect(url) as holder:
        engine.submit("demo", imports("first", 1)).result(SOON_S)
        if where == "judging":
            log.lock_tenant(holder, "demo")
        else:
            holder.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
        futures = [engine.submit("demo", imports(name, 3)) for name in "abc"]
        time.sleep(0.1)
        began = time.monotonic()
        engine.close()
        took = time.monotonic() - began
        how = ended(futures)
        holder.rollback()

    with running(url) as engine:
        insist(engine, imports("a", 3))
        rows = logged(url, "demo")

    assert took < 5
    assert how == ["again"] * 3
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert {"first0", "a0", "a1", "a2"} <= {row[1] for row in rows}


def test_statuses_are_told_apart(engine: Engine) -> None:
    """What was kept before an outage is a duplicate when it comes again."""
    engine.submit("demo", imports("a", 1)).result(SOON_S)
    with breaking(accounts, "update", terminate):
        how = ended([engine.submit("demo", imports("b", 1))])

    assert how == ["again"]
    assert statuses(insist(engine, imports("a", 1) + imports("b", 1))) == [
        ("duplicate", "a0", None),
        ("accepted", "b0", None),
    ]
