"""Progress for people: sentences instead of an engine's step names, and a share of the whole that never goes back."""

from goodsend.archive.course import Course

KEYS: dict[str, list[tuple[str, ...]]] = {"features": [("account",), ("account", "ip")], "features_live": [("domain",)]}


def test_steps_become_sentences_and_a_share_of_the_whole() -> None:
    """No name of a table is told, and the share only rises, up to the end and not before."""
    course = Course(KEYS, compared=True)
    steps = [
        ("judged", "rows", None), ("judged", "rows", 1.0), ("features", "rows", 0.9), ("features", "inputs", 1.0),
        ("features", "features_key0_framed", 0.5), ("features", "features_key0_framed", 1.0),
        ("features", "features_key0_unseen", 0.1), ("features", "features_key0", 1.0),
        ("features", "features_key1", 0.5), ("features", "rows", 0.5), ("truths", "rows", 1.0),
        ("features_live", "late", 1.0),
        ("features_live", "features_live_features_key0_ranked", 0.5), ("features_live", "rows", None),
        ("truths_live", "rows", 0.2), ("beginnings", "rows", 1.0), ("counting", "counting", None),
    ]  # fmt: skip
    told, stage = [], ""
    for at, step, share in steps:
        if at != stage:
            course.enter(at)
            stage = at
        told.append(course.tell(step, share))
    sentences, shares = [said for said, _ in told], [share for _, share in told]

    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.9 < shares[-1] < 1
    assert list(dict.fromkeys(sentences)) == [
        "Reading the events of the span", "Preparing the events", "Computing features of account",
        "Computing features of account and ip", "Joining the features", "Judging events",
        "Preparing the events for the live rules", "Computing features of domain for the live rules",
        "Joining the features of the live rules", "Judging events by the live rules",
        "Finding when labelled accounts began", "Counting",
    ]  # fmt: skip


def test_a_share_of_nonsense_stays_inside_its_stage() -> None:
    """Engines guess: more than the whole, or less than nothing, moves nothing beyond the stage."""
    course = Course({}, compared=False)
    assert course.tell("rows", 7.0) == ("Reading the events of the span", 0.05)
    assert course.tell("rows", -1.0) == ("Reading the events of the span", 0.05)
