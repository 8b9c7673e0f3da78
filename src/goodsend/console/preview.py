"""
Hostile content made safe to look at: sanitised HTML, its links laid open, its source with escapes.

No script, form, remote load or live link survives. The page is served apart, in a sandboxed frame under its own strict
policy, so that one mistake here does not become an attack: two walls, either of which holds alone.
"""

# ruff: noqa: SIM905 - a list of words reads better as words
from collections.abc import Iterable
from html import escape
from typing import Final
from urllib.parse import urlsplit

import msgspec
import nh3
import re2  # type: ignore[import-untyped]
from selectolax.lexbor import LexborHTMLParser, LexborNode

from goodsend.kit.text import printable, shorten

HTML_LIMIT: Final = 2_000_000
"""Characters of HTML that are prepared; the rest is cut with a note. Own starting value: ten large newsletters."""

TAG_LIMIT: Final = 20_000
"""Tags of a page; one with more is shown as text only. Own starting value: ten times a large newsletter."""

DEPTH_LIMIT: Final = 2_000
"""Tags open at once: parsing takes time in the square of it (measured: 0.8 s for 20,000). Own starting value."""

_TAGS: Final = frozenset(
    "a abbr b big blockquote br caption center cite code col colgroup dd del div dl dt em figcaption figure font "
    "footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main ol p pre q s samp section small span strike strong "
    "sub sup table tbody td tfoot th thead tr tt u ul".split()
)
_DROPPED: Final = frozenset(
    "script style noscript template iframe object embed applet frame frameset svg math audio video source track link "
    "meta base title head xmp plaintext noembed noframes".split()
)
_LOOK: Final = frozenset({"align", "valign", "bgcolor", "width", "height", "dir", "lang", "style", "class"})
_ATTRIBUTES: Final = {
    "*": set(_LOOK),
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "table": {"cellpadding", "cellspacing", "border"},
    "font": {"color", "face", "size"},
    "img": {"src", "alt"},
}
_STYLES: Final = frozenset(
    "background-color border border-bottom border-collapse border-color border-left border-radius border-right "
    "border-spacing border-style border-top border-width color direction display font font-family font-size font-style "
    "font-variant font-weight height letter-spacing line-height list-style-type margin margin-bottom margin-left "
    "margin-right margin-top max-height max-width min-height min-width opacity padding padding-bottom padding-left "
    "padding-right padding-top text-align text-decoration text-indent text-transform vertical-align visibility "
    "white-space width word-break word-spacing".split()
)
_RASTER = re2.compile(r"(?i)^data:image/(?:png|gif|jpeg|jpg|webp|bmp);base64,[A-Za-z0-9+/=\s]*$")
_RISKY_STYLE = re2.compile(r"(?i)url|expression|import|image|@|\\|javascript|behavior|binding|/\*|<|>")
_TAG = re2.compile(r"<[^>]*>?")
_TAG_START = re2.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_VOID: Final = frozenset("area base br col embed hr img input link meta param source track wbr p li td tr th".split())
_URL = re2.compile(r"(?i)\bhttps?://[^\s<>\"'\x00-\x1f]+")
_OWN_CLASSES: Final = frozenset({"gs-link", "gs-to", "gs-gone"})
_DEFAULT_LINK_SHOWN = 200


class SafeHtml(msgspec.Struct, frozen=True):
    """Markup without active content, and how many things of which sort were taken out (`script` → 2)."""

    markup: str
    removed: dict[str, int]


class Link(msgspec.Struct, frozen=True):
    """One place the content points to: its words, where it leads, its host; `trap` says what is odd about it."""

    text: str
    href: str
    host: str
    trap: str | None = None


def sanitise(html: str) -> SafeHtml:
    """Return HTML that can be shown: links become text with their target beside them, images become placeholders."""
    removed: dict[str, int] = {}
    if len(html) > HTML_LIMIT:
        _count(removed, "characters past the limit", len(html) - HTML_LIMIT)
        html = html[:HTML_LIMIT]
    if is_costly(html):
        lines = (" ".join(line.split()) for line in _TAG.sub(" ", html).splitlines())
        words = printable("\n".join(line for line in lines if line))
        return SafeHtml(f"<pre>{escape(words)}</pre>", {**removed, "markup (too much of it)": 1})
    tree = LexborHTMLParser(html)
    body = tree.body
    if body is None:
        return SafeHtml("", removed)
    nodes = [] if tree.root is None else list(tree.root.traverse(include_text=False))
    _note_active(nodes, removed)
    for node in nodes:
        if node.tag == "a" and node.attributes.get("href"):
            _lay_open(node)
        elif node.tag == "img":
            _replace_image(node, removed)
    return SafeHtml(_clean(body.html or ""), removed)


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED),
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        strip_comments=True,
        link_rel=None,
        url_schemes={"data"},
        filter_style_properties=set(_STYLES),
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if tag == "img" and _RASTER.match(value) else None
    if name == "style":
        safe = (part for part in value.split(";") if part.strip() and not _RISKY_STYLE.search(part))
        return ";".join(safe) or None
    if name == "class":
        return value if value in _OWN_CLASSES else None
    return None if _RISKY_STYLE.search(value) and name not in ("alt", "face") else value


def is_costly(html: str) -> bool:
    """Say whether this markup has more tags, or more of them open at once, than is parsed for showing."""
    depth = 0
    for tags, found in enumerate(_TAG_START.finditer(html)):
        if found.group(1):
            depth = max(0, depth - 1)
        elif found.group(2).lower() not in _VOID:
            depth += 1
        if tags > TAG_LIMIT or depth > DEPTH_LIMIT:
            return True
    return False


def _note_active(nodes: Iterable[LexborNode], removed: dict[str, int]) -> None:
    for node in nodes:
        tag = node.tag or ""
        if tag in ("script", "form", "iframe", "object", "embed", "svg", "math", "video", "audio", "applet"):
            _count(removed, tag)
        elif tag in ("meta", "base", "link"):
            if tag != "meta" or "http-equiv" in node.attributes:
                _count(removed, tag)
        elif tag in ("input", "button", "select", "textarea"):
            _count(removed, "form field")
        if any(name.lower().startswith("on") for name in node.attributes):
            _count(removed, "event handler")


def _lay_open(node: LexborNode) -> None:
    href = printable((node.attributes.get("href") or "").strip())
    node.attrs["class"] = "gs-link"
    node.insert_after(f" [{shorten(href, _DEFAULT_LINK_SHOWN)}]")


def _replace_image(node: LexborNode, removed: dict[str, int]) -> None:
    source = node.attributes.get("src") or ""
    if _RASTER.match(source):
        return
    host = host_of(source)
    words = printable((node.attributes.get("alt") or "").strip())
    shown = f"image{': ' + shorten(words, 80) if words else ''}{' from ' + host if host else ''}"
    _count(removed, "remote image" if host else "image")
    node.replace_with(f"[{shown}]")


def _count(removed: dict[str, int], what: str, many: int = 1) -> None:
    removed[what] = removed.get(what, 0) + many


def document(safe: SafeHtml, styles: str) -> str:
    """Return the whole page for the frame: the safe markup on its own paper. `styles` are ours, from the build."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Preview</title>'
        f"<style>{styles}</style></head><body>{safe.markup}</body></html>"
    )


def links_of(html: str | None, text: str | None, limit: int = 500) -> list[Link]:
    """Return where the content points, in order, each target once per wording; at most `limit`."""
    found: dict[tuple[str, str], Link] = {}
    if html:
        tree = LexborHTMLParser("" if is_costly(html[:HTML_LIMIT]) else html[:HTML_LIMIT])
        for node in tree.css("a[href], area[href], form[action]"):
            href = (node.attributes.get("href") or node.attributes.get("action") or "").strip()
            words = " ".join((node.text() or "").split())
            if node.tag == "form":
                words = "(a form sends to)"
            _keep(found, words, href)
            if len(found) >= limit:
                break
    for match in _URL.finditer((text or "")[:HTML_LIMIT]):
        if len(found) >= limit:
            break
        if not any(link.href == match.group(0) for link in found.values()):
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


def source_text(raw: bytes, limit: int = 200_000) -> str:
    """Return the first `limit` bytes of a source as text: what is not plain text is shown as escapes."""
    text = raw[:limit].decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    shown = printable(text)
    return shown if len(raw) <= limit else f"{shown}\n… {len(raw) - limit:,} further bytes are not shown"
