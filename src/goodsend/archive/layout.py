"""
Where things lie in an archive, and what a file says of itself. Reading and writing are in `read.py` and `export.py`.

    ARCHIVE/tenant=acme/events/day=2026-11-22/000000000001-000000050000.parquet
                        facts/day=…   decisions/day=…
                        labels/labels.parquet   lists/lists.parquet
                        _exports/000000000001-000000050000.json      one for each step of an export, written last
                        _lock
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

import msgspec

from goodsend.kit.errors import Misconfigured, NotFound
from goodsend.settings import Settings

SCHEMA_VERSION = "1"
"""Of the columns below and of the two rules for values that do not fit (`columns.py`). A newer one is not read."""

DAILY = ("events", "facts", "decisions")
WHOLE = ("labels", "lists")

EXPORTS = "_exports"
LOCK = "_lock"

VERSION_KEY = b"goodsend.schema"
TABLE_KEY = b"goodsend.table"
TENANT_KEY = b"goodsend.tenant"
PACK_KEY = b"goodsend.pack"

_DIGITS = 12
_PATTERNS = "*?[]{}%"
_TENANT = re.compile(r"[^/\\\x00-\x1f]{1,63}")
_PATH = re.compile(rf"({'|'.join(DAILY)})/day=(-?\d+-\d\d-\d\d)/\d+-\d+\.parquet", re.ASCII)


class ExportedFile(msgspec.Struct, frozen=True):
    """
    One file of a step: its path below the tenant's folder, rows, bytes, and the arrivals it spans.

    `crc` is the CRC-32 of its bytes, None in archives of an older version.
    """

    path: str
    rows: int
    bytes: int
    first: int
    last: int
    crc: int | None = None

    @property
    def table(self) -> str:
        """Which table it belongs to."""
        return self.path.split("/", 1)[0]

    @property
    def day(self) -> str:
        """The UTC day of its events, as YYYY-MM-DD."""
        return self.path.split("/")[1].removeprefix("day=")


class Export(msgspec.Struct, frozen=True):
    """One step of an export: every event with first ≤ arrival ≤ last is in `files`."""

    first: int
    last: int
    pack: str
    files: list[ExportedFile]


class Step(NamedTuple):
    """The note of one step: where it lies, which arrivals its name says, and what it holds; None where it is broken."""

    path: Path
    first: int
    last: int
    export: Export | None


_EXPORT = msgspec.json.Decoder(Export)


def archive_folder(settings: Settings) -> Path:
    """
    Return the folder of the archive: the one that was set, else `archive` in the data folder.

    Raises Misconfigured for a path with characters that engines would read as a pattern.
    """
    folder = Path(settings.archive).expanduser() if settings.archive else settings.data_dir.expanduser() / "archive"
    strange = sorted(set(_PATTERNS).intersection(str(folder)))
    if strange:
        raise Misconfigured(
            f"the archive cannot be in {folder}: engines read {' '.join(strange)} as a pattern of names"
        )
    return folder


def tenant_folder(archive: Path, tenant: str) -> Path:
    """Return the folder of a tenant. Raises NotFound for what can be no tenant: a name is never a path."""
    if not _TENANT.fullmatch(tenant):
        raise NotFound(f"{tenant!r} is not the name of a tenant")
    return archive / f"tenant={tenant}"


def file_name(first: int, last: int, ending: str) -> str:
    """Return a name that sorts by arrival."""
    return f"{first:0{_DIGITS}d}-{last:0{_DIGITS}d}.{ending}"


def day_path(table: str, day: str, first: int, last: int) -> str:
    """Return the path of a day's file below the tenant's folder."""
    return f"{table}/day={day}/{file_name(first, last, 'parquet')}"


def exports_of(folder: Path) -> list[Export]:
    """
    Return the finished steps of a tenant's exports, in order of arrival; none where there is no archive.

    Steps whose note cannot be read are not among them; `steps_of` has them.
    """
    return [step.export for step in steps_of(folder) if step.export is not None]


def steps_of(folder: Path) -> list[Step]:
    """Return every note of a step, in order of arrival."""
    paths = sorted((folder / EXPORTS).glob("[0-9]*-[0-9]*.json"))
    return [Step(path, *_arrivals(path), _export_in(path)) for path in paths]


def _arrivals(path: Path) -> tuple[int, int]:
    """Return the first and last arrival that the name of a note says; nothing where it is not a name of ours."""
    first, _, last = path.stem.partition("-")
    return (int(first), int(last)) if first.isdecimal() and last.isdecimal() else (0, 0)


def _export_in(path: Path) -> Export | None:
    try:
        found = _EXPORT.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if all(_PATH.fullmatch(file.path) for file in found.files) else None


def put_in_place(draft: Path, path: Path) -> None:
    """Make a finished draft the file, at once and for good: its bytes are on the disk before its name is."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def draft_of(path: Path) -> Path:
    """Return the name a file has while it is written: no reader of Parquet folders looks at such names."""
    return path.with_name(f".{path.name}.part")
