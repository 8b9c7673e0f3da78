"""The embedded PostgreSQL: shared by processes, stopped after the last, never left behind, never loosening a mode."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from goodsend.connectors.postgres import EmbeddedServer, start
from goodsend.kit.errors import Misconfigured

FAST = {"fsync": "off"}

USER = """
import sys, pathlib
from goodsend.connectors.postgres import start
server = start(pathlib.Path(sys.argv[1]), settings={"fsync": "off"})
print(server.url, flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose server was stopped: the tests copy it, which is faster than making one each."""
    folder = tmp_path_factory.mktemp("made") / "d"
    start(folder, settings=FAST).stop()
    return folder


@pytest.fixture
def data_dir(made: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "d"
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("keeper"))
    yield folder
    wait_until(lambda: server_pid(folder) is None)


def wait_until(done: Callable[[], bool], patience_s: float = 15.0) -> None:
    deadline = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def server_pid(data_dir: Path) -> int | None:
    """The process number of the living server, None when there is none."""
    try:
        pid = int((data_dir / "postgres/data/postmaster.pid").read_text().split("\n")[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pid


def keeper_pid(data_dir: Path) -> int:
    """The process that holds the folder: the server's parent."""
    pid = server_pid(data_dir)
    return int(subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout)


def answers(server: EmbeddedServer) -> bool:
    with psycopg.connect(server.url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def other_user(data_dir: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def end(process: "subprocess.Popen[str]") -> None:
    with process:
        process.communicate("", timeout=20)


def test_first_start_makes_private_folders_and_a_database(tmp_path: Path) -> None:
    """A first start makes everything 0700 and leaves the modes of the folders above alone."""
    above = tmp_path / "above"
    above.mkdir(mode=0o711)
    tmp_path.chmod(0o700)

    with start(above / "data", settings=FAST) as server:
        assert answers(server)

    modes = {
        str(p.relative_to(tmp_path)): p.stat().st_mode & 0o777
        for p in above.rglob("*")
        if p.is_dir() and len(p.relative_to(above).parts) < 4
    }
    assert modes["above/data"] == modes["above/data/postgres"] == modes["above/data/postgres/data"] == 0o700
    assert (above.stat().st_mode & 0o777, tmp_path.stat().st_mode & 0o777) == (0o711, 0o700)


def test_warm_start_takes_less_than_a_second(data_dir: Path) -> None:
    """Starting on existing data is quick enough for a command line."""
    began = time.monotonic()

    with start(data_dir, settings=FAST) as server:
        taken_s = time.monotonic() - began
        assert answers(server)

    assert taken_s < 1.0


def test_settings_are_durable_and_utc(data_dir: Path) -> None:
    """The server acknowledges only what is on disk, thinks in UTC and opens no port."""
    with start(data_dir) as server, psycopg.connect(server.url) as connection:
        names = ("fsync", "synchronous_commit", "TimeZone", "listen_addresses", "jit", "max_connections")
        found = [connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in names]

    assert found == [("on",), ("on",), ("UTC",), ("",), ("off",), ("50",)]


def test_stop_returns_when_the_server_has_stopped(data_dir: Path) -> None:
    """After the only user's stop nothing runs; a second stop does nothing."""
    server = start(data_dir, settings=FAST)

    server.stop()
    server.stop()

    assert server_pid(data_dir) is None


def test_two_processes_share_one_server(data_dir: Path) -> None:
    """The second joins the first one's server, and keeps it when the first goes."""
    other = other_user(data_dir)
    assert other.stdout is not None
    url = other.stdout.readline().strip()
    with start(data_dir, settings=FAST) as server:
        pid = server_pid(data_dir)
        assert server.url == url

        end(other)

        assert answers(server)
        assert server_pid(data_dir) == pid
    assert server_pid(data_dir) is None


def test_killed_user_leaves_no_server(data_dir: Path) -> None:
    """A user that is killed without a word is missed by the kernel, and the server ends."""
    other = other_user(data_dir)
    assert other.stdout is not None
    other.stdout.readline()
    assert server_pid(data_dir) is not None

    with other:
        other.kill()

    wait_until(lambda: server_pid(data_dir) is None)


def test_user_threads_may_end(data_dir: Path) -> None:
    """A server started from a short-lived thread outlives that thread."""
    box: list[EmbeddedServer] = []
    thread = threading.Thread(target=lambda: box.append(start(data_dir, settings=FAST)))
    thread.start()
    thread.join()
    time.sleep(0.2)

    with box[0] as server:
        assert answers(server)


@pytest.mark.parametrize("watcher", [False, True], ids=["parent-death signal", "watcher"])
def test_killed_keeper_takes_the_server_along(data_dir: Path, watcher: bool) -> None:
    """When the keeper itself is killed the server ends, and the next start works on the same data."""
    if not watcher and sys.platform != "linux":
        pytest.skip("only Linux has the signal")
    server = start(data_dir, settings=FAST, watcher=watcher)
    pid = server_pid(data_dir)

    os.kill(keeper_pid(data_dir), signal.SIGKILL)

    with start(data_dir, settings=FAST) as again:
        assert answers(again)
        assert server_pid(data_dir) != pid
    server.stop()


def test_killed_server_recovers(data_dir: Path) -> None:
    """What was committed is there after the server was killed, and the stale pid file is no obstacle."""
    server = start(data_dir)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    pid = server_pid(data_dir)
    assert pid is not None

    os.kill(pid, signal.SIGKILL)
    server.stop()

    with start(data_dir) as again, psycopg.connect(again.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_pid_file_naming_another_process_is_stale(data_dir: Path) -> None:
    """After a container restart the old number belongs to a stranger, who is left alone."""
    (data_dir / "postgres/data/postmaster.pid").write_text(f"{os.getpid()}\n{data_dir}\n0\n5432\n\n\n0 0\nready\n")

    with start(data_dir, settings=FAST) as server:
        assert answers(server)


def test_many_starts_at_once(data_dir: Path) -> None:
    """Processes that start together end up with one server."""
    others = [other_user(data_dir) for _ in range(4)]

    urls = {other.stdout.readline().strip() for other in others if other.stdout}

    assert len(urls) == 1
    assert "" not in urls
    for other in others:
        end(other)
    assert server_pid(data_dir) is None


def test_long_path_gets_short_sockets(made: Path, tmp_path: Path) -> None:
    """A socket's path may have 107 bytes at most: in a deeper data folder the sockets move to a private folder."""
    data_dir = tmp_path / ("x" * 120)
    shutil.copytree(made, data_dir, ignore=shutil.ignore_patterns("keeper"))

    with start(data_dir, settings=FAST) as server:
        assert answers(server)
        sockets = Path((data_dir / "postgres/sockets").read_text())
        assert sockets.stat().st_mode & 0o777 == 0o700

    wait_until(lambda: not sockets.exists())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize("run_as", ["namespace", "dropped"])
def test_root_runs_it_both_ways(data_dir: Path, run_as: str) -> None:
    """Root runs the server in a user namespace, or as nobody where that is forbidden; neither changes a mode above."""
    before = data_dir.stat().st_mode

    with start(data_dir, settings=FAST, run_as=run_as) as server:
        assert answers(server)
    with start(data_dir, settings=FAST) as server:
        assert answers(server)

    assert data_dir.stat().st_mode == before


def test_folder_that_is_a_file_is_misconfigured(tmp_path: Path) -> None:
    """A data folder that cannot be one is told by name."""
    (tmp_path / "d").write_text("not a folder")

    with pytest.raises(Misconfigured, match="cannot be used"):
        start(tmp_path / "d")


def test_broken_data_is_told_in_the_server_s_words(data_dir: Path) -> None:
    """Data that the server refuses gives its own reason and a way out."""
    (data_dir / "postgres/data/global/pg_control").write_bytes(b"")

    with pytest.raises(Misconfigured, match=r"(?s)pg_control.*GOODSEND_DATABASE_URL"):
        start(data_dir, settings=FAST)


def test_data_of_another_version_is_refused(data_dir: Path) -> None:
    """Data of a version the wheel does not bring is not touched."""
    (data_dir / "postgres/data/PG_VERSION").write_text("12\n")

    with pytest.raises(Misconfigured, match="PostgreSQL 12"):
        start(data_dir)
