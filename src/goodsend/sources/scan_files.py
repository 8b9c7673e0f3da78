"""
Files and folders as content to scan: mails, texts, pages, and tables of texts. What they mean is not judged here.

What a file is follows from its ending and its first bytes. Whatever cannot be read becomes a Rejection that names it.
"""

import csv
import gzip
import lzma
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from goodsend.events.mime import sniff
from goodsend.events.model import Content
from goodsend.kit.errors import Misconfigured, Rejection
from goodsend.kit.ids import digest_of

_TABLES = (".csv", ".csv.gz", ".csv.xz")
_PAGES = (".html", ".htm", ".xhtml")
_HEADER = re.compile(rb"(?:From |[A-Za-z][A-Za-z0-9-]{0,60}:)")
_MAIL_HEADERS = re.compile(
    rb"(?im)^(?:from|to|subject|date|received|return-path|message-id|delivered-to|content-type|mime-version|reply-to):"
)
_TABLE_ROWS = 10_000_000


class Found(msgspec.Struct, frozen=True):
    """One content, and the name to show for it: a path, or a path and a row."""

    path: str
    content: Content
    notes: tuple[str, ...] = ()


def list_files(paths: Iterable[Path]) -> list[Path]:
    """
    Return the files under some paths: folders with all that is in them, sorted, without names that begin with a dot.

    Links to folders are not followed, so there are no circles. Raises Misconfigured for a path that does not exist.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            for folder, names, leaves in os.walk(path):
                names[:] = sorted(name for name in names if not name.startswith("."))
                files += [Path(folder) / leaf for leaf in sorted(leaves) if not leaf.startswith(".")]
        elif os.path.lexists(path):
            files.append(path)
        else:
            raise Misconfigured(f"{shown(path)} does not exist")
    return files


def read_file(path: Path, size_bytes: int) -> Iterator[Found | Rejection]:
    """
    Yield what one file holds: one content, or one for each row of a table with a column `text`.

    At most `size_bytes` and one more byte are read of a message, so that the scanner sees that it was cut.
    """
    name = shown(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            yield Rejection("not_a_file", name, "This is neither a file nor a folder.", "Pass mails, texts or pages.")
        elif name.lower().endswith(_TABLES):
            yield from _read_table(path, name, size_bytes)
        else:
            with path.open("rb") as stream:
                yield _found(name, stream.read(size_bytes + 1), None)
    except OSError as error:
        yield Rejection("unreadable", name, f"The file cannot be read: {error.strerror or error}.")


def _read_table(path: Path, name: str, size_bytes: int) -> Iterator[Found | Rejection]:
    row = 0
    try:
        with _opened(path) as stream:
            rows = csv.DictReader(stream)
            column = next((field for field in rows.fieldnames or () if field.strip().lower() == "text"), None)
            if column is None:
                with path.open("rb") as raw:
                    note = "a table without a column text, read as one text"
                    yield _found(name, raw.read(min(size_bytes, 1_000_000)), "text/plain", (note,))
                return
            for row, record in enumerate(rows, 1):
                if row > _TABLE_ROWS:
                    yield Rejection("too_many", name, f"Only the first {_TABLE_ROWS:,} rows were read.")
                    return
                yield _found(f"{name}:{row}", (record.get(column) or "").encode("utf-8", "replace"), "text/plain")
    except (csv.Error, lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
        yield Rejection("broken_table", f"{name}:{row + 1}", f"The table cannot be read on: {error}.")


def _opened(path: Path) -> IO[str]:
    name = path.name.lower()
    if name.endswith(".xz"):
        return lzma.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    if name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    return path.open(encoding="utf-8", errors="replace", newline="")


def _found(name: str, body: bytes, media_type: str | None, notes: tuple[str, ...] = ()) -> Found:
    return Found(name, Content(digest_of(body), media_type or media_type_of(name, body), body), notes)


def media_type_of(name: str, body: bytes) -> str:
    """
    Return what a file is by its ending, and where that says nothing by its beginning; when in doubt, a mail.

    A `.txt` that begins with mail headers is a mail: collections of mails are often kept so.
    """
    lower = name.lower()
    if lower.endswith(".eml"):
        return "message/rfc822"
    if lower.endswith(_PAGES):
        return "text/html"
    head = body[:4096].lstrip(b"\xef\xbb\xbf\r\n")
    looks_like_mail = bool(_HEADER.match(head)) and len(_MAIL_HEADERS.findall(head)) >= 2
    if looks_like_mail:
        return "message/rfc822"
    if lower.endswith(".txt"):
        return "text/plain"
    return "text/html" if sniff(body[:1024]) == "text/html" else "message/rfc822"


def shown(path: Path) -> str:
    """Return a path as text that any encoder takes, whatever bytes its name holds."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
