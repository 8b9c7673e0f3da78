"""
HTML as a reader and a browser see it: visible and hidden text, links, forms, scripts, images. No judgement here.

One pass of our own over the tags, not a tree: building a tree is quadratic on hostile markup in the parsers we tried
(lexbor takes 21 s for 100,000 nested `<div>`, and 43 kB of misnested `<i>` become 550 MB), while a pass is linear and
knows where each link stands. It follows the HTML Living Standard's tokenizer where that decides what is text: comments,
raw text of scripts and styles, quoted attributes, an unfinished tag at the end.
"""

import re
from html import unescape

import msgspec

_TAG = re.compile(
    r"""<(/?)([a-zA-Z][^\s/>]{0,60}+)((?>[^>=]*)(?:=(?>\s*)(?:"[^"]*"|'[^']*'|[^\s>"'][^\s>]*+|(?=>))(?>[^>=]*))*+)>"""
)
_OPENING = re.compile(r"<(?=[a-zA-Z!]|[/?](?s:.))")
_ATTRIBUTE = re.compile(
    r"""[\s/]*+([^\s/>][^\s/>=]*+)(?:(?>\s*)=(?>\s*)(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*+)|))?"""
)
_RAW_END = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "xmp", "iframe", "noembed", "noframes", "title", "textarea")
}
_VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr", "basefont", "bgsound", "frame", "keygen",
})  # fmt: skip
_BREAKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "center", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
    "li", "main", "nav", "ol", "option", "p", "pre", "section", "select", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "ul",
})  # fmt: skip
_CLOSES_ITSELF = frozenset({
    "p", "li", "td", "th", "tr", "dt", "dd", "option",
})  # fmt: skip
_READ = frozenset({
    "a", "area", "img", "form", "input", "button", "textarea", "select", "script", "base", "meta", "iframe",
    "frame", "object", "embed", "body", "link", "svg",
})  # fmt: skip
_HIDING = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|font-size:[01](?:px|pt|em|%|;|$)|(?:^|;)opacity:0(?:\.0+)?(?:;|$)"
    r"|text-indent:-\d{3,}|(?:left|top):-\d{4,}|max-height:0(?:px)?(?:;|$)"
)
_COLOUR = re.compile(r"(?:^|;)color:([^;]{1,40})")
_GROUND = re.compile(r"(?:^|;)background(?:-color)?:(#[0-9a-f]{3,8}|[a-z]{3,20}|rgb\([0-9,]{5,11}\))(?:;|!|$)")
_HANDLER = re.compile(r"[\s/\"']on[a-z]{3,30}\s*=", re.IGNORECASE)
_REFRESH = re.compile(r"url\s*=\s*['\"]?([^'\">]+)", re.IGNORECASE)
_HUGE_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")
_CODE_CHARS = 2000
_ANCHOR_CHARS = 500
_STACK_SEARCH = 64


class Link(msgspec.Struct, frozen=True):
    """
    A place the content leads to. `via` is the element (`a`, `area`, `refresh`, `iframe`, `text` for a bare URL …).

    `url` is as written with references decoded, `text` the visible anchor text (empty when there is none). `part`,
    `start` and `end` say where the URL stands, as in `Span`.
    """

    url: str
    text: str
    via: str
    part: str
    start: int
    end: int


class Form(msgspec.Struct, frozen=True):
    """A form: `action` as written (empty: the page itself), and where its tag stands in the HTML."""

    action: str
    start: int
    end: int


class Field(msgspec.Struct, frozen=True):
    """An input: `words` joins name, id, placeholder, label attributes and autocomplete, lower case."""

    type: str
    words: str
    start: int
    end: int


class Image(msgspec.Struct, frozen=True):
    """An image: sizes in pixels where the tag states them, and whether a link is around it."""

    src: str
    width: int | None
    height: int | None
    linked: bool


class Code(msgspec.Struct, frozen=True):
    """Something that runs: `what` in plain words, `text` its beginning, and where it stands in the HTML."""

    what: str
    text: str
    start: int
    end: int


class Hypertext(msgspec.Struct, frozen=True):
    """What one HTML document shows, hides, links to, asks for and runs; `cut`: tags past the limit were not read."""

    visible: str = ""
    hidden: tuple[tuple[str, int], ...] = ()
    title: str = ""
    base: str = ""
    links: tuple[Link, ...] = ()
    forms: tuple[Form, ...] = ()
    fields: tuple[Field, ...] = ()
    images: tuple[Image, ...] = ()
    code: tuple[Code, ...] = ()
    cut: bool = False


_Value = tuple[str, int, int]


class _Open(msgspec.Struct):
    tag: str
    hidden: bool
    ground: str | None


class _Anchor(msgspec.Struct):
    url: str
    start: int
    end: int
    via: str
    first_piece: int


class Pass:
    """
    One linear pass over the tags of a document. What is to come of text and tags is for subclasses to say; all methods
    take places in the source. Comments and declarations count as tags, so that the limit bounds all work.
    """

    def __init__(self, html: str, max_tags: int) -> None:
        self.html = html
        self.max_tags = max_tags

    def read(self) -> bool:
        """Read the whole document; True when the limit on tags ended it early."""
        html, at, tags = self.html, 0, 0
        search, match, find = _OPENING.search, _TAG.match, html.find
        while opening := search(html, at):
            opened = opening.start()
            if opened > at:
                self.text(at, opened)
            tags += 1
            if tags > self.max_tags:
                return True
            found = match(html, opened)
            if found:
                at = self.tag(found)
                continue
            follows = html[opened + 1]
            if follows == "!":
                at = _past_comment(html, opened)
            elif follows in "?/":
                closed = find(">", opened)
                at = closed + 1 if closed >= 0 else len(html)
            else:
                return False  # a tag that never ends: browsers drop it and what follows
        if at < len(html):
            self.text(at, len(html))
        return False

    def text(self, start: int, end: int) -> None:
        """Take a piece of text, references in it as written."""
        raise NotImplementedError

    def tag(self, found: "re.Match[str]") -> int:
        """Take one tag (groups: `/` of an end tag, name, attributes); return where reading goes on."""
        raise NotImplementedError

    def raw_end(self, name: str, start: int) -> int | None:
        """Return where the raw text of an element that began at `start` ends; None for elements that hold tags."""
        if name not in _RAW_END:
            return None
        ended = _RAW_END[name].search(self.html, start)
        return ended.start() if ended else len(self.html)


class _Reader(Pass):
    """The state of one reading."""

    def __init__(self, html: str, max_tags: int, max_links: int) -> None:
        super().__init__(html, max_tags)
        self.max_links = max_links
        self.pieces: list[str] = []
        self.hidden: list[tuple[str, int]] = []
        self.stack: list[_Open] = []
        self.is_hidden = False
        self.ground: str | None = None
        self.anchor: _Anchor | None = None
        self.title = ""
        self.base = ""
        self.links: list[Link] = []
        self.forms: list[Form] = []
        self.fields: list[Field] = []
        self.images: list[Image] = []
        self.code: list[Code] = []

    def text(self, start: int, end: int) -> None:
        piece = decode_references(self.html[start:end])
        if self.is_hidden:
            if not piece.isspace():
                self.hidden.append((piece, start))
        else:
            self.pieces.append(piece)

    def tag(self, found: "re.Match[str]") -> int:
        name = found.group(2).lower()
        if name in _BREAKS:
            self.pieces.append("\n")
        if found.group(1):
            self.close(name)
            return found.end()
        raw = found.group(3)
        style_matters = "style" in raw or "hidden" in raw or "color" in raw or "STYLE" in raw or "Style" in raw
        attributes = attributes_of(raw) if name in _READ or style_matters else {}
        if name not in _VOID and not (raw.endswith("/") and name in ("path", "use", "rect", "circle")):
            self.open(name, attributes)
        if name in _READ:
            self.element(name, attributes, found)
        if "on" in raw and _HANDLER.search(raw):
            self.code.append(Code("an event handler", found.group()[:_CODE_CHARS], found.start(), found.end()))
        end = self.raw_end(name, found.end())
        if end is not None:
            self.raw(name, found.end(), end)
            return end
        if name == "plaintext":
            self.text(found.end(), len(self.html))
            return len(self.html)
        return found.end()

    def raw(self, name: str, start: int, end: int) -> None:
        if name == "title" and not self.title:
            self.title = " ".join(decode_references(self.html[start : min(end, start + 1000)]).split())
        elif name == "textarea":
            self.text(start, end)
        elif name == "script" and end > start:
            self.code.append(Code("a script", self.html[start : min(end, start + _CODE_CHARS)], start, end))

    def open(self, name: str, attributes: dict[str, _Value]) -> None:
        top = self.stack[-1].tag if self.stack else ""
        if (top == name and name in _CLOSES_ITSELF) or (top == "p" and name in _BREAKS):
            self.stack.pop()
            self.restore()
        hidden, ground = self.is_hidden, self.ground
        if attributes:
            hides, own_ground = _look(attributes, ground)
            hidden = hidden or hides
            ground = own_ground or ground
        self.stack.append(_Open(name, hidden, ground))
        self.is_hidden, self.ground = hidden, ground

    def close(self, name: str) -> None:
        if name == "a":
            self.end_anchor()
        for back in range(1, min(len(self.stack), _STACK_SEARCH) + 1):
            if self.stack[-back].tag == name:
                del self.stack[-back:]
                self.restore()
                return

    def restore(self) -> None:
        top = self.stack[-1] if self.stack else None
        self.is_hidden = top.hidden if top else False
        self.ground = top.ground if top else None

    def end_anchor(self) -> None:
        anchor, self.anchor = self.anchor, None
        if anchor is not None:
            text = " ".join("".join(self.pieces[anchor.first_piece : anchor.first_piece + 200]).split())
            self.link(anchor.url, text[:_ANCHOR_CHARS], anchor.via, anchor.start, anchor.end)

    def link(self, url: str, text: str, via: str, start: int, end: int) -> None:
        if url and len(self.links) < self.max_links:
            self.links.append(Link(url, text, via, "html", start, end))

    def element(self, name: str, attributes: dict[str, _Value], found: "re.Match[str]") -> None:
        offset = found.start(3)

        def value(key: str) -> str:
            return attributes[key][0].strip() if key in attributes else ""

        def link(key: str, via: str) -> None:
            if value(key):
                _, start, end = attributes[key]
                self.link(value(key), "", via, offset + start, offset + end)

        match name:
            case "a":
                self.end_anchor()
                if value("href"):
                    _, start, end = attributes["href"]
                    self.anchor = _Anchor(value("href"), offset + start, offset + end, "a", len(self.pieces))
            case "area":
                link("href", "area")
            case "img":
                size = [_pixels(value(key)) for key in ("width", "height")]
                self.images.append(Image(value("src"), size[0], size[1], self.anchor is not None))
            case "form":
                self.forms.append(Form(value("action"), found.start(), found.end()))
            case "input" | "textarea" | "select" | "button":
                kind = value("type").lower() or ("text" if name == "input" else name)
                words = " ".join(value(key) for key in ("name", "id", "placeholder", "aria-label", "autocomplete"))
                self.fields.append(Field(kind, words.lower()[:300], found.start(), found.end()))
                if value("formaction"):
                    self.forms.append(Form(value("formaction"), found.start(), found.end()))
            case "script":
                if value("src"):
                    self.code.append(Code("a script from elsewhere", value("src")[:200], found.start(), found.end()))
            case "base":
                self.base = self.base or value("href")
            case "meta":
                if value("http-equiv").lower() == "refresh":
                    target = _REFRESH.search(value("content"))
                    if target:
                        self.link(target.group(1).strip(), "", "refresh", found.start(), found.end())
            case "iframe" | "frame" | "object" | "embed":
                link("data" if name == "object" else "src", name)
                self.code.append(Code(f"an embedded <{name}>", found.group()[:200], found.start(), found.end()))


def read_html(html: str, max_tags: int, max_links: int) -> Hypertext:
    """Read one document in a single pass; links come in the order of their ends."""
    reader = _Reader(html, max_tags, max_links)
    cut = reader.read()
    reader.end_anchor()
    return Hypertext(
        _squeezed("".join(reader.pieces)),
        tuple(reader.hidden),
        reader.title,
        reader.base,
        tuple(reader.links),
        tuple(reader.forms),
        tuple(reader.fields),
        tuple(reader.images),
        tuple(reader.code),
        cut,
    )


def decode_references(text: str) -> str:
    """Return text with `&amp;` and its like decoded; a number too long to be a character becomes U+FFFD."""
    if "&" not in text:
        return text
    if "&#" in text:
        text = _HUGE_REFERENCE.sub("\ufffd", text)  # int() refuses, or is slow on, thousands of digits
    return unescape(text).replace("\x00", "\ufffd")


def _squeezed(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _past_comment(html: str, opened: int) -> int:
    """Return where a comment, doctype or other declaration ends; an unfinished comment swallows the rest."""
    if not html.startswith("<!--", opened):
        closed = html.find(">", opened)
        return closed + 1 if closed >= 0 else len(html)
    if html.startswith((">", "->"), opened + 4):
        return html.find(">", opened) + 1
    closed = html.find("-->", opened + 4)
    return closed + 3 if closed >= 0 else len(html)


def attributes_of(raw: str) -> dict[str, _Value]:
    """Return value and its place in `raw` by lower-case name; the first of a name counts, at most 200."""
    found: dict[str, _Value] = {}
    for count, match in enumerate(_ATTRIBUTE.finditer(raw)):
        if count >= 200:
            break
        group = match.lastindex or 1
        if group == 1:
            found.setdefault(match.group(1).lower(), ("", match.end(), match.end()))
        else:
            value = decode_references(match.group(group))
            found.setdefault(match.group(1).lower(), (value, *match.span(group)))
    return found


def _look(attributes: dict[str, _Value], ground: str | None) -> tuple[bool, str | None]:
    """Return whether these attributes hide what is inside, and the background they set."""
    style = attributes["style"][0].lower().replace(" ", "")[:2000] if "style" in attributes else ""
    own = attributes["bgcolor"][0].strip().lower() if "bgcolor" in attributes else None
    hides = "hidden" in attributes
    colour = attributes["color"][0].strip().lower() if "color" in attributes else None
    if style:
        hides = hides or _HIDING.search(style) is not None
        if "background" in style:
            set_ground = _GROUND.search(style)
            own = set_ground.group(1) if set_ground else own
        if "color:" in style:
            set_colour = _COLOUR.search(style)
            colour = set_colour.group(1) if set_colour else colour
    behind = own or ground
    if colour and behind and _same_colour(colour, behind):
        hides = True
    return hides, own


_NAMED = {"white": "ffffff", "black": "000000", "#fff": "ffffff", "#000": "000000"}


def _same_colour(one: str, other: str) -> bool:
    def plain(colour: str) -> str:
        colour = colour.removesuffix("!important")
        short = colour.lstrip("#")
        return _NAMED.get(colour) or ("".join(char * 2 for char in short) if len(short) == 3 else short)

    return plain(one) == plain(other)


def _pixels(text: str) -> int | None:
    digits = text.removesuffix("px").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else None
