"""`goodsend ingest`: events from JSON lines into the database, judged on the way."""

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import psycopg
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from goodsend.handle import Answer, Engine
from goodsend.kit.errors import Misconfigured, Rejection, Retryable
from goodsend.kit.text import printable
from goodsend.settings import Settings
from goodsend.sources.jsonl import read_lines
from goodsend.store import rejections, tenants
from goodsend.wiring import Installation, install

_BATCH = 1_000
_BATCH_BYTES = 16_000_000
"""A batch ends with the line that goes beyond: few long lines weigh as much as many short ones."""

_IN_FLIGHT = 4
_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("paths", nargs="+", help="files, or - for standard input")
    parser.add_argument("--tenant", default="default", help="whose events they are (default: default)")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Take in every line of every path; returns 1 when something was rejected, 0 when all was taken."""
    for path in options.paths:
        if path != "-" and not Path(path).is_file():
            raise Misconfigured(f"{path} is not a file")
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # one line says that the database is away
    counts: Counter[str] = Counter()
    with install(settings) as installation:
        with installation.pool.connection() as connection:
            is_new = tenants.ensure(connection, options.tenant, options.tenant, installation.now())
        if is_new and options.tenant != "default":
            print(f"tenant {options.tenant} was not there: added", file=sys.stderr)
        installation.engine.start()
        with _progress() as progress:
            for path in options.paths:
                try:
                    _ingest(installation, options.tenant, path, counts, progress)
                except (psycopg.OperationalError, PoolTimeout) as error:
                    raise Retryable(f"the database is away: {error}") from error
        installation.engine.close()
        installation.engine.keep_windows(options.tenant)
    verdicts = ", ".join(f"{count:,} {name[8:]}" for name, count in sorted(counts.items()) if name[:8] == "verdict:")
    print(
        f"{counts['accepted']:,} accepted, {counts['duplicate']:,} already known, {counts['rejected']:,} rejected"
        + (f"; decided: {verdicts}" if verdicts else "")
    )
    return 1 if counts["rejected"] else 0


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True,
    )  # fmt: skip


def _ingest(installation: Installation, tenant: str, path: str, counts: Counter[str], progress: Progress) -> None:
    name = "standard input" if path == "-" else Path(path).name
    size = None if path == "-" else Path(path).stat().st_size
    task = progress.add_task(printable(name), total=size)
    waiting: list[tuple[list[str], Future[list[Answer]]]] = []
    for places, batch, broken in _batches(_lines(path, lambda done: progress.update(task, completed=done))):
        if broken:
            counts["rejected"] += len(broken)
            with installation.pool.connection() as connection:
                rejections.add(connection, tenant, f"ingest:{name}", broken, installation.now())
            for rejection in broken:
                _show(f"{name}: {rejection.place}", rejection, counts)
        if batch:
            waiting.append((places, _submit(installation.engine, tenant, batch, name)))
        while len(waiting) >= _IN_FLIGHT:
            _settle(name, *waiting.pop(0), counts)
    while waiting:
        _settle(name, *waiting.pop(0), counts)


def _submit(engine: Engine, tenant: str, batch: list[bytes], name: str) -> Future[list[Answer]]:
    return engine.submit(tenant, batch, source=f"ingest:{name}")


def _lines(path: str, on_progress: Callable[[int], None]) -> Iterator[tuple[str, bytes] | Rejection]:
    try:
        yield from read_lines(path, on_progress=on_progress)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error


def _batches(
    lines: Iterator[tuple[str, bytes] | Rejection],
) -> Iterator[tuple[list[str], list[bytes], list[Rejection]]]:
    places: list[str] = []
    batch: list[bytes] = []
    broken: list[Rejection] = []
    size = 0
    for line in lines:
        if isinstance(line, Rejection):
            broken.append(line)
            size += len(line.raw)
        else:
            places.append(line[0])
            batch.append(line[1])
            size += len(line[1])
        if len(batch) + len(broken) >= _BATCH or size >= _BATCH_BYTES:
            yield places, batch, broken
            places, batch, broken = [], [], []
            size = 0
    if batch or broken:
        yield places, batch, broken


def _settle(name: str, places: list[str], future: Future[list[Answer]], counts: Counter[str]) -> None:
    for place, answer in zip(places, future.result(), strict=True):
        counts[answer.status] += 1
        if answer.rejection is not None:
            _show(f"{name}: {place}", answer.rejection, counts)
        elif answer.decision is not None and answer.status == "accepted":
            counts[f"verdict:{answer.decision.verdict.value}"] += 1


def _show(place: str, rejection: Rejection, counts: Counter[str]) -> None:
    counts["shown"] += 1
    if counts["shown"] <= _SHOWN:
        where = f"{place}: {rejection.place}" if rejection.place and rejection.place not in place else place
        hint = f" ({rejection.hint})" if rejection.hint else ""
        print(printable(f"{where}: {rejection.reason}{hint}"), file=sys.stderr)
    elif counts["shown"] == _SHOWN + 1:
        print("… further rejections are in the console, under Rejections", file=sys.stderr)
