"""What the product needs at run time is in its run requirements, also where nothing of ours names it."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKED = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements" / "run.lock").read_text("utf-8"), re.MULTILINE)

ONLY_LOCKED = """
import importlib.abc, importlib.metadata, re, sys

def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()

locked = {plain(name) for name in sys.argv.pop(1).split()} | {"goodsend"}
owners = importlib.metadata.packages_distributions()

class OnlyLocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        own = owners.get(name.partition(".")[0])
        if own and not {plain(one) for one in own} & locked:
            raise ModuleNotFoundError(f"{name} is not in the run requirements", name=name)

sys.meta_path.insert(0, OnlyLocked())
"""
"""Makes a Python process in which only what run.lock names can be imported."""

LEND = """
from goodsend.archive.engines.duck import DuckDB
from goodsend.expr.sql.udfs import Udf
from goodsend.facts import FactType

with DuckDB() as engine:
    engine.add_functions([Udf("twice", (FactType.INTEGER,), FactType.INTEGER, lambda n: 2 * n)])
    assert engine.table("SELECT twice(21) AS n").to_pylist() == [{"n": 42}]
"""
IMPORT_ALL = """
import importlib, pkgutil, goodsend

EXTRAS = {"goodsend.scoring.train", "goodsend.commands.train_content", "goodsend.__main__"}
for found in pkgutil.walk_packages(goodsend.__path__, "goodsend."):
    if found.name not in EXTRAS:
        importlib.import_module(found.name)
"""


def run(program: str, names: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program in which only these distributions are there."""
    return subprocess.run(
        [sys.executable, "-c", ONLY_LOCKED + program, " ".join(names)], capture_output=True, text=True, check=False
    )


def test_the_run_requirements_are_enough() -> None:
    """DuckDB asks for numpy by itself as soon as Python lends it a function: no import of ours shows that."""
    done = run(IMPORT_ALL + LEND, LOCKED)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_requirement_is_noticed() -> None:
    """Without numpy in the lock, the same run fails: the check looks where it should."""
    done = run(LEND, [name for name in LOCKED if name != "numpy"])

    assert done.returncode != 0
    assert "numpy" in done.stderr
