"""
The export: what the log has and the archive lacks goes to Parquet, in steps that are there wholly or not at all.

A step takes the next arrivals, writes one file a table and day under draft names, gives all of them their names, and
last writes down that the step is done. Who is killed in between leaves drafts, or files that no finished step names;
the next export removes both before it begins, and writes a step whose note was damaged anew. Reading is in `read.py`.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from goodsend.archive import columns, packs
from goodsend.archive.layout import (
    DAILY,
    EXPORTS,
    LOCK,
    PACK_KEY,
    SCHEMA_VERSION,
    TABLE_KEY,
    TENANT_KEY,
    VERSION_KEY,
    WHOLE,
    Export,
    ExportedFile,
    Step,
    day_path,
    draft_of,
    exports_of,
    file_name,
    put_in_place,
    steps_of,
    tenant_folder,
)
from goodsend.archive.read import broken, crc_of
from goodsend.kit.clock import day_of
from goodsend.kit.errors import Retryable
from goodsend.pack import Pack
from goodsend.store import history, log
from goodsend.store.connection import Connection
from goodsend.store.history import HistoryRow

STEP_ROWS = 100_000
STEP_BYTES = 192_000_000
"""A step ends with the batch that goes beyond one of them: what is held in memory at once, as Arrow. Own values."""

BATCH_ROWS = 4_000

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Told = Callable[[int, int], None]
"""Told how many events are done, and of how many."""


class Busy(Retryable):
    """Another export of this tenant is running."""


class Exported(msgspec.Struct, frozen=True):
    """
    What one export did. `last` is the arrival up to which the archive was written, 0 for an empty one.

    `mended` are files that were missing or damaged and are written anew, `lost` those of which the log no longer has
    every row; both only where a repair was asked for.
    """

    tenant: str
    events: int
    files: int
    bytes: int
    last: int
    mended: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def export(
    connection: Connection, archive: Path, tenant: str, pack: Pack, told: Told | None = None, *,
    step_rows: int = STEP_ROWS, files: Mapping[str, bytes] | None = None, repair: bool = False,
) -> Exported:  # fmt: skip
    """
    Bring a tenant's archive up to date with the log. `files` are those of the pack, to be kept beside what it decided.
    `repair`: look at every byte of the finished steps, and write anew what is missing or damaged.

    Raises Busy when another export of this tenant runs, Retryable when the disk is full or cannot be written; the
    archive is then as the last finished step left it.
    """
    folder = tenant_folder(archive, tenant)
    try:
        (folder / EXPORTS).mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if files is not None:
                packs.keep(folder, files)
            damaged = broken(archive, tenant, thorough=True) if repair else []
            mended, lost = _mend(connection, folder, tenant, pack, {skip.path for skip in damaged})
            done = _export(connection, folder, tenant, pack, told, step_rows)
            return msgspec.structs.replace(done, mended=tuple(mended), lost=tuple(lost))
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in _FULL:
            why += ": nothing half-written is left; make room and export again"
        raise Retryable(f"the archive {folder} cannot be written: {why}") from error


def _export(
    connection: Connection, folder: Path, tenant: str, pack: Pack, told: Told | None, step_rows: int
) -> Exported:
    noted = steps_of(folder)
    done = [step.export for step in noted if step.export is not None]
    after = max((step.last for step in done), default=0)
    until = log.last_arrival(connection, tenant)
    spans = [*_damaged(noted, done, after), (after, until)]
    _sweep(folder, spans, {file.path for step in done for file in step.files})
    events = files = size = 0
    for since, to in spans:
        rows = history.history(connection, tenant, since, to)
        for tables, first, last, count in _steps(rows, pack, step_rows):
            step = _write_step(folder, tenant, pack, tables, first, last)
            events += count
            files += len(step.files)
            size += sum(file.bytes for file in step.files)
            if told is not None:
                told(max(0, last - after), until - after)
    for note in steps_of(folder):  # what they told of is there again
        if note.export is None and note.path.is_file():
            note.path.unlink()
    _write_whole(connection, folder, tenant, pack)
    connection.rollback()  # nothing was changed; the snapshot is let go
    done = exports_of(folder)
    return Exported(tenant, events, files, size, done[-1].last if done else 0)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the tenant's lock; the kernel lets it go when this process ends, whatever way."""
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another export into {folder} is running") from None
        yield


def _mend(
    connection: Connection, folder: Path, tenant: str, pack: Pack, damaged: AbstractSet[str]
) -> tuple[list[str], list[str]]:
    """Write damaged files of finished steps anew, each whole; return them, and those that the log has no longer."""
    mended: list[str] = []
    lost: list[str] = []
    for step in steps_of(folder):
        if step.export is None or not any(file.path in damaged for file in step.export.files):
            continue
        parts: dict[tuple[str, str], list[pa.Table]] = {}
        rows = history.history(connection, tenant, step.export.first - 1, step.export.last)
        while batch := list(islice(rows, BATCH_ROWS)):
            for day, of_day in _by_day(batch).items():
                for table, made in _tables(of_day, pack).items():
                    parts.setdefault((table, day), []).append(made)
        drafts: list[tuple[Path, Path]] = []
        files = list(step.export.files)
        try:
            for place, file in enumerate(files):
                if file.path not in damaged:
                    continue
                tables = parts.get((file.table, file.day))
                made = columns.joined(tables) if tables else None
                if made is None or len(made) != file.rows:
                    lost.append(file.path)
                    continue
                size = _write(folder / file.path, made, file.table, tenant, pack, drafts)
                files[place] = msgspec.structs.replace(file, bytes=size, crc=crc_of(drafts[-1][0]))
                mended.append(file.path)
            drafts.append((draft_of(step.path), step.path))
            draft_of(step.path).write_bytes(msgspec.json.encode(msgspec.structs.replace(step.export, files=files)))
            for draft, path in drafts:
                put_in_place(draft, path)
        finally:
            for draft, _ in drafts:
                draft.unlink(missing_ok=True)
    return mended, lost


Span = tuple[int, int]
"""Arrivals above the first number, up to and with the second."""


def _damaged(noted: Sequence[Step], done: Sequence[Export], after: int) -> list[Span]:
    """Return the arrivals up to `after` that only steps tell of whose note cannot be read."""
    spans = []
    for step in noted:
        if step.export is not None or step.last <= 0:
            continue
        at, last = step.first, min(step.last, after)
        for sound in sorted(done, key=lambda one: one.first):
            if sound.last < at or sound.first > last:
                continue
            if at < sound.first:
                spans.append((at - 1, sound.first - 1))
            at = sound.last + 1
        if at <= last:
            spans.append((at - 1, last))
    return spans


def _sweep(folder: Path, spans: Sequence[Span], known: set[str]) -> None:
    """
    Remove what an export that was killed has left: drafts, and files of a step that was not finished or is damaged.

    `spans` are what is to be written; the last one has no end.
    """
    for draft in folder.rglob(".*.part"):
        draft.unlink()
    for table in DAILY:
        for path in (folder / table).glob("day=*/*.parquet"):
            first = _first_of(path)
            is_due = first > spans[-1][0] or any(since < first <= to for since, to in spans[:-1])
            if is_due and path.relative_to(folder).as_posix() not in known:
                path.unlink()


def _first_of(path: Path) -> int:
    first = path.name.split("-", 1)[0]
    return int(first) if first.isdecimal() else 0  # a file of somebody else is left alone


Part = tuple[dict[tuple[str, str], pa.Table], int, int, int]
"""Tables by name and day, the first and last arrival, and how many events."""


def _steps(rows: Iterator[HistoryRow], pack: Pack, step_rows: int) -> Iterator[Part]:
    parts: dict[tuple[str, str], list[pa.Table]] = {}
    first = last = count = size = 0
    while batch := list(islice(rows, min(BATCH_ROWS, step_rows))):
        first = first or batch[0].arrival
        last = batch[-1].arrival
        count += len(batch)
        for day, of_day in _by_day(batch).items():
            for table, made in _tables(of_day, pack).items():
                parts.setdefault((table, day), []).append(made)
                size += made.nbytes
        if count >= step_rows or size >= STEP_BYTES:
            yield {key: columns.joined(tables) for key, tables in parts.items()}, first, last, count
            parts = {}
            first = count = size = 0
    if count:
        yield {key: columns.joined(tables) for key, tables in parts.items()}, first, last, count


def _by_day(rows: Sequence[HistoryRow]) -> dict[str, list[HistoryRow]]:
    days: dict[str, list[HistoryRow]] = {}
    for row in rows:
        days.setdefault(day_of(row.at), []).append(row)
    return days


def _tables(rows: Sequence[HistoryRow], pack: Pack) -> dict[str, pa.Table]:
    made = {
        "events": columns.events_table(rows, pack.catalog),
        "facts": columns.facts_table(rows, pack.catalog),
        "decisions": columns.decisions_table(rows),
    }
    return {name: table for name, table in made.items() if len(table)}


def _write_step(
    folder: Path, tenant: str, pack: Pack, tables: Mapping[tuple[str, str], pa.Table], first: int, last: int
) -> Export:
    """Write a step's files, then the note that it is done."""
    drafts: list[tuple[Path, Path]] = []
    files = []
    try:
        for (table, day), rows in tables.items():
            arrivals = rows.column("arrival")
            path = day_path(table, day, arrivals[0].as_py(), arrivals[-1].as_py())
            size = _write(folder / path, rows, table, tenant, pack, drafts)
            crc = crc_of(drafts[-1][0])
            files.append(ExportedFile(path, len(rows), size, arrivals[0].as_py(), arrivals[-1].as_py(), crc))
        step = Export(first, last, pack.version, files)
        note = folder / EXPORTS / file_name(first, last, "json")
        drafts.append((draft_of(note), note))
        draft_of(note).write_bytes(msgspec.json.encode(step))
        for draft, path_ in drafts:
            put_in_place(draft, path_)
    except BaseException:
        for draft, path_ in drafts:
            for left in (draft, path_):
                with suppress(OSError):
                    left.unlink(missing_ok=True)
        raise
    return step


def _write_whole(connection: Connection, folder: Path, tenant: str, pack: Pack) -> None:
    """Write the small tables anew."""
    made = {
        "labels": columns.structs_table(history.all_labels(connection, tenant), columns.LABEL_TYPES),
        "lists": columns.structs_table(history.all_entries(connection, tenant), columns.ENTRY_TYPES),
    }
    for name in WHOLE:
        drafts: list[tuple[Path, Path]] = []
        try:
            _write(folder / name / f"{name}.parquet", made[name], name, tenant, pack, drafts)
            put_in_place(*drafts[0])
        except BaseException:
            drafts[0][0].unlink(missing_ok=True)
            raise


def _write(path: Path, rows: pa.Table, table: str, tenant: str, pack: Pack, drafts: list[tuple[Path, Path]]) -> int:
    """Write a draft of a file, add it to the drafts, and return its bytes."""
    about = {
        VERSION_KEY: SCHEMA_VERSION, TABLE_KEY: table, TENANT_KEY: tenant, PACK_KEY: pack.version,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    drafts.append((draft, path))
    pq.write_table(rows.replace_schema_metadata(about), draft, compression="zstd", row_group_size=STEP_ROWS)
    return os.stat(draft).st_size
