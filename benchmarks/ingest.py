"""
`goodsend ingest` into a fresh embedded PostgreSQL, durable, every event decided: events per second and CPU-seconds.

Two mixes: `simulated`, a day of the simulator's platform with its mails, forms and attacks, after its accounts' history
was taken in; `delivery`, one delivered, opened, bounced or complained message an event, over 2,000 accounts, as a large
sender's log would bring them. The time of a start is taken off; reading the history back is not. CPU-seconds of
PostgreSQL are those of all its processes.

    python benchmarks/ingest.py [--events 50000]

The last line is one JSON object.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from goodsend.connectors.postgres import EmbeddedServer, start
from goodsend.kit.clock import DAY, SECOND, Micros, format_time, parse_time
from goodsend.simulation.world import simulate

SENDERS = 2_000
SHARES = {"message.delivered": 0.90, "message.opened": 0.06, "message.bounced": 0.035, "message.complained": 0.005}
"""Own choice: a clean bulk sender with some bounces."""


def main() -> int:
    """Measure both mixes, each in a database of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000, help="events in each mix")
    wanted = parser.parse_args().events
    results: dict[str, Any] = {"benchmark": "ingest", "cpus": os.cpu_count()}
    began = time.time_ns() // 1_000 - DAY
    for name, history, events in (
        ("simulated", simulated(began, until=began), simulated(began)),
        ("delivery", iter(()), deliveries(began)),
    ):
        with tempfile.TemporaryDirectory(prefix="goodsend-bench-") as folder:
            past = write(Path(folder) / "history.jsonl", history)
            path = write(Path(folder) / "events.jsonl", itertools.islice(events, wanted))
            results[name] = measure(Path(folder) / "data", past, path)
        print(f"{name}: {results[name]}", flush=True)
    print(json.dumps(results))
    return 0


def write(path: Path, events: Iterable[dict[str, Any]]) -> Path:
    """Write events as JSON lines."""
    with path.open("wb") as stream:
        stream.writelines(msgspec.json.encode(event) + b"\n" for event in events)
    return path


def simulated(began: Micros, until: Micros | None = None) -> Iterator[dict[str, Any]]:
    """The days of a simulated platform from `began` on; with `until`, its accounts' history up to there instead."""
    for event, _ in simulate(7, began, DAY, accounts=960):
        is_past = parse_time(event["at"]) < began
        if until is None and not is_past:
            yield event
        elif until is not None:
            if not is_past:
                return
            yield event


def deliveries(began: Micros) -> Iterator[dict[str, Any]]:
    """Events of single messages, a millisecond apart."""
    chance = random.Random(7)
    kinds, weights = list(SHARES), list(SHARES.values())
    at = began
    for number in itertools.count():
        sender = chance.randrange(SENDERS)
        kind = chance.choices(kinds, weights)[0]
        data: dict[str, Any] = {
            "account": f"acc_{sender}",
            "campaign": f"cmp_{sender}_{number // 20_000}",
            "message": f"msg_{number}",
            "messages": 1,
        }
        if kind == "message.bounced":
            data |= {"bounce_class": "hard", "code": "5.1.1"}
        at += SECOND // 1_000
        yield {"id": f"d{number}", "kind": kind, "at": format_time(at), "channel": "email", "data": data}


def measure(data: Path, past: Path, path: Path) -> dict[str, float]:
    """Take in the history, then, measured, the events, as a user would; the database is held by this process."""
    empty = path.with_suffix(".empty")
    empty.write_bytes(b"")
    with start(data) as database:
        run(data, past)
        old = logged(database)[0]
        start_s, start_cpu_s, _ = run(data, empty)
        before = postgres_cpu_s(database)
        wall_s, cpu_s, peak_bytes = run(data, path)
        postgres_s = postgres_cpu_s(database) - before
        total, size = logged(database)
    events = total - old
    return {
        "events": events,
        "events_before": old,
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "events_per_s": round(events / (wall_s - start_s)),
        "wall_s": round(wall_s, 2),
        "start_s": round(start_s, 2),
        "goodsend_cpu_s": round(cpu_s - start_cpu_s, 2),
        "postgres_cpu_s": round(postgres_s, 2),
        "events_per_cpu_s": round(events / (cpu_s - start_cpu_s + postgres_s)),
        "peak_memory_mb": round(peak_bytes / 1e6),
        "stored_bytes_per_event": round(size / total),
    }


def logged(database: EmbeddedServer) -> tuple[int, int]:
    """Return how many events were decided, and the bytes of the database."""
    with psycopg.connect(database.url) as connection:
        row = connection.execute("SELECT count(*), pg_database_size(current_database()) FROM decision").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def run(data: Path, path: Path) -> tuple[float, float, int]:
    """Run the command; return seconds, CPU-seconds and peak bytes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GOODSEND_")}
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "goodsend", "ingest", str(path)],
        env=environment | {"GOODSEND_DATA_DIR": str(data)}, stdout=sys.stderr,
    )  # fmt: skip
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"goodsend ingest ended with {child.returncode}")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def postgres_cpu_s(database: EmbeddedServer) -> float:
    """CPU-seconds of the server so far: its living processes and those that have ended."""
    first = int((database.folder / "data" / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(entry.name) == first:
                ticks += sum(map(int, fields[11:15]))  # utime, stime and those of children that have ended: proc(5)
            elif int(fields[1]) == first:
                ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
