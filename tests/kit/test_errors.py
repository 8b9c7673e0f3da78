"""Problems as people read them."""

from goodsend.kit.errors import Problem


def test_a_problem_shows_the_line_a_caret_and_a_hint() -> None:
    """The caret stands under the word that is wrong, on the line it is in."""
    source = "e.recipients > 10\nAND e.recipient_ > 3"
    start = source.index("e.recipient_")
    problem = Problem("rules/import.toml: big", "no fact is named 'e.recipient_'", "did you mean 'e.recipients'?",
                      source, start, start + 12)  # fmt: skip

    assert problem.render() == (
        "rules/import.toml: big: no fact is named 'e.recipient_'\n"
        "  2 | AND e.recipient_ > 3\n"
        "          ^^^^^^^^^^^^\n"
        "  hint: did you mean 'e.recipients'?"
    )


def test_a_problem_is_told_from_outer_places_inwards() -> None:
    """Each room adds where it was when it met the problem."""
    assert Problem("when", "broken").at("big").at("rules/import.toml").place == "rules/import.toml: big: when"
