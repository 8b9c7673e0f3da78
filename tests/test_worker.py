"""The worker: at least once, always under the same id, with a schedule that ends; killed or alone, slow or failing."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from goodsend import worker
from goodsend.connectors.model import Call, Delivery
from goodsend.connectors.webhook import Webhook
from goodsend.kit.clock import HOUR, MINUTE, SECOND, Micros
from goodsend.settings import Settings
from goodsend.store import outbox, tenants
from goodsend.store.connection import Pool, open_pool
from goodsend.worker import LEASE, WAITS, drain, wait_after
from tests.conftest import NOW
from tests.store.made import make_action, make_decision


@pytest.fixture(scope="module")
def open_to(database_url: str) -> Iterator[Pool]:
    pool = open_pool(database_url)
    yield pool
    pool.close()


@pytest.fixture
def pool(open_to: Pool) -> Iterator[Pool]:
    """A pool on an outbox that is empty before and after."""
    yield open_to
    with open_to.connection() as connection:
        connection.execute("TRUNCATE outbox, outbox_attempt, tenant CASCADE")


class Scripted:
    """A connector that answers as it is told, and remembers the calls."""

    def __init__(self, answer: Callable[[Call], Delivery]) -> None:
        self.calls: list[Call] = []
        self.answer = answer

    def deliver(self, call: Call) -> Delivery:
        self.calls.append(call)
        return self.answer(call)


def add(pool: Pool, *ids: str, tenant: str = "demo", at: Micros = NOW) -> None:
    with pool.connection() as connection:
        outbox.add(connection, tenant, [(make_action(id=id_), make_decision()) for id_ in ids], at)


def entry(pool: Pool, outbox_id: str) -> tuple[outbox.Entry, list[outbox.Attempt]]:
    with pool.connection() as connection:
        return outbox.one(connection, "demo", outbox_id)


def fails(call: Call) -> Delivery:
    return Delivery(ok=False, status=503, error="the receiver answered 503", retryable=True)


def succeeds(call: Call) -> Delivery:
    return Delivery(ok=True, status=200, answer="ok")


def test_what_is_due_is_delivered_once(pool: Pool) -> None:
    """Everything due goes out, with what the receiver needs; a second round finds nothing."""
    add(pool, *(f"act_{n}" for n in range(20)))
    printed = Scripted(succeeds)

    first = drain(pool, {"printed": printed}, lambda: NOW)
    second = drain(pool, {"printed": printed}, lambda: NOW)

    assert (first, second) == (Counter(done=20), Counter())
    assert sorted(call.id for call in printed.calls) == sorted(f"act_{n}" for n in range(20))
    assert (printed.calls[0].action, printed.calls[0].attempt, printed.calls[0].at) == ("hold_campaign", 1, NOW)
    found, attempts = entry(pool, "act_7")
    assert (found.state, found.done_at, [a.status for a in attempts]) == ("done", NOW, [200])


def test_no_transaction_is_open_while_a_connector_works(pool: Pool) -> None:
    """A slow receiver holds no lock: meanwhile others read, write and claim."""
    add(pool, "act_1")
    seen: list[Any] = []

    def look(call: Call) -> Delivery:
        with pool.connection() as connection:
            connection.execute("SET LOCAL lock_timeout = '500ms'")
            seen.append(connection.execute("SELECT state FROM outbox FOR UPDATE NOWAIT").fetchone())
            seen.append(
                connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND state = 'idle in transaction'"
                ).fetchone()
            )
        return Delivery(ok=True)

    assert drain(pool, {"printed": Scripted(look)}, lambda: NOW) == Counter(done=1)
    assert seen == [("due",), (0,)]


def test_failures_come_back_later_and_end(pool: Pool) -> None:
    """Twelve tries with growing waits, each on record; then the entry is dead, and can be sent again."""
    add(pool, "act_1")
    printed = Scripted(fails)
    now = [NOW]
    waited = []

    for _ in range(len(WAITS)):
        assert drain(pool, {"printed": printed}, lambda: now[0]) == Counter(retry=1)
        due_at = entry(pool, "act_1")[0].due_at
        waited.append(due_at - now[0])
        now[0] = due_at - 1
        assert drain(pool, {"printed": printed}, lambda: now[0]) == Counter()
        now[0] = due_at
    assert drain(pool, {"printed": printed}, lambda: now[0]) == Counter(dead=1)

    assert waited == [wait_after("act_1", tries) for tries in range(1, 12)]
    assert {call.id for call in printed.calls} == {"act_1"}
    found, attempts = entry(pool, "act_1")
    assert (found.state, len(attempts), found.last_error) == ("dead", 12, "the receiver answered 503")
    assert drain(pool, {"printed": printed}, lambda: now[0] + HOUR) == Counter()
    with pool.connection() as connection:
        outbox.resend(connection, "demo", "act_1", "ada", now[0])
    assert drain(pool, {"printed": printed}, lambda: now[0]) == Counter(retry=1)
    assert drain(pool, {"printed": Scripted(succeeds)}, lambda: now[0] + MINUTE) == Counter(done=1)


def test_waits_grow_and_spread() -> None:
    """From five seconds to an hour, never more than a quarter off, the same for the same id, different for others."""
    for tries, wait in enumerate(WAITS, 1):
        found = wait_after("act_1", tries)
        assert found is not None
        assert abs(found - wait) <= wait / 4
        assert found == wait_after("act_1", tries)
    assert (WAITS[0], WAITS[-1], len(WAITS)) == (5 * SECOND, HOUR, 11)
    assert wait_after("act_1", 12) is None
    assert len({wait_after(f"act_{n}", 1) for n in range(100)}) > 90


def test_a_permanent_refusal_is_dead_at_once(pool: Pool) -> None:
    """What will never succeed is not repeated; a connector that does not exist neither."""
    add(pool, "act_1")
    refused = Scripted(lambda call: Delivery(ok=False, error="not a public address"))

    assert drain(pool, {"printed": refused}, lambda: NOW) == Counter(dead=1)
    add(pool, "act_2")
    assert drain(pool, {}, lambda: NOW) == Counter(dead=1)
    assert entry(pool, "act_1")[0].last_error == "not a public address"


def test_a_connector_s_mistake_harms_only_its_call(pool: Pool) -> None:
    """An exception in a connector is a failed try of that entry; the others are delivered."""
    add(pool, "act_1", "act_2", "act_3")

    def stumble(call: Call) -> Delivery:
        if call.id == "act_2":
            raise KeyError("oops")
        return Delivery(ok=True)

    assert drain(pool, {"printed": Scripted(stumble)}, lambda: NOW) == Counter(done=2, retry=1)
    assert entry(pool, "act_2")[0].last_error == "our mistake: KeyError"


def test_two_workers_share_the_work(pool: Pool) -> None:
    """Workers that drain at the same time never deliver the same entry."""
    ids = [f"act_{n:03}" for n in range(120)]
    add(pool, *ids)
    printed = Scripted(succeeds)
    counts: list[Counter[str]] = []

    def work() -> None:
        while found := drain(pool, {"printed": printed}, lambda: NOW, limit=10):
            counts.append(found)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(call.id for call in printed.calls) == ids
    assert sum(counts, Counter()) == Counter(done=120)


KILLED = """
import sys
from goodsend.connectors.webhook import Webhook
from goodsend.store.connection import open_pool
from goodsend.worker import drain
pool = open_pool(sys.argv[1])
drain(pool, {"webhook": Webhook(["127.0.0.1"])}, lambda: int(sys.argv[2]))
"""


def test_a_worker_killed_in_the_middle_loses_nothing(pool: Pool, database_url: str) -> None:
    """
    A worker that is killed between the call and its record has the call made again, after the lease, under the same id.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pool.connection() as connection:
            tenants.ensure(connection, "demo", "Demo", NOW)
            outbox.set_destination(connection, "demo", "webhook", url, "s3cret", NOW)
        add(pool, "act_1")

        with subprocess.Popen([sys.executable, "-c", KILLED, database_url, str(NOW)]) as doomed:
            first = _heard(server, answer=False)
            doomed.send_signal(signal.SIGKILL)
        assert doomed.returncode == -signal.SIGKILL
        connectors = {"webhook": Webhook(["127.0.0.1"])}
        assert drain(pool, connectors, lambda: NOW + LEASE - 1) == Counter()
        assert entry(pool, "act_1")[0].state == "due"

        heard: list[bytes] = []
        listening = threading.Thread(target=lambda: heard.append(_heard(server, answer=True)))
        listening.start()
        assert drain(pool, connectors, lambda: NOW + LEASE) == Counter(done=1)
        listening.join()

    assert [b"Goodsend-Id: act_1" in request for request in (first, heard[0])] == [True, True]
    assert first.partition(b"\r\n\r\n")[2] == heard[0].partition(b"\r\n\r\n")[2]
    found, attempts = entry(pool, "act_1")
    assert (found.state, found.attempts, [a.attempt for a in attempts]) == ("done", 2, [2])


def _heard(server: socket.socket, *, answer: bool) -> bytes:
    """Take one request whole; without an answer the caller is left waiting."""
    server.settimeout(20)
    peer, _ = server.accept()
    peer.settimeout(5)
    with peer:
        got = b""
        while b"\r\n\r\n" not in got or not got.endswith(b"}"):
            got += peer.recv(65_536)
        if answer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        else:
            time.sleep(0.2)
        return got


def test_the_loop_works_until_told_to_stop(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    """The worker's loop prints what is due and ends when asked."""
    installation: Any = SimpleNamespace(
        pool=pool, settings=replace(Settings(), webhook_private_hosts=("x",)), now=lambda: NOW
    )
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(installation, stop))

    with caplog.at_level("INFO", logger="goodsend.actions"):
        thread.start()
        add(pool, "act_1")
        deadline = time.monotonic() + 10
        while entry(pool, "act_1")[0].state != "done" and time.monotonic() < deadline:
            time.sleep(0.02)
        stop.set()
        thread.join(timeout=5)

    assert not thread.is_alive()
    assert entry(pool, "act_1")[0].state == "done"
    assert '"id":"act_1"' in "\n".join(caplog.messages)
