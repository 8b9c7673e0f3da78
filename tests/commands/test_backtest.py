"""`goodsend backtest` as a process: a page, JSON and a few lines; killed it goes on; what is wrong is a sentence."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from goodsend.archive.stream import play
from goodsend.features.compute import LATE_HORIZON
from goodsend.kit.clock import DAY, HOUR, parse_time
from goodsend.reports.backtest import Report
from goodsend.simulation.world import accounts_truth, simulate
from goodsend.wiring import load_pack
from tests.archive.made import make_archive
from tests.commands.process import Running, goodsend

START = parse_time("2026-11-17T00:00:00Z")
RULE = """
[rule.import_any]
doc = "Anybody imports anything."
owner = "lists"
policy = "purchased_list"
severity = 1
on = ["list.imported"]
when = "e.recipients > 0"
verdict = "hold"
reason = "An import."
case = [{ given = { "e.recipients" = 1 }, fires = true }, { given = { "e.recipients" = 0 }, fires = false }]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours of a made-up platform with the history before it, as an archive; its truth; a pack with one rule."""
    folder = tmp_path_factory.mktemp("backtest")
    pack = load_pack([])
    pairs = list(simulate(7, START, 3 * HOUR, 25))
    played = list(play(pack, (event for event, _ in pairs), now=START + DAY, late_horizon=LATE_HORIZON))
    make_archive(folder / "archive", "default", played, pack)
    truth = [*accounts_truth(7, 25), *(label for _, label in pairs)]
    (folder / "truth.jsonl").write_text("".join(json.dumps(row) + "\n" for row in truth), encoding="utf-8")
    (folder / "mine" / "rules").mkdir(parents=True)
    (folder / "mine" / "pack.toml").write_text("")
    (folder / "mine" / "rules" / "mine.toml").write_text(RULE)
    return folder


def arguments(place: Path, *more: str | Path, since: str = "2026-11-17", until: str = "2026-11-18") -> list[Any]:
    """The command line of a backtest of the pack, with no database asked."""
    return [
        "backtest", place / "mine", "--alone", "--archive", place / "archive", "--from", since, "--to", until, *more
    ]  # fmt: skip


def env_of(tmp_path: Path) -> dict[str, str]:
    return {"GOODSEND_DATA_DIR": str(tmp_path)}


def test_a_report_is_a_page_and_json_and_lines(place: Path, tmp_path: Path) -> None:
    """Compared with what is live, by the truth; personal values are not in it; nothing is left behind."""
    files: list[str | Path] = ["--truth", place / "truth.jsonl", "--out", tmp_path / "r.html", "--json", tmp_path / "r"]
    done = goodsend(*arguments(place, "--against", "live", *files), env=env_of(tmp_path))
    report = msgspec.json.decode((tmp_path / "r").read_bytes(), type=Report)
    mine = next(rule for rule in report.rules if rule.id == "import_any")

    assert (done.code, done.err) == (0, b"")
    assert mine.status == "new"
    assert mine.change is not None
    assert mine.change.new == mine.hits > 0
    assert report.labels.abusive_accounts > 0
    assert report.cost is not None
    assert f"{report.events:,} events" in done.out
    assert "Anybody imports anything." in (tmp_path / "r.html").read_text("utf-8")
    shown = [value for rule in report.rules for sample in rule.samples for value in sample.values]
    assert all(value.value is None for value in shown if value.personal)
    assert list((tmp_path / "backtests").iterdir()) == []


def test_killed_in_the_middle_it_goes_on_to_the_same_report(place: Path, tmp_path: Path) -> None:
    """kill -9 once a stage is there: the next run takes it up and says what an undisturbed one says."""
    command = arguments(place, "--json", tmp_path / "again.json")
    with Running(*command, env=env_of(tmp_path)) as process:
        end = time.monotonic() + 60
        while not list(tmp_path.glob("backtests/*/judged.parquet")) and time.monotonic() < end:
            time.sleep(0.01)
        process.popen.kill()
    kept = [path.name for path in tmp_path.glob("backtests/*/*.parquet")]
    assert "judged.parquet" in kept
    assert not (tmp_path / "again.json").exists()
    again = goodsend(*command, env=env_of(tmp_path))
    whole = goodsend(
        *arguments(place, "--json", tmp_path / "whole.json", "--work", tmp_path / "other"), env=env_of(tmp_path)
    )  # fmt: skip

    assert (again.code, whole.code) == (0, 0)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_ctrl_c_says_what_is_kept_and_the_next_run_that_it_goes_on(place: Path, tmp_path: Path) -> None:
    """Exit code 130 and a sentence; then a line that names the stages that are not made again."""
    command = arguments(place, "--json", tmp_path / "r.json")
    with Running(*command, env=env_of(tmp_path)) as process:
        end = time.monotonic() + 60
        while not list(tmp_path.glob("backtests/*/judged.parquet")) and time.monotonic() < end:
            time.sleep(0.01)
        process.popen.send_signal(signal.SIGINT)
        stopped = process.finish()
    again = goodsend(*command, env=env_of(tmp_path))

    assert stopped.code == 130
    assert b"the same command goes on from there" in stopped.err
    assert b"Traceback" not in stopped.err
    assert again.code == 0
    assert b"going on after" in again.err
    assert b"judged" in again.err


def test_live_that_is_not_what_decided_is_told(place: Path, tmp_path: Path) -> None:
    """Another GOODSEND_PACKS than the server's: the report says so."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "pack.toml").write_text("")
    command = arguments(place, "--rules", "import_any", "--against", "live")
    same = goodsend(*command, env=env_of(tmp_path))
    told = goodsend(*command, env=env_of(tmp_path) | {"GOODSEND_PACKS": str(other)})

    assert "is not what decided" not in same.out
    assert "is not what decided the latest events" in told.out
    assert "GOODSEND_PACKS (other)" in told.out


def test_looking_begins_no_installation(place: Path, tmp_path: Path) -> None:
    """Where the data folder holds none, that is said, and nothing is made there."""
    env = env_of(tmp_path / "nothing")
    commands = {
        "archive": ["archive"],
        "prove": ["prove", "--archive", place / "archive"],
        "backtest": [word for word in arguments(place) if word != "--alone"],
    }
    for word, command in commands.items():
        done = goodsend(*command, env=env)
        assert done.code == 2, word
        assert b"there is no installation in" in done.err

    assert not (tmp_path / "nothing").exists()


def test_what_is_wrong_is_a_sentence(place: Path, tmp_path: Path) -> None:
    """Unknown rules, days that are none, spans that end before they begin, archives that are not there, bad labels."""
    (tmp_path / "bad.jsonl").write_text('{"account": "a"}\n')
    asked = {
        "no rule 'import_ani': did you mean 'import_any'?": arguments(place, "--rules", "import_ani"),
        "is neither a day such as": arguments(place, since="yesterday"),
        "the end lies before the start": arguments(place, since="2026-11-19"),
        "it has default; choose one with --tenant": arguments(place, "--tenant", "nobody"),
        "run goodsend archive": arguments(place, "--archive", tmp_path / "empty"),
        "needs a label": arguments(place, "--truth", tmp_path / "bad.jsonl"),
    }
    for sentence, command in asked.items():
        done = goodsend(*command, env=env_of(tmp_path))
        assert (done.code, done.out) == (2, ""), done.err
        assert sentence in done.err.decode()
        assert b"Traceback" not in done.err


def test_a_file_cut_in_half_is_told(place: Path, tmp_path: Path) -> None:
    """The rest is counted; the exit code says that something was left out."""
    path = sorted((place / "archive").rglob("events/day=*/*.parquet"))[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        done = goodsend(*arguments(place, "--rules", "import_any"), env=env_of(tmp_path))
    finally:
        path.write_bytes(whole)

    assert done.code == 1
    assert path.name in done.out
    assert "left out" in done.out


def test_a_span_without_events_is_said(place: Path, tmp_path: Path) -> None:
    """Nothing is made up of nothing."""
    command = arguments(place, "--rules", "import_any", since="2027-01-01", until="2027-01-02")
    done = goodsend(*command, env=env_of(tmp_path))

    assert done.code == 0
    assert "the archive has no events in this span" in done.out
