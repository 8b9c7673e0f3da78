"""
Patterns over text in linear time: RE2 for REGEXP_LIKE, `%` and `_` for LIKE. Python's own `re` never sees content.

A pattern is kept as an RE2 set, also when it is alone: a set answers which of many patterns occur in one pass.
"""

from collections.abc import Callable, Sequence

import re2  # type: ignore[import-untyped]

MAX_PATTERN = 2_000
MAX_PROGRAM = 5_000
"""Characters, and RE2 instructions, of one pattern. With these a set always fits its memory; one that does not would
answer "no match" without a word. Source: own starting values; RE2's set.cc and dfa.cc."""

SET_PROGRAM = 50_000
_SET_MEMORY = 256 << 20  # a ceiling, not what is used

Search = Callable[[str], Sequence[int]]
"""From a text to the positions of the patterns that occur in it."""


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


def checked(pattern: str) -> str:
    """Return the pattern if RE2 can run it; raises ValueError with what is wrong with it."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern has {len(pattern)} characters; at most {MAX_PATTERN} are allowed")
    try:
        compiled = re2.compile(pattern, _options())
    except re2.error as error:
        raise ValueError(f"not a pattern RE2 can run: {_told(error)}") from None
    except UnicodeEncodeError:
        raise ValueError("the pattern holds half a character (a lone surrogate)") from None
    if compiled.programsize > MAX_PROGRAM:
        raise ValueError(f"the pattern is too large once repeats are unrolled (more than {MAX_PROGRAM} steps)")
    return pattern


def _told(error: re2.error) -> str:
    told = error.args[0] if error.args else "unknown reason"
    text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    return text + next((why for signs, why in _LACKS.items() if any(sign in text for sign in signs)), "")


_LACKS = {
    ("(?=", "(?!", "(?<"): "; RE2 has no look-ahead and no look-behind: join two conditions with AND, NOT",
    tuple(f"escape sequence: \\{digit}" for digit in range(1, 10)): "; RE2 has no references back to a group",
}
"""What people know from other patterns and miss here, by what RE2 says."""


def search(patterns: Sequence[str]) -> Search:
    """Return one search for many checked patterns; more than fit one set are spread over several."""
    sets: list[tuple[int, re2.Set]] = []
    room = 0
    for position, pattern in enumerate(patterns):
        size = re2.compile(pattern, _options()).programsize
        if size > room or not sets:
            options = _options()
            options.max_mem = _SET_MEMORY
            sets.append((position, re2.Set.SearchSet(options)))
            room = SET_PROGRAM
        room -= size
        sets[-1][1].Add(pattern)
    for _, one in sets:
        one.Compile()
    return _single(sets[0][1]) if len(sets) == 1 else _several(sets)


def _single(one: re2.Set) -> Search:
    match = one.Match

    def found(text: str) -> Sequence[int]:
        try:
            return match(text.encode()) or ()
        except UnicodeEncodeError:  # half a character counts as one that no pattern names
            return match(text.encode("utf-8", "replace")) or ()

    return found


def _several(sets: Sequence[tuple[int, re2.Set]]) -> Search:
    parts = [(first, _single(one)) for first, one in sets]

    def found(text: str) -> Sequence[int]:
        return [first + position for first, part in parts for position in part(text)]

    return found


def search_any(patterns: Sequence[str]) -> Callable[[Sequence[str]], Sequence[int]]:
    """Return a search over several texts: the positions of the patterns that occur in any of them."""
    one = search(patterns)

    def found(texts: Sequence[str]) -> Sequence[int]:
        seen: set[int] = set()
        for text in texts:
            hits = one(text)
            if hits:
                seen.update(hits)
        return tuple(seen)

    return found


def like(pattern: str, insensitive: bool = False) -> Callable[[str], bool]:
    """
    Return the test of a LIKE pattern: `%` is any run of characters, `_` exactly one; there is no escape character.

    ILIKE compares after LOWER on both sides.
    """
    if not insensitive:
        return _like(pattern)
    test = _like(pattern.lower())
    return lambda text: test(text.lower())


def _like(pattern: str) -> Callable[[str], bool]:
    body = pattern.strip("%")
    if "%" in body or "_" in body:
        return _like_by_re2(pattern)
    head, tail = pattern.startswith("%"), pattern.endswith("%")
    if pattern and not body:
        return lambda text: True
    if head and tail:
        return lambda text: body in text
    if tail:
        return lambda text: text.startswith(body)
    if head:
        return lambda text: text.endswith(body)
    return lambda text: text == body


def _like_by_re2(pattern: str) -> Callable[[str], bool]:
    parts = {"%": ".*", "_": "."}
    text = "".join(parts.get(char) or re2.escape(char) for char in pattern)
    found = search([checked(f"(?s)^{text}$")])
    return lambda subject: bool(found(subject))
