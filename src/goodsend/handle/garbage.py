"""
Python's garbage collector, kept off the windows: they are millions of objects that live long, and a full look at them
would stop every request for a tenth of a second, every few seconds.
"""

import gc

FREEZE_EVENTS = 50_000
"""After so many events what has come is taken out of the collector's sight."""


class Frost:
    """
    Counts events and takes what lives out of the collector's sight from time to time.

    What is frozen is still freed when nobody refers to it any more; only circles that are garbage later stay.
    """

    def __init__(self) -> None:
        self._events = 0

    def came(self, events: int) -> None:
        """Note that so many events are in the windows now."""
        self._events += events
        if self._events >= FREEZE_EVENTS:
            self._events = 0
            gc.collect()
            gc.freeze()
