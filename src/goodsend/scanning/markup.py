"""Signals of markup: what a mail or page hides, runs or breaks apart."""

import re
from collections.abc import Iterator

from goodsend.kit.text import printable, shorten
from goodsend.scanning.definitions import Scanner
from goodsend.scanning.folding import INVISIBLE, broken_words, fold
from goodsend.scanning.material import Material
from goodsend.scanning.model import Signal, Span

_PADDING = re.compile(f"[{INVISIBLE}\\s\u00a0\u2007]+")
_WORDS = re.compile(r"\w{2,40}+")


def find(material: Material, scanner: Scanner) -> Iterator[Signal]:
    """Find hidden text, forms, code, broken words, and mails that are one image."""
    page = material.page
    hidden = hidden_chars(material)
    if hidden > scanner.bounds.hidden_chars:
        text, start = max(page.hidden, key=lambda piece: len(piece[0]))
        evidence = f"{hidden:,} characters are not shown to readers, such as “{_quote(text)}”"
        yield Signal("MARKUP_HIDDEN_TEXT", evidence, Span("html", start, start + len(text)))
    if page.forms or any(field.type not in ("hidden", "button") for field in page.fields):
        place = page.forms[0] if page.forms else page.fields[0]
        fields = sum(field.type not in ("hidden", "submit", "button", "image") for field in page.fields)
        yield Signal(
            "MARKUP_FORM", f"the mail holds a form with {fields} fields to fill in", _span(place.start, place.end)
        )
    for code in page.code[:5]:
        evidence = f"the mail holds {code.what}: {_quote(code.text)}"
        yield Signal("MARKUP_SCRIPT", evidence, _span(code.start, code.end))
    yield from _broken(material, scanner)
    if material.message.html and _is_image_only(material, scanner):
        evidence = f"{len(page.images)} images, and {len(material.clean)} characters of text"
        yield Signal("MARKUP_IMAGE_ONLY", evidence, Span("html"))


def hidden_chars(material: Material) -> int:
    """
    Count the letters of hidden words that are nowhere shown.

    Responsive mails hide a second copy of what they show, and most newsletters hide one line for the inbox list: the
    copy does not count, the line is below the bound.
    """
    if not material.page.hidden:
        return 0
    text = fold(" ".join(_PADDING.sub(" ", piece) for piece, _ in material.page.hidden))
    words = _WORDS.findall(text)
    if not words:
        return 0
    shown = set(_WORDS.findall(fold(material.shown)))
    return sum(len(word) for word in words if word not in shown)


def _broken(material: Material, scanner: Scanner) -> Iterator[Signal]:
    message = material.message
    parts = (("subject", material.subject or ""), ("text", message.text or ""), ("visible", material.page.visible))
    for part, text in parts:
        places = broken_words(text)
        if len(places) >= (1 if part == "subject" else scanner.bounds.broken_words):
            start, end = places[0]
            around = text[max(0, start - 10) : end + 10]
            evidence = f"{len(places)} words are broken or mix alphabets, such as “{_quote(around)}”"
            yield Signal("MARKUP_ZERO_WIDTH", evidence, Span(part, start, end))
            return


def _is_image_only(material: Material, scanner: Scanner) -> bool:
    if len(material.clean) >= scanner.bounds.image_only_chars or not material.targets:
        return False
    big = [image for image in material.page.images if (image.width or 999) > 50 and (image.height or 999) > 50]
    return any(image.linked for image in big)


def _span(start: int, end: int) -> Span:
    return Span("html", start, end)


def _quote(text: str) -> str:
    return shorten(printable(" ".join(text.split())), 80)
