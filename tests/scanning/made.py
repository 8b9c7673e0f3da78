"""Plain content to scan: a mail, a text, a page."""

from goodsend.events.model import Content
from goodsend.kit.ids import digest_of
from goodsend.scanning.model import Scan
from goodsend.scanning.scanner import Scanner, scan


def content(body: str | bytes, media_type: str = "message/rfc822") -> Content:
    """Wrap a body."""
    raw = body.encode() if isinstance(body, str) else body
    return Content(digest_of(raw), media_type, raw)


def mail(html: str | None = None, *, text: str | None = None, **headers: str) -> Content:
    """A small mail; header names are written with `_` for `-`, a header set to an empty string is left out."""
    known = {"From": "Acme <news@acme.example>", "To": "someone@example.org", "Subject": "News"}
    known |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in known.items() if value]
    kind = "text/plain" if html is None else "text/html"
    lines += ["MIME-Version: 1.0", f"Content-Type: {kind}; charset=utf-8", "", html if html is not None else text or ""]
    return content("\r\n".join(lines))


def scan_mail(scanner: Scanner, html: str | None = None, *, text: str | None = None, **headers: str) -> Scan:
    """Scan a small mail."""
    return scan(mail(html, text=text, **headers), scanner)


def scan_sms(scanner: Scanner, text: str) -> Scan:
    """Scan a text message."""
    return scan(content(text, "text/plain"), scanner, "sms")


def scan_page(scanner: Scanner, html: str) -> Scan:
    """Scan a landing page."""
    return scan(content(html, "text/html"), scanner, "page")


def ids(found: Scan) -> set[str]:
    """The ids of the signals found."""
    return {signal.id for signal in found.signals}
