"""`goodsend serve` as a process: answers, keeps, ends when told."""

import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.commands.process import Running, goodsend, wait_until

PORT = {"GOODSEND_PORT": "0", "GOODSEND_LOG_LEVEL": "warning"}


def test_it_serves_until_it_is_told_to_stop(database_url: str) -> None:
    """The address is printed when it answers; SIGTERM ends it with exit code 0 and without a word."""
    with Running("serve", env=PORT | {"GOODSEND_DATABASE_URL": database_url}) as process:
        address = process.printed("Console ")
        hint = process.printed("Nobody can sign in yet: ")
        with httpx.Client(base_url=address, transport=httpx.HTTPTransport(retries=20)) as client:
            health, ready = client.get("/healthz").status_code, client.get("/readyz").status_code
        process.popen.send_signal(signal.SIGTERM)
        done = process.finish()

    assert (health, ready) == (200, 200)
    assert "goodsend member NAME LOGIN" in hint
    assert (done.code, done.err) == (0, b"")


def test_a_port_that_is_taken_is_exit_code_2(database_url: str) -> None:
    """It says which one."""
    env = PORT | {"GOODSEND_DATABASE_URL": database_url}
    with Running("serve", env=env) as first:
        port = first.printed("Console ").rpartition(":")[2]
        second = goodsend("serve", "--port", port, env=env)

    assert second.code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in second.err.decode()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_embedded_database_ends_with_its_last_user(how: signal.Signals, tmp_path: Path) -> None:
    """After an orderly end no server is left, and the next start finds everything clean."""
    env = PORT | {"GOODSEND_DATA_DIR": str(tmp_path / "d")}
    with Running("serve", env=env) as process:
        url = process.printed("Console ")
        wait_until(lambda: httpx.get(f"{url}/readyz", timeout=30).status_code == 200)
        process.popen.send_signal(how)
        done = process.finish()

    log = (tmp_path / "d/postgres/server.log").read_text()
    assert done.code == {signal.SIGTERM: 0, signal.SIGINT: 130}[how]
    assert not (tmp_path / "d/postgres/data/postmaster.pid").exists()
    assert "database system is shut down" in log.splitlines()[-1]


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.3])
def test_a_signal_at_any_moment_of_the_start_ends_it(delay_s: float, database_url: str) -> None:
    """Also one that comes before it serves: it is noted, and the server ends as soon as it has begun."""
    with Running("serve", env=PORT | {"GOODSEND_DATABASE_URL": database_url}) as process:
        process.printed("Console ")
        time.sleep(delay_s)
        process.popen.send_signal(signal.SIGTERM)
        done = process.finish(30)

    assert (done.code, done.err) == (0, b"")
