"""Accounts, contents, notices, lists, rejections, tenants: what is written is read, by its tenant alone."""

import pytest

from goodsend.events.model import Content
from goodsend.kit.clock import DAY, HOUR
from goodsend.kit.errors import Misconfigured, NotFound, Rejection
from goodsend.outreach.model import Notice
from goodsend.scanning.model import Scan, Signal, Span
from goodsend.standing.model import Move
from goodsend.store import accounts, contents, explore, lists, notices, rejections, tenants
from goodsend.store.accounts import Seen
from goodsend.store.connection import Connection
from tests.conftest import NOW


def seen(account: str | None = "acc_1", at: int = NOW, verdict: str = "allow", **but: object) -> Seen:
    profile = but.get("profile", {})
    entities = but.get("entities", ())
    return Seen(account, at, verdict, profile, entities)  # type: ignore[arg-type]


def test_an_account_is_the_sum_of_its_events(connection: Connection) -> None:
    """Count, first, last, gravest verdict and profile follow from the events, in whatever batches they came."""
    accounts.update(connection, "demo", [seen(at=NOW, verdict="review", profile={"plan": "free"}), seen(None)], NOW)
    accounts.update(connection, "demo", [seen(at=NOW + 5, profile={"plan": "paid"}), seen(at=NOW + 3)], NOW)

    found = explore.account(connection, "demo", "acc_1")

    assert (found.events, found.first_at, found.last_at, found.worst) == (3, NOW, NOW + 5, "review")
    assert found.profile == {"plan": "paid"}
    assert found.standing == "applicant"


def test_a_late_event_does_not_bring_back_an_old_profile(connection: Connection) -> None:
    """What happened before only fills what was not known."""
    accounts.update(connection, "demo", [seen(at=NOW, profile={"plan": "paid"})], NOW)

    accounts.update(connection, "demo", [seen(at=NOW - DAY, profile={"plan": "free", "country": "FR"})], NOW)

    found = explore.account(connection, "demo", "acc_1")
    assert found.profile == {"plan": "paid", "country": "FR"}
    assert (found.first_at, found.last_at) == (NOW - DAY, NOW)


def test_moves_change_standings(connection: Connection) -> None:
    """The last of several moves stands, and each is kept with its reason."""
    accounts.update(connection, "demo", [seen()], NOW)
    moves = [
        Move("acc_1", "applicant", "watch", NOW, "A list was large.", "dec_1"),
        Move("acc_1", "watch", "suspended", NOW + 1, "A mail imitated a carrier.", "dec_2"),
    ]

    accounts.apply_moves(connection, "demo", moves)

    assert accounts.standings(connection, "demo", {"acc_1", "unseen"}) == {"acc_1": "suspended"}
    assert accounts.moves_of(connection, "demo", "acc_1") == moves[::-1]
    assert accounts.standings(connection, "other", {"acc_1"}) == {}
    assert accounts.moves_of(connection, "other", "acc_1") == []


def test_endless_account_names_keep_their_standing(connection: Connection) -> None:
    """A name too long for an index is found again under the name that was asked for."""
    name = "a" * 5000
    accounts.update(connection, "demo", [seen(name)], NOW)

    assert accounts.standings(connection, "demo", {name}) == {name: "applicant"}
    assert explore.account(connection, "demo", name).events == 1


def test_content_is_kept_once(connection: Connection) -> None:
    """The same digest twice is one row; bodies come back byte by byte."""
    content = Content("sha256:1", "message/rfc822", b"\x00\xff mail")

    contents.keep(connection, "demo", [content], NOW)
    contents.keep(connection, "demo", [content], NOW)

    assert contents.bodies(connection, "demo", {"sha256:1", "sha256:2"}) == {"sha256:1": content}
    assert contents.bodies(connection, "other", {"sha256:1"}) == {}


def test_the_last_scan_stands(connection: Connection) -> None:
    """A scan comes back whole, NUL in its evidence replaced; a later one replaces it."""
    first = Scan((), {"s.LINK_IP_HOST": False})
    last = Scan((Signal("LINK_IP_HOST", "a\0b", Span("text", 1, 2)),), {"s.LINK_IP_HOST": True}, ("cut",))

    contents.keep_scans(connection, "demo", {"sha256:1": first}, "p1", NOW)
    contents.keep_scans(connection, "demo", {"sha256:1": last}, "p2", NOW)

    assert contents.scan_of(connection, "demo", "sha256:1") == Scan(
        (Signal("LINK_IP_HOST", "a\ufffdb", Span("text", 1, 2)),), {"s.LINK_IP_HOST": True}, ("cut",)
    )
    assert contents.scan_of(connection, "other", "sha256:1") is None


def test_notices_are_drafts_first(connection: Connection) -> None:
    """A draft is kept once and found by account and by decision."""
    notice = Notice("ntc_1", "acc_1", "hold", "en", "Held", "Dear …", "purchased_list", "dec_1", NOW)

    notices.keep(connection, "demo", [notice, notice])

    assert notices.of_account(connection, "demo", "acc_1") == [(notice, "draft")]
    assert notices.of_decisions(connection, "demo", ["dec_1"]) == [(notice, "draft")]
    assert (
        notices.of_account(connection, "other", "acc_1") == notices.of_decisions(connection, "other", ["dec_1"]) == []
    )


def test_list_entries_count_until_they_end(connection: Connection) -> None:
    """An entry is in force until it expires or is removed; adding it again renews it."""
    lists.add(connection, "demo", "deny", "bad.example", actor="ana", why="seen", at=NOW)
    lists.add(connection, "demo", "deny", "old.example", actor="ana", why="seen", at=NOW, expires_at=NOW + HOUR)
    lists.add(connection, "demo", "deny", "gone.example", actor="ana", why="seen", at=NOW)
    lists.remove(connection, "demo", "deny", "gone.example", actor="lea", at=NOW + 1)

    assert lists.own_values(connection, "demo", NOW + 1) == {"deny": frozenset({"bad.example", "old.example"})}
    assert lists.own_values(connection, "demo", NOW + HOUR) == {"deny": frozenset({"bad.example"})}
    assert [e.value for e in lists.page(connection, "demo", "deny", NOW + 1, text="BAD").items] == ["bad.example"]
    assert lists.counts(connection, "demo", NOW + 1) == {"deny": 2}
    lists.add(connection, "demo", "deny", "gone.example", actor="ana", why="again", at=NOW + 2)
    assert "gone.example" in lists.own_values(connection, "demo", NOW + 3)["deny"]

    assert lists.own_values(connection, "other", NOW) == lists.counts(connection, "other", NOW) == {}
    assert lists.page(connection, "other", "deny", NOW).items == []
    with pytest.raises(NotFound):
        lists.remove(connection, "other", "deny", "bad.example", actor="eve", at=NOW)


def test_rejections_are_kept_and_cut(connection: Connection) -> None:
    """A rejection comes back with what was sent, cut to the limit, and its whole size."""
    huge = Rejection("broken_json", "line 3\0", "not JSON", None, "\ud800", b"x" * 40_000)
    small = Rejection("missing", "data.account", "is missing", "send it", "evt_2", b"{}")

    rejections.add(connection, "demo", "api", [huge], NOW)
    rejections.add(connection, "demo", "ingest:a.jsonl", [small], NOW + 1)

    latest, first = rejections.page(connection, "demo").items
    assert (latest.rejection, latest.source, latest.received_at) == (small, "ingest:a.jsonl", NOW + 1)
    assert (len(first.rejection.raw), first.raw_bytes) == (rejections.RAW_BYTES, 40_000)
    assert (first.rejection.place, first.rejection.item_id) == ("line 3\ufffd", "\ufffd")
    assert rejections.one(connection, "demo", latest.id) == latest
    assert rejections.counts(connection, "demo", NOW) == {"broken_json": 1, "missing": 1}
    assert [r.source for r in rejections.page(connection, "demo", code="missing").items] == ["ingest:a.jsonl"]

    assert rejections.page(connection, "other").items == []
    assert rejections.counts(connection, "other", 0) == {}
    with pytest.raises(NotFound):
        rejections.one(connection, "other", latest.id)


def test_pages_are_complete_and_do_not_overlap(connection: Connection) -> None:
    """Following the cursors shows each row once, also where many share a time."""
    rejections.add(connection, "demo", "api", [Rejection("c", "p", "r", item_id=f"{n}") for n in range(7)], NOW)
    found: list[str | None] = []
    cursor = None

    while True:
        page = rejections.page(connection, "demo", cursor=cursor, limit=3)
        found += [item.rejection.item_id for item in page.items]
        cursor = page.next
        if cursor is None:
            break

    assert found == [f"{n}" for n in reversed(range(7))]
    with pytest.raises(NotFound):
        rejections.page(connection, "demo", cursor="garbage!")


def test_tenants_have_names_a_key_can_carry(connection: Connection) -> None:
    """A tenant is added once, and a name that could not stand in an address is refused."""
    assert tenants.ensure(connection, "demo", "Demo", NOW) is True
    assert tenants.ensure(connection, "demo", "Again", NOW) is False

    assert tenants.one(connection, "demo").name == "Demo"
    assert tenants.names(connection) == ["demo"]
    for bad in ("Demo", "", "1st", "a b", "x" * 64):
        with pytest.raises(Misconfigured):
            tenants.ensure(connection, bad, "", NOW)
