"""The bundle: what the build leaves, and that a repeat costs nothing."""

import re
import time
from pathlib import Path

import build_console
from goodsend.console.assets import load_assets

ROOT = Path(__file__).parents[2]


def test_assets_carry_their_content_in_their_names() -> None:
    """A browser may keep them for good: another content has another name."""
    assets = load_assets()

    assert {"console.js", "styles.css", "preview.css", "mark.svg", "charts.js"} <= set(assets.manifest)
    assert all(re.search(r"-[0-9A-Z]{8}\.\w+$", name) for name in assets.manifest.values())
    assert all(name in assets.files for name in assets.manifest.values())


def test_a_repeat_of_the_build_does_nothing() -> None:
    """Unchanged sources are recognised by their digest."""
    build_console.build(ROOT)
    started = time.perf_counter()
    build_console.build(ROOT)

    assert time.perf_counter() - started < 1


def test_the_lock_file_names_no_address() -> None:
    """Packages are pinned by version and hash; where they come from is the installer's choice."""
    text = (ROOT / "web" / "package-lock.json").read_text(encoding="utf-8")

    assert "resolved" not in text
    assert "://" not in text
    assert '"integrity"' in text


def test_nothing_on_a_page_is_inline() -> None:
    """The policy forbids inline scripts and styles, so the templates have none."""
    templates = ROOT / "src" / "goodsend" / "console" / "templates"
    inline = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:")

    assert [path.name for path in templates.glob("*.html") if inline.search(path.read_text(encoding="utf-8"))] == []
