"""
Durable end to end: batches of 1,000 events over HTTP, each answered when its events, facts and decisions are on disk.

The server is `goodsend serve` with the embedded database, as a user would run it, snapshots included. One client
process sends prepared bodies over a few keep-alive connections, each waiting for its answer; its CPU is told apart.
The mix: 85 % deliveries (one event a message, 2,000 senders), 15 % a simulated platform's day with mails, pages, forms,
sign-ups, sign-ins and attacks. Ids are new and times are the present.

    python benchmarks/durable.py [--seconds 300] [--connections 3] [--deliveries 0.85]

Prints one line every ten seconds (events/s, memory of the server) and one JSON object at the end.
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from decisions_http import TENANT, cpu_seconds, database_cpu_seconds, goodsend, serving

from goodsend.kit.clock import DAY, format_time
from goodsend.simulation.world import simulate

SENDERS = 2_000
BATCH = 1_000
SHARES = {"message.delivered": 0.90, "message.opened": 0.06, "message.bounced": 0.035, "message.complained": 0.005}
"""Own choice: a clean bulk sender with some bounces."""


def main() -> int:
    """Run the whole benchmark, or (as `--load`, started by itself) its client."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long events are sent")
    parser.add_argument("--connections", type=int, default=3, help="batches on their way at once")
    parser.add_argument("--deliveries", type=float, default=0.85, help="share of the mix; the rest is simulated")
    parser.add_argument("--load", nargs=2, metavar=("PORT", "KEY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(drive(int(options.load[0]), options.load[1], options)))
        return 0
    with tempfile.TemporaryDirectory(prefix="goodsend-bench-") as folder:
        measure(Path(folder), options)
    return 0


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Start server and client, watch the server's memory, print what came out."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GOODSEND_")}
    environment |= {"GOODSEND_DATA_DIR": str(folder / "data"), "GOODSEND_LOG_LEVEL": "warning"}
    with serving(environment) as (server, port):
        goodsend(environment, "tenant", TENANT)
        key = re.findall(r"gsk_\S+", goodsend(environment, "key", TENANT))[0]
        before = cpu_seconds(server.pid), database_cpu_seconds(folder)
        command = [sys.executable, __file__, "--load", str(port), key, "--seconds", str(options.seconds)]
        command += ["--connections", str(options.connections), "--deliveries", str(options.deliveries)]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, env=environment)
        memory: list[int] = []
        while client.poll() is None:
            time.sleep(1)
            memory.append(memory_mb(server.pid))
        found = json.loads(client.stdout.read()) if client.stdout else {}
        spent = cpu_seconds(server.pid) - before[0], database_cpu_seconds(folder) - before[1]
    quarters = [max(memory[len(memory) * n // 4 : len(memory) * (n + 1) // 4] or [0]) for n in range(4)]
    print(
        json.dumps(
            {"benchmark": "durable", "cpus": os.cpu_count(), "deliveries_share": options.deliveries}
            | found
            | {
                "server_cpu_us_per_event": round(1e6 * spent[0] / found["events"], 1),
                "database_cpu_us_per_event": round(1e6 * spent[1] / found["events"], 1),
                "events_per_server_cpu_s": round(found["events"] / spent[0]),
                "server_memory_mb_by_quarter": quarters,
                "load": round(os.getloadavg()[0], 1),
            }
        )
    )


def drive(port: int, key: str, options: argparse.Namespace) -> dict[str, Any]:
    """Send bodies until the time is over; every answer must accept every event."""
    source = bodies(options.deliveries)
    guard = threading.Lock()
    deadline = time.monotonic() + options.seconds
    counted: list[tuple[float, int]] = []
    latencies: list[float] = []
    head = f"POST /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: "

    def client() -> None:
        with socket.create_connection(("127.0.0.1", port)) as line:
            while time.monotonic() < deadline:
                with guard:
                    body = next(source)
                begun = time.monotonic()
                line.sendall(head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body)
                answer = read(line)
                if not answer.startswith(b"HTTP/1.1 200") or answer.count(b'"accepted"') < BATCH:
                    raise SystemExit(answer[:2_000].decode())
                now = time.monotonic()
                latencies.append(now - begun)
                counted.append((now, BATCH))

    began = time.monotonic()
    threads = [threading.Thread(target=client, daemon=True) for _ in range(options.connections)]
    for thread in threads:
        thread.start()
    shown = began
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        if time.monotonic() - shown >= 10:
            recent = sum(count for at, count in counted if at >= shown)
            print(f"{time.monotonic() - began:.0f} s: {recent / (time.monotonic() - shown):.0f}/s", file=sys.stderr)
            shown = time.monotonic()
    elapsed = counted[-1][0] - began
    events = sum(count for _, count in counted)
    slices = [0] * max(1, int(elapsed // 10))
    for at, count in counted:
        place = int((at - began) // 10)
        if place < len(slices):
            slices[place] += count
    latencies.sort()
    times = os.times()
    return {
        "events": events,
        "seconds": round(elapsed, 1),
        "events_per_s": round(events / elapsed),
        "slowest_ten_seconds_per_s": min(slices) // 10,
        "batch_p50_ms": round(1e3 * latencies[len(latencies) // 2]),
        "batch_p99_ms": round(1e3 * latencies[int(len(latencies) * 0.99)]),
        "client_cpu_us_per_event": round(1e6 * (times.user + times.system) / events, 1),
    }


def read(line: socket.socket) -> bytes:
    """Return one whole answer."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += line.recv(65_536)
    start = answer.index(b"\r\n\r\n") + 4
    found = re.search(rb"content-length: (\d+)", answer[:start])
    length = start + int(found[1]) if found else start
    parts = [answer]
    have = len(answer)
    while have < length:
        part = line.recv(262_144)
        if not part:
            break
        parts.append(part)
        have += len(part)
    return b"".join(parts)


def bodies(share: float) -> Iterator[bytes]:
    """Return endlessly many batches: prepared events, with ids and times of their own put in."""
    chance = random.Random(11)
    life = f"{os.getpid():x}"
    now = time.time_ns() // 1_000
    simulated = [
        cut(event) for event, _ in simulate(7, now - DAY, DAY, accounts=240) if event["at"] >= format_time(now - DAY)
    ]
    kinds, weights = list(SHARES), list(SHARES.values())
    number = 0
    while True:
        at = format_time(time.time_ns() // 1_000).encode()
        items = []
        for _ in range(BATCH):
            number += 1
            if chance.random() < share:
                kind = chance.choices(kinds, weights)[0]
                sender = int(chance.random() * SENDERS)
                more = ',"bounce_class":"hard","code":"5.1.1"' if kind == "message.bounced" else ""
                items.append(
                    f'{{"id":"d{life}_{number}","kind":"{kind}","at":"{at.decode()}","channel":"email","data":'
                    f'{{"account":"acc_{sender}","campaign":"cmp_{sender}_{number // 20_000}",'
                    f'"message":"msg_{life}_{number}","messages":1{more}}}}}'.encode()
                )
            else:
                event = simulated[number % len(simulated)]
                items.append(b'{"id":"s%s_%d","at":"%s",%s' % (life.encode(), number, at, event))
        yield b"[" + b",".join(items) + b"]"


def cut(event: dict[str, Any]) -> bytes:
    """Return an event as JSON without id, time and opening brace."""
    return msgspec.json.encode({name: value for name, value in event.items() if name not in ("id", "at")})[1:]


def memory_mb(pid: int) -> int:
    """Return the resident memory of a process; 0 where the system does not tell it this way."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    except (OSError, IndexError):
        return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
