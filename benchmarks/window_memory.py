"""
What windows cost in memory with the core pack: per account, per memory of a key, per event of a busy account.

Every account signs up, signs in twice, imports a list, submits two campaigns, and gets a few deliveries and a bounce,
spread over two days, with an address, a device, a card and campaigns of its own. Memory is what the process has grown
by (resident set), the collector of garbage run before. First of all 50 accounts send all day, to see what one more
event costs. At the end a snapshot is written and read back.

Run: `./dev bench window_memory [--accounts N] [--no-snapshot]`; the last line is JSON.
"""

import argparse
import gc
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goodsend.events.model import Event
from goodsend.features.compute import Windows
from goodsend.kit.clock import DAY, HOUR, MINUTE, SECOND, Micros, parse_time
from goodsend.pack import Pack
from goodsend.pipeline import entities_of
from goodsend.wiring import load_pack

START = parse_time("2026-11-01T00:00:00Z")
ACCOUNTS = 100_000
BUSY = 50
BUSY_EVENTS = 20_000
LIFE: tuple[tuple[Micros, str, dict[str, Any]], ...] = (
    (0, "account.signed_up", {"email": "o{n}@shop{n}.example", "plan": "free", "country": "DE", "ip_country": "DE",
                              "domain": "shop{n}.example", "vertical": "retail"}),
    (MINUTE, "account.logged_in", {"success": True}),
    (HOUR, "list.imported", {"recipients": 1200, "source": "file"}),
    (2 * HOUR, "campaign.submitted", {"campaign": "c{n}a", "recipients": 900, "sending_domain": "shop{n}.example"}),
    (3 * HOUR, "message.delivered", {"campaign": "c{n}a", "messages": 850}),
    (3 * HOUR + 1, "message.bounced", {"campaign": "c{n}a", "messages": 50, "bounce_class": "hard"}),
    (DAY, "account.logged_in", {"success": True}),
    (DAY + HOUR, "payment.succeeded", {"card": "card{n}", "plan": "pro"}),
    (2 * DAY, "campaign.submitted", {"campaign": "c{n}b", "recipients": 900, "sending_domain": "shop{n}.example"}),
    (2 * DAY + HOUR, "message.delivered", {"campaign": "c{n}b", "messages": 880}),
)  # fmt: skip
"""What one account does: (when after its beginning, kind, fields; {n} stands for its number)."""


def resident() -> int:
    """Bytes of memory this process holds now."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this benchmark reads /proc/self/status")


def lives(pack: Pack, accounts: int) -> Iterator[Event]:
    """The events of many accounts in order of time: each step of a life for one account after the other."""
    carried = {step: [f for f in ("account", "ip", "device") if f in pack.kinds.kinds[kind].fields]
               for step, (_, kind, _) in enumerate(LIFE)}  # fmt: skip
    for step, (after, kind, fields) in enumerate(LIFE):
        for number in range(accounts):
            own = {
                name: (value.format(n=number) if isinstance(value, str) else value) for name, value in fields.items()
            }
            for field in carried[step]:
                own[field] = (
                    f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" if field == "ip" else f"{field}_{number}"
                )
            yield Event("acme", f"e{step}_{number}", kind, START + after + number * SECOND // 100, "email", own)


def busy(accounts: int, events: int) -> Iterator[Event]:
    """Accounts that send all day."""
    for number in range(events):
        for account in range(accounts):
            data: dict[str, Any] = {"account": f"busy_{account}", "campaign": f"busy_{account}", "messages": 1}
            yield Event("acme", "e", "message.delivered", START + 20 * DAY + number * SECOND, "email", data)


def grown(windows: Windows, pack: Pack, events: Iterator[Event]) -> tuple[int, int, float]:
    """Observe events; return bytes grown by, events, CPU-seconds."""
    gc.collect()
    before, start, count = resident(), time.process_time(), 0
    for event in events:
        windows.observe(event, entities_of(event, pack))
        count += 1
    spent = time.process_time() - start
    gc.collect()
    return resident() - before, count, spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--no-snapshot", action="store_true")
    arguments = parser.parse_args()
    pack = load_pack([])
    apart = Windows(pack.plan, lists=pack.list_values)
    bytes_, events, _ = grown(apart, pack, busy(BUSY, BUSY_EVENTS))
    each = round(bytes_ / events, 1)
    windows = Windows(pack.plan, lists=pack.list_values)
    accounts = arguments.accounts
    bytes_, events, spent = grown(windows, pack, lives(pack, accounts))
    keys = windows.keys()
    result: dict[str, Any] = {
        "accounts": accounts,
        "events": events,
        "memories": keys,
        "bytes_per_account": round(bytes_ / accounts),
        "bytes_per_memory": round(bytes_ / keys),
        "million_accounts_gb": round(bytes_ / accounts / 1e3, 2),
        "bytes_per_event_busy": each,
        "observe_us": round(spent / events * 1e6, 1),
    }
    if not arguments.no_snapshot:
        start = time.process_time()
        chunks = list(windows.snapshot())
        result["snapshot_mb"] = round(sum(map(len, chunks)) / 1e6, 1)
        result["snapshot_largest_mb"] = round(max(map(len, chunks)) / 1e6, 1)
        result["snapshot_cpu_s"] = round(time.process_time() - start, 2)
        start = time.process_time()
        restored = Windows.restore(chunks, pack.plan, lists=pack.list_values)
        result["restore_cpu_s"] = round(time.process_time() - start, 2)
        result["restored"] = restored is not None and restored.keys() == keys
        del restored, chunks
    for name, value in result.items():
        print(f"{name:24} {value:>14,}" if not isinstance(value, bool) else f"{name:24} {value!s:>14}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
