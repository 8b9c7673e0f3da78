"""
Text with marks as safe markup: evidence in content, words of SQL. Everything that is not a mark is escaped.
"""

from collections.abc import Iterable
from html import escape

import re2  # type: ignore[import-untyped]
from markupsafe import Markup

from goodsend.kit.text import printable, shorten

_SQL = re2.compile(
    r"(?P<s>'(?:[^']|'')*')|(?P<n>\b\d+(?:\.\d+)?\b)|(?P<c>\b[efsmalEFSMAL]\.[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<f>\b[A-Z_]{2,}\b(?:\s*\())|(?P<k>\b(?i:AND|OR|NOT|IN|IS|NULL|LIKE|ILIKE|BETWEEN|CASE|WHEN|THEN|ELSE|END|"
    r"TRUE|FALSE)\b)"
)
_CONNECTIVES = frozenset({"AND", "OR", "NOT", "IN", "WHEN", "THEN", "ELSE"})
_KINDS = ("s", "n", "c", "f", "k")


def sql_markup(source: str) -> Markup:
    """Return an expression of the rule language with its words, facts, functions, strings and numbers marked."""
    parts = []
    place = 0
    for found in _SQL.finditer(source):
        parts.append(escape(source[place : found.start()]))
        kind = next(name for name in _KINDS if found.group(name) is not None)
        text = found.group(0)
        word = text.rstrip("( \n\t") if kind == "f" else text
        if word in _CONNECTIVES:
            kind = "k"
        parts.append(f'<span class="{kind}">{escape(word)}</span>{escape(text[len(word) :])}')
        place = found.end()
    parts.append(escape(source[place:]))
    return Markup("".join(parts))  # noqa: S704 - every part was escaped above


def marked(text: str, spans: Iterable[tuple[int, int]], limit: int = 60_000) -> Markup:
    """
    Return text with the parts at these offsets (end exclusive) in `<mark>`; overlapping ones are joined.

    Control and direction-changing characters are shown as escapes; text past `limit` characters is cut with a note.
    """
    end = min(len(text), limit)
    parts = []
    place = 0
    for left, right in _joined(spans, end):
        parts.append(escape(printable(text[place:left])))
        parts.append(f"<mark>{escape(printable(text[left:right]))}</mark>")
        place = right
    parts.append(escape(printable(text[place:end])))
    if end < len(text):
        parts.append(f"\n… {len(text) - end:,} further characters are not shown")
    return Markup("".join(parts))  # noqa: S704 - every part was escaped above


def excerpt(text: str, start: int, end: int, around: int = 40) -> Markup:
    """Return the marked place with a little of what stands around it, on one line."""
    left, right = max(0, start - around), min(len(text), end + around)
    before = ("…" if left else "") + " ".join(printable(text[left:start]).split("\n"))
    after = " ".join(printable(text[end:right]).split("\n")) + ("…" if right < len(text) else "")
    middle = shorten(" ".join(printable(text[start:end]).split("\n")), 300)
    return Markup(f"{escape(before)}<mark>{escape(middle)}</mark>{escape(after)}")  # noqa: S704


def _joined(spans: Iterable[tuple[int, int]], end: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for left, right in sorted((max(0, a), min(end, b)) for a, b in spans):
        if left >= right:
            continue
        if joined and left <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], right))
        else:
            joined.append((left, right))
    return joined
