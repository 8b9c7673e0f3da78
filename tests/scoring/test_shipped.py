"""The models that ship: golden scores, size, cards."""

from pathlib import Path

import pytest

import goodsend
from goodsend.facts import Facts
from goodsend.scoring.model import FILE_BYTES, Model, parse_model

MODELS = Path(goodsend.__file__).parent / "packs" / "core" / "models"
NAMES = ("mail_spam", "sms_abuse")


def shipped(name: str) -> Model:
    """Return a shipped model."""
    model = parse_model((MODELS / f"{name}.json").read_bytes())
    assert isinstance(model, Model), model
    return model


@pytest.mark.parametrize("name", NAMES)
def test_each_model_has_a_card_of_its_version(name: str) -> None:
    """A card beside each model names its version, its data with licences, and its limits in plain words."""
    card = (MODELS / f"{name}.md").read_text(encoding="utf-8")
    model = shipped(name)

    assert model.name == name
    assert f"Version `{model.version}`" in card
    assert "| data | what | licence | credit |" in card
    assert "Weak on modern" in card


def test_models_are_small() -> None:
    """Each stays below its limit."""
    assert all((MODELS / f"{name}.json").stat().st_size <= FILE_BYTES for name in NAMES)
    assert {path.stem for path in MODELS.glob("*.json")} == set(NAMES)


@pytest.mark.parametrize(
    ("name", "channel", "facts", "expected"),
    [
        (
            "sms_abuse",
            "sms",
            {"s.text": "URGENT! You have won a 1 week FREE membership in our £100,000 prize! Txt CLAIM to 81010"},
            996,
        ),
        (
            "sms_abuse",
            "sms",
            {"s.text": "Your bank account has been suspended. Verify now: http://secure-login.example"},
            993,
        ),
        ("sms_abuse", "sms", {"s.text": "Your verification code is 482913. Do not share it with anyone."}, 152),
        ("sms_abuse", "sms", {"s.text": "ok see you at 5"}, 78),
        ("sms_abuse", "sms", {"s.text": "Ваш код 4821"}, 176),
        (
            "mail_spam",
            "email",
            {
                "s.subject": "Cheap meds",
                "s.text": "Buy viagra online, no prescription, lowest prices guaranteed, click here",
            },
            1000,
        ),
        (
            "mail_spam",
            "email",
            {
                "s.subject": "Your invoice for November",
                "s.text": "Hello Maria, attached is your invoice 4021. Thank you for your business.",
            },
            788,
        ),
        (
            "mail_spam",
            "email",
            {
                "s.subject": "Minutes",
                "s.text": "Please find the minutes of our meeting on Tuesday attached.",
            },
            162,
        ),
    ],
)
def test_golden_scores(name: str, channel: str, facts: Facts, expected: int | None) -> None:
    """Scores of fixed texts change only when a model is trained again."""
    model = shipped(name)

    assert expected == model.score(facts, channel)


def test_explanations_are_in_words_of_the_text() -> None:
    """What moved a score can be shown over the text."""
    facts: Facts = {"s.text": "Claim your prize now! Call 08718738034"}

    names = [name for name, _ in shipped("sms_abuse").explain(facts, 3)]

    assert "[number of 11 digits]" in names
