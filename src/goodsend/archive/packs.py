"""
Packs as they were, kept in a tenant's archive by version: what decided then can be read when its folder has changed.

    ARCHIVE/tenant=acme/_packs/c741721cd7889036.json.zst        JSON: a file's name → its bytes in Base64
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import zstandard

from goodsend.archive.layout import draft_of, put_in_place
from goodsend.pack import pack_version

PACKS = "_packs"
_MOST_BYTES = 256_000_000
"""Longest text of a kept pack that is read: a pack is at most a quarter of it. Own value."""
_FILES = msgspec.json.Decoder(dict[str, bytes])


def keep(folder: Path, files: Mapping[str, bytes]) -> None:
    """Keep the files of a pack in a tenant's folder, once."""
    path = _path(folder, pack_version(files))
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    try:
        draft.write_bytes(zstandard.compress(msgspec.json.encode(files), 9))
        put_in_place(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def kept(folder: Path, version: str) -> dict[str, bytes] | None:
    """Return the files of a version; None where it is not kept, or is not what it was."""
    try:
        text = zstandard.ZstdDecompressor().stream_reader(_path(folder, version).read_bytes()).read(_MOST_BYTES)
        files = _FILES.decode(text)
    except (OSError, zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return files if pack_version(files) == version else None


def _path(folder: Path, version: str) -> Path:
    return folder / PACKS / f"{version}.json.zst"
