"""
Backtest a made-up archive: 12 windows of 12 keys and 20 rules over millions of events, on DuckDB or a Spark cluster.

The archive is Parquet of 30 days, made by numpy from a seed: 20,000 accounts, of which few do most, texts to search,
1 % of the events late by up to two hours. Told: seconds on the clock, CPU-seconds and most memory of this process (on
Spark the cluster's own come on top). Goal on two cores: 5 million events in under 90 s and 8 GiB.

Run: `./dev bench backtest [--sizes 0.5 5 20] [--engine spark --workers 2] [--plot FILE]`; the last line is JSON.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from goodsend.archive.backtest import Ask, backtest
from goodsend.archive.engines.open import open_engine
from goodsend.archive.engines.processes import LocalCluster
from goodsend.archive.judge import Span
from goodsend.archive.layout import (
    EXPORTS,
    PACK_KEY,
    SCHEMA_VERSION,
    TABLE_KEY,
    TENANT_KEY,
    VERSION_KEY,
    Export,
    ExportedFile,
    day_path,
    file_name,
    tenant_folder,
)
from goodsend.archive.past import open_past
from goodsend.archive.stream import toml
from goodsend.kit.clock import DAY, HOUR, Micros, day_of, parse_time
from goodsend.pack import Pack, build_pack
from goodsend.wiring import SHIPPED, read_layer

TENANT, SEED, DAYS = "bench", 7, 30
START: Micros = parse_time("2026-10-01T00:00:00Z")

TEXTS = {
    "account": 20_000, "ip": 200_000, "asn": 400, "agent": 3_000, "country": 60, "plan": 5, "home": 61,
    "address": 25_000, "sender": 30_000, "name": 8_000, "subject": 150_000, "reply": 12_000,
}  # fmt: skip
"""Twelve keys, and how many values each has."""

WINDOWS = {
    "account": ("sum", "e.recipients", "24h"), "ip": ("count", None, "1h"), "asn": ("distinct", "e.account", "24h"),
    "agent": ("count", None, "1m"), "country": ("sum", "e.recipients", "1h"), "plan": ("count", None, "10m"),
    "home": ("max", "e.recipients", "7d"), "address": ("count", None, "30d"), "sender": ("distinct", "e.ip", "7d"),
    "name": ("avg", "e.recipients", "1h"), "subject": ("count", None, "30d"), "reply": ("count", None, "24h"),
}  # fmt: skip
"""The windows of the benchmark `windows12`, by key."""

RULES = {
    "r01": "f.account_x > 40000 AND e.age_days < 7", "r02": "f.ip_x > 40", "r03": "f.asn_x > 900 AND e.plan = 'plan1'",
    "r04": "f.agent_x > 5", "r05": "f.country_x > 4000000", "r06": "f.plan_x > 2000 AND e.recipients > 9000",
    "r07": "f.home_x >= 9990 AND e.age_days < 30", "r08": "f.address_x > 3 * e.age_days AND e.recipients > 5000",
    "r09": "f.sender_x > 60", "r10": "f.name_x > 6000", "r11": "f.subject_x > 100", "r12": "f.reply_x > 60",
    "r13": "e.bounces > 0.08", "r14": "e.complaints > 0.003", "r15": "e.recipients > 5000 AND e.age_days < 7",
    "r16": "REGEXP_LIKE(e.subject, '(?i)\\b(final notice|suspended|act now) 1')",
    "r17": "e.country <> e.home AND e.country IN ('country1', 'country2', 'country3')",
    "r18": "e.subject LIKE '%suspended%77'", "r19": "IN_LIST('throwaway', e.sender)",
    "r20": "(f.ip_x > 20 OR e.bounces > 0.05) AND (f.account_x > 10000 OR f.subject_x > 50)",
}  # fmt: skip
"""Twenty rules: one a window, and of the sorts that `rules20` has."""


def make_pack() -> Pack:
    """Return the pack: one kind, twelve features, twenty rules."""
    fields: dict[str, Any] = {name: {"type": "text", "doc": "d", "entity": name} for name in TEXTS}
    fields |= {name: {"type": "integer", "doc": "d"} for name in ("recipients", "age_days")}
    fields |= {name: {"type": "number", "doc": "d"} for name in ("bounces", "complaints")}
    kind = {"entities": dict.fromkeys(TEXTS, "d"), "kind": {"campaign.judged": {"doc": "d", "fields": fields}}}
    features = {
        f"{key}_x": {"doc": "d", "owner": "o", "aggregate": aggregate, "key": [key], "on": ["campaign.judged"],
                     "window": window} | ({"of": of} if of else {})
        for key, (aggregate, of, window) in WINDOWS.items()
    }  # fmt: skip
    rules = {
        id_: {"doc": "d", "owner": "o", "policy": "made_up", "severity": 1, "when": when, "verdict": "review",
              "reason": "r", "on": ["campaign.judged"], "case": [{"given": {}, "fires": "unknown"}]}
        for id_, when in RULES.items()
    }  # fmt: skip
    throwaway = {"doc": "d", "type": "text", "source": "made up", "licence": "CC0-1.0", "as_of": "2026-10-01",
                 "values": [f"sender{n}" for n in range(0, 30_000, 300)]}  # fmt: skip
    policy = {"clause": "1", "title": "d", "text": "d", "severity": 1, "source": "d", "effective_from": "2026-01-01"}
    decisions = {"points": {"hold": 30.0}, "cap_per_policy": 50.0, "source": "made up"}
    made: dict[str, dict[str, Any]] = {
        "kinds/k": kind, "features/f": {"feature": features}, "rules/r": {"rule": rules}, "lists/throwaway": throwaway,
        "policies/p": {"policy": {"made_up": policy}}, "decisions": decisions,
    }  # fmt: skip
    kept = {
        path: body for path, body in read_layer(SHIPPED).items()
        if path.split("/")[1] in ("pack.toml", "scanning", "lists", "addresses.toml")
    }  # fmt: skip
    pack, problems = build_pack(kept | {f"made/{name}.toml": toml(table) for name, table in made.items()})
    if pack is None:
        raise SystemExit("\n".join(problem.render() for problem in problems))
    return pack


def make_archive(root: Path, count: int, version: str) -> None:
    """Write the events of `count` rows, a file a day; the same count gives the same rows."""
    folder = tenant_folder(root, TENANT)
    (folder / EXPORTS).mkdir(parents=True)
    files, arrival = [], 1
    for day in range(DAYS):
        rows = _day(day, count // DAYS, arrival)
        by_day = pc.floor(pc.divide(rows.column("e_at"), DAY))
        for number in sorted(set(by_day.to_pylist())):  # the late ones of a day before lie in that day's folder
            some = rows.filter(pc.equal(by_day, number))
            first, last = some.column("arrival")[0].as_py(), some.column("arrival")[-1].as_py()
            path = folder / day_path("events", day_of(number * DAY), first, last)
            path.parent.mkdir(parents=True, exist_ok=True)
            keys = {VERSION_KEY: SCHEMA_VERSION, TABLE_KEY: "events", TENANT_KEY: TENANT, PACK_KEY: version}
            pq.write_table(some.replace_schema_metadata(keys), path, compression="zstd")
            files.append(
                ExportedFile(path.relative_to(folder).as_posix(), some.num_rows, path.stat().st_size, first, last)
            )
        arrival += rows.num_rows
    step = Export(1, arrival - 1, version, files)
    (folder / EXPORTS / file_name(1, arrival - 1, "json")).write_bytes(msgspec.json.encode(step))


def _day(day: int, count: int, arrival: int) -> pa.Table:
    random = np.random.default_rng([SEED, day])
    at = np.sort(random.integers(0, DAY, count)) + START + day * DAY
    late = random.random(count) < 0.01
    at = np.where(late, at - random.integers(0, 2 * HOUR, count), at)
    arrivals = np.arange(arrival, arrival + count)
    columns: dict[str, Any] = {
        "arrival": pa.array(arrivals), "e_id": pa.array(np.char.add("e", arrivals.astype(str))),
        "e_kind": pa.array(["campaign.judged"] * count), "e_at": pa.array(at),
        "e_channel": pa.nulls(count, pa.string()),
    }  # fmt: skip
    for name, values in TEXTS.items():
        drawn = (random.random(count) ** 2.5 * values).astype(np.int64)  # few keys carry most of the events
        known = pa.array([f"{_WORDS[n % 4]}{n}" if name == "subject" else f"{name}{n}" for n in range(values)])
        columns["e_" + name] = pa.DictionaryArray.from_arrays(pa.array(drawn), known).cast(pa.string())
    columns["e_recipients"] = pa.array((random.random(count) ** 4 * 10_000).astype(np.int64))
    columns["e_age_days"] = pa.array((random.random(count) ** 2 * 1_000).astype(np.int64))
    columns["e_bounces"] = pa.array(random.random(count) ** 8 * 0.2)
    columns["e_complaints"] = pa.array(random.random(count) ** 10 * 0.01)
    return pa.table(columns)


_WORDS = ("weekly news ", "final notice ", "your order ", "account suspended ")


def measure(count: int, engine: str, workers: int, root: Path) -> dict[str, Any]:
    """Backtest an archive of `count` events in this process and return what it took."""
    warnings.filterwarnings("ignore")  # of pyspark, pandas and protobuf while they are imported
    pack = make_pack()
    with ExitStack() as stack:
        place = engine
        if engine == "spark":
            cluster = LocalCluster(root / "spark", workers=workers, worker_memory="4g")
            stack.callback(cluster.close)
            place = cluster.master
        opened = stack.enter_context(open_engine(place, folder=root / "scratch", memory="5GB"))
        started, cpu = time.perf_counter(), time.process_time()
        span = Span(START, START + DAYS * DAY)
        past = open_past(opened, root / "archive", TENANT, [pack], span, 7 * DAY)
        ask = Ask(TENANT, pack, span, past.digest, past.lists(None), notes=past.notes)
        report = backtest(opened, ask, root / "work")
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {
        "events": report.events, "engine": engine, "workers": workers if engine == "spark" else None,
        "wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "peak_gib": round(peak, 2),
        "hits": sum(rule.hits for rule in report.rules),
    }  # fmt: skip


def _child(count: int, engine: str, workers: int, root: str, results: Any) -> None:
    results.put(measure(count, engine, workers, Path(root)))


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and memory over millions of events."""
    wide, high, left, low = 640, 300, 60, 40
    most_x = max(row["events"] for row in rows) / 1e6 * 1.05
    parts = []
    for key, colour, title, shift in (("wall_s", "#0b6b5d", "seconds", 0), ("peak_gib", "#b3541e", "GiB at most", 1)):
        most = max(row[key] for row in rows) * 1.15
        across, up = (wide - 2 * left) / most_x / 1e6, (high - 2 * low) / most
        points = [(left + row["events"] * across, high - low - row[key] * up, row) for row in rows]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>')
        for x, y, row in points:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
            parts.append(
                f'<text x="{x:.1f}" y="{y - 8 if not shift else y + 16:.1f}" fill="{colour}" text-anchor="middle">'
                f"{row[key]:g}</text>"
            )
        parts.append(f'<text x="{left + shift * 110}" y="20" fill="{colour}">{title}</text>')
    for row in rows:
        x = left + row["events"] / 1e6 / most_x * (wide - 2 * left)
        parts.append(f'<text x="{x:.1f}" y="{high - 16}" text-anchor="middle">{row["events"] / 1e6:g}</text>')
    parts.append(f'<text x="{wide - left}" y="{high - 2}" text-anchor="end">million events</text>')
    axis = f'<path d="M{left} {high - low}H{wide - left}" stroke="#7d8984"/>'
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="system-ui, sans-serif" '
        f'font-size="12" fill="#5c6964"><rect width="{wide}" height="{high}" fill="#fff"/>'
        f"{axis}{''.join(parts)}</svg>\n"
    )


def main() -> None:
    """Measure each size in a process of its own, so that memory is that of one run."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sizes", type=float, nargs="+", default=[5.0], help="million events (default 5)")
    arguments.add_argument("--engine", choices=["duckdb", "spark"], default="duckdb")
    arguments.add_argument("--workers", type=int, default=2, help="of the Spark cluster (default 2)")
    arguments.add_argument("--plot", type=Path, help="write an SVG of how it grows")
    given = arguments.parse_args()
    rows = []
    for size in given.sizes:
        with tempfile.TemporaryDirectory(prefix="goodsend-bench-") as root:
            make_archive(Path(root) / "archive", int(size * 1e6), make_pack().version)
            context = multiprocessing.get_context("spawn")
            results = context.Queue()
            child = context.Process(
                target=_child, args=(int(size * 1e6), given.engine, given.workers, root, results)
            )  # fmt: skip
            child.start()
            child.join()
            if child.exitcode:
                raise SystemExit(child.exitcode)
            rows.append(results.get())
        print(json.dumps(rows[-1]), flush=True)
    if given.plot is not None:
        plot(rows, given.plot)
    if len(rows) > 1:
        print(json.dumps({"benchmark": "backtest", "runs": rows}))


if __name__ == "__main__":
    main()
