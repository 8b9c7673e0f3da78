"""`goodsend ingest` as a process: every line is answered for, in bounded memory; exit codes; quiet in a pipe."""

import gzip
import json
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import zstandard

from goodsend.connectors.postgres import EmbeddedServer
from goodsend.kit.clock import format_time
from goodsend.store import rejections
from goodsend.store.connection import connect
from tests.commands.process import BASE, Done, Running, goodsend, wait_until

MB = 1_000_000
JUST_NOW = format_time(time.time_ns() // 1_000)


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant nobody else uses."""
    return str(request.node.name).split("[")[0].lower()[:60]


@pytest.fixture
def env(database_url: str) -> dict[str, str]:
    """Where the database is."""
    return {"GOODSEND_DATABASE_URL": database_url}


def event(event_id: str, **but: Any) -> bytes:
    """One line: a sign-in of just now, but with these members."""
    given = {"id": event_id, "kind": "account.logged_in", "at": JUST_NOW, "data": {"account": "acc_1"}}
    return json.dumps(given | but).encode()


def lines(*given: bytes) -> bytes:
    """The lines of a file."""
    return b"\n".join(given) + b"\n"


def kept(url: str, tenant: str) -> dict[str, str]:
    """Place and code of every rejection that was stored, in order."""
    with connect(url) as connection:
        return {
            k.rejection.item_id or k.rejection.place: k.rejection.code
            for k in reversed(rejections.page(connection, tenant, limit=200).items)
        }


def ids(url: str, tenant: str) -> list[str]:
    """Ids of the accepted events in the order of their arrival."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT event_id FROM event_key WHERE tenant = %s ORDER BY arrival", (tenant,))
        return [row[0] for row in rows]


def ingest(env: dict[str, str], tenant: str, *paths: str | Path, stdin: Path | bytes = b"") -> Done:
    """Run the command; that it added the tenant is told first, and taken off what is returned."""
    done = goodsend("ingest", *paths, "--tenant", tenant, env=env, stdin=stdin)
    return msgspec.structs.replace(done, err=done.err.removeprefix(f"tenant {tenant} was not there: added\n".encode()))


def test_every_bad_line_is_named_and_the_rest_taken(
    env: dict[str, str], database_url: str, tenant: str, tmp_path: Path
) -> None:
    """Each kind of bad line gives a reason with its place; good lines before, between and after are accepted."""
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(
        lines(
            event("good-1"),
            b'{"id": "broken", "kind": ',
            event("types", at=True),
            event("fields", data={"account": 7}),
            event("kind", kind="account.loged_in"),
            event("1970", at="1970-01-01T00:00:00Z"),
            event("2100", at="2100-01-01T00:00:00Z"),
            b"",
            event("good-1"),
            event("good-1", data={"account": "acc_2"}),
            event("utf-8").replace(b"acc_1", b"acc_\xff\xfe"),
            event("nul").replace(b"acc_1", b"acc\0_1"),
            event("nul-escaped", data={"account": "acc\0_1"}),
            b"[]",
            b"\0\0\0\0",
            event("good-2"),
        )
    )

    done = ingest(env, tenant, path)

    found = kept(database_url, tenant)
    complaints = done.err.decode().splitlines()
    assert done.code == 1
    assert done.out == "2 accepted, 1 already known, 12 rejected; decided: 2 allow\n"
    assert len(found) == 12
    assert {"good-1", "good-2"} <= set(ids(database_url, tenant))
    assert {name: code for name, code in found.items() if name in ("types", "fields", "kind", "1970", "2100")} == {
        "types": "wrong_type",
        "fields": "wrong_type",
        "kind": "unknown_kind",
        "1970": "too_old",
        "2100": "in_future",
    }
    assert found["good-1"] == "id_reused"
    assert any(
        line.startswith("mixed.jsonl: line 5: kind: ") and "did you mean 'account.logged_in'" in line
        for line in complaints
    )
    assert all("\x1b" not in line and "\r" not in line and "\0" not in line for line in complaints)


def test_all_good_is_exit_code_0_and_not_a_word(env: dict[str, str], database_url: str, tenant: str) -> None:
    """In a pipe nothing but one line of summary is printed, and nothing at all on standard error."""
    many = lines(*(event(f"e{n}") for n in range(2_500)))

    done = ingest(env, tenant, "-", stdin=many)

    assert (done.code, done.err) == (0, b"")
    assert done.out == "2,500 accepted, 0 already known, 0 rejected; decided: 2,500 allow\n"
    assert ids(database_url, tenant) == [f"e{n}" for n in range(2_500)]


def test_the_same_file_again_changes_nothing(
    env: dict[str, str], database_url: str, tenant: str, tmp_path: Path
) -> None:
    """A second run finds everything known, and that is no error."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(*(event(f"e{n}") for n in range(50))))

    first, second = ingest(env, tenant, path), ingest(env, tenant, path)

    assert first.out.startswith("50 accepted, 0 already known")
    assert (second.code, second.out) == (0, "0 accepted, 50 already known, 0 rejected\n")
    assert len(ids(database_url, tenant)) == 50


def test_compressed_files_and_standard_input_are_the_same(
    env: dict[str, str], database_url: str, tenant: str, tmp_path: Path
) -> None:
    """Plain, gzip and Zstandard, by name or through a pipe, in one call."""
    plain, packed, dense = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz", tmp_path / "c.jsonl.zst"
    plain.write_bytes(lines(event("a")))
    packed.write_bytes(gzip.compress(lines(event("b"))))
    dense.write_bytes(zstandard.compress(lines(event("c"))))

    done = ingest(env, tenant, plain, packed, dense, "-", stdin=zstandard.compress(lines(event("d"))))

    assert (done.code, done.err) == (0, b"")
    assert ids(database_url, tenant) == ["a", "b", "c", "d"]


def test_a_truncated_file_keeps_what_came_before(
    env: dict[str, str], database_url: str, tenant: str, tmp_path: Path
) -> None:
    """The whole lines are accepted, the break is told and kept as a rejection."""
    path = tmp_path / "cut.gz"
    some = lines(*(event(f"e{n}", data={"account": os.urandom(40).hex()}) for n in range(2_000)))
    whole = gzip.compress(some)
    path.write_bytes(whole[: len(whole) // 2])

    done = ingest(env, tenant, path)

    taken = ids(database_url, tenant)
    assert done.code == 1
    assert b"ends in the middle" in done.err
    assert 100 < len(taken) < 2_000
    assert taken == [f"e{n}" for n in range(len(taken))]
    assert "truncated" in kept(database_url, tenant).values()


def test_a_bomb_stops_early_in_bounded_memory(
    env: dict[str, str], database_url: str, tenant: str, tmp_path: Path
) -> None:
    """A gigabyte of zeros in a megabyte is not unpacked to its end; what came before it is kept."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(lines(event("before"))) + gzip.compress(bytes(10 * MB)) * 100)

    quiet = ingest(env, tenant + "_quiet", "-", stdin=lines(event("x")))
    done = ingest(env, tenant, path)

    assert done.code == 1
    assert b"grows by more than 400 times" in done.err
    assert ids(database_url, tenant) == ["before"]
    assert "zip_bomb" in kept(database_url, tenant).values()
    assert done.peak_bytes - quiet.peak_bytes < 250 * MB


def test_a_line_of_70_megabytes_is_refused_and_the_rest_taken(
    env: dict[str, str], database_url: str, tenant: str, tmp_path: Path
) -> None:
    """It is never held whole."""
    path = tmp_path / "long.jsonl"
    with path.open("wb") as stream:
        stream.write(lines(event("before")))
        stream.write(b'{"id": "long", "data": "' + b"x" * (70 * MB) + b'"}\n')
        stream.write(lines(event("after")))

    done = ingest(env, tenant, path)

    assert done.code == 1
    assert b"line 2" in done.err
    assert ids(database_url, tenant) == ["before", "after"]
    assert "too_big" in kept(database_url, tenant).values()
    assert done.peak_bytes < 500 * MB


def test_many_long_lines_do_not_pile_up(env: dict[str, str], tenant: str, tmp_path: Path) -> None:
    """What waits is bounded in bytes, not only in lines."""
    path = tmp_path / "heavy.jsonl"
    with path.open("wb") as stream:
        for n in range(40):
            stream.write(event(f"e{n}", data={"account": "x" * (20 * MB)}) + b"\n")

    done = ingest(env, tenant, path)

    assert (done.code, done.out) == (1, "0 accepted, 0 already known, 40 rejected\n")
    assert done.peak_bytes < 700 * MB


def test_only_the_first_rejections_are_shown(env: dict[str, str], database_url: str, tenant: str) -> None:
    """A wrong file does not flood the terminal; everything is kept."""
    done = ingest(env, tenant, "-", stdin=b"oops\n" * 300)

    assert done.code == 1
    assert len(done.err.splitlines()) == 11
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM rejection WHERE tenant = %s", (tenant,)).fetchone()
    assert row == (300,)


def test_wrong_use_is_exit_code_2(env: dict[str, str], tmp_path: Path) -> None:
    """A path that is no file, a name that cannot be a tenant's, a setting that does not exist."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"")

    assert goodsend("ingest", tmp_path / "nothing", env=env).code == 2
    assert goodsend("ingest", tmp_path, env=env).code == 2
    assert goodsend("ingest", path, "--tenant", "No Such!", env=env).code == 2
    assert goodsend("ingest", path, env=env | {"GOODSEND_QUEUE": "7"}).code == 2


def test_a_database_that_goes_away_is_exit_code_3(server: EmbeddedServer, tenant: str) -> None:
    """What was accepted before stays; a second run takes the rest."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE goes_away TEMPLATE goodsend_template STRATEGY file_copy")
        url = server.url_of("goes_away")
        env = {"GOODSEND_DATABASE_URL": url}
        first, rest = lines(*(event(f"e{n}") for n in range(1_000))), lines(*(event(f"f{n}") for n in range(1_000)))
        with Running("ingest", "-", "--tenant", tenant, env=env) as process:
            process.feed(first)
            wait_until(lambda: len(ids(url, tenant)) == 1_000)
            admin.execute("ALTER DATABASE goes_away ALLOW_CONNECTIONS false")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'goes_away'")
            process.feed(rest)
            process.close_input()
            done = process.finish()
        admin.execute("ALTER DATABASE goes_away ALLOW_CONNECTIONS true")

        again = ingest(env, tenant, "-", stdin=first + rest)
        taken = ids(url, tenant)
        admin.execute("DROP DATABASE goes_away WITH (FORCE)")

    added, *told = done.err.splitlines()
    assert (done.code, added, len(told)) == (3, f"tenant {tenant} was not there: added".encode(), 1)
    assert told[0].startswith(b"goodsend: the database is away: ")
    assert (again.code, again.out[:36]) == (0, "1,000 accepted, 1,000 already known,")
    assert len(taken) == 2_000


def test_on_a_terminal_there_is_a_bar(env: dict[str, str], tenant: str, tmp_path: Path) -> None:
    """Progress is drawn on standard error, and only there."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(*(event(f"e{n}") for n in range(500))))
    ours, theirs = pty.openpty()
    drawn: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(ours, drawn))
    reader.start()

    done = subprocess.run(
        [sys.executable, "-m", "goodsend", "ingest", str(path), "--tenant", tenant],
        env=BASE | env | {"TERM": "xterm"}, stdout=subprocess.PIPE, stderr=theirs, check=False, timeout=60,
    )  # fmt: skip
    os.close(theirs)
    reader.join(timeout=10)
    os.close(ours)

    assert done.returncode == 0
    assert b"a.jsonl" in b"".join(drawn)
    assert b"\x1b" not in done.stdout


def _read_all(descriptor: int, kept: list[bytes]) -> None:
    try:
        while chunk := os.read(descriptor, 4_096):
            kept.append(chunk)
    except OSError:
        pass  # Linux says so when the other end is closed
