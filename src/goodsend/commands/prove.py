"""`goodsend prove`: an engine computes again what decisions were made by; every difference is told."""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import duckdb
import msgspec
import psycopg
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from goodsend.archive import stream
from goodsend.archive.engines.model import SqlEngine
from goodsend.archive.engines.open import FORMS, open_engine
from goodsend.archive.judge import Span
from goodsend.archive.layout import archive_folder, tenant_folder
from goodsend.archive.past import open_past
from goodsend.archive.prove import ALL_TIME, Ask, prove
from goodsend.archive.read import deciding_packs
from goodsend.commands.existing import existing
from goodsend.commands.recovering import packs_that_decided
from goodsend.kit.clock import DAY, Micros, parse_time
from goodsend.kit.errors import Misconfigured, Retryable
from goodsend.kit.text import printable
from goodsend.pack import Pack
from goodsend.reports.proof import Found, Proof, lines_of
from goodsend.settings import Settings
from goodsend.store import history, proofs
from goodsend.wiring import SHIPPED, load_pack, read_layer, system_now

WITHOUT = "; --alone does without"
TOLD_EVERY_S = 10.0
"""How often a line says how far it is where there is no terminal."""

Told = Callable[[str, float | None], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--tenant", default="default", help="whose archive (default: default)")
    add_past_arguments(parser)
    parser.add_argument(
        "--from", dest="since", help="first day, such as 2026-11-01, or an RFC 3339 time (default: all)"
    )
    parser.add_argument("--to", dest="until", help="end, not included: a day or an RFC 3339 time (default: all)")
    parser.add_argument(
        "--then", type=Path, action="append", default=[], metavar="PACK",
        help="a pack as it was when older decisions were made; what means the same today is compared too",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")
    parser.add_argument(
        "--alone", action="store_true",
        help="ask no database: by the packs of the settings; the result is not kept for the console",
    )  # fmt: skip
    parser.add_argument(
        "--stream", type=int, metavar="EVENTS", help="prove on a made-up stream instead; no archive, no database"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the made-up stream (default 1)")


def add_past_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the archive lies and what computes."""
    parser.add_argument("--archive", type=Path, metavar="DIR", help="folder of the archive (default: see settings)")
    parser.add_argument("--engine", default="duckdb", help=f"what computes: {FORMS} (default duckdb)")
    parser.add_argument("--memory", metavar="SIZE", help="most memory that DuckDB takes, such as 4GB")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """
    Prove; prints what was compared and `N differences`.

    Returns 1 when there are any, when nothing was compared, and when files of the archive were left out.
    """
    if options.stream is not None:
        return _prove_streams(options)
    span = span_of(options.since, options.until)
    if options.alone:
        proof = _prove_archive(options, settings, load_pack(settings.packs), span, [])
    else:
        try:
            with existing(settings, WITHOUT) as installation:
                with installation.pool.connection() as connection:
                    layers = history.all_layers(connection, options.tenant)
                proof = _prove_archive(options, settings, installation.pack(options.tenant), span, layers)
                with installation.pool.connection() as connection:
                    proofs.keep(connection, options.tenant, proof, proof.ran_at or installation.now())
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Retryable(f"the database is away: {error}") from error
    if options.json is not None:
        write_file(options.json, msgspec.json.format(msgspec.json.encode(proof)))
    print(printable("\n".join(lines_of(proof))))
    return 1 if proof.found in (Found.DIFFERENT, Found.NOTHING) or proof.lacks_files else 0


def _prove_archive(
    options: argparse.Namespace, settings: Settings, pack: Pack, span: Span, layers: Sequence[Mapping[str, bytes]]
) -> Proof:
    started = time.monotonic()
    with engine_of(options) as engine, told_on_terminal("prove") as told:
        archive = options.archive or archive_folder(settings)
        decided = deciding_packs(archive, options.tenant).keys() - {pack.version}
        folder = tenant_folder(archive, options.tenant)
        packs = packs_that_decided(decided, folder, settings.packs, options.then, layers)
        past = open_past(engine, archive, options.tenant, [pack], span, settings.late_horizon, decisions=True)
        ask = Ask(
            options.tenant, pack, span, packs, past.instants, past.lists, settings.late_horizon, past.notes, past.gaps,
            past.knows_lists,
        )  # fmt: skip
        proof = prove(engine, ask, told)
    return msgspec.structs.replace(proof, ran_at=system_now(), seconds=round(time.monotonic() - started, 3))


def _prove_streams(options: argparse.Namespace) -> int:
    """Hold the row path against an engine on made-up streams, or against every engine there is (`--engine all`)."""
    pack = stream.make_pack(read_layer(SHIPPED), options.seed)
    now = stream.START + 40 * DAY
    played = list(stream.play(pack, stream.make_items(options.seed, options.stream), now=now))
    tables = stream.tables(played, pack)
    print(
        f"stream {options.seed}: {len(played):,} events, {len(pack.features)} features, {len(pack.ruleset.rules)} rules"
    )
    differences = 0
    for name in _engines(options.engine):
        given = argparse.Namespace(**vars(options) | {"engine": name})
        with engine_of(given) as engine, told_on_terminal(name) as told:
            for table, rows in tables.items():
                engine.add_rows(table, rows)
            proof = prove(engine, Ask(stream.TENANT, pack, late_horizon=stream.LATE_HORIZON), told)
        differences += proof.differences
        print(printable("\n".join(lines_of(proof)[:-1])), flush=True)
    print(f"{differences} differences")
    return 1 if differences else 0


def _engines(asked: str) -> Mapping[str, None]:
    """Return the engines to run; `all` means DuckDB and what else is installed, and says what is not."""
    if asked != "all":
        return {asked: None}
    found: dict[str, None] = {"duckdb": None}
    if find_spec("pysail") is not None and find_spec("pyspark") is not None:
        found["sail"] = None
    else:
        print("sail: not installed, so it did not run", file=sys.stderr)
    return found


def span_of(since: str | None, until: str | None) -> Span:
    """Return the span that was asked for; a bound that is not given is open. Raises Misconfigured."""
    span = Span(
        moment_of(since, "--from") if since else ALL_TIME.since, moment_of(until, "--to") if until else ALL_TIME.until
    )
    if span.until <= span.since:
        raise Misconfigured(f"--from {since} --to {until}: the end lies before the start, or is the start")
    return span


def moment_of(text: str, option: str) -> Micros:
    """Return the time that a day (its start in UTC) or an RFC 3339 text names. Raises Misconfigured."""
    try:
        if len(text) == 10:  # as 2026-11-22 has
            date.fromisoformat(text)
            return parse_time(f"{text}T00:00:00Z")
        return parse_time(text)
    except ValueError:
        raise Misconfigured(f"{option} {text}: is neither a day such as 2026-11-22 nor an RFC 3339 time") from None


@contextmanager
def engine_of(options: argparse.Namespace) -> Iterator[SqlEngine]:
    """
    Open the engine that was asked for, with scratch files of its own that end with it.

    Raises Retryable where the disk or the memory is too small for what runs.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix="goodsend-") as folder,
            open_engine(options.engine, folder=Path(folder), memory=options.memory) as engine,
        ):
            yield engine
    except duckdb.Error as error:
        if not isinstance(error, duckdb.OutOfMemoryException) and not _NO_ROOM.search(str(error)):
            raise
        why = printable(str(error).partition("\n")[0])
        raise Retryable(
            f"there is no room for what {options.engine} writes below {tempfile.gettempdir()}: {why}"
        ) from error


_NO_ROOM = re.compile(r"Could not write|No space left|File too large|max_temp_directory_size|Disk quota")


@contextmanager
def told_on_terminal(title: str) -> Iterator[Told]:
    """Show what runs: on a terminal as a bar, elsewhere as a line now and then."""
    if not sys.stderr.isatty():
        yield _lines_told(title)
        return
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def tell(step: str, share: float | None) -> None:
            total = None if share is None else 1.0
            progress.update(task, description=f"{title}: {step}", completed=share or 0.0, total=total)

        yield tell


def _lines_told(title: str) -> Told:
    told_at = time.monotonic()

    def tell(step: str, share: float | None) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TOLD_EVERY_S:
            told_at = time.monotonic()
            far = "" if share is None else f", {share:.0%}"
            print(f"{title}: {step}{far}", file=sys.stderr, flush=True)

    return tell


def write_file(path: Path, body: bytes) -> None:
    """Write a file at once: whoever reads it sees the old one or the new one. Raises Misconfigured."""
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(body)
        draft.replace(path)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}") from error
