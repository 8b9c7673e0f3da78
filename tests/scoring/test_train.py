"""Training on made-up texts: same seed, same bytes; near-duplicates stay together; the scale is monotone."""

import random
from itertools import pairwise

import pytest

from goodsend.kit.errors import Misconfigured
from goodsend.scoring.evaluate import measure, share
from goodsend.scoring.model import Model, parse_model

pytest.importorskip("sklearn", reason="needs the extra `train`")

from goodsend.scoring.train import Corpus, HeldOut, Recipe, Sample, calibration, train

RECIPE = Recipe(
    name="trial",
    doc="how much a text reads like a trial",
    channels=["sms"],
    bits=20,
    cells=2000,
    least_documents=2,
    least_parts=1,
    penalty=1.0,
    folds=3,
    levels=[(0.5, 200), (0.1, 700), (0.02, 900), (0.01, 950)],
    ignored=["monday"],
    source="made up",
)
HAM = [
    "see",
    "you",
    "later",
    "at",
    "home",
    "with",
    "mum",
    "and",
    "dad",
    "for",
    "dinner",
    "after",
    "work",
    "today",
    "maybe",
]
SPAM = [
    "win",
    "free",
    "prize",
    "claim",
    "now",
    "call",
    "urgent",
    "cash",
    "offer",
    "click",
    "link",
    "reply",
    "stop",
    "text",
]


def make_samples(count: int = 300) -> list[Sample]:
    """Return made-up texts of two corpora, one in five of them abuse."""
    chance = random.Random(3)
    samples = []
    for number in range(count):
        abuse = number % 5 == 0
        words = [*chance.choices(SPAM if abuse else HAM, k=8), "monday", f"id{chance.choice('abcdefgh')}"]
        samples.append(Sample("one" if number % 2 else "two", "part", abuse, " ".join(words)))
    return samples


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Training twice gives one file; another seed may not."""
    corpus = Corpus(make_samples(), RECIPE.ignored)

    first = train(RECIPE, corpus, corpus.rows(), 1)

    assert first.body == train(RECIPE, Corpus(make_samples(), RECIPE.ignored), corpus.rows(), 1).body
    assert isinstance(parse_model(first.body), Model)


def test_a_trained_model_tells_the_two_apart() -> None:
    """Held-out texts of the two kinds are ranked apart, and the scale ascends."""
    corpus = Corpus(make_samples(), RECIPE.ignored)

    trained = train(RECIPE, corpus, corpus.rows(), 1)

    figures = measure((sample.abuse, raw, None) for sample, raw in trained.held_out)
    assert figures.auc is not None
    assert figures.auc > 0.95
    assert len(trained.held_out) == len(corpus.samples)
    assert all(low < high for low, high in pairwise(trained.model.raws))
    assert (trained.model.scores[0], trained.model.scores[-1]) == (0, 1000)


def test_ignored_words_get_no_weight() -> None:
    """A word to ignore moves nothing, alone or in a pair."""
    corpus = Corpus(make_samples(), RECIPE.ignored)

    model = train(RECIPE, corpus, corpus.rows(), 1).model

    assert "monday" not in " ".join(name for name, _ in model.explain({"s.text": "monday win monday prize"}, 20))


def test_near_duplicates_share_a_group_and_copies_are_one() -> None:
    """Variants of one campaign are never on both sides of a split; exact copies count once."""
    long = "dear customer your parcel is waiting at our depot please pay the open fee of 2 pounds to have it sent"
    texts = [long, long.replace("2 pounds", "3 euros"), "something else entirely, said by another person", long.upper()]

    corpus = Corpus([Sample("one", "part", False, text) for text in texts], [])

    assert len(corpus.samples) == 3
    assert corpus.groups[0] == corpus.groups[1]
    assert corpus.groups[2] == 2


def test_calibration_keeps_each_corpus_below_its_share() -> None:
    """The corpus with the highest sums sets a level; one with too few texts does not."""
    easy: HeldOut = [(Sample("easy", "part", False, ""), number / 1000) for number in range(1000)]
    hard: HeldOut = [(Sample("hard", "part", False, ""), number / 1000 + 1) for number in range(1000)]
    few: HeldOut = [(Sample("few", "part", False, ""), 50.0)] * 3

    points = calibration([easy + hard + few], [(0.1, 700), (0.01, 950)])

    assert points == [(0.0, 0), (1.9, 700), (1.99, 950), (51.0, 1000)]


def test_training_without_abuse_is_told() -> None:
    """Labels of one kind alone cannot be learned from."""
    samples = [Sample("one", "part", False, f"text number {word}") for word in HAM]
    corpus = Corpus(samples, [])

    with pytest.raises(Misconfigured):
        train(RECIPE, corpus, corpus.rows(), 1)


def test_measures_count_ties_by_half_and_unknown_as_not_found() -> None:
    """A text without a score is neither found nor flagged; ties count half in the area."""
    figures = measure([(True, 2.0, 960), (True, None, None), (False, 2.0, 960), (False, 0.0, 100)])

    assert figures.auc == pytest.approx(0.375)
    assert figures.found[950].part == 1
    assert figures.flagged[990].part == 0


def test_share_has_the_wilson_interval() -> None:
    """One of thirteen is somewhere between 1 and 33 percent; nothing of nothing is unknown."""
    one = share(1, 13)

    assert (round(one.low or 0, 3), round(one.high or 0, 3)) == (0.014, 0.333)
    assert share(0, 0).low is None
