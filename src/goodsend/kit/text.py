"""Text for people: suggestions, shortening, safe display. Nothing here knows what the text is about."""

import difflib
import unicodedata
from collections.abc import Iterable


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known word a writer most likely meant, or None when none is so alike (0…1)."""
    found = difflib.get_close_matches(word.lower(), sorted(set(known)), n=1, cutoff=likeness)
    return found[0] if found else None


def shorten(text: str, limit: int) -> str:
    """Return at most `limit` characters, the last one an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"


def printable(text: str) -> str:
    """
    Return text that is safe to show on a terminal or in a log: control, format and surrogate characters become
    escapes such as `\\x1b`, so hostile content cannot move the cursor or reverse the reading direction.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co") else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    point = ord(char)
    return f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}" if point < 65536 else f"\\U{point:08x}"
