"""The export from the log to Parquet, over a real PostgreSQL."""

import errno
import fcntl
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goodsend.archive.columns import DECISION_TYPES, ENTRY_TYPES, LABEL_TYPES, WAS
from goodsend.archive.export import Exported, export
from goodsend.archive.layout import (
    DAILY,
    EXPORTS,
    LOCK,
    PACK_KEY,
    TABLE_KEY,
    TENANT_KEY,
    VERSION_KEY,
    WHOLE,
    exports_of,
    tenant_folder,
)
from goodsend.archive.read import entries, labels, survey, tenants_in
from goodsend.decisions.model import Decision
from goodsend.events.model import Event
from goodsend.facts import Facts
from goodsend.kit.clock import DAY, day_of
from goodsend.kit.errors import NotFound, Retryable
from goodsend.rules.model import Verdict
from goodsend.store import lists, log
from goodsend.store.connection import Connection
from goodsend.wiring import load_pack
from tests.conftest import NOW, make_event
from tests.store.made import make_decision, make_hit

PACK = load_pack(())
TODAY = day_of(NOW)
YESTERDAY = day_of(NOW - DAY)


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant nobody else uses."""
    name: str = request.node.name
    return name[:60].lower().replace("[", "_").replace("]", "")


def add(connection: Connection, event: Event, facts: Facts | None = None, **decision: Any) -> int:
    """Log one event with these facts and a decision with these fields; returns its arrival."""
    arrival = log.last_arrival(connection, event.tenant) + 1
    decided: Decision = make_decision(event, **decision)
    log.append(connection, event.tenant, [log.LogRow(arrival, event, bytes(16), facts or {}, decided)], NOW)
    connection.commit()
    return arrival


def add_many(connection: Connection, tenant: str, count: int, **but: Any) -> None:
    """Log so many events, each 10 s after the one before."""
    first = log.last_arrival(connection, tenant) + 1
    rows = []
    for arrival in range(first, first + count):
        event = make_event(tenant=tenant, id=f"evt_{arrival}", at=NOW - DAY + arrival * 10_000_000, **but)
        rows.append(log.LogRow(arrival, event, bytes(16), {"f.imports_24h": arrival}, make_decision(event)))
    log.append(connection, tenant, rows, NOW)
    connection.commit()


def read(archive: Path, tenant: str, table: str) -> list[dict[str, Any]]:
    """The rows of a table, in order of arrival."""
    tables = [pq.read_table(path, partitioning=None) for path in survey(archive, tenant).files[table]]
    rows: list[dict[str, Any]] = pa.concat_tables(tables, promote_options="permissive").to_pylist()
    return sorted(rows, key=lambda row: row["arrival"])


def visible(archive: Path) -> list[str]:
    """Every file that somebody who reads the folders would see."""
    return sorted(
        path.relative_to(archive).as_posix()
        for path in archive.rglob("*.parquet")
        if not path.name.startswith((".", "_"))
    )


def test_everything_of_an_event_is_there(connection: Connection, tmp_path: Path, tenant: str) -> None:
    """Fields, stored facts and the decision come out as they went in."""
    event = make_event(tenant=tenant, id="ä😀", data={"account": "acc_1", "recipients": 500, "source": "upload"})
    facts: Facts = {"e.recipients": 500, "f.imports_24h": 3, "s.link_lookalike_domain": True, "m.mail_spam": 25,
                    "a.standing": "new", "l.account_labels": ("x", "y")}  # fmt: skip
    hits = (make_hit(), make_hit(rule="quiet", acts=False))
    versions = {"pack": "p1", "lists": "17"}
    add(connection, event, facts, hits=hits, verdict=Verdict.HOLD, points=2.5, severity=3, versions=versions, late=True,
        unknown={"third": ("f.x",)})  # fmt: skip

    done = export(connection, tmp_path, tenant, PACK)

    assert (done.events, done.last) == (1, 1)
    stored = read(tmp_path, tenant, "events")[0]
    assert stored["e_id"] == "ä😀"
    assert (stored["e_kind"], stored["e_at"], stored["e_channel"]) == ("list.imported", NOW, "email")
    assert (stored["e_account"], stored["e_recipients"], stored["e_source"]) == ("acc_1", 500, "upload")
    assert stored["e_ip"] is None
    known = read(tmp_path, tenant, "facts")[0]
    assert (known["f_imports_24h"], known["m_mail_spam"], known["a_standing"]) == (3, 25, "new")
    assert known["s_link_lookalike_domain"] is True
    assert known["l_account_labels"] == ["x", "y"]
    assert "e_recipients" not in known
    decided = read(tmp_path, tenant, "decisions")[0]
    assert (decided["verdict"], decided["points"], decided["severity"], decided["late"]) == ("hold", 2.5, 3, True)
    assert (decided["rules"], decided["shadow"], decided["unknown"]) == (["big_import"], ["quiet"], ["third"])
    assert (decided["pack"], decided["lists"]) == ("p1", 17)
    assert msgspec.json.decode(decided["versions"]) == versions
    assert [hit["rule"] for hit in msgspec.json.decode(decided["hits"])] == ["big_import", "quiet"]


def test_types_are_those_of_the_catalogue(connection: Connection, tmp_path: Path, tenant: str) -> None:
    """Columns are typed even where every value is NULL, and the file says what it is."""
    add(connection, make_event(tenant=tenant))

    export(connection, tmp_path, tenant, PACK)

    schema = pq.read_schema(survey(tmp_path, tenant).files["events"][0])
    assert schema.field("arrival").type == pa.int64()
    assert schema.field("e_at").type == pa.int64()
    assert schema.field("e_recipients").type == pa.int64()
    assert schema.field("e_form_seconds").type == pa.float64()
    assert schema.metadata[b"goodsend.schema"] == b"1"
    assert schema.metadata[b"goodsend.pack"] == PACK.version.encode()


def test_one_file_a_day_and_table(connection: Connection, tmp_path: Path, tenant: str) -> None:
    """Files lie by tenant, table and the UTC day of the event, named by arrivals."""
    add(connection, make_event(tenant=tenant, id="1", at=NOW - DAY))
    add(connection, make_event(tenant=tenant, id="2", at=NOW))
    add(connection, make_event(tenant=tenant, id="3", at=NOW - DAY))

    export(connection, tmp_path, tenant, PACK)

    assert [path for path in visible(tmp_path) if "/events/" in path] == [
        f"tenant={tenant}/events/day={YESTERDAY}/000000000001-000000000003.parquet",
        f"tenant={tenant}/events/day={TODAY}/000000000002-000000000002.parquet",
    ]


def test_only_new_arrivals_are_exported(connection: Connection, tmp_path: Path, tenant: str) -> None:
    """A second run adds files and touches none; a third has nothing to do."""
    add(connection, make_event(tenant=tenant, id="1"))
    export(connection, tmp_path, tenant, PACK)
    before = {path: path.stat().st_mtime_ns for path in survey(tmp_path, tenant).files["events"]}
    add(connection, make_event(tenant=tenant, id="2"))

    second = export(connection, tmp_path, tenant, PACK)
    third = export(connection, tmp_path, tenant, PACK)

    assert (second.events, second.last, third.events, third.last) == (1, 2, 0, 2)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [row["arrival"] for row in read(tmp_path, tenant, "events")] == [1, 2]


def test_many_steps(connection: Connection, tmp_path: Path, tenant: str) -> None:
    """A long log is exported in steps; each is complete by itself."""
    add_many(connection, tenant, 25)
    told: list[tuple[int, int]] = []

    export(connection, tmp_path, tenant, PACK, lambda done, of: told.append((done, of)), step_rows=10)

    assert told == [(10, 25), (20, 25), (25, 25)]
    assert [(step.first, step.last) for step in exports_of(tenant_folder(tmp_path, tenant))] == [
        (1, 10), (11, 20), (21, 25),
    ]  # fmt: skip
    assert [row["f_imports_24h"] for row in read(tmp_path, tenant, "facts")] == list(range(1, 26))


def test_tenants_are_apart(connection: Connection, tmp_path: Path, tenant: str) -> None:
    """One tenant's export holds nothing of another's."""
    add(connection, make_event(tenant=tenant, id="mine"))
    add(connection, make_event(tenant=tenant + "_other", id="theirs"))

    export(connection, tmp_path, tenant, PACK)
    export(connection, tmp_path, tenant + "_other", PACK)

    assert [row["e_id"] for row in read(tmp_path, tenant, "events")] == ["mine"]
    assert tenants_in(tmp_path) == [tenant, tenant + "_other"]


def test_a_field_of_an_older_definition_is_kept(connection: Connection, tmp_path: Path, tenant: str) -> None:
    """What the catalogue does not know keeps a column typed by its values, or is JSON where they differ."""
    for number, (old, odd) in enumerate([(1, "x"), (None, 2), (3, None)]):
        data = {"account": "acc_1", "old_score": old, "odd": odd}
        add(connection, make_event(tenant=tenant, id=str(number), data=data))

    export(connection, tmp_path, tenant, PACK)

    rows = read(tmp_path, tenant, "events")
    assert [row["e_old_score"] for row in rows] == [1, None, 3]
    assert [row["e_odd"] for row in rows] == ['"x"', "2", None]


@pytest.mark.parametrize(
    ("field", "value", "json"),
    [
        ("recipients", "many", '"many"'),
        ("recipients", 1.5, "1.5"),
        ("recipients", True, "true"),
        ("form_seconds", True, "true"),
        ("source", 7, "7"),
        ("columns", "abc", '"abc"'),
        ("source", ("a", "b"), '["a","b"]'),
    ],
)
def test_a_value_of_another_type_is_not_bent(
    connection: Connection, tmp_path: Path, tenant: str, field: str, value: object, json: str
) -> None:
    """A value that does not fit today's type is NULL there, and stands as JSON beside it."""
    add(connection, make_event(tenant=tenant, id="1", data={field: value}))
    add(connection, make_event(tenant=tenant, id="2", data={"account": "acc_1", "recipients": 5}))

    export(connection, tmp_path, tenant, PACK)

    rows = read(tmp_path, tenant, "events")
    assert rows[0][f"e_{field}"] is None
    assert [row[f"e_{field}__was"] for row in rows] == [json, None]
    assert rows[1]["e_recipients"] == 5


@pytest.mark.parametrize("value", [0, -1.5, 1e20, 1e300, 5, 2**53])
def test_numbers_are_exact(connection: Connection, tmp_path: Path, tenant: str, value: float) -> None:
    """What JSON wrote as a whole number comes back as the number it was."""
    add(connection, make_event(tenant=tenant, data={"form_seconds": value}))

    export(connection, tmp_path, tenant, PACK)

    assert read(tmp_path, tenant, "events")[0]["e_form_seconds"] == float(value)


_EXPORTER = """
import os, sys
from pathlib import Path
from goodsend.archive import export as exporting
from goodsend.store.connection import connect
from goodsend.wiring import load_pack
url, archive, tenant, lives = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
real = exporting.put_in_place
def counted(draft, path):
    global lives
    if lives == 0:
        os._exit(9)
    lives -= 1
    real(draft, path)
exporting.put_in_place = counted
with connect(url) as connection:
    exporting.export(connection, archive, tenant, load_pack(()))
"""
"""An export in a process of its own that ends without a goodbye at the file whose number is given."""


@pytest.mark.parametrize("dies_at", [0, 1, 3, 4, 99])
def test_killed_in_the_middle(
    connection: Connection, database_url: str, tmp_path: Path, tenant: str, dies_at: int
) -> None:
    """Whoever is killed leaves nothing that a reader takes for a part of the archive; the next run is whole."""
    add_many(connection, tenant, 4)
    export(connection, tmp_path, tenant, PACK)
    before = exports_of(tenant_folder(tmp_path, tenant))
    add_many(connection, tenant, 4)

    code = subprocess.run(
        [sys.executable, "-c", _EXPORTER, database_url, tmp_path, tenant, str(dies_at)], check=False
    ).returncode

    assert code == (0 if dies_at == 99 else 9)
    assert len(read(tmp_path, tenant, "events")) == (8 if dies_at >= 4 else 4)
    assert exports_of(tenant_folder(tmp_path, tenant))[:1] == before
    add_many(connection, tenant, 1)
    export(connection, tmp_path, tenant, PACK)
    for table in ("events", "facts", "decisions"):
        assert [row["arrival"] for row in read(tmp_path, tenant, table)] == list(range(1, 10))
        seen = [pq.read_metadata(tmp_path / path).num_rows for path in visible(tmp_path) if f"/{table}/" in path]
        assert sum(seen) == 9
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("spoilt", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_a_note_that_was_damaged(connection: Connection, tmp_path: Path, tenant: str, spoilt: tuple[int, ...]) -> None:
    """What only a note that is cut off tells of is written again by the next export, once and wholly."""
    for _ in range(3):
        add_many(connection, tenant, 3)
        export(connection, tmp_path, tenant, PACK)
    notes = sorted((tenant_folder(tmp_path, tenant) / EXPORTS).iterdir())
    for number in spoilt:
        notes[number].write_bytes(notes[number].read_bytes()[:30])
    add_many(connection, tenant, 1)
    assert len(survey(tmp_path, tenant).skipped) == len(spoilt)

    done = export(connection, tmp_path, tenant, PACK)

    assert (done.events, done.last) == (1 + 3 * len(spoilt), 10)
    assert survey(tmp_path, tenant).skipped == []
    for table in ("events", "facts", "decisions"):
        assert [row["arrival"] for row in read(tmp_path, tenant, table)] == list(range(1, 11))
    assert export(connection, tmp_path, tenant, PACK).events == 0


def test_a_full_disk(connection: Connection, tmp_path: Path, tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up is told clearly; the archive is as it was, and whole once there is room."""
    add_many(connection, tenant, 4)
    export(connection, tmp_path, tenant, PACK)
    add_many(connection, tenant, 4)
    before = visible(tmp_path)
    written: list[int] = []

    def fill_up(table: pa.Table, where: Path, **options: Any) -> None:
        written.append(1)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(table, where, **options)

    real = pq.write_table
    with monkeypatch.context() as patched:
        patched.setattr(pq, "write_table", fill_up)
        with pytest.raises(Retryable, match="No space left on device: nothing half-written is left"):
            export(connection, tmp_path, tenant, PACK)

    assert visible(tmp_path) == before
    assert not list(tmp_path.rglob("*.part"))
    assert export(connection, tmp_path, tenant, PACK).last == 8
    assert len(read(tmp_path, tenant, "decisions")) == 8


def test_one_exporter_at_a_time(connection: Connection, tmp_path: Path, tenant: str) -> None:
    """A second export of the tenant is told that one is running; another tenant's goes on."""
    add(connection, make_event(tenant=tenant))
    export(connection, tmp_path, tenant, PACK)
    with (tenant_folder(tmp_path, tenant) / LOCK).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(Retryable, match="another export"):
            export(connection, tmp_path, tenant, PACK)
        other: Exported = export(connection, tmp_path, tenant + "_other", PACK)

    assert other.events == 0


def test_labels_and_lists_are_written_whole(connection: Connection, tmp_path: Path, tenant: str) -> None:
    """What backtests judge by is there as of the last export, removed entries too."""
    lists.add(connection, tenant, "bad_domains", "a.example", actor="ann", why="spam", at=NOW, expires_at=NOW + DAY)
    lists.add(connection, tenant, "bad_domains", "b.example", actor="ann", why="spam", at=NOW)
    connection.execute(
        "INSERT INTO label (tenant, subject_type, subject, label, by, at) VALUES (%s, 'account', 'acc_1', 'abuse', "
        "'ann', '2026-11-22T12:00:00Z')",
        (tenant,),
    )
    connection.commit()
    export(connection, tmp_path, tenant, PACK)
    lists.remove(connection, tenant, "bad_domains", "b.example", actor="ann", at=NOW + 1)
    connection.commit()

    export(connection, tmp_path, tenant, PACK)

    found = entries(tmp_path, tenant).to_pylist()
    assert [(row["value"], row["expires_at"], row["removed_at"]) for row in found] == [
        ("a.example", NOW + DAY, None), ("b.example", None, NOW + 1),
    ]  # fmt: skip
    label = labels(tmp_path, tenant).to_pylist()[0]
    assert (label["subject"], label["label"], label["at"], label["case_id"]) == ("acc_1", "abuse", NOW, None)


def test_nothing_of_an_unknown_tenant(tmp_path: Path) -> None:
    """An archive that has nothing of a tenant says how it would get something."""
    with pytest.raises(NotFound, match="run goodsend archive"):
        survey(tmp_path, "nobody")
    with pytest.raises(NotFound, match="run goodsend archive"):
        labels(tmp_path, "nobody")


def test_the_reference_names_every_column() -> None:
    """docs/reference/archive.md tells of each column that does not come from a pack, and of each name in a file."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "archive.md").read_text("utf-8")
    names = {*DECISION_TYPES, *LABEL_TYPES, *ENTRY_TYPES, "e_id", "e_kind", "e_at", "e_channel", "content_digest", WAS}
    names |= {key.decode() for key in (VERSION_KEY, TABLE_KEY, TENANT_KEY, PACK_KEY)} | {EXPORTS, LOCK, *DAILY, *WHOLE}

    assert [
        name for name in sorted(names) if not re.search(rf"[`*/ ]{re.escape(name)}\b|{re.escape(name)}`", page)
    ] == []
