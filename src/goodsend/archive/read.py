"""
Reading an archive: which files there are of a tenant and of some days, each looked at before an engine reads it.

A file that is missing, cut off, or not ours is left out and told about, so that a run over the rest can say so.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from goodsend.archive.columns import ENTRY_TYPES, LABEL_TYPES
from goodsend.archive.engines.model import SqlEngine
from goodsend.archive.layout import (
    DAILY,
    SCHEMA_VERSION,
    TABLE_KEY,
    VERSION_KEY,
    ExportedFile,
    exports_of,
    tenant_folder,
)
from goodsend.facts import FactType
from goodsend.kit.errors import NotFound


class Skipped(msgspec.Struct, frozen=True):
    """A file that is not read, and why. `rows` are missing because of it (0 when not known)."""

    path: str
    reason: str
    rows: int = 0


class Survey(msgspec.Struct, frozen=True):
    """
    What an archive holds of a tenant for some days.

    `files` are readable ones by table; `skipped` are the others. `days` are the first and last day there is (None: no
    file), `last` the arrival up to which the archive is complete.
    """

    files: dict[str, list[Path]]
    rows: dict[str, int]
    skipped: list[Skipped]
    days: tuple[str, str] | None
    last: int

    def sentence(self) -> str | None:
        """Return what a report must say of the files that were left out; None when there are none."""
        if not self.skipped:
            return None
        rows = sum(one.rows for one in self.skipped)
        named = "; ".join(f"{one.path}: {one.reason}" for one in self.skipped[:5])
        more = f"; and {len(self.skipped) - 5} more" if len(self.skipped) > 5 else ""
        return f"{len(self.skipped)} files of the archive were left out ({rows:,} rows): {named}{more}"


def tenants_in(archive: Path) -> list[str]:
    """Return the tenants that an archive has."""
    return sorted(path.name.removeprefix("tenant=") for path in archive.glob("tenant=*") if path.is_dir())


def survey(archive: Path, tenant: str, since: str | None = None, until: str | None = None) -> Survey:
    """
    Look at the files of a tenant with events of the days from `since` to `until`, both included (YYYY-MM-DD; None: no
    bound). Raises NotFound when the archive has nothing of this tenant.
    """
    folder = tenant_folder(archive, tenant)
    steps = exports_of(folder)
    if not steps:
        raise NotFound(f"the archive {archive} has nothing of the tenant {tenant!r}: run goodsend archive")
    files: dict[str, list[Path]] = {table: [] for table in DAILY}
    rows = dict.fromkeys(DAILY, 0)
    skipped = []
    days = set()
    for step in steps:
        for file in step.files:
            if (since is not None and file.day < since) or (until is not None and file.day > until):
                continue
            reason = _problem(folder / file.path, file)
            if reason is not None:
                skipped.append(Skipped(file.path, reason, file.rows))
                continue
            files[file.table].append(folder / file.path)
            rows[file.table] += file.rows
            days.add(file.day)
    return Survey(files, rows, skipped, (min(days), max(days)) if days else None, steps[-1].last)


def _problem(path: Path, file: ExportedFile) -> str | None:
    """Return why a file is not to be read, None when it is."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return "is missing"
    if size != file.bytes:
        return f"has {size:,} bytes where {file.bytes:,} were written: it was cut off or changed"
    try:
        about = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        return f"is not readable as Parquet: {str(error).splitlines()[0]}"
    return _foreign(about, file)


def _foreign(about: pq.FileMetaData, file: ExportedFile) -> str | None:
    keys = about.metadata or {}
    version = keys.get(VERSION_KEY, b"").decode()
    if not version:
        return "was not written by goodsend"
    if version != SCHEMA_VERSION:
        return f"has schema version {version}; this goodsend reads {SCHEMA_VERSION}"
    if keys.get(TABLE_KEY, b"").decode() != file.table:
        return f"holds the table {keys.get(TABLE_KEY, b'').decode()!r}, not {file.table!r}"
    if about.num_rows != file.rows:
        return f"has {about.num_rows:,} rows where {file.rows:,} were written"
    return None


def add_tables(engine: SqlEngine, found: Survey, columns: Mapping[str, Mapping[str, FactType]]) -> None:
    """Make tables of a survey readable in an engine, each with exactly the columns given for it."""
    for table, wanted in columns.items():
        engine.add_files(table, found.files[table], wanted)


def labels(archive: Path, tenant: str) -> pa.Table:
    """Return the labels as of the last export; see `columns.LABEL_TYPES`."""
    return _whole(archive, tenant, "labels", LABEL_TYPES)


def entries(archive: Path, tenant: str) -> pa.Table:
    """Return the tenant's own list entries as of the last export; see `columns.ENTRY_TYPES`."""
    return _whole(archive, tenant, "lists", ENTRY_TYPES)


def _whole(archive: Path, tenant: str, name: str, types: Mapping[str, pa.DataType]) -> pa.Table:
    path = tenant_folder(archive, tenant) / name / f"{name}.parquet"
    if not path.is_file():
        raise NotFound(f"the archive {archive} has no {name} of the tenant {tenant!r}: run goodsend archive")
    return pq.read_table(path, columns=list(types), partitioning=None)
