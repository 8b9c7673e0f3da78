"""
Reading an archive: which files there are of a tenant and of some days, each looked at before an engine reads it.

A file that is missing, cut off, or not ours is left out and told about, so that a run over the rest can say so.
"""

import os
import zlib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from goodsend.archive.columns import ENTRY_TYPES, LABEL_TYPES
from goodsend.archive.engines.model import SqlEngine
from goodsend.archive.layout import (
    DAILY,
    EXPORTS,
    SCHEMA_VERSION,
    TABLE_KEY,
    TENANT_KEY,
    VERSION_KEY,
    ExportedFile,
    exports_of,
    steps_of,
    tenant_folder,
)
from goodsend.facts import FactType
from goodsend.kit.clock import DAY, Micros
from goodsend.kit.errors import NotFound
from goodsend.kit.text import printable

_CHUNK = 1 << 20
_END = b"PAR1"
"""The last bytes of every Parquet file."""
_EVER: Micros = 1 << 62
_OWN_TYPES = {
    "arrival": pa.int64(), "e_id": pa.string(), "e_kind": pa.string(), "e_at": pa.int64(),
}  # fmt: skip
"""Columns of one type for ever; a file in which one has another is not ours."""


class Skipped(msgspec.Struct, frozen=True):
    """
    A file that is not read, and why. `rows` are missing because of it (0 when not known).

    `first` is the first arrival that may be missing, `day` the UTC day of what is missing (None: any).
    """

    path: str
    reason: str
    rows: int = 0
    first: int = 0
    day: str | None = None


class Gap(msgspec.Struct, frozen=True):
    """
    Events that are missing: none before the arrival `first`, all with a time in [since, until), µs.

    What a later event looked back on may be among them.
    """

    first: int
    since: Micros
    until: Micros


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

    def gaps(self) -> tuple[Gap, ...]:
        """Return where something is missing because of the files that were left out."""
        found = {Gap(skip.first, *_span_of(skip.day)) for skip in self.skipped}
        return tuple(sorted(found, key=lambda gap: (gap.first, gap.since)))

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


def survey(
    archive: Path, tenant: str, since: str | None = None, until: str | None = None, tables: Sequence[str] = DAILY
) -> Survey:
    """
    Look at the files of a tenant with events of the days from `since` to `until`, both included (YYYY-MM-DD; None: no
    bound), of some tables. Every byte of them is read once, against what was written down of it.

    Raises NotFound when the archive has nothing of this tenant.
    """
    folder = tenant_folder(archive, tenant)
    steps = steps_of(folder)
    if not steps:
        others = ", ".join(tenants_in(archive))
        hint = f"it has {others}; choose one with --tenant" if others else "run goodsend archive"
        raise NotFound(f"the archive {archive} has nothing of the tenant {tenant!r}: {hint}")
    files: dict[str, list[Path]] = {table: [] for table in DAILY}
    rows = dict.fromkeys(DAILY, 0)
    skipped = []
    days: set[str] = set()
    last = 0
    for step in steps:
        if step.export is None:
            missing = f"arrivals {step.first:,} to {step.last:,} are missing until the next export"
            skipped.append(Skipped(f"{EXPORTS}/{step.path.name}", f"is not readable, so {missing}", first=step.first))
            continue
        if step.export.first <= last:
            doubled = "tells of arrivals that another step has"
            skipped.append(Skipped(f"{EXPORTS}/{step.path.name}", doubled, first=step.export.first))
            continue
        last = step.export.last
        for file in step.export.files:
            outside = (since is not None and file.day < since) or (until is not None and file.day > until)
            if outside or file.table not in tables:
                continue
            reason = _problem(folder / file.path, file, tenant)
            if reason is not None:
                skipped.append(Skipped(file.path, reason, file.rows, file.first, file.day))
                continue
            files[file.table].append(folder / file.path)
            rows[file.table] += file.rows
            days.add(file.day)
    return Survey(files, rows, skipped, (min(days), max(days)) if days else None, last)


def broken(archive: Path, tenant: str, *, thorough: bool = False) -> list[Skipped]:
    """
    Return the files of finished steps that are missing or damaged: by their size and their end, or `thorough`, as
    `survey` looks at them.
    """
    folder = tenant_folder(archive, tenant)
    found = []
    for file in (file for step in exports_of(folder) for file in step.files):
        path = folder / file.path
        reason = _problem(path, file, tenant) if thorough else _quick_problem(path, file)
        if reason is not None:
            found.append(Skipped(file.path, reason, file.rows, file.first, file.day))
    return found


def _quick_problem(path: Path, file: ExportedFile) -> str | None:
    """Return what the size and the last bytes of a file tell against it."""
    try:
        with path.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - len(_END)))
            is_ended = opened.read() == _END
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if size != file.bytes:
        return _resized(size, file)
    return None if is_ended else "does not end as Parquet does: it was changed or damaged"


def _resized(size: int, file: ExportedFile) -> str:
    return f"has {size:,} bytes where {file.bytes:,} were written: it was cut off or changed"


def _span_of(day: str | None) -> tuple[Micros, Micros]:
    """Return the start and end of a day, all time for none."""
    try:
        start = (date.fromisoformat(day or "").toordinal() - date(1970, 1, 1).toordinal()) * DAY
    except ValueError:
        return -_EVER, _EVER
    return start, start + DAY


def _problem(path: Path, file: ExportedFile, tenant: str) -> str | None:
    """Return why a file is not to be read, None when it is."""
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return _resized(size, file)
        if file.crc is not None and crc_of(path) != file.crc:
            return "has other bytes than were written: it was changed or damaged"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    about = _about(path)
    if isinstance(about, str):
        return about
    if about.num_rows != file.rows:
        return f"has {about.num_rows:,} rows where {file.rows:,} were written"
    return _foreign(about, file.table, tenant)


def crc_of(path: Path) -> int:
    """Return the CRC-32 of a file."""
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc


def _about(path: Path) -> pq.FileMetaData | str:
    """Return what a file says of itself, or why it cannot be read."""
    try:
        about = pq.read_metadata(path)
        about.schema.to_arrow_schema()
    except (OSError, ValueError, pa.ArrowException) as error:
        return f"is not readable as Parquet: {printable(str(error).partition(chr(10))[0])}"
    return about


def _foreign(about: pq.FileMetaData, table: str, tenant: str) -> str | None:
    """Return why a readable file is none of ours."""

    def said(key: bytes) -> str:
        return printable((about.metadata or {}).get(key, b"").decode("utf-8", "replace"))

    if not said(VERSION_KEY):
        return "was not written by goodsend"
    if said(VERSION_KEY) != SCHEMA_VERSION:
        return f"has schema version {said(VERSION_KEY)}; this goodsend reads {SCHEMA_VERSION}"
    if said(TABLE_KEY) != table:
        return f"holds the table {said(TABLE_KEY)!r}, not {table!r}"
    if said(TENANT_KEY) not in ("", tenant):
        return f"is of the tenant {said(TENANT_KEY)!r}"
    for field in about.schema.to_arrow_schema():
        wanted = _OWN_TYPES.get(field.name, field.type)
        if field.type != wanted:
            return f"has {field.name} as {field.type}, not as {wanted}"
    return None


def add_tables(engine: SqlEngine, found: Survey, columns: Mapping[str, Mapping[str, FactType]]) -> None:
    """Make tables of a survey readable in an engine, each with exactly the columns given for it."""
    for table, wanted in columns.items():
        engine.add_files(table, found.files[table], wanted)


def deciding_packs(archive: Path, tenant: str) -> dict[str, int]:
    """
    Return the versions of packs that decided, each with the last arrival it decided, earliest first.

    Files that cannot be read are passed over: `survey` tells of them.
    """
    last: dict[str, int] = {}
    folder = tenant_folder(archive, tenant)
    for file in (file for step in exports_of(folder) for file in step.files if file.table == "decisions"):
        try:
            table = pq.read_table(folder / file.path, columns=["arrival", "pack"], partitioning=None)
            rows = table.group_by("pack").aggregate([("arrival", "max")]).to_pylist()
        except (OSError, ValueError, KeyError, pa.ArrowException):
            continue
        for row in rows:
            if isinstance(row["pack"], str):
                last[row["pack"]] = max(last.get(row["pack"], 0), int(row["arrival_max"]))
    return dict(sorted(last.items(), key=lambda pair: pair[1]))


def labels(archive: Path, tenant: str) -> pa.Table:
    """Return the labels as of the last export; see `columns.LABEL_TYPES`. Raises NotFound where none can be read."""
    return _whole(archive, tenant, "labels", LABEL_TYPES)


def entries(archive: Path, tenant: str) -> pa.Table:
    """Return the tenant's own list entries as of the last export; see `columns.ENTRY_TYPES`. Raises as `labels`."""
    return _whole(archive, tenant, "lists", ENTRY_TYPES)


def whole_problem(archive: Path, tenant: str, name: str) -> str | None:
    """Return why `labels` or `lists` cannot be read although they are there; None where they can, or are not."""
    path = _whole_path(archive, tenant, name)
    if not path.exists():
        return None
    about = _about(path)
    if isinstance(about, str):
        return about
    types = LABEL_TYPES if name == "labels" else ENTRY_TYPES
    held = {field.name: field.type for field in about.schema.to_arrow_schema()}
    wrong = [column for column, type_ in types.items() if held.get(column) != type_]
    if wrong:
        return f"lacks {', '.join(wrong)}, or has it in another type"
    return _foreign(about, name, tenant) if VERSION_KEY in (about.metadata or {}) else None


def _whole_path(archive: Path, tenant: str, name: str) -> Path:
    return tenant_folder(archive, tenant) / name / f"{name}.parquet"


def _whole(archive: Path, tenant: str, name: str, types: Mapping[str, pa.DataType]) -> pa.Table:
    path = _whole_path(archive, tenant, name)
    if not path.is_file():
        raise NotFound(f"the archive {archive} has no {name} of the tenant {tenant!r}: run goodsend archive")
    problem = whole_problem(archive, tenant, name)
    if problem is None:
        try:
            return pq.read_table(path, columns=list(types), partitioning=None)
        except (OSError, ValueError, pa.ArrowException) as error:
            problem = f"is not readable: {printable(str(error).partition(chr(10))[0])}"
    raise NotFound(f"{path} {problem}: run goodsend archive, which writes it anew")
