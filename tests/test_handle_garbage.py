"""What lives long is out of the garbage collector's sight."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from goodsend.handle import garbage
from goodsend.handle.garbage import Frost


class Thing:
    """Something that can be watched."""


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Leave the collector as it was."""
    yield
    gc.unfreeze()


def test_what_came_is_frozen_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each event; garbage that is there already goes before."""
    monkeypatch.setattr(garbage, "FREEZE_EVENTS", 10)
    circle = Thing()
    circle.itself = circle  # type: ignore[attr-defined]
    gone = weakref.ref(circle)
    del circle
    frost = Frost()
    before = gc.get_freeze_count()
    frost.came(9)
    assert gc.get_freeze_count() == before
    frost.came(1)

    assert gc.get_freeze_count() > before
    assert gone() is None


def test_what_is_frozen_is_freed_when_nobody_refers_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows forget events as ever."""
    monkeypatch.setattr(garbage, "FREEZE_EVENTS", 1)
    held = [Thing()]
    gone = weakref.ref(held[0])
    Frost().came(1)
    held.clear()

    assert gone() is None
