"""The allowed moves of a case, as a table. Who may make them is for the console; when, for clocks."""

from typing import Final

MOVES: Final[dict[str, frozenset[tuple[str, str]]]] = {
    "assigned": frozenset(
        {("open", "assigned"), ("assigned", "assigned"), ("waiting", "assigned"), ("decided", "assigned")}
    ),
    "released": frozenset({("assigned", "open"), ("waiting", "open")}),
    "asked": frozenset({("open", "waiting"), ("assigned", "waiting")}),
    "answered": frozenset({("waiting", "assigned"), ("waiting", "open")}),
    "decided": frozenset({("open", "decided"), ("assigned", "decided"), ("waiting", "decided")}),
    "closed": frozenset({("decided", "closed")}),
    "reopened": frozenset({("decided", "open"), ("closed", "open")}),
}
"""Verb of the timeline → the (before, after) states it may join. Notes and evidence never move a case."""

OUTCOMES: Final = ("confirmed", "unfounded", "unclear")
"""What a decision on a case may find: the abuse is real, it is not, or it cannot be told."""


def is_allowed(verb: str, before: str, after: str) -> bool:
    """Say whether this verb may take a case from one state to the other."""
    return (before, after) in MOVES.get(verb, frozenset())
