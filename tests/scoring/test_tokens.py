"""What a text model sees of a text."""

import pytest

from goodsend.scoring.tokens import TEXT_LIMIT, hashes_of, named_hashes, text_of, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t pay £1,250.00 NOW!", "dont pay 0money 0 000 00 now 0bang"),
        ("See https://a.example/b?c=1 or www.d.example.", "see 0link or 0link"),
        ("write to ann.lee@mail.example, 50% off", "write to ann lee 0mail 00 0percent off"),
        ("call 08718738034 in 2026", "call 00000000000 in 0000"),
        ("“Grüße” — aus Köln…", "grüße aus köln"),
        ("\ud800 \x00", ""),
        ("", ""),
    ],
)
def test_words_are_lower_case_and_shapes_stand_for_what_varies(text: str, expected: str) -> None:
    """Links, addresses, money and digits become shapes; nothing in a text is too odd to cut."""
    words = words_of(text)

    assert expected.split() == [word.decode() for word in words]


def test_a_pair_is_not_the_word_made_of_it() -> None:
    """`to day` and `today` share no hash."""
    apart, together = hashes_of([b"to", b"day"]), hashes_of([b"today"])

    assert len(apart) == 3
    assert not apart & together


def test_named_hashes_are_the_hashes() -> None:
    """The names given in an explanation belong to the very hashes that were scored."""
    words = words_of("Win 100 now, win 100 later!")

    assert hashes_of(words) == {found for found, _ in named_hashes(words)}
    assert "[number of 3 digits] now" in {name for _, name in named_hashes(words)}


def test_text_is_subject_and_text_cut_to_the_limit() -> None:
    """A missing subject is no text at all, a long text is cut."""
    assert text_of({"s.subject": "a", "s.text": "b"}) == "a\nb"
    assert text_of({"s.subject": None, "s.text": "b"}) == "b"
    assert text_of({"e.subject": "a"}) is None
    assert len(text_of({"s.text": "x" * 10 * TEXT_LIMIT}) or "") == TEXT_LIMIT
