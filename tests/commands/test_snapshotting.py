"""Snapshots that the server takes by itself: a real child process writes them, and the next start uses them."""

import dataclasses
import logging
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from goodsend.commands import snapshotting
from goodsend.commands.serve import working
from goodsend.connectors.postgres import EmbeddedServer
from goodsend.events.model import Event
from goodsend.kit.clock import format_time
from goodsend.settings import Settings
from goodsend.store import log, snapshots, tenants
from goodsend.store.connection import Connection, connect
from goodsend.wiring import Installation, install, system_now
from tests.commands.process import wait_until

TENANT = "default"
EVERY = 40
HARM = "UPDATE window_snapshot_chunk SET body = substr(body, 1, length(body) / 2)"


@pytest.fixture
def url(server: EmbeddedServer) -> Iterator[str]:
    """A fresh, migrated database."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE snapshotting TEMPLATE goodsend_template STRATEGY file_copy")
        yield server.url_of("snapshotting")
        admin.execute("DROP DATABASE snapshotting WITH (FORCE)")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks often, and does not rest."""
    monkeypatch.setattr(snapshotting, "_LOOK_S", 0.05)
    monkeypatch.setattr(snapshotting, "_REST", 0.0)


def settings(url: str) -> Settings:
    """The server's settings."""
    return dataclasses.replace(Settings(), database_url=url, snapshot_events=EVERY)


def logins(name: str, count: int) -> list[dict[str, Any]]:
    """Sign-ins of just now."""
    now = format_time(system_now())
    return [
        {"id": f"{name}{n}", "kind": "account.logged_in", "at": now, "data": {"account": "acc_1"}} for n in range(count)
    ]


@contextmanager
def serving(url: str) -> Iterator[Installation]:
    """Everything that `serve` runs but the HTTP server, with the log in the windows."""
    with install(settings(url)) as installation:
        with installation.pool.connection() as connection:
            tenants.ensure(connection, TENANT, "Tried", system_now())
        with working(installation):
            wait_until(lambda: installation.engine.is_warm)
            yield installation


def kept(url: str) -> list[int]:
    """Arrivals of the snapshots, the latest first."""
    with connect(url) as connection:
        return [found.arrival for found in snapshots.of(connection, TENANT)]


def tails_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The arrivals after which this process begins to read the log."""
    seen: list[int] = []
    honest = log.tail

    def tail(
        connection: Connection, tenant: str, after: int = 0, since: int | None = None
    ) -> Iterator[tuple[int, Event]]:
        seen.append(after)
        return honest(connection, tenant, after, since)

    monkeypatch.setattr(log, "tail", tail)
    return seen


def test_the_server_keeps_its_windows_and_starts_from_them(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A child writes a snapshot; a start reads the log from there; one that is broken is passed over, by both."""
    caplog.set_level(logging.INFO, "goodsend.snapshots")
    with serving(url) as installation:
        installation.engine.submit(TENANT, logins("a", EVERY - 1)).result(20)
        time.sleep(0.3)
        too_few = kept(url)
        installation.engine.submit(TENANT, logins("b", 1)).result(20)
        wait_until(lambda: "bytes up to event" in "\n".join(caplog.messages))
        first = kept(url)
        installation.engine.submit(TENANT, logins("c", 5)).result(20)
    said = "\n".join(caplog.messages)
    starts = tails_read(monkeypatch)
    with serving(url):
        from_snapshot = list(starts)
    with psycopg.connect(url) as connection:
        connection.execute(HARM)
    starts.clear()
    with serving(url) as installation:
        from_nothing = list(starts)
        (answer,) = installation.engine.submit(TENANT, logins("d", 1)).result(20)
        installation.engine.submit(TENANT, logins("e", EVERY)).result(20)
        wait_until(lambda: kept(url)[0] == 2 * EVERY + 6)
    starts.clear()
    with serving(url):
        from_the_sound_one = list(starts)

    assert (too_few, first) == ([], [EVERY])
    assert f"bytes up to event {EVERY} in" in said
    assert from_snapshot == [EVERY]
    assert from_nothing == [0]
    assert "is broken" in "\n".join(caplog.messages)
    assert answer.status == "accepted"
    assert set(from_the_sound_one) <= {2 * EVERY + 6}


def test_a_stop_ends_a_snapshot_on_its_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child waits for a lock that somebody keeps; the server ends all the same, and takes the child with it."""
    children: list[Any] = []
    honest = subprocess.Popen

    def popen(*arguments: Any, **named: Any) -> Any:
        children.append(honest(*arguments, **named))
        return children[-1]

    with psycopg.connect(url) as holder:
        with serving(url) as installation:
            holder.execute("LOCK TABLE window_snapshot_chunk IN EXCLUSIVE MODE")
            monkeypatch.setattr(subprocess, "Popen", popen)
            installation.engine.submit(TENANT, logins("a", EVERY)).result(20)
            wait_until(lambda: waits_for_a_lock(url))
            began = time.monotonic()
        took = time.monotonic() - began
        holder.rollback()

    assert took < 10
    assert len(children) == 1
    assert children[0].returncode not in (None, 0)
    assert kept(url) == []


def waits_for_a_lock(url: str) -> bool:
    """Say whether a child is held up."""
    with psycopg.connect(url) as connection:
        return bool(connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation IS NOT NULL").fetchone())


def test_a_child_that_cannot_be_started_is_tried_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory for a process is no end of snapshots."""
    tries = threading.Semaphore(0)

    def popen(*_: object, **__: object) -> None:
        tries.release()
        raise OSError(12, "Cannot allocate memory")

    with serving(url) as installation:
        with monkeypatch.context() as patched:
            patched.setattr(subprocess, "Popen", popen)
            installation.engine.submit(TENANT, logins("a", EVERY)).result(20)
            again = [tries.acquire(timeout=10) for _ in range(2)]
        wait_until(lambda: kept(url) == [EVERY])

    assert again == [True, True]
