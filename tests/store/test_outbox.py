"""The outbox: written once, handed out to one worker at a time, never lost."""

import pytest

from goodsend.kit.clock import MINUTE
from goodsend.kit.errors import NotFound
from goodsend.store import audit, outbox
from goodsend.store.connection import Connection, connect
from goodsend.store.outbox import Attempt, Due
from tests.conftest import NOW
from tests.store.made import make_action, make_decision


def add(connection: Connection, *ids: str, tenant: str = "demo") -> None:
    outbox.add(connection, tenant, [(make_action(id=id_), make_decision()) for id_ in ids], NOW)


def claim(connection: Connection, now: int = NOW, limit: int = 10) -> list[Due]:
    return outbox.claim(connection, now, limit, MINUTE)


def test_an_action_is_asked_for_once(connection: Connection) -> None:
    """The same action twice is one entry; it tells what it rests on, and goes where the tenant chose."""
    add(connection, "act_1")
    add(connection, "act_1")

    ((entry, attempts),) = [outbox.one(connection, "demo", item.id) for item in outbox.page(connection, "demo").items]
    assert (entry.connector, entry.action, entry.target, entry.state) == ("printed", "hold_campaign", "cmp_1", "due")
    assert entry.payload == {
        "params": {"hours": 4}, "policy": "purchased_list", "because": ["big_import"],
        "decision": make_decision().id, "event": "evt_1", "account": "acc_1",
    }  # fmt: skip
    assert attempts == []


def test_a_claim_hides_until_the_lease_ends(connection: Connection) -> None:
    """What is taken is not handed out again before the lease is over, then under the same id."""
    add(connection, "act_1")

    (first,) = claim(connection)
    assert claim(connection, NOW + MINUTE - 1) == []
    (second,) = claim(connection, NOW + MINUTE)

    assert (first.id, first.attempt, first.tries) == ("act_1", 1, 1)
    assert (second.id, second.attempt, second.tries) == ("act_1", 2, 2)


def test_two_workers_never_take_the_same(database_url: str) -> None:
    """A claim skips what another transaction is taking, without waiting."""
    with connect(database_url) as first, connect(database_url) as second:
        add(first, *(f"act_{n}" for n in range(4)))
        first.commit()

        mine = {due.id for due in claim(first, limit=3)}
        theirs = {due.id for due in claim(second, limit=3)}

        assert (len(mine), len(theirs), mine & theirs) == (3, 1, set())
        first.rollback()
        second.rollback()
        first.execute("DELETE FROM outbox")


def test_success_and_failure_are_recorded(connection: Connection) -> None:
    """Done, again later, or dead: with every attempt on record."""
    add(connection, "act_1", "act_2")
    one, two = sorted(claim(connection), key=lambda due: due.id)

    outbox.settle(connection, one, Attempt(1, NOW + 1, 200, None, "ok"), is_done=True, again_at=None)
    failed = Attempt(1, NOW + 2, 503, "the receiver answered 503", "x\0" * 2_000)
    outbox.settle(connection, two, failed, is_done=False, again_at=NOW + 5)
    assert claim(connection, NOW + 4) == []
    (again,) = claim(connection, NOW + 5)
    outbox.settle(connection, again, Attempt(2, NOW + 6, None, "gone", None), is_done=False, again_at=None)

    assert outbox.counts(connection, "demo") == {"due": 0, "done": 1, "dead": 1}
    done, _ = outbox.one(connection, "demo", "act_1")
    dead, attempts = outbox.one(connection, "demo", "act_2")
    assert (done.done_at, done.last_error) == (NOW + 1, None)
    assert (dead.state, dead.last_error, dead.attempts) == ("dead", "gone", 2)
    assert [(a.attempt, a.status) for a in attempts] == [(1, 503), (2, None)]
    assert len(attempts[0].answer or "") == outbox.ANSWER_CHARS


def test_a_slow_failure_does_not_undo_a_later_success(connection: Connection) -> None:
    """Who comes back after the lease with a failure finds another's success untouched."""
    add(connection, "act_1")
    (slow,) = claim(connection)
    (quick,) = claim(connection, NOW + MINUTE)

    outbox.settle(connection, slow, Attempt(1, NOW, None, "late", None), is_done=False, again_at=None)
    assert outbox.one(connection, "demo", "act_1")[0].state == "due"
    outbox.settle(connection, quick, Attempt(2, NOW, 200, None, None), is_done=True, again_at=None)
    outbox.settle(connection, slow, Attempt(1, NOW, None, "late", None), is_done=False, again_at=NOW)

    assert outbox.one(connection, "demo", "act_1")[0].state == "done"


def test_dead_letters_can_be_sent_again(connection: Connection) -> None:
    """A re-sent entry has its whole schedule before it, and the audit knows who asked."""
    add(connection, "act_1")
    (due,) = claim(connection)
    outbox.settle(connection, due, Attempt(1, NOW, None, "gone", None), is_done=False, again_at=None)

    outbox.resend(connection, "demo", "act_1", "ada", NOW + 9)

    (again,) = claim(connection, NOW + 9)
    assert (again.attempt, again.tries) == (2, 1)
    assert [(row.act, row.actor) for row in audit.recent(connection, "demo").items] == [("outbox.resent", "ada")]


def test_what_waits_goes_to_the_new_destination(connection: Connection) -> None:
    """Choosing a webhook moves what is due; address and secret come along with a claim."""
    connection.execute("INSERT INTO tenant VALUES ('demo', 'Demo', now())")
    add(connection, "act_1")
    assert outbox.destination(connection, "demo") is None

    outbox.set_destination(connection, "demo", "webhook", "https://hooks.example.com/", "s3cret", NOW)
    add(connection, "act_2")

    found = [(due.connector, due.url, due.secret) for due in claim(connection)]
    assert found == [("webhook", "https://hooks.example.com/", "s3cret")] * 2


def test_pages_show_each_entry_once(connection: Connection) -> None:
    """Entries of one moment are paged by id; state and target narrow them."""
    add(connection, *(f"act_{n}" for n in range(5)))
    found: list[str] = []
    cursor = None
    while True:
        page = outbox.page(connection, "demo", cursor=cursor, limit=2)
        found += [item.id for item in page.items]
        cursor = page.next
        if cursor is None:
            break

    assert found == [f"act_{n}" for n in reversed(range(5))]
    assert outbox.page(connection, "demo", state="dead").items == []
    assert len(outbox.page(connection, "demo", target="cmp_1").items) == 5


def test_the_outbox_is_one_tenant_s(connection: Connection) -> None:
    """No read and no re-send reaches another tenant's entries; the same id may exist in both."""
    add(connection, "act_1")
    add(connection, "act_1", tenant="third")

    assert outbox.page(connection, "other").items == []
    assert outbox.counts(connection, "other") == {"due": 0, "done": 0, "dead": 0}
    with pytest.raises(NotFound):
        outbox.one(connection, "other", "act_1")
    with pytest.raises(NotFound):
        outbox.resend(connection, "other", "act_1", "eve", NOW)
    assert sorted(due.tenant for due in claim(connection)) == ["demo", "third"]
