"""
Text made comparable: invisible characters gone, look-alike letters undone, accents and case folded. No words here.

The map of look-alikes is a small one of our own after the idea of Unicode UTS 39 (skeletons): letters of Cyrillic,
Greek and a few others that a reader takes for Latin ones, and for domain labels also digits and pairs such as `rn`.
"""

import re
import unicodedata

INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
"""A character class of what takes no room: soft hyphen, joiners, zero-width spaces, direction marks."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]+")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_LIKE = {
    "а": "a", "в": "b", "е": "e", "ё": "e", "з": "3", "і": "i", "ї": "i", "ј": "j", "к": "k", "м": "m", "н": "h",
    "о": "o", "р": "p", "с": "c", "т": "t", "у": "y", "х": "x", "ѕ": "s", "һ": "h", "ԁ": "d", "ԛ": "q", "ԝ": "w",
    "ь": "b", "ү": "y", "ӏ": "l", "ѵ": "v", "г": "r", "п": "n", "и": "u",
    "А": "A", "В": "B", "Е": "E", "Ё": "E", "Ѕ": "S", "І": "I", "Ї": "I", "Ј": "J", "К": "K", "М": "M", "Н": "H",
    "О": "O", "Р": "P", "С": "C", "Т": "T", "У": "Y", "Х": "X", "Ԛ": "Q", "Ԝ": "W", "Ү": "Y", "Ӏ": "l", "Ѵ": "V",
    "α": "a", "β": "b", "γ": "y", "ε": "e", "η": "n", "ι": "i", "κ": "k", "ν": "v", "ο": "o", "ρ": "p", "σ": "o",
    "τ": "t", "υ": "u", "χ": "x", "ω": "w", "ϲ": "c", "ϳ": "j",
    "Α": "A", "Β": "B", "Ε": "E", "Ζ": "Z", "Η": "H", "Ι": "I", "Κ": "K", "Μ": "M", "Ν": "N", "Ο": "O", "Ρ": "P",
    "Τ": "T", "Υ": "Y", "Χ": "X", "Ϲ": "C",
    "ı": "i", "ɩ": "i", "ɡ": "g", "ɑ": "a", "ʟ": "L", "ꜱ": "s", "օ": "o", "ս": "u", "հ": "h", "ո": "n", "ց": "g",
    "ƅ": "b", "ƽ": "s", "ꓲ": "I", "ꓳ": "O", "ⅼ": "l", "ⅽ": "c", "ⅾ": "d", "ⅿ": "m", "ø": "o", "đ": "d", "ł": "l",
}  # fmt: skip
LOOKALIKES = {ord(char): latin for char, latin in _LIKE.items()}
"""Code point of a look-alike to the Latin letter a reader sees."""
_LOOKALIKE = re.compile(f"[{''.join(_LIKE)}]")
_FOREIGN_LETTER = re.compile("[\u0370-\u052f\u0530-\u058f]")
_LATIN_LETTER = re.compile("[A-Za-z]")
_WORD_MIX = re.compile("[A-Za-z][\u0370-\u052f\u0530-\u058f]|[\u0370-\u052f\u0530-\u058f][A-Za-z]")
_BROKEN_WORD = re.compile(f"[A-Za-z][{INVISIBLE.replace(chr(0xAD), '')}]+[A-Za-z]")
_WORD = re.compile(r"\w+")
_DIGITS = str.maketrans({"0": "o", "1": "l", "3": "e", "4": "a", "5": "s", "7": "t", "|": "l", "$": "s"})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def clean(text: str) -> str:
    """
    Return text as a reader takes it: compatibility forms plain (NFKC), invisible characters gone, spaces single.

    Look-alike letters become Latin only in words made of nothing else, and only where most letters of the text are
    Latin already: genuine Greek or Russian stays itself.
    """
    if not text.isascii():
        limit = 2 * len(text)  # one character can stand for eighteen: that is no reading text, and costs as much
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))[:limit]
        if _LOOKALIKE.search(text) and _is_mostly_latin(text):
            text = _WORD.sub(_latin_word, text)
    return " ".join(text.split())


def fold(text: str) -> str:
    """Return cleaned text in lower case without accents: what phrases are compared in."""
    return fold_clean(clean(text))


def fold_clean(text: str) -> str:
    """Return what is already cleaned in lower case without accents."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text.casefold())
    return _ACCENTS.sub("", text)


def _latin_word(found: "re.Match[str]") -> str:
    word = found.group()
    if word.isascii():
        return word
    return word.translate(LOOKALIKES) if all(char in _LIKE for char in word if not char.isascii()) else word


def _is_mostly_latin(text: str) -> bool:
    sample = text[:4000]
    return len(_LATIN_LETTER.findall(sample)) > len(_FOREIGN_LETTER.findall(sample))


def fold_with_places(text: str) -> tuple[str, list[int]]:
    """Return folded text and, for each of its characters, where it came from. Slow: for evidence only."""
    is_latin = text.isascii() or _is_mostly_latin(text)
    chars: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if char.isspace():
            folded = " " if chars and chars[-1] != " " else ""
        elif _INVISIBLE.match(char):
            folded = ""
        else:
            plain = unicodedata.normalize("NFKC", char)
            plain = plain.translate(LOOKALIKES) if is_latin else plain
            folded = _ACCENTS.sub("", unicodedata.normalize("NFKD", plain.casefold()))
        chars += folded
        places += [place] * len(folded)
    return "".join(chars), places


def broken_words(text: str) -> list[tuple[int, int]]:
    """
    Return the places where words are broken by invisible characters, or mix Latin with look-alikes of other scripts.

    Soft hyphens do not count: newsletters in languages with long words are full of them.
    """
    if text.isascii():
        return []
    found = [match.span() for match in _BROKEN_WORD.finditer(text)]
    found += [match.span() for match in _WORD_MIX.finditer(text) if _LOOKALIKE.search(match.group())]
    return found


def skeleton(label: str) -> str:
    """Return what a domain label looks like at a glance: digits, pairs and foreign letters as those they imitate."""
    text = unicodedata.normalize("NFKD", label.casefold()).translate(LOOKALIKES).casefold()
    text = _ACCENTS.sub("", _INVISIBLE.sub("", text)).translate(_DIGITS)
    for pair, letter in _PAIRS:
        text = text.replace(pair, letter)
    return text.replace("i", "l")
