"""The log: what goes in comes out, in order of arrival, and no text can break a batch."""

import threading
import time

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodsend.kit.clock import DAY
from goodsend.rules.model import Verdict
from goodsend.store import log
from goodsend.store.connection import Connection, connect
from goodsend.store.jsonable import KEY_CHARS, clean, encode, key
from goodsend.store.partitions import date_of, ensure_days
from tests.conftest import NOW, make_event
from tests.store.made import log_events, make_decision, make_hit


@pytest.mark.parametrize("few", [0, 4], ids=["copied", "inserted"])
def test_events_come_back_in_order_of_arrival(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """The tail gives equal events in the order they came, whatever day they happened on and however they went in."""
    monkeypatch.setattr(log, "FEW", few)
    events = [
        make_event(id="a", at=NOW),
        make_event(id="b", at=NOW - 40 * DAY, data={"tags": ("x", "y"), "score": 0.5, "ok": True, "none": None}),
        make_event(id="c", at=NOW - DAY, channel=None, content="sha256:1"),
        make_event(id="d", at=NOW + 1, data={"n": 2**62, "text": 'é"\\\t日'}),
    ]

    log_events(connection, *events)

    assert list(log.tail(connection, "demo")) == list(enumerate(events, 1))
    assert [event.id for _, event in log.tail(connection, "demo", after=2)] == ["c", "d"]
    assert [event.id for _, event in log.tail(connection, "demo", since=NOW - 2 * DAY)] == ["a", "c", "d"]


def test_tail_reads_in_index_order(connection: Connection) -> None:
    """A long log over many days is streamed from its indexes, never sorted as a whole."""
    log_events(connection, *(make_event(id=f"e{n}", at=NOW - n % 5 * DAY) for n in range(200)))
    connection.execute("ANALYZE event")
    connection.execute("SET LOCAL enable_seqscan = off")

    plan = connection.execute(
        "EXPLAIN SELECT * FROM event WHERE tenant = 'demo' AND arrival > 3 AND day >= '2000-01-01' ORDER BY arrival"
    ).fetchall()

    assert not [line for (line,) in plan if "Sort " in line and "Sort Key" not in line]
    assert [line for (line,) in plan if "Merge Append" in line]


def test_arrivals_count_per_tenant(connection: Connection) -> None:
    """Each tenant has its own numbers, and sees only its own."""
    log_events(connection, make_event(id="a"), make_event(id="b"))
    log_events(connection, make_event(tenant="other", id="a"))

    assert (log.last_arrival(connection, "demo"), log.last_arrival(connection, "other")) == (2, 1)
    assert log.last_arrival(connection, "nobody") == 0
    assert [event.tenant for _, event in log.tail(connection, "other")] == ["other"]
    assert list(log.known_ids(connection, "other", ["a", "b"])) == ["a"]
    assert list(log.decisions_for(connection, "other", ["a", "b"])) == ["a"]


def test_known_ids_tell_place_and_hash(connection: Connection) -> None:
    """A repeat is told by its id, with where it is and what it said."""
    log_events(connection, make_event(id="a"))

    assert log.known_ids(connection, "demo", ["a", "z"]) == {"a": (date_of(NOW), 1, bytes(16))}


def test_decisions_come_back_whole(connection: Connection) -> None:
    """A duplicate is answered with the decision of the first time, equal in every field."""
    event = make_event()
    log_events(connection, event, hits=(make_hit(), make_hit(rule="quiet", acts=False)), unknown={"r": ("f.x",)})
    expected = make_decision(event, hits=(make_hit(), make_hit(rule="quiet", acts=False)), unknown={"r": ("f.x",)})

    assert log.decisions_for(connection, "demo", [event.id, "z"]) == {event.id: expected}
    assert connection.execute("SELECT rules, shadow FROM decision").fetchone() == (["big_import"], ["quiet"])


NASTY = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(
    ["\0", "\ud800", "\\u0000", "a\\\0b", "x" * 9000]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NASTY, min_size=5, max_size=5))
def test_no_text_breaks_a_batch(connection: Connection, texts: list[str]) -> None:
    """NUL, lone surrogates and endless keys are stored as text that PostgreSQL can hold."""
    event_id, kind, channel, account, value = texts
    event = make_event(tenant="nasty", id=event_id, kind=kind, channel=channel, data={"account": account, value: value})

    read = []
    for few in (0, 4):
        with pytest.MonkeyPatch.context() as patch, connection.transaction(force_rollback=True):
            patch.setattr(log, "FEW", few)
            log_events(connection, event, hits=(make_hit(reason=value),))
            read += [event for _, event in log.tail(connection, "nasty")]

    assert [event.data[clean(value)] for event in read] == [clean(value)] * 2


def test_both_ways_in_write_the_same(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied or inserted, every column of every table holds the same."""
    events = [
        make_event(id="a", kind="k" * 600, data={"account": "ü" * 700, "n": -(2**63), "x": 0.1}),
        make_event(id="b\0", at=-1, channel=None, content="sha256:1", data={"account": "acc_1"}),
        make_event(id="c", at=NOW - 300 * DAY, data={"text": "\ud800\\u0000", "ok": None, "many": ("x", "y")}),
    ]
    hits = (make_hit(), make_hit(rule="second"), make_hit(rule="quiet", acts=False))
    written = []
    for few in (0, 10):
        monkeypatch.setattr(log, "FEW", few)
        log_events(connection, *events, hits=hits, severity=3, points=0.3, verdict=Verdict.HOLD)
        log_events(connection, make_event(id="d", data={}))
        written.append(
            [
                connection.execute(f"SELECT * FROM {table} ORDER BY arrival").fetchall()
                for table in ("event_key", "event", "fact", "decision")
            ]
        )
        connection.rollback()

    assert [len(rows) for rows in written[0]] == [4] * 4
    assert written[0] == written[1]


def test_plain_text_is_not_changed() -> None:
    """Cleaning leaves what can be held as it is, a backslash before u0000 included; long keys stay different."""
    assert clean("日本 \\u0000 é") == "日本 \\u0000 é"
    assert encode({"a": "\\u0000"}) == b'{"a":"\\\\u0000"}'
    assert key("short") == "short"
    assert len(key("x" * 9000)) == KEY_CHARS
    assert key("x" * 9000) != key("x" * 9001)


def test_days_are_made_once_by_two_at_once(database_url: str) -> None:
    """Two writers that need the same new days at the same moment both go on."""
    days = [date_of(NOW + n * DAY) for n in range(400, 404)]
    made: list[int] = []

    def make() -> None:
        with connect(database_url) as mine:
            made.append(len(ensure_days(mine, days)))
            time.sleep(0.05)

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [0, 0, 4]


def test_a_new_day_does_not_stop_readers_and_writers(database_url: str) -> None:
    """While one transaction attaches a day, others read all days and write to theirs."""
    with connect(database_url) as first, connect(database_url) as second:
        log_events(first, make_event(tenant="t1"))
        first.commit()
        ensure_days(first, [date_of(NOW + 500 * DAY)])

        second.execute("SET LOCAL lock_timeout = '500ms'")
        log_events(second, make_event(tenant="t2"))

        assert second.execute("SELECT count(*) FROM event WHERE tenant IN ('t1', 't2')").fetchone() == (2,)
        second.rollback()
        first.rollback()


def test_one_writer_a_tenant(database_url: str) -> None:
    """A second writer of the same tenant waits; another tenant's does not."""
    with connect(database_url) as first, connect(database_url) as second:
        log.lock_tenant(first, "demo")
        second.execute("SET lock_timeout = '100ms'")
        second.commit()

        log.lock_tenant(second, "other")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            log.lock_tenant(second, "demo")
