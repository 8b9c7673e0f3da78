"""
The yardstick `rules20` with 12 sliding windows of 12 keys added; and small delivery events with the core pack.

First figure: the same 20,000 events, JSON decoding and 20 rules included, each event also feeding and reading 12
windows (counts, sums, an average, a maximum, distinct counts over 1 minute to 90 days, each with a key of its own). The
events have no time and come one a second here. Second: 50,000 delivery reports of about 300 bytes, read by the reader
that ingest uses, with the windows and rules that the core pack has for them. CPU-seconds of this process, best of
several rounds.

Run: `./dev bench windows12 [--rounds N]`; the last line is JSON.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from rules20 import LISTS, RULES, compiled, flattener, lines_of

from goodsend.events.canonical import EventLimits, Reader
from goodsend.events.kinds import parse_kinds
from goodsend.events.model import Arrived, Event
from goodsend.expr.compile import build_row
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.features.compute import Windows, build_plan
from goodsend.features.definitions import parse_features
from goodsend.kit.clock import SECOND, format_time, parse_time
from goodsend.pipeline import entities_of, event_columns
from goodsend.wiring import load_pack

ROUNDS = 3
START = parse_time("2026-11-01T00:00:00Z")
DELIVERIES = 50_000

KEYS = {
    "account": "e.account_id", "ip": "e.client_ip", "asn": "e.client_asn", "agent": "e.client_ua",
    "country": "e.client_country", "plan": "e.account_plan", "home": "e.account_country",
    "address": "e.account_email", "sender": "e.campaign_from_email", "name": "e.campaign_from_name",
    "subject": "e.campaign_subject", "reply": "e.campaign_reply_to",
}  # fmt: skip
"""Twelve entities of an event, and the columns that carry them."""

WINDOWS = {
    "account": ("sum", "e.recipients", "24h"), "ip": ("count", None, "1h"), "asn": ("distinct", "e.account", "24h"),
    "agent": ("count", None, "1m"), "country": ("sum", "e.recipients", "1h"), "plan": ("count", None, "10m"),
    "home": ("max", "e.recipients", "7d"), "address": ("count", None, "90d"), "sender": ("distinct", "e.ip", "7d"),
    "name": ("avg", "e.recipients", "1h"), "subject": ("count", None, "30d"), "reply": ("count", None, "24h"),
}  # fmt: skip


def windows_of_keys() -> Windows:
    """Twelve features of twelve keys, empty."""
    fields: dict[str, Any] = {name: {"type": "text", "doc": "", "entity": name} for name in KEYS}
    fields["recipients"] = {"type": "integer", "doc": ""}
    kinds, problems = parse_kinds(
        {"k": {"entities": dict.fromkeys(KEYS, ""), "kind": {"campaign.judged": {"doc": "", "fields": fields}}}}
    )
    tables = {
        f"{key}_x": {"doc": "d", "owner": "o", "aggregate": aggregate, "key": [key], "on": ["campaign.judged"],
                     "window": window} | ({"of": of} if of else {})
        for key, (aggregate, of, window) in WINDOWS.items()
    }  # fmt: skip
    features, found = parse_features({"f": {"feature": tables}}, kinds, CORE_FUNCTIONS)
    if problems + found:
        raise SystemExit("\n".join(problem.render() for problem in problems + found))
    return Windows(build_plan(features, kinds))


def judge_with_windows() -> Callable[[bytes], object]:
    """Return the function from the bytes of an event to its features and truths; it remembers, as the engine does."""
    decode, flat, row = msgspec.json.Decoder().decode, flattener(), build_row(compiled(RULES))
    windows = windows_of_keys()
    columns = tuple(KEYS.items())
    at = START

    def judge(line: bytes) -> object:
        nonlocal at
        at += SECOND
        facts = flat(decode(line))
        entities = {name: str(facts[column]) for name, column in columns if facts[column] is not None}
        data = {"recipients": facts["e.campaign_recipients"], "account": entities["account"], "ip": entities["ip"]}
        event = Event("acme", str(at), "campaign.judged", at, None, data)
        facts.update(windows.observe(event, entities))
        return row(facts, LISTS)

    return judge


def deliveries(count: int) -> Iterator[bytes]:
    """Delivery reports as platforms send them: many accounts, each with a few campaigns, recipients that come back."""
    for number in range(count):
        account = number * 7919 % 3000
        data = {
            "account": f"acc_{account}",
            "campaign": f"cmp_{account}_{number * 31 % 3}",
            "message": f"<{number:012d}.{account}@mail.sender{account}.example>",
            "recipient": f"reader{number * 104729 % 40_000}@inbox{number % 200}.example",
        }
        event = {
            "id": f"evt_{number:016d}",
            "kind": "message.delivered",
            "at": format_time(START + number * SECOND // 20),
            "channel": "email",
            "data": data,
        }
        yield json.dumps(event).encode()


def judge_deliveries() -> Callable[[bytes], object]:
    """Return the function from the bytes of a delivery to its decided facts, as the pipeline does before it decides."""
    pack = load_pack([])
    reader = Reader(pack.kinds, EventLimits(), pack.address_rules)
    windows = Windows(pack.plan, lists=pack.list_values)
    now = START + DELIVERIES * SECOND

    def judge(line: bytes) -> object:
        arrived = reader.read(line, "acme", now)
        if not isinstance(arrived, Arrived):
            raise SystemExit(f"rejected: {arrived}")
        event = arrived.event
        facts = event_columns(event)
        facts.update(windows.observe(event, entities_of(event, pack)))
        _, row = pack.ruleset.by_kind[event.kind]
        return row(facts, pack.list_values)

    return judge


def rate(make: Callable[[], Callable[[bytes], object]], lines: list[bytes], rounds: int) -> float:
    """Events per CPU-second in the best of some rounds, each beginning with empty windows."""
    best = 0.0
    for _ in range(rounds):
        judge = make()
        start = time.process_time()
        for line in lines:
            judge(line)
        best = max(best, len(lines) / (time.process_time() - start))
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    found = rate(judge_with_windows, lines_of("events"), rounds)
    print(f"20,000 events, 20 rules, 12 windows of 12 keys  {found:>9,.0f} events per CPU-second")
    small = list(deliveries(DELIVERIES))
    delivered = rate(judge_deliveries, small, rounds)
    size = sum(map(len, small)) / len(small)
    print(f"{DELIVERIES:,} deliveries of {size:,.0f} bytes, core pack  {delivered:>9,.0f} events per CPU-second")
    result = {
        "events_per_cpu_s": round(found),
        "delivery_events_per_cpu_s": round(delivered),
        "delivery_bytes": round(size),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
