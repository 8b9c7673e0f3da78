"""
`goodsend demo`, seconds from its command: first start to the first decision, restart to /readyz, start after kill -9.

Every start is a new process over one data folder; PostgreSQL is the embedded one, and has ended before the next start
begins. The best and the median of several restarts are told, because other work on the machine only ever adds.

    python benchmarks/restart.py [--rounds 5]

The last line is one JSON object.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

PATIENCE_S = 120.0


def main() -> int:
    """Start, play the day, restart, kill, restart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="restarts of each sort")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="goodsend-bench-") as folder:
        data = Path(folder) / "demo"
        first = Demo(data, "--seconds", "1")
        ready_s = first.seconds_until(first.is_ready)
        decided_s = first.seconds_until(lambda: first.decisions() > 0)
        first.await_line("The day is played: ")
        played_s = time.monotonic() - first.began
        events = first.count()
        first.end(signal.SIGTERM)

        restarts = [restart(data, signal.SIGTERM) for _ in range(rounds)]
        Demo(data).until_ready().end(signal.SIGKILL)
        kills = [restart(data, signal.SIGKILL) for _ in range(rounds)]
        Demo(data).until_ready().end(signal.SIGTERM)
    print(
        json.dumps(
            {
                "benchmark": "restart",
                "cpus": os.cpu_count(),
                "first_start_to_ready_s": round(ready_s, 2),
                "first_start_to_decision_s": round(decided_s, 2),
                "first_start_to_day_played_s": round(played_s, 2),
                "events": events,
                "restart_to_ready_s": spread(restarts),
                "start_after_kill_to_ready_s": spread(kills),
            }
        )
    )
    return 0


def restart(data: Path, how: signal.Signals) -> float:
    """Start on what is there, say when it was ready, and end it this way for the next round."""
    demo = Demo(data)
    took = demo.seconds_until(demo.is_ready)
    demo.end(how)
    return took


def spread(seconds: list[float]) -> dict[str, float]:
    """Return best, median and worst."""
    return {
        "best": round(min(seconds), 2),
        "median": round(statistics.median(seconds), 2),
        "worst": round(max(seconds), 2),
    }


class Demo:
    """One `goodsend demo` process; `began` is when it was started."""

    def __init__(self, data: Path, *more: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GOODSEND_")}
        self.data = data
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "goodsend", "demo", "--data", str(data), "--port", "0", *more],
            env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._client = httpx.Client(base_url=self.await_line("Console "), timeout=30)
        self.await_line("Sign-in ")
        self._client.headers["Authorization"] = f"Bearer {self.await_line('API key ')}"

    def await_line(self, start: str) -> str:
        """Read on to the line that starts so; return its rest."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(start):
                return line[len(start) :].strip()
        raise SystemExit(f"goodsend demo ended with {self._process.wait()} before it said {start!r}")

    def seconds_until(self, reached: Callable[[], bool]) -> float:
        """Wait for it; return the seconds since this process was started."""
        while not reached():
            if time.monotonic() - self.began > PATIENCE_S:
                raise SystemExit("it took too long")
            time.sleep(0.01)
        return time.monotonic() - self.began

    def until_ready(self) -> "Demo":
        """Wait until it can serve."""
        self.seconds_until(self.is_ready)
        return self

    def is_ready(self) -> bool:
        """Say whether /readyz answers with 200."""
        try:
            return self._client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def decisions(self) -> int:
        """Decisions that a client can read, up to one."""
        return len(self._client.get("/v1/events", params={"limit": 1}).json()["items"])

    def count(self) -> int:
        """Every event that a client can read."""
        total, query = 0, {"limit": "200"}
        while True:
            page: dict[str, Any] = self._client.get("/v1/events", params=query).json()
            total += len(page["items"])
            if not page.get("next"):
                return total
            query["cursor"] = page["next"]

    def end(self, how: signal.Signals) -> None:
        """End it, and wait until its database has ended too."""
        self._client.close()
        self._process.send_signal(how)
        self._process.communicate()
        pid_file = self.data / "postgres" / "data" / "postmaster.pid"
        while pid_file.exists():
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
