"""`goodsend simulate` through its own door."""

import argparse
import gzip
import io
import json
from pathlib import Path

import pytest
import zstandard

from goodsend.commands import simulate
from goodsend.kit.errors import Misconfigured
from goodsend.settings import read_settings


def run(given: argparse.Namespace) -> int:
    """Run the command with the settings of an empty environment."""
    return simulate.run(given, read_settings({}))


def options(*arguments: str) -> argparse.Namespace:
    """What the command line gives for these words."""
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    return parser.parse_args(["--start", "2026-11-20T06:00:00Z", "--length", "6h", "--accounts", "12", *arguments])


def test_events_and_truth_go_to_two_files(tmp_path: Path) -> None:
    """One object a line; the truth of accounts first, then one label per event."""
    events, labels = tmp_path / "events.jsonl", tmp_path / "labels.jsonl"

    assert run(options("--out", str(events), "--labels", str(labels))) == 0

    told = [json.loads(line) for line in events.read_text("utf-8").splitlines()]
    truth = [json.loads(line) for line in labels.read_text("utf-8").splitlines()]
    assert sum("event_id" not in each for each in truth) == 12
    assert [event["id"] for event in told] == [each["event_id"] for each in truth[12:]]


def test_packed_files_hold_the_same_and_are_the_same_each_time(tmp_path: Path) -> None:
    """Plain, .gz and .zst hold the same lines; a second run writes the same bytes."""
    paths = {name: tmp_path / f"events.jsonl{name}" for name in ("", ".gz", ".zst")}
    for path in paths.values():
        run(options("--out", str(path)))
    plain = paths[""].read_bytes()
    first = paths[".gz"].read_bytes()
    run(options("--out", str(paths[".gz"])))

    assert plain == gzip.decompress(first)
    assert plain == zstandard.ZstdDecompressor().stream_reader(io.BytesIO(paths[".zst"].read_bytes())).read()
    assert first == paths[".gz"].read_bytes()


def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --out, events go to standard output and nothing else does."""
    assert run(options()) == 0

    lines = capsys.readouterr().out.splitlines()
    assert all(json.loads(line)["kind"] for line in lines)


@pytest.mark.parametrize(
    "words",
    [
        ("--accounts", "0"),
        ("--length", "0d"),
        ("--length", "soon"),
        ("--start", "yesterday"),
        ("--out", "/no/such/dir/x"),
    ],
)
def test_options_that_make_no_sense_are_refused(words: tuple[str, ...]) -> None:
    """The message names the option."""
    with pytest.raises(Misconfigured, match=words[0].lstrip("-") if words[0] != "--out" else "cannot write"):
        run(options(*words))
