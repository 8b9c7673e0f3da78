"""Migrations: everything once, by whoever comes first."""

import threading
from typing import Any

import psycopg
import pytest

from goodsend.connectors.postgres import EmbeddedServer
from goodsend.kit.errors import Misconfigured
from goodsend.store.migrate import migrate, newest_revision


@pytest.fixture
def empty_url(server: EmbeddedServer) -> Any:
    """A database without any table."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
        yield server.url_of("empty")
        connection.execute("DROP DATABASE empty WITH (FORCE)")


def test_all_revisions_are_applied_once(empty_url: str) -> None:
    """An empty database gets every revision, in order; a second call finds nothing to do."""
    first = migrate(empty_url)
    second = migrate(empty_url)

    assert first[-1] == newest_revision()
    assert first == sorted(first)
    assert second == []


def test_two_at_once_do_not_collide(empty_url: str) -> None:
    """When several processes start together one migrates and the others wait."""
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty_url))) for _ in range(3)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(len, applied)) == [0, 0, len(max(applied))]
    assert len(applied) == 3


def test_newer_database_is_refused(empty_url: str) -> None:
    """An older release does not touch a database that a newer one has changed."""
    migrate(empty_url)
    with psycopg.connect(empty_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(Misconfigured, match="9999"):
        migrate(empty_url)
