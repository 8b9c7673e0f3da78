"""Personal data is masked by what the catalogue marks, and what it does not know."""

import pytest

from goodsend.api.masking import mask, mask_facts, mask_sentence, personal_values
from goodsend.facts import Catalog, Fact, FactType

CATALOG = Catalog(
    [
        Fact("e.email", FactType.TEXT, "a person's address", personal=True),
        Fact("e.plan", FactType.TEXT, "the plan"),
        Fact("f.logins_24h", FactType.INTEGER, "logins"),
    ]
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("anna@example.com", "a…@example.com"),
        ("203.0.113.9", "2…"),
        ("@", "@…"),
        ("", "…"),
        (7, "…"),
        (True, "…"),
        (None, None),
        (["anna@example.com", None], ["a…@example.com", None]),
    ],
)
def test_a_mask_tells_the_kind_of_a_value_and_little_else(value: object, shown: object) -> None:
    """A mail address keeps its domain; what is not known stays so."""
    assert shown == mask(value)


def test_facts_are_masked_by_the_catalogue() -> None:
    """A column the catalogue does not know is masked too: it may be the raw form of one it does."""
    masked = mask_facts(
        {"e.email": "anna@example.com", "e.email_raw": "Anna@example.com", "e.plan": "free", "f.logins_24h": 3}, CATALOG
    )

    assert masked == {"e.email": "a…@example.com", "e.email_raw": "A…@example.com", "e.plan": "free", "f.logins_24h": 3}


def test_a_sentence_is_masked_where_it_shows_a_value() -> None:
    """Longer values first, so that one inside another is masked with it; cut values by their beginning."""
    facts = {"e.email": "anna@example.com", "e.plan": "free", "e.note": ["x" * 200, "ab"]}
    sentence = f"anna@example.com chose free, ab, {'x' * 119}…"

    assert mask_sentence(sentence, personal_values(facts, CATALOG)) == "a…@example.com chose free, ab, x……"
