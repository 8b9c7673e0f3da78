"""
The packs that decided, found again by their versions: in the archive, among the folders at hand, and in what the
tenant's own definitions were over time. A version is a digest of all files, so what is found is what it was.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

from goodsend.archive import packs
from goodsend.pack import Pack, build_pack, pack_version
from goodsend.wiring import SHIPPED, read_layer

_MOST_FOLDERS = 5
"""With more folders than these only their beginnings are tried: every subset of many is too many. Own value."""

Files = Mapping[str, bytes]


def packs_that_decided(
    versions: Iterable[str], folder: Path, installed: Sequence[Path], then: Sequence[Path], layers: Sequence[Files]
) -> dict[str, Pack]:
    """
    Return the packs of these versions that can be found.

    `folder` is the tenant's in the archive; `installed` are the folders over the shipped pack, `then` older states of
    them; `layers` the tenant's own definitions as they were over time.
    """
    wanted = set(versions)
    found: dict[str, Files] = {}
    for version in sorted(wanted):
        kept = packs.kept(folder, version)
        if kept is not None:
            found[version] = kept
    for files in _candidates(installed, then, layers):
        if not wanted - found.keys():
            break
        version = pack_version(files)
        if version in wanted:
            found.setdefault(version, files)
    built = {version: build_pack(files)[0] for version, files in found.items()}
    return {version: pack for version, pack in built.items() if pack is not None}


def _candidates(installed: Sequence[Path], then: Sequence[Path], layers: Sequence[Files]) -> Iterator[Files]:
    """Yield what a pack may have been made of: some of the folders, each as it is or was, with or without a layer."""
    older = [read_layer(folder) for folder in then]
    shipped = [read_layer(SHIPPED), *(files for files in older if _name_of(files) == SHIPPED.name)]
    slots: list[list[Files]] = [
        [read_layer(folder), *(_named(files, folder.resolve().name) for files in older), {}]
        for folder in installed[:_MOST_FOLDERS]
    ]
    slots += [[{}, files] for files in older if _name_of(files) != SHIPPED.name]
    for parts in product(shipped, *slots):
        files = {name: body for part in parts for name, body in part.items()}
        yield files
        for layer in layers:
            yield {**files, **layer}


def _name_of(files: Files) -> str:
    return next(iter(files)).partition("/")[0]


def _named(files: Files, name: str) -> Files:
    """Return a layer's files under another name: an older state of a folder is kept under whatever name."""
    return {f"{name}/{path.partition('/')[2]}": body for path, body in files.items()}
