"""Bodies are split into items without reading more of them than needed, and what is wrong is named with its place."""

import pytest

from goodsend.api.bodies import decode, split_json, split_lines
from goodsend.api.problems import Refused

LIMIT = 3


def refusal(body: bytes) -> Refused:
    with pytest.raises(Refused) as raised:
        split_json(body, LIMIT)
    return raised.value


@pytest.mark.parametrize(
    ("body", "items", "places"),
    [
        (b'{"id": "a"}', [b'{"id": "a"}'], [""]),
        (b' [{"id": "a"}, 7]', [b'{"id": "a"}', b"7"], ["[0]", "[1]"]),
        (b'{"events": [{"id": "a"}]}', [b'{"id": "a"}'], ["events[0]"]),
        (b'{"events": []}', [], []),
        (b"[]", [], []),
    ],
)
def test_every_shape_of_a_body_becomes_items_with_their_places(
    body: bytes, items: list[bytes], places: list[str]
) -> None:
    """One object, an array and `events` all become a list of items."""
    batch = split_json(body, LIMIT)

    assert (items, places) == (batch.items, batch.places)


def test_an_item_broken_inside_a_string_does_not_spoil_the_array() -> None:
    """Invalid UTF-8 in one string is that item's affair."""
    batch = split_json(b'[{"id": "a"}, {"id": "\xff"}]', LIMIT)

    assert batch.items == [b'{"id": "a"}', b'{"id": "\xff"}']


def test_a_lone_surrogate_does_not_spoil_the_array() -> None:
    """Half a surrogate pair is legal JSON: the item is handed on, decoded."""
    batch = split_json(b'[{"id": "a"}, {"id": "\\ud800"}]', LIMIT)

    assert batch.items == [{"id": "a"}, {"id": "\ud800"}]


@pytest.mark.parametrize(
    ("body", "kind", "place"),
    [
        (b'{"id": "a",\n "kind": tru}', "broken_json", "line 2, byte 21"),
        (b'{"id": ', "broken_json", "line 1, byte 7"),
        (b'{"id": 1} x', "broken_json", "line 1, byte 10"),
        (b'["\\ud800",\n nope]', "broken_json", "line 2, byte 12"),
        (b"\xff", "broken_json", "line 1, byte 0"),
        (b"", "broken_json", None),
        (b"  \n", "broken_json", None),
        (b'"text"', "bad_body", None),
        (b'{"events": 7}', "bad_body", "events"),
        (b'{"events": [], "more": 1}', "bad_body", "more"),
        (b'{"a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "bad_body", None),
        (b"[" * 200_000, "bad_body", None),
        (b'["\\ud800", NaN]', "broken_json", None),
        (b"[1, 2, 3, 4]", "too_large", None),
        (b"[" + b"[]," * 2_000_001 + b"[]]", "too_large", None),
        (b'{"id": "' + b"x" * 4_000_000 + b'", }', "broken_json", "line 1, byte 4000011"),
        (b'{"events": [1, 2, 3, 4]}', "too_large", None),
    ],
)
def test_a_body_that_cannot_be_split_is_refused_with_its_place(body: bytes, kind: str, place: str | None) -> None:
    """The refusal names its kind, and line and byte where reading stopped."""
    refused = refusal(body)

    assert (kind, place) == (refused.kind, refused.place)


def test_lines_are_items_and_blank_ones_are_skipped() -> None:
    """A line that is broken is an item too: it is rejected by itself."""
    batch = split_lines(b'{"id": "a"}\r\n\n  \nbroken\n', LIMIT)

    assert (batch.items, batch.places) == ([b'{"id": "a"}', b"broken"], ["line 1", "line 4"])


def test_too_many_lines_are_refused_before_the_rest_is_read() -> None:
    """The limit counts lines that are not blank."""
    with pytest.raises(Refused) as raised:
        split_lines(b"1\n2\n3\n4\n", LIMIT)

    assert raised.value.kind == "too_large"


def test_whole_values_are_decoded_without_a_decoder() -> None:
    """The plain form is for bodies whose type does not matter."""
    assert decode(b"[1]", None) == [1]
