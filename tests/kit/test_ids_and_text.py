"""Derived ids, and text that is safe to show."""

from goodsend.kit.ids import derived_id, digest_of
from goodsend.kit.text import closest, printable, shorten


def test_ids_follow_from_their_parts() -> None:
    """The same parts give the same id; where one part ends and the next begins matters."""
    first = derived_id("dec", "demo", "evt_1")

    assert first == derived_id("dec", "demo", "evt_1")
    assert first.startswith("dec_")
    assert len(first) == 30
    assert derived_id("dec", "ab", "c") != derived_id("dec", "a", "bc")
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_text_from_strangers_cannot_steer_a_terminal() -> None:
    """Escape sequences, bidirectional overrides and lone surrogates are written out."""
    assert printable("\x1b[31mred\u202egnp.exe \ud800 ok\n") == "\\x1b[31mred\\u202egnp.exe \\ud800 ok\n"


def test_suggestions_and_shortening() -> None:
    """A near word is offered, a far one is not; a cut is shown."""
    assert closest("e.recipient", ["e.recipients", "e.subject"]) == "e.recipients"
    assert closest("zzz", ["e.recipients"]) is None
    assert shorten("abcdef", 4) == "abc…"
