"""Which hosts belong to a brand, and which only look so."""

import pytest

from goodsend.scanning.folding import broken_words, clean, fold, fold_with_places, skeleton
from goodsend.scanning.scanner import Scanner


@pytest.mark.parametrize(
    ("host", "brand"),
    [
        ("paypal.com", None),
        ("www.paypal.com", None),
        ("paypal.de", None),  # a country ending: taken for the brand's own
        ("paypal.cc", "paypal"),  # an ending where anybody registers
        ("paypal.top", "paypal"),
        ("paypa1.com", "paypal"),
        ("paypai.com", "paypal"),
        ("payypal.com", "paypal"),
        ("papyal.com", "paypal"),
        ("paypal-secure.example", "paypal"),
        ("paypal.account.example", "paypal"),
        ("xn--pypal-4ve.com", "paypal"),  # Cyrillic а
        ("arnazon.com", "amazon"),
        ("amazon-rainforest.example", None),  # an everyday word without a bait beside it
        ("amazon-login.example", "amazon"),
        ("wellsfarg0.example", "wellsfargo"),
        ("apples.example", None),
        ("chase.example", None),
        ("chase-online-banking.example", "chase"),
        ("steam.example", None),
        ("lng.com", None),
        ("paypal.github.io", "paypal"),
        ("203.0.113.1", None),
        ("localhost", None),
    ],
)
def test_lookalikes(scanner: Scanner, host: str, brand: str | None) -> None:
    """Skeletons, one letter's distance and the name as a label give a brand away; its own domains do not."""
    found = scanner.brands.lookalike(host)

    assert (found.brand.id if found else None) == brand


@pytest.mark.parametrize(
    ("name", "brand"),
    [
        ("PayPal", "paypal"),
        ("Team PayPaI", None),
        ("P\u0430yPal Team", "paypal"),
        ("Apple Support", "apple"),
        ("Apple Pie Recipes", None),
        ("Visa", "visa"),
        ("Your visa application", None),
        ("Wells Fargo Online\u00ae", "wellsfargo"),
        ("", None),
    ],
)
def test_names(scanner: Scanner, name: str, brand: str | None) -> None:
    """Whole words only, and everyday words only beside words of service."""
    found = scanner.brands.named_in(name)

    assert (found.id if found else None) == brand


def test_folding_is_idempotent_and_places_agree() -> None:
    """Folding what is folded changes nothing, and each folded character knows where it came from."""
    text = "Ver\u0456fy  \u200byour\n\u00c0ccount \uff21"
    folded, places = fold_with_places(text)

    assert fold(text) == fold(fold(text)) == "verify your account a"
    assert folded == "verify your account a"
    assert len(folded) == len(places)
    assert text[places[0] : places[5] + 1] == "Ver\u0456fy"
    assert clean("\u0425\u043e\u0440\u043e\u0448\u043e") == "\u0425\u043e\u0440\u043e\u0448\u043e"


def test_broken_words_ignore_honest_scripts() -> None:
    """Soft hyphens, emoji joiners and real Cyrillic are no obfuscation; mixed words and split words are."""
    assert broken_words("Donau\u00addampfschiff \U0001f468\u200d\U0001f469 \u043f\u0440\u0438\u0432\u0435\u0442") == []
    assert len(broken_words("p\u0430yment and pass\u200bword")) >= 2


def test_skeletons_meet() -> None:
    """What looks the same has the same skeleton."""
    assert skeleton("rnicr0s0ft") == skeleton("microsoft")
    assert skeleton("paypaI") == skeleton("paypal")
