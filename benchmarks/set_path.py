"""
The set path of features on DuckDB: a made-up log in Parquet, 12 windows of different keys, every fact of every event.

The log: accounts, addresses and devices of very different sizes (a few keys have a hundred thousand times as many
events as most), 30 days, a share of the events late by up to an hour. Wall and CPU seconds, and the peak of this
process's memory, looked at every 20 ms. `--engine-memory` bounds DuckDB; what does not fit it writes to disk.

Run: `./dev bench set_path [--events 500000] [--late 0.01]`; the last line is JSON.
"""

import argparse
import json
import os
import resource
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goodsend.archive.engines.duck import DuckDB
from goodsend.events.kinds import parse_kinds
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.facts import FactType
from goodsend.features.definitions import Feature, parse_features
from goodsend.features.sql.steps import FEATURES, feature_steps
from goodsend.kit.clock import DAY, HOUR, parse_time

START = parse_time("2026-10-01T00:00:00Z")
SPAN = 30 * DAY
ENTITIES = {
    "account": 50_000, "ip": 200_000, "asn": 2_000, "agent": 5_000, "country": 120, "plan": 5, "home": 100,
    "address": 300_000, "sender": 60_000, "name": 20_000, "subject": 100_000, "reply": 60_000,
}  # fmt: skip
"""How many different keys of each type there are; smaller numbers come far more often."""
WINDOWS = {
    "account": ("sum", "e.recipients", "24h"), "ip": ("count", None, "1h"), "asn": ("distinct", "e.account", "24h"),
    "agent": ("count", None, "1m"), "country": ("sum", "e.recipients", "1h"), "plan": ("count", None, "10m"),
    "home": ("max", "e.recipients", "7d"), "address": ("count", None, "90d"), "sender": ("distinct", "e.ip", "7d"),
    "name": ("avg", "e.recipients", "1h"), "subject": ("count", None, "30d"), "reply": ("count", None, "24h"),
}  # fmt: skip
"""The windows of `windows12`, so that the two paths are measured on the same definitions."""
KIND = "campaign.judged"


def features_of_keys() -> tuple[Feature, ...]:
    """Twelve features of twelve keys."""
    fields: dict[str, Any] = {name: {"type": "text", "doc": "", "entity": name} for name in ENTITIES}
    fields["recipients"] = {"type": "integer", "doc": ""}
    raw = {"entities": dict.fromkeys(ENTITIES, ""), "kind": {KIND: {"doc": "", "fields": fields}}}
    kinds, problems = parse_kinds({"k": raw})
    tables = {
        f"{name}_{window}": {"doc": "d", "owner": "o", "aggregate": aggregate, "key": [name], "on": [KIND],
                             "window": window} | ({"of": of} if of else {})
        for name, (aggregate, of, window) in WINDOWS.items()
    }  # fmt: skip
    features, found = parse_features({"f": {"feature": tables}}, kinds, CORE_FUNCTIONS)
    if problems or found:
        raise ValueError([*problems, *found])
    return features


def write_log(folder: Path, events: int, late: float) -> list[Path]:
    """Write the log as Parquet, a file per million events."""
    random = np.random.default_rng(7)
    paths = []
    for start in range(0, events, 1_000_000):
        count = min(1_000_000, events - start)
        at = START + (np.arange(start, start + count) * (SPAN / events)).astype(np.int64)
        at -= np.where(random.random(count) < late, random.integers(0, HOUR, count), 0)
        columns: dict[str, Any] = {"arrival": np.arange(start + 1, start + count + 1), "e_at": at}
        columns["e_kind"] = pa.array([KIND]).take(pa.array(np.zeros(count, np.int32)))
        for name, keys in ENTITIES.items():
            drawn = (keys * random.random(count) ** 3).astype(np.int64)
            columns[f"e_{name}"] = pa.array([f"{name}_{key:06d}" for key in drawn.tolist()])
        columns["e_recipients"] = random.integers(1, 5_000, count)
        paths.append(folder / f"{start}.parquet")
        pq.write_table(pa.table(columns), paths[-1], compression="zstd")
    return paths


class Memory:
    """The peak of this process's resident memory while something runs, in MiB."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._ended.wait(0.02):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.peak = max(self.peak, pages * page / 2**20)


def run(paths: list[Path], folder: Path, memory: str, threads: int, *, told: bool) -> dict[str, Any]:
    """Compute every feature of every event once and write them to Parquet; returns what it took."""
    features = features_of_keys()
    columns = {"arrival": FactType.INTEGER, "e_kind": FactType.TEXT, "e_at": FactType.TIME}
    columns |= {f"e_{name}": FactType.TEXT for name in ENTITIES} | {"e_recipients": FactType.INTEGER}
    entity_fields = {KIND: {name: name for name in ENTITIES}}
    started, cpu = time.perf_counter(), time.process_time()
    with Memory() as watched, DuckDB(folder / "engine", memory=memory, threads=threads) as engine:
        engine.add_files("events", paths, columns)
        for step in feature_steps(features, entity_fields, engine.dialect, {}):
            before = time.perf_counter()
            engine.run([step])
            if told and step.keep:
                print(f"{time.perf_counter() - before:7.2f} s  {step.name}")
        sums = ", ".join(f"SUM(f_{feature.name}) AS f_{feature.name}" for feature in features)
        before = time.perf_counter()
        [sum_] = engine.table(f"SELECT COUNT(*) AS events, {sums} FROM {FEATURES}").to_pylist()
        if told:
            print(f"{time.perf_counter() - before:7.2f} s  {FEATURES}")
    return {
        "wall_s": round(time.perf_counter() - started, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "peak_rss_mib": round(watched.peak),
        "max_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "sums": {name: float(value or 0) for name, value in sum_.items()},
    }


def main() -> None:
    """Make the log, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--late", type=float, default=0.01, help="share of events that are late, by up to an hour")
    parser.add_argument("--engine-memory", default="4GB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quiet", action="store_true")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_log(folder, said.events, said.late)
        took = run(paths, folder, said.engine_memory, said.threads, told=not said.quiet)
    print(json.dumps({"events": said.events, "late": said.late, "load": os.getloadavg()[0], **took}))


if __name__ == "__main__":
    main()
