"""The simulated world: the same seed, the same bytes; a larger world is the smaller one with more people in it."""

import ipaddress
import json
import re
import tomllib
from collections import Counter
from functools import lru_cache
from importlib import resources
from itertools import islice
from typing import Any

from goodsend.events.addresses import parse_address_rules
from goodsend.events.canonical import EventLimits, Reader
from goodsend.events.kinds import parse_kinds
from goodsend.kit.clock import DAY, HOUR, parse_time
from goodsend.kit.errors import Rejection
from goodsend.simulation.cast import CAST
from goodsend.simulation.world import LATEST, accounts_truth, simulate

START = parse_time("2026-11-20T06:00:00Z")

ABUSE_TYPES = {
    "stolen_card",
    "account_takeover",
    "purchased_list",
    "subscription_bombing",
    "phishing",
    "smishing",
    "snowshoe",
    "prohibited_vertical",
    "form_relay",
    "phishing_page",
}

RESERVED_NETWORKS = [
    ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]


@lru_cache(maxsize=4)
def day(seed: int = 7, accounts: int = 40) -> tuple[tuple[dict[str, Any], dict[str, Any]], ...]:
    """One simulated day, kept because several tests read the same one."""
    return tuple(simulate(seed, START, accounts=accounts))


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two runs agree in every event and label, and in their order."""
    again = list(simulate(7, START, accounts=40))

    assert json.dumps(day()) == json.dumps(again)


def test_another_seed_gives_another_day() -> None:
    """Hardly an event id is shared between seeds."""
    first = {event["id"] for event, _ in day(7)}
    second = {event["id"] for event, _ in day(8)}

    assert set() == first & second


def test_a_larger_world_keeps_the_smaller_one() -> None:
    """With more accounts, the events of the first twenty are the same, in the same order."""
    small = list(simulate(7, START, accounts=20))
    inside = {label["account"] for _, label in small}

    assert small == [pair for pair in day(7, 40) if pair[1]["account"] in inside]


def test_a_longer_world_begins_the_same() -> None:
    """With more days, the first day is the same."""
    longer = simulate(7, START, length=2 * DAY, accounts=40)

    assert list(day()) == list(islice(longer, len(day())))


def test_a_day_is_of_a_handy_size() -> None:
    """Forty accounts make some 8,000 events, enough to look at and quick to play."""
    assert 7_000 < len(day()) < 15_000


def test_every_abuse_type_and_many_honest_senders_are_there() -> None:
    """The first block of the cast holds each abuse type once at least, and more honest senders than abusers."""
    labels = Counter(label["label"] for _, label in day())

    assert labels.keys() - {"honest"} == ABUSE_TYPES
    assert labels["honest"] > sum(count for label, count in labels.items() if label != "honest")


def test_labels_are_told_apart_from_events() -> None:
    """Nothing in an event names its truth; each label names its event."""
    for event, label in day():
        assert event["id"] == label["event_id"]
        assert event.keys() <= {"id", "kind", "at", "channel", "data"}
        assert (label["label"] == "honest") == (label["abuse_type"] is None)


def test_account_truth_covers_every_account() -> None:
    """The truth of accounts names each once, and the stolen account as the victim it is."""
    truths = list(accounts_truth(7, 40))

    assert len(CAST) == len({truth["account"] for truth in truths})
    assert [truth["label"] for truth in truths if truth["suffers"] == "account_takeover"] == ["honest"]


def test_some_events_are_late_and_some_come_twice() -> None:
    """A small share arrives after later ones, none later than the limit; a small share arrives again, unchanged."""
    seen: dict[str, Any] = {}
    newest = late = repeated = 0
    for event, _ in day():
        at = parse_time(event["at"])
        if event["id"] in seen:
            repeated += 1
            assert seen[event["id"]] == event
            continue
        seen[event["id"]] = event
        if at < newest:
            late += 1
            assert newest - at <= LATEST + HOUR // 60
        newest = max(newest, at)

    assert 0.002 < repeated / len(day()) < 0.02
    assert 0.005 < late / len(day()) < 0.03


def test_nothing_happens_after_the_end() -> None:
    """The last event lies within the span, also of a short one."""
    times = [parse_time(event["at"]) for event, _ in simulate(7, START, length=3 * HOUR, accounts=40)]

    assert START < max(times) <= START + 3 * HOUR


def test_every_event_is_one_the_platform_takes() -> None:
    """Each passes the canonicaliser with the shipped kinds: names, types, addresses, times."""
    core = resources.files("goodsend.packs").joinpath("core")
    kinds, problems = parse_kinds({"core": tomllib.loads(core.joinpath("kinds/core.toml").read_text("utf-8"))})
    rules, more = parse_address_rules({"addresses": tomllib.loads(core.joinpath("addresses.toml").read_text("utf-8"))})
    assert problems + more == []
    reader = Reader(kinds, EventLimits(), rules)

    refused = [
        read for event, _ in day(7, 40) if isinstance(read := reader.read(event, "demo", START + DAY), Rejection)
    ]

    assert refused == []


def test_only_reserved_addresses_are_used() -> None:
    """Clients are in networks kept for documentation; accounts, recipients and sending hosts have reserved names."""
    hosts = re.compile(r"(^|[.@])example(\.(com|net|org))?$")
    for event, _ in day():
        data = event["data"]
        if "ip" in data:
            assert any(ipaddress.ip_address(data["ip"]) in network for network in RESERVED_NETWORKS)
        for field in ("email", "recipient", "from_email", "domain", "sending_domain", "recipient_domain"):
            assert field not in data or hosts.search(data[field]), data[field]


def test_links_of_senders_lead_to_reserved_names() -> None:
    """In every link of every mail, page and text the host is reserved; real names appear as text only."""
    target = re.compile(r"""(?:href|action)=3?D?"https?://([^/"]+)""")
    seen = 0
    for event, _ in day():
        text = event["data"].get("content", {}).get("text", "").replace("=\r\n", "")
        for host in target.findall(text):
            seen += 1
            assert host.endswith((".example", "example.com")), host

    assert seen > 100
