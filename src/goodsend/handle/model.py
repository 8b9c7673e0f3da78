"""What comes in and goes out of the engine: submissions, the parts they are worked off in, answers."""

from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Literal

import msgspec

from goodsend.decisions.model import Decision
from goodsend.kit.errors import Rejection, Retryable
from goodsend.pipeline import Outcome


class Answer(msgspec.Struct, frozen=True):
    """
    What became of one submitted item, in the order in which they were submitted.

    `accepted` and `duplicate` carry the decision (of the first time, for a duplicate), `rejected` the rejection.
    """

    status: Literal["accepted", "duplicate", "rejected"]
    event_id: str | None
    decision: Decision | None = None
    rejection: Rejection | None = None
    outcome: Outcome | None = None


class Busy(Retryable):
    """More is waiting for the engine than it will take on; slow down and try again."""


class Unjudged(Exception):  # noqa: N818 - never leaves the engine
    """Judging these events broke, and the windows may hold them: carries their ids."""

    def __init__(self, ids: frozenset[str]) -> None:
        super().__init__(", ".join(sorted(ids)))
        self.ids = ids


class Work(msgspec.Struct, eq=False):
    """
    One submission. `taken` counts the items that were handed out in parts, `answers` those answered; `size` is in
    bytes. Parts are answered in order, because they are worked off in order.
    """

    tenant: str
    items: Sequence[object]
    source: str
    future: "Future[list[Answer]]"
    size: int
    taken: int = 0
    answers: list[Answer] = []

    def answer(self, answers: Sequence[Answer]) -> None:
        """Take in the answers of the next part; the last one ends the waiting."""
        self.answers += answers
        if len(self.answers) == len(self.items):
            with suppress(InvalidStateError):  # it failed before
                self.future.set_result(self.answers)

    def fail(self, error: Exception) -> None:
        """Tell who waits; what is left of it is not begun any more."""
        with suppress(InvalidStateError):  # it has ended before
            self.future.set_exception(error)


class Part(msgspec.Struct, eq=False):
    """Some items of a submission, worked off in one transaction. `is_in_hand` until they are answered or failed."""

    work: Work
    items: Sequence[object]
    is_in_hand: bool = True


class Progress(msgspec.Struct, frozen=True):
    """
    How far the engine is with a tenant: the pack that decides and the last arrival in its windows.

    While windows for another pack are built from the log, `next_pack` names it, and `done` of `total` events are in.
    """

    tenant: str
    pack: str
    arrival: int
    next_pack: str | None = None
    done: int = 0
    total: int = 0


def size_of(item: object) -> int:
    """Return about how many bytes an item has."""
    return len(item) if isinstance(item, bytes) else _DECODED_BYTES


_DECODED_BYTES = 500
"""What an item that came decoded is taken for. Own choice: most events are smaller."""
