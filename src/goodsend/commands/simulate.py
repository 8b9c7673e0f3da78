"""`goodsend simulate`: the events of a made-up platform as JSON lines, the truth about them in a file of its own."""

import argparse
import gzip
import io
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import zstandard
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from goodsend.kit.clock import Micros, parse_duration, parse_time, to_micros
from goodsend.kit.errors import Misconfigured
from goodsend.settings import Settings
from goodsend.simulation.world import accounts_truth, simulate

MOST_ACCOUNTS = 1_000_000
"""More would not fit the account numbers; memory is about 30 kB an account."""

_PROGRESS_EVERY = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--out", default="-", help="where events go: a file, .gz or .zst by its name, or - (default)")
    parser.add_argument("--labels", type=Path, help="where the truth goes, one object a line: per account, per event")
    parser.add_argument("--seed", type=int, default=7, help="the world; the same seed gives the same bytes (default 7)")
    parser.add_argument("--accounts", type=int, default=40, help="senders in it (default 40)")
    parser.add_argument("--start", help="RFC 3339 time at which the day begins (default: yesterday, 00:00 UTC)")
    parser.add_argument("--length", default="1d", help="how long it plays, such as 6h or 30d (default 1d)")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Write the world; returns 0. Raises Misconfigured where an option makes no sense or a file cannot be written."""
    if not 1 <= options.accounts <= MOST_ACCOUNTS:
        raise Misconfigured(f"--accounts is {options.accounts}; it lies between 1 and {MOST_ACCOUNTS:,}")
    start, length = _span(options.start, options.length)
    try:
        with ExitStack() as stack:
            events = stack.enter_context(_writer(options.out))
            labels = stack.enter_context(_writer(str(options.labels))) if options.labels else None
            if labels is not None:
                for truth in accounts_truth(options.seed, options.accounts):
                    _write(labels, truth)
            advance = stack.enter_context(_progress())
            for number, (event, label) in enumerate(simulate(options.seed, start, length, options.accounts), 1):
                _write(events, event)
                if labels is not None:
                    _write(labels, label)
                if number % _PROGRESS_EVERY == 0:
                    advance(number)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Misconfigured(f"cannot write {error.filename or options.out}: {error.strerror}") from error
    return 0


def _span(start: str | None, length: str) -> tuple[Micros, Micros]:
    try:
        lasting = parse_duration(length)
        begin = parse_time(start) if start else to_micros(_yesterday())
    except ValueError as error:
        raise Misconfigured(f"--start {start} --length {length}: {error}") from error
    if lasting <= 0:
        raise Misconfigured(f"--length is {length}; nothing happens in no time")
    return begin, lasting


def _yesterday() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


def _write(file: TextIO, value: dict[str, Any]) -> None:
    file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


@contextmanager
def _writer(path: str) -> Iterator[TextIO]:
    if path == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    with ExitStack() as stack:
        raw = stack.enter_context(Path(path).open("wb"))
        if path.endswith(".gz"):
            packed: Any = stack.enter_context(
                gzip.GzipFile("", "wb", fileobj=raw, mtime=0)
            )  # no name, no time: same bytes
        elif path.endswith(".zst"):
            packed = stack.enter_context(zstandard.ZstdCompressor().stream_writer(raw))
        else:
            packed = raw
        yield stack.enter_context(io.TextIOWrapper(packed, encoding="utf-8", newline="\n"))


@contextmanager
def _progress() -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield lambda number: None
        return
    from_terminal = (SpinnerColumn(), TextColumn("{task.completed:,.0f} events"), TimeElapsedColumn())
    with Progress(*from_terminal, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("simulate", total=None)
        yield lambda number: progress.update(task, completed=number)
