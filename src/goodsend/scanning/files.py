"""Signals of attached files, by name and first bytes; their insides are not opened."""

from collections.abc import Iterator

from goodsend.events.mime import Attachment
from goodsend.kit.text import printable, shorten
from goodsend.scanning.definitions import Scanner
from goodsend.scanning.material import Material
from goodsend.scanning.model import Signal, Span


def find(material: Material, scanner: Scanner) -> Iterator[Signal]:
    """Find attached programs and web pages."""
    for index, attachment in enumerate(material.message.attachments[:50]):
        ending = ending_of(attachment)
        name = f"“{shorten(printable(attachment.filename), 80)}”" if attachment.filename else "a file without a name"
        if ending in scanner.words.program_endings or attachment.sniffed in _PROGRAMS:
            yield Signal("FILE_EXECUTABLE", f"{name} is a program or script", Span(f"attachment:{index}"))
        elif ending in scanner.words.page_endings or attachment.sniffed in _PAGES:
            yield Signal(
                "FILE_WEB_PAGE", f"{name} is a web page or a drawing that can hold one", Span(f"attachment:{index}")
            )


_PROGRAMS = ("application/x-msdownload", "application/x-executable", "application/x-ms-shortcut")
_PAGES = ("text/html", "image/svg+xml")


def ending_of(attachment: Attachment) -> str:
    """Return the ending of a file name in lower case without the dot, empty when there is none."""
    return (
        (attachment.filename or "").rpartition(".")[2].strip().lower()[:10]
        if "." in (attachment.filename or "")
        else ""
    )
