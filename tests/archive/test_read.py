"""Which files of an archive are read, and what is said of the others."""

import json
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goodsend.archive.engines.model import SqlEngine
from goodsend.archive.layout import (
    EXPORTS,
    SCHEMA_VERSION,
    TABLE_KEY,
    TENANT_KEY,
    VERSION_KEY,
    Export,
    ExportedFile,
    archive_folder,
    day_path,
    file_name,
    tenant_folder,
)
from goodsend.archive.read import add_tables, crc_of, entries, labels, survey, whole_problem
from goodsend.facts import FactType
from goodsend.kit.errors import Misconfigured, NotFound
from goodsend.settings import Settings

DAYS = ("2026-11-20", "2026-11-21", "2026-11-22")


def make_archive(archive: Path, days: tuple[str, ...] = DAYS) -> list[Path]:
    """An archive of the tenant acme with a file of ten events a day; returns the files."""
    folder = tenant_folder(archive, "acme")
    (folder / EXPORTS).mkdir(parents=True)
    made = []
    for number, day in enumerate(days):
        first, last = number * 10 + 1, number * 10 + 10
        path = day_path("events", day, first, last)
        write(folder / path, first, last)
        file = ExportedFile(path, 10, (folder / path).stat().st_size, first, last)
        note = Export(first, last, "p1", [file])
        (folder / EXPORTS / file_name(first, last, "json")).write_bytes(msgspec.json.encode(note))
        made.append(folder / path)
    return made


def write(path: Path, first: int, last: int, version: str = SCHEMA_VERSION, table: str = "events") -> None:
    """One file of events with arrivals from `first` to `last`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pa.table({"arrival": pa.array(range(first, last + 1), pa.int64())})
    pq.write_table(rows.replace_schema_metadata({VERSION_KEY: version, TABLE_KEY: table}), path)


def size_as_noted(path: Path, note: Path) -> None:
    """Write the present size of a file into the note of its step, as if it had always had it."""
    text = json.loads(note.read_text())
    text["files"][0]["bytes"] = path.stat().st_size
    note.write_text(json.dumps(text))


def test_all_days(tmp_path: Path) -> None:
    """Without bounds every file is read."""
    files = make_archive(tmp_path)

    found = survey(tmp_path, "acme")

    assert found.files["events"] == files
    assert (found.rows["events"], found.skipped, found.days, found.last) == (30, [], (DAYS[0], DAYS[2]), 30)
    assert found.sentence() is None


def test_some_days(tmp_path: Path) -> None:
    """Both ends of the days asked for are read."""
    files = make_archive(tmp_path)

    assert survey(tmp_path, "acme", since=DAYS[1]).files["events"] == files[1:]
    assert survey(tmp_path, "acme", until=DAYS[1]).files["events"] == files[:2]
    assert survey(tmp_path, "acme", since="2027-01-01").days is None


def test_a_file_cut_in_half(tmp_path: Path) -> None:
    """It is left out and named, with the rows that are missing; the others are read."""
    files = make_archive(tmp_path)
    files[1].write_bytes(files[1].read_bytes()[: files[1].stat().st_size // 2])

    found = survey(tmp_path, "acme")

    assert found.files["events"] == [files[0], files[2]]
    assert [(one.path, one.rows) for one in found.skipped] == [
        ("events/day=2026-11-21/000000000011-000000000020.parquet", 10)
    ]
    assert "it was cut off or changed" in found.skipped[0].reason
    assert "1 files of the archive were left out (10 rows): events/day=2026-11-21" in (found.sentence() or "")


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """A file that a step names and nobody finds is told about."""
    files = make_archive(tmp_path)
    files[0].unlink()

    assert [one.reason for one in survey(tmp_path, "acme").skipped] == ["is missing"]


def test_a_broken_file_of_the_right_size(tmp_path: Path) -> None:
    """Bytes that are no Parquet are told about, whatever their number."""
    files = make_archive(tmp_path)
    files[0].write_bytes(bytes(files[0].stat().st_size))

    assert "is not readable as Parquet" in survey(tmp_path, "acme").skipped[0].reason


@pytest.mark.parametrize(
    ("version", "table", "reason"),
    [
        ("2", "events", "has schema version 2; this goodsend reads 1"),
        ("1", "facts", "holds the table 'facts', not 'events'"),
        ("", "events", "was not written by goodsend"),
    ],
)
def test_a_foreign_file(tmp_path: Path, version: str, table: str, reason: str) -> None:
    """A file of another schema is left out with what it is."""
    files = make_archive(tmp_path, DAYS[:1])
    write(files[0], 1, 10, version, table)
    size_as_noted(files[0], next((tenant_folder(tmp_path, "acme") / EXPORTS).iterdir()))

    assert [one.reason for one in survey(tmp_path, "acme").skipped] == [reason]


@pytest.mark.parametrize(
    ("keys", "type_", "reason"),
    [
        ({TENANT_KEY: "other"}, pa.int64(), "is of the tenant 'other'"),
        ({VERSION_KEY: b"\xff\x1b[31m"}, pa.int64(), "has schema version \ufffd\\x1b[31m; this goodsend reads 1"),
        ({TABLE_KEY: b"\xff"}, pa.int64(), "holds the table '\ufffd', not 'events'"),
        ({}, pa.string(), "has arrival as string, not as int64"),
    ],
)
def test_hostile_metadata(tmp_path: Path, keys: dict[bytes, str], type_: pa.DataType, reason: str) -> None:
    """A file of another tenant, with bytes that are no text, or with a column of another type is left out and told."""
    files = make_archive(tmp_path, DAYS[:1])
    rows = pa.table({"arrival": pa.array(range(1, 11), pa.int64()).cast(type_)})
    about = {VERSION_KEY: SCHEMA_VERSION, TABLE_KEY: "events", **keys}
    pq.write_table(rows.replace_schema_metadata(about), files[0])
    size_as_noted(files[0], next((tenant_folder(tmp_path, "acme") / EXPORTS).iterdir()))

    assert [one.reason for one in survey(tmp_path, "acme").skipped] == [reason]


def test_bytes_that_changed_in_the_middle(tmp_path: Path) -> None:
    """A file of the right size whose bytes are others is left out: an engine would stop in the middle of a run."""
    files = make_archive(tmp_path, DAYS[:1])
    note = next((tenant_folder(tmp_path, "acme") / EXPORTS).iterdir())
    text = json.loads(note.read_text())
    text["files"][0]["crc"] = crc_of(files[0])
    note.write_text(json.dumps(text))
    assert survey(tmp_path, "acme").skipped == []

    body = bytearray(files[0].read_bytes())
    body[40:60] = bytes(20)
    files[0].write_bytes(body)

    assert [one.reason for one in survey(tmp_path, "acme").skipped] == [
        "has other bytes than were written: it was changed or damaged"
    ]


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b'{"first": 11', b'{"first":11,"last":20,"pack":"p","files":[{"path":"../../x"}]}']
)
def test_a_note_that_cannot_be_read(tmp_path: Path, body: bytes) -> None:
    """The step is missing and that is said; the others are read. A path out of the archive is no note of ours."""
    files = make_archive(tmp_path)
    sorted((tenant_folder(tmp_path, "acme") / EXPORTS).iterdir())[1].write_bytes(body)

    found = survey(tmp_path, "acme")

    assert found.files["events"] == [files[0], files[2]]
    assert "is not readable, so arrivals 11 to 20 are missing" in found.skipped[0].reason


def test_arrivals_are_never_read_twice(tmp_path: Path) -> None:
    """A note that was copied does not double its events."""
    make_archive(tmp_path)
    notes = sorted((tenant_folder(tmp_path, "acme") / EXPORTS).iterdir())
    notes[1].with_name("000000000011-000000000099.json").write_bytes(notes[1].read_bytes())

    found = survey(tmp_path, "acme")

    assert (found.rows["events"], len(found.skipped)) == (30, 1)
    assert "another step has" in found.skipped[0].reason


@pytest.mark.parametrize("name", ["labels", "lists"])
@pytest.mark.parametrize("body", [b"", b"PAR1 and no more", None])
def test_a_whole_table_that_cannot_be_read(tmp_path: Path, name: str, body: bytes | None) -> None:
    """Cut off, or with other columns: told as not there, with what it is."""
    make_archive(tmp_path)
    path = tenant_folder(tmp_path, "acme") / name / f"{name}.parquet"
    path.parent.mkdir()
    if body is None:
        pq.write_table(pa.table({"label_id": [1.5]}), path)
    else:
        path.write_bytes(body)

    assert whole_problem(tmp_path, "acme", name)
    with pytest.raises(NotFound, match="run goodsend archive"):
        (labels if name == "labels" else entries)(tmp_path, "acme")


@pytest.mark.parametrize("tenant", ["", "..", "../acme", "a/../acme", "x\x00"])
def test_a_tenant_is_no_path(tmp_path: Path, tenant: str) -> None:
    """No name leads out of a tenant's own folder."""
    make_archive(tmp_path)
    (tmp_path / "tenant=..").mkdir()
    (tmp_path / "tenant=a").mkdir()

    with pytest.raises(NotFound):
        survey(tmp_path, tenant)


def test_files_of_no_step_are_not_read(tmp_path: Path) -> None:
    """What an export that was killed has left does not count."""
    files = make_archive(tmp_path)
    write(files[0].with_name("000000000031-000000000040.parquet"), 31, 40)

    assert survey(tmp_path, "acme").rows["events"] == 30


def test_tables_of_an_engine(duckdb_engine: SqlEngine, tmp_path: Path) -> None:
    """A survey becomes tables with the columns asked for, those that no file has as NULL."""
    make_archive(tmp_path)
    columns = {"arrival": FactType.INTEGER, "e_late": FactType.TEXTS}
    duckdb_engine.clear()

    add_tables(duckdb_engine, survey(tmp_path, "acme"), {"events": columns, "facts": columns})

    query = "SELECT count(*) AS n, sum(arrival)::BIGINT AS s, count(e_late) AS l FROM events"
    assert duckdb_engine.table(query).to_pylist() == [{"n": 30, "s": 465, "l": 0}]
    assert duckdb_engine.table("SELECT * FROM facts").num_rows == 0


@pytest.mark.parametrize("name", ["a*b", "what?", "[1]", "{x}", "50%"])
def test_an_archive_is_not_where_engines_see_a_pattern(tmp_path: Path, name: str) -> None:
    """`read_parquet` would read other files than those, or none."""
    with pytest.raises(Misconfigured, match="as a pattern of names"):
        archive_folder(Settings(archive=str(tmp_path / name)))
    assert archive_folder(Settings(archive=str(tmp_path / "plain"))) == tmp_path / "plain"
