"""`goodsend serve`: the server with its engine and worker, until it is told to stop."""

import argparse
import dataclasses
import gc
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from goodsend import worker
from goodsend.commands import archiving, snapshotting
from goodsend.server import Server, listen
from goodsend.settings import Settings
from goodsend.store import tenants
from goodsend.wiring import Installation, install

_SWITCH_S = 0.000_5
"""
How long a thread may keep the interpreter while others wait. The default of 5 ms is as long as a whole decision takes:
requests, judging and writing are three threads (measured: benchmarks/decisions_http.py).
"""

_COLLECT = (700, 10, 50)
"""Python's own, but a full look at what came since windows were frozen (`handle/garbage.py`) is a fifth as often."""


@contextmanager
def working(installation: Installation) -> Iterator[None]:
    """Keep the engine and the worker running for a while."""
    stop = threading.Event()
    installation.engine.start()
    with installation.pool.connection() as connection:
        installation.engine.warm(tenants.names(connection))
    drain = threading.Thread(target=worker.run, args=(installation, stop), name="worker")
    drain.start()
    keeping = threading.Thread(target=snapshotting.run, args=(installation, stop), name="snapshots")
    keeping.start()
    archive = threading.Thread(target=archiving.run, args=(installation, stop), name="archive", daemon=True)
    archive.start()
    try:
        yield
    finally:
        stop.set()
        archive.join(timeout=15)
        keeping.join(timeout=15)
        drain.join(timeout=15)
        installation.engine.close()


class Ending:
    """
    Lets SIGTERM end this process like a return: what was taken is answered, worker and database come to rest, exit
    code 0. Made before anything else is started; `serve` then serves until that signal, or Ctrl-C.

    The signal is only noted, never raised as an exception: one that arrives while an object is finalised would be
    lost, and the server would go on. Without this, uvicorn lets the signal kill the process after it has stopped.
    """

    def __init__(self) -> None:
        self._is_told = False
        self._server: Server | None = None
        signal.signal(signal.SIGTERM, self._tell)

    def _tell(self, number: int, frame: object) -> None:
        del number, frame
        self._is_told = True
        if self._server is not None:
            self._server.should_exit = True

    def serve(self, server: Server) -> None:
        """Serve until a signal, at once over when it came already."""
        self._server = server
        if self._is_told:
            server.should_exit = True
        server.serve_forever()


def address_of(settings: Settings, port: int) -> str:
    """Return the address people reach the console at."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return settings.public_url or f"http://{host}:{port}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--host", help="address to listen on (default: GOODSEND_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (default: GOODSEND_PORT)")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until a signal."""
    ending = Ending()
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(*_COLLECT)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    changes = {name: value for name in ("host", "port") if (value := getattr(options, name)) is not None}
    settings = dataclasses.replace(settings, **changes)
    sock = listen(settings.host, settings.port)
    with sock, install(settings) as installation, working(installation):
        print(f"Console  {address_of(settings, sock.getsockname()[1])}", flush=True)
        with installation.pool.connection() as connection:
            if connection.execute("SELECT 1 FROM member LIMIT 1").fetchone() is None:
                print("Nobody can sign in yet: goodsend tenant NAME, then goodsend member NAME LOGIN --role admin")
        ending.serve(Server(installation, sock))
    return 0
