"""`goodsend archive`: what the log has and the archive lacks, written as Parquet by tenant and day."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from goodsend.archive.export import Exported, export
from goodsend.archive.layout import archive_folder
from goodsend.archive.read import Skipped, broken
from goodsend.commands.existing import existing
from goodsend.kit.errors import NotFound, Retryable
from goodsend.kit.text import printable
from goodsend.settings import Settings
from goodsend.store import tenants
from goodsend.wiring import Installation

_NAMED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--tenant", help="whose events (default: those of every tenant)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the archive (default: GOODSEND_ARCHIVE, see settings)"
    )

    parser.add_argument(
        "--repair", action="store_true",
        help="look at every byte of the archive, and write missing and damaged files anew from the log",
    )  # fmt: skip


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Export what is new of the tenants asked for; returns 1 where files of an archive are missing or damaged."""
    archive = options.out or archive_folder(settings)
    is_whole = True
    with existing(settings) as installation:
        try:
            with installation.pool.connection() as connection:
                known = tenants.names(connection)
            if options.tenant is not None and options.tenant not in known:
                raise NotFound(f"there is no tenant {options.tenant!r}; there are: {', '.join(known) or 'none yet'}")
            chosen = known if options.tenant is None else [options.tenant]
            for tenant in chosen:
                done = _export(installation, archive, tenant, repair=options.repair)
                damaged = broken(archive, tenant)
                is_whole = is_whole and not damaged
                print(printable("\n".join(_lines(done, damaged))))
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Retryable(f"the database is away: {error}") from error
    if not chosen:
        print("there is no tenant yet, so nothing was archived", file=sys.stderr)
    return 0 if is_whole else 1


def _lines(done: Exported, damaged: Sequence[Skipped]) -> list[str]:
    """Return what was done, and what is missing or damaged."""
    what = f"{done.tenant}: {done.events:,} new events in {done.files:,} files, {done.bytes:,} bytes; the archive "
    reach = "reaches" if damaged else "is complete up"
    lines = [f"{what}{reach} to arrival {done.last:,}"]
    if done.mended:
        lines.append(f"{done.tenant}: {len(done.mended):,} files that were missing or damaged are written anew")
    if damaged:
        rows = sum(skip.rows for skip in damaged)
        lines.append(f"{done.tenant}: {len(damaged):,} files are missing or damaged ({rows:,} rows):")
        lines += [f"  {skip.path} {skip.reason}" for skip in damaged[:_NAMED]]
        if len(damaged) > _NAMED:
            lines.append(f"  and {len(damaged) - _NAMED:,} more")
        if done.lost:
            lines.append(f"the log no longer has every row of {len(done.lost):,} of them, so they stay as they are")
        else:
            lines.append("goodsend archive --repair writes them anew, from what the log has")
    return lines


def _export(installation: Installation, archive: Path, tenant: str, *, repair: bool) -> Exported:
    with _progress() as progress, installation.pool.connection() as connection:
        task = progress.add_task(tenant, total=None)
        return export(
            connection, archive, tenant, installation.pack(tenant),
            lambda done, of: progress.update(task, completed=done, total=of),
            files=installation.layers.files(tenant), repair=repair,
        )  # fmt: skip


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True,
    )  # fmt: skip
