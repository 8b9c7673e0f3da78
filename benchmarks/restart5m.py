"""
Start after kill -9 with millions of events in the log: seconds to ready, and whether the next 10,000 decisions are
those of a run that nothing ever happened to.

The log is filled by SQL with deliveries of 20,000 senders over nine days; the last --tail of them come after the latest
snapshot. Then `goodsend serve` is started on it, killed without warning, and started again: what is measured is that
second start, up to 200 from /readyz. The uninterrupted run is an engine in this process that has read the log event by
event and never stopped; it is given the same next events once the server's are deleted.

    python benchmarks/restart5m.py [--events 5000000] [--tail 100000]

The last line is one JSON object.
"""

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from goodsend.commands.key import SCOPES
from goodsend.connectors.postgres import EmbeddedServer, start
from goodsend.handle import Engine, snapshots
from goodsend.kit.clock import DAY, format_time
from goodsend.settings import Settings
from goodsend.store import keys, tenants
from goodsend.store.connection import open_pool
from goodsend.store.migrate import migrate
from goodsend.store.partitions import ensure_days
from goodsend.wiring import load_pack, system_now

TENANT = "bench"
SENDERS = 20_000
NEXT = 10_000


def main() -> int:
    """Fill, copy, kill, start, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000_000, help="events in the log")
    parser.add_argument("--tail", type=int, default=100_000, help="events after the latest snapshot")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="goodsend-bench-") as folder:
        print(json.dumps(measure(Path(folder) / "data", options.events, options.tail)))
    return 0


def measure(data: Path, events: int, tail: int) -> dict[str, Any]:
    """Return the figures."""
    pack = load_pack(())
    began = system_now() - 10 * DAY
    step = 9 * DAY // (events + NEXT)
    result: dict[str, Any] = {"benchmark": "restart5m", "cpus": os.cpu_count(), "events": events, "tail": tail}
    with start(data) as server, open_pool(migrated(server), size=6) as pool:
        with pool.connection() as connection:
            tenants.ensure(connection, TENANT, "Bench", system_now())
            key = keys.create(connection, TENANT, "bench", SCOPES, system_now())
        engine = Engine(pool, lambda tenant: pack, system_now, Settings())
        engine.start()
        fill(server.url, 0, events - tail, began, step)
        wall, cpu = time.monotonic(), time.process_time()
        engine.submit(TENANT, []).result()
        result["replay_s_without_snapshot"] = round(time.monotonic() - wall, 1)
        result["replay_events_per_cpu_s"] = round((events - tail) / (time.process_time() - cpu))
        taking = time.monotonic()
        memory = engine._memories[TENANT]
        kept = snapshots.keep(pool, TENANT, pack, memory.windows, memory.arrival, system_now())
        result |= {"snapshot_write_s": round(time.monotonic() - taking, 1), "snapshot_mb": round(kept.bytes / 1e6, 1)}
        result["windows_process_memory_mb"] = memory_mb(os.getpid())
        fill(server.url, events - tail, events, began, step)
        engine.submit(TENANT, []).result()
        following = [delivery(number, began, step) for number in range(events, events + NEXT)]
        for _ in range(2):
            ready_s, process, port = started(server)
            if "ready_s" not in result:
                result["first_ready_s"] = round(ready_s, 1)
                result["ready_s"] = 0.0
                process.send_signal(signal.SIGKILL)
                process.wait()
        result["ready_s"] = round(ready_s, 1)
        result["server_memory_mb"] = memory_mb(process.pid)
        post(port, key, following)
        process.send_signal(signal.SIGTERM)
        process.wait()
        interrupted = decisions(server, events)
        with psycopg.connect(server.url) as connection:
            for table in ("event_key", "event", "fact", "decision"):
                connection.execute(f"DELETE FROM {table} WHERE arrival > %s", (events,))
            for table in ("account", "entity_link", "standing_move", "casework", "notice", "outbox"):
                connection.execute(f"TRUNCATE {table} CASCADE")
        for first in range(0, NEXT, 1_000):  # by the windows that lived on
            engine.submit(TENANT, following[first : first + 1_000]).result()
        engine.close()
        lived_on = decisions(server, events)
    result["next_decisions"] = len(interrupted)
    result["different"] = sum(one != other for one, other in zip(interrupted, lived_on, strict=True))
    result["filler_peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000)
    result["load"] = round(os.getloadavg()[0], 1)
    return result


def migrated(server: EmbeddedServer) -> str:
    """Bring the database up to date and return its address."""
    migrate(server.url)
    return server.url


def fill(url: str, first: int, last: int, began: int, step: int) -> None:
    """Write events into the log as the engine would have, but their facts and decisions, which no start reads."""
    with psycopg.connect(url) as connection:
        day = timedelta(days=1)
        at, end = datetime.fromtimestamp(began / 1e6, UTC), datetime.fromtimestamp((began + last * step) / 1e6, UTC)
        ensure_days(connection, {(at + n * day).date() for n in range((end - at).days + 2)})  # type: ignore[arg-type]
        connection.execute("SET LOCAL synchronous_commit = off")
        connection.execute(
            """
            CREATE TEMP TABLE made ON COMMIT DROP AS SELECT
                n, 'd' || n AS event_id, timestamptz 'epoch' + (%(began)s + n::int8 * %(step)s) * interval '1 us' AS at,
                'acc_' || floor((n %% 9973 / 9973.0) ^ 2 * %(senders)s)::int AS account,
                CASE WHEN n %% 200 < 180 THEN 'message.delivered' WHEN n %% 200 < 192 THEN 'message.opened'
                    WHEN n %% 200 < 199 THEN 'message.bounced' ELSE 'message.complained' END AS kind
            FROM generate_series(%(first)s, %(last)s - 1) AS n
            """,
            {"began": began, "step": step, "senders": SENDERS, "first": first, "last": last},
        )
        connection.execute(
            """
            INSERT INTO event (tenant, day, arrival, event_id, kind, channel, account, at, received_at, data)
            SELECT %(tenant)s, (at AT TIME ZONE 'UTC')::date, n + 1, event_id, kind, 'email', account, at, at,
                jsonb_build_object('account', account, 'campaign', 'cmp_' || account, 'message', 'msg_' || n,
                    'messages', 1)
                || CASE WHEN kind = 'message.bounced' THEN '{"bounce_class": "hard", "code": "5.1.1"}'
                    ELSE '{}' END::jsonb
            FROM made ORDER BY n
            """,
            {"tenant": TENANT},
        )
        connection.execute(
            "INSERT INTO event_key SELECT %s, event_id, (at AT TIME ZONE 'UTC')::date, n + 1, "
            "decode(md5(event_id), 'hex') FROM made ORDER BY n",
            (TENANT,),
        )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE event")
        connection.execute("ANALYZE event_key")


def started(server: EmbeddedServer) -> tuple[float, subprocess.Popen[str], int]:
    """Start the server; return the seconds to ready, the process and its port."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GOODSEND_")}
    environment |= {"GOODSEND_DATABASE_URL": server.url, "GOODSEND_LOG_LEVEL": "warning"}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "goodsend", "serve", "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment
    )
    found = re.search(r":(\d+)\s*$", process.stdout.readline() if process.stdout else "")
    if not found:
        raise SystemExit("the server did not start")
    port = int(found[1])
    while True:
        try:
            if urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30).status == 200:
                return time.monotonic() - began, process, port
        except OSError:
            time.sleep(0.05)


def post(port: int, key: str, events: list[bytes]) -> None:
    """Send events in batches of 1,000."""
    for first in range(0, len(events), 1_000):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/events",
            b"[" + b",".join(events[first : first + 1_000]) + b"]",
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        answer = json.load(urllib.request.urlopen(request, timeout=120))
        if answer["accepted"] != min(1_000, len(events) - first):
            raise SystemExit(f"not all were accepted: {answer['results'][0]}")


def decisions(server: EmbeddedServer, after: int) -> list[tuple[Any, ...]]:
    """Facts and decisions of the events after an arrival; when lists were read (`versions.lists`) is left out."""
    with psycopg.connect(server.url) as connection:
        return connection.execute(
            "SELECT f.arrival, f.event_id, f.facts::text, (d.body #- '{versions,lists}')::text "
            "FROM fact f JOIN decision d USING (tenant, day, arrival) WHERE f.arrival > %s ORDER BY 1",
            (after,),
        ).fetchall()


def memory_mb(pid: int) -> int:
    """Return the resident memory of a process; 0 where the system does not tell it this way."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    except OSError:
        return 0


def delivery(number: int, began: int, step: int) -> bytes:
    """One event as `fill` writes it."""
    account = f"acc_{int((number % 9973 / 9973.0) ** 2 * SENDERS)}"
    part = number % 200
    kind = "delivered" if part < 180 else "opened" if part < 192 else "bounced" if part < 199 else "complained"
    data: dict[str, Any] = {
        "account": account, "campaign": f"cmp_{account}", "message": f"msg_{number}", "messages": 1,
    }  # fmt: skip
    if kind == "bounced":
        data |= {"bounce_class": "hard", "code": "5.1.1"}
    at = format_time(began + number * step)
    event = {"id": f"d{number}", "kind": f"message.{kind}", "at": at, "channel": "email", "data": data}
    return msgspec.json.encode(event)


if __name__ == "__main__":
    sys.exit(main())
