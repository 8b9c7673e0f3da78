"""The house rules that a machine can hold: floors, purity, circles, names, and what the repository must not carry."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "goodsend"
PURE = (
    "kit", "facts.py", "expr", "events", "features", "scanning", "rules", "policies", "decisions", "standing",
    "cases", "outreach", "reports", "pack.py", "pipeline.py",
)  # fmt: skip
BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|services?|common|base)(_|$)")


def python_files(*places: Path) -> list[Path]:
    """Every Python file below these places."""
    return sorted(path for place in places for path in ([place] if place.is_file() else place.rglob("*.py")))


def test_import_contracts_are_kept() -> None:
    """Floors, purity and circles hold, as .importlinter states them."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", python_files(SOURCE), ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_says_what_it_is(path: Path) -> None:
    """Each module opens with a docstring, and none carries a name that could mean anything."""
    tree = ast.parse(path.read_text())

    assert ast.get_docstring(tree), "no module docstring"
    assert not BANNED_NAMES.search(path.stem)


@pytest.mark.parametrize("path", python_files(SOURCE), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_stand_at_the_top(path: Path) -> None:
    """No import of our own hides inside a function, where the contracts would still see it but readers would not."""
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    hidden = [
        node.lineno
        for function in functions
        for node in ast.walk(function)
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("goodsend"))
        or (isinstance(node, ast.Import) and any(name.name.startswith("goodsend") for name in node.names))
    ]

    assert hidden == []


@pytest.mark.parametrize(
    "path", python_files(*(SOURCE / room for room in PURE)), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_the_core_reads_no_clock_and_no_file(path: Path) -> None:
    """Below `handle` nothing asks for the time, opens a file or draws a number."""
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
    asking = {
        call
        for call in calls
        if call in {"open", "print", "input", "datetime.now", "datetime.today", "date.today", "datetime.utcnow"}
        or call.endswith((".read_text", ".read_bytes", ".write_text", ".write_bytes"))
    }

    assert asking == set()


def test_nothing_tracked_names_an_address_of_a_registry() -> None:
    """Lock files hold names and hashes alone."""
    locks = [*ROOT.glob("requirements/*.lock"), *ROOT.glob("web/package-lock.json")]

    assert locks
    assert [path.name for path in locks if "://" in path.read_text() and '"resolved"' in path.read_text()] == []
    assert [path.name for path in ROOT.glob("requirements/*.lock") if "://" in path.read_text()] == []
