"""
The built scripts and styles as bytes in memory, under names that carry their content. Making them is the build hook's.
"""

import gzip
from pathlib import Path

import msgspec

from goodsend.kit.errors import Misconfigured

BUILT = Path(__file__).parent / "assets" / "built"
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}


class Asset(msgspec.Struct, frozen=True):
    """One file as it is sent; `packed` is the same, compressed by gzip."""

    media_type: str
    body: bytes
    packed: bytes


class Assets(msgspec.Struct, frozen=True):
    """Every file by its name, and the manifest: logical name (`console.js`) → name that carries the hash."""

    files: dict[str, Asset]
    manifest: dict[str, str]

    def path(self, name: str) -> str:
        """Return the address of a logical name."""
        return f"/assets/{self.manifest[name]}"


def load_assets(folder: Path = BUILT) -> Assets:
    """Read what the build left. Raises Misconfigured when it has not run."""
    try:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        raise Misconfigured("the console has not been built: run `python build_console.py` in the clone") from None
    files = {}
    for path in sorted(folder.iterdir()):
        media_type = _TYPES.get(path.suffix)
        if media_type is not None:
            body = path.read_bytes()
            files[path.name] = Asset(media_type, body, gzip.compress(body, 9, mtime=0))
    return Assets(files, manifest)
