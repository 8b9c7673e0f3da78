"""
Hostile HTML written anew as simple, balanced markup: nothing active, no elements that parsers copy, few things open.

One linear pass. What comes out can be parsed in linear time by any parser: formatting elements (`b`, `font`, `a` …),
which HTML's parsing rules reopen again and again when they are misnested, become `span` with a style; what is open is
bounded; every element is closed. The sanitiser proper (`preview.py`) still goes over it.
"""

# ruff: noqa: SIM905 - a list of words reads better as words
import re
from html import escape
from typing import Final

import msgspec
import re2  # type: ignore[import-untyped]

from goodsend.console.links import host_of
from goodsend.kit.text import printable, shorten
from goodsend.scanning.hypertext import Pass, attributes_of, decode_references

TAG_LIMIT: Final = 20_000
"""Tags, comments and declarations of a page that is shown as designed. Own starting value: ten times a newsletter."""

OPEN_LIMIT: Final = 100
"""Elements open at once; what is nested deeper is shown without them. Own starting value: twice a nested newsletter."""

ATTRIBUTE_LIMIT: Final = 100_000
"""Attributes of a page that is shown as designed. Own starting value: five on every tag."""

MARKUP_LIMIT: Final = 4_000_000
"""Characters of markup that is shown as designed. Own starting value: twice what is read."""

REFERENCE_LIMIT: Final = 20_000
"""References (`&amp;`) read or written: html5ever takes time in them and the text behind (790,000: 4.7 s)."""

STYLE_LIMIT: Final = 2_000
"""Characters of one style attribute; a longer one is dropped. Own starting value."""

ELEMENTS: Final = frozenset(
    "blockquote br caption center col colgroup dd del div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr "
    "img ins li main ol p pre section span sub sup table tbody td tfoot th thead tr ul".split()
)
"""What comes out; the rest is left out, mostly with its words kept."""

LOOK: Final = frozenset({"align", "valign", "bgcolor", "width", "height", "dir", "lang", "style"})
"""Attributes that any element keeps."""

OWN_ATTRIBUTES: Final = {
    "td": frozenset({"colspan", "rowspan"}),
    "th": frozenset({"colspan", "rowspan"}),
    "table": frozenset({"cellpadding", "cellspacing", "border"}),
    "img": frozenset({"src", "alt"}),
}
"""Attributes that only these elements keep."""

_STYLED: Final = {
    "a": "", "abbr": "", "font": "", "s": "text-decoration:line-through", "strike": "text-decoration:line-through",
    "b": "font-weight:bold", "strong": "font-weight:bold", "i": "font-style:italic", "em": "font-style:italic",
    "cite": "font-style:italic", "u": "text-decoration:underline", "big": "font-size:larger",
    "small": "font-size:smaller", "code": "font-family:monospace", "tt": "font-family:monospace",
    "kbd": "font-family:monospace", "samp": "font-family:monospace", "q": "", "nobr": "white-space:nowrap",
}  # fmt: skip
_SIZES: Final = ("small", "x-small", "small", "medium", "large", "x-large", "xx-large", "xxx-large")
_VOID: Final = frozenset({"br", "hr", "img", "col"})
_ENDS_ITS_LIKE: Final = {
    "li": ("li",), "dt": ("dt", "dd"), "dd": ("dt", "dd"), "td": ("td", "th"), "th": ("td", "th"), "tr": ("tr",),
    "a": ("a",),
}  # fmt: skip
_HOLDS: Final = {"li": ("ul", "ol"), "dt": ("dl",), "dd": ("dl",), "td": ("tr",), "th": ("tr",)}
_ENDS_A_PARAGRAPH: Final = frozenset(
    "blockquote center dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr li main ol p pre section "
    "table ul".split()
)
_WALLS: Final = frozenset({"td", "th", "caption", "table"})
_BEYOND_WALLS: Final = frozenset({"table", "tr", "td", "th", "tbody", "thead", "tfoot", "caption"})
_UNSEEN: Final = frozenset({"template", "svg", "math", "video", "audio"})
_SHOWN_RAW: Final = frozenset({"textarea", "xmp"})
_DRAWINGS: Final = frozenset({"svg", "math"})
_COUNTED: Final = {
    **{name: name for name in "script form iframe object embed svg math video audio applet base link frame".split()},
    **dict.fromkeys(("input", "button", "select", "textarea"), "form field"),
}
_BREAKS_OUT: Final = frozenset(
    "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li menu meta nobr ol p "
    "pre ruby s small span strong strike sub sup table tt u ul".split()
)
"""Tags that end a drawing or formula, as browsers have it (HTML Living Standard, 13.2.6.5)."""

RASTER: Final = re2.compile(r"(?i)^data:image/(?:png|gif|jpeg|jpg|webp|bmp);base64,[A-Za-z0-9+/=\s]*$")
"""Images that are a part of the message itself and cannot run anything."""

_COLOUR = re2.compile(r"^(?:#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,24})$")
_FACE = re2.compile(r"^[\w ,.'-]{1,200}$")
_LINK_SHOWN = 200


class Inert(msgspec.Struct, frozen=True):
    """Balanced markup, or None where it would cost too much; and how many things of which sort were taken out."""

    markup: str | None
    removed: dict[str, int]


class _Open(msgspec.Struct):
    name: str
    written: str
    after: str


class _Writer(Pass):
    """The state of one pass: what was written, and what is open."""

    def __init__(self, html: str) -> None:
        super().__init__(html, TAG_LIMIT)
        self.out: list[str] = []
        self.size = 0
        self.open: list[_Open] = []
        self.too_deep: dict[str, int] = {}
        self.unseen: tuple[str, int] | None = None
        self.removed: dict[str, int] = {}
        self.attributes = 0
        self.is_costly = False

    def write(self, text: str) -> None:
        self.size += len(text)
        self.is_costly = self.is_costly or self.size > MARKUP_LIMIT
        if not self.is_costly:
            self.out.append(text)

    def count(self, what: str) -> None:
        self.removed[what] = self.removed.get(what, 0) + 1

    def text(self, start: int, end: int) -> None:
        if self.unseen is None:
            # Bare ampersands cost html5ever ten times more than references do (2,000,000: 42 s).
            self.write(escape(decode_references(self.html[start:end]), quote=False))

    def tag(self, found: "re.Match[str]") -> int:
        name, raw = found.group(2).lower(), found.group(3)
        if self.is_costly:
            return len(self.html)
        if found.group(1):
            self.close(name)
            return found.end()
        attributes = self.attributes_in(name, raw)
        self.note(name, attributes)
        end = self.raw_end(name, found.end())
        if end is not None or name == "plaintext":
            end = len(self.html) if end is None else end
            if name in _SHOWN_RAW or name == "plaintext":
                self.text(found.end(), end)
            return end
        if self.is_seen(name, raw):
            self.start(name, attributes)
        return found.end()

    def attributes_in(self, name: str, raw: str) -> dict[str, str]:
        if not raw or raw.isspace():
            return {}
        found = {key: value for key, (value, _, _) in attributes_of(raw).items()}
        self.attributes += len(found)
        self.is_costly = self.is_costly or self.attributes > ATTRIBUTE_LIMIT
        return found

    def note(self, name: str, attributes: dict[str, str]) -> None:
        if name in _COUNTED or (name == "meta" and "http-equiv" in attributes):
            self.count(_COUNTED.get(name, name))
        if any(key.startswith("on") for key in attributes):
            self.count("event handler")

    def is_seen(self, name: str, raw: str) -> bool:
        """Say whether an element at this place is shown; enter what is not shown with all that it holds."""
        if self.unseen is not None and self.unseen[0] in _DRAWINGS and name in _BREAKS_OUT:
            self.unseen = None
        if self.unseen is not None:
            if name == self.unseen[0]:
                self.unseen = (name, self.unseen[1] + 1)
            return False
        if name in _UNSEEN and not (name in _DRAWINGS and raw.endswith("/")):
            self.unseen = (name, 1)
            return False
        return True

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name not in ELEMENTS and name not in _STYLED:
            return
        if name in _ENDS_A_PARAGRAPH:
            self.close_like(name, ("p",))
        if name in _ENDS_ITS_LIKE:
            self.close_like(name, _ENDS_ITS_LIKE[name])
        if name == "img":
            self.image(attributes)
        elif name in _VOID:
            self.write(f"<{name}{self.kept(name, attributes)}>")
        elif len(self.open) >= OPEN_LIMIT:
            self.too_deep[name] = self.too_deep.get(name, 0) + 1
        else:
            written = "span" if name in _STYLED else name
            href = printable(attributes.get("href", "").strip()) if name == "a" else ""
            after = f" [{escape(shorten(href, _LINK_SHOWN), quote=False)}]" if href else ""
            own = ' class="gs-link"' if href else ""
            self.write(f"<{written}{own}{self.kept(name, attributes)}>")
            self.open.append(_Open(name, written, after))

    def kept(self, name: str, attributes: dict[str, str]) -> str:
        if not attributes and name not in _STYLED:
            return ""
        style = ";".join(part for part in (_STYLED.get(name, ""), _font(name, attributes)) if part)
        own = attributes.get("style", "")
        style = ";".join(part for part in (style, own if len(own) <= STYLE_LIMIT else "") if part)
        known = LOOK | OWN_ATTRIBUTES.get(name, frozenset())
        kept = {key: value for key, value in attributes.items() if key in known and key != "style"}
        if style:
            kept["style"] = style
        return "".join(f' {key}="{escape(value)}"' for key, value in kept.items())

    def image(self, attributes: dict[str, str]) -> None:
        source = attributes.get("src", "")
        if RASTER.match(source):
            self.write(f"<img{self.kept('img', attributes)}>")
            return
        host = host_of(source)
        words = printable(attributes.get("alt", "").strip())
        shown = f"image{': ' + shorten(words, 80) if words else ''}{' from ' + host if host else ''}"
        self.count("remote image" if host else "image")
        self.write(f"[{escape(shown, quote=False)}]")

    def close_like(self, name: str, likes: tuple[str, ...]) -> None:
        """End what a new element of this name ends, as far as the nearest wall (cell or table) around it."""
        for back in range(1, len(self.open) + 1):
            there = self.open[-back].name
            if there in likes:
                self.end(back)
                return
            if there == "table" or (there in _WALLS and name != "tr") or there in _HOLDS.get(name, ()):
                return

    def close(self, name: str) -> None:
        if self.unseen is not None:
            if name == self.unseen[0]:
                self.unseen = (name, self.unseen[1] - 1) if self.unseen[1] > 1 else None
            return
        if self.too_deep.get(name):
            self.too_deep[name] -= 1
            return
        for back in range(1, len(self.open) + 1):
            there = self.open[-back].name
            if there == name:
                self.end(back)
                return
            if there in _WALLS and (name not in _BEYOND_WALLS or there == "table"):
                return

    def end(self, many: int) -> None:
        for _ in range(many):
            last = self.open.pop()
            self.write(f"</{last.written}>{last.after}")


def _font(name: str, attributes: dict[str, str]) -> str:
    if name != "font":
        return ""
    colour, face, size = (attributes.get(key, "").strip() for key in ("color", "face", "size"))
    return ";".join([
        *([f"color:{colour}"] if _COLOUR.match(colour) else []),
        *([f"font-family:{face}"] if _FACE.match(face) else []),
        *([f"font-size:{_SIZES[int(size)]}"] if size in ("1", "2", "3", "4", "5", "6", "7") else []),
    ])  # fmt: skip


def inert(html: str) -> Inert:
    """Return the markup written anew; links get their target beside them, images from elsewhere become words."""
    if html.count("&") > REFERENCE_LIMIT:
        return Inert(None, {})
    writer = _Writer(html)
    is_cut = writer.read()
    writer.end(len(writer.open))
    if is_cut or writer.is_costly:
        return Inert(None, writer.removed)
    markup = "".join(writer.out)
    return Inert(markup if markup.count("&") <= REFERENCE_LIMIT else None, writer.removed)
