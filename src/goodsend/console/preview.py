"""
Hostile content made safe to look at: sanitised HTML, and its source with escapes. Its links are in `links.py`.

No script, form, remote load or live link survives. The page is served apart, in a sandboxed frame under its own strict
policy, so that one mistake here does not become an attack: three walls (it is written anew by `inert.py`, then cleaned
by nh3, then shown in the frame), any of which holds alone.
"""

# ruff: noqa: SIM905 - a list of words reads better as words
from typing import Final

import msgspec
import nh3
import re2  # type: ignore[import-untyped]

from goodsend.console.inert import ELEMENTS, LOOK, MARKUP_LIMIT, OWN_ATTRIBUTES, RASTER, inert
from goodsend.kit.text import printable

HTML_LIMIT: Final = 2_000_000
"""Characters of HTML that are prepared; the rest is cut with a note. Own starting value: ten large newsletters."""

TOO_COSTLY: Final = "Too costly to show as designed; see the text and the source."

_ATTRIBUTES: Final = {"*": {*LOOK, "class"}, **{tag: set(names) for tag, names in OWN_ATTRIBUTES.items()}}
_STYLES: Final = frozenset(
    "background-color border border-bottom border-collapse border-color border-left border-radius border-right "
    "border-spacing border-style border-top border-width color direction display font font-family font-size "
    "font-style font-variant font-weight height letter-spacing line-height list-style-type margin margin-bottom "
    "margin-left margin-right margin-top max-height max-width min-height min-width opacity padding padding-bottom "
    "padding-left padding-right padding-top text-align text-decoration text-indent text-transform vertical-align "
    "visibility white-space width word-break word-spacing".split()
)
_RISKY_STYLE = re2.compile(r"(?i)url|expression|import|image|@|\\|javascript|behavior|binding|/\*|<|>")
_OWN_CLASS: Final = "gs-link"


class SafeHtml(msgspec.Struct, frozen=True):
    """Markup without active content, and how many things of which sort were taken out (`script` → 2)."""

    markup: str
    removed: dict[str, int]


def sanitise(html: str) -> SafeHtml:
    """
    Return HTML that can be shown: links become text with their target beside them, images become placeholders.

    Markup that would cost too much is not shown; a sentence says so in its place.
    """
    cut = {"characters past the limit": len(html) - HTML_LIMIT} if len(html) > HTML_LIMIT else {}
    written = inert(html[:HTML_LIMIT])
    if written.markup is None:
        return _too_costly({**cut, **written.removed})
    clean = nh3.clean(
        written.markup,
        tags=set(ELEMENTS),
        clean_content_tags={"script", "style"},
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        strip_comments=True,
        link_rel=None,
        url_schemes={"data"},
        filter_style_properties=set(_STYLES),
    )
    # Text grows when it is written as references; five times is the most.
    return SafeHtml(clean, {**cut, **written.removed}) if len(clean) <= MARKUP_LIMIT else _too_costly(written.removed)


def _too_costly(removed: dict[str, int]) -> SafeHtml:
    return SafeHtml(f"<p>{TOO_COSTLY}</p>", {**removed, "markup (too much of it)": 1})


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if tag == "img" and RASTER.match(value) else None
    if name == "style":
        safe = (part for part in value.split(";") if part.strip() and not _RISKY_STYLE.search(part))
        return ";".join(safe) or None
    if name == "class":
        return value if value == _OWN_CLASS else None
    return None if name != "alt" and _RISKY_STYLE.search(value) else value


def document(safe: SafeHtml, styles: str) -> str:
    """Return the whole page for the frame: the safe markup on its own paper. `styles` are ours, from the build."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Preview</title>'
        f"<style>{styles}</style></head><body>{safe.markup}</body></html>"
    )


def source_text(raw: bytes, limit: int = 200_000) -> str:
    """Return the first `limit` bytes of a source as text: what is not plain text is shown as escapes."""
    text = raw[:limit].decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    shown = printable(text)
    return shown if len(raw) <= limit else f"{shown}\n… {len(raw) - limit:,} further bytes are not shown"
