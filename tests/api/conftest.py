"""A real server over a real database for the tests of the API: two tenants, keys of every kind, a frozen clock."""

import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn
from litestar import Litestar

from goodsend.api.access import SCOPES
from goodsend.api.openapi import openapi_config
from goodsend.api.problems import answer
from goodsend.api.routes import build_api, keyring
from goodsend.api.shortcut import with_shortcut
from goodsend.kit.clock import format_time
from goodsend.settings import Settings
from goodsend.store import keys, tenants
from goodsend.wiring import Installation, install
from tests.conftest import NOW

SETTINGS = Settings(content_limit_bytes=200_000, batch_limit=50, body_limit_bytes=400_000, queue_limit=60)
"""Small limits, so that small bodies reach them."""


class Api(msgspec.Struct, frozen=True):
    """Where the server is, and keys: `key` has every scope, `plain` lacks `personal`, `other` is of tenant `other`."""

    url: str
    key: str
    plain: str
    other: str
    installation: Installation

    def client(self, key: str | None = None) -> httpx.Client:
        """Return a client that carries a key; the one with every scope when none is named, no key for an empty one."""
        chosen = self.key if key is None else key
        headers = {"Authorization": f"Bearer {chosen}"} if chosen else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def key_with(self, *scopes: str) -> str:
        """Make a key of tenant `demo` with these scopes."""
        with self.installation.pool.connection() as connection:
            return keys.create(connection, "demo", "test", scopes, NOW)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an application on a free loopback port, in a thread; gives its address."""
    sock = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise AssertionError("the server did not start")
        time.sleep(0.02)
    yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=15)
    sock.close()


def build_app(installation: Installation) -> Litestar:
    """Return the API alone, as `goodsend.server` puts it together."""
    return Litestar(
        build_api(installation),
        openapi_config=openapi_config(),
        exception_handlers={Exception: answer},
        request_max_body_size=installation.settings.body_limit_bytes,
        logging_config=None,
    )


@pytest.fixture(scope="module")
def api(database_url: str) -> Iterator[Api]:
    """A server with the tenants `demo` and `other`."""
    settings = dataclasses.replace(SETTINGS, database_url=database_url)
    with install(settings, now=lambda: NOW) as installation:
        installation.engine.start()
        with installation.pool.connection() as connection:
            for tenant in ("demo", "other"):
                tenants.ensure(connection, tenant, tenant, NOW)
            key = keys.create(connection, "demo", "all", list(SCOPES), NOW)
            plain = keys.create(connection, "demo", "plain", [scope for scope in SCOPES if scope != "personal"], NOW)
            other = keys.create(connection, "other", "all", list(SCOPES), NOW)
        with serving(with_shortcut(build_app(installation), installation, keyring(installation))) as url:
            yield Api(url, key, plain, other, installation)


@pytest.fixture
def client(api: Api) -> Iterator[httpx.Client]:
    """A client whose key has every scope."""
    with api.client() as opened:
        yield opened


def make_item(id_: str, **but: Any) -> dict[str, Any]:
    """A list import of 40,000 addresses by acc_81 on the wire, but with these data fields (None: without it)."""
    members = {name: but.pop(name) for name in ("kind", "at", "channel") if name in but}
    data = {"account": "acc_81", "recipients": 40_000, "ip": "203.0.113.9"} | but
    data = {name: value for name, value in data.items() if value is not None}
    return {"id": id_, "kind": "list.imported", "at": format_time(NOW), "data": data} | members
