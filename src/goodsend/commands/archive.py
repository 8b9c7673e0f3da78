"""`goodsend archive`: what the log has and the archive lacks, written as Parquet by tenant and day."""

import argparse
import sys
from pathlib import Path

import psycopg
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from goodsend.archive.export import Exported, export
from goodsend.archive.layout import archive_folder
from goodsend.kit.errors import Retryable
from goodsend.settings import Settings
from goodsend.store import tenants
from goodsend.wiring import Installation, install


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--tenant", help="whose events (default: those of every tenant)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the archive (default: GOODSEND_ARCHIVE, see settings)"
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Export what is new of the tenants asked for; returns 0."""
    archive = options.out or archive_folder(settings)
    with install(settings) as installation:
        try:
            with installation.pool.connection() as connection:
                known = tenants.names(connection)
                chosen = known if options.tenant is None else [tenants.one(connection, options.tenant).tenant]
            for tenant in chosen:
                done = _export(installation, archive, tenant)
                print(
                    f"{tenant}: {done.events:,} new events in {done.files:,} files, {done.bytes:,} bytes; "
                    f"the archive is complete up to arrival {done.last:,}"
                )
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Retryable(f"the database is away: {error}") from error
    if not chosen:
        print("there is no tenant yet, so nothing was archived", file=sys.stderr)
    return 0


def _export(installation: Installation, archive: Path, tenant: str) -> Exported:
    with _progress() as progress, installation.pool.connection() as connection:
        task = progress.add_task(tenant, total=None)
        return export(
            connection, archive, tenant, installation.pack(tenant),
            lambda done, of: progress.update(task, completed=done, total=of),
            files=installation.layers.files(tenant),
        )  # fmt: skip


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True,
    )  # fmt: skip
