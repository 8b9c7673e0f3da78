"""
The tutorial, followed to the letter: its commands run against a real demo, and what it shows is what they print.

In what it shows, `…` stands for anything. In blocks of text numbers and digests may differ too, since the shipped pack
grows; in blocks of JSON they may not.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import msgspec
import pytest

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "tutorial" / "first-rule.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE_S = 180
DOOR = """#!/bin/sh
# Stands in for ./dev: the same words, with a small world, any free port, and a demo that runs in the background.
word=$1; shift
stop() {
    [ -e running ] && kill -INT "$(cat demo.pid)"
    for _ in $(seq 300); do [ -e running ] || break; sleep 0.1; done
}
case $word in
goodsend) exec "$PYTHON" -m goodsend "$@" ;;
demo)
    stop; rm -f demo.log; touch running
    ("$PYTHON" -m goodsend demo --port 0 --data demo --accounts 12 --seconds 1 >demo.log 2>&1 &
        echo $! >demo.pid; wait $!; rm running) &
    for _ in $(seq 600); do
        [ -e running ] && ! grep -q 'Ctrl-C stops' demo.log 2>/dev/null || break; sleep 0.1; done
    url=$(sed -n 's/^Console *//p' demo.log)
    curl -s --retry 50 --retry-delay 1 --retry-connrefused -o /dev/null "$url/readyz"
    cat demo.log ;;
stop) stop ;;
esac
"""


class Block(msgspec.Struct, frozen=True):
    """A fenced block: `sh` is run, `text` and `json` are what the block before it prints."""

    language: str
    text: str


def blocks() -> list[Block]:
    """Every fenced block of the tutorial, in order."""
    return [Block(*found) for found in BLOCK.findall(GUIDE)]


class Shell:
    """One shell for the whole tutorial, in a folder of its own, as a reader has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        door = folder / "dev"
        door.write_text(DOOR)
        door.chmod(0o755)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GOODSEND_")}
        bin_folder = str(Path(sys.executable).parent)
        self.bash = subprocess.Popen(
            ["bash"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment | {"PYTHON": sys.executable, "PATH": f"{bin_folder}:{environment['PATH']}"},
        )  # fmt: skip

    def run(self, commands: str) -> str:
        """Return what these commands print."""
        assert self.bash.stdin is not None
        assert self.bash.stdout is not None
        self.bash.stdin.write(f"{commands}\necho; echo '--done--'\n")
        self.bash.stdin.flush()
        lines = []
        alarm = threading.Timer(PATIENCE_S, self.bash.kill)
        alarm.start()
        for line in self.bash.stdout:
            if line == "--done--\n":
                alarm.cancel()
                return "".join(lines).strip()
            lines.append(line)
        raise AssertionError(f"the shell ended: {''.join(lines)}")

    def printed(self, word: str) -> list[str]:
        """Return the words of the line of the demo that begins so."""
        lines = (self.folder / "demo.log").read_text().splitlines()
        return next(line.split() for line in lines if line.startswith(word))

    def close(self) -> None:
        """End the demo as Ctrl-C does, then the shell."""
        self.run("./dev stop")
        self.bash.communicate(timeout=30)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell where `./dev` is there, as in a checkout."""
    opened = Shell(tmp_path)
    yield opened
    opened.close()


def as_pattern(block: Block) -> str:
    """Return a pattern for what a block shows."""
    text = re.escape(block.text.strip())
    if block.language == "text":
        text = re.sub(r"(?<![\w.-])[0-9a-f]{16}(?!\w)", "[0-9a-f]{16}", text)
        text = re.sub(r"(?<![\w.-])\d+(?= )", r"\\d+", text)
    return text.replace("…", ".*?")


def test_the_tutorial_is_true(shell: Shell) -> None:
    """Every command runs, and prints what the tutorial shows."""
    printed = ""
    for block in blocks():
        if block.language == "sh":
            commands = block.text
            if "KEY=" in commands:
                commands = commands.replace("gsk_…", shell.printed("API key")[-1])
                commands = commands.replace("http://127.0.0.1:8484", shell.printed("Console")[-1])
            printed = shell.run(commands)
        else:
            shown = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8484", printed)
            assert re.fullmatch(as_pattern(block), shown, re.DOTALL), f"{block.text}\n--- but it printed\n{shown}"

    told = GUIDE.partition("In the console, press")[2].partition("## Next")[0]
    headings = re.findall(r"\*\*(.+?)\*\*", told)
    sentences = [text for text in re.findall(r"`(.+?)`", told) if " " in text]
    page = page_of(shell, "/events/import-2")

    assert (headings[0], sentences[0][:5]) == ("Why", "f.rec")
    assert [text for text in [*headings, *sentences] if text not in page] == []
    assert "Cases" in page_of(shell, "/cases")


def page_of(shell: Shell, path: str) -> str:
    """Return the text of a page of the console, as the demo's administrator sees it."""
    _, login, password = shell.printed("Sign-in")
    with httpx.Client(base_url=shell.printed("Console")[-1], follow_redirects=True) as client:
        client.post("/sign-in", data={"login": login, "password": password})
        answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())
