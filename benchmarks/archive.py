"""
`goodsend archive`: a simulated platform's log to Parquet, and DuckDB reading it back.

Events per CPU-second of the exporting process (PostgreSQL's own time comes on top: compare with the wall), bytes per
event and table, and by how much the peak of memory grew.

    python benchmarks/archive.py [--events 20000]

The last line is one JSON object.
"""

import argparse
import dataclasses
import itertools
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from goodsend.archive.engines.duck import DuckDB
from goodsend.archive.export import export
from goodsend.archive.read import survey
from goodsend.connectors.postgres import start
from goodsend.facts import FactType
from goodsend.kit.clock import DAY
from goodsend.settings import Settings
from goodsend.simulation.world import simulate
from goodsend.store import tenants
from goodsend.wiring import Installation, install

TENANT = "bench"
BATCH = 1_000


def main() -> int:
    """Fill a log, export it, read it back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    wanted = parser.parse_args().events
    with tempfile.TemporaryDirectory(prefix="goodsend-bench-") as folder, start(Path(folder) / "data") as server:
        settings = dataclasses.replace(Settings(), database_url=server.url)
        with install(settings) as installation:
            fill(installation, wanted)
            result = measure(installation, Path(folder) / "archive")
    print(json.dumps({"benchmark": "archive", "cpus": os.cpu_count()} | result))
    return 0


def fill(installation: Installation, wanted: int) -> None:
    """Judge and store so many events of a simulated platform."""
    now = installation.now()
    with installation.pool.connection() as connection:
        tenants.ensure(connection, TENANT, TENANT, now)
    installation.engine.start()
    events = (event for event, _ in itertools.islice(simulate(7, now - DAY, DAY, accounts=960), wanted))
    while batch := list(itertools.islice(events, BATCH)):
        installation.engine.submit(TENANT, batch).result()


def measure(installation: Installation, archive: Path) -> dict[str, Any]:
    """Export everything, and count what DuckDB finds."""
    pack = installation.pack(TENANT)
    with installation.pool.connection() as connection:  # Arrow's first steps import a good deal: not what is measured
        export(connection, archive.parent / "warm", TENANT + "-none", pack)
    pa.array(["warm"])
    before = _peak_bytes()
    wall, cpu = time.monotonic(), time.process_time()
    with installation.pool.connection() as connection:
        done = export(connection, archive, TENANT, pack)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    found = survey(archive, TENANT)
    sizes = {table: sum(path.stat().st_size for path in paths) for table, paths in found.files.items()}
    with DuckDB(archive.parent / "scratch") as engine:
        began = time.monotonic()
        engine.add_files("events", found.files["events"], {"arrival": FactType.INTEGER, "e_kind": FactType.TEXT})
        rows = engine.table("SELECT e_kind, count(*) AS n FROM events GROUP BY 1").to_pylist()
        read_s = time.monotonic() - began
    assert sum(row["n"] for row in rows) == done.events
    return {
        "events": done.events,
        "files": done.files,
        "events_per_cpu_s": round(done.events / cpu),
        "events_per_s": round(done.events / wall),
        "bytes_per_event": {table: round(size / done.events) for table, size in sizes.items()},
        "grown_mb": round((_peak_bytes() - before) / 1e6),
        "count_by_kind_s": round(read_s, 3),
    }


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    sys.exit(main())
