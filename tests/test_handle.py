"""The engine against a real database: what is answered, what is kept, and that nothing but the log decides."""

import dataclasses
import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
import pytest

from goodsend.connectors.postgres import EmbeddedServer
from goodsend.events.model import Arrived
from goodsend.features.compute import Windows
from goodsend.handle import Answer, Busy, Engine, batch, rebuild
from goodsend.handle import snapshots as handle_snapshots
from goodsend.handle.lanes import Lanes
from goodsend.handle.model import Work
from goodsend.kit.clock import DAY, HOUR, MINUTE, Micros, format_time, parse_time
from goodsend.kit.errors import Retryable
from goodsend.pack import Pack, build_pack
from goodsend.pipeline import Known, Outcome, process
from goodsend.settings import Settings
from goodsend.simulation.world import simulate
from goodsend.store import accounts, casework, log, notices, outbox, rejections, snapshots
from goodsend.store.connection import Connection, Pool, connect, open_pool
from goodsend.wiring import SHIPPED, load_pack, read_layer
from tests.conftest import NOW

PACK = load_pack(())
DAY_BEGINS = NOW - DAY
Databases = Callable[[], str]


@contextmanager
def running(url: str, **but: Any) -> Iterator[Engine]:
    """An engine with a pool of its own, the shipped pack, and a clock that stands still."""
    pool = open_pool(url, size=3)
    engine = Engine(pool, lambda tenant: PACK, lambda: NOW, dataclasses.replace(Settings(), **but))
    engine.start()
    try:
        with pool:
            yield engine
            engine.close()
    finally:
        engine.close()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine over the module's database; each test has a tenant of its own."""
    with running(database_url) as started:
        yield started


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant nobody else uses."""
    name: str = request.node.name
    return name[:60].lower()


@pytest.fixture
def databases(server: EmbeddedServer) -> Iterator[Databases]:
    """Makes fresh, migrated databases."""
    made: list[str] = []

    def make() -> str:
        made.append(f"handle_{next(_numbers)}")
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {made[-1]} TEMPLATE goodsend_template STRATEGY file_copy")
        return server.url_of(made[-1])

    yield make
    with psycopg.connect(server.url, autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


_numbers = itertools.count(1)


def item(event_id: str = "e1", kind: str = "list.imported", at: Micros = NOW, **data: Any) -> dict[str, Any]:
    """An event on the wire: a list import by acc_1 unless told otherwise."""
    given = {"account": "acc_1", "recipients": 500} if kind == "list.imported" else {"account": "acc_1"}
    return {"id": event_id, "kind": kind, "at": format_time(at), "data": given | data}


def big_import(event_id: str, account: str = "acc_1", at: Micros = NOW) -> dict[str, Any]:
    """An import so big that a new account is held for it."""
    return item(event_id, at=at, account=account, recipients=40_000)


def day(accounts: int = 8, hours: int = 24) -> list[dict[str, Any]]:
    """The events of a small simulated platform."""
    return [event for event, _ in simulate(7, DAY_BEGINS, hours * HOUR, accounts)]


def chunks(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Cut into pieces of this size."""
    return [items[first : first + size] for first in range(0, len(items), size)]


def logged(url: str, tenant: str) -> list[tuple[int, str, str, str]]:
    """Arrival, event id, facts and decision of every event, as the database shows them."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT f.arrival, f.event_id, f.facts::text, d.body::text FROM fact f JOIN decision d "
            "USING (tenant, day, arrival) WHERE f.tenant = %s ORDER BY 1",
            (tenant,),
        ).fetchall()


def count(url: str, table: str, tenant: str) -> int:
    """Rows of a tenant in a table."""
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table} WHERE tenant = %s", (tenant,)).fetchone()
    assert row is not None
    return int(row[0])


def statuses(answers: Sequence[Answer]) -> list[tuple[str, str | None, str | None]]:
    """Status, event id and the code of the rejection."""
    return [(a.status, a.event_id, a.rejection.code if a.rejection else None) for a in answers]


# -- answers ----------------------------------------------------------------------------------------------------------


def test_every_item_is_answered_in_order(engine: Engine, tenant: str) -> None:
    """Accepted, rejected, repeated and reused ids each get their answer in the place they were sent in."""
    engine.submit(tenant, [item("old")]).result()

    answers = engine.submit(
        tenant,
        [item("a"), {"id": "b", "kind": "no.such", "at": NOW, "data": {}}, b"{broken", item("old"),
         item("old", recipients=501), item("a"), item("a", recipients=7), item("c")],
    ).result()  # fmt: skip

    assert statuses(answers) == [
        ("accepted", "a", None),
        ("rejected", "b", "unknown_kind"),
        ("rejected", None, "broken_json"),
        ("duplicate", "old", None),
        ("rejected", "old", "id_reused"),
        ("duplicate", "a", None),
        ("rejected", "a", "id_reused"),
        ("accepted", "c", None),
    ]


def test_a_duplicate_carries_the_decision_of_the_first_time(engine: Engine, tenant: str) -> None:
    """A sender that repeats itself, in one batch or later, learns what was decided."""
    first, within = engine.submit(tenant, [item("a"), item("a")]).result()
    (later,) = engine.submit(tenant, [msgspec.json.encode(item("a"))]).result()

    assert first.decision is not None
    assert (within.status, within.decision) == ("duplicate", first.decision)
    assert (later.status, later.decision) == ("duplicate", first.decision)


def test_submissions_that_wait_together_are_answered_apart(engine: Engine, tenant: str) -> None:
    """Many submissions share a transaction; each future holds its own items' answers."""
    futures = [engine.submit(tenant, [item(f"e{n}"), item(f"e{n + 1}")]) for n in range(200)]

    answers = [future.result() for future in futures]

    assert [[a.event_id for a in pair] for pair in answers] == [[f"e{n}", f"e{n + 1}"] for n in range(200)]
    assert [pair[0].status for pair in answers] == ["accepted"] + ["duplicate"] * 199


def test_rejections_are_kept_with_their_source(engine: Engine, database_url: str, tenant: str) -> None:
    """What was refused is there to be looked at: from where, why, and as it came."""
    engine.submit(tenant, [b'{"id": "x", "kind": 7}', item("ok")], source="ingest:day.jsonl").result()
    engine.submit(tenant, [item("ok", recipients=1)]).result()

    with connect(database_url) as connection:
        kept = rejections.page(connection, tenant).items
    assert [(k.source, k.rejection.code, k.rejection.item_id) for k in reversed(kept)] == [
        ("ingest:day.jsonl", "wrong_type", "x"),
        ("api", "id_reused", "ok"),
    ]
    assert kept[1].rejection.raw == b'{"id": "x", "kind": 7}'


def test_what_was_accepted_is_in_the_log_without_gaps(engine: Engine, database_url: str, tenant: str) -> None:
    """Arrival numbers count accepted events only, from one."""
    for n in range(5):
        engine.submit(tenant, [item(f"e{n}"), b"?", item("e0")]).result()

    assert [(row[0], row[1]) for row in logged(database_url, tenant)] == [(n + 1, f"e{n}") for n in range(5)]


def test_tenants_do_not_meet(engine: Engine, database_url: str, tenant: str) -> None:
    """The same ids in two tenants are two events, two windows, two accounts, two cases."""
    mine, theirs = tenant + "_a", tenant + "_b"
    signup = item("s", "account.signed_up", NOW - HOUR)

    engine.submit(mine, [signup, big_import("e")]).result()
    (a, b) = engine.submit(theirs, [signup, item("e", recipients=3)]).result()

    assert (a.status, b.status) == ("accepted", "accepted")
    assert b.outcome is not None
    assert b.outcome.facts["f.recipients_imported_24h"] == 3
    assert [count(database_url, "casework", name) for name in (mine, theirs)] == [1, 0]
    assert [count(database_url, "event_key", name) for name in (mine, theirs)] == [2, 2]


# -- consequences -----------------------------------------------------------------------------------------------------


def test_a_subject_has_one_case_that_later_findings_join(engine: Engine, database_url: str, tenant: str) -> None:
    """Within a batch and across batches; another account's finding opens another."""
    engine.submit(tenant, [item("s", "account.signed_up", NOW - HOUR), big_import("e1"), big_import("e2")]).result()
    engine.submit(tenant, [big_import("e3")]).result()
    engine.submit(
        tenant, [item("t", "account.signed_up", NOW - HOUR, account="acc_2"), big_import("f1", "acc_2")]
    ).result()

    with connect(database_url) as connection:
        cases = casework.page(connection, tenant).items
    assert sorted((case.subject, case.events) for case in cases) == [("acc_1", 3), ("acc_2", 1)]


def test_actions_and_notices_are_asked_for_once_a_day(engine: Engine, database_url: str, tenant: str) -> None:
    """The tenth finding of a day asks for nothing that is asked for already; the next day does."""
    before = NOW - 2 * DAY
    engine.submit(tenant, [item("s", "account.signed_up", before - HOUR)]).result()
    engine.submit(tenant, [big_import(f"d{n}", at=before + n * MINUTE) for n in range(10)]).result()
    with connect(database_url) as connection:
        first = [(entry.action, entry.target) for entry in outbox.page(connection, tenant).items]
        told = notices.of_account(connection, tenant, "acc_1")

    engine.submit(tenant, [big_import("later", at=before + DAY)]).result()

    assert sorted(first) == [("ask_for_proof", "acc_1"), ("throttle_account", "acc_1")]
    assert len(told) == 1
    assert count(database_url, "outbox", tenant) == 4
    assert count(database_url, "notice", tenant) == 2


def test_a_move_is_seen_by_the_next_event_of_the_batch(engine: Engine, database_url: str, tenant: str) -> None:
    """An account that was put on watch is on watch for what follows, in the same transaction."""
    answers = engine.submit(
        tenant, [item("s", "account.signed_up", NOW - HOUR), big_import("e1"), item("e2", recipients=1)]
    ).result()

    assert [a.outcome.facts["a.standing"] for a in answers if a.outcome] == ["applicant", "applicant", "watch"]
    with connect(database_url) as connection:
        assert accounts.standings(connection, tenant, ["acc_1"]) == {"acc_1": "watch"}
        moves = accounts.moves_of(connection, tenant, "acc_1")
    assert [(move.before, move.after) for move in moves] == [("applicant", "watch")]


def test_late_and_repeated_events_of_the_simulated_day(engine: Engine, database_url: str, tenant: str) -> None:
    """Each event is accepted once, however often it comes; late ones are taken, and their decisions say so."""
    events = [e for e, _ in simulate(7, DAY_BEGINS, 6 * HOUR, 8, late_share=0.05, repeated_share=0.05)]
    ids = [event["id"] for event in events]
    first = [event for n, event in enumerate(events) if event["id"] not in ids[:n]]
    newest = itertools.accumulate((parse_time(event["at"]) for event in first), max)
    late = [e["id"] for e, latest in zip(first, newest, strict=True) if parse_time(e["at"]) < latest]

    answers = [a for part in chunks(events, 300) for a in engine.submit(tenant, part).result()]

    assert len(ids) > len(set(ids)) > 500
    assert [a.status for a in answers] == [
        "duplicate" if event_id in ids[:n] else "accepted" for n, event_id in enumerate(ids)
    ]
    assert len(late) > 20
    assert [a.event_id for a in answers if a.status == "accepted" and a.decision and a.decision.late] == late
    assert count(database_url, "event_key", tenant) == len(set(ids))


# -- the log decides --------------------------------------------------------------------------------------------------


def test_the_same_events_in_the_same_order_give_the_same_bytes(databases: Databases) -> None:
    """Facts and decisions do not depend on the database, nor on how events are grouped into submissions."""
    events, urls = day(), [databases(), databases()]

    for url, size in zip(urls, (700, 37), strict=True):
        with running(url) as engine:
            for future in [engine.submit("demo", part) for part in chunks(events, size)]:
                future.result()

    one, other = (logged(url, "demo") for url in urls)
    assert len(one) > 1_000
    assert one == other


def test_two_engines_over_one_database_judge_as_one(databases: Databases) -> None:
    """Two processes that take turns see each other's events: facts and decisions are those of a single engine."""
    events, alone, shared = day(hours=12), databases(), databases()
    with running(alone) as engine:
        engine.submit("demo", events).result()

    with running(shared) as left, running(shared) as right:
        for part, engine in zip(chunks(events, 53), itertools.cycle((left, right, right, left)), strict=False):
            engine.submit("demo", part).result()

    assert logged(shared, "demo") == logged(alone, "demo")


def test_two_engines_at_once_lose_and_double_nothing(databases: Databases) -> None:
    """Both are given the same events at the same time; each is accepted by exactly one, in one order without gaps."""
    events, url = day(hours=6), databases()

    with running(url) as left, running(url) as right:
        futures = [engine.submit("demo", part) for part in chunks(events, 40) for engine in (left, right)]
        answers = [answer for future in futures for answer in future.result()]

    accepted = [a.event_id or "" for a in answers if a.status == "accepted"]
    rows = logged(url, "demo")
    assert sorted(accepted) == sorted({event["id"] for event in events})
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert sorted(row[1] for row in rows) == sorted(accepted)


def test_a_restart_in_the_middle_changes_nothing(databases: Databases) -> None:
    """Windows that were read back from the log give the facts that windows that lived on would have given."""
    events, steady, restarted = day(), databases(), databases()
    with running(steady) as engine:
        engine.submit("demo", events).result()

    for part in chunks(events, 400):
        with running(restarted) as engine:
            engine.submit("demo", part).result()

    assert logged(restarted, "demo") == logged(steady, "demo")


def test_odd_values_are_the_same_after_a_restart(databases: Databases) -> None:
    """What JSON and the database change in writing (big numbers, odd characters) does not change later facts."""
    odd = [
        item("s", "account.signed_up", NOW - HOUR, country="DE", name="a\u0000b\ud800", form_seconds=1e20),
        item("p", "payment.failed", NOW - MINUTE, amount=1e22, card="c\u0000\u2028'\\u0000"),
        item("q", "payment.failed", NOW - MINUTE, amount=0.1, card="c\u0000\u2028'\\u0000"),
    ]
    after = [item("r", "payment.failed", amount=-0.0, card="x"), item("z", "account.logged_in", success=True)]
    facts = []
    for restart in (False, True):
        url = databases()
        with running(url) as engine:
            first = engine.submit("demo", odd).result()
            if not restart:
                last = engine.submit("demo", after).result()
        if restart:
            with running(url) as engine:
                last = engine.submit("demo", after).result()
        facts.append([a.outcome.facts if a.outcome else a.rejection for a in first + last])

    assert facts[0] == facts[1]


# -- judging while the batch before is written ------------------------------------------------------------------------


@pytest.fixture
def slow_writes(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Writing a batch waits, with everything judged, until this is set: what comes next is judged meanwhile."""
    gate = threading.Event()
    honest = log.append

    def append(connection: Connection, tenant: str, rows: Sequence[log.LogRow], now: Micros, *more: Any) -> None:
        assert gate.wait(20)
        honest(connection, tenant, rows, now, *more)

    monkeypatch.setattr(log, "append", append)
    return gate


def plain(n: int, account: str = "acc_9") -> dict[str, Any]:
    """An event of no consequence."""
    return item(f"p{n}", "account.logged_in", account=account)


def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of events in the order in which they are judged, again or not."""
    seen: list[str] = []

    def noting(arrived: Arrived, known: Known, windows: Windows, pack: Pack, *more: Any) -> Outcome:
        seen.append(arrived.event.id)
        return process(arrived, known, windows, pack, *more)

    monkeypatch.setattr(batch, "process", noting)
    return seen


def test_the_next_batch_sees_what_is_still_being_written(
    engine: Engine, database_url: str, tenant: str, slow_writes: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids, moves and cases of a batch that is not committed count for the one judged meanwhile; nothing twice."""
    seen = judged(monkeypatch)
    first = engine.submit(tenant, [item("s", "account.signed_up", NOW - HOUR), big_import("e1"), item("again")])
    _wait(lambda: len(seen) == 3)
    second = engine.submit(tenant, [big_import("e2"), item("again"), *map(plain, range(100))])
    _wait(lambda: len(seen) >= 104)
    slow_writes.set()
    answers = first.result(), second.result()

    assert len(seen) == 3 + 101
    assert answers[1][0].outcome is not None
    assert answers[1][0].outcome.facts["a.standing"] == "watch"
    assert (answers[1][1].status, answers[1][1].decision) == ("duplicate", answers[0][2].decision)
    with connect(database_url) as connection:
        assert [case.events for case in casework.page(connection, tenant).items] == [3]


def test_what_people_do_meanwhile_is_seen(
    engine: Engine, database_url: str, tenant: str, slow_writes: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A case is decided and an account moved while a batch waits to be written: it is judged again by what is so."""
    slow_writes.set()
    engine.submit(tenant, [item("s", "account.signed_up", NOW - HOUR), big_import("e1")]).result()
    slow_writes.clear()
    seen = judged(monkeypatch)
    before = engine.submit(tenant, [plain(0)])
    _wait(lambda: len(seen) == 1)
    meant = engine.submit(tenant, [big_import("e2"), *map(plain, range(1, 101))])
    _wait(lambda: len(seen) == 102)
    with connect(database_url) as connection:
        (case,) = casework.page(connection, tenant).items
        connection.execute("UPDATE casework SET state = 'decided' WHERE case_id = %s", (case.id,))
        connection.execute(
            "UPDATE account SET standing = 'suspended' WHERE tenant = %s AND account = 'acc_1'", (tenant,)
        )
    slow_writes.set()
    before.result()
    (answer, *_) = meant.result()

    assert seen.count("e2") == 2
    assert answer.outcome is not None
    assert answer.outcome.facts["a.standing"] == "suspended"
    assert answer.outcome.facts["f.recipients_imported_24h"] == 80_000
    with connect(database_url) as connection:
        cases = {found.id: found.events for found in casework.page(connection, tenant).items}
    assert cases.pop(case.id) == 1
    assert list(cases.values()) == [1]


def test_a_batch_judged_on_one_that_failed_is_judged_anew(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two batches cannot be written: the second knows nothing of it, neither facts nor ids."""
    url, gate, honest, seen = databases(), threading.Event(), accounts.update, judged(monkeypatch)
    dying = iter([True])

    def update(connection: Connection, *more: Any) -> None:
        assert gate.wait(20)
        if next(dying, False):
            _die(connection)
        honest(connection, *more)

    with running(url) as engine:
        monkeypatch.setattr(accounts, "update", update)
        lost = engine.submit("demo", [big_import("lost")])
        _wait(lambda: seen == ["lost"])
        after = engine.submit("demo", [item("e1"), *map(plain, range(100))])
        _wait(lambda: len(seen) == 102)
        gate.set()
        with pytest.raises(Retryable):
            lost.result()
        (answer, *_) = after.result()

    assert answer.outcome is not None
    assert answer.outcome.facts["f.recipients_imported_24h"] == 500
    assert [row[1] for row in logged(url, "demo")][:2] == ["e1", "p0"]


# -- turns ------------------------------------------------------------------------------------------------------------


def work(tenant: str, name: str, count: int, source: str = "api") -> Work:
    """A submission of small items."""
    return Work(tenant, [f"{name}{n}" for n in range(count)], source, Future(), count * 500)


def order(lanes: Lanes) -> list[tuple[str, list[Any]]]:
    """Tenant and first item of every part, slice by slice."""
    slices = []
    while (taken := lanes.take()) is not None:
        slices.append((taken[0], [part.items[0] for part in taken[1]]))
    return slices


def test_large_submissions_and_tenants_take_turns() -> None:
    """A small one goes first when it comes, another tenant waits for one slice of this one."""
    lanes = Lanes()
    for submission in (work("a", "big", 3_500), work("a", "small", 1), work("b", "other", 1), work("a", "last", 1)):
        lanes.put(submission)

    assert order(lanes) == [
        ("a", ["small0", "last0", "big0"]),  # a short slice of the large one
        ("b", ["other0"]),
        ("a", ["big250"]),
        ("a", ["big1250"]),
        ("a", ["big2250"]),
        ("a", ["big3250"]),
    ]
    assert lanes.events == 0


def test_parts_of_a_file_keep_their_order() -> None:
    """Submissions of one source follow each other, however large; so do small ones of the API."""
    lanes = Lanes()
    for submission in (work("a", "one", 1_500, "ingest:f"), work("a", "two", 1_500, "ingest:f"), work("a", "x", 600)):
        lanes.put(submission)

    taken = [name for _, names in order(lanes) for name in names if name != "x0"]
    assert taken == sorted(taken, key=lambda name: (name[:3], int(name[3:])))
    assert {"one0", "two0"} < set(taken)


def test_large_items_make_small_slices() -> None:
    """A quarter of a megabyte each: a slice is two of them."""
    lanes = Lanes()
    items = [b"x" * 250_000] * 5
    lanes.put(Work("a", items, "api", Future(), 1_250_000))

    sizes = []
    while (taken := lanes.take()) is not None:
        sizes.append([len(part.items) for part in taken[1]])
    assert sizes == [[2], [2], [1]]


def test_too_many_bytes_at_once_are_told_to_wait(database_url: str, tenant: str) -> None:
    """Few large events fill the memory like many small ones; answered ones make room."""
    with running(database_url, queue_limit_bytes=1_000) as engine, connect(database_url) as holder:
        log.lock_tenant(holder, tenant)
        taken = engine.submit(tenant, [msgspec.json.encode(item("a", source="x" * 900))])
        with pytest.raises(Busy):
            engine.submit(tenant, [msgspec.json.encode(item("b"))])
        holder.rollback()
        taken.result()
        _wait(lambda: engine._bytes == 0)
        (answer,) = engine.submit(tenant, [msgspec.json.encode(item("b"))]).result()

    assert answer.status == "accepted"


# -- snapshots --------------------------------------------------------------------------------------------------------


def take(url: str) -> snapshots.Snapshot | None:
    """Take a snapshot of the tenant `demo`, as a process of its own would."""
    with open_pool(url, size=2) as pool:
        return handle_snapshots.take(pool, "demo", PACK, Settings().late_horizon, NOW)


def restored(url: str) -> int | None:
    """The arrival from which a start would read the log, None: from its beginning."""
    with connect(url) as connection:
        found = handle_snapshots.restore(connection, "demo", PACK, Settings().late_horizon)
    return found[1] if found else None


def test_a_start_from_a_snapshot_changes_nothing(databases: Databases) -> None:
    """Windows from a snapshot and the tail after it give the facts that windows that lived on would have given."""
    events, steady, restarted = day(), databases(), databases()
    with running(steady) as engine:
        engine.submit("demo", events).result()

    starts = []
    for number, part in enumerate(chunks(events, 300)):
        with running(restarted) as engine:
            engine.submit("demo", part).result()
        if number % 2 == 0:
            take(restarted)
        starts.append(restored(restarted))

    assert logged(restarted, "demo") == logged(steady, "demo")
    assert starts[0] == starts[1] != starts[2]
    assert None not in starts


def test_only_the_latest_snapshots_are_kept(databases: Databases) -> None:
    """Two of them; and none is taken when nothing is new."""
    url = databases()
    taken = []
    with running(url) as engine:
        for n in range(3):
            engine.submit("demo", [item(f"e{n}")]).result()
            taken.append(take(url))
        nothing_new = take(url)

    with connect(url) as connection:
        kept = [found.arrival for found in snapshots.of(connection, "demo")]
        orphans = connection.execute("SELECT count(DISTINCT snapshot_id) FROM window_snapshot_chunk").fetchone()
    assert [found.arrival for found in taken if found] == [1, 2, 3]
    assert nothing_new is None
    assert kept == [3, 2]
    assert orphans == (2,)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE window_snapshot_chunk SET body = substr(body, 1, length(body) / 2)",
        "UPDATE window_snapshot_chunk SET body = set_byte(body, 60, 255 - get_byte(body, 60)) WHERE length(body) > 99",
        "DELETE FROM window_snapshot_chunk",
        "UPDATE window_snapshot SET arrival = arrival + 1000000",
    ],
    ids=["cut", "changed", "gone", "ahead"],
)  # fmt: skip
def test_a_broken_snapshot_is_left_out(databases: Databases, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log is read instead, a line says so, and the facts are the same."""
    events, after, steady, broken = day(hours=3), [item("next")], databases(), databases()
    for url in (steady, broken):
        with running(url) as engine:
            engine.submit("demo", events).result()
    take(broken)
    with psycopg.connect(broken) as connection:
        connection.execute(harm)

    for url in (steady, broken):
        with running(url) as engine:
            engine.submit("demo", after).result()

    assert logged(broken, "demo") == logged(steady, "demo")
    assert restored(broken) is None
    assert "is left out" in "\n".join(caplog.messages)


# -- other definitions ------------------------------------------------------------------------------------------------

EXTRA = b"""
[feature.imports_1h]
doc = "imports of the account in the last hour"
owner = "tests"
aggregate = "count"
key = ["account"]
on = ["list.imported"]
window = "1h"
"""


def make_pack(**files: bytes) -> Pack:
    """The shipped pack with a layer over it: features/extra.toml and so on."""
    layer = {f"local/{path.replace('__', '/')}.toml": body for path, body in files.items()}
    pack, problems = build_pack(read_layer(SHIPPED) | {"local/pack.toml": b'name = "local"'} | layer)
    assert pack is not None, problems
    return pack


@contextmanager
def changing(url: str) -> Iterator[tuple[Engine, list[Pack]]]:
    """An engine whose pack is the last of a list."""
    packs = [PACK]
    with open_pool(url, size=4) as pool:
        engine = Engine(pool, lambda tenant: packs[-1], lambda: NOW, Settings())
        engine.start()
        yield engine, packs
        engine.close()


def deciding(engine: Engine) -> tuple[str, str | None]:
    """The version that decides, and the one that is on its way."""
    (progress,) = engine.progress()
    return progress.pack, progress.next_pack


def test_a_pack_with_the_same_features_keeps_the_windows(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """No event of the log is read again."""
    with changing(databases()) as (engine, packs):
        engine.submit("demo", [item("a")]).result()
        monkeypatch.setattr(log, "tail", _refuse)
        packs.append(make_pack(triage=(SHIPPED / "triage.toml").read_bytes()))
        (answer,) = engine.submit("demo", [item("b")]).result()

        assert deciding(engine) == (packs[-1].version, None)
    assert answer.outcome is not None
    assert answer.outcome.facts["f.recipients_imported_24h"] == 1_000


def test_new_features_are_built_from_the_log_while_the_old_decide(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions go on by the old pack and say so; then the new feature knows everything that happened before it was."""
    gate, honest = threading.Event(), log.tail

    def tail(connection: Connection, tenant: str, after: int = 0) -> Iterator[Any]:
        if threading.current_thread().name.startswith("rebuild"):
            assert gate.wait(20)
        yield from honest(connection, tenant, after)

    monkeypatch.setattr(log, "tail", tail)
    monkeypatch.setattr(rebuild, "_NEAR", 0)
    before = [item(f"e{n}", at=NOW - MINUTE) for n in range(50)]
    with changing(databases()) as (engine, packs):
        engine.submit("demo", before).result()
        packs.append(make_pack(features__extra=EXTRA))
        (meanwhile,) = engine.submit("demo", [item("meanwhile")]).result()
        building = deciding(engine)
        gate.set()
        _wait(lambda: engine._memories["demo"].rebuild.is_near)  # type: ignore[union-attr]
        (after,) = engine.submit("demo", [item("after")]).result()
        built = deciding(engine)

    assert building == (PACK.version, packs[-1].version)
    assert built == (packs[-1].version, None)
    assert meanwhile.outcome is not None
    assert after.outcome is not None
    assert "f.imports_1h" not in meanwhile.outcome.facts
    assert meanwhile.decision is not None
    assert meanwhile.decision.versions["pack"] == PACK.version
    assert after.outcome.facts["f.imports_1h"] == 52
    assert after.outcome.facts["f.recipients_imported_24h"] == 52 * 500


def test_a_change_in_the_middle_gives_the_facts_of_a_start_with_it(databases: Databases) -> None:
    """Under load, in small batches: from the change on, facts are those that windows from the log have."""
    events, url, steady, pack = day(), databases(), databases(), make_pack(features__extra=EXTRA)
    with changing(url) as (engine, packs):
        for number, part in enumerate(chunks(events, 60)):
            if number == 5:
                packs.append(pack)
            engine.submit("demo", part).result()
        assert deciding(engine) == (pack.version, None)
    with changing(steady) as (engine, packs):
        packs.append(pack)
        engine.submit("demo", events).result()

    changed, whole = logged(url, "demo"), logged(steady, "demo")
    since = next(n for n, row in enumerate(changed) if pack.version in row[3])
    assert 0 < since < len(changed) - 100
    assert [row[:3] for row in changed[since:]] == [row[:3] for row in whole[since:]]


# -- when things go wrong ---------------------------------------------------------------------------------------------


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Ids of events that cannot be judged: `process` breaks after it has touched the windows."""
    ids: set[str] = set()

    def breaking(arrived: Arrived, known: Known, windows: Windows, pack: Pack, *more: Any) -> Outcome:
        outcome = process(arrived, known, windows, pack, *more)
        if arrived.event.id in ids:
            raise ZeroDivisionError(arrived.event.id)
        return outcome

    monkeypatch.setattr(batch, "process", breaking)
    return ids


def test_an_event_that_breaks_the_engine_harms_no_other(
    engine: Engine, database_url: str, tenant: str, poisoned: set[str]
) -> None:
    """It is rejected as our fault and kept whole; the batch's rest and other submissions are answered as without it."""
    poisoned |= {"bad", "worse"}
    engine.submit(tenant, [item("first")]).result()

    bad, worse = item("bad", recipients=90_000), msgspec.json.encode(item("worse"))
    futures = [
        engine.submit(tenant, [item("a"), bad, item("b"), worse]),
        engine.submit(tenant, [item("c")]),
        engine.submit(tenant + "_other", [item("bad2")]),
    ]
    mixed, plain, other = (future.result() for future in futures)

    assert statuses(mixed) == [
        ("accepted", "a", None),
        ("rejected", "bad", "internal_error"),
        ("accepted", "b", None),
        ("rejected", "worse", "internal_error"),
    ]
    assert [a.status for a in plain + other] == ["accepted", "accepted"]
    assert plain[0].outcome is not None
    assert plain[0].outcome.facts["f.recipients_imported_24h"] == 4 * 500
    with connect(database_url) as connection:
        kept = rejections.page(connection, tenant).items
    assert {k.rejection.item_id: msgspec.json.decode(k.rejection.raw) for k in kept} == {
        "bad": bad,
        "worse": item("worse"),
    }


def test_an_event_that_could_not_be_judged_may_come_again(engine: Engine, tenant: str, poisoned: set[str]) -> None:
    """After the fault is mended the same id is new."""
    poisoned.add("bad")
    (before,) = engine.submit(tenant, [item("bad")]).result()
    poisoned.clear()

    (after,) = engine.submit(tenant, [item("bad")]).result()

    assert (before.status, after.status) == ("rejected", "accepted")


def test_an_event_that_cannot_be_written_harms_no_other(
    engine: Engine, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses one row; that item is rejected, the others are accepted."""

    def append(connection: Connection, tenant: str, rows: Sequence[log.LogRow], now: Micros, *more: Any) -> None:
        log_append(connection, tenant, rows, now, *more)
        if any(row.event.id == "bad" for row in rows):
            connection.execute("SELECT 1 / 0")

    log_append = log.append
    monkeypatch.setattr(log, "append", append)

    answers = engine.submit(tenant, [item("a"), item("bad"), item("b")]).result()

    assert statuses(answers) == [
        ("accepted", "a", None),
        ("rejected", "bad", "internal_error"),
        ("accepted", "b", None),
    ]
    assert answers[2].outcome is not None
    assert answers[2].outcome.facts["f.recipients_imported_24h"] == 1_000


def test_a_row_beyond_a_limit_is_the_events_fault(engine: Engine, tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL calls it an operational error; saying "away, send it again" would block everything behind it."""
    honest = log.append

    def append(connection: Connection, of: str, rows: Sequence[log.LogRow], now: Micros, *more: Any) -> None:
        if any(row.event.id == "bad" for row in rows):
            raise psycopg.errors.ProgramLimitExceeded("index row size exceeds the maximum")
        honest(connection, of, rows, now, *more)

    monkeypatch.setattr(log, "append", append)
    answers = engine.submit(tenant, [item("good"), item("bad")]).result(30)

    assert [(a.status, a.rejection and a.rejection.code) for a in answers] == [
        ("accepted", None),
        ("rejected", "internal_error"),
    ]


def test_a_failed_commit_leaves_nothing_in_the_windows(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection dies after everything was written: nothing is kept, and later facts know nothing of it."""
    steady, broken = databases(), databases()
    events, lost, after = day(hours=3), [big_import("lost")], [item("next")]
    with running(steady) as engine:
        engine.submit("demo", events).result()
        engine.submit("demo", after).result()

    with running(broken) as engine:
        engine.submit("demo", events).result()
        with monkeypatch.context() as patched:
            patched.setattr(accounts, "update", _die)
            with pytest.raises(Retryable):
                engine.submit("demo", lost).result()
        engine.submit("demo", after).result()

    assert logged(broken, "demo") == logged(steady, "demo")


def _die(connection: Connection, *_: object) -> None:
    connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_the_database_may_go_and_come_back(server: EmbeddedServer, databases: Databases) -> None:
    """While it is away submissions fail as retryable and nothing is kept; afterwards the same items are accepted."""
    url = databases()
    name = url.split("/")[3].split("?")[0]
    with running(url) as engine, psycopg.connect(server.url, autocommit=True) as admin:
        pool: Pool = engine._pool
        pool.timeout = 0.3
        engine.submit("demo", [item("before")]).result()
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        for _ in range(2):
            with pytest.raises(Retryable, match="the database is away"):
                engine.submit("demo", [item("while"), b"?"]).result()

        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        answers = _insist(engine, [item("while"), item("before")])

    assert [a.status for a in answers] == ["accepted", "duplicate"]
    assert [row[1] for row in logged(url, "demo")] == ["before", "while"]
    assert count(url, "rejection", "demo") == 0


def _insist(engine: Engine, items: Sequence[object]) -> list[Answer]:
    deadline = time.monotonic() + 20
    while True:
        try:
            return engine.submit("demo", items).result()
        except Retryable:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_engine_survives_when_not_even_a_rejection_can_be_kept(
    engine: Engine, tenant: str, poisoned: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread goes on whatever happens: who waits is told to come again."""
    poisoned.add("bad")
    with monkeypatch.context() as patched:
        patched.setattr(rejections, "add", _refuse)
        with pytest.raises(Retryable):
            engine.submit(tenant, [item("bad")]).result(timeout=10)

    (answer,) = engine.submit(tenant, [item("good")]).result(timeout=10)

    assert (answer.status, engine.is_running) == ("accepted", True)


def _refuse(*_: object) -> None:
    raise RuntimeError("no room")


def test_a_submission_given_up_before_its_turn_is_left_out(engine: Engine, tenant: str) -> None:
    """A caller may cancel what has not begun; the engine goes on."""
    busy = engine.submit(tenant + "_other", [item(f"e{n}") for n in range(300)])
    gone = engine.submit(tenant, [item("gone")])
    was_cancelled = gone.cancel()
    busy.result()

    (answer,) = engine.submit(tenant, [item("gone")]).result(timeout=10)

    assert answer.status == ("accepted" if was_cancelled else "duplicate")


def test_too_much_at_once_is_told_to_wait(database_url: str, tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit Busy is raised and nothing is taken; what was taken is answered, and then there is room."""
    with running(database_url, queue_limit=10) as engine, connect(database_url) as holder:
        log.lock_tenant(holder, tenant)  # another process is at work for long
        taken = [engine.submit(tenant, [item(f"t{n}") for n in range(6)])]
        with pytest.raises(Busy):
            engine.submit(tenant, [item(f"x{n}") for n in range(5)])
        taken.append(engine.submit(tenant, [item(f"u{n}") for n in range(4)]))
        with pytest.raises(Busy):
            engine.submit(tenant, [item("x")])
        waiting = engine.waiting
        holder.rollback()
        answers = [a for future in taken for a in future.result()]
        _wait(lambda: engine.waiting == 0)
        (late,) = engine.submit(tenant, [item("x")]).result()

    assert waiting == 10
    assert [a.status for a in answers] == ["accepted"] * 10
    assert late.status == "accepted"


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_engine_that_stops_answers_what_it_has_taken(database_url: str, tenant: str) -> None:
    """Closing waits for the work at hand; whoever comes later is told to come again."""
    with running(database_url) as engine:
        taken: list[Future[list[Answer]]] = [engine.submit(tenant, [item(f"e{n}")]) for n in range(50)]
        engine.close()
        with pytest.raises(Retryable):
            engine.submit(tenant, [item("late")])

        assert [future.result(timeout=0)[0].status for future in taken] == ["accepted"] * 50


def test_a_database_put_back_is_followed(databases: Databases) -> None:
    """Somebody restores a backup under a running engine: numbers and facts go on from what the log holds."""
    url = databases()
    with running(url) as engine:
        engine.submit("demo", [item("a"), item("b")]).result()
        with psycopg.connect(url) as admin:
            for table in ("event_key", "event", "fact", "decision"):
                admin.execute(f"DELETE FROM {table} WHERE arrival = 2")

        (answer,) = engine.submit("demo", [item("c")]).result()

    assert [(row[0], row[1]) for row in logged(url, "demo")] == [(1, "a"), (2, "c")]
    assert answer.outcome is not None
    assert answer.outcome.facts["f.recipients_imported_24h"] == 1_000


def test_what_was_answered_needs_no_collector(engine: Engine, tenant: str) -> None:
    """No circle holds a submission: windows are frozen now and then, and what were garbage later would stay."""
    engine.submit(tenant, [plain(0)]).result(20)
    gc.collect()
    gc.disable()
    try:
        for number in range(1, 6):
            engine.submit(tenant, [plain(number)]).result(20)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = [item for item in gc.garbage if isinstance(item, Work | Answer | Future)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()

    assert found == []
