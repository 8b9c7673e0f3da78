"""The `goodsend` command as a process: words, help, exit codes."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from goodsend import __version__
from goodsend.cli import MODULES, WORDS
from tests.commands.process import BASE, goodsend


def test_help_lists_every_word_and_exit_code() -> None:
    """One line a word, and what each exit code means."""
    done = goodsend("--help")

    assert (done.code, done.err) == (0, b"")
    told = " ".join(done.out.split())
    for word, doc in WORDS.items():
        assert f" {word} {doc} " in told
    for code in ("0    all done", "1    done, but", "2    the command line", "3    something", "130  interrupted"):
        assert code in done.out


@pytest.mark.parametrize("word", WORDS)
def test_every_word_has_a_home(word: str) -> None:
    """Each word of the table is a file with options and a run."""
    module = importlib.import_module(f"goodsend.commands.{MODULES.get(word, word)}")

    assert callable(module.add_arguments)
    assert callable(module.run)


def test_wrong_use_is_exit_code_2() -> None:
    """No word, a word that does not exist, an option that does not exist."""
    assert goodsend().code == 2
    assert goodsend("frobnicate").code == 2
    assert goodsend("scan", "--frobnicate").code == 2


def test_a_misspelt_setting_is_refused_with_a_hint() -> None:
    """A typo in the environment is not silently a default."""
    done = goodsend("check", env={"GOODSEND_PROT": "8080"})

    assert done.code == 2
    assert b"did you mean GOODSEND_PORT?" in done.err


def test_the_version_is_told() -> None:
    """The same as in the package."""
    assert goodsend("--version").out == f"goodsend {__version__}\n"


def test_the_entry_point_is_declared() -> None:
    """`pip install` gives a command of this name."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert project["scripts"] == {"goodsend": "goodsend.cli:main"}


def test_a_reader_that_leaves_is_no_error() -> None:
    """`goodsend simulate | head` ends without a trace."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m goodsend simulate --accounts 20 | head -n 1"],
        capture_output=True, env=BASE, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b'{"id":')


def test_a_case_that_cannot_know_names_file_and_facts(tmp_path: Path) -> None:
    """What does not hold is told with its file, and with what the case does not give."""
    (tmp_path / "mine" / "rules").mkdir(parents=True)
    (tmp_path / "mine" / "pack.toml").write_text("")
    (tmp_path / "mine" / "rules" / "mine.toml").write_text(
        '[rule.r1]\ndoc = "d"\nowner = "o"\npolicy = "purchased_list"\nseverity = 1\non = ["list.imported"]\n'
        'when = "e.recipients > 1"\nverdict = "hold"\nreason = "r"\ncase = [{ given = {}, fires = true }]\n'
    )
    done = goodsend("test", tmp_path / "mine")

    assert done.code == 1
    assert b"mine/rules/mine.toml: r1: case 1: expected that it fires, but it cannot know" in done.err
    assert b"it does not give e.recipients" in done.err
