"""`goodsend prove` as a process: `0 differences`, or each of them, and an exit code that says which."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from goodsend.archive.layout import Export, ExportedFile
from goodsend.archive.read import crc_of
from goodsend.archive.stream import play
from goodsend.features.compute import LATE_HORIZON
from goodsend.features.definitions import feature_facts
from goodsend.kit.clock import DAY, HOUR, parse_time
from goodsend.reports.proof import Found, Proof, Reason
from goodsend.simulation.world import simulate
from goodsend.wiring import load_pack
from tests.archive.made import make_archive
from tests.commands.process import goodsend

START = parse_time("2026-11-17T00:00:00Z")


def make_place(folder: Path, *, wrong: int = 0) -> Path:
    """An archive of the shipped pack; `wrong` adds to one stored fact of the last event that has it."""
    pack = load_pack([])
    events = (event for event, _ in simulate(7, START, HOUR, 12))
    played = list(play(pack, events, now=START + DAY, late_horizon=LATE_HORIZON))
    if wrong:
        last = next(one for one in reversed(played) if one.outcome.facts.get("f.account_age_s") is not None)
        age = last.outcome.facts["f.account_age_s"]
        assert isinstance(age, int)
        last.outcome.facts["f.account_age_s"] = age + wrong
    make_archive(folder / "archive", "default", played, pack)
    return folder / "archive"


def test_an_archive_is_proven(tmp_path: Path) -> None:
    """Every fact and every truth of it; the result as JSON too."""
    archive = make_place(tmp_path)
    command: list[str | Path] = ["prove", "--alone", "--archive", archive, "--json", tmp_path / "proof.json"]
    done = goodsend(*command, env={"GOODSEND_DATA_DIR": str(tmp_path)})
    proof = msgspec.json.decode((tmp_path / "proof.json").read_bytes(), type=Proof)

    assert (done.code, done.err) == (0, b"")
    assert done.out.splitlines()[-1] == "0 differences"
    assert (proof.differences, proof.not_comparable) == (0, 0)
    assert proof.facts == proof.events * len(feature_facts(load_pack([]).features)) > 0


def test_a_difference_is_told_with_its_event(tmp_path: Path) -> None:
    """The fact, both values, and exit code 1."""
    archive = make_place(tmp_path, wrong=5)
    done = goodsend("prove", "--alone", "--archive", archive, env={"GOODSEND_DATA_DIR": str(tmp_path)})

    assert done.code == 1
    assert "f.account_age_s was" in done.out
    assert done.out.splitlines()[-1] == "1 differences"


def test_a_file_that_is_left_out_is_no_difference(tmp_path: Path) -> None:
    """What looks back on it is not compared; the exit code says that something is missing."""
    archive = make_place(tmp_path)
    path = max(archive.rglob("events/day=*/*.parquet"), key=lambda found: found.parent.name)
    earlier = min(archive.rglob("events/day=*/*.parquet"), key=lambda found: found.parent.name)
    assert path != earlier
    earlier.write_bytes(earlier.read_bytes()[:100])
    command: list[str | Path] = ["prove", "--alone", "--archive", archive, "--json", tmp_path / "proof.json"]
    done = goodsend(*command, env={"GOODSEND_DATA_DIR": str(tmp_path)})
    proof = msgspec.json.decode((tmp_path / "proof.json").read_bytes(), type=Proof)

    assert done.code == 1
    assert proof.differences == 0
    assert (proof.found, list(proof.reasons)) == (Found.PARTLY, [Reason.LACKING.value])
    assert "1 files of the archive were left out" in done.out


def test_a_pack_that_is_not_at_hand_compares_nothing(tmp_path: Path) -> None:
    """Neither equal nor exit code 0; with the folder it was made of, all but what is new is compared."""
    archive = make_place(tmp_path)
    (tmp_path / "mine" / "features").mkdir(parents=True)
    (tmp_path / "mine" / "pack.toml").write_text("")
    (tmp_path / "mine" / "features" / "new.toml").write_text(
        '[feature.new_1h]\ndoc = "d"\nowner = "o"\naggregate = "count"\nkey = ["account"]\non = ["list.imported"]\n'
        'window = "1h"\n'
    )
    env = {"GOODSEND_DATA_DIR": str(tmp_path), "GOODSEND_PACKS": str(tmp_path / "mine")}
    known = goodsend("prove", "--alone", "--archive", archive, env=env)
    for note in archive.rglob("_exports/*.json"):
        step = msgspec.json.decode(note.read_bytes(), type=Export)
        decided = [file for file in step.files if file.table == "decisions"]
        files = [_of_another_pack(note.parent.parent, file) if file in decided else file for file in step.files]
        note.write_bytes(msgspec.json.encode(msgspec.structs.replace(step, files=files)))
    unknown = goodsend("prove", "--alone", "--archive", archive, env=env)

    assert (known.code, known.out.splitlines()[-1]) == (0, "0 differences")
    assert Reason.CHANGED.value in known.out
    assert unknown.code == 1
    assert unknown.out.splitlines()[-1] == "nothing was compared, so nothing is proven"
    assert Reason.UNKNOWN.value in unknown.out


def _of_another_pack(folder: Path, file: ExportedFile) -> ExportedFile:
    table = pq.read_table(folder / file.path, partitioning=None)
    place = table.schema.get_field_index("pack")
    table = table.set_column(place, "pack", pa.array(["0123456789abcdef"] * len(table)))
    pq.write_table(table, folder / file.path)
    return msgspec.structs.replace(file, bytes=(folder / file.path).stat().st_size, crc=crc_of(folder / file.path))


def test_a_stream_needs_no_archive() -> None:
    """Made-up definitions and events, on DuckDB."""
    done = goodsend("prove", "--stream", "60", "--seed", "4")

    assert (done.code, done.out.splitlines()[-1]) == (0, "0 differences")
    assert "compared" in done.out


def test_a_full_disk_is_a_sentence() -> None:
    """What does not fit where scratch files go is told with the place, and nothing is left there."""
    limited = "import resource, sys; from goodsend.cli import main; "
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); sys.exit(main(sys.argv[1:]))"

    done = subprocess.run(
        [sys.executable, "-c", limited, "prove", "--stream", "300"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 3, done.stderr
    assert "goodsend: there is no room for what duckdb writes below" in done.stderr
    assert "Traceback" not in done.stderr
