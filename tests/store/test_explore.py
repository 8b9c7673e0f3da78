"""Reads: events and decisions in pages, one event whole, accounts, series, relations, counts; each for one tenant."""

from typing import Any

import pytest

from goodsend.events.model import Content
from goodsend.kit.clock import DAY, HOUR
from goodsend.kit.errors import NotFound
from goodsend.rules.model import Verdict
from goodsend.scanning.model import Scan
from goodsend.store import accounts, casework, contents, explore
from goodsend.store.accounts import Seen
from goodsend.store.connection import Connection
from tests.conftest import NOW, make_event
from tests.store.made import log_events, make_decision, make_hit
from tests.store.test_casework import make_change


@pytest.fixture
def day(connection: Connection) -> None:
    """Twelve events over three days by two accounts: every third held by a rule, every fourth watched in shadow."""
    for n in range(12):
        hits = [make_hit(rule="big_import")] if n % 3 == 0 else []
        hits += [make_hit(rule="quiet", acts=False)] if n % 4 == 0 else []
        event = make_event(
            id=f"e{n:02}", at=NOW - n // 2 * 12 * HOUR, kind="list.imported" if n % 2 else "campaign.submitted",
            data={"account": f"acc_{n % 2}", "tags": ("a", "b")},
        )  # fmt: skip
        log_events(connection, event, hits=tuple(hits), verdict=Verdict.HOLD if n % 3 == 0 else Verdict.ALLOW)


def ids(connection: Connection, **but: Any) -> list[str]:
    """Every event's number over all pages."""
    found: list[str] = []
    cursor = None
    while True:
        page = explore.events(connection, "demo", cursor=cursor, **({"limit": 5} | but))
        found += [item.id[1:] for item in page.items]
        cursor = page.next
        if cursor is None:
            return found


@pytest.mark.usefixtures("day")
def test_events_come_latest_first(connection: Connection) -> None:
    """By event time, then by arrival, complete over the pages."""
    expected = ["01", "00", "03", "02", "05", "04", "07", "06", "09", "08", "11", "10"]

    assert ids(connection) == expected
    assert ids(connection, limit=1) == expected


@pytest.mark.usefixtures("day")
def test_events_are_filtered(connection: Connection) -> None:
    """By kind, account, verdict, acting rule and time; the start of a range counts, its end does not."""
    assert ids(connection, kind="list.imported") == ["01", "03", "05", "07", "09", "11"]
    assert ids(connection, account="acc_0") == ["00", "02", "04", "06", "08", "10"]
    assert ids(connection, verdicts=["hold"]) == ["00", "03", "06", "09"]
    assert ids(connection, verdicts=["hold", "allow"], limit=12) == ids(connection)
    assert ids(connection, rule="big_import") == ["00", "03", "06", "09"]
    assert ids(connection, rule="quiet") == []
    assert ids(connection, since=NOW - DAY, until=NOW) == ["03", "02", "05", "04"]
    assert ids(connection, account="acc_0", verdicts=["hold"], rule="big_import", kind="campaign.submitted") == [
        "00",
        "06",
    ]
    assert ids(connection, kind="x\0") == ids(connection, account="\ud800") == []


@pytest.mark.usefixtures("day")
def test_a_line_tells_event_and_decision(connection: Connection) -> None:
    """A line carries the event's values and what was decided."""
    line = explore.events(connection, "demo", account="acc_0", limit=1).items[0]

    assert (line.id, line.kind, line.channel, line.verdict, line.rules, line.shadow) == (
        "e00", "campaign.submitted", "email", "hold", ("big_import",), ("quiet",),
    )  # fmt: skip
    assert line.data == {"account": "acc_0", "tags": ("a", "b")}
    assert (line.at, line.received_at, line.arrival) == (NOW, NOW, 1)
    assert explore.decision(connection, "demo", line.decision_id).event_id == "e00"


def test_one_event_whole(connection: Connection) -> None:
    """An event comes back with facts, decision and the scan of its content."""
    event = make_event(content="sha256:1", data={"account": "acc_1", "tags": ("x",)})
    log_events(connection, event)
    contents.keep(connection, "demo", [Content("sha256:1", "text/plain", b"hi")], NOW)
    contents.keep_scans(connection, "demo", {"sha256:1": Scan((), {"s.link_count": 0})}, "p1", NOW)

    found = explore.event(connection, "demo", "evt_1")

    assert (found.event, found.decision, found.arrival) == (event, make_decision(event), 1)
    assert (found.facts, found.scan) == ({"e.recipients": 500}, Scan((), {"s.link_count": 0}))
    with pytest.raises(NotFound):
        explore.event(connection, "demo", "\0nobody")


@pytest.mark.usefixtures("day")
def test_series_count_by_steps(connection: Connection) -> None:
    """Verdicts and kinds are counted by steps of event time, for all or for one account."""
    by_day = explore.verdicts_over(connection, "demo", NOW - DAY, NOW + 1, step=DAY)
    kinds = explore.kinds_over(connection, "demo", NOW, NOW + 1, account="acc_1")

    assert [(count.name, count.count) for count in by_day] == [("allow", 2), ("allow", 2), ("hold", 2)]
    assert [count.at for count in by_day] == [NOW - 36 * HOUR, NOW - 12 * HOUR, NOW - 12 * HOUR]
    assert [(count.at, count.name, count.count) for count in kinds] == [(NOW, "list.imported", 1)]


@pytest.mark.usefixtures("day")
def test_rules_are_counted(connection: Connection) -> None:
    """Hits of the last day and week, with effect and in shadow."""
    found = {row.rule: row for row in explore.rule_hits(connection, "demo", NOW)}

    assert found["big_import"] == explore.RuleHits("big_import", 2, 4, 0, 0)
    assert found["quiet"] == explore.RuleHits("quiet", 0, 0, 1, 3)


def link(connection: Connection, account: str, *entities: tuple[str, str]) -> None:
    accounts.update(connection, "demo", [Seen(account, NOW, "allow", {}, entities)], NOW)


def test_relations_are_by_rare_shared_things(connection: Connection) -> None:
    """A card shared by two weighs 1, by three a half; an address alone relates nobody, beside a card it is shown."""
    card, device, ip = ("card", "c1"), ("device", "d1"), ("ip", "203.0.113.9")
    link(connection, "a", card, device, ip)
    link(connection, "b", card, ip)
    link(connection, "c", device)
    link(connection, "d", device)
    link(connection, "e", ip)

    found = explore.related(connection, "demo", "a")

    assert [(r.account, r.strength) for r in found] == [("b", 1.0), ("c", 0.5), ("d", 0.5)]
    assert found[0].shared == (("card", "c1", 2), ("ip", "203.0.113.9", 3))
    assert explore.related(connection, "demo", "e") == []


def test_hubs_relate_nobody(connection: Connection) -> None:
    """A thing that very many accounts share says nothing about two of them."""
    for n in range(6):
        link(connection, f"acc_{n}", ("device", "kiosk"))

    assert explore.related(connection, "demo", "acc_0", hub=5) == []
    assert len(explore.related(connection, "demo", "acc_0", hub=6)) == 5


def test_accounts_are_found(connection: Connection) -> None:
    """By standing and by text in id or profile, last seen first, complete over the pages."""
    for n in range(5):
        seen = Seen(f"acc_{n}", NOW + n % 2, "allow", {"company": f"Firm {n}"}, ())
        accounts.update(connection, "demo", [seen], NOW)

    first = explore.accounts(connection, "demo", limit=3)
    second = explore.accounts(connection, "demo", limit=3, cursor=first.next)

    assert [row.account[-1] for row in first.items + second.items] == ["3", "1", "4", "2", "0"]
    assert [row.account for row in explore.accounts(connection, "demo", text="FIRM 2").items] == ["acc_2"]
    assert explore.accounts(connection, "demo", standing="good").items == []
    assert explore.standing_counts(connection, "demo") == {"applicant": 5}


@pytest.mark.usefixtures("day")
def test_no_read_reaches_another_tenant(connection: Connection) -> None:
    """Every read of a tenant without data is empty, whatever others have."""
    link(connection, "a", ("card", "c1"))
    link(connection, "b", ("card", "c1"))
    casework.apply_changes(connection, "demo", [make_change()], NOW)
    decision_id = explore.decisions(connection, "demo", limit=1).items[0].id

    assert explore.case_counts(connection, "demo")
    pages = (explore.events, explore.decisions, explore.accounts)
    assert [read(connection, "other").items for read in pages] == [[], [], []]
    series = (explore.verdicts_over, explore.kinds_over)
    assert [read(connection, "other", NOW - 9 * DAY, NOW + DAY) for read in series] == [[], []]
    assert explore.related(connection, "other", "a") == []
    assert explore.rule_hits(connection, "other", NOW) == []
    assert explore.case_counts(connection, "other") == []
    assert explore.standing_counts(connection, "other") == {}
    for read_one, name in ((explore.event, "e00"), (explore.account, "a"), (explore.decision, decision_id)):
        with pytest.raises(NotFound):
            read_one(connection, "other", name)
