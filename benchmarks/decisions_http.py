"""
POST /v1/decisions over HTTP: requests per second and latency, on a warm state of as many events as asked for.

The server is `goodsend serve` as a process of its own with an embedded database (durable: every answer is on disk).
The clients are another process: raw keep-alive connections, each waiting for its answer before it sends again. Events
come from the simulator, mails included, with new ids and the present time. Server and clients share this machine; the
CPU of each is told. `--warm-events` are deliveries of 20,000 senders over nine days, put into the log by SQL before the
server starts and read into its windows; the load begins when their first snapshot is kept and the tables are vacuumed,
as they would be on a day after. `--preload` are simulated ones sent over HTTP.

    python benchmarks/decisions_http.py [--seconds 10] [--preload 5000] [--warm-events 1000000] [--clients 1,8,16]

The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import restart5m

from goodsend.connectors.postgres import start
from goodsend.kit.clock import DAY, format_time
from goodsend.simulation.world import simulate
from goodsend.wiring import system_now

TENANT = "bench"


def main() -> int:
    """Run the whole benchmark, or (as `load`, started by itself) the clients of one measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each measurement takes")
    parser.add_argument("--preload", type=int, default=5_000, help="events in the database before it starts")
    parser.add_argument("--warm-events", type=int, default=0, help="events in the log before the server starts")
    parser.add_argument("--clients", default="1,8,16", help="numbers of connections to measure")
    parser.add_argument("--load", nargs=4, metavar=("PORT", "KEY", "CLIENTS", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        port, key, clients, seed = options.load
        print(json.dumps(asyncio.run(drive(int(port), key, int(clients), int(seed), options.seconds))))
        return 0
    with tempfile.TemporaryDirectory(prefix="goodsend-bench-") as folder, ExitStack() as stack:
        warm = None
        if options.warm_events:
            server = stack.enter_context(start(Path(folder) / "data"))
            step = 9 * DAY // options.warm_events
            restart5m.fill(restart5m.migrated(server), 0, options.warm_events, system_now() - 10 * DAY, step)
            warm = server.url
        clients = [int(number) for number in options.clients.split(",")]
        measure(Path(folder), options.seconds, options.preload, options.warm_events, clients, warm)
    return 0


def measure(folder: Path, seconds: float, preload: int, warm: int, numbers: list[int], database: str | None) -> None:
    """Start a server in this folder, fill it, and print what each number of clients saw."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GOODSEND_")}
    environment |= {"GOODSEND_DATA_DIR": str(folder / "data"), "GOODSEND_LOG_LEVEL": "warning"}
    with serving(environment) as (server, port):
        goodsend(environment, "tenant", TENANT)
        key = re.findall(r"gsk_\S+", goodsend(environment, "key", TENANT))[0]
        fill(port, key, preload)
        if database is not None:
            settle(database)
        result: dict[str, Any] = {
            "benchmark": "decisions_http", "cpus": os.cpu_count(), "warm_events": warm, "preloaded_events": preload,
        }  # fmt: skip
        for clients in numbers:
            before = cpu_seconds(server.pid), database_cpu_seconds(folder)
            arguments = ["--seconds", str(seconds), "--load", str(port), key, str(clients), str(100 + clients)]
            answered = subprocess.run(
                [sys.executable, __file__, *arguments], capture_output=True, text=True, check=True, env=environment
            )
            found = json.loads(answered.stdout)
            spent = cpu_seconds(server.pid) - before[0], database_cpu_seconds(folder) - before[1]
            found["server_cpu_ms_per_request"] = round(1_000 * spent[0] / found["requests"], 3)
            found["database_cpu_ms_per_request"] = round(1_000 * spent[1] / found["requests"], 3)
            found["load"] = round(os.getloadavg()[0], 1)
            print(f"{clients} client(s): " + ", ".join(f"{name} {value}" for name, value in found.items()))
            result |= {f"clients_{clients}_{name}": value for name, value in found.items()}
    print(json.dumps(result))


def settle(database: str) -> None:
    """Wait until what follows a bulk load once is over: the first snapshot of its windows, and vacuuming."""
    deadline = time.monotonic() + 300
    with psycopg.connect(database, autocommit=True) as connection:
        while connection.execute("SELECT 1 FROM window_snapshot LIMIT 1").fetchone() is None:
            if time.monotonic() > deadline:
                raise SystemExit("no snapshot was kept")
            time.sleep(0.5)
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def goodsend(environment: dict[str, str], *arguments: str) -> str:
    """Run one goodsend command and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "goodsend", *arguments], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the server on a free port until the block ends."""
    command = [sys.executable, "-m", "goodsend", "serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        line = server.stdout.readline() if server.stdout else ""
        found = re.search(r":(\d+)\s*$", line)
        if not found:
            raise SystemExit("the server did not start")
        port = int(found[1])
        for _ in range(3_000):
            try:
                if urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60).status == 200:
                    break
            except OSError:
                time.sleep(0.1)
        yield server, port
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def events(seed: int, now: int) -> Iterator[dict[str, Any]]:
    """Return endlessly many events of simulated days, with ids of their own and the present time."""
    number = 0
    while True:
        for event, _ in simulate(seed, now - DAY, accounts=40):
            number += 1
            yield event | {"id": f"bench_{seed}_{number}", "at": format_time(time.time_ns() // 1_000)}
        seed += 1


def fill(port: int, key: str, count: int) -> None:
    """Put a simulated past into the database."""
    source = events(1, time.time_ns() // 1_000)
    sent = 0
    while sent < count:
        batch = [next(source) for _ in range(min(1_000, count - sent))]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/events",
            json.dumps(batch).encode(),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        answer = json.load(urllib.request.urlopen(request, timeout=120))
        if answer["rejected"]:
            raise SystemExit(f"events were rejected: {next(r for r in answer['results'] if r['rejection'])}")
        sent += len(batch)


async def drive(port: int, key: str, clients: int, seed: int, seconds: float) -> dict[str, Any]:
    """Send events from this many connections for this long, and sum up what they saw."""
    source = events(seed, time.time_ns() // 1_000)
    prepared = [json.dumps(next(source)).encode() for _ in range(int(seconds * 2_500))]
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    queue = iter(prepared)
    deadline = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /v1/decisions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: "
        prefix = head.encode()
        for body in queue:
            begun = time.perf_counter()
            if begun >= deadline:
                break
            writer.write(prefix + str(len(body)).encode() + b"\r\n\r\n" + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(re.findall(rb"content-length: (\d+)", answer)[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - begun)
            status = int(answer[9:12])
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(clients)))
    elapsed = time.perf_counter() - begun
    latencies.sort()
    return {
        "requests": len(latencies),
        "client_cpu_ms_per_request": round(1_000 * (time.process_time() - cpu) / len(latencies), 3),
        "failed": sum(count for status, count in statuses.items() if status != 200),
        "requests_per_s": round(len(latencies) / elapsed, 1),
        "p50_ms": round(1_000 * latencies[len(latencies) // 2], 2),
        "p99_ms": round(1_000 * latencies[int(len(latencies) * 0.99)], 2),
        "max_ms": round(1_000 * latencies[-1], 2),
    }


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used; 0 where the system does not tell it this way (no /proc)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def database_cpu_seconds(folder: Path) -> float:
    """Return the CPU time of the database's processes: those that live in its data folder."""
    total = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve().is_relative_to(folder):
                total += cpu_seconds(int(process.name))
        except OSError:
            continue
    return total


if __name__ == "__main__":
    raise SystemExit(main())
