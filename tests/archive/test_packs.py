"""Packs that decided are found again by their versions, wherever they are at hand."""

from pathlib import Path

from goodsend.archive.packs import keep, kept
from goodsend.commands.recovering import packs_that_decided
from goodsend.pack import pack_version
from goodsend.wiring import SHIPPED, read_files, read_layer

CORE = read_layer(SHIPPED)


def make_pack(folder: Path, doc: str) -> Path:
    (folder / "lists").mkdir(parents=True)
    (folder / "pack.toml").write_text('name = "local"')
    (folder / "lists" / "mine.toml").write_text(
        f'doc = "{doc}"\ntype = "domain"\nsource = "own"\nlicence = "own"\nas_of = "2026-11-22"\nvalues = []\n'
    )
    return folder


def test_a_pack_is_kept_once_and_found_as_it_was(tmp_path: Path) -> None:
    """Its bytes are held against its name: what was changed is as good as gone."""
    version = pack_version(CORE)
    keep(tmp_path, CORE)
    keep(tmp_path, CORE)
    path = next(tmp_path.rglob("*.zst"))

    assert kept(tmp_path, version) == CORE
    assert list(tmp_path.rglob("*.part")) == []
    path.write_bytes(path.read_bytes()[:-20])
    assert kept(tmp_path, version) is None
    assert kept(tmp_path, "0123456789abcdef") is None


def test_packs_are_found_among_what_is_at_hand(tmp_path: Path) -> None:
    """The shipped one alone, an older state of a folder, and each with what was approved in the console."""
    now = make_pack(tmp_path / "local", "now")
    older = make_pack(tmp_path / "before" / "local-2025", "older")
    own = {"own/lists/vip.toml": (now / "lists" / "mine.toml").read_bytes()}
    older_files = {f"local/{name.partition('/')[2]}": body for name, body in read_layer(older).items()}
    made = {
        "shipped": CORE, "with local": read_files([now]), "approved": {**CORE, **own},
        "older": {**CORE, **older_files}, "older, approved": {**CORE, **older_files, **own},
    }  # fmt: skip
    versions = {name: pack_version(files) for name, files in made.items()}
    found = packs_that_decided([*versions.values(), "unknown"], tmp_path, [now], [older], [own])
    without = packs_that_decided(versions.values(), tmp_path, [now], [], [])

    assert found.keys() == set(versions.values())
    assert all(pack.version == version for version, pack in found.items())
    assert without.keys() == {versions["shipped"], versions["with local"]}
