"""
Where a content leads: its links as a list, each with its host and with what is odd about it. Nothing is looked up.
"""

from typing import Final
from urllib.parse import urlsplit

import msgspec
import re2  # type: ignore[import-untyped]

from goodsend.kit.text import printable, shorten
from goodsend.scanning.hypertext import read_html

TEXT_LIMIT: Final = 2_000_000
"""Characters that are looked through; the rest is cut. Own starting value: ten large newsletters."""

TAG_LIMIT: Final = 20_000
"""Tags that are read. Own starting value: ten times a large newsletter."""

_URL = re2.compile(r"(?i)\bhttps?://[^\s<>\"'\x00-\x1f]+")
_WITHOUT_WORDS: Final = {"refresh": "(the page moves on to)", "iframe": "(a frame loads)"}


class Link(msgspec.Struct, frozen=True):
    """One place the content points to: its words, where it leads, its host; `trap` says what is odd about it."""

    text: str
    href: str
    host: str
    trap: str | None = None


def links_of(html: str | None, text: str | None, limit: int = 500) -> list[Link]:
    """Return where the content points, in order, each target once per wording; at most `limit`."""
    found: dict[tuple[str, str], Link] = {}
    if html:
        page = read_html(html[:TEXT_LIMIT], TAG_LIMIT, limit)
        places = [(one.start, one.text or _WITHOUT_WORDS.get(one.via, ""), one.url) for one in page.links]
        places += [(form.start, "(a form sends to)", form.action) for form in page.forms[:limit]]
        for _, words, href in sorted(places)[:limit]:
            _keep(found, words, href.strip())
    known = {link.href for link in found.values()}
    for match in _URL.finditer((text or "")[:TEXT_LIMIT]):
        if len(found) >= limit:
            break
        if match.group(0) not in known:
            _keep(found, "", match.group(0))
    return list(found.values())


def _keep(found: dict[tuple[str, str], Link], words: str, href: str) -> None:
    if not href or href.startswith("#"):
        return
    words, href = printable(shorten(words, 200)), printable(shorten(href, 2000))
    host = host_of(href)
    found.setdefault((words, href), Link(words, href, host, _trap(words, href, host)))


def _trap(words: str, href: str, host: str) -> str | None:
    scheme = href.partition(":")[0].lower()
    if scheme in ("javascript", "data", "vbscript", "file", "blob"):
        return f"runs {scheme}: in the reader's program"
    named = host_of(words if "://" in words else f"//{words}") if "." in words and " " not in words else ""
    if named and host and named != host and not host.endswith("." + named) and not named.endswith("." + host):
        return f"says {named}, leads to {host}"
    if "@" in href.partition("://")[2].partition("/")[0]:
        return "hides the host behind an @"
    if host.startswith("xn--") or ".xn--" in host:
        return "has letters of another alphabet in its name"
    return None


def host_of(href: str) -> str:
    """Return the host of an address in lower case; empty where there is none or it cannot be read."""
    try:
        return (urlsplit(href.strip()).hostname or "")[:253]
    except ValueError:
        return ""
