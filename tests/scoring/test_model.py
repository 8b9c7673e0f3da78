"""Model files: what is refused, and what a model says."""

import base64
import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodsend.facts import Facts, FactType
from goodsend.kit.errors import Problem
from goodsend.scoring.model import FILE_BYTES, FORMAT, Model, model_facts, parse_model
from goodsend.scoring.tokens import TOKENS, hashes_of, words_of

BITS = 12


def encoded(weights: dict[str, int]) -> dict[str, str]:
    """Return `gaps` and `weights` of a file that gives these words and pairs these weights."""
    cells: dict[int, int] = {}
    for text, weight in weights.items():
        words = words_of(text)
        inner = hashes_of(words[:1]) | hashes_of(words[1:]) if len(words) > 1 else set()
        (found,) = hashes_of(words) - inner
        cells[found % (1 << BITS)] = weight
    ordered = sorted(cells)
    gaps = [high - low for low, high in pairwise([0, *ordered])]
    return {
        "gaps": base64.b64encode(b"".join(gap.to_bytes(2, "little") for gap in gaps)).decode(),
        "weights": base64.b64encode(bytes(cells[cell] & 255 for cell in ordered)).decode(),
    }


def make_file(**but: Any) -> bytes:
    """Return a small model file: `win` and `free money` speak for abuse, `meeting` against it."""
    file: dict[str, Any] = {
        "format": FORMAT,
        "name": "trial",
        "doc": "how much a text reads like a trial",
        "channels": ["email"],
        "tokens": TOKENS,
        "bits": BITS,
        "bias": -1.0,
        "step": 0.5,
        "calibration": [[-5.0, 0], [0.0, 500], [2.0, 900], [10.0, 1000]],
        **encoded({"win": 4, "free money": 8, "meeting": -4}),
    }
    return json.dumps({key: value for key, value in (file | but).items() if value is not None}).encode()


def make_model(**but: Any) -> Model:
    """Return the model of `make_file`."""
    model = parse_model(make_file(**but))
    assert isinstance(model, Model)
    return model


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("win", 700),  # -1 + 0.5 · 4 / √1 = 1, half way from 500 to 900
        ("win win", 582),  # the same weight over two distinct words and pairs
        ("free money", 761),  # the pair, not its words
        ("money free", None),
        ("meeting", 200),
        ("hello there", None),
        ("", None),
    ],
)
def test_score_follows_from_the_weights(text: str, expected: int | None) -> None:
    """A score is the calibrated sum of known weights; a text without a known word has none."""
    model = make_model()

    assert expected == model.score({"s.text": text}, "email")


def test_score_is_unknown_off_its_channel_and_without_text() -> None:
    """A model says nothing about channels that are not its own, and nothing when it knows no text."""
    model = make_model()

    assert model.score({"s.text": "win"}, "sms") is None
    assert model.score({"s.text": "win"}, None) is None
    assert model.score({"s.text": None}, "email") is None
    assert model.score({}, "email") is None
    assert model.score({"s.subject": "win"}, "email") == 700


def test_explain_names_what_moved_the_score() -> None:
    """Words come strongest first with their share of the sum; those without weight are left out."""
    model = make_model()
    facts: Facts = {"s.text": "Free money! Meeting"}

    explained = model.explain(facts, 5)

    assert [name for name, _ in explained] == ["free money", "meeting"]
    raw = model.raw("Free money! Meeting")
    assert raw is not None
    assert raw - model.bias == pytest.approx(sum(moved for _, moved in explained))
    assert model.explain(facts, 1) == explained[:1]
    assert model.explain({}, 5) == []


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_calibration_is_monotone(one: float, other: float) -> None:
    """A higher sum never gives a lower score, and every score lies in 0…1000."""
    model = make_model()
    low, high = sorted((one, other))

    assert 0 <= model.calibrated(low) <= model.calibrated(high) <= 1000


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    """No text is too odd to be scored or explained, and the same text has the same score."""
    model = make_model()
    facts: Facts = {"s.text": text}

    score = model.score(facts, "email")

    assert score == model.score(facts, "email")
    assert score is None or 0 <= score <= 1000
    assert len(model.explain(facts, 3)) <= 3


@pytest.mark.parametrize(
    ("but", "expected"),
    [
        ({"format": "goodsend-text-model/2"}, "format"),
        ({"tokens": "words/0"}, "tokens"),
        ({"name": "Trial"}, "name"),
        ({"name": "a" * 60}, "name"),
        ({"doc": ""}, "doc"),
        ({"channels": []}, "channels"),
        ({"channels": ["e mail"]}, "channels"),
        ({"bits": 9}, "bits"),
        ({"bits": 40}, "bits"),
        ({"bias": 1e9}, "step"),
        ({"step": 0.0}, "step"),
        ({"step": -1.0}, "step"),
        ({"calibration": [[0.0, 0]]}, "calibration"),
        ({"calibration": [[float(n), n] for n in range(65)]}, "calibration"),
        ({"calibration": [[0.0, 0], [1.0, 1001]]}, "calibration"),
        ({"calibration": [[0.0, 0], [0.0, 1000]]}, "calibration"),
        ({"calibration": [[0.0, 900], [1.0, 500]]}, "calibration"),
        ({"gaps": "%%%"}, "weights"),
        ({"weights": "é"}, "weights"),
        ({"weights": ""}, "weights"),
        ({"gaps": "//8=", "weights": "AQ=="}, "gaps"),
        ({"gaps": "AQAAAA==", "weights": "AQE="}, "gaps"),
        ({"bias": None}, ""),
        ({"more": 1}, ""),
        ({"step": "0.5"}, ""),
        ({"channels": {"email": 1}}, ""),
    ],
)
def test_a_malformed_file_is_a_problem(but: dict[str, Any], expected: str) -> None:
    """Every fault of a file is told with its place; none raises."""
    problem = parse_model(make_file(**but))

    assert isinstance(problem, Problem)
    assert expected == problem.place
    assert problem.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"bias": NaN}',
        b"{" + b" " * FILE_BYTES,
        make_file()[:-9],
    ],
    ids=["empty", "open", "null", "list", "not utf-8", "deep", "nan", "large", "cut"],
)
def test_what_is_no_model_file_is_a_problem(body: bytes) -> None:
    """Bytes that are no model file at all are refused the same way."""
    assert isinstance(parse_model(body), Problem)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_damage_never_raises(damage: bytes, place: int) -> None:
    """A file with any bytes written over any part is a model or a Problem."""
    body = make_file()

    outcome = parse_model(body[:place] + damage + body[place + len(damage) :])

    assert isinstance(outcome, Model | Problem)


def test_version_follows_from_the_bytes() -> None:
    """Another file, even with the same meaning, is another version."""
    assert make_model().version == make_model().version
    assert make_model().version != make_model(doc="another sentence").version


def test_facts_name_each_model() -> None:
    """The catalogue says what a score means and that it is a rank."""
    (fact,) = model_facts([make_model()])

    assert fact.name == "m.trial"
    assert fact.type is FactType.INTEGER
    assert "rank among legitimate messages" in fact.doc


def test_model_is_immutable() -> None:
    """A model's fields cannot be set: many threads share it."""
    with pytest.raises(AttributeError):
        make_model().bias = 0.0  # type: ignore[misc]
    assert isinstance(make_model(), msgspec.Struct)
