"""A small archive on disk, made of a stream that the row path judged, for tests that need no database."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from goodsend.archive.columns import ENTRY_TYPES, LABEL_TYPES
from goodsend.archive.layout import (
    EXPORTS,
    PACK_KEY,
    SCHEMA_VERSION,
    TABLE_KEY,
    TENANT_KEY,
    VERSION_KEY,
    Export,
    ExportedFile,
    day_path,
    file_name,
    tenant_folder,
)  # fmt: skip
from goodsend.archive.read import crc_of
from goodsend.archive.stream import Played, tables
from goodsend.kit.clock import day_of
from goodsend.pack import Pack


def make_archive(
    root: Path, tenant: str, played: Sequence[Played], pack: Pack,
    labels: Sequence[dict[str, Any]] = (), entries: Sequence[dict[str, Any]] = (),
) -> list[Path]:  # fmt: skip
    """Write an archive as the export does, a file a table and day, and return the files."""
    folder = tenant_folder(root, tenant)
    by_day: dict[str, list[Played]] = {}
    for one in played:
        by_day.setdefault(day_of(one.outcome.event.at), []).append(one)
    files = []
    for day, some in sorted(by_day.items()):
        first, last = some[0].arrival, some[-1].arrival
        for table, rows in tables(some, pack).items():
            path = folder / day_path(table, day, first, last)
            path.parent.mkdir(parents=True, exist_ok=True)
            keys = {VERSION_KEY: SCHEMA_VERSION, TABLE_KEY: table, TENANT_KEY: tenant, PACK_KEY: pack.version}
            pq.write_table(rows.replace_schema_metadata(keys), path)
            relative = path.relative_to(folder).as_posix()
            files.append(ExportedFile(relative, rows.num_rows, path.stat().st_size, first, last, crc_of(path)))
    (folder / EXPORTS).mkdir(parents=True, exist_ok=True)
    step = Export(1, len(played), pack.version, files)
    (folder / EXPORTS / file_name(1, len(played), "json")).write_bytes(msgspec.json.encode(step))
    for name, types, rows_of in (("labels", LABEL_TYPES, labels), ("lists", ENTRY_TYPES, entries)):
        (folder / name).mkdir(exist_ok=True)
        whole = pa.table({column: pa.array([row.get(column) for row in rows_of], t) for column, t in types.items()})
        pq.write_table(whole, folder / name / f"{name}.parquet")
    return [folder / file.path for file in files]
