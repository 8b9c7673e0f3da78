"""Personal data hidden by role."""

import pytest

from goodsend.console.masking import is_masked, mask, mask_text, mask_values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ella@throwaway.example", "e•••@throwaway.example"),
        ("203.0.113.9", "203.0.113.•••"),
        ("2001:db8::17", "2001:0db8:0000:•••"),
        ("+12125550172", "+12 ••• 72"),
        ("Ella Hughes", "E•••"),
        ("", ""),
    ],
)
def test_mask_keeps_the_pattern_and_hides_the_person(value: str, expected: str) -> None:
    """Domain, network and country stay, what finds a person goes."""
    assert expected == mask(value)


def test_text_is_searched_for_personal_data() -> None:
    """Addresses, numbers and networks in a sentence are masked; times and figures stay."""
    text = "bob.smith@foo.example at 203.0.113.9 (2001:db8::1), tel. +49 30 1234567, 12:30:11, 40,000 times"

    expected = "b•••@foo.example at 203.0.113.••• (2001:0db8:0000:•••), tel. +49 ••• 67, 12:30:11, 40,000 times"
    assert expected == mask_text(text)


def test_values_are_masked_by_name_and_searched_otherwise() -> None:
    """A personal name hides any type; other texts are searched; other types stay."""
    values = {"name": "Ella", "age": 7, "note": "ask a@b.example", "pin": 1234, "tags": ["c@d.example"]}

    expected = {"name": "E•••", "age": 7, "note": "ask a•••@b.example", "pin": "•••", "tags": ["c•••@d.example"]}
    assert expected == mask_values(values, {"name", "pin"})


def test_only_viewers_see_masked_data() -> None:
    """The roles that work cases need the data."""
    assert [is_masked(role) for role in ("viewer", "analyst", "lead", "admin")] == [True, False, False, False]
