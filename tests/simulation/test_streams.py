"""Streams of chance."""

from goodsend.simulation.streams import stream, successes, token


def test_names_make_streams() -> None:
    """The same names give the same stream, other names another one; parts are kept apart."""
    assert stream(1, "a", 2).random() == stream(1, "a", 2).random()
    assert stream(1, "a", 2).random() != stream(2, "a", 2).random()
    assert stream(1, "ab", "c").random() != stream(1, "a", "bc").random()


def test_successes_stay_within_their_trials() -> None:
    """Few or many, rare or sure: between none and all, and about as many as the chance says."""
    random = stream(1, "successes")

    assert successes(random, 0, 0.5) == 0
    assert successes(random, 150, 1.0) == 150
    assert successes(random, 40_000, 0.0) == 0
    assert successes(random, 40_000, 1.0) == 40_000
    assert 4_400 < successes(random, 40_000, 0.115) < 4_800
    assert successes(random, 10_000, 0.0002) < 20


def test_tokens_have_their_length() -> None:
    """Leading zeros are kept."""
    random = stream(1, "tokens")

    assert {10} == {len(token(random)) for _ in range(200)}
