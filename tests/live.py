"""
A real server for tests that come in through the front door: API over HTTP, console in a browser.

`live_server` runs in this process on a free loopback port, over the test database, with a small simulated day loaded.
"""

import dataclasses
import threading
import time
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from goodsend.commands.key import SCOPES
from goodsend.commands.serve import working
from goodsend.kit.clock import DAY
from goodsend.server import Server, listen
from goodsend.settings import Settings
from goodsend.simulation.world import simulate
from goodsend.store import keys, members, tenants
from goodsend.wiring import Installation, install

PASSWORD = "correct horse battery staple"
TENANT = "demo"


class Live(msgspec.Struct, frozen=True):
    """Where the server is and how to get in. `key` has every scope."""

    url: str
    tenant: str
    login: str
    password: str
    key: str
    installation: Installation


@pytest.fixture(scope="module")
def live_server(
    database_url: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """
    A server with one tenant, a member of each role (admin@demo.example …), a key, and a simulated day.

    The day has 24 accounts, or as many as an indirect parameter says.
    """
    archive = str(tmp_path_factory.mktemp("archive"))
    settings = dataclasses.replace(Settings(), database_url=database_url, port=0, log_level="warning", archive=archive)
    sock = listen(settings.host, 0)
    with sock, install(settings) as installation, working(installation):
        now = installation.now()
        with installation.pool.connection() as connection:
            tenants.ensure(connection, TENANT, "Demo platform", now)
            for role in ("admin", "lead", "analyst", "viewer"):
                login = f"{role}@demo.example"
                members.ensure(connection, TENANT, login=login, name=role.title(), role=role, password=PASSWORD, at=now)
            key = keys.create(connection, TENANT, "tests", SCOPES, now)
        events = [event for event, _ in simulate(7, now - DAY, accounts=getattr(request, "param", 24))]
        for first in range(0, len(events), 1_000):
            installation.engine.submit(TENANT, events[first : first + 1_000]).result()
        server = Server(installation, sock)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        _await(url)
        yield Live(url, TENANT, "admin@demo.example", PASSWORD, key, installation)
        server.should_exit = True
        thread.join(timeout=15)


def _await(url: str) -> None:
    for _ in range(200):
        try:
            if httpx.get(url + "/healthz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("the server did not start")
