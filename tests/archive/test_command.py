"""`goodsend archive` as an operator calls it, and the export beside a running server."""

import dataclasses
import threading
from pathlib import Path

from goodsend.archive.read import survey
from goodsend.commands import archiving
from goodsend.kit.clock import HOUR
from goodsend.settings import Settings
from goodsend.store import tenants
from goodsend.wiring import install
from tests.commands.process import goodsend
from tests.conftest import NOW, make_event
from tests.store.made import log_events


def _with_two_tenants(database_url: str) -> Settings:
    settings = dataclasses.replace(Settings(), database_url=database_url, archive_every=HOUR)
    with install(settings) as installation, installation.pool.connection() as connection:
        for tenant in ("first", "second"):
            if tenants.ensure(connection, tenant, tenant, NOW):
                log_events(connection, make_event(tenant=tenant, id="1"), make_event(tenant=tenant, id="2"))
    return settings


def test_the_command(database_url: str, tmp_path: Path) -> None:
    """It says what it did for each tenant, and takes one tenant alone; one that is not there is refused."""
    _with_two_tenants(database_url)
    env = {"GOODSEND_DATABASE_URL": database_url, "GOODSEND_ARCHIVE": str(tmp_path / "set")}

    done = goodsend("archive", env=env)
    one = goodsend("archive", "--tenant", "first", "--out", tmp_path / "out", env=env)
    none = goodsend("archive", "--tenant", "third", env=env)

    assert (done.code, one.code, none.code) == (0, 0, 2)
    assert done.out.splitlines()[0].startswith("first: 2 new events in 3 files, ")
    assert done.out.splitlines()[1].endswith("the archive is complete up to arrival 2")
    assert survey(tmp_path / "set", "second").rows == {"events": 2, "facts": 2, "decisions": 2}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tenant=first"]
    assert b"third" in none.err


def test_broken_files_are_told_and_repaired(database_url: str, tmp_path: Path) -> None:
    """One cut in half, one missing, one with other bytes: told, left alone, and written anew when asked for."""
    _with_two_tenants(database_url)
    env = {"GOODSEND_DATABASE_URL": database_url, "GOODSEND_ARCHIVE": str(tmp_path)}
    command = ("archive", "--tenant", "first")
    goodsend(*command, env=env)
    paths = {path.parts[-3]: path for path in sorted(tmp_path.rglob("day=*/*.parquet"))}
    whole = {table: path.read_bytes() for table, path in paths.items()}
    paths["events"].write_bytes(whole["events"][: len(whole["events"]) // 2])
    paths["facts"].unlink()
    changed = bytearray(whole["decisions"])
    changed[40] ^= 1
    paths["decisions"].write_bytes(changed)

    told = goodsend(*command, env=env)
    repaired = goodsend(*command, "--repair", env=env)
    after = goodsend(*command, env=env)

    assert (told.code, repaired.code, after.code) == (1, 0, 0)
    assert "reaches to arrival 2" in told.out
    assert "2 files are missing or damaged (4 rows)" in told.out
    assert "--repair" in told.out
    assert "3 files that were missing or damaged are written anew" in repaired.out
    found = survey(tmp_path, "first")
    assert (found.skipped, found.rows) == ([], {"events": 2, "facts": 2, "decisions": 2})
    assert {table: path.read_bytes() for table, path in paths.items()} == whole
    assert list(tmp_path.rglob("*.part")) == []


def test_what_the_log_has_no_longer_stays_missing(database_url: str, tmp_path: Path) -> None:
    """A repair never writes less than there was."""
    settings = _with_two_tenants(database_url)
    with install(settings) as installation, installation.pool.connection() as connection:
        tenants.ensure(connection, "shrinking", "shrinking", NOW)
        log_events(connection, *(make_event(tenant="shrinking", id=id_) for id_ in ("1", "2")))
    env = {"GOODSEND_DATABASE_URL": database_url, "GOODSEND_ARCHIVE": str(tmp_path)}
    command = ("archive", "--tenant", "shrinking")
    goodsend(*command, env=env)
    path = next(tmp_path.rglob("facts/day=*/*.parquet"))
    path.unlink()
    with install(settings) as installation, installation.pool.connection() as connection:
        kept = connection.execute("DELETE FROM fact WHERE tenant = 'shrinking' AND arrival = 1 RETURNING 1").fetchall()

    done = goodsend(*command, "--repair", env=env)

    assert len(kept) == 1
    assert done.code == 1
    assert "the log no longer has every row of 1 of them" in done.out
    assert not path.exists()


def test_a_folder_that_cannot_be_written(database_url: str, tmp_path: Path) -> None:
    """A file in the archive's place is told in one sentence."""
    _with_two_tenants(database_url)
    (tmp_path / "file").write_text("")

    done = goodsend("archive", "--out", tmp_path / "file", env={"GOODSEND_DATABASE_URL": database_url})

    assert done.code == 3
    assert b"cannot be written" in done.err
    assert b"Traceback" not in done.err


def test_beside_the_server(database_url: str, tmp_path: Path) -> None:
    """With an interval set, every tenant is exported until the server stops; without one nothing happens."""
    settings = dataclasses.replace(_with_two_tenants(database_url), archive=str(tmp_path))
    stop = threading.Event()
    with install(settings) as installation:
        thread = threading.Thread(target=archiving.run, args=(installation, stop))
        thread.start()
        for _ in range(600):
            if list(tmp_path.glob("tenant=second/lists/lists.parquet")):
                break
            stop.wait(0.05)
        stop.set()
        thread.join(timeout=30)

    assert not thread.is_alive()
    assert survey(tmp_path, "first").rows["events"] == survey(tmp_path, "second").rows["events"] == 2
    off = dataclasses.replace(settings, archive_every=0, archive=str(tmp_path / "off"))
    with install(off) as installation:
        archiving.run(installation, threading.Event())
    assert not (tmp_path / "off").exists()
