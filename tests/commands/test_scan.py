"""`goodsend scan` as a process: answers, exit codes, quiet in a pipe."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PHISH = b"""From: "PayPal Service" <x@mailer.example>
Subject: Your account\x1b[31m
Content-Type: text/html

<a href="https://paypal-login.pages.dev/">Please verify your account</a>
"""


def goodsend(*arguments: str | Path, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    command = [sys.executable, "-m", "goodsend", *map(str, arguments)]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GOODSEND_")}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=inherited | (env or {})
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A phishing mail, an honest one, and a text."""
    (tmp_path / "bad.eml").write_bytes(PHISH)
    (tmp_path / "good.eml").write_text("From: Ann <ann@example.org>\nSubject: Lunch\n\nSee you at noon.")
    (tmp_path / "sms.txt").write_text("Your parcel could not be delivered: https://usps-fee.top/x")
    return tmp_path


def test_json_lines_say_all_that_was_found(folder: Path) -> None:
    """One object a message, in order, with path, verdict, scores, signals and error; nothing else is printed."""
    done = goodsend("scan", folder, "--format", "jsonl")

    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [Path(answer["path"]).name for answer in answers] == ["bad.eml", "good.eml", "sms.txt"]
    bad, good, sms = answers
    assert (good["verdict"], good["signals"], good["error"]) == ("allow", [], None)
    assert bad["verdict"] in ("hold", "reject")
    assert 0 < bad["scores"]["content"] <= 1000
    (link,) = [signal for signal in bad["signals"] if signal["id"] == "LINK_LOOKALIKE_DOMAIN"]
    assert link["evidence"] == "paypal-login.pages.dev carries the name of PayPal"
    assert (link["span"]["part"], link["span"]["end"] - link["span"]["start"]) == ("html", 31)
    assert {signal["id"] for signal in sms["signals"]} >= {"SMS_PARCEL_OR_TOLL", "LINK_LOOKALIKE_DOMAIN"}


def test_the_table_is_for_people(folder: Path) -> None:
    """A line a message, its signals below, a sum at the end; control characters never reach the terminal."""
    done = goodsend("scan", folder)

    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert (
        "IDENTITY_BRAND_MISMATCH      the sender's name claims PayPal, but the mail is from mailer.example"
        in done.stdout
    )
    assert done.stdout.splitlines()[-1].startswith("3 scanned: ")


def test_a_file_that_cannot_be_read_does_not_end_the_scan(folder: Path) -> None:
    """Exit code 1, an error for that file, answers for the rest."""
    (folder / "a-dangling.eml").symlink_to(folder / "nothing")

    done = goodsend("scan", folder, "--format", "jsonl")

    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert answers[0]["error"] == {
        "code": "unreadable",
        "reason": "The file cannot be read: No such file or directory.",
    }
    assert (answers[0]["verdict"], len(answers)) == (None, 4)


def test_wrong_use_is_exit_code_2(tmp_path: Path) -> None:
    """A path that does not exist, or no path at all, is the caller's mistake."""
    assert goodsend("scan", tmp_path / "nothing").returncode == 2
    assert goodsend("scan").returncode == 2


def test_a_pack_of_ones_own_changes_what_is_found(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An operator's phrases count beside the shipped ones."""
    own = tmp_path_factory.mktemp("own")
    (own / "pack.toml").write_text('name = "own"\ndoc = "ours"\n')
    (own / "scanning").mkdir()
    (own / "scanning" / "own.toml").write_text(
        '[phrases.lunch]\nsignal = "WORDING_URGENCY"\nstrong = { en = ["see you at noon"] }\n'
    )

    done = goodsend("scan", folder / "good.eml", "--format", "jsonl", "--pack", own)

    assert [signal["id"] for signal in json.loads(done.stdout)["signals"]] == ["WORDING_URGENCY"]


def test_a_mail_of_fifty_megabytes_is_cut_and_answered(tmp_path: Path) -> None:
    """What lies past the limit is not read, and a note says so."""
    path = tmp_path / "huge.eml"
    path.write_bytes(b"Subject: huge\n\n" + b"word " * 10_000_000)

    answer = json.loads(goodsend("scan", path, "--format", "jsonl").stdout)

    assert answer["verdict"] == "allow"
    assert answer["notes"][0] == "only the first 26,214,400 bytes were read"
