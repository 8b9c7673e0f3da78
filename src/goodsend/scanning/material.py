"""Content opened once for all families: the message, its HTML read, its links, its text folded. No findings here."""

import re
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from goodsend.events.addresses import Wrong, canonical_host, canonical_url, registrable_domain
from goodsend.events.mime import Message
from goodsend.scanning.brands import Brand, Lookalike
from goodsend.scanning.definitions import Scanner
from goodsend.scanning.folding import clean, fold, fold_clean, fold_with_places
from goodsend.scanning.hypertext import Hypertext, Link, read_html
from goodsend.scanning.model import Span
from goodsend.scanning.phrases import Match, Words, find_again

_URL = re.compile(r"(?i)(?:https?|ftp)://[^\s<>\"\u00ab\u00bb\u201c\u201d]{1,2000}+|\bwww\.[^\s<>\"]{1,2000}+")
_BARE = re.compile(r"(?i)(?<![\w@./-])(?:[a-z0-9-]{1,63}\.){1,4}+[a-z]{2,18}+(?![\w.@-])(?:/[^\s<>\"]{0,500}+)?")
_TRAILING = ".,;:!?'\")]}>*_"
_PLACES_CHARS = 20_000


class Target(msgspec.Struct, frozen=True):
    """Where a link leads. `host` and `domain` are None for links without a host (`mailto:`, `data:`, merge tags)."""

    link: Link
    scheme: str
    host: str | None
    domain: str | None
    url: str
    has_user: bool


class Material(msgspec.Struct):
    """
    One content, opened. `targets` are the distinct links in order; `shown` is what a reader sees (text and HTML),
    `clean` the same cleaned, `matches` the phrase groups found in subject and text.
    """

    message: Message
    channel: str
    page: Hypertext
    targets: tuple[Target, ...]
    shown: str
    clean: str
    subject: str | None
    matches: dict[str, Match]
    from_host: str | None
    reply_host: str | None
    lookalikes: dict[str, Lookalike]
    named: Brand | None
    notes: list[str]


def open_message(message: Message, scanner: Scanner, channel: str) -> Material:
    """Open a message: read its HTML, gather its links, fold its text, find the phrases."""
    limits = scanner.limits
    notes = list(message.notes)
    page = read_html(message.html, limits.html_tags, limits.links) if message.html else Hypertext()
    if page.cut:
        notes.append(f"only the first {limits.html_tags:,} tags of the HTML were read")
    text = message.text or ""
    shown = f"{text}\n{page.visible}" if text and page.visible else text or page.visible
    subject = message.subject if message.subject is not None else (page.title or None)
    targets = tuple(_targets(page, text, channel, limits.links, scanner.hosts.bare_endings))
    if len(targets) >= limits.links:
        notes.append(f"only the first {limits.links:,} links were read")
    cleaned = clean(shown)
    found = scanner.phrases.find(f"{fold(subject)} {fold_clean(cleaned)}" if subject else fold_clean(cleaned))
    hosts = dict.fromkeys(target.host for target in targets if target.host)
    lookalikes = {host: like for host in hosts if (like := scanner.brands.lookalike(host)) is not None}
    return Material(
        message,
        channel,
        page,
        targets,
        shown,
        cleaned,
        subject,
        {match.group.name: match for match in found},
        mail_host(message.from_address),
        mail_host(message.reply_to),
        lookalikes,
        None,
        notes,
    )


def mail_host(address: str | None) -> str | None:
    """Return the canonical host of an address, None when it has none."""
    if not address or "@" not in address:
        return None
    host = canonical_host(address.rpartition("@")[2][:300])
    return None if isinstance(host, Wrong) else host


def _targets(page: Hypertext, text: str, channel: str, limit: int, bare_endings: frozenset[str]) -> Iterator[Target]:
    """Give each distinct link once: those of the HTML first, then those written out in its text and the plain text."""
    seen: set[str] = set()
    endings = bare_endings if channel in ("sms", "form") else None
    for link in (*page.links, *_in_text(page.visible, "visible", None), *_in_text(text, "text", endings)):
        if link.url in seen:
            continue
        if len(seen) >= limit:
            return
        seen.add(link.url)
        scheme, host, domain, url, has_user = _read(_absolute(link.url, page.base))
        yield Target(link, scheme, host, domain, url, has_user)


def _in_text(text: str, part: str, bare_endings: frozenset[str] | None) -> Iterator[Link]:
    if "://" in text or "www." in text or "WWW." in text:
        for found in _URL.finditer(text):
            url = found.group().rstrip(_TRAILING)
            yield Link(url, "", "text", part, found.start(), found.start() + len(url))
    if bare_endings is not None and "." in text:
        for found in _BARE.finditer(text):
            url = found.group().rstrip(_TRAILING)
            host, slash, _ = url.lower().partition("/")
            if not slash and host.rpartition(".")[2] not in bare_endings:
                continue  # “see you.so what”: a sentence without its space
            if not host.startswith("www.") and registrable_domain(host):
                yield Link(url, "", "text", part, found.start(), found.start() + len(url))


def _absolute(url: str, base: str) -> str:
    """Return a URL with the host of `<base>` where it names none; other relative links stay as they are."""
    if not base or ":" in url[:12] or url.startswith(("//", "#")):
        return url
    return f"{base.rstrip('/')}/{url.lstrip('/')}"


@lru_cache(maxsize=4096)
def _read(url: str) -> tuple[str, str | None, str | None, str, bool]:
    """Return scheme, host, registrable domain, canonical URL and whether a user stands before the host."""
    if url.startswith(("#", "/", "?", "{", "*|", "[", "%", "<")) and not url.startswith("//"):
        return "", None, None, url, False
    found = canonical_url(url)
    if isinstance(found, Wrong):
        return "", None, None, url, False
    has_user = found.host is not None and "@" in found.url.partition("//")[2].partition("/")[0]
    if found.scheme and "." not in (found.host or ".") and ":" not in (found.host or ":"):
        return found.scheme, None, None, found.url, False  # a word alone is a relative link, not a host
    return found.scheme, found.host, registrable_domain(found.host) if found.host else None, found.url, has_user


def span_of(target: Target) -> Span:
    """Return where a link stands."""
    return Span(target.link.part, target.link.start, target.link.end)


def locate(material: Material, found: tuple[Words, ...]) -> tuple[str, Span]:
    """Return the first of some phrases as it was written, and where; for evidence, so it may take its time."""
    message = material.message
    top = "subject" if message.subject is not None else "title"
    parts = ((top, material.subject), ("text", message.text), ("visible", material.page.visible))
    for words in found[:3]:
        for part, text in parts:
            place = _place(words, text) if text else None
            if text and place is not None:
                return " ".join(text[place[0] : place[1]].split()), Span(part, *place)
    return " ".join(found[0]), Span("message")


def _place(words: Words, text: str) -> tuple[int, int] | None:
    lowered = text.lower()
    place = find_again(words, lowered) if len(lowered) == len(text) else None
    if place is not None or text.isascii():
        return place
    folded, places = fold_with_places(text[:_PLACES_CHARS])
    again = find_again(words, folded)
    return (places[again[0]], places[again[1] - 1] + 1) if again else None
