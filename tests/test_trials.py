"""Reliability by trying: processes are killed without warning, disks run full; nothing that was promised is lost."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from goodsend.commands.key import SCOPES
from goodsend.connectors.postgres import EmbeddedServer, start
from goodsend.handle import Engine
from goodsend.kit.clock import DAY, format_time
from goodsend.settings import Settings
from goodsend.simulation.world import simulate
from goodsend.store import keys, tenants
from goodsend.store.connection import open_pool
from goodsend.wiring import install, load_pack, system_now
from tests.commands.process import Running, goodsend, wait_until

TENANT = "default"


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    """A simulated day, some thousand events."""
    return [event for event, _ in simulate(11, system_now() - DAY, accounts=24)]


@pytest.fixture(scope="module")
def day_file(events: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The day as a file."""
    path = tmp_path_factory.mktemp("day") / "day.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return path


@pytest.fixture(scope="module")
def uninterrupted(events: list[dict[str, Any]], server: EmbeddedServer) -> list[tuple[Any, ...]]:
    """The log of the day as one engine writes it that nothing ever happened to."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE uninterrupted TEMPLATE goodsend_template STRATEGY file_copy")
    pack, url = load_pack(()), server.url_of("uninterrupted")
    with open_pool(url, size=2) as pool:
        engine = Engine(pool, lambda tenant: pack, system_now, Settings())
        engine.start()
        engine.submit(TENANT, events).result()
        engine.close()
    return logged(url)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder for an installation of its own; at the end its database must be gone by itself."""
    folder = tmp_path / "data"
    yield folder
    wait_until(lambda: not postgres_of(folder), 20)


def logged(url: str) -> list[tuple[Any, ...]]:
    """Every event in its order: arrival, id, facts, decision, but for the moment at which lists were read."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT f.arrival, f.event_id, f.facts::text, (d.body #- '{versions,lists}')::text FROM event_key k "
            "JOIN event e USING (tenant, day, arrival) JOIN fact f USING (tenant, day, arrival) "
            "JOIN decision d USING (tenant, day, arrival) WHERE k.tenant = %s ORDER BY 1",
            (TENANT,),
        ).fetchall()


def postgres_of(folder: Path) -> list[int]:
    """Living PostgreSQL processes of a data folder."""
    found = []
    for entry in Path("/proc").iterdir() if Path("/proc/self").exists() else ():
        with contextlib.suppress(OSError, ValueError):
            command = (entry / "cmdline").read_bytes()
            if os.fsencode(folder) in command and b"postgres" in command and b"-D" in command.split(b"\0"):
                found.append(int(entry.name))
    return found


def rows(url: str) -> int:
    """How many events the log holds; 0 while there is no table."""
    try:
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM event_key").fetchone()
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return 0
    assert row is not None
    return int(row[0])


# -- a client of `goodsend serve` -------------------------------------------------------------------------------------


class Client(threading.Thread):
    """Posts small batches one after another, and remembers the ids of those that were answered with 200."""

    def __init__(self, address: str, key: str, name: str) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.sent = 0
        self._address = address
        self._key = key
        self._prefix = name
        self.leave = threading.Event()

    def run(self) -> None:
        """Post until the server is gone."""
        headers = {"Authorization": f"Bearer {self._key}"}
        with httpx.Client(base_url=self._address, headers=headers, timeout=30) as client:
            while not self.leave.is_set():
                batch = [login(f"{self._prefix}-{self.sent + n}") for n in range(7)]
                try:
                    answer = client.post("/v1/events", json={"events": batch})
                except httpx.TransportError:
                    return
                self.sent += len(batch)
                if answer.status_code == 200:
                    self.acknowledged += [event["id"] for event in batch]


def login(event_id: str) -> dict[str, Any]:
    """A sign-in of just now."""
    now = format_time(system_now())
    return {"id": event_id, "kind": "account.logged_in", "at": now, "data": {"account": "acc_1"}}


def make_key(data_dir: Path) -> str:
    """Make the tenant and a key, as an operator would before the first start."""
    with install(replace(Settings(), data_dir=data_dir)) as installation, installation.pool.connection() as connection:
        tenants.ensure(connection, TENANT, "Tried", system_now())
        return keys.create(connection, TENANT, "trial", SCOPES, system_now())


# -- trials -----------------------------------------------------------------------------------------------------------


def test_ingest_may_be_killed_at_any_moment(
    data_dir: Path, day_file: Path, uninterrupted: list[tuple[Any, ...]]
) -> None:
    """Killed twice in the middle and run again: every event once, facts and decisions as if nothing had happened."""
    env = {"GOODSEND_DATA_DIR": str(data_dir)}
    total = len(uninterrupted)
    reached = []
    with start(data_dir) as database:  # only to see how far it is
        for share in (0.1, 0.5):
            with Running("ingest", day_file, env=env) as process:
                wait_until(lambda: rows(database.url) >= share * total)  # noqa: B023
                process.kill()
            reached.append(rows(database.url))

        done = goodsend("ingest", day_file, env=env)
        again = logged(database.url)

    assert 0 < reached[0] < total
    assert reached[0] <= reached[1] <= total
    assert (done.code, done.err) == (0, b"")
    assert [row[1] for row in again] == [row[1] for row in uninterrupted]
    assert again == uninterrupted


def test_a_kill_while_writing_and_judging_overlap(
    data_dir: Path, day_file: Path, uninterrupted: list[tuple[Any, ...]]
) -> None:
    """Each commit is held up while the next batch is judged; killed there, a start from a snapshot changes nothing."""
    env = {"GOODSEND_DATA_DIR": str(data_dir), "GOODSEND_SNAPSHOT_EVENTS": "1"}
    total = len(uninterrupted)
    with start(data_dir) as database:
        goodsend("tenant", TENANT, env=env)
        with psycopg.connect(database.url) as admin:
            admin.execute(
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$"
            )
            admin.execute(
                "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON event_key DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW WHEN (NEW.arrival % 997 = 0) EXECUTE FUNCTION slow()"
            )
        reached = []
        for share in (0.2, 0.6):
            with Running("ingest", day_file, env=env) as process:
                wait_until(lambda: rows(database.url) >= share * total)  # noqa: B023
                time.sleep(0.2)  # in the middle of a commit that is held up
                process.kill()
            goodsend("snapshot", "--tenant", TENANT, env=env)
            reached.append(rows(database.url))

        done = goodsend("ingest", day_file, env=env)
        again = logged(database.url)

    assert 0 < reached[0] < reached[1] < total
    assert (done.code, done.err) == (0, b"")
    assert again == uninterrupted


def test_a_killed_server_keeps_every_event_it_acknowledged(data_dir: Path) -> None:
    """Kill -9 while clients post: after a restart all that was answered with 200 is there, decided, and known again."""
    key = make_key(data_dir)
    env = {"GOODSEND_DATA_DIR": str(data_dir), "GOODSEND_PORT": "0", "GOODSEND_LOG_LEVEL": "warning"}
    acknowledged: list[str] = []
    gone_after = []
    for life in range(2):
        with Running("serve", env=env) as process:
            clients = [Client(process.printed("Console "), key, f"life-{life}-{n}") for n in range(3)]
            for client in clients:
                client.start()
            wait_until(lambda: all(len(client.acknowledged) >= 70 for client in clients))  # noqa: B023
            running = postgres_of(data_dir)
            process.kill()
        began = time.monotonic()
        assert running
        for client in clients:
            client.join(timeout=30)
            acknowledged += client.acknowledged
        wait_until(lambda: not postgres_of(data_dir), 10)
        gone_after.append(time.monotonic() - began)

    with install(replace(Settings(), data_dir=data_dir)) as installation:
        installation.engine.start()
        kept = logged(_url(installation))
        answers = installation.engine.submit(TENANT, [login(acknowledged[0]), login("new")]).result()

    print("PostgreSQL was gone after", ", ".join(f"{took:.1f} s" for took in gone_after))
    assert len(acknowledged) >= 2 * 3 * 70
    assert set(acknowledged) <= {row[1] for row in kept}
    assert [row[0] for row in kept] == list(range(1, len(kept) + 1))
    assert [answer.rejection.code if answer.rejection else answer.status for answer in answers] == [
        "id_reused",  # known, and at another time
        "accepted",
    ]


def _url(installation: Any) -> str:
    with installation.pool.connection() as connection:
        return str(connection.info.dsn)


def test_database_and_server_may_die_together(data_dir: Path) -> None:
    """As in a crash of the machine's container: PostgreSQL recovers, and nothing acknowledged is missing."""
    key = make_key(data_dir)
    env = {"GOODSEND_DATA_DIR": str(data_dir), "GOODSEND_PORT": "0", "GOODSEND_LOG_LEVEL": "warning"}
    with Running("serve", env=env) as process:
        client = Client(process.printed("Console "), key, "crash")
        client.start()
        wait_until(lambda: len(client.acknowledged) >= 100)
        for pid in postgres_of(data_dir):
            os.kill(pid, 9)
        process.kill()
    client.join(timeout=30)

    with start(data_dir) as database:
        kept = {row[1] for row in logged(database.url)}

    assert set(client.acknowledged) <= kept


def test_a_server_tells_when_its_database_died(data_dir: Path) -> None:
    """PostgreSQL alone is killed: /readyz says so, events are refused as retryable, and the server ends orderly."""
    key = make_key(data_dir)
    env = {"GOODSEND_DATA_DIR": str(data_dir), "GOODSEND_PORT": "0", "GOODSEND_LOG_LEVEL": "error"}
    with Running("serve", env=env) as process:
        address = process.printed("Console ")
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
            before = client.post("/v1/events", json=login("a")).status_code
            for pid in postgres_of(data_dir):
                os.kill(pid, 9)
            wait_until(lambda: client.get("/readyz").status_code == 503)
            alive = client.get("/healthz").status_code
        process.popen.terminate()
        done = process.finish(60)

    assert (before, alive) == (200, 200)
    assert done.code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 160 MB; skips where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "goodsend-trial", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    wait_until(lambda: not postgres_of(folder), 20)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path, day_file: Path, uninterrupted: list[tuple[Any, ...]]) -> None:
    """While it is full one sentence says so, with exit code 3; with room again the same command does the rest."""
    env = {"GOODSEND_DATA_DIR": str(small_disk / "data")}
    first = goodsend("ingest", "-", env=env, stdin=msgspec.json.encode(login("before")))
    ballast = small_disk / "ballast"
    with ballast.open("wb") as stream:
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        stream.write(bytes(free - 1_000_000))

    full = goodsend("ingest", day_file, env=env)
    ballast.unlink()
    done = goodsend("ingest", day_file, env=env)
    with start(small_disk / "data") as database:
        kept = logged(database.url)

    print("full:", full.code, full.out, full.err.decode())
    assert first.code == 0
    assert full.code == 3
    assert full.err.startswith(b"goodsend: the database is away: ")
    assert b"Traceback" not in full.err
    assert done.code == 0
    assert [row[1] for row in kept] == ["before", *(row[1] for row in uninterrupted)]
