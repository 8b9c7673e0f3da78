"""
The proof on made-up streams: the row path against DuckDB, Sail and Apache Spark, on every fact and every hit.

Runs the engines that there are and says which are not. The last line is `N differences`; the exit code is 1 when N > 0.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from goodsend.archive import stream
from goodsend.archive.engines.model import SqlEngine
from goodsend.archive.engines.open import open_engine
from goodsend.archive.engines.processes import LocalCluster, java_problem
from goodsend.archive.prove import Ask, prove
from goodsend.features.compute import LATE_HORIZON
from goodsend.kit.clock import DAY, Micros, parse_time
from goodsend.kit.errors import GoodsendError
from goodsend.pack import Pack
from goodsend.reports.proof import lines_of
from goodsend.simulation.world import simulate
from goodsend.wiring import SHIPPED, load_pack, read_layer

ENGINES = ("duckdb", "sail", "spark")
START = parse_time("2026-11-01T00:00:00Z")
Stream = tuple[str, Pack, list[stream.Played], Micros]


def main() -> int:
    """Prove every stream on every engine there is."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=400, help="events of each made-up stream (default 400)")
    arguments.add_argument(
        "--seeds", type=int, nargs="+", help="made-up streams (default: those that use every function)"
    )
    arguments.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    given = arguments.parse_args()
    differences = 0
    seeds = given.seeds or list(stream.SEEDS)
    streams = [*(_made_up(seed, given.events) for seed in seeds), _simulated()]
    small = [_made_up(seed, given.events, small=True) for seed in seeds[:1]]
    with tempfile.TemporaryDirectory(prefix="goodsend-prove-") as folder:
        for name in given.engines:
            with _engine(name, Path(folder)) as engine:
                if engine is not None:
                    differences += sum(_prove(engine, one) for one in (small if name == "spark" else streams))
    print(f"{differences} differences")
    return 1 if differences else 0


def _made_up(seed: int, events: int, *, small: bool = False) -> Stream:
    """
    Every aggregate, some of the expressions, and events as awkward as they come.

    `small`: one feature per aggregate. Spark spends its time on planning: minutes for what takes DuckDB seconds.
    """
    pack = stream.make_pack(read_layer(SHIPPED), seed, 1 if small else 2, values=not small)
    played = list(stream.play(pack, stream.make_items(seed, events), now=stream.START + 40 * DAY))
    return f"made up, seed {seed}", pack, played, stream.LATE_HORIZON


def _simulated() -> Stream:
    """The shipped pack on an hour of a made-up platform and the history before it."""
    pack = load_pack([])
    items = (event for event, _ in simulate(7, START, DAY // 24, 30))
    played = list(stream.play(pack, items, now=START + 2 * DAY, late_horizon=LATE_HORIZON))
    return "the shipped pack on a simulated platform", pack, played, LATE_HORIZON


def _prove(engine: SqlEngine, one: Stream) -> int:
    title, pack, played, late_horizon = one
    started = time.monotonic()
    engine.clear()
    for table, rows in stream.tables(played, pack).items():
        engine.add_rows(table, rows)
    proof = prove(engine, Ask(stream.TENANT, pack, late_horizon=late_horizon))
    print(f"{title}: {len(pack.features)} features, {len(pack.ruleset.rules)} rules")
    print("\n".join(lines_of(proof)), f"in {time.monotonic() - started:.0f} s", flush=True)
    return proof.differences


@contextmanager
def _engine(name: str, folder: Path) -> Iterator[SqlEngine | None]:
    """Open an engine, or say why it does not run. Spark is a cluster of one master and two workers on loopback."""
    with ExitStack() as stack:
        try:
            engine = stack.enter_context(_opening(name, folder, stack))
        except GoodsendError as error:
            print(f"{name}: did not run: {error}")
            yield None
            return
        yield engine


def _opening(name: str, folder: Path, stack: ExitStack) -> SqlEngine:
    warnings.filterwarnings("ignore")  # of pyspark, pandas and protobuf while they are imported
    if name == "spark":
        problem = java_problem()
        if problem is not None:
            raise GoodsendError(problem)
        cluster = LocalCluster(folder / "spark", workers=2)
        stack.callback(cluster.close)
        return open_engine(cluster.master, folder=folder)
    return open_engine(name, folder=folder)


if __name__ == "__main__":
    sys.exit(main())
