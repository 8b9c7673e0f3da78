"""What many tests share: a real PostgreSQL with a fresh database for each test module, and a plain event."""

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from goodsend.connectors.postgres import EmbeddedServer, start
from goodsend.events.model import Event
from goodsend.store.connection import Connection, connect
from goodsend.store.migrate import migrate

pytest_plugins = ["tests.engines"]

NOW = 1_795_348_800_000_000
"""2026-11-22T12:00:00Z: the frozen clock of the tests."""

_TEMPLATE = "goodsend_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """An embedded server for the whole run, with one migrated database to copy. It does not wait for the disk."""
    fast = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "64MB"}
    with start(tmp_path_factory.mktemp("server"), settings=fast) as running:
        with psycopg.connect(running.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {_TEMPLATE}")
        migrate(running.url_of(_TEMPLATE))
        yield running


@pytest.fixture(scope="module")
def database_url(server: EmbeddedServer) -> Iterator[str]:
    """A fresh, migrated database for this test module."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy")
        yield server.url_of(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection of the store's kind; what a test does not commit is rolled back."""
    with connect(database_url) as opened:
        yield opened
        opened.rollback()


def make_event(**but: Any) -> Event:
    """A list import of 500 addresses by acc_1, but with these fields."""
    given: dict[str, Any] = {
        "tenant": "demo",
        "id": "evt_1",
        "kind": "list.imported",
        "at": NOW,
        "channel": "email",
        "data": {"account": "acc_1", "recipients": 500, "source": "upload"},
        "content": None,
    }
    return Event(**(given | but))
