"""
Content on a page: a stored message with its scan, prepared to be looked at. Making it harmless lives in `preview.py`.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from markupsafe import Markup

from goodsend.console.assets import BUILT
from goodsend.console.desk import PAGE_HEADERS, Asked, answer
from goodsend.console.entry import Given
from goodsend.console.highlight import excerpt, marked
from goodsend.console.links import TAG_LIMIT, Link, links_of
from goodsend.console.masking import is_masked
from goodsend.console.preview import HTML_LIMIT, document, sanitise, source_text
from goodsend.events.mime import Attachment, Message, read_content
from goodsend.kit.clock import Micros
from goodsend.kit.errors import NotFound
from goodsend.kit.text import printable
from goodsend.pack import Pack
from goodsend.scanning.hypertext import read_html
from goodsend.scanning.model import Signal
from goodsend.store import audit, contents
from goodsend.store.connection import Connection
from goodsend.store.members import Session

FRAME_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""For the sanitised page alone: were anything active left in it, the browser would still not run or load it."""


class FoundSignal(msgspec.Struct, frozen=True):
    """One finding with the place it was found at, as marked text where there is one."""

    id: str
    evidence: str
    part: str
    excerpt: Markup | None


class ShownContent(msgspec.Struct, frozen=True):
    """A content as its panel shows it. `gone`: only the digest is known; `hidden`: not for this role."""

    digest: str
    media_type: str = ""
    size: int = 0
    gone: bool = False
    hidden: bool = False
    tabs: list[tuple[str, str, int | None]] = []
    signals: list[FoundSignal] = []
    from_name: str | None = None
    from_address: str | None = None
    reply_to: str | None = None
    subject: Markup | str = ""
    attachments: tuple[Attachment, ...] = ()
    text: Markup | str = ""
    links: list[Link] = []
    headers: tuple[tuple[str, str], ...] = ()
    source: str = ""
    removed: dict[str, int] = {}
    notes: tuple[str, ...] = ()


def shown_content(connection: Connection, session: Session, digest: str, pack: Pack) -> ShownContent:
    """Return a content ready to be shown to this member."""
    stored = contents.body(connection, session.member.tenant, digest)
    if stored is None:
        return ShownContent(digest, gone=True)
    if is_masked(session.member.role):
        return ShownContent(digest, stored.media_type, len(stored.body), hidden=True)
    message = read_content(stored.media_type, stored.body, pack.scanner.limits)
    scan = contents.scan_of(connection, session.member.tenant, digest)
    signals = scan.signals if scan else ()
    parts = {"text": message.text or "", "html": message.html or "", "subject": message.subject or ""}
    text = marked(parts["text"], _spans(signals, "text")) if message.text else _words(message.html)
    links = links_of(message.html, message.text)
    removed = sanitise(message.html).removed if message.html else {}
    tabs: list[tuple[str, str, int | None]] = [("text", "Text", None)]
    if message.html:
        tabs.append(("html", "As designed", None))
        if stored.media_type == "text/html":
            tabs.reverse()
    tabs.append(("links", "Links", len(links)))
    if message.headers:
        tabs.append(("headers", "Headers", len(message.headers)))
    tabs.append(("source", "Source", None))
    return ShownContent(
        digest,
        stored.media_type,
        len(stored.body),
        tabs=tabs,
        signals=[_signal(signal, parts) for signal in signals],
        from_name=message.from_name,
        from_address=message.from_address,
        reply_to=message.reply_to,
        subject=marked(parts["subject"], _spans(signals, "subject")) if message.subject else "no subject",
        attachments=message.attachments,
        text=text,
        links=links,
        headers=message.headers,
        source=source_text(stored.body),
        removed=removed,
        notes=(*message.notes, *(scan.notes if scan else ())),
    )


def note_view(
    connection: Connection, session: Session, content: ShownContent | None, at: Micros, detail: dict[str, str]
) -> None:
    """Record that a member saw what people wrote; nothing is recorded where nothing was shown."""
    if content is not None and not (content.gone or content.hidden):
        member = session.member
        audit.append(connection, member.tenant, at, member.login, "content.viewed", content.digest, detail)


def _spans(signals: Sequence[Signal], part: str) -> list[tuple[int, int]]:
    spans = [signal.span for signal in signals if signal.span.part == part]
    return [(span.start, span.end) for span in spans if span.start is not None and span.end is not None]


def _signal(signal: Signal, parts: dict[str, str]) -> FoundSignal:
    span = signal.span
    text = parts.get(span.part, "")
    inside = span.start is not None and span.end is not None and span.end <= len(text)
    place = excerpt(text, span.start or 0, span.end or 0) if inside else None
    return FoundSignal(signal.id, signal.evidence, span.part.replace("header:", ""), place)


def _words(html: str | None) -> str:
    """Return the words of a page that has no text of its own."""
    if not html:
        return "It has no text."
    page = read_html(html[:HTML_LIMIT], TAG_LIMIT, 0)
    rest = "\n… its markup is too large to take all words out; see the source." if page.cut else ""
    return printable(page.visible) + rest if page.visible else rest.strip() or "It has no words."


@get("/preview/{digest:path}", opt={"role": "analyst"}, sync_to_thread=True, include_in_schema=False)
def show_preview(request: Asked, desk: Given, digest: FromPath[str]) -> Response[bytes]:
    """The sanitised page itself, for the sandboxed frame."""
    session: Session = request.scope["user"]
    pack = desk.pack(session)
    with desk.pool.connection() as connection:
        stored = contents.body(connection, session.member.tenant, digest.removeprefix("/"))
    if stored is None:
        raise NotFound("this content is not kept")
    message: Message = read_content(stored.media_type, stored.body, pack.scanner.limits)
    styles = (BUILT / desk.assets.manifest["preview.css"]).read_text(encoding="utf-8")
    page = document(sanitise(message.html or ""), styles)
    headers = {"Content-Security-Policy": FRAME_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return answer(page.encode("utf-8", "replace"), "text/html", headers={**PAGE_HEADERS, **headers})
