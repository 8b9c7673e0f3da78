"""
What a text model sees of a text: words, pairs of words and a few shapes, as stable hashes. No weights live here.

The same function feeds training and scoring, so a change here makes every model file wrong: raise `TOKENS` with it.
Every step is linear in the text, which is cut at `TEXT_LIMIT` first.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from zlib import crc32

from goodsend.facts import Facts

TOKENS = "words/1"
"""Name of this way of cutting; a model file names the one it was trained with."""

TEXT_LIMIT = 6000
"""Characters read of subject and text together: the cost of one score stays below a millisecond whatever comes in."""

_PAIR = 0x9E3779B9  # a pair continues the CRC-32 of its first word; this keeps (to, day) apart from "today"
_LINK = re.compile(r"(?:https?://|www\.)\S+")  # no nested repeats: linear
_MAIL = re.compile(r"@[^\s@]{3,}")
_SHAPES = {"$": " 0money ", "£": " 0money ", "€": " 0money ", "%": " 0percent ", "!": " 0bang "}
_SHOWN = {b"0link": "[link]", b"0mail": "[address]", b"0money": "[money]", b"0percent": "[percent]", b"0bang": "!"}
_SIGNS = "“”„‟‘‚‹›«»–—―…•·¡¿©®™"  # what ends a word beside ASCII; elsewhere beyond ASCII every byte is a letter
_DIGITS = b"123456789"
_CUT = bytes(
    ord("0") if byte in _DIGITS else byte if byte > 127 or chr(byte).isalnum() else ord(" ") for byte in range(256)
)
"""Digits become 0: the length of a number says more than its value, and a year says only when."""


def text_of(facts: Facts) -> str | None:
    """Return subject and text as one, cut at `TEXT_LIMIT`; None when neither is known."""
    subject, text = facts.get("s.subject"), facts.get("s.text")
    parts = [part for part in (subject, text) if isinstance(part, str)]
    if not parts:
        return None
    return "\n".join(parts)[:TEXT_LIMIT]


def words_of(text: str) -> list[bytes]:
    """Return the words and shapes of a text in order: lower case, UTF-8, every digit as 0, apostrophes dropped."""
    text = text.lower()
    if "://" in text or "www." in text:
        text = _LINK.sub(" 0link ", text)
    if "@" in text:
        text = _MAIL.sub(" 0mail ", text)
    for sign, shape in _SHAPES.items():
        if sign in text:
            text = text.replace(sign, shape)
    if not text.isascii():
        text = text.replace("’", "")
        for sign in _SIGNS:
            if sign in text:
                text = text.replace(sign, " ")
    return text.encode("utf-8", "replace").translate(_CUT, b"'").split()


def hashes_of(words: list[bytes]) -> set[int]:
    """Return the 32-bit hashes of all words and pairs of neighbours, each once."""
    found: set[int] = set()
    add = found.add
    before = 0
    for place, word in enumerate(words):
        if place:
            add(crc32(word, before ^ _PAIR))
        before = crc32(word)
        add(before)
    return found


def named_hashes(words: list[bytes]) -> Iterator[tuple[int, str]]:
    """Yield each hash of `hashes_of` with the word or pair it stands for, in order of appearance, repeats included."""
    for word in words:
        yield crc32(word), _shown(word)
    for before, word in pairwise(words):
        yield crc32(word, crc32(before) ^ _PAIR), f"{_shown(before)} {_shown(word)}"


def _shown(word: bytes) -> str:
    if word in _SHOWN:
        return _SHOWN[word]
    if not word.strip(b"0"):
        return f"[number of {len(word)} digits]" if len(word) > 1 else "[digit]"
    return word.decode("utf-8", "replace").replace("0", "#")
